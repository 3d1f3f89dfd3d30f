//! Offices that sign for themselves, at stations that run.

use cbm_proto::accord::Head;
use cbm_proto::envelope::Envelope;
use cbm_proto::event::{Act, Denied, Fault, Input, Officer, Signed};
use cbm_proto::id::{Digest, MsgId};
use cbm_proto::keys::OfficeKey;
use cbm_proto::primitives::SignSecret;
use cbm_proto::receipt::{Entry, OFFICE_DOMAIN, OfficeSignature, Proof, Stated};
use cbm_proto::terms::{Level, Outcome, Reason};
use cbm_proto::time::Timestamp;

use super::hall::Hall;

const NOTE: &str = "operator-note";

fn desk() -> SignSecret {
    SignSecret::from_seed(&[40; 32])
}

fn cyber() -> SignSecret {
    SignSecret::from_seed(&[41; 32])
}

fn of(office: &str, secret: &SignSecret) -> OfficeKey {
    OfficeKey { office: office.into(), key: secret.public() }
}

fn officer() -> Officer {
    Officer { name: "B. Kask".into(), office: "duty".into() }
}

/// Two stations; BBB's certificate lists the keys of two offices.
fn hall() -> Hall {
    let mut hall = Hall::new(&["AAA", "BBB"]);
    certify(&mut hall, 2, &[of("duty", &desk()), of("cyber", &cyber())]);
    hall
}

fn certify(hall: &mut Hall, serial: u64, offices: &[OfficeKey]) {
    let keys = hall.keys("BBB/mfa");
    let certificate = hall.certificate_with("BBB/mfa", serial, &keys, offices);
    assert!(hall.publish("BBB/mfa", &[certificate])[0].is_ok());
    hall.run(1_000);
}

/// What an office states of a letter that BBB holds.
fn entry(hall: &Hall, msg: MsgId, act: &Act, at: Timestamp) -> Entry {
    let named = hall.station("BBB/mfa").received(&msg).unwrap().named;
    let machine = Entry::by_station(msg, named.envelope, named.content_root, Level::L3, at);
    act.entry(machine, at, &officer())
}

fn signature(entry: &Entry, secret: &SignSecret) -> OfficeSignature {
    let signature = secret.sign(OFFICE_DOMAIN, &entry.statement().unwrap());
    OfficeSignature::ed25519(&secret.public(), &signature)
}

fn act(hall: &mut Hall, msg: MsgId, act: Act, secret: &SignSecret) -> Result<MsgId, Denied> {
    let at = hall.now().wall;
    let signature = signature(&entry(hall, msg, &act, at), secret);
    give(hall, msg, act, Signed { at, signature })
}

fn give(hall: &mut Hall, msg: MsgId, act: Act, signed: Signed) -> Result<MsgId, Denied> {
    let (by, signed) = (officer(), Some(signed));
    hall.command("BBB/mfa", |token| Input::Act { token, msg, act, by, signed })
}

fn ack() -> Act {
    Act::Ack { outcome: None, text: "seen at the desk".into() }
}

fn stated(hall: &Hall, msg: MsgId) -> Option<(Stated, Proof)> {
    let status = hall.station("AAA/mfa").status(hall.now(), &msg).unwrap();
    status.addressees[0].stated.clone()
}

fn proof(hall: &Hall, msg: MsgId) -> Proof {
    stated(hall, msg).unwrap().1
}

#[test]
fn the_author_sees_that_the_office_itself_signed_also_after_restarts() {
    let mut hall = hall();
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    assert_eq!(stated(&hall, msg), None, "a machine alone speaks for no office");
    let at = hall.now().wall;
    act(&mut hall, msg, ack(), &desk()).unwrap();
    let signed = Proof::Signed(desk().public().id());
    for _ in 0..2 {
        let (said, proof) = stated(&hall, msg).unwrap();
        assert_eq!(
            (said.office.as_str(), said.officer.as_str(), proof),
            ("duty", "B. Kask", signed)
        );
        assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L4));
        let status = hall.station("AAA/mfa").status(hall.now(), &msg).unwrap();
        assert_eq!(status.addressees[0].at, Some(at), "the time that was signed");
        hall.restart("AAA/mfa");
        hall.restart("BBB/mfa");
        hall.run(60_000);
    }
    let no = Act::Decline { reason: Reason::Political, text: String::new() };
    act(&mut hall, msg, no, &desk()).unwrap();
    hall.run(60_000);
    assert_eq!((hall.level("AAA/mfa", msg).1, proof(&hall, msg)), ("declined", signed));
}

#[test]
fn what_nobody_signed_is_the_stations_word_and_may_be_signed_later() {
    let mut hall = hall();
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.command("BBB/mfa", |token| Input::Act {
        token,
        msg,
        act: ack(),
        by: officer(),
        signed: None,
    })
    .unwrap();
    assert_eq!(proof(&hall, msg), Proof::Unsigned);
    act(&mut hall, msg, ack(), &desk()).unwrap();
    assert_eq!(proof(&hall, msg), Proof::Signed(desk().public().id()));
}

#[test]
fn an_answer_is_signed_whatever_comes_first_the_letter_or_the_receipt() {
    let mut hall = hall();
    let msg = hall.send("AAA/mfa", "request", &["BBB"]);
    let draft = Hall::draft("response", &["AAA"]);
    let answer = act(&mut hall, msg, Act::Reply { draft: Box::new(draft) }, &desk()).unwrap();
    assert!(hall.inbox("AAA/mfa").contains(&answer));
    assert_eq!(hall.level("AAA/mfa", msg).0, Some(Level::L6));
    assert_eq!(proof(&hall, msg), Proof::Signed(desk().public().id()));
}

