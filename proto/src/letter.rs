//! A notification as its recipient holds it: header, body and files, and how they lie in parts.
//!
//! Level 2. [`Letter::compose`] completes a checked draft with what the node knows;
//! [`Letter::parts`] lays it out for sealing; [`Letter::from_parts`] reads what was opened. Letters
//! of others are read with tolerance: an unknown type, field, value or kind of part marks the
//! letter as `newer`, and what can be shown is shown. The format is `docs/spec/letter.md`. Callers:
//! `receipt`, `Station`, the node's API.

use bytes::{Bytes, BytesMut};
use serde_json::{Value as Json, json};

use crate::{
    catalogue::{Catalogue, TypeInfo, catalogue, is_file_name},
    draft::{Attachment, Content, Draft, Header},
    id::{MsgId, StationName},
    limits::{ATTACHMENT_COUNT_MAX, ATTACHMENTS_MAX, PARTS_MAX, TEXT_MAX},
    part::Part,
    primitives::{Entropy, sha256},
    terms::Status,
    time::Timestamp,
    wire,
};

#[cfg(test)]
mod tests;

/// Kind of the part that holds the common header.
pub const PART_HEADER: u8 = 1;
/// Kind of a part that holds some fields of the body.
pub const PART_BODY: u8 = 2;
/// Kind of a part that holds the content of one attachment.
pub const PART_ATTACHMENT: u8 = 3;

/// What the node adds to a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The letter's name, random.
    pub id: MsgId,
    /// The station that speaks.
    pub station: StationName,
    /// When it was taken.
    pub at: Timestamp,
}

/// A letter, before sealing or after opening.
#[derive(Clone, PartialEq)]
pub struct Letter {
    /// The common header.
    pub header: Header,
    /// The body, an encoded message of its type.
    pub body: Bytes,
    /// Files. Names that are not safe to write are replaced by `attachment-N`; the header keeps
    /// them as they were.
    pub attachments: Vec<Attachment>,
    /// Something in it is of a newer version: it cannot all be shown.
    pub newer: bool,
    /// The end mark repeats the originator's reference, so nothing was cut off.
    pub complete: bool,
    /// The header as it lies in its part.
    header_bytes: Bytes,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.header.id();
        write!(f, "Letter({id:?}, {}, {} bytes)", self.header.type_name(), self.body.len())
    }
}

/// Why opened parts are not a letter. The author's software is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// More parts than a letter has.
    #[error("it has more parts than a letter may have; its author's software must be mended")]
    TooManyParts,
    /// Not exactly one header.
    #[error("it does not have exactly one header; its author's software must be mended")]
    Headers,
    /// A header that cannot be read, without a name of 16 bytes, or whose type has another number
    /// than its name: rules that go by the one could be evaded by the other.
    #[error(
        "its header cannot be read or contradicts itself; its author's software must be mended"
    )]
    Header,
    /// A body that is no message of its type.
    #[error("its body is not of its type; its author's software must be mended")]
    Body,
    /// More text than allowed.
    #[error("its text is longer than a letter may be; its author's software must be mended")]
    Oversize,
    /// Attachments that are not those of the header: number, size or digest.
    #[error("its attachments are not those that its header names; ask its author to send it again")]
    Attachments,
}

impl Letter {
    /// Completes a draft that passed [`Draft::check`].
    #[must_use]
    pub fn compose(draft: Draft, origin: &Origin) -> Self {
        let mut header = draft.header.0;
        origin.fill(&mut header);
        if header.originator_ref.is_empty() {
            header.originator_ref = reference(origin);
        }
        header.end_mark.clone_from(&header.originator_ref);
        header.release.get_or_insert_default().asserted = true;
        header.posture.get_or_insert_default().ack_is_not_concurrence = true;
        let info = catalogue().by_number(header.type_number);
        if header.ack_want.is_none()
            && let Some(level) = info.and_then(|info| info.ack_level)
        {
            header.ack_want = Some(wire::AckWant { level: level.code().into(), by: 0 });
        }
        header.attachments = draft.attachments.iter().map(Attachment::info).collect();
        Self::whole(header, draft.body, draft.attachments)
    }

