//! Files that parties hand to one another: cards of public keys, heads of a feed, documents.

use std::cell::OnceCell;

use cbm_node::ceremony::{card, read_heads};
use cbm_node::documents;
use tempfile::TempDir;

use super::files::{folder, put};
use super::input::Input;

/// A card that is read is written again as it was; anything else is refused in words.
pub(super) fn cards(data: &[u8]) {
    thread_local!(static FOLDER: OnceCell<TempDir> = const { OnceCell::new() });
    FOLDER.with(|place| {
        let folder = place.get_or_init(folder).path();
        let (path, again) = (folder.join("card.toml"), folder.join("again.toml"));
        let mut input = Input::new(data);
        let which = input.below(4);
        put(&path, input.rest());
        let refused = match which {
            0 => card::read_authority(&path).map(|(party, keys)| {
                card::write_authority(&again, &party, &keys).expect("written");
                let (_, read) = card::read_authority(&again).expect("read again");
                assert_eq!(read.fingerprint(), keys.fingerprint());
            }),
            1 => card::read_station(&path).map(|(name, keys)| {
                card::write_station(&again, &name, &keys).expect("written");
                let (_, read) = card::read_station(&again).expect("read again");
                assert_eq!(read.fingerprint(), keys.fingerprint());
            }),
            2 => read_heads(&path).map(drop),
            _ => return documents::read(&path).map_or((), |_| {}),
        };
        if let Err(error) = refused {
            assert!(!error.to_string().is_empty());
        }
    });
}
