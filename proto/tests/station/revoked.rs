//! Keys that were taken back, in stations that run.

use cbm_proto::accord::Head;
use cbm_proto::envelope::{Envelope, Verdict};
use cbm_proto::event::{Denied, Input, Notice};
use cbm_proto::id::{Digest, KeyId, MsgId, StationName};
use cbm_proto::keys::StationKeys;
use cbm_proto::primitives::SignSecret;
use cbm_proto::station::Speaks;
use cbm_proto::terms::Level;

use super::hall::Hall;

const NOTE: &str = "operator-note";

fn sign_key(hall: &Hall, name: &str) -> KeyId {
    hall.keys(name).sign.public().id()
}

/// The envelope of a letter of AAA, as AAA keeps it.
fn envelope(hall: &Hall, msg: MsgId) -> Envelope {
    let id = hall.station("AAA/mfa").envelope_of(&msg).unwrap();
    hall.envelopes("AAA/mfa").into_iter().find(|e| e.id() == id).unwrap()
}

fn up_to(envelope: &Envelope) -> Vec<Head> {
    let header = Digest(envelope.id().0);
    vec![Head::of_feed(&envelope.feed(), envelope.header().seq, header)]
}

fn marked(hall: &Hall, at: &str, msg: MsgId) -> bool {
    let station = hall.station(at);
    station.key_revoked(&station.received(&msg).unwrap())
}

#[test]
fn what_lies_at_or_before_the_named_heads_is_taken_and_what_comes_after_is_not() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let one = hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.cut("BBB/mfa", "AAA/mfa");
    hall.cut("BBB/mfa", "CCC/mfa");
    let two = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let three = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let heads = up_to(&envelope(&hall, two));
    let revocation = hall.revocation("AAA/mfa", sign_key(&hall, "AAA/mfa"), heads);
    assert!(hall.publish("BBB/mfa", &[revocation])[0].is_ok());
    let bytes = |hall: &Hall, msg| envelope(hall, msg).bytes().clone();
    let (late, good) = (bytes(&hall, three), bytes(&hall, two));
    let ahead = hall.station("BBB/mfa").signed_well(&late).unwrap();
    hall.station_mut("BBB/mfa").note_verified(vec![ahead]);
    assert_eq!(
        hall.hear("BBB/mfa", "CCC/mfa", late),
        Verdict::Ignore,
        "nobody is to blame, verified or not"
    );
    assert_eq!(hall.hear("BBB/mfa", "CCC/mfa", good), Verdict::Accept);
    let beacon = hall.beacons_of("AAA/mfa").last().unwrap().clone();
    assert_eq!(hall.hear("BBB/mfa", "CCC/mfa", beacon), Verdict::Ignore);
    assert_eq!(hall.inbox("BBB/mfa"), [one, two]);
    assert!(!marked(&hall, "BBB/mfa", one) && !marked(&hall, "BBB/mfa", two));
    hall.mend();
    hall.run(60_000);
    assert_eq!(hall.inbox("BBB/mfa"), [one, two], "catch-up brings it no more than gossip");
}

#[test]
fn letters_that_were_opened_before_the_revocation_came_are_marked_also_after_a_restart() {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    let one = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let two = hall.send("AAA/mfa", NOTE, &["BBB"]);
    assert!(!marked(&hall, "BBB/mfa", two));
    let heads = up_to(&envelope(&hall, one));
    let revocation = hall.revocation("AAA/mfa", sign_key(&hall, "AAA/mfa"), heads);
    hall.publish("BBB/mfa", &[revocation]);
    for _ in 0..2 {
        assert!(!marked(&hall, "BBB/mfa", one) && marked(&hall, "BBB/mfa", two));
        hall.restart("BBB/mfa");
    }
}

