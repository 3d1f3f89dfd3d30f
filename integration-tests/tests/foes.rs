//! Members who break the rules, and strangers: what each of them gets.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "foes/claims.rs"]
mod claims;
#[path = "foes/envelopes.rs"]
mod envelopes;
#[path = "foes/floods.rs"]
mod floods;
#[path = "foes/forge.rs"]
mod forge;
#[path = "foes/forks.rs"]
mod forks;
#[path = "../../proto/tests/station/hall.rs"]
mod hall;
#[path = "../../proto/tests/station/papers.rs"]
mod papers;
#[path = "foes/table.rs"]
mod table;

use cbm_proto::accord::Role;
use cbm_proto::envelope::Verdict;
use cbm_proto::event::Notice;
use cbm_proto::id::{Digest, EnvelopeId, MsgId, NetworkId, StationName};
use cbm_proto::letter::{Letter, Origin};
use cbm_proto::receipt::{Entry as Receipted, Officer, Receipt};
use cbm_proto::seal::PairSecret;
use cbm_proto::sync::{Ask, Custody, Numbers, Say};
use cbm_proto::terms::{Cause, Level, Status};
use forge::{changed, frame, hear, note, sealed, sealed_as};
use hall::Hall;

const MSG: MsgId = MsgId([0x4d; 16]);

/// BBB's part is played by hand: a hall, and BBB's first letter to AAA.
fn letter_of_a_puppet() -> (Hall, cbm_proto::envelope::Envelope) {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.puppet("BBB/mfa");
    let letter = note(&hall, "BBB/mfa", "AAA", MSG);
    let envelope = sealed(&hall, &frame(&hall, "BBB/mfa"), ("BBB/mfa", "AAA/mfa"), &letter);
    (hall, envelope)
}

#[test]
fn a_forged_signature_is_rejected_and_an_unknown_key_is_not_held_against_the_forwarder() {
    let (mut hall, good) = letter_of_a_puppet();
    let signature = good.signatures().next().unwrap().bytes.to_vec();
    let forged = changed(&good, &signature, |bytes| bytes[5] ^= 1);
    assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", forged), Verdict::Reject);
    let letter = note(&hall, "BBB/mfa", "AAA", MSG);
    let by_another = sealed(&hall, &frame(&hall, "BBB/mfa"), ("CCC/mfa", "AAA/mfa"), &letter);
    assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &by_another), Verdict::Ignore);
    assert_eq!(hall.inbox("AAA/mfa"), []);
    let shown = [(Cause::OtherKey, "BBB/mfa", 1), (Cause::Signature, "BBB/mfa", 1)];
    assert_eq!(incidents(&hall, "AAA/mfa"), shown.map(|(c, name, n)| (c, name.to_owned(), n)));
    assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &good), Verdict::Accept);
    assert_eq!(hall.inbox("AAA/mfa"), [MSG]);
}

#[test]
fn a_replayed_letter_is_neither_stored_nor_shown_again() {
    let (mut hall, good) = letter_of_a_puppet();
    for _ in 0..3 {
        assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &good), Verdict::Accept);
        let push = Ask::Push(good.bytes().clone());
        assert_eq!(hall.ask("AAA/mfa", "CCC/mfa", &push), Say::Taken(Custody::Stored));
    }
    assert_eq!(hall.inbox("AAA/mfa"), [MSG]);
    let stored = hall.envelopes("AAA/mfa").iter().filter(|e| e.id() == good.id()).count();
    assert_eq!(stored, 1);
}

#[test]
fn an_envelope_of_another_network_is_rejected() {
    let (mut hall, _) = letter_of_a_puppet();
    let letter = note(&hall, "BBB/mfa", "AAA", MSG);
    let mut frame = frame(&hall, "BBB/mfa");
    frame.network = NetworkId([9; 32]);
    let foreign = sealed(&hall, &frame, ("BBB/mfa", "AAA/mfa"), &letter);
    assert_eq!(hear(&mut hall, "AAA/mfa", "BBB/mfa", &foreign), Verdict::Reject);
}

