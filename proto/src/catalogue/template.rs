//! What people see of a type: a filled example that passes every check, and a table of its fields.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value as Json, json};

use super::{Catalogue, FieldInfo, TypeInfo, is_texts, join};
use crate::wire::{FieldRule, field_rule::Format};

impl Catalogue {
    /// A filled example of a type, as `send --file` takes it: subject, marking and body. Recipients
    /// and the names of those who release it are the sender's to say.
    #[must_use]
    pub fn template(&self, info: &TypeInfo) -> Json {
        let mut example = Map::new();
        example.insert("subject".into(), texts(&format!("{} (example)", info.title)));
        for field in self.header.fields().filter(|field| !is_texts(field)) {
            if let Some(word) = self.rule(&field).example.first() {
                example.insert(field.name().to_owned(), Json::from(word.as_str()));
            }
        }
        example.insert("body".into(), self.example(&info.body).unwrap_or_else(|| json!({})));
        Json::Object(example)
    }

    /// The fields of a type's body, nested ones by their path.
    #[must_use]
    pub fn describe(&self, info: &TypeInfo) -> Vec<FieldInfo> {
        let mut rows = Vec::new();
        self.rows(&info.body, "", "", &mut rows);
        rows
    }

    /// The fields of the common header that people fill in.
    #[must_use]
    pub fn describe_header(&self) -> Vec<FieldInfo> {
        let mut rows = Vec::new();
        self.rows(&self.header, "", "", &mut rows);
        rows
    }

    /// An object of all fields that have an example; `None` if there is none.
    fn example(&self, kind: &MessageDescriptor) -> Option<Json> {
        let mut members = Map::new();
        for field in kind.fields() {
            if let Some(value) = self.example_of(&field) {
                members.insert(field.name().to_owned(), value);
            }
        }
        (!members.is_empty()).then_some(Json::Object(members))
    }

    fn example_of(&self, field: &FieldDescriptor) -> Option<Json> {
        let rule = self.rule(field);
        if is_texts(field) {
            return rule.example.first().map(|text| texts(text));
        }
        if let Kind::Message(kind) = field.kind() {
            // An optional object without an example of all it requires would not pass.
            let complete = kind.fields().all(|inner| {
                let rule = self.rule(&inner);
                !rule.required || !rule.example.is_empty() || self.example_of(&inner).is_some()
            });
            let example = if complete { self.example(&kind)? } else { return None };
            let wanted = rule.required || kind.full_name() != "cbm.v1.Window";
            return wanted.then(|| if field.is_list() { json!([example]) } else { example });
        }
        let mut values = rule.example.iter().map(|text| scalar(field, text));
        if field.is_list() {
            let values: Vec<Json> = values.collect();
            return (!values.is_empty()).then(|| Json::from(values));
        }
        values.next()
    }

    fn rows(&self, kind: &MessageDescriptor, path: &str, group: &str, rows: &mut Vec<FieldInfo>) {
        for field in kind.fields().filter(|field| !self.rule(field).by_node) {
            let (rule, path) = (self.rule(&field), join(path, field.name()));
            let group = if group.is_empty() { rule.group.as_str() } else { group };
            rows.push(FieldInfo {
                form: form(&field, rule),
                required: rule.required,
                bounds: bounds(rule),
                group: group.to_owned(),
                help: rule.help.clone(),
                path: path.clone(),
            });
            if let Kind::Message(inner) = field.kind()
                && !is_texts(&field)
            {
                self.rows(&inner, &path, group, rows);
            }
        }
    }
}

fn texts(text: &str) -> Json {
    json!([{ "bcp47": "en", "text": text, "kind": "ORIGINAL", "authoritative": true }])
}

fn scalar(field: &FieldDescriptor, text: &str) -> Json {
    match field.kind() {
        Kind::Bool => Json::from(text == "true"),
        Kind::Uint32 | Kind::Sint32 => text.parse::<i64>().map_or(Json::Null, Json::from),
        _ => Json::from(text),
    }
}

fn form(field: &FieldDescriptor, rule: &FieldRule) -> String {
    if is_texts(field) {
        return "texts".into();
    }
    let one = match (field.kind(), rule.format()) {
        (Kind::Enum(kind), _) => {
            let words: Vec<String> =
                kind.values().skip(1).map(|value| value.name().to_owned()).collect();
            let how = if field.is_list() { "some" } else { "one" };
            return format!("{how} of {}", words.join(", "));
        }
        (Kind::Message(_), _) => "object".into(),
        (Kind::Bool, _) => "true or false".into(),
        (Kind::Uint32 | Kind::Sint32 | Kind::Uint64, Format::Plain) => "number".into(),
        (_, Format::Plain) => "text".into(),
        (_, format) => format.as_str_name().to_lowercase().replace('_', " "),
    };
    if field.is_list() { format!("list of {one}") } else { one }
}

fn bounds(rule: &FieldRule) -> String {
    let mut words = Vec::new();
    if rule.max_items > 0 {
        words.push(format!("≤ {} items", rule.max_items));
    }
    if rule.max_len > 0 {
        let unit = if rule.format() == Format::Hex { "bytes" } else { "characters" };
        words.push(format!("≤ {} {unit}", rule.max_len));
    }
    if rule.max_value > 0 {
        words.push(format!("≤ {}", rule.max_value));
    }
    words.join(", ")
}
