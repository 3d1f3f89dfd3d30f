//! What seal/1 opens, and everything it must refuse.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::envelope::Verdict;
use crate::limits::STANZA_LEN;
use bytes::Bytes;

const NETWORK: NetworkId = NetworkId([1; 32]);

/// A station with all that the tests need of it.
struct Someone {
    epoch: EpochSecret,
    sign: SignSecret,
}

fn someone(n: u8) -> Someone {
    Someone { epoch: EpochSecret::from_seed(&[n; 32]), sign: SignSecret::from_seed(&[n; 32]) }
}

pub(super) fn frame() -> Frame {
    Frame {
        network: NETWORK,
        accord_version: 1,
        lane: LaneId([2; 16]),
        author: StationId([3; 16]),
        incarnation: Incarnation([4; 16]),
        seq: 7,
        prev: Digest([5; 32]),
        made_at: Timestamp(1_795_305_108_007),
    }
}

fn parts(text: &str) -> Vec<Part> {
    let part = |kind: u8, bytes: &str| Part {
        salt: [kind; 16],
        kind,
        bytes: Bytes::copy_from_slice(bytes.as_bytes()),
    };
    vec![part(1, "header"), part(2, text)]
}

fn pair(one: &Someone, other: &Someone) -> PairSecret {
    PairSecret::new(&one.epoch, other.epoch.public(), &NETWORK)
}

fn seal_as(frame: &Frame, status: Status, text: &str, from: &Someone, to: &[&Someone]) -> Envelope {
    let pairs: Vec<PairSecret> = to.iter().map(|r| pair(from, r)).collect();
    let to: Vec<Recipient> = to
        .iter()
        .zip(&pairs)
        .map(|(r, pair)| Recipient { epoch: r.epoch.public(), pair })
        .collect();
    let mut entropy = Entropy::new(&[6; 32]);
    seal(frame, status, &parts(text), &from.epoch, &to, &from.sign, &mut entropy).unwrap().0
}

fn letter(status: Status, text: &str, from: &Someone, to: &[&Someone]) -> Envelope {
    seal_as(&frame(), status, text, from, to)
}

fn open_as(envelope: &Envelope, me: &Someone, from: &Someone) -> Result<Option<Opened>, OpenError> {
    open(envelope, &me.epoch, from.epoch.public(), &pair(me, from))
}

/// The author signs a header that it changed after sealing.
fn resign(
    envelope: &Envelope,
    by: &Someone,
    stanzas: &[u8],
    body: &[u8],
    change: impl Fn(&mut Header),
) -> Envelope {
    let mut header = *envelope.header();
    header.stanzas = stanzas_digest(stanzas);
    header.body = body_digest(body);
    change(&mut header);
    Envelope::assemble(&header, &by.sign, Some(stanzas), body).unwrap()
}

#[test]
fn each_recipient_opens_and_nobody_else() {
    let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(someone);
    let envelope = letter(Status::Actual, "text", &a, &[&b, &c, &d]);
    assert_eq!(envelope.header().recipients, Recipients::Stanzas(4));
    for recipient in [&b, &c, &d] {
        let opened = open_as(&envelope, recipient, &a).unwrap().unwrap();
        assert_eq!((opened.status, &opened.parts), (Status::Actual, &parts("text")));
        let again = open_with(&envelope, &opened.key, Status::Actual).unwrap();
        assert_eq!(again.parts, opened.parts);
    }
    assert!(open_as(&envelope, &e, &a).unwrap().is_none());
    assert!(open_as(&envelope, &a, &a).unwrap().is_none(), "not even its author, by stanza");
}

#[test]
fn large_letters_take_several_chunks() {
    let [a, b] = [1, 2].map(someone);
    let text = "x".repeat(200_000);
    let envelope = letter(Status::Actual, &text, &a, &[&b]);
    assert_eq!(open_as(&envelope, &b, &a).unwrap().unwrap().parts, parts(&text));
}

#[test]
fn the_same_entropy_gives_the_same_bytes() {
    let [a, b, c] = [1, 2, 3].map(someone);
    let make = || letter(Status::Actual, "text", &a, &[&b, &c]);
    assert_eq!(make().bytes(), make().bytes());
}

