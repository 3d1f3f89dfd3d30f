//! The envelope: a signed header, and stanzas and body that can be taken off and put back.
//!
//! Level 3. Invariants: the bytes that came are the bytes that are kept, hashed and handed on (I3),
//! an [`Envelope`] is a view into them and cheap to clone; there is one encoding of everything, so a
//! parser that succeeds can always give back what it read; parts that are present agree with the
//! header's digests; the identity is the digest of the header alone, whatever parts and signatures
//! came with it. Decoding checks no signature: that takes the author's key and is one call more,
//! [`Envelope::verify`]. Specified in `docs/spec/envelope.md`. Callers are `seal` (makes them),
//! `station` (hears and serves them) and the store (indexes by header).

mod frame;
mod header;
mod refusal;

use std::ops::Range;

use bytes::Bytes;

use crate::id::{Digest, EnvelopeId, FeedId, KeyId};
use crate::limits::{ENVELOPE_MAX, GOSSIP_BODY_MAX};
use crate::primitives::{SignPublic, SignSecret, digest};

use frame::Reader;
pub use frame::{ALG_ED25519, ALG_ML_DSA_44, Signature};
pub use header::{CHUNK, Header, Kind, Recipients, SENDER_KEY_PIECE, SUITE, pad, sealed_len};
pub use refusal::{Refusal, Verdict};

/// Domain of the signature over a header.
pub const SIGN_DOMAIN: &str = "header";

/// One envelope whose parts are in bounds, canonical and consistent with each other.
#[derive(Clone)]
pub struct Envelope {
    bytes: Bytes,
    header: Header,
    id: EnvelopeId,
    header_at: Range<usize>,
    signatures_at: Range<usize>,
    stanzas_at: Option<Range<usize>>,
    body_at: Option<Range<usize>>,
}

/// Digest of a body, sealed or not, as the header names it.
#[must_use]
pub fn body_digest(body: &[u8]) -> Digest {
    digest("body", &[body])
}

/// Digest of the stanza set (or of the one piece under a sender key), as the header names it.
#[must_use]
pub fn stanzas_digest(stanzas: &[u8]) -> Digest {
    digest("stanzas", &[stanzas])
}

impl Envelope {
    /// Reads one envelope as it came. Checks bounds, form and the digests of the parts that are
    /// present; neither signature nor author, which only a directory knows.
    ///
    /// # Errors
    /// The [`Refusal`], which also says what verdict it deserves.
    pub fn decode(bytes: Bytes) -> Result<Self, Refusal> {
        if bytes.len() > ENVELOPE_MAX {
            return Err(Refusal::Oversize);
        }
        let mut reader = Reader::new(&bytes);
        let flags = reader.preamble()?;
        let header_at = reader.header()?;
        let signatures_at = reader.signatures()?;
        let header = Header::parse(&bytes[header_at.clone()])?;
        frame::check_signatures(&bytes[signatures_at.clone()])?;
        let stanzas_at = reader.part(flags & frame::HAS_STANZAS != 0)?;
        let body_at = reader.part(flags & frame::HAS_BODY != 0)?;
        reader.end()?;
        let id = EnvelopeId(digest("header", &[&bytes[header_at.clone()]]).0);
        let envelope = Self { bytes, header, id, header_at, signatures_at, stanzas_at, body_at };
        envelope.check_parts()?;
        Ok(envelope)
    }

    fn check_parts(&self) -> Result<(), Refusal> {
        if let Some(stanzas) = self.stanzas() {
            if stanzas.len() != self.header.recipients.stanzas_len() {
                return Err(Refusal::WrongPart("stanzas: their number is not the header's"));
            }
            if stanzas_digest(stanzas) != self.header.stanzas {
                return Err(Refusal::WrongPart("stanzas: not the header's digest"));
            }
            if !header::tags_ascend(&self.header.recipients, stanzas) {
                return Err(Refusal::Malformed("stanzas: not in ascending order of their tags"));
            }
        }
        match self.body() {
            Some(body) if body.len() != self.header.body_len() => {
                Err(Refusal::WrongPart("body: not the header's length"))
            }
            Some(body) if body_digest(body) != self.header.body => {
                Err(Refusal::WrongPart("body: not the header's digest"))
            }
            None if self.header.kind == Kind::Beacon => {
                Err(Refusal::Malformed("beacon: without its body"))
            }
            _ => Ok(()),
        }
    }

    /// Puts an envelope together and signs its header. The caller has filled the header to match.
    pub(crate) fn assemble(
        header: &Header,
        sign: &SignSecret,
        stanzas: Option<&[u8]>,
        body: &[u8],
    ) -> Result<Self, Refusal> {
        let encoded = header.encode();
        let signature = Signature {
            key: sign.public().id(),
            alg: ALG_ED25519,
            bytes: &sign.sign(SIGN_DOMAIN, &encoded),
        };
        let signatures = frame::encode_signatures(&[signature]);
        Self::decode(frame::encode(&encoded, &signatures, stanzas, Some(body)))
    }

