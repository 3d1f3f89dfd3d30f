//! Too much of everything: bombs, floods, requests and claims without end, many identities.

use bytes::Bytes;
use cbm_integration_tests::foes::{bombs, streams};
use cbm_proto::accord::make;
use cbm_proto::envelope::Verdict;
use cbm_proto::event::Input;
use cbm_proto::id::{KeyId, MsgId, StationId, StationName};
use cbm_proto::limits::{
    ENVELOPE_MAX, GOSSIP_BODY_MAX, HEADERS_BURST, MISSING_MAX, OFFERS_BURST,
    REVOCATIONS_PER_KEY_MAX,
};
use cbm_proto::sync::{Ask, Custody, Offer, Say};
use cbm_proto::terms::Level;

use crate::forge::{self, foe, hear};
use crate::hall::Hall;
use crate::{MSG, letter_of_a_puppet};

/// Bytes that ask for more than anybody answers.
fn bombs() -> Vec<Bytes> {
    let mut all = vec![
        bombs::nested(2, 2_000),
        bombs::nested(4, 2_000),
        bombs::groups(9, 5_000),
        bombs::claims_length(1, u64::MAX),
        bombs::claims_length(6, 1 << 40),
    ];
    // A want, digests of documents, an offer: 100,000 of them in 200 KB.
    all.extend([4, 5, 6].map(|field| bombs::within(field, &bombs::repeated(1, 100_000))));
    all
}

#[test]
fn bombs_in_questions_and_answers_are_refused_and_stop_nothing() {
    let (mut hall, good) = letter_of_a_puppet();
    hall.puppet("CCC/mfa");
    for bomb in bombs() {
        // A want of nothing but fields that a newer version might know gets nothing.
        let nothing = [Say::Refused, Say::Envelopes(Vec::new(), false)];
        assert!(nothing.contains(&hall.ask_bytes("AAA/mfa", "BBB/mfa", bomb.clone())));
        let peer = hall.id("CCC/mfa");
        hall.give("AAA/mfa", |_| Input::Unlinked { peer });
        hall.asked.clear();
        hall.give("AAA/mfa", |_| Input::Linked { peer });
        for (id, _) in hall.asked_of("CCC/mfa") {
            let answer = Some(bomb.clone());
            hall.give("AAA/mfa", |_| Input::Answered { peer, id, answer });
        }
    }
    assert_eq!(hear(&mut hall, "AAA/mfa", "BBB/mfa", &good), Verdict::Accept);
    assert_eq!(hall.inbox("AAA/mfa"), [MSG]);
}

#[test]
fn envelopes_without_measure_are_rejected() {
    let (mut hall, good) = letter_of_a_puppet();
    let with = |at: usize, bytes: &[u8]| {
        let mut all = good.bytes().to_vec();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        Bytes::from(all)
    };
    let stanzas = good.bytes().len() - good.body().unwrap().len() - 4;
    let giants = [
        with(5, &[0xff; 2]),
        with(stanzas, &[0xff; 4]),
        Bytes::from(vec![0; ENVELOPE_MAX + 1]),
        Bytes::from([&good.bytes()[..], &[0; 1_000][..]].concat()),
        bombs::nested(1, 2_000),
    ];
    for giant in giants {
        assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", giant.clone()), Verdict::Reject);
        let push = Ask::Push(giant);
        assert_eq!(hall.ask("AAA/mfa", "BBB/mfa", &push), Say::Taken(Custody::Refused));
    }
}

#[test]
fn bombs_inside_a_letter_hurt_nobody() {
    let (mut hall, _) = letter_of_a_puppet();
    let (foe, at, to) = (foe(&hall, "BBB/mfa"), hall.now().wall, hall.keys("AAA/mfa"));
    let bodies = [
        bombs::nested(1, 2_000),
        bombs::nested(900, 2_000),
        bombs::groups(1, 2_000),
        bombs::claims_length(1, u64::MAX),
        bombs::repeated(3, 20_000),
    ];
    for (n, body) in (1..).zip(bodies) {
        let foe = foe.under([n; 16]);
        let mut letter = foe.note(&["AAA"], MsgId([n; 16]), at);
        letter.body = body;
        let envelope = foe.sealed(&foe.frame(at), &[&to], &letter);
        assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &envelope), Verdict::Accept);
    }
    let shown = hall.inbox("AAA/mfa");
    let broken = [3, 4].map(|n| MsgId([n; 16]));
    assert!(!broken.iter().any(|msg| shown.contains(msg)), "what cannot be read is refused");
    let good = foe.sealed(&foe.frame(at), &[&to], &foe.note(&["AAA"], MSG, at));
    hear(&mut hall, "AAA/mfa", "CCC/mfa", &good);
    assert_eq!(hall.inbox("AAA/mfa").last(), Some(&MSG), "what comes after is read");
}

