//! What is on the wire: envelopes, headers, the plaintext of a letter.

use bytes::Bytes;
use cbm_proto::envelope::{
    CHUNK, Envelope, Header, Kind, Recipients, body_digest, pad, sealed_len, stanzas_digest,
};
use cbm_proto::id::Digest;
use cbm_proto::letter::Letter;
use cbm_proto::limits::{
    BODY_MAX, ENVELOPE_MAX, GOSSIP_MAX, HEADER_MAX, PARTS_MAX, SIGNATURES_MAX, STANZA_LEN,
};
use cbm_proto::primitives::{chunk_seal, digest, hkdf};
use cbm_proto::seal::{self, FileKey, OpenError};
use cbm_proto::terms::Status;

use super::input::Input;
use super::world::world;

/// An envelope that decodes gives back its bytes, is within the bounds, and stays the same envelope
/// without its body, in gossip, and when it is completed again (I3, I11).
pub(super) fn envelope(data: &[u8]) {
    let Ok(envelope) = Envelope::decode(Bytes::copy_from_slice(data)) else { return };
    assert!(data.len() <= ENVELOPE_MAX && *envelope.bytes() == data);
    assert_eq!(envelope.header().encode(), envelope.header_bytes());
    assert!((1..=SIGNATURES_MAX).contains(&envelope.signatures().count()));
    assert!(envelope.for_gossip().len() <= GOSSIP_MAX);
    for (_, _, keys) in &world().stations {
        assert!(envelope.verify(&keys.sign.public()).is_err(), "a signature that nobody made");
    }
    let key = FileKey::from_bytes(&[8; 32]);
    assert!(seal::open_with(&envelope, &key, Status::Actual).is_err(), "a key that nobody drew");
    if envelope.header().kind == Kind::Beacon {
        return;
    }
    let bare = Envelope::decode(envelope.without_body()).expect("without its body");
    assert!(bare.id() == envelope.id() && !bare.has_body());
    let whole = bare.completed_by(&envelope).unwrap_or(bare);
    assert!(whole == envelope, "completed again");
}

/// A header that parses has one encoding; with parts that agree with it, it makes an envelope.
pub(super) fn header(data: &[u8]) {
    let mut input = Input::new(data);
    let (head, stanzas, body) = (input.piece(), input.piece(), input.piece());
    let Ok(mut header) = Header::parse(head) else { return };
    assert!(header.encode() == head && head.len() <= HEADER_MAX);
    assert!(header.body_len() <= BODY_MAX);
    (header.stanzas, header.body) = (stanzas_digest(stanzas), body_digest(body));
    let stanzas = (header.recipients != Recipients::None).then_some(stanzas);
    let bytes = framed(&header, stanzas, (!body.is_empty()).then_some(body));
    if let Ok(envelope) = Envelope::decode(bytes.clone().into()) {
        assert_eq!(envelope.body().unwrap_or_default().len(), body.len());
        self::envelope(&bytes);
    }
}

/// A body that its author sealed, whatever is in it: opens to parts in their one form or not at all,
/// and what opens is a letter or is refused.
pub(super) fn sealed(data: &[u8]) {
    let mut input = Input::new(data);
    let adjust = input.below(4);
    let mut plain = input.rest().to_vec();
    if adjust > 0 {
        plain.resize(pad(plain.len()), 0);
    }
    if pad(plain.len()) != plain.len() || sealed_len(plain.len()) > BODY_MAX {
        return;
    }
    let (bytes, key) = sealed_by_its_author(&plain);
    let envelope = Envelope::decode(bytes.into()).expect("an envelope like any other");
    match seal::open_with(&envelope, &key, Status::Actual) {
        Ok(opened) => {
            assert!((1..=PARTS_MAX).contains(&opened.parts.len()));
            assert_eq!(seal::content_root(&opened.parts), envelope.header().root);
            // One form: sealed again by the rules it is the same plaintext.
            assert_eq!(plain_of(&opened.parts), plain);
            drop(Letter::from_parts(&opened.parts));
        }
        Err(error) => {
            assert!(matches!(error, OpenError::Plaintext(_) | OpenError::ContentRoot), "{error}");
        }
    }
    let other = seal::open_with(&envelope, &key, Status::Exercise);
    assert_eq!(other.err(), Some(OpenError::Body), "under another status (I7)");
}

