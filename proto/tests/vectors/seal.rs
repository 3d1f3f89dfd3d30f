//! Area `seal`: opening letters (`docs/spec/seal.md`).
//!
//! Fields: `envelope`; then either `me` (seed of the reader's epoch key), `author_x` and
//! `author_kem`, or `file_key` and `status` (a number), as from an archive. Where it opens: `status`,
//! `parts` (their number) and `last` (content of the last part) must agree. With `sender_key`, the
//! `hand_out` is opened first and `envelope` by the key that it hands out. `seal_ok_worked` names
//! every value on the way.

use cbm_proto::envelope::{Envelope, Kind, sealed_len};
use cbm_proto::id::{Digest, KeyId, StationId};
use cbm_proto::primitives::{Entropy, EpochPublic, EpochSecret};
use cbm_proto::seal::{
    FileKey, OpenError, Opened, PairSecret, SenderKey, open, open_under, open_with,
};
use cbm_proto::terms::Status;

use crate::file::Vector;
use crate::straight::{Plan, Wire, trace};

pub(crate) const TEXT: &[u8] = b"Malware beacons from your address space to ours. Please look.";
pub(crate) const HEAD: &[u8] = b"header of the letter";

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let envelope = Envelope::decode(vector.bytes("envelope")?.into())
        .map_err(|refusal| format!("does not decode: {refusal}"))?;
    let opened = if vector.word("file_key").is_some() {
        let key = FileKey::from_bytes(&vector.array("file_key")?);
        let code: u8 = number(vector, "status")?;
        let status = Status::from_code(code).ok_or("unknown status")?;
        open_with(&envelope, &key, status).map(Some)
    } else {
        let me = EpochSecret::from_seed(&vector.array("me")?);
        let author = EpochPublic::check(&vector.bytes("author_x")?, &vector.bytes("author_kem")?)
            .map_err(|e| e.to_string())?;
        let pair = PairSecret::new(&me, &author, &envelope.header().network);
        if vector.word("psk").is_some() {
            for (name, value) in trace(&envelope, &me, &author) {
                if vector.bytes(name)? != value {
                    return Ok(format!("other_{name}"));
                }
            }
        }
        match vector.word("hand_out") {
            Some(_) => {
                let first = Envelope::decode(vector.bytes("hand_out")?.into())
                    .map_err(|refusal| format!("the hand-out does not decode: {refusal}"))?;
                let opened = open(&first, &me, &author, &pair).map_err(|e| e.to_string())?;
                let Some(opened) = opened.filter(|opened| opened.hands_out) else {
                    return Ok("no_key".to_owned());
                };
                let mut key = SenderKey::handed_out(first.header(), &opened.key);
                if vector.word("link").is_some() && vector.bytes("link")? != key.link() {
                    return Ok("other_link".to_owned());
                }
                open_under(&envelope, &mut key)
            }
            None => open(&envelope, &me, &author, &pair),
        }
    };
    outcome(vector, opened)
}

fn outcome(vector: &Vector, opened: Result<Option<Opened>, OpenError>) -> Result<String, String> {
    Ok(match opened {
        Err(error) => error.word().to_owned(),
        Ok(None) => "not_addressed".to_owned(),
        Ok(Some(opened)) => {
            let status: u8 = number(vector, "status")?;
            let parts: usize = number(vector, "parts")?;
            let last = opened.parts.last().map(|part| part.bytes.to_vec());
            let same = opened.status.code() == status && opened.parts.len() == parts;
            let same = same && last == Some(vector.bytes("last")?);
            if same { "ok".to_owned() } else { "other_content".to_owned() }
        }
    })
}

fn number<N: std::str::FromStr>(vector: &Vector, name: &str) -> Result<N, String> {
    let word = vector.word(name).ok_or_else(|| format!("no field `{name}`"))?;
    word.parse().map_err(|_| format!("`{name}` is not a number in range"))
}

/// Author, and recipients b, c, d.
pub(crate) fn keys() -> [EpochSecret; 4] {
    [0xa1, 0xb1, 0xc1, 0xd1].map(|n| EpochSecret::from_seed(&[n; 32]))
}

pub(crate) fn entropy() -> Entropy {
    Entropy::new(&[0xe1; 32])
}

pub(crate) fn good(status: u8) -> Plan {
    Plan::good(status, &[([1; 16], 1, HEAD), ([2; 16], 2, TEXT)])
}

fn sealed(plan: &Plan) -> Wire {
    let [a, b, ..] = keys();
    plan.seal(&a, &[b.public()], &mut entropy()).0
}

