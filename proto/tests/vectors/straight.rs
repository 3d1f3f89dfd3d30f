//! The formats in a straight line, as the spec pages say them, over the primitives alone.
//!
//! A second writing of framing and of `seal/1` for the generators: it can make what the crate
//! refuses to, and `seal.rs` holds it against the crate byte for byte.

use cbm_proto::envelope::{Header, Kind, Recipients, body_digest, pad, stanzas_digest};
use cbm_proto::id::{Digest, Incarnation, KeyId, LaneId, NetworkId, StationId};
use cbm_proto::limits::STANZA_LEN;
use cbm_proto::primitives::{
    Entropy, EpochPublic, EpochSecret, SignSecret, chunk_seal, digest, hkdf, hmac, kpsk0_open,
    kpsk0_seal,
};
use cbm_proto::seal::Frame;
use cbm_proto::time::Timestamp;

/// The author of all vectors.
pub(crate) fn author() -> SignSecret {
    SignSecret::from_seed(&[0xa0; 32])
}

/// Stanzas that open for nobody, in ascending order.
pub(crate) fn some_stanzas(count: u8) -> Vec<u8> {
    (1..=count).flat_map(|n| [n; STANZA_LEN]).collect()
}

/// A header of the given kind, first in its feed, without parts.
pub(crate) fn blank(kind: Kind) -> Header {
    let none = Digest([0; 32]);
    Header {
        kind,
        network: NetworkId([0x11; 32]),
        accord_version: 1,
        lane: LaneId([0x22; 16]),
        author: StationId([0x33; 16]),
        incarnation: Incarnation([0x44; 16]),
        seq: u64::from(kind != Kind::Beacon),
        prev: none,
        made_at: Timestamp(1_795_305_108_007),
        epoch: KeyId([0; 16]),
        padded_len: 0,
        recipients: Recipients::None,
        fkc: [0; 32],
        body: none,
        stanzas: none,
        root: none,
    }
}

/// An envelope before it is written: every piece can be wrong.
pub(crate) struct Wire {
    pub(crate) header: Header,
    pub(crate) after_header: Vec<u8>,
    pub(crate) sign: SignSecret,
    pub(crate) domain: &'static str,
    pub(crate) more: Vec<(KeyId, u8, Vec<u8>)>,
    pub(crate) stanzas: Option<Vec<u8>>,
    pub(crate) body: Option<Vec<u8>>,
}

/// What the caller of the crate decides of this header.
pub(crate) fn frame_of(h: &Header) -> Frame {
    Frame {
        network: h.network,
        accord_version: h.accord_version,
        lane: h.lane,
        author: h.author,
        incarnation: h.incarnation,
        seq: h.seq,
        prev: h.prev,
        made_at: h.made_at,
    }
}

impl Wire {
    fn new(header: Header, stanzas: Option<Vec<u8>>, body: Vec<u8>) -> Self {
        let (after_header, more) = (Vec::new(), Vec::new());
        let body = Some(body);
        Self { header, after_header, sign: author(), domain: "header", more, stanzas, body }
    }

    /// A letter of 512 padded bytes around parts that need not make sense.
    pub(crate) fn sealed(stanzas: &[u8], body: &[u8]) -> Self {
        let count = u16::try_from(stanzas.len() / STANZA_LEN).unwrap();
        let header = Header {
            epoch: KeyId([0x55; 16]),
            padded_len: 512,
            recipients: Recipients::Stanzas(count),
            fkc: [0x66; 32],
            root: Digest([0x77; 32]),
            body: body_digest(body),
            stanzas: stanzas_digest(stanzas),
            ..blank(Kind::Sealed)
        };
        Self::new(header, Some(stanzas.to_vec()), body.to_vec())
    }

    /// A statement or a beacon.
    pub(crate) fn open(kind: Kind, body: &[u8]) -> Self {
        let padded_len = u32::try_from(body.len()).unwrap();
        let header = Header { padded_len, body: body_digest(body), ..blank(kind) };
        Self::new(header, None, body.to_vec())
    }

    /// Puts other stanzas in and names them in the header.
    pub(crate) fn put_stanzas(&mut self, stanzas: &[u8]) {
        self.header.stanzas = stanzas_digest(stanzas);
        self.stanzas = Some(stanzas.to_vec());
    }

    /// Signs and writes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let header = [self.header.encode(), self.after_header.clone()].concat();
        let mut out = b"CBM\x01".to_vec();
        out.push(u8::from(self.stanzas.is_some()) | u8::from(self.body.is_some()) << 1);
        out.extend(u16::try_from(header.len()).unwrap().to_be_bytes());
        out.extend(&header);
        out.push(1 + u8::try_from(self.more.len()).unwrap());
        let first = self.sign.sign(self.domain, &header).to_vec();
        let first = (self.sign.public().id(), 1, first);
        for (key, alg, bytes) in [&first].into_iter().chain(&self.more) {
            out.extend(key.0);
            out.push(*alg);
            out.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
            out.extend(bytes);
        }
        for part in [&self.stanzas, &self.body].into_iter().flatten() {
            out.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            out.extend(part);
        }
        out
    }
}

