//! A key in a PKCS#11 token, of an authority or of an office: it signs there and never leaves it.
//!
//! Invariants: one context of the vendor's library in a process, opened once (libraries break when
//! they are initialised twice), and one session for each key, used by one thread; what the token
//! signs is checked by our own strict rule before anybody sees it; a key that is made here cannot be
//! taken out again. Only Ed25519: tokens have no ML-DSA yet, so that companion stays a file. Only
//! this module names `cryptoki`; called by `signer` and, to make a key, by `ceremony`.

use super::{
    error::KeystoreError,
    files, prompt,
    seal::PASSPHRASE_MAX,
    signer::{Signer, WRONG},
    uri::TokenUri,
};
use cbm_proto::primitives::{SignPublic, framed};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    mechanism::{
        Mechanism,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use zeroize::Zeroizing;

/// The name of Ed25519 as tokens take it: a printable string of DER.
const ED25519: &[u8] = b"\x13\x0cedwards25519";

/// A key in a token, with a session that may use it.
pub(super) struct TokenSigner {
    place: String,
    session: Session,
    private: ObjectHandle,
    public: SignPublic,
}

impl TokenSigner {
    /// The key that `text`, a `pkcs11:` URI, names.
    pub(super) fn open(text: &str) -> Result<Self, KeystoreError> {
        let (uri, place) = read(text)?;
        let failed = |error| failed(&place, error);
        let session = session(&uri, &place, false)?;
        let found = find(&session, &uri, ObjectClass::PRIVATE_KEY).map_err(&failed)?;
        let private = match found.as_slice() {
            [one] => *one,
            [] => return Err(token(&place, "it holds no such Ed25519 key; correct object")),
            _ => return Err(token(&place, "several keys have this name; add id=…")),
        };
        let public = public(&session, &uri, &place)?;
        Ok(Self { place, session, private, public })
    }
}

impl Signer for TokenSigner {
    fn public(&self) -> SignPublic {
        self.public
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn signature(&self, domain: &str, message: &[u8]) -> Result<[u8; 64], KeystoreError> {
        let pure = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        let signature = self.session.sign(&pure, self.private, &framed(domain, message));
        let signature = signature.map_err(|error| failed(&self.place, error))?;
        let signature = signature.try_into().map_err(|_| token(&self.place, WRONG))?;
        if self.public.verify(domain, message, &signature) {
            Ok(signature)
        } else {
            Err(token(&self.place, WRONG))
        }
    }
}

/// The public half of the key that a URI names; the key is made if there is none. `id`: of a new
/// key. True: it was made.
///
/// # Errors
/// The token cannot be reached, or does not make such keys.
pub fn make(text: &str, id: [u8; 16]) -> Result<(SignPublic, bool), KeystoreError> {
    let (uri, place) = read(text)?;
    let session = session(&uri, &place, true)?;
    let failed = |error| failed(&place, error);
    if !find(&session, &uri, ObjectClass::PRIVATE_KEY).map_err(failed)?.is_empty() {
        return Ok((public(&session, &uri, &place)?, false));
    }
    let name = [
        Attribute::Token(true),
        Attribute::Label(uri.object.clone().unwrap_or_default().into_bytes()),
        Attribute::Id(uri.id.clone().unwrap_or(id.to_vec())),
    ];
    let open =
        [Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(ED25519.to_vec())];
    let secret = [
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    let (open, secret) = ([&name[..], &open[..]].concat(), [&name[..], &secret[..]].concat());
    session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &open, &secret).map_err(failed)?;
    Ok((public(&session, &uri, &place)?, true))
}

/// The URI, and the part of it that may stand in an error.
fn read(text: &str) -> Result<(TokenUri, String), KeystoreError> {
    let place = text.split('?').next().unwrap_or_default().to_owned();
    match TokenUri::parse(text) {
        Ok(uri) => Ok((uri, place)),
        Err(cause) => Err(KeystoreError::TokenUri { place, cause }),
    }
}

fn session(uri: &TokenUri, place: &str, write: bool) -> Result<Session, KeystoreError> {
    let failed = |error| failed(place, error);
    let context = context(&uri.module, place)?;
    let slot = slot(&context, uri).map_err(failed)?;
    let slot =
        slot.ok_or_else(|| token(place, "no such token is there; put it in, or correct token"))?;
    let session = if write { context.open_rw_session(slot) } else { context.open_ro_session(slot) };
    let session = session.map_err(failed)?;
    let pin = match &uri.pin {
        Some(file) => pin(file)?,
        None => prompt::secret(&format!("PIN of {place}: "))?,
    };
    match session.login(UserType::User, Some(&AuthPin::from(pin.as_str().to_owned()))) {
        // Another key of the same token was opened before.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(failed(error)),
    }
}

fn pin(file: &Path) -> Result<Zeroizing<String>, KeystoreError> {
    let bytes = files::read_private(file, PASSPHRASE_MAX)?;
    let line = std::str::from_utf8(&bytes).ok().and_then(|text| text.lines().next());
    match line {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(KeystoreError::NoPassphrase(file.to_owned())),
    }
}

/// The one context of this process. Not by an argument, because it belongs to the process itself:
/// a library that is initialised a second time gives wrong answers or crashes.
fn context(module: &Path, place: &str) -> Result<Pkcs11, KeystoreError> {
    static OPEN: Mutex<Option<(PathBuf, Pkcs11)>> = Mutex::new(None);
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*open {
        Some((path, context)) if path == module => return Ok(context.clone()),
        Some(_) => return Err(token(place, "one module at a time; use keys of one token")),
        None => {}
    }
    let failed = |error| failed(place, error);
    let context = Pkcs11::new(module).map_err(failed)?;
    let how = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    context.initialize(how).map_err(failed)?;
    *open = Some((module.to_owned(), context.clone()));
    Ok(context)
}

fn slot(context: &Pkcs11, uri: &TokenUri) -> Result<Option<Slot>, Error> {
    let is = |wanted: &Option<String>, text: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted == text.trim_end())
    };
    for slot in context.get_slots_with_token()? {
        let info = context.get_token_info(slot)?;
        if is(&uri.token, info.label()) && is(&uri.serial, info.serial_number()) {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

fn find(session: &Session, uri: &TokenUri, class: ObjectClass) -> Result<Vec<ObjectHandle>, Error> {
    let mut wanted = vec![Attribute::Class(class), Attribute::KeyType(KeyType::EC_EDWARDS)];
    wanted.extend(uri.object.clone().map(|label| Attribute::Label(label.into_bytes())));
    wanted.extend(uri.id.clone().map(Attribute::Id));
    session.find_objects(&wanted)
}

fn public(session: &Session, uri: &TokenUri, place: &str) -> Result<SignPublic, KeystoreError> {
    let failed = |error| failed(place, error);
    let found = find(session, uri, ObjectClass::PUBLIC_KEY).map_err(failed)?;
    let [one] = found.as_slice() else {
        return Err(token(place, "it holds no public key, or several, of this name; add id=…"));
    };
    let attributes = session.get_attributes(*one, &[AttributeType::EcPoint]).map_err(failed)?;
    let point = attributes.iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => raw(point),
        _ => None,
    });
    let unusable = || token(place, "its public key is no Ed25519 key; name another one");
    SignPublic::check(point.ok_or_else(unusable)?).map_err(|_| unusable())
}

/// 32 bytes, bare or in the DER octet string that some tokens put around them.
fn raw(point: &[u8]) -> Option<[u8; 32]> {
    point.strip_prefix(b"\x04\x20").unwrap_or(point).try_into().ok()
}

fn failed(place: &str, error: Error) -> KeystoreError {
    let cause = match error {
        Error::Pkcs11(RvError::PinIncorrect, _) => {
            "this is not its PIN; try again, it locks after a few wrong ones".to_owned()
        }
        Error::Pkcs11(RvError::PinLocked, _) => {
            "its PIN is locked; its security officer unlocks it".to_owned()
        }
        Error::Pkcs11(code, _) => format!("it says {code:?}; see the vendor's manual"),
        other => format!("{other}; correct module-path, or see the vendor's manual"),
    };
    KeystoreError::Token { place: place.to_owned(), cause }
}

fn token(place: &str, cause: &str) -> KeystoreError {
    KeystoreError::Token { place: place.to_owned(), cause: cause.to_owned() }
}