#[test]
fn no_carrier_can_tell_status_or_recipient() {
    let [a, b, c] = [1, 2, 3].map(someone);
    let first = letter(Status::Actual, "text", &a, &[&b]);
    let hidden = |header: &Header| Header {
        fkc: [0; 32],
        body: Digest([0; 32]),
        stanzas: Digest([0; 32]),
        root: Digest([0; 32]),
        ..*header
    };
    for status in Status::ALL {
        for to in [&b, &c] {
            let other = letter(*status, "text", &a, &[to]);
            assert_eq!(other.bytes().len(), first.bytes().len());
            assert_eq!(hidden(other.header()), hidden(first.header()));
            let opened = open_as(&other, to, &a).unwrap().unwrap();
            assert_eq!(opened.status, *status);
        }
    }
}

#[test]
fn a_letter_opens_under_its_own_status_only() {
    let [a, b] = [1, 2].map(someone);
    let envelope = letter(Status::Test, "text", &a, &[&b]);
    let key = open_as(&envelope, &b, &a).unwrap().unwrap().key;
    assert_eq!(open_with(&envelope, &key, Status::Actual).unwrap_err(), OpenError::Body);
    assert!(open_with(&envelope, &key, Status::Test).is_ok());
    let other = FileKey::from_bytes(&[9; 32]);
    assert_eq!(open_with(&envelope, &other, Status::Test).unwrap_err(), OpenError::Commitment);
}

#[test]
fn a_third_member_cannot_take_a_letter_for_its_own() {
    let [a, b, thief] = [1, 2, 3].map(someone);
    let envelope = letter(Status::Actual, "text", &a, &[&b]);
    let (stanzas, body) = (envelope.stanzas().unwrap(), envelope.body().unwrap());
    let stolen = resign(&envelope, &thief, stanzas, body, |header| {
        header.author = StationId([9; 16]);
        header.epoch = thief.epoch.id();
    });
    assert_eq!(stolen.verify(&thief.sign.public()), Ok(()));
    assert!(open_as(&stolen, &b, &thief).unwrap().is_none(), "the tag is not theirs");
    let kept = resign(&envelope, &thief, stanzas, body, |h| h.author = StationId([9; 16]));
    assert!(open_as(&kept, &b, &a).unwrap().is_none());
    assert_eq!(kept.verify(&a.sign.public()).unwrap_err().verdict(), Verdict::Ignore);
}

#[test]
fn an_insider_cannot_put_another_body_under_valid_stanzas() {
    let [a, b, c] = [1, 2, 3].map(someone);
    let envelope = letter(Status::Actual, "text", &a, &[&b, &c]);
    // b knows the content key; even with a's signature the stanzas do not carry over.
    let key = open_as(&envelope, &b, &a).unwrap().unwrap().key;
    let other = plain::encode(&parts("evil"));
    let body = stream::seal(&body_key(envelope.header(), &key, 1), &other);
    let root = content_root(&parts("evil"));
    let forged = resign(&envelope, &a, envelope.stanzas().unwrap(), &body, |h| h.root = root);
    assert_eq!(open_as(&forged, &c, &a).unwrap_err(), OpenError::Stanza);
}

#[test]
fn a_stanza_serves_one_place_in_one_feed() {
    let [a, b] = [1, 2].map(someone);
    let one = letter(Status::Actual, "text", &a, &[&b]);
    let next = seal_as(&Frame { seq: 8, ..frame() }, Status::Actual, "text", &a, &[&b]);
    let stanzas = one.stanzas().unwrap();
    let moved = resign(&next, &a, stanzas, next.body().unwrap(), |_| {});
    assert!(open_as(&moved, &b, &a).unwrap().is_none());
    // With the tag that belongs there the rest still does not open.
    let mut tagged = stanzas.to_vec();
    tagged[..16].copy_from_slice(&next.stanzas().unwrap()[..16]);
    let moved = resign(&next, &a, &tagged, next.body().unwrap(), |_| {});
    assert_eq!(open_as(&moved, &b, &a).unwrap_err(), OpenError::Stanza);
}

#[test]
fn two_keys_for_one_body_are_found_out() {
    let [a, b] = [1, 2].map(someone);
    let envelope = letter(Status::Actual, "text", &a, &[&b]);
    let other = FileKey::from_bytes(&[9; 32]);
    let pair = pair(&a, &b);
    let to = [Recipient { epoch: b.epoch.public(), pair: &pair }];
    let mut entropy = Entropy::new(&[8; 32]);
    let header = envelope.header();
    let stanzas =
        stanza::seal_all(header, Status::Actual.code(), &other, &a.epoch, &to, &mut entropy);
    let split = resign(&envelope, &a, &stanzas, envelope.body().unwrap(), |_| {});
    assert_eq!(open_as(&split, &b, &a).unwrap_err(), OpenError::Commitment);
}