#[test]
fn a_flood_over_the_rate_is_deferred_and_letters_to_us_and_of_others_are_not() {
    let (mut hall, _) = letter_of_a_puppet();
    let (foe, at, to) = (foe(&hall, "BBB/mfa"), hall.now().wall, hall.keys("AAA/mfa"));
    let flood = foe.chain(None, &vec![7; GOSSIP_BODY_MAX], 400, at);
    let verdicts: Vec<_> = flood.iter().map(|e| hear(&mut hall, "AAA/mfa", "CCC/mfa", e)).collect();
    let accepted = verdicts.iter().filter(|v| **v == Verdict::Accept).count();
    assert!(accepted <= usize::try_from(HEADERS_BURST).unwrap() + 5, "{accepted}");
    assert!(!verdicts.contains(&Verdict::Reject), "who forwards is not to blame");
    let foe = foe.under([1; 16]);
    let mine = foe.sealed(&foe.frame(at), &[&to], &foe.note(&["AAA"], MSG, at));
    assert_eq!(hear(&mut hall, "AAA/mfa", "CCC/mfa", &mine), Verdict::Accept);
    assert_eq!(hall.inbox("AAA/mfa"), [MSG], "an addressee takes all");
    let msg = hall.send("CCC/mfa", "operator-note", &["AAA"]);
    assert_eq!(hall.level("CCC/mfa", msg).0, Some(Level::L1), "another author has its own share");
}

#[test]
fn endless_requests_are_answered_and_leave_nothing_behind() {
    let (mut hall, _) = letter_of_a_puppet();
    hall.send("AAA/mfa", "operator-note", &["CCC"]);
    let feed = hall.envelopes("AAA/mfa")[0].feed();
    let held = hall.station_journal("AAA/mfa").len();
    for _ in 0..500 {
        let Say::Envelopes(given, _) = hall.ask("AAA/mfa", "BBB/mfa", &streams::everything(feed))
        else {
            panic!("a member may ask")
        };
        assert!(!given.is_empty());
        let same = hall.ask("AAA/mfa", "BBB/mfa", &streams::never_the_same());
        assert!(matches!(same, Say::Entries { .. }));
    }
    assert_eq!(hall.station_journal("AAA/mfa").len(), held);
}

#[test]
fn carried_envelopes_that_do_not_exist_are_asked_for_once_and_in_bounds() {
    let (mut hall, _) = letter_of_a_puppet();
    forge::answer_summary(&mut hall, "AAA/mfa", "BBB/mfa", &streams::phantoms(5_000));
    let mut asked = 0;
    loop {
        let wants: Vec<_> = hall.asked_of("BBB/mfa").into_iter().collect();
        if wants.is_empty() {
            break;
        }
        for (id, ask) in wants {
            if let Ask::Want(_, ids) = ask {
                asked += ids.len();
            }
            hall.answer_as("BBB/mfa", "AAA/mfa", id, &Say::Envelopes(vec![], true));
        }
    }
    assert!((1..=MISSING_MAX as usize).contains(&asked), "{asked}");
}

#[test]
fn an_answer_of_somebody_who_was_not_asked_is_not_heard() {
    let (mut hall, good) = letter_of_a_puppet();
    let feed = good.feed();
    forge::claim(&mut hall, "AAA/mfa", "BBB/mfa", vec![streams::claims(feed, &[(1, 1)])]);
    let (id, _) = forge::wanted(&mut hall, "BBB/mfa")[0];
    let peer = hall.id("CCC/mfa");
    let answer = Some(Say::Envelopes(vec![good.bytes().clone()], false).encode());
    let late = answer.clone();
    hall.give("AAA/mfa", |_| Input::Answered { peer, id, answer });
    assert_eq!(hall.inbox("AAA/mfa"), []);
    let peer = hall.id("BBB/mfa");
    hall.give("AAA/mfa", |_| Input::Answered { peer, id, answer: late });
    assert_eq!(hall.inbox("AAA/mfa"), [MSG], "the one who was asked still is");
}

