//! The signed wrapper: what is common to all documents.
//!
//! Invariants: the bytes that were received are the bytes that are kept and passed on (I3); the
//! digest is over kind, format and payload, so that one payload with more signatures is the same
//! document; a document that decodes has its list of signatures in the one allowed order. Whether
//! a signature counts is decided by who reads it (`accord/directory.rs`).

use super::error::DocumentError;
use crate::{
    id::{Digest, KeyId},
    keys::ALG_ED25519,
    limits::{DOCUMENT_MAX, DOCUMENT_SIGNATURES_MAX},
    primitives::{SignPublic, SignSecret, digest},
    wire,
};
use bytes::Bytes;

/// The format of payloads that this version writes, and the only one it reads.
pub const FORMAT: u32 = 1;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentKind {
    /// What stations run on.
    Accord,
    /// A station's keys.
    Certificate,
    /// A station's addresses and offices.
    Contact,
    /// A group.
    Charter,
    /// A key taken back.
    Revocation,
    /// Keys of another party, checked.
    Attestation,
}

impl DocumentKind {
    /// The kind in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accord => "accord",
            Self::Certificate => "certificate",
            Self::Contact => "contact record",
            Self::Charter => "charter",
            Self::Revocation => "revocation",
            Self::Attestation => "attestation",
        }
    }

    /// The domain that is signed and hashed for format 1.
    #[must_use]
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Accord => "accord/1",
            Self::Certificate => "certificate/1",
            Self::Contact => "contact/1",
            Self::Charter => "charter/1",
            Self::Revocation => "revocation/1",
            Self::Attestation => "attestation/1",
        }
    }

    const fn code(self) -> wire::signed::Kind {
        match self {
            Self::Accord => wire::signed::Kind::Accord,
            Self::Certificate => wire::signed::Kind::Certificate,
            Self::Contact => wire::signed::Kind::Contact,
            Self::Charter => wire::signed::Kind::Charter,
            Self::Revocation => wire::signed::Kind::Revocation,
            Self::Attestation => wire::signed::Kind::Attestation,
        }
    }

    fn from_code(code: i32) -> Option<Self> {
        Some(match wire::signed::Kind::try_from(code).ok()? {
            wire::signed::Kind::Unspecified => return None,
            wire::signed::Kind::Accord => Self::Accord,
            wire::signed::Kind::Certificate => Self::Certificate,
            wire::signed::Kind::Contact => Self::Contact,
            wire::signed::Kind::Charter => Self::Charter,
            wire::signed::Kind::Revocation => Self::Revocation,
            wire::signed::Kind::Attestation => Self::Attestation,
        })
    }
}

/// A document as it came: bounded and in canonical form, its signatures not yet judged.
#[derive(Clone, Debug)]
pub struct Document {
    kind: DocumentKind,
    payload: Bytes,
    sigs: Vec<wire::Signature>,
    digest: Digest,
    bytes: Bytes,
}

impl Document {
    /// Reads the wrapper.
    ///
    /// # Errors
    /// Too long, not canonical, of an unknown kind or format, signatures out of order.
    pub fn decode(bytes: &[u8]) -> Result<Self, DocumentError> {
        let signed: wire::Signed = wire::decode(bytes, DOCUMENT_MAX)?;
        let kind = match DocumentKind::from_code(signed.kind) {
            Some(kind) if signed.format == FORMAT => kind,
            _ => return Err(DocumentError::Newer { kind: signed.kind, format: signed.format }),
        };
        let signed: wire::Signed = wire::decode_canonical(bytes, DOCUMENT_MAX)?;
        let ordered =
            signed.sigs.windows(2).all(|p| (&p[0].key_id, p[0].alg) < (&p[1].key_id, p[1].alg));
        let well_formed = signed.sigs.iter().all(|sig| {
            sig.key_id.len() == KeyId::LEN && (sig.alg != ALG_ED25519 || sig.bytes.len() == 64)
        });
        if !ordered || !well_formed || signed.sigs.len() > DOCUMENT_SIGNATURES_MAX {
            return Err(DocumentError::SignatureList);
        }
        let digest = digest(kind.domain(), &[&signed.payload]);
        Ok(Self {
            kind,
            payload: signed.payload,
            sigs: signed.sigs,
            digest,
            bytes: Bytes::copy_from_slice(bytes),
        })
    }

    /// A new document around `payload`, without any signature yet.
    #[must_use]
    pub fn unsigned(kind: DocumentKind, payload: Vec<u8>) -> Self {
        let mut document = Self {
            kind,
            digest: digest(kind.domain(), &[&payload]),
            payload: payload.into(),
            sigs: Vec::new(),
            bytes: Bytes::new(),
        };
        document.rebuild();
        document
    }