/// As `docs/spec/seal.md` says it: the parts, framed and padded.
fn plain_of(parts: &[cbm_proto::part::Part]) -> Vec<u8> {
    let mut out = (parts.len() as u16).to_be_bytes().to_vec();
    for part in parts {
        out.extend_from_slice(&part.salt);
        out.push(part.kind);
        out.extend_from_slice(&(part.bytes.len() as u32).to_be_bytes());
        out.extend_from_slice(&part.bytes);
    }
    out.resize(pad(out.len()), 0);
    out
}

/// A header-only claim of the right root is made where the plaintext can be read at all.
fn sealed_by_its_author(plain: &[u8]) -> (Vec<u8>, FileKey) {
    let world = world();
    let key = FileKey::from_bytes(&[7; 32]);
    let mut header = Header {
        kind: Kind::Sealed,
        network: world.founded.network,
        accord_version: 1,
        lane: world.lane(),
        author: world.id(1),
        incarnation: cbm_proto::id::Incarnation([3; 16]),
        seq: 1,
        prev: Digest([0; 32]),
        made_at: cbm_proto::time::Timestamp(1_800_000_000_000),
        epoch: world.keys(1).epoch.id(),
        padded_len: plain.len() as u32,
        recipients: Recipients::Stanzas(1),
        fkc: [0; 32],
        body: Digest([0; 32]),
        stanzas: Digest([0; 32]),
        root: root_of(plain).unwrap_or(Digest([0; 32])),
    };
    // `H0` ends before the four digests; `docs/spec/seal.md`.
    let h0 = |header: &Header| {
        let bytes = header.encode();
        bytes[..bytes.len() - 4 * 32].to_vec()
    };
    let context = digest("h0", &[&h0(&header)]);
    header.fkc = hkdf(key.as_bytes(), &context.0, "commit", &[]);
    let context = digest("h0-fkc", &[&h0(&header), &header.fkc]);
    let body_key = hkdf(key.as_bytes(), &context.0, "body", &[&[Status::Actual.code()]]);
    let mut body = Vec::new();
    let chunks: Vec<&[u8]> = plain.chunks(CHUNK).collect();
    for (at, chunk) in chunks.iter().enumerate() {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&(at as u64).to_be_bytes());
        nonce[11] = u8::from(at + 1 == chunks.len());
        chunk_seal(&body_key, &nonce, chunk, &mut body);
    }
    let stanzas = [9; STANZA_LEN];
    (header.stanzas, header.body) = (stanzas_digest(&stanzas), body_digest(&body));
    (framed(&header, Some(&stanzas), Some(&body)), key)
}

/// The root of a plaintext that can be read without checking anything.
fn root_of(plain: &[u8]) -> Option<Digest> {
    let (count, mut rest) = plain.split_first_chunk::<2>()?;
    let mut parts = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (salt, after) = rest.split_first_chunk::<16>()?;
        let (&[kind, a, b, c, d], after) = after.split_first_chunk::<5>()?;
        let (bytes, after) = after.split_at_checked(u32::from_be_bytes([a, b, c, d]) as usize)?;
        let bytes = Bytes::copy_from_slice(bytes);
        parts.push(cbm_proto::part::Part { salt: *salt, kind, bytes });
        rest = after;
    }
    (!parts.is_empty()).then(|| seal::content_root(&parts))
}

/// The framing of `docs/spec/envelope.md`, with a signature that does not hold.
pub(super) fn framed(header: &Header, stanzas: Option<&[u8]>, body: Option<&[u8]>) -> Vec<u8> {
    let head = header.encode();
    let flags = u8::from(stanzas.is_some()) | u8::from(body.is_some()) << 1;
    let mut out = [&b"CBM\x01"[..], &[flags], &(head.len() as u16).to_be_bytes(), &head].concat();
    out.push(1);
    out.extend_from_slice(&world().keys(1).sign.public().id().0);
    out.extend_from_slice(&[1, 0, 64]);
    out.extend_from_slice(&[0x55; 64]);
    for part in [stanzas, body].into_iter().flatten() {
        out.extend_from_slice(&(part.len() as u32).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
