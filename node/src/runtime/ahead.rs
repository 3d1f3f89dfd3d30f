//! Signatures of catch-up, verified on all cores before the station sees the answer.
//!
//! The station verifies one envelope after the other on one core; an answer brings up to 256. This
//! does the arithmetic for them at once, by the same rules and the same keys, and the station passes
//! over what was found good. It decides nothing: a signature that was not looked at here, or is not
//! good, the station looks at itself. Called by `runtime` and by the bench.

use std::thread;

use bytes::Bytes;
use cbm_proto::{id::Digest, station::Station, sync::Say};

/// Fewer envelopes than this are not worth a thread.
const WORTH: usize = 16;

/// Verifies what an answer brings.
pub fn verify(station: &mut Station, answer: &Bytes) {
    let Ok(Say::Envelopes(envelopes, _)) = Say::decode(answer) else { return };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if envelopes.len() < WORTH || cores < 2 {
        return;
    }
    let share = envelopes.len().div_ceil(cores);
    let known = &*station;
    let good: Vec<Digest> = thread::scope(|scope| {
        let look = |all: &[Bytes]| all.iter().filter_map(|e| known.signed_well(e)).collect();
        let threads: Vec<_> = envelopes
            .chunks(share)
            .map(|all| scope.spawn(move || -> Vec<Digest> { look(all) }))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    station.note_verified(good);
}