    /// Adds one signature; signing twice with one key changes nothing.
    #[must_use]
    pub fn signed_by(self, secret: &SignSecret) -> Self {
        let signature = secret.sign(self.kind.domain(), &self.payload);
        self.put(&secret.public(), &signature)
    }

    /// Adds a signature that was made elsewhere, over [`DocumentKind::domain`] and
    /// [`Document::payload`].
    ///
    /// # Errors
    /// It does not hold.
    pub fn with_signature(
        self,
        key: &SignPublic,
        signature: &[u8; 64],
    ) -> Result<Self, DocumentError> {
        if !key.verify(self.kind.domain(), &self.payload, signature) {
            return Err(DocumentError::BadSignature { kind: self.kind.name() });
        }
        Ok(self.put(key, signature))
    }

    fn put(mut self, key: &SignPublic, signature: &[u8; 64]) -> Self {
        let sig = wire::Signature {
            key_id: Bytes::copy_from_slice(key.id().as_bytes()),
            alg: ALG_ED25519,
            bytes: Bytes::copy_from_slice(signature),
        };
        let place = self.sigs.binary_search_by(|s| (&s.key_id, s.alg).cmp(&(&sig.key_id, sig.alg)));
        match place {
            Ok(at) => self.sigs[at] = sig,
            Err(at) => self.sigs.insert(at, sig),
        }
        self.rebuild();
        self
    }

    /// The same document with the signatures of both; `None` if the other is another document.
    /// Of one key that signed both, this one's signature stays.
    #[must_use]
    pub fn joined(mut self, other: &Self) -> Option<Self> {
        if self.digest != other.digest {
            return None;
        }
        for sig in &other.sigs {
            let order = |s: &wire::Signature| (&s.key_id, s.alg).cmp(&(&sig.key_id, sig.alg));
            if let Err(at) = self.sigs.binary_search_by(order) {
                self.sigs.insert(at, sig.clone());
            }
        }
        self.rebuild();
        Some(self)
    }

    fn rebuild(&mut self) {
        let signed = wire::Signed {
            kind: self.kind.code().into(),
            format: FORMAT,
            payload: self.payload.clone(),
            sigs: self.sigs.clone(),
        };
        self.bytes = wire::encode(&signed).into();
    }

    /// The same document with the Ed25519 signatures of another copy of it besides its own.
    pub(super) fn with_those_of(mut self, other: &Self) -> Self {
        for sig in other.sigs.iter().filter(|sig| sig.alg == ALG_ED25519) {
            let place =
                self.sigs.binary_search_by(|s| (&s.key_id, s.alg).cmp(&(&sig.key_id, sig.alg)));
            if let (Err(at), true) = (place, self.sigs.len() < DOCUMENT_SIGNATURES_MAX) {
                self.sigs.insert(at, sig.clone());
            }
        }
        self.rebuild();
        self
    }

    /// The same document without the Ed25519 signature of one key.
    pub(super) fn without(mut self, key: &KeyId) -> Self {
        self.sigs.retain(|sig| sig.alg != ALG_ED25519 || sig.key_id[..] != key.0[..]);
        self.rebuild();
        self
    }

    /// What tells this copy from others of the same document: its identity and who signed it.
    pub(super) fn copy(&self) -> Digest {
        let keys: Vec<u8> = self.signers().flat_map(|key| key.0).collect();
        crate::primitives::digest("document-copy", &[&self.digest.0, &keys])
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// Digest of kind, format and payload: the document's identity.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes that are signed.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The whole document as it travels.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Ids of the keys that signed with Ed25519, whether or not the signature holds.
    pub fn signers(&self) -> impl Iterator<Item = KeyId> {
        self.ed25519().map(|(key, _)| key)
    }

    /// Checks every Ed25519 signature against the keys that may sign, and says which of `entitled`
    /// did. Signatures of other algorithms are kept and not counted.
    pub(super) fn check<T: Clone>(
        &self,
        entitled: impl Fn(&KeyId) -> Option<(SignPublic, T)>,
    ) -> Result<Vec<T>, DocumentError> {
        let kind = self.kind.name();
        let mut who = Vec::new();
        for (key, sig) in self.ed25519() {
            let (public, owner) = entitled(&key)
                .ok_or_else(|| DocumentError::NotEntitled { kind, key: key.to_string() })?;
            if !public.verify(self.kind.domain(), &self.payload, &sig) {
                return Err(DocumentError::BadSignature { kind });
            }
            who.push(owner);
        }
        Ok(who)
    }

    fn ed25519(&self) -> impl Iterator<Item = (KeyId, [u8; 64])> {
        self.sigs.iter().filter(|sig| sig.alg == ALG_ED25519).filter_map(|sig| {
            Some((KeyId::from_slice(&sig.key_id)?, sig.bytes.as_ref().try_into().ok()?))
        })
    }
}
