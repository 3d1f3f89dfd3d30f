//! Names and identifiers: fixed-width bytes that cannot be mixed up.
//!
//! Level 0. An identifier is either random (`Incarnation`, `MsgId`), a digest (`EnvelopeId`,
//! `NetworkId`, `KeyId`) or derived from names (`StationId`). All are shown in lower-case hex, in
//! full by `Display` and shortened by `Debug`, so that logs stay short.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Takes the identifier from a slice of exactly the right length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Reads full-length lower- or upper-case hex.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                unhex(text).and_then(|bytes| Self::from_slice(&bytes))
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", &hex(&self.0)[..8])
            }
        }
    };
}

id!(
    /// A SHA-256 digest of something named by the field that holds it.
    Digest, 32);
id!(
    /// The digest of an accord's first version; it alone is bound into topics and derivations.
    NetworkId, 32);
id!(
    /// One station for good: digest of network id, party and station name (`docs/spec/documents.md`).
    /// It outlives every rotation of the station's keys.
    StationId, 16);
id!(
    /// Where an envelope travels: a group's lane, a pair's lane, a party's own lane.
    LaneId, 16);
id!(
    /// 128 random bits, drawn at first start and whenever a feed must not be continued.
    Incarnation, 16);
id!(
    /// Digest of an envelope's header: the identity of exactly these signed bytes.
    EnvelopeId, 32);
id!(
    /// What `send` returns: the name of a letter inside it, whatever envelope brings it.
    MsgId, 16);
id!(
    /// Short name of a public key: the head of its digest.
    KeyId, 16);

/// One author's envelopes on one lane under one incarnation, numbered from 1 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId {
    /// Who wrote it.
    pub author: StationId,
    /// Under which incarnation.
    pub incarnation: Incarnation,
    /// On which lane.
    pub lane: LaneId,
}

/// Why a party or station name cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `PARTY/station`.
    #[error("`{0}` is not a station name: write PARTY/station, for example EST/mfa")]
    NoSlash(String),
    /// The party code breaks its rule.
    #[error("`{0}` is not a party code: 2 to 16 characters A-Z and 0-9, the first a letter")]
    Party(String),
    /// The station part breaks its rule.
    #[error("`{0}` is not a station's short name: 1 to 24 characters a-z, 0-9 and -")]
    Station(String),
}

/// A party's short code, such as `EST`: 2 to 16 of `A-Z0-9`, the first a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyCode {
    /// Filled up with zeros, so that it sorts as its text does; within the value itself, because every
    /// letter that is kept has several.
    text: [u8; 16],
    len: u8,
}

impl PartyCode {
    /// Checks the rule above.
    ///
    /// # Errors
    /// [`NameError::Party`] when it is broken.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let good = (2..=16).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && text.as_bytes()[0].is_ascii_uppercase();
        let mut code = Self { text: [0; 16], len: 0 };
        for (at, byte) in code.text.iter_mut().zip(text.bytes()).filter(|_| good) {
            *at = byte;
            code.len += 1;
        }
        if good { Ok(code) } else { Err(NameError::Party(text.to_owned())) }
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.len)).unwrap_or_default();
        // It was text when it was made.
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// A station's full name, `PARTY/station`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StationName {
    party: PartyCode,
    station: String,
}

impl StationName {
    /// Reads `EST/mfa`.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (party, station) =
            text.split_once('/').ok_or_else(|| NameError::NoSlash(text.to_owned()))?;
        Self::new(PartyCode::new(party)?, station)
    }

    /// Joins a party and a station's short name.
    ///
    /// # Errors
    /// [`NameError::Station`] when the short name breaks its rule.
    pub fn new(party: PartyCode, station: &str) -> Result<Self, NameError> {
        let good = (1..=24).contains(&station.len())
            && station.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        good.then(|| Self { party, station: station.to_owned() })
            .ok_or_else(|| NameError::Station(station.to_owned()))
    }

    /// The party that owns the station.
    #[must_use]
    pub const fn party(&self) -> &PartyCode {
        &self.party
    }

    /// The short name within the party.
    #[must_use]
    pub fn station(&self) -> &str {
        &self.station
    }
}

impl fmt::Display for PartyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PartyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.party, self.station)
    }
}

impl fmt::Debug for StationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Lower-case hex of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Reads hex of even length; `None` for any other character or an odd length.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_obey_their_rules() {
        assert_eq!(StationName::parse("EST/mfa").map(|n| n.to_string()), Ok("EST/mfa".into()));
        assert!(matches!(StationName::parse("EST"), Err(NameError::NoSlash(_))));
        assert!(matches!(StationName::parse("est/mfa"), Err(NameError::Party(_))));
        assert!(matches!(StationName::parse("EST/MFA"), Err(NameError::Station(_))));
        assert!(matches!(StationName::parse("EST/"), Err(NameError::Station(_))));
    }

    #[test]
    fn party_codes_sort_as_their_text_does() {
        let texts = ["A0", "A00", "AA", "AAA", "AB", "ABCDEFGHIJKLMNOP", "B1", "Z9"];
        let codes = texts.map(|text| PartyCode::new(text).ok());
        assert!(codes.is_sorted() && texts.is_sorted());
        assert_eq!(
            codes.map(|code| code.map(|c| c.to_string())),
            texts.map(|t| Some(t.to_owned()))
        );
        assert!(PartyCode::new("ABCDEFGHIJKLMNOPQ").is_err() && PartyCode::new("A\0").is_err());
    }

    #[test]
    fn hex_reads_what_it_wrote_and_nothing_else() {
        let id = MsgId(*b"0123456789abcdef");
        assert_eq!(MsgId::from_hex(&id.to_string()), Some(id));
        assert_eq!(MsgId::from_hex("00"), None);
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("é0"), None);
    }
}