#[test]
fn the_station_takes_no_signature_that_does_not_count_under_its_own_certificate() {
    let mut hall = hall();
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let stranger = SignSecret::from_seed(&[42; 32]);
    let denied = |fault| Err(Denied::Office(fault));
    assert_eq!(act(&mut hall, msg, ack(), &stranger), denied(Fault::NotCertified));
    assert_eq!(act(&mut hall, msg, ack(), &cyber()), denied(Fault::OtherOffice));
    let at = hall.now().wall;
    let signature = signature(&entry(&hall, msg, &ack(), at), &desk());
    let signed = |at| Signed { at, signature: signature.clone() };
    let yes = Act::Ack { outcome: Some(Outcome::Accepted), text: "seen at the desk".into() };
    assert_eq!(give(&mut hall, msg, yes, signed(at)), denied(Fault::Mismatch));
    assert_eq!(give(&mut hall, msg, ack(), signed(at.plus(1))), denied(Fault::Mismatch));
    let far = hall.now().wall.plus(660_000);
    let late = Signed { at: far, ..signed(at) };
    assert!(matches!(give(&mut hall, msg, ack(), late), Err(Denied::OfficeTime { .. })));
    assert!(hall.level("AAA/mfa", msg).0 < Some(Level::L4), "the letter is untouched");
    certify(&mut hall, 3, &[of("cyber", &cyber())]);
    assert_eq!(give(&mut hall, msg, ack(), signed(at)), denied(Fault::NotCertified));
}

/// Some envelope of BBB, for a receipt that BBB never made.
fn envelope(hall: &Hall) -> Envelope {
    let id = hall.id("BBB/mfa");
    hall.envelopes("AAA/mfa").into_iter().find(|e| e.header().author == id).unwrap()
}

#[test]
fn a_taken_over_station_forges_no_word_of_its_offices() {
    let mut hall = hall();
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    hall.run(2_000);
    let (receipt, at) = (envelope(&hall), hall.now().wall);
    let declined = Act::Decline { reason: Reason::Political, text: "no".into() };
    let good = entry(&hall, msg, &declined, at);
    let good = Entry { signature: Some(signature(&good, &desk())), ..good };
    let worth = |entry: &Entry| {
        Stated::of(entry, &receipt).unwrap().proof(hall.station("AAA/mfa").directory())
    };
    assert_eq!(worth(&good), Proof::Signed(desk().public().id()));
    let changes: [fn(&mut Entry); 9] = [
        |e| e.of = MsgId([9; 16]),
        |e| e.digest.0[0] ^= 1,
        |e| e.content_root.0[31] ^= 1,
        |e| e.level = Level::L6,
        |e| e.outcome = Some(Outcome::Accepted),
        |e| e.reason = None,
        |e| e.at = e.at.plus(1),
        |e| e.text[0].text = "yes".into(),
        |e| e.signature.as_mut().unwrap().bytes = vec![7; 64].into(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(worth(&bad), Proof::Void(Fault::Mismatch), "change {number}");
    }
    let other = |office: &str, secret: &SignSecret| {
        let mut bad = good.clone();
        bad.office[0].text = office.into();
        worth(&Entry { signature: Some(signature(&bad, secret)), ..bad })
    };
    assert_eq!(other("cyber", &desk()), Proof::Void(Fault::OtherOffice));
    assert_eq!(other("duty", &cyber()), Proof::Void(Fault::OtherOffice));
    let station = &hall.keys("BBB/mfa").sign;
    assert_eq!(other("duty", station), Proof::Void(Fault::NotCertified));
    let newer = OfficeSignature { alg: 2, ..signature(&good, &desk()) };
    assert_eq!(worth(&Entry { signature: Some(newer), ..good.clone() }), Proof::Void(Fault::Newer));
}

#[test]
fn a_key_taken_back_counts_for_what_its_party_stands_by_and_for_nothing_else() {
    let mut hall = hall();
    let one = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let two = hall.send("AAA/mfa", NOTE, &["BBB"]);
    act(&mut hall, one, ack(), &desk()).unwrap();
    act(&mut hall, two, ack(), &desk()).unwrap();
    let signed = Proof::Signed(desk().public().id());
    assert_eq!((proof(&hall, one), proof(&hall, two)), (signed, signed));
    let ((feed, seq), header) = {
        let said = stated(&hall, one).unwrap().0;
        (said.place, Digest(said.receipt.0))
    };
    let heads = vec![Head::of_feed(&feed, seq, header)];
    let revocation = hall.revocation("BBB/mfa", desk().public().id(), heads);
    assert!(hall.publish("BBB/mfa", &[revocation])[0].is_ok());
    hall.run(5_000);
    assert_eq!((proof(&hall, one), proof(&hall, two)), (signed, Proof::Void(Fault::Revoked)));
    assert_eq!(hall.level("AAA/mfa", two).0, Some(Level::L4), "the station's word stays");
    let three = hall.send("AAA/mfa", NOTE, &["BBB"]);
    let denied = act(&mut hall, three, ack(), &desk());
    assert_eq!(denied, Err(Denied::Office(Fault::Revoked)));
}

#[test]
fn a_key_that_only_an_earlier_certificate_lists_counts_for_what_it_signed() {
    let mut hall = hall();
    let msg = hall.send("AAA/mfa", NOTE, &["BBB"]);
    act(&mut hall, msg, ack(), &desk()).unwrap();
    certify(&mut hall, 3, &[]);
    assert_eq!(proof(&hall, msg), Proof::Signed(desk().public().id()));
}
