//! Who signs for a party: an authority key, wherever it is kept.
//!
//! Invariant: whoever signs sees a [`Document`] go in and come back with one signature more that
//! holds; the key itself never leaves its place. Called by the steps of the ceremony that an
//! authority takes; the command line says which key by [`open`].

use super::{Keystore, KeystoreError, Unlock, token::TokenSigner, uri::SCHEME};
use cbm_proto::{
    accord::Document,
    primitives::{SignPublic, SignSecret},
};
use std::path::Path;

/// An authority key that can sign documents.
pub trait Signer {
    /// The public half.
    fn public(&self) -> SignPublic;

    /// Where the key is kept, in words for an error.
    fn place(&self) -> &str;

    /// The document with this key's signature added.
    ///
    /// # Errors
    /// The place where the key is kept does not sign.
    fn sign(&self, document: Document) -> Result<Document, KeystoreError>;
}

/// The authority key that `place` names: a folder of key files, which `unlock` opens if they are
/// sealed, or a key in a token by its `pkcs11:` URI.
///
/// # Errors
/// As [`Keystore::open`], [`Keystore::unlock`] and [`Keystore::load_authority`].
pub fn open(place: &str, unlock: &Unlock) -> Result<Box<dyn Signer>, KeystoreError> {
    if place.starts_with(SCHEME) {
        return Ok(Box::new(TokenSigner::open(place)?));
    }
    let keys = Keystore::open(Path::new(place))?.unlock(unlock)?.load_authority()?;
    Ok(Box::new(FileSigner { place: place.to_owned(), secret: keys.sign }))
}

/// A key that was read from its file.
struct FileSigner {
    place: String,
    secret: SignSecret,
}

impl Signer for FileSigner {
    fn public(&self) -> SignPublic {
        self.secret.public()
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn sign(&self, document: Document) -> Result<Document, KeystoreError> {
        Ok(document.signed_by(&self.secret))
    }
}
