//! A body in its parts: one per group of fields, one per item of a field that is split.
//!
//! Each part is a valid encoding of some fields of the body; all of them joined, in order, are the
//! whole body. So a part can be disclosed and read by itself, and the reader needs no framing.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Value, prost::Message as _};

use super::{Catalogue, NotThis, Problem, TypeInfo, is_texts, join};
use crate::wire::{field_rule::Format, text};

impl Catalogue {
    /// The parts of a body, in the order in which their groups first appear in the schema.
    ///
    /// # Errors
    /// The bytes are not a body of this type.
    pub fn groups(&self, info: &TypeInfo, body: &[u8]) -> Result<Vec<Bytes>, NotThis> {
        let body = DynamicMessage::decode(info.body.clone(), body)
            .map_err(|_| NotThis("body of its type"))?;
        let mut parts: Vec<(String, DynamicMessage)> = Vec::new();
        for field in info.body.fields().filter(|field| body.has_field(field)) {
            let (rule, value) = (self.rule(&field), body.get_field(&field));
            match &*value {
                Value::List(items) if rule.split => {
                    parts.extend(items.iter().map(|item| (String::new(), alone(&field, item))));
                }
                value => {
                    let at = parts.iter().position(|(group, _)| *group == rule.group);
                    let at = at.unwrap_or_else(|| {
                        let empty = DynamicMessage::new(info.body.clone());
                        parts.push((rule.group.clone(), empty));
                        parts.len() - 1
                    });
                    parts[at].1.set_field(&field, value.clone());
                }
            }
        }
        Ok(parts.iter().map(|(_, part)| part.encode_to_vec().into()).collect())
    }

    /// The original texts of a body, for the lint and the count of words.
    pub(crate) fn originals(&self, info: &TypeInfo, body: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        if let Ok(body) = DynamicMessage::decode(info.body.clone(), body) {
            originals(&body, &mut found);
        }
        found
    }

    /// Fields of a body that name attached files: where they stand, and what they name.
    pub(crate) fn named_attachments(&self, info: &TypeInfo, body: &[u8]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        if let Ok(body) = DynamicMessage::decode(info.body.clone(), body) {
            self.walk(&body, "body", &mut |path, field, value| {
                if self.rule(field).format() == Format::Attachment
                    && let Some(name) = value.as_str()
                {
                    found.push((path.to_owned(), name.to_owned()));
                }
            });
        }
        found
    }

    /// The problems that remain when only `names` are attached.
    pub(crate) fn missing_attachments(
        &self,
        info: &TypeInfo,
        body: &[u8],
        names: &[&str],
    ) -> Vec<Problem> {
        let named = self.named_attachments(info, body);
        let missing = named.into_iter().filter(|(_, name)| !names.contains(&name.as_str()));
        missing
            .map(|(path, name)| Problem {
                path,
                cause: format!("no file `{name}` is attached"),
                remedy: "attach it with --attach, or take the field out".into(),
            })
            .collect()
    }

    fn walk(
        &self,
        message: &DynamicMessage,
        path: &str,
        visit: &mut dyn FnMut(&str, &FieldDescriptor, &Value),
    ) {
        for (field, value) in message.fields() {
            let path = join(path, field.name());
            let single = std::slice::from_ref(value);
            for (i, item) in value.as_list().unwrap_or(single).iter().enumerate() {
                let path = if field.is_list() { format!("{path}[{i}]") } else { path.clone() };
                match item {
                    Value::Message(inner) => self.walk(inner, &path, visit),
                    item => visit(&path, &field, item),
                }
            }
        }
    }
}

fn alone(field: &FieldDescriptor, item: &Value) -> DynamicMessage {
    let mut part = DynamicMessage::new(field.parent_message().clone());
    part.set_field(field, Value::List(vec![item.clone()]));
    part
}

fn originals(message: &DynamicMessage, found: &mut Vec<String>) {
    for (field, value) in message.fields() {
        let single = std::slice::from_ref(value);
        for inner in value.as_list().unwrap_or(single).iter().filter_map(Value::as_message) {
            if is_texts(&field) {
                let get = |name| inner.get_field_by_name(name).map(|value| value.into_owned());
                let original = Some(text::kind::Code::Original as i32);
                if get("kind").and_then(|kind| kind.as_enum_number()) == original {
                    found.extend(get("text").and_then(|t| t.as_str().map(str::to_owned)));
                }
            } else {
                originals(inner, found);
            }
        }
    }
}
