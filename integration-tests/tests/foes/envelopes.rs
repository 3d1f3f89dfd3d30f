//! What one envelope of a foe can do: wrong in a part, in a date, in a name it bears.

use cbm_integration_tests::foes::changed;
use cbm_proto::envelope::{Envelope, Verdict, pad};
use cbm_proto::event::{Input, Notice};
use cbm_proto::id::{Digest, Incarnation, KeyId, MsgId, StationId};
use cbm_proto::limits::STANZA_LEN;
use cbm_proto::receipt::Entry;
use cbm_proto::seal::{PairSecret, find_stanza};
use cbm_proto::station::Speaks;
use cbm_proto::sync::{Ask, Custody, Say};
use cbm_proto::terms::{Level, Outcome};
use cbm_proto::time::{DAY, Timestamp};

use crate::forge::{foe, hear};
use crate::hall::Hall;
use crate::{MSG, hear_receipt, letter_of_a_puppet, receipt};

/// A letter of BBB's puppet to AAA and CCC.
fn letter_to_two() -> (Hall, Envelope) {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.puppet("BBB/mfa");
    let (foe, at) = (foe(&hall, "BBB/mfa"), hall.now().wall);
    let letter = foe.note(&["AAA", "CCC"], MSG, at);
    let to = [hall.keys("AAA/mfa"), hall.keys("CCC/mfa")];
    let envelope = foe.sealed(&foe.frame(at), &[&to[0], &to[1]], &letter);
    (hall, envelope)
}

#[test]
fn a_spoiled_stanza_is_refused_by_its_addressee_and_hinders_no_other() {
    let (mut hall, good) = letter_to_two();
    let foe = foe(&hall, "BBB/mfa");
    let theirs = hall.keys("AAA/mfa");
    let pair = PairSecret::new(&theirs.epoch, foe.keys.epoch.public(), &foe.network);
    let at = find_stanza(&good, &pair).unwrap() * STANZA_LEN;
    let spoiled = foe.bent(&good, |mut bend| {
        bend.stanzas[at + 600] ^= 1;
        bend.name_parts();
    });
    for name in ["AAA/mfa", "CCC/mfa"] {
        let verdict = hall.hear(name, "CCC/mfa", spoiled.clone());
        assert_eq!(verdict, Verdict::Accept, "who carries cannot see it");
    }
    assert_eq!(hall.inbox("AAA/mfa"), []);
    assert!(
        hall.told
            .iter()
            .any(|(at, n)| { *at == hall.id("AAA/mfa") && matches!(n, Notice::Refused(_)) })
    );
    assert_eq!(hall.inbox("CCC/mfa"), [MSG]);
}

#[test]
fn a_body_that_is_not_what_its_root_commits_to_is_refused_by_every_addressee() {
    let (mut hall, good) = letter_to_two();
    let foe = foe(&hall, "BBB/mfa");
    let other = foe.bent(&good, |bend| bend.header.root = Digest([9; 32]));
    for name in ["AAA/mfa", "CCC/mfa"] {
        assert_eq!(hall.hear(name, "BBB/mfa", other.clone()), Verdict::Accept);
        assert_eq!(hall.inbox(name), [], "one envelope, one reading");
    }
}

#[test]
fn parts_that_are_not_the_headers_are_the_forwarders_fault() {
    let (mut hall, good) = letter_to_two();
    let body = good.body().unwrap().to_vec();
    let stanzas = good.stanzas().unwrap().to_vec();
    for part in [body, stanzas] {
        let other = changed(&good, &part, |part| part[0] ^= 1);
        assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", other), Verdict::Reject);
    }
    assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &good), Verdict::Accept);
    assert_eq!(hall.inbox("AAA/mfa"), [MSG]);
}

#[test]
fn lies_about_padding_are_rejected() {
    let (mut hall, good) = letter_to_two();
    let foe = foe(&hall, "BBB/mfa");
    let length = good.header().padded_len;
    let longer = u32::try_from(pad(length as usize + 1)).unwrap();
    for lie in [longer, length + 1, 0, u32::MAX] {
        let other = foe.bent(&good, |bend| bend.header.padded_len = lie);
        assert_eq!(hall.hear("AAA/mfa", "BBB/mfa", other), Verdict::Reject, "{lie}");
    }
}

#[test]
fn dates_are_their_authors_claim_and_change_nothing_but_what_is_shown() {
    let (mut hall, _) = letter_of_a_puppet();
    let (mut foe, now) = (foe(&hall, "BBB/mfa"), hall.now().wall);
    let to = hall.keys("AAA/mfa");
    for (n, at) in [(1, Timestamp(1)), (2, now.plus(30 * DAY))] {
        foe.incarnation = Incarnation([n; 16]);
        let letter = foe.note(&["AAA"], MsgId([n; 16]), at);
        let envelope = foe.sealed(&foe.frame(at), &[&to], &letter);
        assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &envelope), Verdict::Accept);
    }
    let shown: Vec<_> = hall.station("AAA/mfa").inbox().map(|l| (l.ahead, l.received_at)).collect();
    assert_eq!(shown, [(false, now), (true, now)], "when it came is our own clock's word");
    let good = foe.statement(&foe.frame(now), b"");
    let never = foe.bent(&good, |bend| bend.header.made_at = Timestamp(u64::MAX));
    assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", never), Verdict::Reject);
}

