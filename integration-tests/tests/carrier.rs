//! What a carrying member can see: nothing that tells one letter from another.
//!
//! Looks only at the bytes on the disk of a station that is no addressee (I7, I12).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cbm_integration_tests::invariants::carried;
use cbm_integration_tests::world::vocabulary::party;
use cbm_integration_tests::world::{World, Written};
use cbm_proto::envelope::{Envelope, Header, Kind};
use cbm_proto::id::{Digest, MsgId, StationName};
use cbm_proto::letter::{Letter, Origin};
use cbm_proto::primitives::Entropy;
use cbm_proto::terms::{Level, Precedence, Status};
use cbm_proto::time::Timestamp;

/// The sealed envelopes of one author that another station carries.
fn of_author(world: &World, carrier: &str, author: &str) -> Vec<Envelope> {
    let author = world.machines[world.at(author)].station;
    carried(&world.machines[world.at(carrier)])
        .into_iter()
        .map(|bytes| Envelope::decode(bytes).unwrap())
        .filter(|e| e.header().author == author && e.header().kind == Kind::Sealed)
        .collect()
}

/// What carriers see and what could not be the same twice: the place in the feed, the time, and
/// digests. Everything else must be equal.
fn visible(envelope: &Envelope) -> (usize, Header) {
    let mut header = *envelope.header();
    header.seq = 0;
    header.prev = Digest([0; 32]);
    header.made_at = Timestamp(0);
    header.fkc = [0; 32];
    header.body = Digest([0; 32]);
    header.stanzas = Digest([0; 32]);
    header.root = Digest([0; 32]);
    (envelope.bytes().len(), header)
}

/// Sends the letters from AAA one by one, and shows what DDD, who gets none, carries of each.
fn seen_by_a_carrier(letters: Vec<Written>) -> Vec<(usize, Header)> {
    let mut world = World::calm(4);
    for written in letters {
        let to = written.to[0].as_str().to_owned();
        let msg = world.send_letter("AAA", written);
        world.expect_level("AAA", msg, &to, Level::L1);
        let carried = |w: &World| of_author(w, "DDD", "AAA").len() == w.model.letters().len();
        world.until("DDD carries it", carried);
    }
    of_author(&world, "DDD", "AAA").iter().map(visible).collect()
}

fn all_alike(letters: Vec<Written>) {
    let count = letters.len();
    let seen = seen_by_a_carrier(letters);
    assert_eq!(seen.len(), count);
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

fn note() -> Written {
    Written::note(vec![party("BBB")])
}

#[test]
fn a_carrier_cannot_tell_the_status() {
    all_alike(Status::ALL.iter().map(|status| Written { status: *status, ..note() }).collect());
}

#[test]
fn a_carrier_cannot_tell_the_precedence() {
    let of = |precedence: &Precedence| Written { precedence: *precedence, ..note() };
    all_alike(Precedence::ALL.iter().map(of).collect());
}

/// Bytes of a letter's parts before sealing.
fn size(written: &Written) -> usize {
    let (draft, _) = written.draft(0, 7).unwrap();
    let station = StationName::parse("AAA/mfa").unwrap();
    let origin = Origin { id: MsgId([0; 16]), station, at: Timestamp(0) };
    let parts = Letter::compose(draft, &origin).parts(&mut Entropy::new(&[0; 32]));
    parts.iter().map(|part| part.bytes.len()).sum()
}

/// Letters that say as much, whatever their type: sizes are padded to steps of 256 bytes, remarks
/// fill each type up to the middle of one step.
#[test]
fn a_carrier_cannot_tell_the_type() {
    let kinds = ["operator-note", "incident-alert", "red-flag", "request"];
    let of = |kind: &'static str, words: usize| Written { kind, words, ..note() };
    let largest = kinds.iter().map(|kind| size(&of(kind, 1))).max().unwrap();
    let wanted = (largest + 41).next_multiple_of(256) + 50;
    let filled = |kind: &&'static str| {
        let words = (1..100).find(|words| size(&of(kind, *words)) >= wanted).unwrap();
        of(kind, words)
    };
    all_alike(kinds.iter().map(filled).collect());
}

#[test]
fn a_carrier_cannot_tell_the_recipient() {
    all_alike(vec![note(), Written::note(vec![party("CCC")])]);
}
