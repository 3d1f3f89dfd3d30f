//! Area `envelope`: decoding and the author's signature (`docs/spec/envelope.md`).
//!
//! Fields: `envelope`; `key` (the author's Ed25519 key; without it the signature is not looked at);
//! `network` (the reader's; without it any will do).

use cbm_proto::envelope::{Envelope, Header, Kind, Recipients, Refusal};
use cbm_proto::id::{Digest, KeyId, NetworkId};
use cbm_proto::limits::STANZA_LEN;
use cbm_proto::primitives::{SignPublic, SignSecret, digest};

use crate::file::Vector;
use crate::straight::{Wire, author, some_stanzas};

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let bytes = vector.bytes("envelope")?;
    let taken = Envelope::decode(bytes.into()).and_then(|envelope| {
        match vector.array::<32>("network") {
            Ok(network) if envelope.header().network.0 != network => {
                return Err(Refusal::ForeignNetwork);
            }
            _ => {}
        }
        match vector.array::<32>("key").map(SignPublic::check) {
            Ok(Ok(key)) => envelope.verify(&key).map(|()| envelope),
            _ => Ok(envelope),
        }
    });
    match taken {
        Ok(envelope) => {
            if let Ok(id) = vector.array::<32>("id")
                && envelope.id().0 != id
            {
                return Ok("other_id".to_owned());
            }
            Ok("ok".to_owned())
        }
        Err(refusal) => Ok(refusal.word().to_owned()),
    }
}

fn sealed() -> Wire {
    Wire::sealed(&some_stanzas(2), &[0x5a; 528])
}

fn vector(expect: &str, note: &str, bytes: &[u8]) -> Vector {
    Vector::new(expect, note).with("key", author().public().as_bytes()).with("envelope", bytes)
}

/// An envelope whose header was changed before it was signed.
fn signed(expect: &str, note: &str, change: impl FnOnce(&mut Header)) -> Vector {
    let mut wire = sealed();
    change(&mut wire.header);
    vector(expect, note, &wire.bytes())
}

