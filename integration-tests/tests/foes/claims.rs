//! Peers that claim too much, accuse others, or waste what is asked of them.

use cbm_proto::event::{Input, Notice};
use cbm_proto::id::{EnvelopeId, MsgId};
use cbm_proto::limits::WANT_FIRST;
use cbm_proto::station::Speaks;
use cbm_proto::sync::{Ask, Entry, Say};
use cbm_proto::time::DAY;

use crate::forge::{self, claim, claims, feed, frame, hear, note, sealed, wanted};
use crate::hall::Hall;
use crate::letter_of_a_puppet;

#[test]
fn claims_at_the_end_of_all_numbers_are_asked_for_once() {
    let (mut hall, _) = letter_of_a_puppet();
    let end = claims(feed(&hall, "BBB/mfa"), &[(u64::MAX, u64::MAX)]);
    claim(&mut hall, "AAA/mfa", "BBB/mfa", vec![end.clone(), end]);
    let asked: u64 = wanted(&mut hall, "BBB/mfa").iter().map(|(_, count)| count).sum();
    assert_eq!(asked, 1);
}

#[test]
fn an_absurd_claim_is_asked_for_in_bounded_pieces_and_forgotten_when_nothing_comes() {
    let (mut hall, _) = letter_of_a_puppet();
    let absurd = claims(feed(&hall, "BBB/mfa"), &[(1, 1_000_000_000_000_000)]);
    claim(&mut hall, "AAA/mfa", "BBB/mfa", vec![absurd]);
    let asked = wanted(&mut hall, "BBB/mfa");
    assert_eq!(asked.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [WANT_FIRST as u64]);
    for (id, _) in asked {
        hall.answer_as("BBB/mfa", "AAA/mfa", id, &Say::Envelopes(vec![], true));
    }
    assert_eq!(wanted(&mut hall, "BBB/mfa"), []);
}

#[test]
fn withheld_numbers_are_not_hammered_though_something_else_is_given() {
    let (mut hall, good) = letter_of_a_puppet();
    hear(&mut hall, "AAA/mfa", "BBB/mfa", &good);
    let absurd = claims(feed(&hall, "BBB/mfa"), &[(2, 1_000)]);
    claim(&mut hall, "AAA/mfa", "BBB/mfa", vec![absurd]);
    let mut rounds = 0;
    loop {
        let asked = wanted(&mut hall, "BBB/mfa");
        if asked.is_empty() || rounds > 50 {
            break;
        }
        rounds += asked.len();
        for (id, _) in asked {
            let known = Say::Envelopes(vec![good.bytes().clone()], true);
            hall.answer_as("BBB/mfa", "AAA/mfa", id, &known);
        }
    }
    assert!(rounds <= 8, "asked {rounds} times for what never comes");
}

#[test]
fn the_same_id_of_two_parties_is_two_letters_with_two_receipts() {
    let (mut hall, honest) = letter_of_a_puppet();
    hall.puppet("CCC/mfa");
    let copied = note(&hall, "CCC/mfa", "AAA", crate::MSG);
    let copied = sealed(&hall, &frame(&hall, "CCC/mfa"), ("CCC/mfa", "AAA/mfa"), &copied);
    hear(&mut hall, "AAA/mfa", "CCC/mfa", &copied);
    hall.asked.clear();
    hear(&mut hall, "AAA/mfa", "BBB/mfa", &honest);
    assert_eq!(hall.inbox("AAA/mfa").len(), 2);
    let entries = forge::receipts_to(&mut hall, "BBB/mfa");
    assert!(!entries.is_empty());
    assert!(entries.iter().all(|entry| entry.digest == honest.id()), "its own letter is named");
}

#[test]
fn an_own_beacon_that_is_replayed_silences_nobody_and_a_clone_does() {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    hall.run(400_000);
    let beacons: Vec<_> = hall.beacons_of("AAA/mfa");
    assert!(beacons.len() > 60);
    for beacon in &beacons {
        hall.hear("AAA/mfa", "BBB/mfa", beacon.clone());
    }
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Yes);
    hall.run(1_000);
    let clone = forge::beacon(&hall, "AAA/mfa", hall.now().wall);
    hall.hear("AAA/mfa", "BBB/mfa", clone);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Clone);
}

#[test]
fn a_beacon_of_before_that_arrives_after_a_start_silences_nobody_whatever_its_date() {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    hall.run(1_000);
    // As one of the run before looks to a clock that was set back meanwhile.
    let before = forge::beacon(&hall, "AAA/mfa", hall.now().wall.plus(DAY));
    hall.hear("AAA/mfa", "BBB/mfa", before);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Yes);
    hall.run(20_000);
    let alive = forge::beacon(&hall, "AAA/mfa", hall.now().wall.plus(DAY));
    hall.hear("AAA/mfa", "BBB/mfa", alive);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Clone);
}

#[test]
fn beacons_that_say_nothing_new_are_not_passed_on_nor_a_flood_of_them() {
    use cbm_proto::envelope::Verdict;
    let (mut hall, _) = letter_of_a_puppet();
    let wall = hall.now().wall;
    let mut accepted = 0;
    for ms in 1..=1_000 {
        let beacon = forge::beacon(&hall, "BBB/mfa", wall.plus(ms));
        accepted += usize::from(hall.hear("AAA/mfa", "CCC/mfa", beacon) == Verdict::Accept);
    }
    assert!((1..=130).contains(&accepted), "{accepted}");
    hall.run(60_000);
    let stale = forge::beacon(&hall, "BBB/mfa", wall);
    assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", stale), Verdict::Ignore);
}

