//! `pkcs11:` URIs (RFC 7512): which key in which token, and where the PIN is read.
//!
//! Of the RFC's attributes those that name one key are taken, `token`, `serial`, `object`, `id`,
//! and `module-path`, `pin-source` behind the `?`; any other one is an error, because a part of a
//! name that is overlooked names another key. Invariant: `pin-value` is refused, a PIN is never an
//! argument. Called by `token`.

use std::path::PathBuf;

/// What a URI begins with.
pub(super) const SCHEME: &str = "pkcs11:";

/// Which key, in which token, by which module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TokenUri {
    /// Label of the token.
    pub(super) token: Option<String>,
    /// Serial number of the token.
    pub(super) serial: Option<String>,
    /// Label of the key.
    pub(super) object: Option<String>,
    /// Id of the key.
    pub(super) id: Option<Vec<u8>>,
    /// The vendor's library.
    pub(super) module: PathBuf,
    /// File with the PIN; `None`: the terminal asks.
    pub(super) pin: Option<PathBuf>,
}

impl TokenUri {
    /// Reads a URI; the error is what is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(SCHEME).ok_or("it does not begin with pkcs11:")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        for part in path.split(';').chain(query.split('&')).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or(format!("`{part}` has no value"))?;
            uri.take(name, decoded(value).ok_or(format!("`{name}` is not percent-encoded"))?)?;
        }
        if uri.token.is_none() && uri.serial.is_none() {
            return Err("it names no token: add token=LABEL".to_owned());
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err("it names no key: add object=LABEL".to_owned());
        }
        if !uri.module.is_absolute() {
            return Err(
                "it names no module: add ?module-path=/path/of/the/vendors/library.so".into()
            );
        }
        Ok(uri)
    }

    fn take(&mut self, name: &str, value: Vec<u8>) -> Result<(), String> {
        let text =
            || String::from_utf8(value.clone()).map_err(|_| format!("`{name}` is not in UTF-8"));
        match name {
            "token" => self.token = Some(text()?),
            "serial" => self.serial = Some(text()?),
            "object" => self.object = Some(text()?),
            "id" => self.id = Some(value),
            "module-path" => self.module = text()?.into(),
            "pin-source" => {
                let source = text()?;
                self.pin = Some(source.strip_prefix("file:").unwrap_or(&source).into());
            }
            "pin-value" => {
                return Err("it holds a PIN, which everybody on this machine can list: change \
                            that PIN, and name a file with pin-source=FILE"
                    .to_owned());
            }
            // What kind of object it is, is known: others write it.
            "type" if value == b"private" => {}
            _ => return Err(format!("`{name}` is not understood here")),
        }
        Ok(())
    }
}

/// Without percent-encoding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_one_key_and_says_what_it_lacks() {
        let text = "pkcs11:token=Our%20HSM;object=est;id=%01%ff?module-path=/lib/m.so&\
                    pin-source=file:/run/pin";
        let uri = TokenUri::parse(text).unwrap();
        assert_eq!(uri.token.as_deref(), Some("Our HSM"));
        assert_eq!(uri.id.as_deref(), Some(&[1, 255][..]));
        assert_eq!(uri.module, PathBuf::from("/lib/m.so"));
        assert_eq!(uri.pin, Some("/run/pin".into()));
        for (text, said) in [
            ("pkcs11:object=a?module-path=/m", "no token"),
            ("pkcs11:token=a?module-path=/m", "no key"),
            ("pkcs11:token=a;object=b", "module-path"),
            ("pkcs11:token=a;object=b?module-path=m.so", "module-path"),
            ("pkcs11:token=a;object=b?module-path=/m&pin-value=1234", "pin-source"),
            ("pkcs11:token=a;slot-id=1?module-path=/m", "slot-id"),
            ("pkcs11:token=%4;object=b?module-path=/m", "percent"),
            ("pkcs11:token", "has no value"),
        ] {
            let error = TokenUri::parse(text).unwrap_err();
            assert!(error.contains(said) && !error.contains("1234"), "{text}: {error}");
        }
    }
}
