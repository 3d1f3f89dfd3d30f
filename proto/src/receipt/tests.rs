//! Tests of receipts: there and back, tolerance, states and clocks.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::{
    id::StationName,
    primitives::Entropy,
    time::{HOUR, MINUTE},
};

fn origin() -> Origin {
    Origin {
        id: MsgId([9; 16]),
        station: StationName::parse("BBB/mfa").unwrap(),
        at: Timestamp::parse("2027-03-01T06:00:01Z").unwrap(),
    }
}

fn entry(level: Level) -> Entry {
    let (digest, root) = (EnvelopeId([2; 32]), Digest([3; 32]));
    Entry::by_station(MsgId([1; 16]), digest, root, level, Timestamp(1_000))
}

fn officer() -> Officer {
    Officer { name: "B. Kask".into(), office: "Duty desk".into() }
}

fn carried(receipt: &Receipt) -> Letter {
    let letter = receipt.letter(&origin(), &PartyCode::new("AAA").unwrap(), Status::System);
    Letter::from_parts(&letter.parts(&mut Entropy::new(&[1; 32]))).unwrap()
}

#[test]
fn a_receipt_comes_back_entry_by_entry() {
    let words = vec![original("en", "Not ours to decide.")];
    let outcome = entry(Level::L4).with_outcome(
        Outcome::Referred,
        Some(Reason::NoMandate),
        words,
        Timestamp(3_000),
        &officer(),
    );
    let answer = Some(MsgId([8; 16]));
    let answered =
        Entry { answer, ..entry(Level::L1).by_officer(Level::L6, Timestamp(4_000), &officer()) };
    let receipt = Receipt::new(vec![entry(Level::L1), outcome, answered]);
    let letter = carried(&receipt);
    assert_eq!(Receipt::read(&letter).unwrap(), receipt);
    assert!(!receipt.entries[0].is_by_office() && receipt.entries[1].is_by_office());
    for entry in &receipt.entries {
        assert_eq!(Entry::from_bytes(&entry.to_bytes()).as_ref(), Some(entry));
    }
    assert_eq!(letter.to_json()["body"]["entries"][1]["outcome"], "REFERRED");
}

#[test]
fn each_entry_can_be_disclosed_alone() {
    let receipt = Receipt::new((0..64).map(|_| entry(Level::L1)).collect());
    let letter = receipt.letter(&origin(), &PartyCode::new("AAA").unwrap(), Status::System);
    let parts = letter.parts(&mut Entropy::new(&[1; 32]));
    assert_eq!(parts.len(), 1 + 64);
    assert!(parts.len() <= crate::limits::PARTS_MAX);
    let one = Letter::from_parts(&[parts[0].clone(), parts[40].clone()]).unwrap();
    assert_eq!(Receipt::read(&one).unwrap().entries, vec![entry(Level::L1)]);
}

#[test]
fn a_level_of_the_future_is_left_out_and_told() {
    let mut future = entry(Level::L1).to_wire();
    future.level = 12;
    let entries = vec![future, entry(Level::L2).to_wire()];
    let body = wire::Acknowledgement { entries, marks: Vec::new() };
    let mut letter = carried(&Receipt::new(vec![entry(Level::L1)]));
    letter.body = wire::encode(&body).into();
    let read = Receipt::read(&letter).unwrap();
    assert!(read.newer);
    assert_eq!(read.entries, vec![entry(Level::L2)]);
}

#[test]
fn what_is_not_a_receipt_is_refused() {
    let mut letter = carried(&Receipt::new(vec![entry(Level::L1)]));
    letter.body = Bytes::from_static(b"\xff");
    assert_eq!(Receipt::read(&letter), Err(ReceiptError::Body));
    let mut nameless = entry(Level::L1).to_wire();
    nameless.of = Bytes::new();
    for entries in [vec![nameless], vec![entry(Level::L1).to_wire(); 65]] {
        let body = wire::Acknowledgement { entries, marks: Vec::new() };
        letter.body = wire::encode(&body).into();
        assert_eq!(Receipt::read(&letter), Err(ReceiptError::Body));
    }
    letter.header.0.type_number = 7;
    assert_eq!(Receipt::read(&letter), Err(ReceiptError::Type));
    assert_eq!(Entry::from_bytes(b"\xff"), None);
}