#[test]
fn a_clock_that_was_absurd_and_is_mended_is_heard_again() {
    let (mut hall, _) = letter_of_a_puppet();
    let wall = hall.now().wall;
    let absurd = forge::beacon(&hall, "BBB/mfa", wall.plus(400 * cbm_proto::time::DAY));
    hall.hear("AAA/mfa", "CCC/mfa", absurd);
    let mended = forge::beacon(&hall, "BBB/mfa", wall.plus(10));
    hall.hear("AAA/mfa", "CCC/mfa", mended);
    let heard = hall.station("AAA/mfa").beacons()[&hall.id("BBB/mfa")];
    assert_eq!(heard.wall, wall.plus(10));
}

#[test]
fn a_bare_claim_accuses_nobody_and_the_proof_does() {
    let (mut hall, first) = letter_of_a_puppet();
    hall.puppet("CCC/mfa");
    hear(&mut hall, "AAA/mfa", "BBB/mfa", &first);
    let accused = (hall.id("AAA/mfa"), Notice::Forked(hall.id("BBB/mfa")));
    let other = note(&hall, "BBB/mfa", "AAA", MsgId([0x4e; 16]));
    let second = sealed(&hall, &frame(&hall, "BBB/mfa"), ("BBB/mfa", "AAA/mfa"), &other);
    for head in [EnvelopeId([3; 32]), second.id()] {
        let feed = feed(&hall, "BBB/mfa");
        let entry = Entry { mark: 1, head: Some(head), ..claims(feed, &[]) };
        claim(&mut hall, "AAA/mfa", "CCC/mfa", vec![entry]);
        assert!(!hall.told.contains(&accused), "nothing is proven by a claim");
        let asked = wanted(&mut hall, "CCC/mfa");
        assert_eq!(asked.len(), 1, "the header is asked for");
        let given = if head == second.id() { vec![second.bytes().clone()] } else { vec![] };
        hall.answer_as("CCC/mfa", "AAA/mfa", asked[0].0, &Say::Envelopes(given, false));
    }
    assert!(hall.told.contains(&accused));
    assert_eq!(hall.inbox("AAA/mfa").len(), 2);
}

#[test]
fn both_letters_under_one_number_are_delivered_and_marked_and_stored_once() {
    let (mut hall, first) = letter_of_a_puppet();
    let other = note(&hall, "BBB/mfa", "AAA", MsgId([0x4e; 16]));
    let second = sealed(&hall, &frame(&hall, "BBB/mfa"), ("BBB/mfa", "AAA/mfa"), &other);
    for envelope in [&first, &second, &first, &second, &second] {
        hear(&mut hall, "AAA/mfa", "CCC/mfa", envelope);
    }
    let told = (hall.id("AAA/mfa"), Notice::Forked(hall.id("BBB/mfa")));
    assert_eq!(hall.told.iter().filter(|each| **each == told).count(), 1);
    let kept = hall.envelopes("AAA/mfa");
    for envelope in [&first, &second] {
        assert_eq!(kept.iter().filter(|e| e.id() == envelope.id()).count(), 1, "kept once");
    }
    let marks = |hall: &Hall| -> Vec<bool> {
        hall.station("AAA/mfa").inbox().map(|letter| letter.forked).collect()
    };
    assert_eq!(marks(&hall), [true, true]);
    hall.restart("AAA/mfa");
    assert_eq!(marks(&hall), [true, true], "also after a restart");
}

#[test]
fn a_pair_lane_claim_reaches_only_the_peer_that_is_its_end() {
    let (mut hall, _) = letter_of_a_puppet();
    hall.puppet("CCC/mfa");
    let (mine, theirs) = (hall.keys("AAA/mfa"), hall.keys("BBB/mfa"));
    let network = hall.station("AAA/mfa").directory().network();
    let pair = cbm_proto::seal::PairSecret::new(&mine.epoch, theirs.epoch.public(), &network);
    let mut between = feed(&hall, "BBB/mfa");
    between.lane = pair.pair_lane(&between.incarnation);
    claim(&mut hall, "AAA/mfa", "CCC/mfa", vec![claims(between, &[(1, 3)])]);
    assert_eq!(wanted(&mut hall, "CCC/mfa"), []);
    claim(&mut hall, "AAA/mfa", "BBB/mfa", vec![claims(between, &[(1, 3)])]);
    assert_eq!(wanted(&mut hall, "BBB/mfa").len(), 1);
}

#[test]
fn a_flood_of_feeds_hides_no_other_feed_from_summaries() {
    let (mut hall, _) = letter_of_a_puppet();
    let late = hall.id("AAA/mfa").max(hall.id("CCC/mfa"));
    for n in 0..4_300_u32 {
        let mut frame = frame(&hall, "BBB/mfa");
        frame.incarnation.0[..4].copy_from_slice(&n.to_be_bytes());
        let statement = cbm_proto::seal::statement(&frame, b"", &hall.keys("BBB/mfa").sign);
        let bytes = statement.unwrap().bytes().clone();
        let (peer, id) = (hall.id("BBB/mfa"), cbm_proto::event::Token(1_000_000 + u64::from(n)));
        let bytes = Ask::Push(bytes).encode();
        hall.give("AAA/mfa", |_| Input::Asked { peer, token: id, bytes });
    }
    let differs = Ask::Summary(cbm_proto::id::Digest([0; 32]));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let Say::Entries { entries, more, .. } = hall.ask("AAA/mfa", "CCC/mfa", &differs) else {
            panic!("it differs")
        };
        assert!(more && entries.len() <= 4_096);
        seen.extend(entries.iter().map(|entry| entry.feed.author));
    }
    assert!(seen.contains(&late));
}
