//! What is let go of, what is never, and letters that come through stations that let go.

use cbm_proto::envelope::{Envelope, Kind};
use cbm_proto::id::StationName;
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::retention::{Holding, Keep, Retention};
use cbm_proto::terms::Level;
use cbm_proto::time::{DAY, MINUTE};

use super::hall::Hall;

/// Stops these stations, lets days pass, and starts them from their journals, without a link.
fn later(hall: &mut Hall, names: &[&str], days: u64) {
    let journals: Vec<_> = names.iter().map(|name| hall.stop(name)).collect();
    hall.ms += days * DAY;
    for (name, journal) in names.iter().zip(journals) {
        hall.begin(&StationName::parse(name).unwrap(), journal);
    }
}

fn judged(hall: &Hall, name: &str, pressed: bool) -> Vec<(Envelope, (Holding, Keep))> {
    let judge = |e: Envelope| {
        let judged = hall.station(name).judge_kept(&e, hall.now(), pressed);
        (e, judged)
    };
    hall.envelopes(name).into_iter().map(judge).collect()
}

fn count(hall: &Hall, name: &str, holding: Holding, keep: Keep) -> usize {
    judged(hall, name, false).iter().filter(|(_, judged)| *judged == (holding, keep)).count()
}

/// Does to a journal what the shell does: the header stands instead, at the end.
fn prune(hall: &mut Hall, name: &str, pressed: bool) -> usize {
    let judged = judged(hall, name, pressed);
    let mut journal = hall.stop(name);
    let mut let_go = 0;
    for (envelope, (_, keep)) in judged.into_iter().filter(|(_, (_, keep))| *keep != Keep::All) {
        journal.retain(|record| record.bytes != *envelope.bytes());
        let_go += 1;
        if keep == Keep::Header {
            let bytes = envelope.without_body();
            journal.push(Record { kind: RecordKind::Envelope, salt: [0; 16], bytes });
        }
    }
    hall.begin(&StationName::parse(name).unwrap(), journal);
    let_go
}

/// Sealed envelopes of AAA on a group's lane: whole ones, and headers.
fn letters(hall: &Hall, at: &str) -> (usize, usize) {
    let (author, lane) =
        (hall.id("AAA/mfa"), hall.station(at).directory().group("all").unwrap().lane);
    let sealed = |e: &Envelope| {
        let header = e.header();
        header.kind == Kind::Sealed && header.author == author && header.lane == lane
    };
    let all: Vec<_> = hall.envelopes(at).into_iter().filter(sealed).collect();
    let whole = all.iter().filter(|e| e.has_body()).count();
    (whole, all.len() - whole)
}

/// The mark of AAA's feed on the common lane.
fn mark(hall: &Hall, at: &str) -> u64 {
    let lane = hall.station(at).directory().group("all").unwrap().lane;
    let author = hall.id("AAA/mfa");
    let feeds = hall.station(at).feeds().iter();
    let own = feeds.filter(|(id, _)| id.author == author && id.lane == lane);
    own.map(|(_, feed)| feed.mark()).max().unwrap_or(0)
}

#[test]
fn what_is_carried_goes_in_its_time_and_own_business_never() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    for _ in 0..3 {
        hall.send("AAA/mfa", "operator-note", &["BBB"]);
    }
    hall.run(2_000);
    let all = ["AAA/mfa", "BBB/mfa", "CCC/mfa"];
    later(&mut hall, &all, 29);
    let body = |hall: &Hall, keep| count(hall, "CCC/mfa", Holding::Body, keep);
    assert_eq!((body(&hall, Keep::All), body(&hall, Keep::Header)), (3, 0));
    later(&mut hall, &all, 2);
    assert_eq!((body(&hall, Keep::All), body(&hall, Keep::Header)), (0, 3));
    for name in ["AAA/mfa", "BBB/mfa"] {
        for pressed in [false, true] {
            let all = judged(&hall, name, pressed);
            assert!(all.iter().all(|(_, judged)| *judged == (Holding::Business, Keep::All)));
            assert!(all.len() > 6, "letters, receipts, what opens an incarnation");
        }
    }
    assert_eq!(prune(&mut hall, "CCC/mfa", false), 3);
    assert_eq!(body(&hall, Keep::All), 0);
    assert_eq!(count(&hall, "CCC/mfa", Holding::Header, Keep::All), 3);
    assert_eq!(mark(&hall, "CCC/mfa"), mark(&hall, "AAA/mfa"), "a header counts as held");
}

