//! What a person writes, before it is sealed: a notification with its header, body and files.
//!
//! Level 2. A draft comes from JSON and the command line ([`Draft::from_json`]), strictly: anything
//! unknown is an error with its place and its remedy. [`Draft::check`] then holds it against the
//! catalogue and the rules of release (`docs/message-types.md`); nothing is sent that did not pass.
//! Callers: the node's API, `letter`, and `Station`, which keeps a draft until it may speak.

use bytes::Bytes;

use crate::{
    catalogue::{Problem, TypeInfo, catalogue},
    limits::{ATTACHMENT_COUNT_MAX, ATTACHMENTS_MAX, TEXT_MAX},
    primitives::sha256,
    wire,
};

mod check;
mod evidence;
mod header;
mod input;
mod lint;
#[cfg(test)]
mod tests;

pub use evidence::{Content, Evidence};
pub use header::Header;
pub use input::SendOptions;

/// A file that travels with a letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// File name without a path; safe to write into a folder on any system.
    pub name: String,
    /// `type/subtype`.
    pub media_type: String,
    /// What it is, per language; may be empty.
    pub title: Vec<wire::Text>,
    /// What is in it, or where that lies.
    pub content: Content,
}

impl Attachment {
    /// A file with the media type that its name suggests, without a title.
    #[must_use]
    pub fn new(name: &str, bytes: Bytes) -> Self {
        let media_type = media_type_of(name).to_owned();
        let content = Content::Inside(bytes);
        Self { name: name.to_owned(), media_type, title: Vec::new(), content }
    }

    /// The same for a file that travels apart.
    #[must_use]
    pub fn apart(name: &str, evidence: Evidence) -> Self {
        Self { content: Content::Apart(evidence), ..Self::new(name, Bytes::new()) }
    }

    /// The content, unless it travels apart.
    #[must_use]
    pub const fn inside(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Inside(bytes) => Some(bytes),
            Content::Apart(_) => None,
        }
    }

    pub(crate) fn info(&self) -> wire::AttachmentInfo {
        let (sha256, size) = match &self.content {
            Content::Inside(bytes) => (sha256(&[bytes]), bytes.len() as u64),
            Content::Apart(evidence) => (evidence.sha256, evidence.size),
        };
        wire::AttachmentInfo {
            sha256: Bytes::copy_from_slice(&sha256),
            size: u32::try_from(size).unwrap_or(u32::MAX),
            media_type: self.media_type.clone(),
            title: self.title.clone(),
            name: self.name.clone(),
            tlp: 0,
            evidence: self.content.evidence().map(Evidence::to_wire),
        }
    }
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.content {
            Content::Inside(bytes) => write!(f, "Attachment({} bytes)", bytes.len()),
            Content::Apart(evidence) => write!(f, "Attachment({evidence:?})"),
        }
    }
}

/// A notification that is not sealed yet.
#[derive(Clone, PartialEq)]
pub struct Draft {
    /// What its sender says in the common header; the node's fields are empty.
    pub header: Header,
    /// The body, an encoded message of its type.
    pub body: Bytes,
    /// Files, in the order in which they were named.
    pub attachments: Vec<Attachment>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draft({}, {} bytes)", self.type_name(), self.body.len())
    }
}

/// Why a draft is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// No such type.
    #[error("{0}")]
    Type(Problem),
    /// Not JSON.
    #[error("the file is not JSON: {0}: compare it with `cbm template TYPE`")]
    Json(String),
    /// Something in it is wrong; all of it is listed.
    #[error("{}", lines(.0))]
    Fields(Vec<Problem>),
    /// Two persons are due and not named. Callers exit with code 3.
    #[error(
        "{what} is drafted by one person and released by another, and {cause}: name two different \
         persons with --drafted-by and --released-by, or give the reason of an emergency with \
         --emergency (marked in the letter, reviewed within 24 hours)"
    )]
    TwoPersons {
        /// What needs two persons.
        what: String,
        /// What is missing.
        cause: &'static str,
    },
    /// A type that only the node makes.
    #[error(
        "letters of type `{0}` are made by the node: use `cbm ack`, `cbm decline` or `cbm reply`"
    )]
    MadeByNode(String),
    /// A draft that was stored cannot be read back.
    #[error("a stored draft cannot be read: it was written by another version; write it again")]
    Stored,
}

impl DraftError {
    /// Refused by a rule of release rather than for its form (exit code 3 of the command line).
    #[must_use]
    pub const fn is_policy(&self) -> bool {
        matches!(self, Self::TwoPersons { .. })
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

impl Draft {
    /// Name of its type.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.header.0.r#type
    }

    /// The description of its type.
    ///
    /// # Errors
    /// [`DraftError::Type`] when the catalogue has none of that name.
    pub fn info(&self) -> Result<&'static TypeInfo, DraftError> {
        catalogue().find(self.type_name()).map_err(DraftError::Type)
    }

    /// The bytes under which a draft is kept until it is sealed.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut header = self.header.0.clone();
        header.attachments = self.attachments.iter().map(Attachment::info).collect();
        let contents = self.attachments.iter().filter_map(Attachment::inside).cloned().collect();
        let record = wire::DraftRecord { header: Some(header), body: self.body.clone(), contents };
        wire::encode(&record).into()
    }

    /// Reads what [`Draft::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DraftError::Stored`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DraftError> {
        let most = 2 * TEXT_MAX + ATTACHMENTS_MAX + ATTACHMENT_COUNT_MAX * 1_024;
        let record: wire::DraftRecord =
            wire::decode(bytes, most).map_err(|_| DraftError::Stored)?;
        let mut header = record.header.ok_or(DraftError::Stored)?;
        let infos = std::mem::take(&mut header.attachments);
        let mut contents = record.contents.into_iter();
        let mut attachments = Vec::new();
        for info in infos {
            let content = Content::read(&info, || contents.next()).ok_or(DraftError::Stored)?;
            let wire::AttachmentInfo { name, media_type, title, .. } = info;
            attachments.push(Attachment { name, media_type, title, content });
        }
        if contents.next().is_some() {
            return Err(DraftError::Stored);
        }
        Ok(Self { header: Header(header), body: record.body, attachments })
    }
}

/// A text in one language that is its own original.
#[must_use]
pub fn original(bcp47: &str, text: &str) -> wire::Text {
    wire::Text {
        bcp47: bcp47.to_owned(),
        text: text.to_owned(),
        kind: wire::text::kind::Code::Original.into(),
        authoritative: true,
        ..wire::Text::default()
    }
}

/// The media type that a file name suggests; bytes of no particular kind otherwise.
#[must_use]
pub fn media_type_of(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let ends = |suffix: &str| name.ends_with(suffix);
    match () {
        () if ends(".stix2.json") || ends(".stix.json") => "application/stix+json",
        () if ends(".json") => "application/json",
        () if ends(".xml") => "application/xml",
        () if ends(".pdf") => "application/pdf",
        () if ends(".csv") => "text/csv",
        () if ends(".txt") || ends(".md") || ends(".log") => "text/plain",
        () if ends(".png") => "image/png",
        () if ends(".jpg") || ends(".jpeg") => "image/jpeg",
        () if ends(".zip") => "application/zip",
        () => "application/octet-stream",
    }
}