    /// A letter that the node writes itself, without the fields that speak for people.
    pub(crate) fn by_node(mut header: wire::LetterHeader, body: Bytes, origin: &Origin) -> Self {
        origin.fill(&mut header);
        Self::whole(header, body, Vec::new())
    }

    fn whole(header: wire::LetterHeader, body: Bytes, attachments: Vec<Attachment>) -> Self {
        let header_bytes = wire::encode(&header).into();
        let header = Header(header);
        Self { header, body, attachments, newer: false, complete: true, header_bytes }
    }

    /// The letter's name. Letters always have one.
    #[must_use]
    pub fn id(&self) -> MsgId {
        self.header.id().unwrap_or(MsgId([0; 16]))
    }

    /// The description of its type, if this version has it.
    #[must_use]
    pub fn info(&self) -> Option<&'static TypeInfo> {
        catalogue().by_number(self.header.0.type_number)
    }

    /// Whether the status written inside is the one sealed with the key. If not, the author's
    /// software contradicts itself, and the letter is refused (invariant I7).
    #[must_use]
    pub fn has_status(&self, sealed: Status) -> bool {
        self.header.status() == Some(sealed)
    }

    /// The letter in parts: header, groups of the body, contents of files; each with a fresh salt.
    #[must_use]
    pub fn parts(&self, entropy: &mut Entropy) -> Vec<Part> {
        let groups = self.info().and_then(|info| catalogue().groups(info, &self.body).ok());
        let groups = groups.unwrap_or_else(|| vec![self.body.clone()]);
        let mut parts = vec![(PART_HEADER, self.header_bytes.clone())];
        parts.extend(groups.into_iter().map(|group| (PART_BODY, group)));
        let inside = self.attachments.iter().filter_map(Attachment::inside);
        parts.extend(inside.map(|bytes| (PART_ATTACHMENT, bytes.clone())));
        parts.into_iter().map(|(kind, bytes)| Part { salt: entropy.bytes(), kind, bytes }).collect()
    }

    /// Reads opened parts.
    ///
    /// # Errors
    /// Each [`LetterError`]. What is merely unknown is no error.
    pub fn from_parts(parts: &[Part]) -> Result<Self, LetterError> {
        if parts.len() > PARTS_MAX {
            return Err(LetterError::TooManyParts);
        }
        let of = |kind| parts.iter().filter(move |part| part.kind == kind);
        let mut headers = of(PART_HEADER);
        let (Some(first), None) = (headers.next(), headers.next()) else {
            return Err(LetterError::Headers);
        };
        let header = read_header(&first.bytes)?;
        let body = joined(of(PART_BODY))?;
        let mut newer = parts.iter().any(|p| !(PART_HEADER..=PART_ATTACHMENT).contains(&p.kind));
        newer |= catalogue().show_header(&first.bytes).is_ok_and(|shown| shown.newer);
        newer |= newer_body(&header.0, &body)?;
        let contents: Vec<&Bytes> = of(PART_ATTACHMENT).map(|part| &part.bytes).collect();
        let attachments = match_files(&header.0.attachments, &contents)?;
        let complete = header.0.end_mark == header.0.originator_ref;
        let header_bytes = first.bytes.clone();
        Ok(Self { header, body, attachments, newer, complete, header_bytes })
    }

    /// The notification as JSON: the header's fields, `body` (null where its type is not known
    /// here), `attachments` and `newer`. The mapping is that of `docs/message-types.md`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let header = catalogue().show_header(&self.header_bytes).map(|shown| shown.json);
        let mut json = header.unwrap_or_else(|_| json!({}));
        let show = |info| catalogue().show_body(info, &self.body).ok();
        let body = self.info().and_then(show).map_or(Json::Null, |shown| shown.json);
        if let Json::Object(members) = &mut json {
            members.entry("attachments").or_insert_with(|| json!([]));
            members.insert("body".into(), body);
            members.insert("newer".into(), self.newer.into());
            members.insert("complete".into(), self.complete.into());
        }
        json
    }
}

