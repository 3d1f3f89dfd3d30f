//! A station's next generation of keys: made beside those in use, with a card for its authority.
//!
//! Nothing changes for the running station before its authority has certified them; then the
//! station takes them by itself. Called by the command line.

use super::{
    CeremonyError, KeysMade,
    card::{self, STATION_CARD},
};
use crate::keystore::Keystore;
use cbm_proto::{id::StationName, primitives::Entropy};
use std::path::Path;

/// Makes the next generation in `folder/next`, with its card. Without a name, the card of the keys
/// in use says whose they are.
///
/// # Errors
/// A generation waits there already, no card names the station, or the disk refuses.
pub fn rotate_station(
    folder: &Path,
    station: Option<&StationName>,
    entropy: &mut Entropy,
) -> Result<KeysMade, CeremonyError> {
    let store = Keystore::open(folder)?;
    let station = match station {
        Some(name) => name.clone(),
        None => card::read_station(&folder.join(STATION_CARD))?.0,
    };
    let (next, keys) = store.make_next(entropy)?;
    let card = next.join(STATION_CARD);
    card::write_station(&card, &station, &keys.public())?;
    let print = keys.public().fingerprint();
    Ok(KeysMade {
        owner: station.to_string(),
        keys: next,
        card,
        fingerprint: print.hex(),
        words: print.words(),
        made_in_token: None,
    })
}