#[test]
fn a_plaintext_that_is_not_the_committed_one_is_refused() {
    let [a, b] = [1, 2].map(someone);
    let envelope = letter(Status::Actual, "text", &a, &[&b]);
    let (stanzas, body) = (envelope.stanzas().unwrap(), envelope.body().unwrap());
    let wrong = resign(&envelope, &a, stanzas, body, |h| h.root = Digest([9; 32]));
    assert_eq!(open_as(&wrong, &b, &a).unwrap_err(), OpenError::ContentRoot);
}

#[test]
fn incomplete_open_and_foreign_envelopes_are_named_as_such() {
    let [a, b, c] = [1, 2, 3].map(someone);
    let envelope = letter(Status::Actual, "text", &a, &[&b]);
    let bare = Envelope::decode(envelope.without_body()).unwrap();
    assert_eq!(find_stanza(&bare, &pair(&b, &a)), Some(0));
    assert_eq!(open_as(&bare, &b, &a).unwrap_err(), OpenError::Incomplete);
    assert_eq!(open_as(&envelope, &b, &c).unwrap_err(), OpenError::EpochKey);
    let notice = statement(&frame(), b"open text", &a.sign).unwrap();
    assert_eq!(notice.body(), Some(&b"open text"[..]));
    assert_eq!(open_as(&notice, &b, &a).unwrap_err(), OpenError::NotSealed);
    assert!(beacon(&frame(), b"", &a.sign).is_err(), "a beacon has no number");
    let beat = Frame { seq: 0, prev: Digest([0; 32]), ..frame() };
    assert_eq!(beacon(&beat, b"beat", &a.sign).unwrap().header().kind, Kind::Beacon);
}

#[test]
fn what_cannot_be_sealed_is_said_before_anything_is_made() {
    let [a, b, c] = [1, 2, 3].map(someone);
    let (ab, ac) = (pair(&a, &b), pair(&a, &c));
    let to_b = Recipient { epoch: b.epoch.public(), pair: &ab };
    let try_seal = |parts: &[Part], to: &[Recipient<'_>]| {
        let mut entropy = Entropy::new(&[6; 32]);
        seal(&frame(), Status::Actual, parts, &a.epoch, to, &a.sign, &mut entropy).err()
    };
    let good = parts("text");
    assert_eq!(try_seal(&good, &[to_b]), None);
    assert_eq!(try_seal(&[], &[to_b]), Some(SealError::Parts(0)));
    assert_eq!(try_seal(&good, &[]), Some(SealError::Recipients(0)));
    let twice = SealError::SameRecipient(b.epoch.id());
    assert_eq!(try_seal(&good, &[to_b, to_b]), Some(twice));
    let crossed = Recipient { epoch: b.epoch.public(), pair: &ac };
    assert_eq!(try_seal(&good, &[crossed]), Some(SealError::WrongPair(b.epoch.id())));
    let huge = parts(&"x".repeat(BODY_MAX));
    assert!(matches!(try_seal(&huge, &[to_b]), Some(SealError::TooLarge(_))));
}

#[test]
fn a_pair_lane_is_known_to_its_two_stations_only() {
    let [a, b, c] = [1, 2, 3].map(someone);
    let incarnation = Incarnation([4; 16]);
    let lane = pair(&a, &b).pair_lane(&incarnation);
    assert_eq!(lane, pair(&b, &a).pair_lane(&incarnation));
    assert_ne!(lane, pair(&a, &c).pair_lane(&incarnation));
    assert_ne!(lane, pair(&a, &b).pair_lane(&Incarnation([5; 16])));
    let elsewhere = PairSecret::new(&a.epoch, b.epoch.public(), &NetworkId([2; 32]));
    assert_ne!(lane, elsewhere.pair_lane(&incarnation));
}

#[test]
fn every_bit_of_a_stanza_counts() {
    let [a, b] = [1, 2].map(someone);
    let envelope = letter(Status::Actual, "text", &a, &[&b]);
    // All bits of tag and Noise message, every 13th of the ciphertext between: time is short.
    let bits = (0..16 * 8).chain((16 * 8..1_104 * 8).step_by(13)).chain(1_104 * 8..STANZA_LEN * 8);
    for bit in bits {
        let mut stanzas = envelope.stanzas().unwrap().to_vec();
        stanzas[bit / 8] ^= 1 << (bit % 8);
        let bad = resign(&envelope, &a, &stanzas, envelope.body().unwrap(), |_| {});
        let outcome = open_as(&bad, &b, &a);
        assert!(matches!(outcome, Ok(None) | Err(OpenError::Stanza)), "bit {bit}");
    }
}
