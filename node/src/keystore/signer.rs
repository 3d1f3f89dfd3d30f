//! Who signs for a party or an office: a key, wherever it is kept.
//!
//! Invariant: whoever signs sees bytes of one domain go in and a signature that holds come back; the
//! key itself never leaves its place. Called by the steps of the ceremony that an authority takes, and
//! by the verbs of an officer; the command line says which key by [`open`] and [`open_office`].

use super::{Keystore, KeystoreError, Unlock, token::TokenSigner, uri::SCHEME};
use cbm_proto::{
    accord::Document,
    primitives::{SignPublic, SignSecret},
};
use std::path::Path;

/// What is told of a place whose signatures do not hold.
pub(super) const WRONG: &str = "its signature does not hold; do not use this token, its key and its \
                                public key do not belong together";

/// A key that can sign.
pub trait Signer {
    /// The public half.
    fn public(&self) -> SignPublic;

    /// Where the key is kept, in words for an error.
    fn place(&self) -> &str;

    /// A signature over a message of a domain, which holds under [`Signer::public`].
    ///
    /// # Errors
    /// The place where the key is kept does not sign.
    fn signature(&self, domain: &str, message: &[u8]) -> Result<[u8; 64], KeystoreError>;

    /// The document with this key's signature added.
    ///
    /// # Errors
    /// As [`Signer::signature`].
    fn sign(&self, document: Document) -> Result<Document, KeystoreError> {
        let signature = self.signature(document.kind().domain(), document.payload())?;
        document.with_signature(&self.public(), &signature).map_err(|_| KeystoreError::Token {
            place: self.place().to_owned(),
            cause: WRONG.to_owned(),
        })
    }
}

/// The authority key that `place` names: a folder of key files, which `unlock` opens if they are
/// sealed, or a key in a token by its `pkcs11:` URI.
///
/// # Errors
/// As [`Keystore::open`], [`Keystore::unlock`] and [`Keystore::load_authority`].
pub fn open(place: &str, unlock: &Unlock) -> Result<Box<dyn Signer>, KeystoreError> {
    open_as(place, unlock, |store| Ok(store.load_authority()?.sign))
}

/// The office key that `place` names, likewise.
///
/// # Errors
/// As [`Keystore::open`], [`Keystore::unlock`] and [`Keystore::load_office`].
pub fn open_office(place: &str, unlock: &Unlock) -> Result<Box<dyn Signer>, KeystoreError> {
    open_as(place, unlock, Keystore::load_office)
}

fn open_as(
    place: &str,
    unlock: &Unlock,
    load: impl FnOnce(&Keystore) -> Result<SignSecret, KeystoreError>,
) -> Result<Box<dyn Signer>, KeystoreError> {
    if place.starts_with(SCHEME) {
        return Ok(Box::new(TokenSigner::open(place)?));
    }
    let secret = load(&Keystore::open(Path::new(place))?.unlock(unlock)?)?;
    Ok(Box::new(FileSigner { place: place.to_owned(), secret }))
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

    fn signature(&self, domain: &str, message: &[u8]) -> Result<[u8; 64], KeystoreError> {
        Ok(self.secret.sign(domain, message))
    }
}
