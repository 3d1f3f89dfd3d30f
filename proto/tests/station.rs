//! Stations that talk to one another without a simulator: the thin whole, on one page.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "station/copies.rs"]
mod copies;
#[path = "station/documents.rs"]
mod documents;
#[path = "station/generations.rs"]
mod generations;
#[path = "station/hall.rs"]
mod hall;
#[path = "station/letgo.rs"]
mod letgo;
#[path = "station/office.rs"]
mod office;
#[path = "station/pace.rs"]
mod pace;
#[path = "station/papers.rs"]
mod papers;
#[path = "station/regain.rs"]
mod regain;
#[path = "station/revoked.rs"]
mod revoked;
#[path = "station/sender_key.rs"]
mod sender_key;
#[path = "station/versions.rs"]
mod versions;

use cbm_proto::event::{Act, Denied, Input, Topic};
use cbm_proto::id::{MsgId, PartyCode, StationName};
use cbm_proto::people::{Checked, Trust, authority, fingerprints};
use cbm_proto::station::Speaks;
use cbm_proto::terms::{Cause, Level, Method, Reason};
use cbm_proto::time::Timestamp;
use hall::Hall;

#[test]
fn a_letter_climbs_the_ladder_as_the_officer_looks_and_acknowledges() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let msg = hall.send("AAA/mfa", "red-flag", &["BBB"]);
    let direct = Some("direct".to_owned());
    assert_eq!(hall.level("AAA/mfa", msg), (Some(Level::L1), "reached_unattended", direct));
    hall.run(2_000);
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L2));
    assert_eq!(hall.inbox("BBB/mfa"), [msg]);
    assert_eq!(hall.inbox("CCC/mfa"), [], "a carrier reads nothing");
    hall.act("BBB/mfa", msg, Act::Show);
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L3));
    hall.act("BBB/mfa", msg, Act::Ack { outcome: None, text: String::new() });
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L4));
    hall.act("BBB/mfa", msg, Act::Decline { reason: Reason::Political, text: String::new() });
    assert_eq!(hall.level("AAA/mfa", msg).1, "declined");
}

#[test]
fn a_letter_goes_round_a_cut_link_and_its_receipt_comes_back() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.cut("AAA/mfa", "BBB/mfa");
    let msg = hall.send("AAA/mfa", "operator-note", &["BBB"]);
    hall.run(120_000);
    assert_eq!(hall.inbox("BBB/mfa"), [msg]);
    let (level, state, path) = hall.level("AAA/mfa", msg);
    assert_eq!((level, state), (Some(Level::L2), "reached_unattended"));
    assert_eq!(path.as_deref(), Some("via CCC/mfa"));
}

#[test]
fn a_restarted_station_asks_and_then_continues_its_feed() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let first = hall.send("AAA/mfa", "operator-note", &["BBB"]);
    let before = hall.station("AAA/mfa").incarnation();
    let journal = hall.stop("AAA/mfa");
    hall.begin(&StationName::parse("AAA/mfa").unwrap(), journal);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Asking);
    let second = hall.send("AAA/mfa", "operator-note", &["BBB"]);
    assert_eq!(hall.inbox("BBB/mfa"), [first], "it may not speak yet");
    hall.link_all();
    // Long enough for a twin's next beacon, had it one.
    hall.run(12_000);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Yes);
    assert_eq!(hall.station("AAA/mfa").incarnation(), before);
    assert_eq!(hall.inbox("BBB/mfa"), [first, second]);
    assert_eq!(hall.level("AAA/mfa", second).0, Some(Level::L2));
}

#[test]
fn a_station_that_lost_its_tail_takes_a_new_incarnation_and_gets_its_letters_again() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let early = hall.send("BBB/mfa", "operator-note", &["AAA"]);
    let journal = hall.station_journal("AAA/mfa");
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    let late = hall.send("BBB/mfa", "operator-note", &["AAA"]);
    let before = hall.station("AAA/mfa").incarnation();
    hall.stop("AAA/mfa");
    hall.begin(&StationName::parse("AAA/mfa").unwrap(), journal);
    assert_eq!(hall.inbox("AAA/mfa"), [early]);
    hall.link_all();
    hall.run(30_000);
    assert_ne!(hall.station("AAA/mfa").incarnation(), before);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Yes);
    assert_eq!(hall.inbox("AAA/mfa"), [early, late]);
}

#[test]
fn every_command_is_answered_and_topics_follow_the_groups() {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    let topics = hall.station("AAA/mfa").topics();
    assert_eq!(topics.len(), 2);
    assert!(topics.contains_key(&Topic::Beacon));
    let nobody = cbm_proto::id::MsgId([9; 16]);
    let by = hall::officer();
    let denied = hall
        .command("AAA/mfa", |token| Input::Act {
            token,
            msg: nobody,
            act: Act::Show,
            by,
            signed: None,
        })
        .unwrap_err();
    assert!(denied.to_string().contains("cbm inbox"), "{denied}");
}

