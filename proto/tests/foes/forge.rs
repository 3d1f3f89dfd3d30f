//! What a member who breaks the rules can make with keys that are really its own.
#![allow(dead_code, reason = "a kit; not every case needs all of it")]

use bytes::Bytes;
use cbm_proto::accord::{ALL, make};
use cbm_proto::envelope::Envelope;
use cbm_proto::event::{Input, Verdict};
use cbm_proto::feeds::Run;
use cbm_proto::id::{Digest, FeedId, Incarnation, LaneId, MsgId, StationName};
use cbm_proto::keys::StationKeys;
use cbm_proto::letter::{Letter, Origin};
use cbm_proto::primitives::Entropy;
use cbm_proto::seal::{self, Frame, PairSecret, Recipient};
use cbm_proto::sync::{Ask, DaySets, Entry, Say};
use cbm_proto::terms::Status;

use crate::hall::Hall;

/// The incarnation under which puppets write.
pub(crate) const PUPPET: Incarnation = Incarnation([0xc; 16]);

/// The accord-wide lane.
pub(crate) fn lane(hall: &Hall) -> LaneId {
    hall.station("AAA/mfa").directory().group(ALL).unwrap().lane
}

/// Number 1 of the author's feed on the accord-wide lane.
pub(crate) fn frame(hall: &Hall, author: &str) -> Frame {
    Frame {
        network: hall.station("AAA/mfa").directory().network(),
        accord_version: 1,
        lane: lane(hall),
        author: hall.id(author),
        incarnation: PUPPET,
        seq: 1,
        prev: Digest([0; 32]),
        made_at: hall.now().wall,
    }
}

/// A well-made operator note of this author.
pub(crate) fn note(hall: &Hall, author: &str, to: &str, msg: MsgId) -> Letter {
    let station = StationName::parse(author).unwrap();
    let origin = Origin { id: msg, station, at: hall.now().wall };
    Letter::compose(Hall::draft("operator-note", &[to]), &origin)
}

/// Seals with the author's own keys, to the station `mfa` of one party.
pub(crate) fn sealed(
    hall: &Hall,
    frame: &Frame,
    (from, to): (&str, &str),
    letter: &Letter,
) -> Envelope {
    sealed_as(hall, letter.header.status().unwrap(), frame, (from, to), letter)
}

/// The same under a status of the caller's choice.
pub(crate) fn sealed_as(
    hall: &Hall,
    status: Status,
    frame: &Frame,
    (from, to): (&str, &str),
    letter: &Letter,
) -> Envelope {
    let (mine, theirs) = (hall.keys(from), hall.keys(to));
    let mut entropy = Entropy::new(&[frame.seq.to_le_bytes()[0] ^ letter.id().0[0]; 32]);
    let parts = letter.parts(&mut entropy);
    let pair = PairSecret::new(&mine.epoch, theirs.epoch.public(), &frame.network);
    let to = [Recipient { epoch: theirs.epoch.public(), pair: &pair }];
    let sealed = seal::seal(frame, status, &parts, &mine.epoch, &to, &mine.sign, &mut entropy);
    sealed.unwrap().0
}

/// The same bytes with one region changed by the caller.
pub(crate) fn changed(envelope: &Envelope, part: &[u8], change: impl FnOnce(&mut [u8])) -> Bytes {
    let mut bytes = envelope.bytes().to_vec();
    let at = bytes.windows(part.len()).position(|window| window == part).unwrap();
    change(&mut bytes[at..at + part.len()]);
    bytes.into()
}

/// A feed of a puppet on the accord-wide lane.
pub(crate) fn feed(hall: &Hall, author: &str) -> FeedId {
    FeedId { author: hall.id(author), incarnation: PUPPET, lane: lane(hall) }
}

/// An entry that claims these runs.
pub(crate) fn claims(feed: FeedId, above: &[Run]) -> Entry {
    Entry { feed, mark: 0, head: None, above: above.to_vec(), more: false }
}

/// Links a puppet, and answers the summary that it is asked for with these entries.
pub(crate) fn claim(hall: &mut Hall, at: &str, puppet: &str, entries: Vec<Entry>) {
    let peer = hall.id(puppet);
    hall.give(at, |_| Input::Unlinked { peer });
    hall.asked.clear();
    hall.give(at, |_| Input::Linked { peer });
    let asked = hall.asked_of(puppet);
    let (id, _) = asked.iter().find(|(_, ask)| matches!(ask, Ask::Summary(_))).unwrap();
    let say = Say::Entries { entries, carried: DaySets::new(), more: false, echoes: Vec::new() };
    hall.answer_as(puppet, at, *id, &say);
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
    let frame = Frame { seq: 0, made_at: at, ..frame(hall, author) };
    seal::beacon(&frame, b"", &hall.keys(author).sign).unwrap().bytes().clone()
}

/// What was receipted to a puppet by AAA, opened with the puppet's own keys.
pub(crate) fn receipts_to(hall: &mut Hall, puppet: &str) -> Vec<cbm_proto::receipt::Entry> {
    hall.run(1_000);
    let (mine, theirs) = (hall.keys(puppet), hall.keys("AAA/mfa"));
    let network = hall.station("AAA/mfa").directory().network();
    let pair = PairSecret::new(&mine.epoch, theirs.epoch.public(), &network);
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