    /// Whether the author's key signed this header. One Ed25519 verification.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`] if no signature names this key (the author may have a newer one: ask
    /// for documents), [`Refusal::BadSignature`] if one does and is wrong.
    pub fn verify(&self, key: &SignPublic) -> Result<(), Refusal> {
        let id = key.id();
        let mine = self.signatures().find(|s| s.alg == ALG_ED25519 && s.key == id);
        let signature = mine.ok_or(Refusal::UnknownKey(id))?;
        let bytes: &[u8; 64] = signature.bytes.try_into().map_err(|_| Refusal::BadSignature)?;
        if key.verify(SIGN_DOMAIN, self.header_bytes(), bytes) {
            Ok(())
        } else {
            Err(Refusal::BadSignature)
        }
    }

    /// Names header, signatures and who is asked together: copies with the same one verify alike.
    #[must_use]
    pub fn signed_digest(&self, key: &KeyId) -> Digest {
        let signatures = &self.bytes[self.signatures_at.clone()];
        digest("signed", &[&key.0, &self.id.0, signatures])
    }

    /// The parsed header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header's exact bytes: what is signed and what the id is the digest of.
    #[must_use]
    pub fn header_bytes(&self) -> &[u8] {
        &self.bytes[self.header_at.clone()]
    }

    /// Digest of the header.
    #[must_use]
    pub fn id(&self) -> EnvelopeId {
        self.id
    }

    /// The envelope as it came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The feed that the envelope is numbered in.
    #[must_use]
    pub fn feed(&self) -> FeedId {
        let Header { author, incarnation, lane, .. } = self.header;
        FeedId { author, incarnation, lane }
    }

    /// The signatures, in their order on the wire.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'_>> {
        frame::signatures(&self.bytes[self.signatures_at.clone()])
    }

    /// Ids of the keys that signed, verified or not.
    pub fn signed_by(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.signatures().map(|s| s.key)
    }

    /// The stanza set, if it is with us.
    #[must_use]
    pub fn stanzas(&self) -> Option<&[u8]> {
        self.stanzas_at.clone().map(|at| &self.bytes[at])
    }

    /// The body, if it is with us.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body_at.clone().map(|at| &self.bytes[at])
    }

    /// Whether the body is with us.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.body_at.is_some()
    }

    /// Whether stanzas are with us or there are none.
    #[must_use]
    pub fn has_stanzas(&self) -> bool {
        self.stanzas_at.is_some() || self.header.recipients == Recipients::None
    }

    /// The envelope without its body, for a carrier that only keeps headers and stanzas.
    #[must_use]
    pub fn without_body(&self) -> Bytes {
        match self.body_at {
            None => self.bytes.clone(),
            Some(_) => self.recompose(self.stanzas(), None),
        }
    }

    /// Header and the one Ed25519 signature by this key, nothing else: what a proof is made of.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`] if this key did not sign.
    pub fn bare(&self, key: &KeyId) -> Result<Self, Refusal> {
        let signed = self.signatures().find(|s| s.alg == ALG_ED25519 && s.key == *key);
        let signature = frame::encode_signatures(&[signed.ok_or(Refusal::UnknownKey(*key))?]);
        Self::decode(frame::encode(self.header_bytes(), &signature, None, None))
    }

    /// Whether it is a header with one signature and nothing else.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.stanzas_at.is_none() && self.body_at.is_none() && self.signatures().count() == 1
    }

    /// What gossip carries: all of it, or no body where that is larger than
    /// [`GOSSIP_BODY_MAX`] and is fetched instead.
    #[must_use]
    pub fn for_gossip(&self) -> Bytes {
        match self.body() {
            Some(body) if body.len() > GOSSIP_BODY_MAX => self.without_body(),
            _ => self.bytes.clone(),
        }
    }

    /// This envelope with what it lacks taken from another copy of it. `None` if that is not a copy
    /// or adds nothing.
    #[must_use]
    pub fn completed_by(&self, other: &Self) -> Option<Self> {
        let adds_stanzas = self.stanzas_at.is_none() && other.stanzas_at.is_some();
        let adds_body = self.body_at.is_none() && other.body_at.is_some();
        if self.id != other.id || !(adds_stanzas || adds_body) {
            return None;
        }
        let stanzas = self.stanzas().or(other.stanzas());
        let body = self.body().or(other.body());
        Self::decode(self.recompose(stanzas, body)).ok()
    }

    fn recompose(&self, stanzas: Option<&[u8]>, body: Option<&[u8]>) -> Bytes {
        let signatures = &self.bytes[self.signatures_at.clone()];
        frame::encode(self.header_bytes(), signatures, stanzas, body)
    }
}

impl PartialEq for Envelope {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Envelope {}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Header { kind, author, lane, seq, .. } = &self.header;
        write!(f, "Envelope({:?} {kind:?} {author:?}/{lane:?}#{seq})", self.id)
    }
}

#[cfg(test)]
mod tests;
