//! A person's JSON becomes a message: proto3's mapping with `snake_case` names, strict.
//!
//! Two formats differ from the plain mapping, by option and everywhere alike: times are RFC 3339 in
//! UTC, ids and digests are hex. Anything unknown is a problem with its place; all problems of a
//! document are found in one pass.

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use serde_json::Value as Json;

use super::{Catalogue, Problem, join, near::suggest};
use crate::{id::unhex, time::Timestamp, wire::field_rule::Format};

impl Catalogue {
    pub(super) fn read(
        &self,
        kind: &MessageDescriptor,
        json: &Json,
        path: &str,
        problems: &mut Vec<Problem>,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(kind.clone());
        let Json::Object(members) = json else {
            problems.push(wrong(path, "an object", json));
            return message;
        };
        for (name, json) in members {
            let path = join(path, name);
            let Some(field) = kind.get_field_by_name(name) else {
                let known: Vec<String> = kind
                    .fields()
                    .filter(|field| !self.rule(field).by_node)
                    .map(|field| field.name().to_owned())
                    .collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                problems.push(problem(&path, "there is no such field", suggest(name, &known)));
                continue;
            };
            if self.rule(&field).by_node {
                let remedy = "leave it out".into();
                problems.push(problem(&path, "the node fills this in", remedy));
            } else if !json.is_null()
                && let Some(value) = self.read_field(&field, json, &path, problems)
            {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn read_field(
        &self,
        field: &FieldDescriptor,
        json: &Json,
        path: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Value> {
        if !field.is_list() {
            return self.read_value(field, json, path, problems);
        }
        let Json::Array(items) = json else {
            problems.push(wrong(path, "a list", json));
            return None;
        };
        let read = items.iter().enumerate().filter_map(|(i, item)| {
            self.read_value(field, item, &format!("{path}[{i}]"), problems)
        });
        Some(Value::List(read.collect()))
    }

    fn read_value(
        &self,
        field: &FieldDescriptor,
        json: &Json,
        path: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Value> {
        let format = self.rule(field).format();
        let (value, wanted) = match field.kind() {
            Kind::Message(kind) => {
                return Some(Value::Message(self.read(&kind, json, path, problems)));
            }
            Kind::Enum(kind) => return read_enum(&kind, json, path, problems),
            Kind::String => (json.as_str().map(|s| Value::String(s.into())), "a text in quotes"),
            Kind::Bool => (json.as_bool().map(Value::Bool), "true or false"),
            Kind::Uint64 if format == Format::Time => {
                (read_time(json), "a time in UTC, as 2027-03-01T06:00:00Z")
            }
            Kind::Uint64 => (read_number(json).map(Value::U64), "a whole number"),
            Kind::Uint32 => {
                let number = read_number(json).and_then(|n| u32::try_from(n).ok());
                (number.map(Value::U32), "a whole number")
            }
            Kind::Sint32 => {
                let number = json.as_i64().and_then(|n| i32::try_from(n).ok());
                (number.map(Value::I32), "a whole number")
            }
            Kind::Bytes => (
                json.as_str().and_then(unhex).map(|bytes| Value::Bytes(bytes.into())),
                "hex digits in quotes",
            ),
            // The schema uses no other kind; a test holds it to that.
            _ => (None, "left out"),
        };
        if value.is_none() {
            problems.push(wrong(path, wanted, json));
        }
        value
    }
}

fn read_time(json: &Json) -> Option<Value> {
    json.as_str().and_then(Timestamp::parse).map(|at| Value::U64(at.0))
}

/// A number, or a number in quotes, as proto3's mapping writes 64 bits.
fn read_number(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| json.as_str().and_then(|text| text.parse().ok()))
}

fn read_enum(
    kind: &EnumDescriptor,
    json: &Json,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let Some(word) = json.as_str() else {
        problems.push(wrong(path, "a word in quotes", json));
        return None;
    };
    let found = kind.get_value_by_name(word).filter(|value| value.number() != 0);
    if found.is_none() {
        let known: Vec<String> =
            kind.values().skip(1).map(|value| value.name().to_owned()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let cause = format!("`{}` is not one of its values", clip(word));
        problems.push(problem(path, &cause, suggest(word, &known)));
    }
    found.map(|value| Value::EnumNumber(value.number()))
}

fn wrong(path: &str, wanted: &str, json: &Json) -> Problem {
    let found = match json {
        Json::Null => "null".into(),
        Json::Bool(value) => value.to_string(),
        Json::Number(value) => value.to_string(),
        Json::String(value) => format!("\"{}\"", clip(value)),
        Json::Array(_) => "a list".into(),
        Json::Object(_) => "an object".into(),
    };
    problem(path, &format!("{found} cannot stand here"), format!("write {wanted}"))
}

fn problem(path: &str, cause: &str, remedy: String) -> Problem {
    Problem { path: path.into(), cause: cause.into(), remedy }
}

/// The head of a text, for messages.
fn clip(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(39).chain(['…']).collect()
}