#[test]
fn a_letter_that_says_another_status_than_it_was_sealed_with_is_refused() {
    let (mut hall, _) = letter_of_a_puppet();
    let letter = note(&hall, "BBB/mfa", "AAA", MSG);
    let real = sealed_as(
        &hall,
        Status::Exercise,
        &frame(&hall, "BBB/mfa"),
        ("BBB/mfa", "AAA/mfa"),
        &letter,
    );
    assert_eq!(
        hear(&mut hall, "AAA/mfa", "BBB/mfa", &real),
        Verdict::Accept,
        "a carrier cannot tell"
    );
    assert_eq!(hall.inbox("AAA/mfa"), []);
    assert!(hall.told.contains(&(hall.id("AAA/mfa"), Notice::Refused(real.id()))));
}

#[test]
fn a_letter_in_the_name_of_another_station_is_refused() {
    let (mut hall, _) = letter_of_a_puppet();
    let letter = note(&hall, "CCC/mfa", "AAA", MSG);
    let borrowed = sealed(&hall, &frame(&hall, "BBB/mfa"), ("BBB/mfa", "AAA/mfa"), &letter);
    hear(&mut hall, "AAA/mfa", "BBB/mfa", &borrowed);
    assert_eq!(hall.inbox("AAA/mfa"), []);
    let shown = (Cause::OtherName, "CCC/mfa".to_owned(), 1);
    assert_eq!(incidents(&hall, "AAA/mfa"), std::slice::from_ref(&shown));
    let by = hall.station("AAA/mfa").incidents().iter().next().unwrap().via;
    assert_eq!(by, Some(hall.id("BBB/mfa")), "and who said it is kept");
    hall.restart("AAA/mfa");
    assert_eq!(incidents(&hall, "AAA/mfa"), [shown], "a restart forgets nothing");
}

#[test]
fn a_certificate_that_its_party_did_not_sign_is_shown_in_its_name() {
    let (mut hall, good) = letter_of_a_puppet();
    hall.puppet("CCC/mfa");
    let forged = forge::certificate_by_nobody(&hall, "BBB/mfa");
    let header = good.header_bytes().to_vec();
    let newer = changed(&good, &header, |header| header[1] = 9);
    hall.hear("AAA/mfa", "CCC/mfa", newer);
    let asked = hall.asked_of("CCC/mfa");
    let documents = asked.iter().find(|(_, ask)| matches!(ask, Ask::Documents(_))).unwrap().0;
    hall.answer_as("CCC/mfa", "AAA/mfa", documents, &Say::Documents(vec![forged]));
    assert_eq!(incidents(&hall, "AAA/mfa"), [(Cause::Document, "BBB/mfa".to_owned(), 1)]);
}

/// What a station shows of attempts: cause, name, count, the newest day first.
fn incidents(hall: &Hall, name: &str) -> Vec<(Cause, String, u64)> {
    let rows = hall.station(name).incidents().iter();
    rows.map(|row| (row.cause, row.about.clone(), row.count)).collect()
}

/// A receipt of `by` for AAA's letter, as it may be bent by the caller.
fn receipt(hall: &Hall, by: &str, msg: MsgId, bend: impl FnOnce(&mut Receipted)) -> Letter {
    let sent = hall.station("AAA/mfa").sent().find(|(id, _)| *id == msg).unwrap().1;
    let at = hall.now().wall;
    let envelope = sent.envelope.unwrap();
    let desk = Officer { name: "O. Officer".into(), office: "Duty desk".into() };
    let mut entry = Receipted::by_station(msg, envelope, sent.content_root, Level::L2, at)
        .by_officer(Level::L4, at, &desk);
    bend(&mut entry);
    let station = StationName::parse(by).unwrap();
    let origin = Origin { id: MsgId([0x52; 16]), station, at };
    let to = StationName::parse("AAA/mfa").unwrap().party().clone();
    Receipt::new(vec![entry]).letter(&origin, &to, Status::Actual)
}

/// AAA hears this receipt on the lane between the two.
fn hear_receipt(hall: &mut Hall, by: &str, letter: &Letter) -> Verdict {
    let mut frame = frame(hall, by);
    let (mine, theirs) = (hall.keys(by), hall.keys("AAA/mfa"));
    let pair = PairSecret::new(&mine.epoch, theirs.epoch.public(), &frame.network);
    frame.lane = pair.pair_lane(&frame.incarnation);
    let envelope = sealed(hall, &frame, (by, "AAA/mfa"), letter);
    hear(hall, "AAA/mfa", by, &envelope)
}