#[test]
fn whoever_forwards_is_not_blamed_for_what_it_could_not_know() {
    let (mut hall, good) = letter_of_a_puppet();
    let foe = foe(&hall, "BBB/mfa");
    let held = hall.station_journal("AAA/mfa").len();
    let unknowable = [
        foe.bent(&good, |bend| bend.header.accord_version = 7),
        foe.bent(&good, |bend| bend.header.epoch = KeyId([7; 16])),
        foe.bent(&good, |bend| bend.header.author = StationId([7; 16])),
    ];
    for bytes in unknowable {
        assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", bytes), Verdict::Ignore);
    }
    assert_eq!(hall.station_journal("AAA/mfa").len(), held, "nothing is kept of it");
}

#[test]
fn who_is_in_no_group_writes_nothing_on_its_lane() {
    let (mut hall, _) = letter_of_a_puppet();
    let pact = hall.charter("pact", &["AAA", "CCC"]);
    assert!(hall.publish("AAA/mfa", &[pact])[0].is_ok());
    let mut foe = foe(&hall, "BBB/mfa");
    foe.lane = hall.station("AAA/mfa").directory().group("pact").unwrap().lane;
    let (at, to) = (hall.now().wall, hall.keys("AAA/mfa"));
    let letter = foe.sealed(&foe.frame(at), &[&to], &foe.note(&["AAA"], MSG, at));
    assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &letter), Verdict::Ignore);
    let push = Ask::Push(letter.bytes().clone());
    assert_eq!(hall.ask("AAA/mfa", "BBB/mfa", &push), Say::Taken(Custody::Deferred));
    assert!(hall.envelopes("AAA/mfa").iter().all(|e| e.id() != letter.id()));
    assert_eq!(hall.inbox("AAA/mfa"), []);
}

#[test]
fn one_letter_by_two_ways_in_pieces_is_shown_and_kept_once() {
    let (mut hall, good) = letter_of_a_puppet();
    let pieces = [good.without_body(), good.bytes().clone(), good.without_body()];
    for bytes in pieces {
        assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", bytes), Verdict::Accept);
        let push = Ask::Push(good.bytes().clone());
        assert_eq!(hall.ask("AAA/mfa", "BBB/mfa", &push), Say::Taken(Custody::Stored));
    }
    hall.restart("AAA/mfa");
    assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &good), Verdict::Accept);
    assert_eq!(hall.inbox("AAA/mfa"), [MSG]);
    let kept = hall.envelopes("AAA/mfa").iter().filter(|e| e.id() == good.id()).count();
    assert_eq!(kept, 1);
}

#[test]
fn a_machine_alone_cannot_say_what_takes_a_human() {
    for said in [Level::L4, Level::L5, Level::L6] {
        let mut hall = Hall::new(&["AAA", "BBB"]);
        hall.puppet("BBB/mfa");
        let msg = hall.send("AAA/mfa", "operator-note", &["BBB"]);
        let alone = |entry: &mut Entry| {
            entry.level = said;
            entry.office.clear();
            entry.outcome = (said == Level::L5).then_some(Outcome::Accepted);
        };
        let letter = receipt(&hall, "BBB/mfa", msg, alone);
        hear_receipt(&mut hall, "BBB/mfa", &letter);
        assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L3), "{said}");
    }
}

#[test]
fn who_says_stored_and_receipts_nothing_reaches_nobody() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.puppet("BBB/mfa");
    let bbb = hall.id("BBB/mfa");
    hall.give("AAA/mfa", |_| Input::Linked { peer: bbb });
    let msg = hall.send("AAA/mfa", "operator-note", &["BBB"]);
    let mut pushed = 0;
    for _ in 0..10 {
        for (id, ask) in hall.asked_of("BBB/mfa") {
            if matches!(ask, Ask::Push(_)) {
                pushed += 1;
                hall.answer_as("BBB/mfa", "AAA/mfa", id, &Say::Taken(Custody::Stored));
            }
        }
        hall.run(30_000);
    }
    assert_eq!(hall.level("AAA/mfa", msg).1, "not_reached", "only a receipt says otherwise");
    assert!(pushed > 1, "and it is said again");
}

#[test]
fn whoever_claims_to_hold_our_own_future_costs_an_incarnation_and_no_voice() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.send("AAA/mfa", "operator-note", &["CCC"]);
    hall.run(10_000);
    let before = hall.station("AAA/mfa").incarnation().unwrap();
    hall.restart("AAA/mfa");
    hall.puppet("BBB/mfa");
    let bbb = hall.id("BBB/mfa");
    hall.give("AAA/mfa", |_| Input::Linked { peer: bbb });
    let own = crate::forge::foe(&hall, "AAA/mfa").under(before.0).feed();
    let head = cbm_proto::id::EnvelopeId([6; 32]);
    let lie = cbm_integration_tests::foes::streams::holds(own, 1_000_000_000_000_000, head);
    for (id, ask) in hall.asked_of("BBB/mfa") {
        if matches!(ask, Ask::Heads(_) | Ask::HeadsOf(..)) {
            let say = cbm_integration_tests::foes::streams::answer(vec![lie.clone()]);
            hall.answer_as("BBB/mfa", "AAA/mfa", id, &say);
        }
    }
    hall.link_all();
    hall.run(90_000);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Yes);
    assert_ne!(hall.station("AAA/mfa").incarnation(), Some(before));
}
