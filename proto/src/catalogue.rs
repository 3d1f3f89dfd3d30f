//! The catalogue of message types, read from the schema's own options at run time.
//!
//! Level 2. One message of `types.proto` with its options is the whole description of a type: its
//! number, name, clocks, who must acknowledge, and for each field bounds, format, group, example
//! and help. Everything here walks those descriptions, so that a new type needs no code. Bodies go
//! in and out as bytes: nobody above this module sees a dynamic message. Callers: `draft`,
//! `letter`, `receipt`, and the command line for `types` and `template`.

use std::{collections::BTreeMap, sync::OnceLock};

use bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value as Json;

use crate::{
    limits::TEXT_MAX,
    terms::{Level, Precedence, Status},
    wire::{self, FieldRule, TypeRule, type_rule::AckBy as WireAckBy},
};

mod check;
mod groups;
mod near;
mod read;
mod template;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use check::{is_file_name, is_media_type};
pub use near::nearest;

/// Who brings a letter of a type to the level it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckBy {
    /// Nobody: nothing is owed.
    Nobody,
    /// The addressee's station, by itself.
    Station,
    /// A human of the office.
    Office,
}

impl AckBy {
    /// The word for people and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nobody => "NOBODY",
            Self::Station => "STATION",
            Self::Office => "OFFICE",
        }
    }
}

/// One type of letter.
#[derive(Debug)]
pub struct TypeInfo {
    /// Number on the wire, never reused.
    pub number: u32,
    /// Version of the description.
    pub version: u32,
    /// Word on the command line and in JSON.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// One line of help.
    pub help: String,
    /// Precedence when none is given.
    pub default_precedence: Precedence,
    /// Level at which the sender's business is done; `None` when nothing is owed.
    pub ack_level: Option<Level>,
    /// Who must acknowledge.
    pub ack_by: AckBy,
    /// Drafted and released by two different persons at any precedence.
    pub two_person: bool,
    /// Allowed statuses, the default first.
    pub statuses: Vec<Status>,
    /// Made by the node, never taken from a person's draft.
    pub made_by_node: bool,
    body: MessageDescriptor,
}

/// What is wrong with one place of a document, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `body.window.from` or `subject[0].text`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub remedy: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}: {}", self.cause, self.remedy)
        } else {
            write!(f, "{}: {}: {}", self.path, self.cause, self.remedy)
        }
    }
}

/// The bytes are not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a {0}; the sender's software is at fault, ask it to send again")]
pub struct NotThis(pub &'static str);

/// A message from others as it can be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Known fields, by the JSON mapping of `docs/message-types.md`.
    pub json: Json,
    /// Fields or values that this version does not know were there as well.
    pub newer: bool,
}

/// One row of a type's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// Path below the body, as `window.from`.
    pub path: String,
    /// `text`, `time`, `one of A, B`, … with `list of` before repeated ones.
    pub form: String,
    /// It must be there.
    pub required: bool,
    /// Bounds in words, empty if none.
    pub bounds: String,
    /// Label of the part in which it is sealed.
    pub group: String,
    /// One line of help.
    pub help: String,
}

/// All types and rules of this version.
#[derive(Debug)]
pub struct Catalogue {
    types: Vec<TypeInfo>,
    rules: BTreeMap<String, FieldRule>,
    header: MessageDescriptor,
}

/// The catalogue of this version; read once.
#[must_use]
#[allow(clippy::expect_used, reason = "the schema is part of the program; a test reads it")]
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let schema = include_bytes!(concat!(env!("OUT_DIR"), "/cbm.binpb"));
        Catalogue::load(schema).expect("the schema compiled into the program is whole")
    })
}

impl Catalogue {
    fn load(schema: &[u8]) -> Option<Self> {
        let pool = DescriptorPool::decode(schema).ok()?;
        let rule = pool.get_extension_by_name("cbm.v1.rule")?;
        let letter = pool.get_extension_by_name("cbm.v1.letter")?;
        let (mut types, mut rules) = (Vec::new(), BTreeMap::new());
        for message in pool.all_messages().filter(|m| m.package_name() == "cbm.v1") {
            let options = message.options();
            if options.has_extension(&letter) {
                let described = options.get_extension(&letter);
                types.push(TypeInfo::load(
                    described.as_message()?.transcode_to().ok()?,
                    message.clone(),
                )?);
            }
            for field in message.fields().filter(|f| f.options().has_extension(&rule)) {
                let options = field.options();
                let described = options.get_extension(&rule);
                let found = described.as_message()?.transcode_to().ok()?;
                rules.insert(field.full_name().to_owned(), found);
            }
        }
        types.sort_by_key(|info| info.number);
        Some(Self { types, rules, header: pool.get_message_by_name("cbm.v1.LetterHeader")? })
    }

    /// Every type, by number.
    #[must_use]
    pub fn types(&self) -> &[TypeInfo] {
        &self.types
    }