#[test]
fn only_the_addressee_receipts_and_only_what_was_sent() {
    type Bend = fn(&mut Receipted);
    let bent: [(&str, Bend, Option<Level>); 4] = [
        ("CCC/mfa", |_| {}, None),
        ("BBB/mfa", |entry| entry.digest = EnvelopeId([7; 32]), None),
        ("BBB/mfa", |entry| entry.content_root = Digest([7; 32]), None),
        ("BBB/mfa", |_| {}, Some(Level::L4)),
    ];
    for (by, bend, level) in bent {
        let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
        hall.puppet("BBB/mfa");
        hall.puppet("CCC/mfa");
        let msg = hall.send("AAA/mfa", "operator-note", &["BBB"]);
        let letter = receipt(&hall, by, msg, bend);
        assert_eq!(hear_receipt(&mut hall, by, &letter), Verdict::Accept);
        assert_eq!(hall.level("AAA/mfa", msg).0, level, "{by}");
    }
}

#[test]
fn an_observer_gets_documents_and_nothing_else() {
    let plan = [("AAA", Role::State), ("BBB", Role::State), ("OBS", Role::Observer)];
    let mut hall = Hall::with(&plan);
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    let all = Numbers { feed: hall.envelopes("BBB/mfa")[0].feed(), from: 1, to: 9 };
    let ids = hall.envelopes("BBB/mfa").iter().map(cbm_proto::envelope::Envelope::id).collect();
    let push = hall.envelopes("BBB/mfa")[0].bytes().clone();
    for ask in [
        Ask::Want(vec![all], ids),
        Ask::Summary(Digest([0; 32])),
        Ask::Heads(hall.id("OBS/mfa")),
        Ask::Push(push),
    ] {
        assert_eq!(hall.ask("BBB/mfa", "OBS/mfa", &ask), Say::Refused);
    }
    let Say::Documents(documents) = hall.ask("BBB/mfa", "OBS/mfa", &Ask::Documents(Vec::new()))
    else {
        panic!("documents are everybody's")
    };
    assert!(!documents.is_empty());
    assert!(hall.envelopes("OBS/mfa").is_empty());
}

#[test]
fn a_third_member_gets_nothing_of_what_two_say_to_one_another() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    let public = forge::lane(&hall);
    let receipt = hall.envelopes("AAA/mfa").into_iter().find(|e| e.feed().lane != public).unwrap();
    let numbers = vec![Numbers { feed: receipt.feed(), from: 1, to: u64::MAX }];
    let ask = Ask::Want(numbers, Vec::new());
    assert_eq!(hall.ask("AAA/mfa", "CCC/mfa", &ask), Say::Envelopes(vec![], false));
    let Say::Envelopes(given, _) = hall.ask("AAA/mfa", "BBB/mfa", &ask) else { panic!() };
    assert!(!given.is_empty(), "its other end may have it");
    let heads = Ask::Heads(hall.id("AAA/mfa"));
    assert_eq!(hall.ask("BBB/mfa", "CCC/mfa", &heads), Say::Refused, "about itself only");
}

#[test]
fn a_suite_of_the_future_is_ignored_and_nobody_is_blamed() {
    let (mut hall, good) = letter_of_a_puppet();
    let header = good.header_bytes().to_vec();
    let newer = changed(&good, &header, |header| header[1] = 9);
    assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", newer), Verdict::Ignore);
}

#[test]
fn an_observer_on_the_line_does_not_keep_a_station_from_speaking() {
    let plan = [("AAA", Role::State), ("BBB", Role::State), ("CCC", Role::State)];
    let mut hall = Hall::with(&[&plan[..], &[("OBS", Role::Observer)]].concat());
    hall.stop("CCC/mfa");
    hall.restart("AAA/mfa");
    hall.link_all();
    // One beacon's time longer than the others' answers: its own beacon of the run before is known.
    hall.run(12_000);
    assert_eq!(hall.station("AAA/mfa").speaks(), cbm_proto::station::Speaks::Yes);
}