/// A letter before it is sealed: every piece can be wrong.
pub(crate) struct Plan {
    pub(crate) plain: Vec<u8>,
    pub(crate) root: Digest,
    pub(crate) body_status: u8,
    pub(crate) stanza_status: u8,
    /// The key that stanzas carry, if not the committed one.
    pub(crate) other_key: Option<[u8; 32]>,
}

/// One part: salt, kind, content.
pub(crate) type PlainPart<'a> = ([u8; 16], u8, &'a [u8]);

impl Plan {
    /// A letter as it should be.
    pub(crate) fn good(status: u8, parts: &[PlainPart<'_>]) -> Self {
        let mut plain = u16::try_from(parts.len()).unwrap().to_be_bytes().to_vec();
        for (salt, kind, bytes) in parts {
            plain.extend(salt);
            plain.push(*kind);
            plain.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
            plain.extend(*bytes);
        }
        plain.resize(pad(plain.len()), 0);
        let root = root(parts);
        Self { plain, root, body_status: status, stanza_status: status, other_key: None }
    }

    /// Commitment and body, which do not depend on who reads: the context of all keys, the body, and
    /// what stanzas or a piece hold.
    fn seal_body(&self, header: &mut Header, fk: [u8; 32]) -> (Digest, Vec<u8>, Vec<u8>) {
        let h0 = digest("h0", &[&header.encode_h0()]);
        header.fkc = hkdf(&fk, &h0.0, "commit", &[]);
        let context = digest("h0-fkc", &[&header.encode_h0(), &header.fkc]);
        let body = stream(&hkdf(&fk, &context.0, "body", &[&[self.body_status]]), &self.plain);
        header.body = body_digest(&body);
        let payload = [&self.other_key.unwrap_or(fk)[..], &[self.stanza_status]].concat();
        (context, body, payload)
    }

    /// The construction of `docs/spec/seal.md`, step by step. Also gives the content key.
    pub(crate) fn seal(
        &self,
        from: &EpochSecret,
        to: &[&EpochPublic],
        entropy: &mut Entropy,
    ) -> (Wire, [u8; 32]) {
        let count = u16::try_from(to.len().next_power_of_two()).unwrap();
        let mut header = Header {
            epoch: from.id(),
            padded_len: u32::try_from(self.plain.len()).unwrap(),
            recipients: Recipients::Stanzas(count),
            root: self.root,
            ..blank(Kind::Sealed)
        };
        let fk: [u8; 32] = entropy.bytes();
        let (context, body, payload) = self.seal_body(&mut header, fk);
        let mut set: Vec<Vec<u8>> =
            to.iter().map(|to| stanza(&header, &context, &payload, from, to, entropy)).collect();
        while set.len() < usize::from(count) {
            let nobody = EpochSecret::from_seed(&entropy.bytes());
            set.push(stanza(&header, &context, &payload, from, nobody.public(), entropy));
        }
        set.sort();
        let stanzas = set.concat();
        header.stanzas = stanzas_digest(&stanzas);
        (Wire::new(header, Some(stanzas), body), fk)
    }
}

impl Plan {
    /// The same under the sender key that `first` handed out, with this number of the feed. `links`
    /// is what lies between the first link and its own.
    pub(crate) fn seal_under(
        &self,
        from: &EpochSecret,
        (first, fk): (&Wire, [u8; 32]),
        (seq, links): (u64, u64),
        entropy: &mut Entropy,
    ) -> Wire {
        let mut header = Header {
            epoch: from.id(),
            seq,
            prev: Digest([0x99; 32]),
            padded_len: u32::try_from(self.plain.len()).unwrap(),
            recipients: Recipients::SenderKey(sender_key_id(&first.header, &fk)),
            root: self.root,
            ..blank(Kind::Sealed)
        };
        let mut link = first_link(&first.header, &fk);
        for _ in 0..links {
            link = hmac(&link, "sender-next", &[]);
        }
        let fk: [u8; 32] = entropy.bytes();
        let (context, body, payload) = self.seal_body(&mut header, fk);
        let key = hkdf(&link, &context.0, "sender-piece", &[&header.body.0]);
        let mut piece = Vec::new();
        chunk_seal(&key, &[0; 12], &payload, &mut piece);
        header.stanzas = stanzas_digest(&piece);
        Wire::new(header, Some(piece), body)
    }
}

fn context(header: &Header) -> Digest {
    digest("h0-fkc", &[&header.encode_h0(), &header.fkc])
}

pub(crate) fn first_link(hand_out: &Header, fk: &[u8; 32]) -> [u8; 32] {
    hkdf(fk, &context(hand_out).0, "sender-chain", &[])
}

fn sender_key_id(hand_out: &Header, fk: &[u8; 32]) -> KeyId {
    let id = hkdf(fk, &context(hand_out).0, "sender-key-id", &[]);
    KeyId(*id.first_chunk().unwrap())
}

fn stream(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let chunks: Vec<&[u8]> = plain.chunks(65_536).collect();
    for (number, chunk) in chunks.iter().enumerate() {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        nonce[11] = u8::from(number + 1 == chunks.len());
        chunk_seal(key, &nonce, chunk, &mut out);
    }
    out
}

fn stanza(
    header: &Header,
    context: &Digest,
    payload: &[u8],
    from: &EpochSecret,
    to: &EpochPublic,
    entropy: &mut Entropy,
) -> Vec<u8> {
    let (ct, ss) = to.encapsulate(entropy);
    let (ek, cth) = (digest("kem-key", &[to.kem()]), digest("kem-ct", &[&ct]));
    let psk = hkdf(&*ss, &context.0, "psk", &[&ek.0, &cth.0]);
    let prologue = [b"cbm/1/stanza\0", &context.0[..], &header.body.0, &ek.0, &cth.0].concat();
    let noise = kpsk0_seal(from, to, &psk, &prologue, payload, entropy).unwrap();
    let mut ids = [from.id(), to.id()];
    ids.sort();
    let shared = from.agree(to).unwrap();
    let key = hkdf(&*shared, &header.network.0, "tag-key", &[&ids[0].0, &ids[1].0]);
    let Header { network, lane, author, incarnation, seq, .. } = header;
    let seq = seq.to_be_bytes();
    let place: [&[u8]; 6] = [&network.0, &lane.0, &author.0, &incarnation.0, &seq, &to.id().0];
    [&hmac(&key, "tag", &place)[..16], &ct, &noise].concat()
}

/// RFC 6962 root of up to three parts, written out.
pub(crate) fn root(parts: &[PlainPart<'_>]) -> Digest {
    use cbm_proto::primitives::sha256;
    let leaf = |(salt, kind, bytes): &PlainPart<'_>| sha256(&[&[0], salt, &[*kind], bytes]);
    match parts {
        [] => Digest(sha256(&[])),
        [one] => Digest(leaf(one)),
        [one, two] => Digest(sha256(&[&[1], &leaf(one), &leaf(two)])),
        [one, two, three] => {
            let pair = sha256(&[&[1], &leaf(one), &leaf(two)]);
            Digest(sha256(&[&[1], &pair, &leaf(three)]))
        }
        _ => panic!("the vectors have at most three parts"),
    }
}

/// What a reader computes on the way to the content key, by the names of `docs/spec/seal.md`.
pub(crate) fn trace(
    envelope: &cbm_proto::envelope::Envelope,
    me: &EpochSecret,
    author: &EpochPublic,
) -> Vec<(&'static str, Vec<u8>)> {
    let header = envelope.header();
    let h0 = header.encode_h0();
    let context = digest("h0-fkc", &[&h0, &header.fkc]);
    let mut ids = [me.id(), author.id()];
    ids.sort();
    let shared = me.agree(author).unwrap();
    let tag_key = hkdf(&*shared, &header.network.0, "tag-key", &[&ids[0].0, &ids[1].0]);
    let seq = header.seq.to_be_bytes();
    let Header { network, lane, author: by, incarnation, .. } = header;
    let place: [&[u8]; 6] = [&network.0, &lane.0, &by.0, &incarnation.0, &seq, &me.id().0];
    let tag = hmac(&tag_key, "tag", &place)[..16].to_vec();
    let stanza = envelope.stanzas().unwrap();
    let stanza = stanza.chunks(STANZA_LEN).find(|s| s.starts_with(&tag)).unwrap();
    let ct: &[u8; 1_088] = stanza[16..].first_chunk().unwrap();
    let ss = me.decapsulate(ct);
    let (ek, cth) = (digest("kem-key", &[me.public().kem()]), digest("kem-ct", &[ct]));
    let psk = hkdf(&*ss, &context.0, "psk", &[&ek.0, &cth.0]);
    let prologue = [b"cbm/1/stanza\0", &context.0[..], &header.body.0, &ek.0, &cth.0].concat();
    let payload = kpsk0_open(me, author, &psk, &prologue, &stanza[1_104..]).unwrap();
    let (fk, status) = payload.split_at(32);
    vec![
        ("h0", h0.clone()),
        ("h0_digest", digest("h0", &[&h0]).0.to_vec()),
        ("fkc", header.fkc.to_vec()),
        ("context", context.0.to_vec()),
        ("shared", shared.to_vec()),
        ("tag_key", tag_key.to_vec()),
        ("tag", tag),
        ("kem_secret", ss.to_vec()),
        ("kem_key_digest", ek.0.to_vec()),
        ("kem_ct_digest", cth.0.to_vec()),
        ("psk", psk.to_vec()),
        ("prologue", prologue),
        ("fk", fk.to_vec()),
        ("body_key", hkdf(fk, &context.0, "body", &[status]).to_vec()),
        ("body_digest", header.body.0.to_vec()),
        ("stanzas_digest", header.stanzas.0.to_vec()),
        ("root", header.root.0.to_vec()),
        ("id", envelope.id().0.to_vec()),
    ]
}