    /// The type of a name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&TypeInfo> {
        self.types.iter().find(|info| info.name == name)
    }

    /// The type of a number.
    #[must_use]
    pub fn by_number(&self, number: u32) -> Option<&TypeInfo> {
        self.types.iter().find(|info| info.number == number)
    }

    /// Finds a type for a person: the problem of a wrong name suggests the nearest.
    ///
    /// # Errors
    /// The name is not one of the catalogue.
    pub fn find(&self, name: &str) -> Result<&TypeInfo, Problem> {
        self.by_name(name).ok_or_else(|| {
            let names: Vec<&str> = self.types.iter().map(|info| info.name.as_str()).collect();
            Problem {
                path: String::new(),
                cause: format!("`{name}` is not a message type"),
                remedy: near::suggest(name, &names),
            }
        })
    }

    fn rule(&self, field: &FieldDescriptor) -> &FieldRule {
        static NONE: OnceLock<FieldRule> = OnceLock::new();
        self.rules.get(field.full_name()).unwrap_or_else(|| NONE.get_or_init(FieldRule::default))
    }

    /// A person's JSON as a body of `info`. All that is wrong with it comes at once.
    ///
    /// # Errors
    /// Unknown fields and values, wrong kinds, missing fields, broken bounds, each with its place.
    pub fn read_body(&self, info: &TypeInfo, json: &Json) -> Result<Bytes, Vec<Problem>> {
        let mut problems = Vec::new();
        let body = self.read(&info.body, json, "body", &mut problems);
        if problems.is_empty() {
            self.check(&body, "body", true, &mut problems);
        }
        finish(&body, problems)
    }

    /// A person's JSON as a header: known fields that people fill in. What a header still lacks is
    /// found by [`Catalogue::check_header`], after the command line had its say.
    ///
    /// # Errors
    /// Unknown fields and values, fields that the node fills in.
    pub fn read_header(&self, json: &Json) -> Result<wire::LetterHeader, Vec<Problem>> {
        let mut problems = Vec::new();
        let header = self.read(&self.header, json, "", &mut problems);
        let bytes = finish(&header, problems)?;
        wire::decode(&bytes, TEXT_MAX).map_err(|error| vec![whole("header", &error)])
    }

    /// Whether the common header has a field of this name.
    #[must_use]
    pub fn is_header_field(&self, name: &str) -> bool {
        self.header.get_field_by_name(name).is_some()
    }

    /// Checks the bounds of what a person puts into a header.
    #[must_use]
    pub fn check_header(&self, header: &wire::LetterHeader) -> Vec<Problem> {
        let mut problems = Vec::new();
        match DynamicMessage::decode(self.header.clone(), wire::encode(header).as_slice()) {
            Ok(header) => self.check(&header, "", false, &mut problems),
            Err(error) => problems.push(whole("header", &error)),
        }
        problems
    }

    /// Checks a body that is in bytes already, as strictly as JSON would be.
    ///
    /// # Errors
    /// As [`Catalogue::read_body`]; unknown fields and values among them.
    pub fn check_body(&self, info: &TypeInfo, body: &[u8]) -> Result<(), Vec<Problem>> {
        let body = DynamicMessage::decode(info.body.clone(), body)
            .map_err(|error| vec![whole("body", &error)])?;
        let mut problems = Vec::new();
        self.check(&body, "body", true, &mut problems);
        if write::newer(&body) {
            problems.push(Problem {
                path: "body".into(),
                cause: format!("it holds fields or values that `{}` does not have", info.name),
                remedy: "write it again from the template of this version".into(),
            });
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// A body of others as JSON: what is known is shown, what is not is told by `newer`.
    ///
    /// # Errors
    /// It is not a message of this type at all.
    pub fn show_body(&self, info: &TypeInfo, body: &[u8]) -> Result<Shown, NotThis> {
        self.show(&info.body, body).ok_or(NotThis("body of its type"))
    }

    /// A header of others as JSON, from the bytes that came.
    ///
    /// # Errors
    /// It is not a header at all.
    pub fn show_header(&self, header: &[u8]) -> Result<Shown, NotThis> {
        self.show(&self.header, header).ok_or(NotThis("header of a letter"))
    }

    fn show(&self, kind: &MessageDescriptor, bytes: &[u8]) -> Option<Shown> {
        let message = DynamicMessage::decode(kind.clone(), bytes).ok()?;
        Some(Shown { json: self.write(&message), newer: write::newer(&message) })
    }
}

impl TypeInfo {
    fn load(rule: TypeRule, body: MessageDescriptor) -> Option<Self> {
        Some(Self {
            default_precedence: Precedence::from_code(rule.default_precedence)?,
            ack_level: Level::from_code(rule.ack_level),
            ack_by: match rule.ack_by() {
                WireAckBy::Nobody => AckBy::Nobody,
                WireAckBy::Station => AckBy::Station,
                WireAckBy::Office => AckBy::Office,
            },
            statuses: rule
                .statuses
                .iter()
                .map(|code| Status::from_code(*code))
                .collect::<Option<Vec<_>>>()
                .filter(|statuses| !statuses.is_empty())?,
            number: rule.number,
            version: rule.version,
            name: rule.name,
            title: rule.title,
            help: rule.help,
            two_person: rule.two_person,
            made_by_node: rule.made_by_node,
            body,
        })
    }

    /// Whether the body has a field of this name.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        self.body.get_field_by_name(name).is_some()
    }

    /// The status when none is given.
    #[must_use]
    pub fn default_status(&self) -> Status {
        self.statuses.first().copied().unwrap_or(Status::Test)
    }
}

fn finish(message: &DynamicMessage, mut problems: Vec<Problem>) -> Result<Bytes, Vec<Problem>> {
    use prost_reflect::prost::Message as _;
    let bytes = Bytes::from(message.encode_to_vec());
    if bytes.len() > TEXT_MAX {
        problems.push(Problem {
            path: String::new(),
            cause: format!("{} bytes of fields and text, at most {TEXT_MAX} fit", bytes.len()),
            remedy: "shorten the texts, or attach a file".into(),
        });
    }
    if problems.is_empty() { Ok(bytes) } else { Err(problems) }
}

fn whole(path: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem {
        path: path.into(),
        cause: format!("it cannot be read: {error}"),
        remedy: "write it again from the template".into(),
    }
}

/// A list of texts, one per language.
fn is_texts(field: &FieldDescriptor) -> bool {
    field.is_list()
        && matches!(field.kind(), Kind::Message(kind) if kind.full_name() == "cbm.v1.Text")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
