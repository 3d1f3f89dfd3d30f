//! Foes in the hall: a puppet's keys in the hands of the kit.
#![allow(dead_code, reason = "a kit; not every case needs all of it")]

use bytes::Bytes;
use cbm_integration_tests::foes::{Foe, streams};
use cbm_proto::accord::make;
use cbm_proto::envelope::Envelope;
use cbm_proto::event::{Input, Verdict};
use cbm_proto::id::{LaneId, MsgId, StationName};
use cbm_proto::keys::StationKeys;
use cbm_proto::letter::Letter;
use cbm_proto::primitives::Entropy;
use cbm_proto::seal::{self, Frame};
use cbm_proto::sync::{Ask, Entry, Say};
use cbm_proto::terms::Status;

pub(crate) use cbm_integration_tests::foes::changed;
pub(crate) use cbm_integration_tests::foes::streams::claims;

use crate::hall::Hall;

/// The member of this name, with its own keys.
pub(crate) fn foe(hall: &Hall, name: &str) -> Foe {
    let name_ = StationName::parse(name).unwrap();
    Foe::new(&name_, hall.keys(name), hall.station("AAA/mfa").directory())
}

/// The accord-wide lane.
pub(crate) fn lane(hall: &Hall) -> LaneId {
    foe(hall, "AAA/mfa").lane
}

/// Number 1 of the author's feed on the accord-wide lane.
pub(crate) fn frame(hall: &Hall, author: &str) -> Frame {
    foe(hall, author).frame(hall.now().wall)
}

/// A well-made operator note of this author.
pub(crate) fn note(hall: &Hall, author: &str, to: &str, msg: MsgId) -> Letter {
    foe(hall, author).note(&[to], msg, hall.now().wall)
}

/// Seals with the author's own keys, to one station.
pub(crate) fn sealed(
    hall: &Hall,
    frame: &Frame,
    (from, to): (&str, &str),
    letter: &Letter,
) -> Envelope {
    foe(hall, from).sealed(frame, &[&hall.keys(to)], letter)
}

/// The same under a status of the caller's choice.
pub(crate) fn sealed_as(
    hall: &Hall,
    status: Status,
    frame: &Frame,
    (from, to): (&str, &str),
    letter: &Letter,
) -> Envelope {
    foe(hall, from).sealed_as(status, frame, &[&hall.keys(to)], letter)
}

/// A feed of a puppet on the accord-wide lane.
pub(crate) fn feed(hall: &Hall, author: &str) -> cbm_proto::id::FeedId {
    foe(hall, author).feed()
}

/// Links a puppet, and answers the summary that it is asked for with these entries.
pub(crate) fn claim(hall: &mut Hall, at: &str, puppet: &str, entries: Vec<Entry>) {
    answer_summary(hall, at, puppet, &streams::answer(entries));
}

/// Links a puppet, and answers the summary that it is asked for.
pub(crate) fn answer_summary(hall: &mut Hall, at: &str, puppet: &str, say: &Say) {
    let peer = hall.id(puppet);
    hall.give(at, |_| Input::Unlinked { peer });
    hall.asked.clear();
    hall.give(at, |_| Input::Linked { peer });
    let asked = hall.asked_of(puppet);
    let (id, _) = asked.iter().find(|(_, ask)| matches!(ask, Ask::Summary(_))).unwrap();
    hall.answer_as(puppet, at, *id, say);
}

/// The runs that stations want of a puppet just now.
pub(crate) fn wanted(hall: &mut Hall, puppet: &str) -> Vec<(cbm_proto::event::RequestId, u64)> {
    let asked = hall.asked_of(puppet);
    let wants = asked.into_iter().filter_map(|(id, ask)| match ask {
        Ask::Want(numbers, _) => Some((id, numbers.iter().map(|n| n.to - n.from + 1).sum())),
        _ => None,
    });
    wants.collect()
}

/// Gossip from a puppet.
pub(crate) fn hear(hall: &mut Hall, at: &str, from: &str, envelope: &Envelope) -> Verdict {
    hall.hear(at, from, envelope.bytes().clone())
}

/// A beacon of this author, made at a time of its choice.
pub(crate) fn beacon(hall: &Hall, author: &str, at: cbm_proto::time::Timestamp) -> Bytes {
    foe(hall, author).beacon(at)
}

/// What was receipted to a puppet by AAA, opened with the puppet's own keys.
pub(crate) fn receipts_to(hall: &mut Hall, puppet: &str) -> Vec<cbm_proto::receipt::Entry> {
    hall.run(1_000);
    let (mine, theirs) = (hall.keys(puppet), hall.keys("AAA/mfa"));
    let pair = foe(hall, puppet).pair(&theirs);
    let pushes = hall.asked_of(puppet).into_iter().filter_map(|(_, ask)| match ask {
        Ask::Push(bytes) => Envelope::decode(bytes).ok(),
        _ => None,
    });
    let opened = pushes.filter_map(|envelope| {
        let opened = seal::open(&envelope, &mine.epoch, theirs.epoch.public(), &pair).ok()??;
        cbm_proto::receipt::Receipt::read(&Letter::from_parts(&opened.parts).ok()?).ok()
    });
    opened.flat_map(|receipt| receipt.entries).collect()
}

/// A certificate of a station with keys of its forger, who signed it with a key that is no
/// authority's.
pub(crate) fn certificate_by_nobody(hall: &Hall, name: &str) -> Bytes {
    let draft = make::CertificateDraft {
        station: StationName::parse(name).unwrap(),
        serial: 99,
        scopes: cbm_proto::accord::Scopes::default(),
        made_at: hall.now().wall,
        not_after: None,
    };
    let forger = StationKeys::generate(&mut Entropy::new(&[66; 32]));
    let network = hall.station("AAA/mfa").directory().network();
    let document = make::certificate(&network, &draft, &forger.public()).unwrap();
    document.signed_by(&forger.sign).bytes().clone()
}
