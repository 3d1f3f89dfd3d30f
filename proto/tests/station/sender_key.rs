//! Letters under sender keys: when they are, and what happens when a reader lacks one.

use cbm_proto::envelope::{Envelope, Kind, Recipients};
use cbm_proto::event::Act;
use cbm_proto::id::StationName;
use cbm_proto::keys::StationKeys;
use cbm_proto::terms::Level;

use super::hall::Hall;

const NOTE: &str = "operator-note";

fn sealed_by(hall: &Hall, at: &str, author: &str) -> Vec<Envelope> {
    let author = hall.id(author);
    let sealed = |e: &Envelope| e.header().kind == Kind::Sealed && e.header().author == author;
    hall.envelopes(at).into_iter().filter(sealed).collect()
}

fn under_key(letter: &Envelope) -> bool {
    matches!(letter.header().recipients, Recipients::SenderKey(_))
}

/// Two stations that have written to one another.
fn two() -> Hall {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.run(2_000);
    hall
}

#[test]
fn a_pair_needs_stanzas_for_its_first_letters_only() {
    let mut hall = two();
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.run(2_000);
    hall.act("BBB/mfa", msg, Act::Ack { outcome: None, text: String::new() });
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L4));
    for author in ["AAA/mfa", "BBB/mfa"] {
        let letters = sealed_by(&hall, "BBB/mfa", author);
        let (first, rest) = letters.split_first().unwrap();
        assert!(!under_key(first) && !rest.is_empty() && rest.iter().all(under_key), "{author}");
    }
}

#[test]
fn a_letter_to_some_of_a_group_shows_nothing_of_whom_it_is_to() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    for _ in 0..3 {
        hall.send("AAA/mfa", NOTE, &["BBB"]);
        hall.run(2_000);
    }
    let letters = sealed_by(&hall, "CCC/mfa", "AAA/mfa");
    assert_eq!(letters.len(), 3, "CCC carries them");
    assert!(letters.iter().all(|letter| letter.header().recipients == Recipients::Stanzas(1)));
    let receipts = sealed_by(&hall, "AAA/mfa", "BBB/mfa");
    assert!(receipts.iter().skip(1).all(under_key), "on the lane of the pair there is one reader");
}

#[test]
fn a_whole_group_gets_one_piece_once_all_have_the_key() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let mut last = None;
    for _ in 0..2 {
        last = Some(hall.send("AAA/mfa", NOTE, &["BBB", "CCC"]));
        hall.run(2_000);
    }
    let letters = sealed_by(&hall, "CCC/mfa", "AAA/mfa");
    let forms: Vec<bool> = letters.iter().map(under_key).collect();
    assert_eq!(forms, [false, true]);
    for name in ["BBB/mfa", "CCC/mfa"] {
        assert_eq!(hall.inbox(name).last(), last.as_ref());
    }
}

#[test]
fn a_restarted_reader_opens_what_comes_and_a_restarted_author_hands_out_anew() {
    let mut hall = two();
    hall.restart("BBB/mfa");
    hall.link_all();
    hall.run(40_000);
    hall.send("AAA/mfa", NOTE, &["BBB"]);
    assert!(under_key(sealed_by(&hall, "BBB/mfa", "AAA/mfa").last().unwrap()));
    assert_eq!(hall.inbox("BBB/mfa").len(), 2);
    hall.restart("AAA/mfa");
    hall.link_all();
    hall.run(40_000);
    for _ in 0..2 {
        hall.send("AAA/mfa", NOTE, &["BBB"]);
        hall.run(2_000);
    }
    let forms: Vec<bool> = sealed_by(&hall, "BBB/mfa", "AAA/mfa").iter().map(under_key).collect();
    assert_eq!(forms, [false, true, false, true]);
    assert_eq!(hall.inbox("BBB/mfa").len(), 4);
}

#[test]
fn nothing_is_sealed_under_a_key_whose_reader_has_other_epoch_keys_now() {
    let mut hall = two();
    let archive = hall.keys("BBB/mfa").archive.clone();
    let keys = StationKeys { archive, ..StationKeys::generate(hall.entropy()) };
    let certificate = hall.certificate("BBB/mfa", 2, &keys);
    hall.publish("BBB/mfa", &[certificate]);
    hall.change_keys("BBB/mfa", keys);
    hall.run(2_000);
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.run(2_000);
    assert!(!under_key(sealed_by(&hall, "BBB/mfa", "AAA/mfa").last().unwrap()));
    assert_eq!(hall.inbox("BBB/mfa").last(), Some(&msg));
}

/// BBB has a letter under a key, its disk went back behind the hand-out, and nobody has that letter
/// any more.
fn lacking() -> (Hall, cbm_proto::id::MsgId) {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    let backup = hall.station_journal("BBB/mfa");
    hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.run(2_000);
    let hand_out = sealed_by(&hall, "AAA/mfa", "AAA/mfa")[0].id();
    hall.stop("BBB/mfa");
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    assert!(under_key(sealed_by(&hall, "AAA/mfa", "AAA/mfa").last().unwrap()));
    hall.lose_envelope("AAA/mfa", hand_out);
    hall.begin_with("BBB/mfa", backup, &hall.documents());
    hall.link_all();
    (hall, msg)
}

#[test]
fn a_reader_that_lacks_a_key_asks_and_gets_the_letter_by_stanzas() {
    let (mut hall, msg) = lacking();
    let name = StationName::parse("BBB/mfa").unwrap();
    assert!(hall.names.contains_key(&name) && !hall.inbox("BBB/mfa").contains(&msg));
    hall.run(240_000);
    assert_eq!(hall.inbox("BBB/mfa").iter().filter(|id| **id == msg).count(), 1);
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L2));
}