/// Read by the station whose epoch seed is `me`.
fn read_by(me: u8, expect: &str, note: &str, wire: &Wire) -> Vector {
    let [a, ..] = keys();
    Vector::new(expect, note)
        .with("me", [me; 32])
        .with("author_x", a.public().x())
        .with("author_kem", a.public().kem())
        .with("envelope", wire.bytes())
}

pub(crate) fn opens(me: u8, note: &str, wire: &Wire, status: u8) -> Vector {
    read_by(me, "ok", note, wire)
        .with_word("status", &status.to_string())
        .with_word("parts", "2")
        .with("last", TEXT)
}

fn opens_with(parts: u8, note: &str, wire: &Wire) -> Vector {
    read_by(0xb1, "ok", note, wire)
        .with_word("status", "1")
        .with_word("parts", &parts.to_string())
        .with("last", TEXT)
}

pub(crate) fn wrong(expect: &str, note: &str, wire: &Wire) -> Vector {
    read_by(0xb1, expect, note, wire)
}

/// A letter whose plaintext was changed before it was sealed.
fn plain(note: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vector {
    let mut plan = good(1);
    change(&mut plan.plain);
    wrong("plaintext", note, &sealed(&plan))
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    let sender_key = crate::sender::make();
    [letters(), archive(), authors_faults(), plaintexts(), others_faults(), misuse(), sender_key]
        .concat()
}

fn letters() -> Vec<(&'static str, Vector)> {
    let [a, b, c, d] = keys();
    let to = [b.public(), c.public(), d.public()];
    let (three, _) = good(1).seal(&a, &to, &mut entropy());
    let worked = sealed(&good(1));
    let envelope = Envelope::decode(worked.bytes().into()).unwrap();
    let mut values = opens(0xb1, "one recipient, with every value on the way", &worked, 1);
    for (name, value) in trace(&envelope, &b, a.public()) {
        values = values.with(name, value);
    }
    let long = [TEXT, &[b'.'; 66_000]].concat();
    let long = Plan::good(1, &[([1; 16], 1, HEAD), ([3; 16], 3, &long), ([2; 16], 2, TEXT)]);
    vec![
        ("seal_ok_worked", values),
        ("seal_ok_two_chunks", opens_with(3, "a body of two chunks", &sealed(&long))),
        ("seal_ok_actual", opens(0xb1, "one recipient", &sealed(&good(1)), 1)),
        ("seal_ok_exercise", opens(0xb1, "the same in an exercise", &sealed(&good(2)), 2)),
        (
            "seal_ok_three_recipients",
            opens(0xd1, "three recipients, and a stanza for nobody", &three, 1),
        ),
        (
            "seal_not_addressed",
            read_by(0xee, "not_addressed", "no stanza has the reader's tag", &three),
        ),
    ]
}

fn archive() -> Vec<(&'static str, Vector)> {
    let [a, b, ..] = keys();
    let (wire, key) = good(3).seal(&a, &[b.public()], &mut entropy());
    let kept = |expect: &str, note: &str, key: [u8; 32], status: &str| {
        Vector::new(expect, note)
            .with("file_key", key)
            .with_word("status", status)
            .with("envelope", wire.bytes())
    };
    vec![
        (
            "seal_ok_archive",
            kept("ok", "by its content key, without epoch keys", key, "3")
                .with_word("parts", "2")
                .with("last", TEXT),
        ),
        (
            "seal_archive_other_key",
            kept("commitment", "a key that the header does not commit to", [9; 32], "3"),
        ),
        (
            "seal_archive_other_status",
            kept("body", "a test does not open as an actual letter", key, "1"),
        ),
    ]
}

fn authors_faults() -> Vec<(&'static str, Vector)> {
    let two_keys = Plan { other_key: Some([9; 32]), ..good(1) };
    let two_statuses = Plan { stanza_status: 1, ..good(3) };
    let future = Plan { stanza_status: 5, body_status: 5, ..good(1) };
    let root = Plan { root: Digest([9; 32]), ..good(1) };
    vec![
        (
            "seal_two_keys",
            wrong("commitment", "this recipient was given another content key", &sealed(&two_keys)),
        ),
        (
            "seal_two_statuses",
            wrong(
                "body",
                "the stanza says ACTUAL, the body was sealed as TEST",
                &sealed(&two_statuses),
            ),
        ),
        (
            "seal_future_status",
            wrong("status", "status 5: a new one would be a new suite", &sealed(&future)),
        ),
        (
            "seal_wrong_root",
            wrong("content_root", "the plaintext is not the one committed to", &sealed(&root)),
        ),
    ]
}

fn plaintexts() -> Vec<(&'static str, Vector)> {
    vec![
        (
            "seal_padding_not_zero",
            plain("something hides in the padding", |p| *p.last_mut().unwrap() = 1),
        ),
        ("seal_padded_too_far", plain("768 bytes where 512 will do", |p| p.resize(768, 0))),
        ("seal_no_parts", plain("a count of 0", |p| p[1] = 0)),
        ("seal_too_many_parts", plain("a count of 129", |p| p[1] = 129)),
        ("seal_part_beyond_end", plain("a part longer than the plaintext", |p| p[2 + 17] = 0xff)),
    ]
}

fn others_faults() -> Vec<(&'static str, Vector)> {
    let bit = |at: usize| {
        let mut wire = sealed(&good(1));
        let mut stanzas = wire.stanzas.take().unwrap();
        stanzas[at] ^= 1;
        wire.put_stanzas(&stanzas);
        wire
    };
    let mut low_order = sealed(&good(1));
    let mut stanzas = low_order.stanzas.take().unwrap();
    stanzas[1_104..1_136].fill(0);
    low_order.put_stanzas(&stanzas);
    let mut body = sealed(&good(1));
    let mut other = body.body.take().unwrap();
    other[0] ^= 1;
    body.header.body = cbm_proto::envelope::body_digest(&other);
    body.body = Some(other);
    let mut stolen = sealed(&good(1));
    stolen.header.author = StationId([0xee; 16]);
    let mut later = sealed(&good(1));
    (later.header.seq, later.header.prev) = (2, Digest([1; 32]));
    let mut later_tag = sealed(&good(1));
    later_tag.header.fkc[0] ^= 1;
    let s = "stanza";
    vec![
        ("seal_tag_bit", wrong("not_addressed", "one bit of the tag, signed so", &bit(0))),
        ("seal_kem_bit", wrong(s, "one bit of the ML-KEM ciphertext, signed so", &bit(16))),
        ("seal_noise_bit", wrong(s, "one bit of the Noise message, signed so", &bit(1_184))),
        (
            "seal_low_order_ephemeral",
            wrong(s, "an ephemeral key of low order: the agreement is zero", &low_order),
        ),
        ("seal_other_body", wrong(s, "another body under the same stanzas, signed so", &body)),
        ("seal_other_fkc", wrong(s, "another commitment, signed so", &later_tag)),
        ("seal_other_author", wrong("not_addressed", "stanzas of somebody else's letter", &stolen)),
        (
            "seal_other_number",
            wrong("not_addressed", "stanzas of another letter of the feed", &later),
        ),
    ]
}

fn misuse() -> Vec<(&'static str, Vector)> {
    let mut other_epoch = sealed(&good(1));
    other_epoch.header.epoch = KeyId([9; 16]);
    let bare = Wire { body: None, ..sealed(&good(1)) };
    let none = Wire { stanzas: None, ..sealed(&good(1)) };
    vec![
        (
            "seal_other_epoch",
            wrong("epoch_key", "the header names another epoch key of its author", &other_epoch),
        ),
        ("seal_without_body", wrong("incomplete", "addressed to the reader: fetch it", &bare)),
        ("seal_without_stanzas", wrong("incomplete", "nobody can tell whose it is", &none)),
        (
            "seal_statement",
            wrong("not_sealed", "open to all", &Wire::open(Kind::Statement, b"open body")),
        ),
    ]
}

#[test]
fn the_crate_seals_as_the_straight_line_does() {
    use cbm_proto::part::Part;
    use cbm_proto::seal::{Recipient, seal};
    let [a, b, c, d] = keys();
    let text = vec![0x5a; 70_000];
    let plan = Plan::good(1, &[([1; 16], 1, HEAD), ([2; 16], 2, &text)]);
    let to = [b.public(), c.public(), d.public()];
    let (wire, key) = plan.seal(&a, &to, &mut entropy());
    let part = |n: u8, bytes: &[u8]| Part { salt: [n; 16], kind: n, bytes: bytes.to_vec().into() };
    let frame = crate::straight::frame_of(&wire.header);
    let pairs = to.map(|to| PairSecret::new(&a, to, &frame.network));
    let recipients: Vec<Recipient<'_>> =
        to.iter().zip(&pairs).map(|(epoch, pair)| Recipient { epoch, pair }).collect();
    let parts = [part(1, HEAD), part(2, &text)];
    let sign = crate::straight::author();
    let (envelope, file_key) =
        seal(&frame, Status::Actual, &parts, &a, &recipients, &sign, &mut entropy()).unwrap();
    assert_eq!(envelope.bytes().as_ref(), wire.bytes());
    assert_eq!(file_key.as_bytes(), &key);
    assert_eq!(envelope.body().map(<[u8]>::len), Some(sealed_len(plan.plain.len())));
}