#[test]
fn many_identities_that_nobody_certified_are_ignored_and_leave_nothing() {
    let (mut hall, good) = letter_of_a_puppet();
    hall.puppet("CCC/mfa");
    let held = hall.station_journal("AAA/mfa").len();
    let foe = foe(&hall, "BBB/mfa");
    for n in 0..500_u32 {
        let mut author = [0xee; 16];
        author[..4].copy_from_slice(&n.to_be_bytes());
        let stranger = foe.bent(&good, |bend| bend.header.author = StationId(author));
        assert_eq!(hall.hear("AAA/mfa", "CCC/mfa", stranger), Verdict::Ignore);
    }
    let asked = hall.asked_of("CCC/mfa");
    let documents = asked.iter().filter(|(_, ask)| matches!(ask, Ask::Documents(_))).count();
    assert!(documents <= 1, "one question for all of them: {documents}");
    assert_eq!(hall.station_journal("AAA/mfa").len(), held);
}

#[test]
fn offers_over_the_rate_are_deferred_and_nonsense_is_kept_nowhere() {
    let (mut hall, _) = letter_of_a_puppet();
    let held = hall.station_journal("AAA/mfa").len();
    let say = |n: u32, hall: &mut Hall| {
        let documents = vec![Bytes::copy_from_slice(&n.to_be_bytes()), bombs::nested(1, 50)];
        hall.ask("AAA/mfa", "BBB/mfa", &Ask::Offer(Offer { documents, ..Offer::default() }))
    };
    let said: Vec<Say> = (0..400).map(|n| say(n, &mut hall)).collect();
    let taken = said.iter().filter(|say| **say == Say::Taken(Custody::Stored)).count();
    assert!(taken <= usize::try_from(OFFERS_BURST).unwrap() + 5, "{taken}");
    assert_eq!(hall.station_journal("AAA/mfa").len(), held);
    let other = hall.ask("AAA/mfa", "CCC/mfa", &Ask::Offer(Offer::default()));
    assert_eq!(other, Say::Taken(Custody::Stored), "others are heard");
}

#[test]
fn a_flood_of_revocations_is_bounded_and_touches_its_own_party_alone() {
    let (mut hall, _) = letter_of_a_puppet();
    let before = hall.station("AAA/mfa").directory().copies().len();
    for n in 0..200 {
        let document = hall.revocation("BBB/mfa", KeyId([n; 16]), Vec::new());
        let offer = Offer { documents: vec![document], ..Offer::default() };
        hall.ask("AAA/mfa", "BBB/mfa", &Ask::Offer(offer));
    }
    let kept = hall.station("AAA/mfa").directory().copies().len() - before;
    assert!(kept <= REVOCATIONS_PER_KEY_MAX, "{kept}");
    let msg = hall.send("CCC/mfa", "operator-note", &["AAA"]);
    assert_eq!(hall.level("CCC/mfa", msg).0, Some(Level::L1));
}

#[test]
fn a_contact_that_its_station_did_not_sign_moves_nobody() {
    let (mut hall, _) = letter_of_a_puppet();
    let held = hall.station_journal("AAA/mfa").len();
    let station = StationName::parse("BBB/mfa").unwrap();
    let address = ["/ip4/203.0.113.66/udp/1/quic-v1".to_owned()];
    let at = hall.now().wall;
    let draft = make::contact(&hall.network(), &station, 9, &address, &[], at).unwrap();
    let forged = draft.signed_by(&hall.keys("CCC/mfa").sign).bytes().clone();
    let offer = Offer { documents: vec![forged], ..Offer::default() };
    hall.ask("AAA/mfa", "CCC/mfa", &Ask::Offer(offer));
    let member = hall.station("AAA/mfa").directory().member(&hall.id("BBB/mfa")).unwrap();
    assert_eq!(member.addresses, Vec::<String>::new());
    assert_eq!(hall.station_journal("AAA/mfa").len(), held, "nothing is kept of it");
}