#[test]
fn a_station_whose_own_key_was_revoked_falls_silent_and_says_why() {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    let revocation = hall.revocation("AAA/mfa", sign_key(&hall, "AAA/mfa"), Vec::new());
    hall.publish("BBB/mfa", &[revocation]);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Revoked, "at once");
    assert!(hall.told.contains(&(hall.id("AAA/mfa"), Notice::Revoked)));
    let draft = Box::new(Hall::draft(NOTE, &["BBB"]));
    let denied = hall.command("AAA/mfa", |token| Input::Submit { token, draft }).unwrap_err();
    assert!(matches!(denied, Denied::Revoked { .. }) && denied.to_string().contains("stolen"));
    let said = hall.beacons_of("AAA/mfa").len();
    hall.run(60_000);
    assert_eq!(hall.beacons_of("AAA/mfa").len(), said);
    hall.restart("AAA/mfa");
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Revoked);
    let fresh = StationKeys { archive: hall.keys("AAA/mfa").archive.clone(), ..keys(7) };
    let certificate = hall.certificate("AAA/mfa", 2, &fresh);
    hall.publish("AAA/mfa", &[certificate]);
    hall.change_keys("AAA/mfa", fresh);
    hall.link_all();
    hall.run(60_000);
    assert_eq!(hall.station("AAA/mfa").speaks(), Speaks::Yes, "with new keys it speaks again");
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.run(2_000);
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L2));
}

fn keys(seed: u8) -> StationKeys {
    StationKeys::generate(&mut cbm_proto::primitives::Entropy::new(&[seed; 32]))
}

#[test]
fn a_stolen_link_key_is_hung_up_on_by_everyone_at_once() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let key = SignSecret::from_seed(&hall.keys("AAA/mfa").peer_seed).public().id();
    let revocation = hall.revocation("AAA/mfa", key, Vec::new());
    let before = hall.now();
    hall.publish("BBB/mfa", &[revocation]);
    for name in ["BBB/mfa", "CCC/mfa"] {
        assert!(!hall.station(name).admits(&hall.id("AAA/mfa")), "{name}");
        assert!(!hall.station(name).linked().contains(&hall.id("AAA/mfa")), "{name}");
    }
    assert_eq!(hall.now(), before);
}

#[test]
fn what_is_owed_to_a_party_without_keys_waits_and_is_sealed_when_it_has_some() {
    let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
    let epoch = hall.keys("BBB/mfa").epoch.public().id();
    let revocation = hall.revocation("BBB/mfa", epoch, Vec::new());
    hall.publish("AAA/mfa", &[revocation]);
    let alone = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let both = hall.send("AAA/mfa", NOTE, &["BBB", "CCC"]);
    hall.run(60_000);
    let of_bbb = |hall: &Hall, msg| {
        let status = hall.station("AAA/mfa").status(hall.now(), &msg).unwrap();
        let one = status.addressees.into_iter().find(|a| a.party.as_str() == "BBB").unwrap();
        (one.silenced, one.level >= Some(Level::L1))
    };
    for msg in [alone, both] {
        assert_eq!(of_bbb(&hall, msg), (true, false));
    }
    assert_eq!(hall.inbox("CCC/mfa"), [both]);
    hall.restart("AAA/mfa");
    hall.link_all();
    let fresh = StationKeys { archive: hall.keys("BBB/mfa").archive.clone(), ..keys(8) };
    let certificate = hall.certificate("BBB/mfa", 2, &fresh);
    let journal = hall.stop("BBB/mfa");
    hall.keys.insert(StationName::parse("BBB/mfa").unwrap(), std::sync::Arc::new(fresh));
    hall.begin(&StationName::parse("BBB/mfa").unwrap(), journal);
    hall.publish("BBB/mfa", &[certificate]);
    hall.link_all();
    hall.run(120_000);
    let mut inbox = hall.inbox("BBB/mfa");
    inbox.sort();
    let mut wanted = [alone, both];
    wanted.sort();
    assert_eq!(inbox, wanted);
    for msg in [alone, both] {
        assert_eq!(of_bbb(&hall, msg), (false, true));
    }
}
