//! A message becomes JSON: proto3's mapping with `snake_case` names, default values left out.
//!
//! Times are RFC 3339 in UTC and bytes are hex, by option. A value of an enumeration that this
//! version does not know is written as its number.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};
use serde_json::{Map, Value as Json};

use super::Catalogue;
use crate::{id::hex, time::Timestamp, wire::field_rule::Format};

impl Catalogue {
    pub(super) fn write(&self, message: &DynamicMessage) -> Json {
        let mut members = Map::new();
        for (field, value) in message.fields() {
            let json = match value {
                Value::List(items) => {
                    items.iter().map(|item| self.write_value(&field, item)).collect()
                }
                value => self.write_value(&field, value),
            };
            members.insert(field.name().to_owned(), json);
        }
        Json::Object(members)
    }

    fn write_value(&self, field: &FieldDescriptor, value: &Value) -> Json {
        match value {
            Value::Message(message) => self.write(message),
            Value::EnumNumber(number) => write_enum(field, *number),
            Value::U64(at) if self.rule(field).format() == Format::Time => {
                Json::String(Timestamp(*at).to_string())
            }
            Value::U64(number) => Json::String(number.to_string()),
            Value::U32(number) => Json::from(*number),
            Value::I32(number) => Json::from(*number),
            Value::Bool(value) => Json::from(*value),
            Value::String(text) => Json::from(text.as_str()),
            Value::Bytes(bytes) => Json::String(hex(bytes)),
            // The schema uses no other kind; a test holds it to that.
            _ => Json::Null,
        }
    }
}

fn write_enum(field: &FieldDescriptor, number: i32) -> Json {
    match field.kind() {
        Kind::Enum(kind) => kind
            .get_value(number)
            .map_or_else(|| Json::from(number), |value| Json::from(value.name())),
        _ => Json::from(number),
    }
}

/// Whether a message holds fields or values that this version does not know, at any depth.
pub(super) fn newer(message: &DynamicMessage) -> bool {
    message.unknown_fields().next().is_some()
        || message.fields().any(|(field, value)| match value {
            Value::List(items) => items.iter().any(|item| newer_value(&field, item)),
            value => newer_value(&field, value),
        })
}

fn newer_value(field: &FieldDescriptor, value: &Value) -> bool {
    match (value, field.kind()) {
        (Value::Message(message), _) => newer(message),
        (Value::EnumNumber(number), Kind::Enum(kind)) => kind.get_value(*number).is_none(),
        _ => false,
    }
}
