//! `seal/1`: letters readable by their recipients alone, today and after quantum computers.
//!
//! Level 3. Invariants: one envelope has one reading, the same for all recipients (committed key,
//! content root checked on opening); status is sealed with the key and enters the body's key, so a
//! letter opens under the status that it was sealed with or not at all (I7); length and visible
//! fields tell neither status, type, precedence nor recipient (I12); nothing of a plaintext is given
//! out before all of it has been checked; same inputs and entropy, same bytes (I10). Specified in
//! `docs/spec/seal.md`. The only caller is `station`; it checks what an author may sign, which takes
//! the certificate, by [`Opened::status`].

mod pair;
mod plain;
mod sender;
mod stanza;
pub(crate) mod stream;

use zeroize::Zeroizing;

use crate::envelope::{
    Envelope, Header, Kind, Recipients, Refusal, body_digest, pad, sealed_len, stanzas_digest,
};
use crate::id::{Digest, Incarnation, KeyId, LaneId, NetworkId, StationId};
use crate::limits::{BODY_MAX, PARTS_MAX, STANZAS_MAX};
use crate::part::Part;
use crate::primitives::{Entropy, EpochPublic, EpochSecret, SignSecret, hkdf};
use crate::terms::Status;
use crate::time::Timestamp;

pub use pair::PairSecret;
pub use plain::content_root;
pub use sender::{SenderKey, open_under};
pub use stanza::find_stanza;

/// What the caller decides of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The network.
    pub network: NetworkId,
    /// The accord version that the author stands on; from 1.
    pub accord_version: u32,
    /// The lane.
    pub lane: LaneId,
    /// The station that signs.
    pub author: StationId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// Number in the feed, from 1; 0 for a beacon.
    pub seq: u64,
    /// Digest of the feed's header before; zero at number 1 and for a beacon.
    pub prev: Digest,
    /// When.
    pub made_at: Timestamp,
}

/// The content key of one letter; wiped when dropped, never printed. Sealed to the archive key it
/// opens the letter again when epoch keys are gone.
#[derive(Clone, PartialEq, Eq)]
pub struct FileKey(Zeroizing<[u8; 32]>);

impl FileKey {
    /// Takes a key from the archive.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The key, for the archive.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}

/// One station that a letter is sealed to.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    /// Its epoch key.
    pub epoch: &'a EpochPublic,
    /// What we share with that key.
    pub pair: &'a PairSecret,
}

/// A letter that opened and passed every check.
#[derive(Debug)]
pub struct Opened {
    /// The status that it was sealed with.
    pub status: Status,
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Its content key, for the archive.
    pub key: FileKey,
    /// It hands its readers a sender key: [`SenderKey::handed_out`].
    pub hands_out: bool,
}

/// Stands in a stanza beside the status: the letter hands out a sender key.
const HANDS_OUT: u8 = 0x80;

/// Why a letter cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Nothing in it, or more pieces than a letter may have.
    #[error("a letter has 1 to {PARTS_MAX} parts, this one {0}: split it")]
    Parts(usize),
    /// Too long.
    #[error(
        "letter and attachments are {0} bytes once padded, at most {BODY_MAX} travel: shorten it"
    )]
    TooLarge(usize),
    /// Nobody, or more stations than one letter is sealed to.
    #[error("a letter is sealed to 1 to {STANZAS_MAX} stations, this one to {0}: send several")]
    Recipients(usize),
    /// Twice the same epoch key.
    #[error("two recipients have the same epoch key {0:?}: ask them to make new keys")]
    SameRecipient(KeyId),
    /// A pair secret that is not between the author's and the recipient's epoch key.
    #[error("the pair secret is not of the recipient {0:?}: read its contact record again")]
    WrongPair(KeyId),
    /// The sender key does not serve this number, or has served it.
    #[error("the sender key does not serve number {0}: seal to stations, and hand out another")]
    SenderKey(u64),
    /// The frame does not make a header that others would take.
    #[error("the header would be refused by others: {0}")]
    Header(#[from] Refusal),
}