impl Origin {
    fn fill(&self, header: &mut wire::LetterHeader) {
        header.id = Bytes::copy_from_slice(self.id.as_bytes());
        header.origin_time = self.at.0;
        let from = header.originator.get_or_insert_default();
        self.station.party().as_str().clone_into(&mut from.party);
        self.station.station().clone_into(&mut from.station);
    }
}

/// `EST-2026-1a2b3c4d`: party, year, head of the letter's name.
fn reference(origin: &Origin) -> String {
    let (at, id) = (origin.at.to_string(), origin.id.to_string());
    let year = at.split('-').next().unwrap_or_default();
    format!("{}-{year}-{}", origin.station.party(), id.get(..8).unwrap_or(&id))
}

fn read_header(bytes: &[u8]) -> Result<Header, LetterError> {
    let header = wire::decode(bytes, TEXT_MAX).map_err(|_| LetterError::Header)?;
    let header = Header(header);
    let numbered = catalogue().by_number(header.0.type_number).map(|info| info.number);
    let named = catalogue().by_name(header.type_name()).map(|info| info.number);
    if header.id().is_none() || numbered != named {
        return Err(LetterError::Header);
    }
    Ok(header)
}

fn joined<'a>(parts: impl Iterator<Item = &'a Part>) -> Result<Bytes, LetterError> {
    let mut body = BytesMut::new();
    for part in parts {
        if body.len() + part.bytes.len() > TEXT_MAX {
            return Err(LetterError::Oversize);
        }
        body.extend_from_slice(&part.bytes);
    }
    Ok(body.freeze())
}

/// Whether a body is of a newer version. A body that cannot be read is an error only where this
/// version should be able to read it.
fn newer_body(header: &wire::LetterHeader, body: &[u8]) -> Result<bool, LetterError> {
    let all: &Catalogue = catalogue();
    let Some(info) = all.by_number(header.type_number) else { return Ok(true) };
    let newer = header.type_version > info.version;
    match all.show_body(info, body) {
        Ok(shown) => Ok(newer || shown.newer),
        Err(_) if newer => Ok(true),
        Err(_) => Err(LetterError::Body),
    }
}

fn match_files(
    infos: &[wire::AttachmentInfo],
    contents: &[&Bytes],
) -> Result<Vec<Attachment>, LetterError> {
    let sum: usize = contents.iter().map(|bytes| bytes.len()).sum();
    if infos.len() > ATTACHMENT_COUNT_MAX || sum > ATTACHMENTS_MAX {
        return Err(LetterError::Attachments);
    }
    let mut contents = contents.iter();
    let mut files: Vec<Attachment> = Vec::new();
    for (i, info) in infos.iter().enumerate() {
        let content = Content::read(info, || contents.next().map(|bytes| (*bytes).clone()));
        let content = content.filter(|content| fits(info, content));
        let content = content.ok_or(LetterError::Attachments)?;
        let taken = files.iter().any(|f| f.name.to_lowercase() == info.name.to_lowercase());
        let safe = is_file_name(&info.name) && !taken;
        files.push(Attachment {
            name: if safe { info.name.clone() } else { format!("attachment-{}", i + 1) },
            media_type: info.media_type.clone(),
            title: info.title.clone(),
            content,
        });
    }
    if contents.next().is_some() {
        return Err(LetterError::Attachments);
    }
    Ok(files)
}

/// Whether a content that came inside is the one that the header names.
fn fits(info: &wire::AttachmentInfo, content: &Content) -> bool {
    match content {
        Content::Inside(bytes) => {
            sha256(&[bytes]) == *info.sha256 && u32::try_from(bytes.len()) == Ok(info.size)
        }
        Content::Apart(_) => true,
    }
}