#[test]
fn an_acknowledgement_never_reads_as_agreement() {
    assert_eq!(fixed_text("en-GB"), "received; does not indicate concurrence");
    assert_eq!(fixed_text("fr"), "reçu ; ne vaut pas accord");
    assert_eq!(fixed_text("tlh"), fixed_text("en"));
    let all: std::collections::BTreeSet<&str> =
        LANGUAGES.iter().map(|tag| fixed_text(tag)).collect();
    assert_eq!(all.len(), 6);
}

#[test]
fn the_five_states_follow_the_table() {
    use Level::{L0, L1, L2, L3, L4, L5, L6};
    use State::{Answered, Declined, NotReached, ReachedUnattended, SeenUnanswered};
    for (level, outcome, wants, wanted) in [
        (None, None, Some(L4), NotReached),
        (Some(L0), None, Some(L4), NotReached),
        (Some(L1), None, Some(L4), ReachedUnattended),
        (Some(L2), None, Some(L2), ReachedUnattended),
        (Some(L3), None, Some(L3), SeenUnanswered),
        (Some(L4), None, Some(L6), SeenUnanswered),
        (Some(L4), None, Some(L4), Answered),
        (Some(L4), None, None, Answered),
        (Some(L5), Some(Outcome::Accepted), Some(L6), Answered),
        (Some(L5), Some(Outcome::Referred), Some(L6), Answered),
        (Some(L5), Some(Outcome::NeedInfo), Some(L6), Answered),
        (Some(L5), Some(Outcome::Declined), Some(L4), Declined),
        (Some(L5), Some(Outcome::NotCompetent), Some(L4), Declined),
        (Some(L5), Some(Outcome::Rejected), Some(L4), Declined),
        (Some(L6), Some(Outcome::Declined), Some(L6), Answered),
    ] {
        assert_eq!(state(level, outcome, wants), wanted, "{level:?} {outcome:?} {wants:?}");
    }
}

#[test]
fn each_step_is_due_by_its_own_clock() {
    let sent_at = Timestamp(1_000_000);
    let stored_at = sent_at.plus(MINUTE);
    let course = |level, outcome, wants| Course {
        level,
        outcome,
        wants: Some(wants),
        precedence: Precedence::Flash,
        sent_at,
        stored_at: Some(stored_at),
        reply_by: None,
    };
    let due = |level, wants| due_at(&course(level, None, wants));
    assert_eq!(due(None, Level::L6), Some(sent_at.plus(2 * MINUTE)));
    assert_eq!(due(Some(Level::L0), Level::L6), Some(sent_at.plus(2 * MINUTE)));
    assert_eq!(due(Some(Level::L2), Level::L6), Some(stored_at.plus(10 * MINUTE)));
    assert_eq!(due(Some(Level::L4), Level::L6), Some(stored_at.plus(HOUR)));
    assert_eq!(due(Some(Level::L5), Level::L6), Some(stored_at.plus(6 * HOUR)));
    assert_eq!(due(Some(Level::L6), Level::L6), None);
    assert_eq!(due(Some(Level::L4), Level::L4), None);
    assert_eq!(due(Some(Level::L2), Level::L3), Some(stored_at.plus(10 * MINUTE)));
    assert_eq!(due(Some(Level::L1), Level::L2), None, "a copy owes nothing more");
    let declined = course(Some(Level::L5), Some(Outcome::Declined), Level::L6);
    assert_eq!(due_at(&declined), None);
    let reply_by = Some(Timestamp(9_000_000));
    let asked = Course { reply_by, ..course(Some(Level::L5), None, Level::L6) };
    assert_eq!(due_at(&asked), reply_by);
}

#[test]
fn nothing_is_called_late_by_a_clock_in_doubt() {
    let course = Course {
        level: None,
        outcome: None,
        wants: Some(Level::L4),
        precedence: Precedence::Flash,
        sent_at: Timestamp(0),
        stored_at: None,
        reply_by: None,
    };
    let (before, after) = (Timestamp(2 * MINUTE), Timestamp(2 * MINUTE + 1));
    assert!(!overdue(&course, before, true));
    assert!(overdue(&course, after, true));
    assert!(!overdue(&course, after, false));
}
