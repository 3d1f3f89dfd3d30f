//! The key of an office: what an officer signs a statement with, wherever the station is.
//!
//! Invariants: an office key belongs to exactly one office, named by the scope that it stands under
//! in a certificate; one without a usable name counts nowhere. Ed25519 alone: it is kept in a token
//! that has no other. Callers: `accord` reads and writes it, `receipt` checks what it signed.

use super::{ALG_ED25519, Fingerprint, public_key};
use crate::{
    limits::NAME_MAX,
    primitives::SignPublic,
    wire::{self, public_key::Role},
};

/// An office's public key, as a certificate lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficeKey {
    /// Short code of the office, such as `duty`.
    pub office: String,
    /// Ed25519.
    pub key: SignPublic,
}

impl OfficeKey {
    /// Whether a text can be the code of an office: 1 to 128 characters, none of them control.
    #[must_use]
    pub fn is_code(text: &str) -> bool {
        (1..=NAME_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    }

    /// What two people compare of an office's key, before they know for which office it will stand.
    #[must_use]
    pub fn fingerprint(key: &SignPublic) -> Fingerprint {
        Fingerprint::of("office-key", &[key.as_bytes()])
    }

    /// As a certificate lists it.
    #[must_use]
    pub fn to_wire(&self) -> wire::PublicKey {
        let scope = wire::Scope { office: self.office.clone(), ..wire::Scope::default() };
        let key = public_key(Role::Office, ALG_ED25519, self.key.as_bytes());
        wire::PublicKey { scope: Some(scope), ..key }
    }

    /// A key of role OFFICE; `None` where its scope names no office.
    pub(super) fn read(key: SignPublic, pb: &wire::PublicKey) -> Option<Self> {
        let office = pb.scope.as_ref().map(|scope| scope.office.clone())?;
        Self::is_code(&office).then_some(Self { office, key })
    }
}