#[test]
fn a_letter_is_still_repeated_after_a_restart_in_which_asking_took_long() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    hall.stop("BBB/mfa");
    hall.send("AAA/mfa", "operator-note", &["BBB"]);
    hall.restart("AAA/mfa");
    hall.run(29_000);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Asking);
    hall.dialled.clear();
    hall.run(60_000);
    assert!(hall.dialled.contains(&(hall.id("AAA/mfa"), hall.id("BBB/mfa"))));
}

#[test]
fn a_newcomer_gets_all_documents_though_they_are_more_than_one_answer_holds() {
    let codes: Vec<String> = (0..150).map(|n| format!("P{n:03}")).collect();
    let parties: Vec<&str> = codes.iter().map(String::as_str).collect();
    let mut hall = Hall::of(&parties, &["P000", "P001"]);
    hall.begin_knowing_nobody("P001/mfa");
    hall.link_all();
    hall.run(1_000);
    assert_eq!(hall.station("P001/mfa").directory().members().count(), 150);
}

#[test]
fn a_letter_sealed_again_by_an_author_that_lost_its_disk_is_receipted_to_what_it_knows() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let journal = hall.stop("AAA/mfa");
    hall.begin(&StationName::parse("AAA/mfa").unwrap(), journal);
    let msg = hall.send("AAA/mfa", "operator-note", &["BBB"]);
    let waiting = hall.station_journal("AAA/mfa");
    hall.link_all();
    hall.run(12_000);
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L2));
    // The disk goes back to when the letter still waited: it is sealed once more.
    hall.stop("AAA/mfa");
    hall.begin(&StationName::parse("AAA/mfa").unwrap(), waiting);
    hall.link_all();
    hall.run(60_000);
    assert_eq!(hall.inbox("BBB/mfa"), [msg], "shown once");
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L2));
    hall.act("BBB/mfa", msg, Act::Ack { outcome: None, text: String::new() });
    hall.run(1_000);
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L4), "acts name it, too");
}

#[test]
fn a_check_raises_trust_a_mismatch_takes_it_and_both_outlive_a_restart() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let bbb = PartyCode::new("BBB").unwrap();
    let keys = authority(hall.station("AAA/mfa").directory(), &bbb);
    let prints = fingerprints(hall.station("AAA/mfa").directory());
    assert_eq!((keys.len(), prints[&bbb].len()), (1, 1));
    let checked = |agreed, at| Checked {
        id: MsgId([1; 16]),
        party: bbb.clone(),
        keys: keys.clone(),
        method: Method::InPerson,
        agreed,
        by: "K. Kask".into(),
        at: Timestamp(at),
    };
    assert_eq!(hall.station("AAA/mfa").trust(&bbb), Trust::Unverified);
    for (agreed, trust) in [(true, Trust::InPerson), (false, Trust::Unverified)] {
        let checked = Box::new(checked(agreed, 5 + u64::from(!agreed)));
        hall.command("AAA/mfa", |token| Input::Checked { token, checked }).unwrap();
        assert_eq!(hall.station("AAA/mfa").trust(&bbb), trust);
        hall.restart("AAA/mfa");
        assert_eq!(hall.station("AAA/mfa").trust(&bbb), trust);
        hall.link_all();
    }
    let noted = hall.station("AAA/mfa").incidents().iter().next().unwrap();
    assert_eq!((noted.cause, noted.about.as_str()), (Cause::Mismatch, "BBB"));
    let own = PartyCode::new("AAA").unwrap();
    assert_eq!(hall.station("AAA/mfa").trust(&own), Trust::Own);
    let nobody = Checked { party: PartyCode::new("ZZZ").unwrap(), ..checked(true, 9) };
    let checked = Box::new(nobody);
    let denied = hall.command("AAA/mfa", |token| Input::Checked { token, checked });
    assert_eq!(denied, Err(Denied::NoSuchParty("ZZZ".into())));
}

#[test]
fn a_letter_that_is_over_before_it_is_sent_is_refused() {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    let now = hall.now().wall.0;
    for (reply_by, expires_at, field) in
        [(now, 0, "reply_by"), (0, now - 1, "expires_at"), (now + 60_000, now + 60_000, "")]
    {
        let mut draft = Hall::draft("operator-note", &["BBB"]);
        (draft.header.0.reply_by, draft.header.0.expires_at) = (reply_by, expires_at);
        let draft = Box::new(draft);
        match hall.command("AAA/mfa", |token| Input::Submit { token, draft }) {
            Err(Denied::Past { field: named, .. }) => assert_eq!(named, field),
            sent => assert!(sent.is_ok() && field.is_empty(), "{sent:?}"),
        }
    }
    assert_eq!(hall.inbox("BBB/mfa").len(), 1);
}