/// Why a letter does not open. For the local log alone: toward the network there is one outcome,
/// silence, or each reason would answer an attacker's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Statements and beacons are open already.
    #[error("not a sealed letter")]
    NotSealed,
    /// The stanzas or the body are elsewhere.
    #[error("stanzas or body are not here yet: fetch them")]
    Incomplete,
    /// The epoch key given is not the one that the header names.
    #[error("sealed by another epoch key of its author: read the author's documents again")]
    EpochKey,
    /// The stanza with our tag does not open.
    #[error("the stanza for this station does not open: damaged, or made by somebody else")]
    Stanza,
    /// A status that does not exist; a new one would be a new suite.
    #[error("sealed with status {0}, which suite 1 does not have")]
    Status(u8),
    /// The content key is not the committed one: others were given a different one.
    #[error("the content key is not the one committed to: its author gave out several")]
    Commitment,
    /// The body does not open.
    #[error("the body does not open under its key and status: its author sealed it wrongly")]
    Body,
    /// The plaintext is not a list of parts.
    #[error("the plaintext is not in its one form ({0}): its author sealed it wrongly")]
    Plaintext(&'static str),
    /// The plaintext is not what the header committed to.
    #[error(
        "the plaintext is not the one that the header commits to: its author sealed it wrongly"
    )]
    ContentRoot,
}

impl OpenError {
    /// One word for metrics, vectors and tests; stable.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NotSealed => "not_sealed",
            Self::Incomplete => "incomplete",
            Self::EpochKey => "epoch_key",
            Self::Stanza => "stanza",
            Self::Status(_) => "status",
            Self::Commitment => "commitment",
            Self::Body => "body",
            Self::Plaintext(_) => "plaintext",
            Self::ContentRoot => "content_root",
        }
    }
}

