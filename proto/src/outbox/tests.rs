//! The outbox keeps what it says: levels only rise, nothing is lost in few bytes.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::packed::{Names, Pack};

const MSG: MsgId = MsgId([1; 16]);
const AT: StationId = StationId([2; 16]);

fn outbox() -> Outbox {
    let mut outbox = Outbox::default();
    outbox.enter(
        MSG,
        Outgoing {
            copies: VecDeque::new(),
            envelope: Some(EnvelopeId([3; 32])),
            content_root: Digest([4; 32]),
            lane: LaneId([5; 16]),
            type_name: "red-flag".into(),
            precedence: Precedence::Flash,
            status: Status::Actual,
            made_at: Timestamp(1_000),
            expires_at: Timestamp(9_000),
            wants: Some(Level::L5),
            reply_by: None,
            owed: BTreeMap::from([(AT, Owed::new(false))]).into(),
        },
    );
    outbox
}

fn rise(level: Level, outcome: Option<Outcome>, at: u64) -> Rise {
    Rise { level, outcome, at: Timestamp(at), path: None, stated: None }
}

/// Everything is said of a letter that can be said.
fn rich() -> Outgoing {
    let author = AT;
    let (incarnation, lane) = (crate::id::Incarnation([1; 16]), LaneId([2; 16]));
    let stated = Stated {
        statement: bytes::Bytes::from_static(b"what the office says"),
        office: "DUTY".into(),
        officer: "O. Officer".into(),
        signature: None,
        place: (crate::id::FeedId { author, incarnation, lane }, 7),
        receipt: EnvelopeId([6; 32]),
    };
    let owed = Owed {
        level: Some(Level::L5),
        outcome: Some(Outcome::Accepted),
        stated: Some(Box::new(stated)),
        at: Some(Timestamp(5)),
        stored_at: Some(Timestamp(900)),
        path: Some(Path::Via(AT)),
        attempts: 300,
        unsealed: true,
        unmatched: true,
        info: true,
    };
    let id = EnvelopeId([7; 32]);
    let copy = Copy { station: AT, envelope: id, content_root: Digest([8; 32]) };
    Outgoing {
        reply_by: Some(Timestamp(0)),
        owed: BTreeMap::from([(AT, owed), (StationId([9; 16]), Owed::new(false))]).into(),
        copies: VecDeque::from([copy, copy]),
        ..outbox().get(&MSG).unwrap().into_owned()
    }
}

#[test]
fn a_letter_that_was_packed_is_what_it_was() {
    let plain = outbox().get(&MSG).unwrap().into_owned();
    let bare = Outgoing { envelope: None, wants: None, ..plain.clone() };
    for letter in [plain, bare, rich()] {
        let (mut names, mut bytes) = (Names::default(), Vec::new());
        Sent { msg: MSG, letter: letter.clone() }.pack(&mut names, &mut bytes);
        let mut from = Source::new(&bytes);
        let again = Sent::unpack(1, &names, &mut from).unwrap();
        assert!(from.is_empty());
        assert_eq!((again.msg, again.letter), (MSG, letter));
    }
}

#[test]
fn who_owes_something_is_known_without_a_walk() {
    let mut outbox = outbox();
    let late = Some(Timestamp(DAY));
    assert_eq!(outbox.debtors(None), BTreeSet::from([AT]));
    assert_eq!(outbox.debtors(Some(Timestamp(1_000))), BTreeSet::from([AT]));
    assert_eq!(outbox.debtors(late), BTreeSet::new());
    outbox.settle(&MSG, &AT, &rise(Level::L4, None, 2_000));
    assert_eq!(outbox.debtors(None), BTreeSet::from([AT]), "it wants L5");
    let mut bytes = Vec::new();
    outbox.put(&mut bytes);
    let mut again = Outbox::take(&mut Source::new(&bytes)).unwrap();
    for outbox in [&mut outbox, &mut again] {
        assert_eq!(outbox.debtors(None), BTreeSet::from([AT]));
        outbox.settle(&MSG, &AT, &rise(Level::L5, Some(Outcome::Accepted), 3_000));
        assert_eq!(outbox.debtors(None), BTreeSet::new());
    }
}

#[test]
fn levels_only_rise() {
    let mut outbox = outbox();
    outbox.settle(&MSG, &AT, &rise(Level::L4, None, 2_000));
    assert!(!outbox.rises(&MSG, &AT, &rise(Level::L1, None, 3_000)));
    outbox.settle(&MSG, &AT, &rise(Level::L1, None, 3_000));
    let letter = outbox.get(&MSG).unwrap();
    let owed = &letter.owed[&AT];
    assert_eq!((owed.level, owed.at), (Some(Level::L4), Some(Timestamp(2_000))));
    assert_eq!(owed.stored_at, Some(Timestamp(2_000)), "a skipped level is implied");
}

#[test]
fn an_outcome_may_change_within_its_level() {
    let mut outbox = outbox();
    outbox.settle(&MSG, &AT, &rise(Level::L5, Some(Outcome::NeedInfo), 2_000));
    outbox.settle(&MSG, &AT, &rise(Level::L5, Some(Outcome::Declined), 3_000));
    let letter = outbox.get(&MSG).unwrap();
    let owed = &letter.owed[&AT];
    assert_eq!((owed.outcome, owed.at), (Some(Outcome::Declined), Some(Timestamp(3_000))));
    let overtaken = rise(Level::L5, Some(Outcome::Accepted), 2_500);
    assert!(!outbox.rises(&MSG, &AT, &overtaken), "receipts overtake one another");
}

#[test]
fn a_letter_that_must_be_sealed_again_is_until_it_was() {
    let mut outbox = outbox();
    // It said L5 of an envelope that is lost; then its L1 of before comes, of one that is known.
    outbox.owed_mut(&MSG, &AT).unwrap().unmatched = true;
    outbox.settle(&MSG, &AT, &rise(Level::L1, None, 2_000));
    assert!(outbox.get(&MSG).unwrap().owed[&AT].unmatched, "its L5 was not counted yet");
    let (envelope, content_root) = (EnvelopeId([6; 32]), Digest([7; 32]));
    outbox.note_copy(&MSG, Copy { station: AT, envelope, content_root });
    assert!(!outbox.get(&MSG).unwrap().owed[&AT].unmatched);
}

#[test]
fn a_stranger_to_the_letter_settles_nothing() {
    let outbox = outbox();
    assert!(!outbox.rises(&MSG, &StationId([9; 16]), &rise(Level::L1, None, 1)));
    assert!(!outbox.rises(&MsgId([9; 16]), &AT, &rise(Level::L1, None, 1)));
}

#[test]
fn custody_does_not_end_what_is_owed_and_expiry_needs_a_trusted_clock() {
    let mut outbox = outbox();
    outbox.settle(&MSG, &AT, &rise(Level::L0, None, 2_000));
    let late = Some(Timestamp(9_000));
    assert_eq!(outbox.unconfirmed_by(AT, Some(Timestamp(2_000))).count(), 1);
    assert_eq!(outbox.unconfirmed_by(AT, late).count(), 0);
    assert_eq!(outbox.unconfirmed_by(AT, None).count(), 1);
}

#[test]
fn paths_read_what_they_wrote() {
    for path in [Path::Direct, Path::Gossip, Path::Via(AT)] {
        assert_eq!(Path::parse(&path.to_string()), Some(path));
    }
}
