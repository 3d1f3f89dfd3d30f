//! Documents that change while stations run.

use bytes::Bytes;
use cbm_proto::accord::{News, Role};
use cbm_proto::event::Notice;
use cbm_proto::sync::{Ask, Custody, Offer, Say};

use super::hall::Hall;

#[test]
fn documents_that_our_own_people_hand_in_are_believed_kept_and_answered_one_by_one() {
    let mut hall = Hall::of(&["AAA", "BBB", "CCC"], &["AAA"]);
    hall.begin_knowing_nobody("AAA/mfa");
    let mut documents = hall.documents();
    let accord = documents.remove(0);
    documents.reverse();
    documents.push(Bytes::from_static(b"no document"));
    let fates = hall.publish("AAA/mfa", &documents);
    let (last, good) = fates.split_last().unwrap();
    assert!(good.iter().all(|fate| fate.as_ref().unwrap().news == News::New), "{good:?}");
    assert!(last.as_ref().unwrap_err().contains("not a document"), "{last:?}");
    assert_eq!(hall.station("AAA/mfa").directory().members().count(), 3);
    let again = hall.publish("AAA/mfa", &[accord]);
    assert_eq!(again[0].as_ref().unwrap().news, News::Known);
    let journal = hall.station_journal("AAA/mfa");
    hall.begin_with("AAA/mfa", journal, &[]);
    assert_eq!(hall.station("AAA/mfa").directory().members().count(), 3, "kept");
}

/// AAA and BBB, BBB and CCC are linked, CCC and the observer DDD.
fn row() -> Hall {
    let states = ["AAA", "BBB", "CCC"].map(|code| (code, Role::State));
    let mut hall = Hall::with(&[&states[..], &[("DDD", Role::Observer)]].concat());
    for (a, b) in [("AAA", "CCC"), ("AAA", "DDD"), ("BBB", "DDD")] {
        hall.cut(&format!("{a}/mfa"), &format!("{b}/mfa"));
    }
    hall
}

fn address(hall: &Hall, at: &str) -> Option<String> {
    let directory = hall.station(at).directory();
    directory.member(&hall.id("AAA/mfa"))?.addresses.first().cloned()
}

#[test]
fn news_reaches_everyone_hop_by_hop_at_once_and_observers_too() {
    let mut hall = row();
    let before = hall.now();
    let contact = hall.contact("AAA/mfa", 2, "/ip4/192.0.2.7/tcp/4001");
    hall.publish("AAA/mfa", &[contact]);
    assert_eq!(hall.now(), before, "no timer had to fire");
    for name in ["AAA/mfa", "BBB/mfa", "CCC/mfa", "DDD/mfa"] {
        assert_eq!(address(&hall, name).as_deref(), Some("/ip4/192.0.2.7/tcp/4001"), "{name}");
    }
}

#[test]
fn a_charter_goes_to_its_members_and_to_nobody_else() {
    let mut hall = row();
    hall.mend();
    let charter = hall.charter("pact", &["AAA", "CCC"]);
    hall.publish("AAA/mfa", &[charter]);
    hall.run(60_000);
    let knows = |name: &str| hall.station(name).directory().group("pact").is_some();
    assert!(knows("AAA/mfa") && knows("CCC/mfa"));
    assert!(!knows("BBB/mfa") && !knows("DDD/mfa"));
}

#[test]
fn an_accord_too_large_to_be_offered_whole_is_fetched_once_and_goes_on() {
    let codes: Vec<String> = (0..12).map(|n| format!("P{n:03}")).collect();
    let parties: Vec<&str> = codes.iter().map(String::as_str).collect();
    let mut hall = Hall::of(&parties, &["P000", "P001", "P002"]);
    hall.link_all();
    hall.cut("P000/mfa", "P002/mfa");
    let plan: Vec<_> = parties.iter().map(|code| (*code, Role::State)).collect();
    let accord = hall.next_accord("P000/mfa", &plan);
    assert!(accord.len() > cbm_proto::limits::OFFER_DOCUMENT_MAX);
    hall.publish("P000/mfa", &[accord]);
    for name in ["P000/mfa", "P001/mfa", "P002/mfa"] {
        assert_eq!(hall.station(name).directory().accord_version(), 2, "{name}");
    }
}

#[test]
fn an_offer_that_was_lost_is_made_good_by_the_comparison() {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    let contact = hall.contact("AAA/mfa", 2, "/ip4/192.0.2.7/tcp/4001");
    // The offer, and the comparison that follows at once.
    hall.lose_requests(2);
    hall.publish("AAA/mfa", &[contact]);
    assert_eq!(address(&hall, "BBB/mfa"), None, "lost");
    hall.run(30_000);
    assert_eq!(address(&hall, "BBB/mfa").as_deref(), Some("/ip4/192.0.2.7/tcp/4001"));
}

#[test]
fn who_offers_nonsense_learns_nothing_and_our_people_are_told_once() {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    hall.puppet("BBB/mfa");
    let offer = |documents| Ask::Offer(Offer { documents, ..Offer::default() });
    for _ in 0..3 {
        let nonsense = offer(vec![Bytes::from_static(b"nonsense")]);
        assert_eq!(hall.ask("AAA/mfa", "BBB/mfa", &nonsense), Say::Taken(Custody::Stored));
    }
    let told = hall.told.iter().filter(|(_, n)| matches!(n, Notice::Document(_))).count();
    assert_eq!(told, 1);
    let many = (0..300).map(|_| hall.ask("AAA/mfa", "BBB/mfa", &offer(Vec::new())));
    assert!(many.collect::<Vec<_>>().contains(&Say::Taken(Custody::Deferred)), "bounded");
}