/// Seals `parts` to `recipients` and signs the header.
///
/// The number of stanzas is the next power of two; the rest are real stanzas to keys that are thrown
/// away. Also gives the content key, with which the author keeps the letter readable to itself.
///
/// # Errors
/// [`SealError`], for parts, sizes and recipients out of bounds.
pub fn seal(
    frame: &Frame,
    status: Status,
    parts: &[Part],
    from: &EpochSecret,
    recipients: &[Recipient<'_>],
    sign: &SignSecret,
    entropy: &mut Entropy,
) -> Result<(Envelope, FileKey), SealError> {
    seal_to(frame, status, false, parts, from, recipients, sign, entropy)
}

/// The same, and hands the recipients a sender key: [`SenderKey::handed_out`] of header and key.
///
/// # Errors
/// As [`seal`].
pub fn seal_and_hand_out(
    frame: &Frame,
    status: Status,
    parts: &[Part],
    from: &EpochSecret,
    recipients: &[Recipient<'_>],
    sign: &SignSecret,
    entropy: &mut Entropy,
) -> Result<(Envelope, FileKey), SealError> {
    seal_to(frame, status, true, parts, from, recipients, sign, entropy)
}

#[allow(clippy::too_many_arguments, reason = "those of `seal`, and which of its two forms")]
fn seal_to(
    frame: &Frame,
    status: Status,
    hands_out: bool,
    parts: &[Part],
    from: &EpochSecret,
    recipients: &[Recipient<'_>],
    sign: &SignSecret,
    entropy: &mut Entropy,
) -> Result<(Envelope, FileKey), SealError> {
    check(parts, from, recipients)?;
    let count = recipients.len().next_power_of_two();
    let count = u16::try_from(count).map_err(|_| SealError::Recipients(recipients.len()))?;
    let (mut header, plain) = begin(frame, parts, from.id(), Recipients::Stanzas(count))?;
    let (key, body) = seal_body(&mut header, status, &plain, entropy);
    let code = status.code() | if hands_out { HANDS_OUT } else { 0 };
    let stanzas = stanza::seal_all(&header, code, &key, from, recipients, entropy);
    header.stanzas = stanzas_digest(&stanzas);
    let envelope = Envelope::assemble(&header, sign, Some(&stanzas), &body)?;
    Ok((envelope, key))
}

/// Seals `parts` under a sender key, for exactly the readers of the letter that handed it out, and
/// signs the header. `epoch` names the author's epoch key of that letter.
///
/// # Errors
/// [`SealError`], for parts and sizes out of bounds, and a number that the key does not serve.
pub fn seal_under(
    frame: &Frame,
    status: Status,
    parts: &[Part],
    epoch: KeyId,
    sender: &mut SenderKey,
    sign: &SignSecret,
    entropy: &mut Entropy,
) -> Result<(Envelope, FileKey), SealError> {
    check_parts(parts)?;
    let (mut header, plain) = begin(frame, parts, epoch, Recipients::SenderKey(sender.id()))?;
    let (key, body) = seal_body(&mut header, status, &plain, entropy);
    let piece = sender.seal(&header, &key, status).ok_or(SealError::SenderKey(frame.seq))?;
    header.stanzas = stanzas_digest(&piece);
    let envelope = Envelope::assemble(&header, sign, Some(&piece), &body)?;
    Ok((envelope, key))
}

/// H0 and the content root, and the padded plaintext.
fn begin(
    frame: &Frame,
    parts: &[Part],
    epoch: KeyId,
    recipients: Recipients,
) -> Result<(Header, Zeroizing<Vec<u8>>), SealError> {
    let plain = plain::encode(parts);
    let too_large = SealError::TooLarge(sealed_len(plain.len()));
    if sealed_len(plain.len()) > BODY_MAX {
        return Err(too_large);
    }
    let padded_len = u32::try_from(plain.len()).map_err(|_| too_large)?;
    let root = content_root(parts);
    let header = Header { epoch, padded_len, recipients, root, ..blank(frame, Kind::Sealed) };
    Ok((header, plain))
}

/// Draws the content key, commits to it and seals the body.
fn seal_body(
    header: &mut Header,
    status: Status,
    plain: &[u8],
    entropy: &mut Entropy,
) -> (FileKey, Vec<u8>) {
    let key = FileKey(Zeroizing::new(entropy.bytes()));
    header.fkc = commitment(header, &key);
    let body = stream::seal(&body_key(header, &key, status.code()), plain);
    header.body = body_digest(&body);
    (key, body)
}

fn check_parts(parts: &[Part]) -> Result<(), SealError> {
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(SealError::Parts(parts.len()));
    }
    let framed = plain::framed_len(parts);
    if framed > BODY_MAX {
        return Err(SealError::TooLarge(sealed_len(pad(framed))));
    }
    Ok(())
}

fn check(
    parts: &[Part],
    from: &EpochSecret,
    recipients: &[Recipient<'_>],
) -> Result<(), SealError> {
    check_parts(parts)?;
    if recipients.is_empty() || recipients.len() > STANZAS_MAX {
        return Err(SealError::Recipients(recipients.len()));
    }
    let mut ids: Vec<KeyId> = recipients.iter().map(|r| r.epoch.id()).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(SealError::SameRecipient(twice[0]));
    }
    match recipients.iter().find(|r| !r.pair.is_between(&from.id(), &r.epoch.id())) {
        Some(wrong) => Err(SealError::WrongPair(wrong.epoch.id())),
        None => Ok(()),
    }
}

/// Makes an open, numbered envelope: a notice, a proof, a checkpoint.
///
/// # Errors
/// [`SealError::Header`] where the body is too long or the frame is not one of a feed.
pub fn statement(frame: &Frame, body: &[u8], sign: &SignSecret) -> Result<Envelope, SealError> {
    open_kind(frame, Kind::Statement, body, sign)
}

/// Makes an open, unnumbered envelope; `frame.seq` and `frame.prev` must be zero.
///
/// # Errors
/// [`SealError::Header`] where the body is too long or the frame has a number.
pub fn beacon(frame: &Frame, body: &[u8], sign: &SignSecret) -> Result<Envelope, SealError> {
    open_kind(frame, Kind::Beacon, body, sign)
}

fn open_kind(
    frame: &Frame,
    kind: Kind,
    body: &[u8],
    sign: &SignSecret,
) -> Result<Envelope, SealError> {
    let len = u32::try_from(body.len()).map_err(|_| SealError::TooLarge(body.len()))?;
    let header = Header { padded_len: len, body: body_digest(body), ..blank(frame, kind) };
    Ok(Envelope::assemble(&header, sign, None, body)?)
}

/// Opens a letter if it is sealed to us: `None` if no stanza has our tag (or if it is sealed by a
/// sender key: [`open_under`]).
///
/// `me` is our epoch key, `author` the author's that the header names, `pair` what the two share.
///
/// # Errors
/// [`OpenError`] where a stanza is ours and still not everything holds.
pub fn open(
    envelope: &Envelope,
    me: &EpochSecret,
    author: &EpochPublic,
    pair: &PairSecret,
) -> Result<Option<Opened>, OpenError> {
    let header = envelope.header();
    if header.kind != Kind::Sealed {
        return Err(OpenError::NotSealed);
    }
    if author.id() != header.epoch || !pair.is_between(&me.id(), &author.id()) {
        return Err(OpenError::EpochKey);
    }
    if envelope.stanzas().is_none() {
        return Err(OpenError::Incomplete);
    }
    let Some(index) = find_stanza(envelope, pair) else { return Ok(None) };
    let (key, code) = stanza::open(envelope, index, me, author)?;
    let status = Status::from_code(code & !HANDS_OUT).ok_or(OpenError::Status(code))?;
    let opened = open_with(envelope, &key, status)?;
    Ok(Some(Opened { hands_out: code & HANDS_OUT != 0, ..opened }))
}

/// Opens a letter by its content key: from the archive, or after a stanza gave the key.
///
/// # Errors
/// [`OpenError`] where key and status are not this letter's, or its author sealed it wrongly.
pub fn open_with(envelope: &Envelope, key: &FileKey, status: Status) -> Result<Opened, OpenError> {
    let header = envelope.header();
    if header.kind != Kind::Sealed {
        return Err(OpenError::NotSealed);
    }
    let body = envelope.body().ok_or(OpenError::Incomplete)?;
    if commitment(header, key) != header.fkc {
        return Err(OpenError::Commitment);
    }
    let plain = stream::open(&body_key(header, key, status.code()), body).ok_or(OpenError::Body)?;
    let parts = plain::decode(&plain)?;
    if content_root(&parts) != header.root {
        return Err(OpenError::ContentRoot);
    }
    Ok(Opened { status, parts, key: key.clone(), hands_out: false })
}

fn blank(frame: &Frame, kind: Kind) -> Header {
    let Frame { network, accord_version, lane, author, incarnation, seq, prev, made_at } = *frame;
    let none = Digest([0; 32]);
    Header {
        kind,
        network,
        accord_version,
        lane,
        author,
        incarnation,
        seq,
        prev,
        made_at,
        epoch: KeyId([0; 16]),
        padded_len: 0,
        recipients: Recipients::None,
        fkc: [0; 32],
        body: none,
        stanzas: none,
        root: none,
    }
}

/// `fkc`: no second content key fits the same header.
fn commitment(header: &Header, key: &FileKey) -> [u8; 32] {
    hkdf(key.as_bytes(), header.h0_digest().as_bytes(), "commit", &[])
}

/// The body's key, which depends on the status.
fn body_key(header: &Header, key: &FileKey, status: u8) -> Zeroizing<[u8; 32]> {
    let context = header.context_digest();
    Zeroizing::new(hkdf(key.as_bytes(), context.as_bytes(), "body", &[&[status]]))
}

#[cfg(test)]
mod tests;