#[test]
fn a_receipt_between_two_others_is_carried_for_three_days() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.cut("AAA/mfa", "BBB/mfa");
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    hall.run(60_000);
    let pair = |hall: &Hall, keep| count(hall, "CCC/mfa", Holding::Pair, keep);
    let carried = pair(&hall, Keep::All);
    assert!(carried > 0);
    later(&mut hall, &["CCC/mfa"], 3);
    assert_eq!(pair(&hall, Keep::Nothing), 0);
    later(&mut hall, &["CCC/mfa"], 2);
    assert_eq!(pair(&hall, Keep::Nothing), carried);
    later(&mut hall, &["CCC/mfa"], 90);
    assert_eq!(pair(&hall, Keep::Nothing), 0, "by then it may be our own, under a lost key");
}

#[test]
fn a_newcomer_takes_the_headers_of_old_letters() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC", "DDD"]);
    let blank = hall.stop("DDD/mfa");
    for _ in 0..3 {
        hall.send("AAA/mfa", "operator-note", &["BBB"]);
    }
    hall.run(2_000);
    let whole = mark(&hall, "AAA/mfa");
    for name in ["AAA/mfa", "BBB/mfa"] {
        hall.stop(name);
    }
    later(&mut hall, &["CCC/mfa"], 31);
    prune(&mut hall, "CCC/mfa", false);
    hall.begin(&StationName::parse("DDD/mfa").unwrap(), blank);
    hall.link_all();
    hall.run(60_000);
    assert_eq!((letters(&hall, "DDD/mfa"), mark(&hall, "DDD/mfa")), ((0, 3), whole));
    hall.restart("DDD/mfa");
    assert_eq!(mark(&hall, "DDD/mfa"), whole);
}

#[test]
fn the_body_of_a_young_letter_is_asked_of_others_and_not_of_one_again_and_again() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC", "DDD"]);
    let blank = hall.stop("DDD/mfa");
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    hall.run(2_000);
    let whole = mark(&hall, "AAA/mfa");
    let author = hall.stop("AAA/mfa");
    hall.stop("BBB/mfa");
    later(&mut hall, &["CCC/mfa"], 5);
    assert_eq!(prune(&mut hall, "CCC/mfa", true), 1, "the disk was full");
    hall.begin(&StationName::parse("DDD/mfa").unwrap(), blank);
    hall.link_all();
    hall.run(10 * MINUTE);
    assert_eq!(letters(&hall, "DDD/mfa"), (0, 0), "there may be a letter in it that is repeated");
    hall.begin(&StationName::parse("AAA/mfa").unwrap(), author);
    hall.link_all();
    hall.run(60_000);
    assert_eq!((letters(&hall, "DDD/mfa"), mark(&hall, "DDD/mfa")), ((1, 0), whole));
}

#[test]
fn a_letter_that_is_repeated_is_carried_again_after_its_body_was_let_go() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let addressee = hall.stop("BBB/mfa");
    let msg = hall.send("AAA/mfa", "operator-note", &["BBB"]);
    hall.run(1_000);
    let three = Retention { bodies: 3 * DAY, ..Retention::default() };
    later(&mut hall, &["AAA/mfa", "CCC/mfa"], 4);
    hall.station_mut("CCC/mfa").set_retention(three.clone());
    assert_eq!(prune(&mut hall, "CCC/mfa", false), 1);
    hall.station_mut("CCC/mfa").set_retention(three);
    hall.link_all();
    hall.run(20 * MINUTE);
    assert_eq!(letters(&hall, "CCC/mfa"), (1, 1), "once more, and only once");
    assert_eq!(count(&hall, "CCC/mfa", Holding::Body, Keep::Header), 0, "for as long as we run");
    let author = hall.stop("AAA/mfa");
    hall.begin(&StationName::parse("BBB/mfa").unwrap(), addressee);
    hall.link_all();
    hall.run(MINUTE);
    assert_eq!(hall.inbox("BBB/mfa"), [msg]);
    hall.begin(&StationName::parse("AAA/mfa").unwrap(), author);
    hall.link_all();
    hall.run(MINUTE);
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L2));
}

#[test]
fn a_body_that_went_for_want_of_room_is_held_again_when_it_is_brought_again() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.stop("BBB/mfa");
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    hall.run(MINUTE);
    assert_eq!(letters(&hall, "CCC/mfa"), (1, 0), "what is held is not stored again");
    let body = |(_, judged): &(Envelope, _)| *judged == (Holding::Body, Keep::Header);
    let gone: Vec<_> = judged(&hall, "CCC/mfa", true).into_iter().filter(body).collect();
    let gone: Vec<_> = gone.iter().map(|(envelope, _)| envelope.id()).collect();
    hall.station_mut("CCC/mfa").note_let_go(&gone);
    hall.run(20 * MINUTE);
    assert_eq!((gone.len(), letters(&hall, "CCC/mfa")), (1, (2, 0)), "once more, and only once");
}