/// An envelope that was changed after it was signed.
fn damaged(expect: &str, note: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vector {
    let mut bytes = sealed().bytes();
    change(&mut bytes);
    vector(expect, note, &bytes)
}

/// An open envelope whose header was changed before it was signed.
fn open(expect: &str, note: &str, kind: Kind, change: impl FnOnce(&mut Header)) -> Vector {
    let mut wire = Wire::open(kind, b"open body");
    change(&mut wire.header);
    vector(expect, note, &wire.bytes())
}

/// Where the header begins and the signatures begin.
fn places() -> (usize, usize) {
    let len = sealed().header.encode().len();
    (7, 7 + len)
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    [good(), from_the_future(), fields(), framing(), parts(), signatures()].concat()
}

fn good() -> Vec<(&'static str, Vector)> {
    let whole = sealed();
    let id = digest("header", &[&whole.header.encode()]);
    let letter = vector("ok", "a letter with two stanzas", &whole.bytes()).with("id", id.0);
    let bare = Wire { body: None, ..sealed() };
    let bare = vector("ok", "the same without its body: the id stays", &bare.bytes());
    let none = Wire { body: None, stanzas: None, ..sealed() };
    let none = vector("ok", "the same with neither stanzas nor body", &none.bytes());
    let piece = [0x33; 49];
    let mut by_sender_key = sealed();
    by_sender_key.header.recipients = Recipients::SenderKey(KeyId([8; 16]));
    by_sender_key.put_stanzas(&piece);
    let mut two = sealed();
    two.more = vec![(KeyId([9; 16]), 2, vec![0x44; 2_420])];
    vec![
        ("envelope_ok_letter", letter),
        ("envelope_ok_without_body", bare.with("id", id.0)),
        ("envelope_ok_header_only", none.with("id", id.0)),
        (
            "envelope_ok_statement",
            open("ok", "an open, numbered envelope", Kind::Statement, |_| {}),
        ),
        ("envelope_ok_beacon", open("ok", "an open envelope without number", Kind::Beacon, |_| {})),
        (
            "envelope_ok_sender_key",
            vector("ok", "one sealed piece in place of stanzas", &by_sender_key.bytes()),
        ),
        (
            "envelope_ok_two_signatures",
            vector("ok", "an ML-DSA-44 signature beside, not verified yet", &two.bytes()),
        ),
    ]
}

fn from_the_future() -> Vec<(&'static str, Vector)> {
    let (header, _) = places();
    vec![
        (
            "envelope_future_suite",
            damaged("unknown_suite", "suite 2, of which nothing else is known: ignore", |b| {
                b[header + 1] = 2;
            }),
        ),
        (
            "envelope_future_kind",
            damaged("unknown_kind", "kind 4 of suite 1: ignore", |b| b[header + 2] = 4),
        ),
        (
            "envelope_future_framing",
            damaged("unknown_framing", "framing version 2: ignore", |b| b[3] = 2),
        ),
    ]
}

fn fields() -> Vec<(&'static str, Vector)> {
    let m = "malformed";
    vec![
        ("envelope_seq_zero", signed(m, "a letter with number 0", |h| h.seq = 0)),
        (
            "envelope_prev_at_first",
            signed(m, "number 1 with a predecessor", |h| h.prev = Digest([1; 32])),
        ),
        ("envelope_no_prev_at_second", signed(m, "number 2 without a predecessor", |h| h.seq = 2)),
        (
            "envelope_accord_version_zero",
            signed(m, "versions count from 1", |h| h.accord_version = 0),
        ),
        (
            "envelope_made_after_9999",
            signed(m, "a time that cannot be written", |h| h.made_at.0 = 253_402_300_800_000),
        ),
        (
            "envelope_three_stanzas",
            signed(m, "not a power of two", |h| h.recipients = Recipients::Stanzas(3)),
        ),
        (
            "envelope_stanzas_512",
            signed(m, "more than 256", |h| h.recipients = Recipients::Stanzas(512)),
        ),
        (
            "envelope_letter_for_nobody",
            signed(m, "a letter with no recipients", |h| h.recipients = Recipients::None),
        ),
        ("envelope_not_padded", signed(m, "513 is not a padded length", |h| h.padded_len = 513)),
        ("envelope_body_too_large", signed(m, "1 GiB", |h| h.padded_len = 1 << 30)),
        (
            "envelope_statement_with_fkc",
            open(m, "a sealed letter's field in an open one", Kind::Statement, |h| h.fkc = [1; 32]),
        ),
        (
            "envelope_statement_with_epoch",
            open(m, "an epoch key in an open one", Kind::Statement, |h| h.epoch = KeyId([1; 16])),
        ),
        (
            "envelope_beacon_numbered",
            open(m, "beacons have no number", Kind::Beacon, |h| h.seq = 1),
        ),
    ]
}

fn framing() -> Vec<(&'static str, Vector)> {
    let m = "malformed";
    let (_, signatures) = places();
    let beacon = Wire { body: None, ..Wire::open(Kind::Beacon, b"open body") };
    let longer = {
        let mut wire = sealed();
        wire.after_header = vec![0];
        wire
    };
    vec![
        ("envelope_trailing_byte", damaged(m, "one byte after the end", |b| b.push(0))),
        ("envelope_cut_short", damaged(m, "one byte is missing", |b| b.truncate(b.len() - 1))),
        ("envelope_cut_in_header", damaged(m, "ends inside the header", |b| b.truncate(100))),
        ("envelope_undefined_flag", damaged(m, "flag 4 is not defined", |b| b[4] |= 4)),
        ("envelope_wrong_magic", damaged(m, "not an envelope", |b| b[0] = b'X')),
        ("envelope_no_signature", damaged(m, "a count of 0", |b| b[signatures] = 0)),
        (
            "envelope_header_with_more",
            vector(m, "a byte after the header's last field, signed", &longer.bytes()),
        ),
        (
            "envelope_beacon_without_body",
            vector(m, "a beacon is nothing without its body", &beacon.bytes()),
        ),
    ]
}

fn parts() -> Vec<(&'static str, Vector)> {
    let mut reversed = sealed();
    let stanzas = some_stanzas(2);
    reversed.put_stanzas(&[&stanzas[STANZA_LEN..], &stanzas[..STANZA_LEN]].concat());
    let mut same = sealed();
    same.put_stanzas(&[&stanzas[..STANZA_LEN], &stanzas[..STANZA_LEN]].concat());
    let other = Wire { stanzas: Some(vec![0x77; 2 * STANZA_LEN]), ..sealed() };
    let fewer = Wire { stanzas: Some(stanzas[..STANZA_LEN].to_vec()), ..sealed() };
    let body = Wire { body: Some(vec![0x5b; 528]), ..sealed() };
    let short = Wire { body: Some(vec![0x5a; 527]), ..sealed() };
    vec![
        (
            "envelope_stanzas_out_of_order",
            vector("malformed", "signed so, but not by ascending tags", &reversed.bytes()),
        ),
        (
            "envelope_stanza_twice",
            vector("malformed", "signed so, but the same tag twice", &same.bytes()),
        ),
        (
            "envelope_stanzas_exchanged",
            vector("wrong_part", "other stanzas than the header names", &other.bytes()),
        ),
        (
            "envelope_stanza_missing",
            vector("wrong_part", "fewer stanzas than the header counts", &fewer.bytes()),
        ),
        (
            "envelope_body_exchanged",
            vector("wrong_part", "another body than the header names", &body.bytes()),
        ),
        ("envelope_body_cut", vector("wrong_part", "one byte less of the body", &short.bytes())),
    ]
}

fn signatures() -> Vec<(&'static str, Vector)> {
    let (header, signatures) = places();
    let first = signatures + 1 + 16 + 3;
    let mut unordered = sealed();
    unordered.more = vec![(KeyId([0; 16]), 1, vec![0x44; 64])];
    let mut unknown = sealed();
    unknown.more = vec![(KeyId([9; 16]), 3, vec![0x44; 64])];
    let other = Wire { sign: SignSecret::from_seed(&[0xee; 32]), ..sealed() };
    let bare = Wire { domain: "accord", ..sealed() };
    let foreign = vector("foreign_network", "made for another network", &sealed().bytes())
        .with("network", NetworkId([0xff; 32]).0);
    vec![
        ("envelope_bad_signature", damaged("bad_signature", "one bit of R", |b| b[first] ^= 1)),
        (
            "envelope_header_bit",
            damaged("bad_signature", "one bit of made_at", |b| b[header + 134] ^= 1),
        ),
        (
            "envelope_s_above_order",
            damaged("bad_signature", "S plus the group order: the same S to lax verifiers", |b| {
                add_order(&mut b[first + 32..first + 64]);
            }),
        ),
        (
            "envelope_wrong_domain",
            vector("bad_signature", "signed as if it were an accord", &bare.bytes()),
        ),
        (
            "envelope_signed_by_another",
            vector("unknown_key", "signed by a key that is not the author's", &other.bytes()),
        ),
        (
            "envelope_signatures_out_of_order",
            vector("malformed", "a lower key id after a higher one", &unordered.bytes()),
        ),
        (
            "envelope_unknown_algorithm",
            vector("malformed", "a new algorithm would be a new suite", &unknown.bytes()),
        ),
        ("envelope_foreign_network", foreign),
    ]
}

/// Adds the order of Ed25519's group to a little-endian scalar.
fn add_order(scalar: &mut [u8]) {
    let order =
        cbm_proto::id::unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
            .unwrap();
    let mut carry = 0_u16;
    for (byte, l) in scalar.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

#[test]
fn the_straight_line_writes_what_the_decoder_reads() {
    let wire = sealed();
    let envelope = Envelope::decode(wire.bytes().into()).unwrap();
    assert_eq!(envelope.header(), &wire.header);
    assert_eq!(envelope.body(), wire.body.as_deref());
}
