//! Bounds, required fields and formats of own messages, by their rules.
//!
//! Only what people of this station write is checked here; letters of others are shown as they
//! are (`docs/spec/letter.md`).

use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, Value};

use super::{Catalogue, Problem, is_texts, join};
use crate::{
    id::PartyCode,
    wire::{FieldRule, field_rule::Format, text},
};

/// Where a value stands, by what rule, and where to say what is wrong.
struct Spot<'a> {
    path: &'a str,
    rule: &'a FieldRule,
    problems: &'a mut Vec<Problem>,
}

impl Spot<'_> {
    fn say(&mut self, cause: impl Into<String>, remedy: impl Into<String>) {
        let (path, cause, remedy) = (self.path.to_owned(), cause.into(), remedy.into());
        self.problems.push(Problem { path, cause, remedy });
    }
}

impl Catalogue {
    /// Checks every field of `message`. Fields that the node fills in are owed only when `whole`.
    pub(super) fn check(
        &self,
        message: &DynamicMessage,
        path: &str,
        whole: bool,
        problems: &mut Vec<Problem>,
    ) {
        for field in message.descriptor().fields() {
            let (rule, path) = (self.rule(&field), join(path, field.name()));
            let spot = &mut Spot { path: &path, rule, problems };
            if !message.has_field(&field) {
                if rule.required && (whole || !rule.by_node) {
                    let help = if rule.help.is_empty() { "fill it in" } else { &rule.help };
                    spot.say("it is required and missing", format!("fill in: {help}"));
                }
                continue;
            }
            let value = message.get_field(&field);
            if let Value::List(items) = &*value {
                self.check_list(&field, items, whole, spot);
            } else {
                self.check_value(&field, &value, whole, spot);
            }
        }
    }

    fn check_list(
        &self,
        field: &FieldDescriptor,
        items: &[Value],
        whole: bool,
        spot: &mut Spot<'_>,
    ) {
        let max = spot.rule.max_items as usize;
        if items.len() > max {
            spot.say(format!("{} items, at most {max}", items.len()), "leave some out");
        }
        if is_texts(field) {
            check_texts(items, spot);
        }
        for (i, item) in items.iter().enumerate().take(max) {
            let path = format!("{}[{i}]", spot.path);
            let inner = &mut Spot { path: &path, rule: spot.rule, problems: spot.problems };
            self.check_value(field, item, whole, inner);
        }
    }

    fn check_value(
        &self,
        field: &FieldDescriptor,
        value: &Value,
        whole: bool,
        spot: &mut Spot<'_>,
    ) {
        match value {
            Value::Message(message) => {
                self.check(message, spot.path, whole, spot.problems);
                check_order(message, spot);
            }
            Value::String(text) => {
                check_length(text, spot);
                check_text(text, spot);
                check_format(text, spot);
            }
            Value::Bytes(bytes) => check_bytes(bytes, spot),
            Value::U32(number) if spot.rule.max_value > 0 && *number > spot.rule.max_value => {
                let max = spot.rule.max_value;
                spot.say(format!("{number} is more than {max}"), "write a smaller number");
            }
            Value::EnumNumber(0) if field.is_list() => {
                spot.say("an item says nothing", "name a value, or leave the item out");
            }
            _ => {}
        }
    }
}

/// A window ends after it begins.
fn check_order(message: &DynamicMessage, spot: &mut Spot<'_>) {
    if message.descriptor().full_name() != "cbm.v1.Window" {
        return;
    }
    let at = |name| message.get_field_by_name(name).and_then(|value| value.as_u64()).unwrap_or(0);
    if at("until") < at("from") {
        spot.say("it ends before it begins", "put `from` first and `until` second");
    }
}

/// Exactly one original; one text per language and kind; each within the field's bound.
fn check_texts(items: &[Value], spot: &mut Spot<'_>) {
    let get = |item: &Value, name| {
        item.as_message().and_then(|text| text.get_field_by_name(name).map(|v| v.into_owned()))
    };
    let kind = |item| get(item, "kind").and_then(|value| value.as_enum_number());
    let originals =
        items.iter().filter(|item| kind(item) == Some(text::kind::Code::Original as i32)).count();
    if originals != 1 {
        let cause = format!("{originals} texts are marked ORIGINAL, one must be");
        spot.say(cause, "mark the text that was written first, and translations by their kind");
    }
    let mut seen = std::collections::BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        let language = get(item, "bcp47").and_then(|v| v.as_str().map(str::to_owned));
        if !seen.insert((language, kind(item))) {
            spot.say("two texts of one language and kind", "keep one of them");
        }
        let text = get(item, "text").and_then(|v| v.as_str().map(str::to_owned));
        let path = format!("{}[{i}].text", spot.path);
        check_length(
            &text.unwrap_or_default(),
            &mut Spot { path: &path, rule: spot.rule, problems: spot.problems },
        );
    }
}

fn check_length(text: &str, spot: &mut Spot<'_>) {
    let (max, len) = (spot.rule.max_len as usize, text.chars().count());
    if max > 0 && len > max {
        spot.say(format!("{len} characters, at most {max}"), "shorten it");
    }
}

/// No control characters but line breaks and tabs: they would reach terminals as commands.
fn check_text(text: &str, spot: &mut Spot<'_>) {
    if let Some(bad) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        let cause = format!("it holds the control character U+{:04X}", u32::from(bad));
        spot.say(cause, "remove it");
    }
    if !text.is_empty() && text.trim().is_empty() {
        spot.say("it is blank", "write something, or leave it out");
    }
}

fn check_bytes(bytes: &[u8], spot: &mut Spot<'_>) {
    let (good, wanted) = match spot.rule.format() {
        Format::LetterId => (bytes.len() == 16, "32 hex digits, as `send` printed them"),
        Format::Digest => (bytes.len() == 32, "64 hex digits of a SHA-256"),
        _ => (bytes.len() <= spot.rule.max_len as usize, "fewer bytes"),
    };
    if !good {
        spot.say(format!("{} bytes do not fit here", bytes.len()), format!("write {wanted}"));
    }
}

fn check_format(text: &str, spot: &mut Spot<'_>) {
    let (good, wanted) = match spot.rule.format() {
        Format::Party => (PartyCode::new(text).is_ok(), "2 to 16 of A-Z and 0-9, as EST"),
        Format::Language => (is_language(text), "a language tag, as en or zh-Hant"),
        Format::Uuid => (is_uuid(text), "a UUID in lower case with hyphens"),
        Format::Attachment | Format::FileName => {
            (is_file_name(text), "a file name without a path, not beginning with a dot")
        }
        Format::MediaType => (is_media_type(text), "type/subtype, as application/json"),
        _ => (true, ""),
    };
    if !good {
        spot.say("it does not have the form it needs", format!("write {wanted}"));
    }
}

/// Letters and digits in pieces of 1 to 8, the first of 2 or 3 letters (the common part of BCP 47).
fn is_language(tag: &str) -> bool {
    let mut pieces = tag.split('-');
    pieces
        .next()
        .is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()))
        && pieces
            .all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// A name that can be written into a folder and nowhere else, on any system.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name == name.trim()
        && !name.chars().any(|c| c.is_control() || "/\\:*?\"<>|".contains(c))
}

pub(crate) fn is_media_type(text: &str) -> bool {
    let token = |piece: &str| {
        !piece.is_empty()
            && piece.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}
