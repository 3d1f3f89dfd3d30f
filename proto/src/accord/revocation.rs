//! Keys taken back, and what their party still stands by.
//!
//! Invariants: a revocation takes back one key of one party, and that party alone can sign it; what
//! lies at or before a named head stays valid, everything else that the key signed does not count.
//! Which revocation of a key is in force is decided by `accord/directory.rs`.

use super::{
    document::{Document, DocumentKind},
    error::DocumentError,
    read::{digest, field, network, payload},
};
use crate::{
    id::{Digest, FeedId, Incarnation, KeyId, LaneId, NetworkId, PartyCode, StationName},
    limits::{NAME_MAX, REVOCATION_HEADS_MAX},
    time::Timestamp,
    wire,
};

/// Something that stays valid although its key is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// Incarnation of the feed; zeros where a document is named.
    pub incarnation: Incarnation,
    /// Lane of the feed; zeros where a document is named.
    pub lane: LaneId,
    /// Number of the header in its feed; 0 where a document is named.
    pub seq: u64,
    /// Digest of the header, or identity of the document.
    pub header: Digest,
}

impl Head {
    /// The last header of a feed that is stood by.
    #[must_use]
    pub const fn of_feed(feed: &FeedId, seq: u64, header: Digest) -> Self {
        Self { incarnation: feed.incarnation, lane: feed.lane, seq, header }
    }

    /// A document that is stood by although the authority key that signed it is taken back.
    #[must_use]
    pub const fn of_document(identity: Digest) -> Self {
        Self { incarnation: Incarnation([0; 16]), lane: LaneId([0; 16]), seq: 0, header: identity }
    }
}

/// A revocation in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Whose key.
    pub party: PartyCode,
    /// Whose key within the party; `None`: the party's own.
    pub station: Option<StationName>,
    /// Which key: of SIGN and PEER the id that an Ed25519 key has, of SEAL that of the epoch key.
    pub key: KeyId,
    /// What stays valid.
    pub heads: Vec<Head>,
    /// Why, in words of the party.
    pub reason: String,
    /// When it was made, as its party says.
    pub made_at: Timestamp,
}

impl Revoked {
    /// Whether the party stands by this header, which the key signed: it lies before a named head
    /// of its feed, or is that head.
    #[must_use]
    pub fn stands_by(&self, feed: &FeedId, seq: u64, header: &Digest) -> bool {
        self.heads.iter().any(|head| {
            (head.incarnation, head.lane) == (feed.incarnation, feed.lane)
                && (seq < head.seq || (seq == head.seq && *header == head.header))
        })
    }

    /// Whether the party stands by this document, which the authority key signed.
    #[must_use]
    pub fn stands_by_document(&self, identity: &Digest) -> bool {
        self.heads.contains(&Head::of_document(*identity))
    }
}

impl From<&RevocationText> for Revoked {
    fn from(text: &RevocationText) -> Self {
        Self {
            party: text.party.clone(),
            station: text.station.clone(),
            key: text.key,
            heads: text.heads.clone(),
            reason: text.reason.clone(),
            made_at: text.made_at,
        }
    }
}

/// A revocation as it is written.
#[derive(Clone, Debug)]
pub struct RevocationText {
    /// The network it is for.
    pub network: NetworkId,
    /// Whose key.
    pub party: PartyCode,
    /// Whose key within the party; `None`: the party's own.
    pub station: Option<StationName>,
    /// Which key.
    pub key: KeyId,
    /// What stays valid.
    pub heads: Vec<Head>,
    /// Why, in words.
    pub reason: String,
    /// When it was made.
    pub made_at: Timestamp,
}

impl RevocationText {
    /// Reads a revocation.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(document: &Document) -> Result<Self, DocumentError> {
        let pb: wire::Revocation = payload(document, DocumentKind::Revocation)?;
        let party = PartyCode::new(&pb.party)?;
        let station = match pb.station.as_str() {
            "" => None,
            station => Some(StationName::new(party.clone(), station)?),
        };
        if pb.reason.chars().count() > NAME_MAX || pb.reason.chars().any(char::is_control) {
            return Err(field("reason", "at most 128 characters, none of them control"));
        }
        if pb.heads.len() > REVOCATION_HEADS_MAX {
            return Err(field("heads", "at most 1,024"));
        }
        let heads = pb.heads.iter().map(head).collect::<Result<Vec<_>, _>>()?;
        if !heads.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(field("heads", "ascending, each once"));
        }
        let document = |head: &Head| *head == Head::of_document(head.header);
        if station.is_none() && !heads.iter().all(document) {
            return Err(field("heads", "of an authority key: documents, not places in feeds"));
        }
        let key = KeyId::from_slice(&pb.key_id).ok_or(field("key_id", "16 bytes"))?;
        let network = network(&pb.network)?;
        let (reason, made_at) = (pb.reason, Timestamp(pb.made_at));
        Ok(Self { network, party, station, key, heads, reason, made_at })
    }
}

fn head(pb: &wire::revocation::Head) -> Result<Head, DocumentError> {
    let long = field("heads", "ids of 16 bytes and digests of 32");
    let incarnation = Incarnation::from_slice(&pb.incarnation).ok_or(long.clone())?;
    let lane = LaneId::from_slice(&pb.lane).ok_or(long)?;
    Ok(Head { incarnation, lane, seq: pb.seq, header: digest("heads.header", &pb.header)? })
}
