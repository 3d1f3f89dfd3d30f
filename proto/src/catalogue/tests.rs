//! Tests of the catalogue.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use prost_reflect::prost::Message as _;
use serde_json::json;

use super::*;
use crate::wire::field_rule::Format;

fn template_body(name: &str) -> (&'static TypeInfo, Json) {
    let info = catalogue().find(name).unwrap();
    (info, catalogue().template(info)["body"].clone())
}

fn problems(name: &str, change: impl FnOnce(&mut Json)) -> String {
    let (info, mut body) = template_body(name);
    change(&mut body);
    let found = catalogue().read_body(info, &body).expect_err("it should be refused");
    found.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_schema_is_whole_and_every_field_is_described() {
    let names: Vec<&str> = catalogue().types().iter().map(|info| info.name.as_str()).collect();
    let line = ["contact-entry", "comms-check", "ack", "service-notice"];
    let states = ["incident-alert", "red-flag", "request", "response"];
    let more = ["operator-note", "resend", "comms-check-result"];
    assert_eq!(names, [&line[..], &states, &more].concat());
    for info in catalogue().types() {
        for row in catalogue().describe(info) {
            assert!(!row.help.is_empty(), "{} {} has no help", info.name, row.path);
            assert!(!row.group.is_empty(), "{} {} has no group", info.name, row.path);
        }
    }
}

#[test]
fn every_field_has_a_form_that_json_knows_and_a_bound() {
    let mut queue: Vec<MessageDescriptor> =
        catalogue().types.iter().map(|info| info.body.clone()).collect();
    queue.push(catalogue().header.clone());
    while let Some(message) = queue.pop() {
        for field in message.fields() {
            let (rule, name) = (catalogue().rule(&field), field.full_name().to_owned());
            assert!(!field.is_map() && field.containing_oneof().is_none(), "{name}");
            assert!(!field.is_list() || rule.max_items > 0, "{name} is an unbounded list");
            let is_bounded = rule.max_len > 0 || rule.format() != Format::Plain;
            match field.kind() {
                Kind::Message(inner) => {
                    assert!(!is_texts(&field) || rule.max_len > 0, "{name} has unbounded texts");
                    queue.push(inner);
                }
                // Bounded by the field of texts that it stands in.
                Kind::String if name == "cbm.v1.Text.text" => {}
                Kind::String | Kind::Bytes => assert!(is_bounded, "{name} is unbounded"),
                Kind::Enum(_) | Kind::Bool | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 => {}
                other => panic!("{name} has kind {other:?}, which JSON does not know"),
            }
        }
    }
}

#[test]
fn every_template_becomes_bytes_and_comes_back_equal() {
    for info in catalogue().types() {
        let body = catalogue().template(info)["body"].clone();
        let bytes = catalogue().read_body(info, &body).unwrap_or_else(|found| {
            panic!("{}: {}", info.name, found.iter().map(Problem::to_string).collect::<String>())
        });
        assert_eq!(catalogue().check_body(info, &bytes), Ok(()));
        let shown = catalogue().show_body(info, &bytes).unwrap();
        assert!(!shown.newer);
        let again = catalogue().read_body(info, &shown.json).unwrap();
        assert_eq!(again, bytes, "{}", info.name);
    }
}

#[test]
fn every_required_field_is_missed() {
    for info in catalogue().types() {
        for row in catalogue().describe(info).iter().filter(|row| row.required) {
            let Some(name) = (!row.path.contains('.')).then_some(row.path.as_str()) else {
                continue;
            };
            let found = problems(&info.name, |body| {
                body.as_object_mut().unwrap().remove(name).expect("the template has it");
            });
            let wanted = format!("body.{name}: it is required and missing");
            assert!(found.contains(&wanted), "{found}");
        }
    }
}

#[test]
fn a_groups_joined_bytes_are_the_whole_body() {
    for info in catalogue().types() {
        let body = catalogue().template(info)["body"].clone();
        let bytes = catalogue().read_body(info, &body).unwrap();
        let parts = catalogue().groups(info, &bytes).unwrap();
        let joined = DynamicMessage::decode(info.body.clone(), parts.concat().as_slice()).unwrap();
        assert_eq!(joined.encode_to_vec(), bytes);
        assert!(parts.iter().all(|part| !part.is_empty()));
    }
}

#[test]
fn each_item_of_a_split_field_is_a_part_of_its_own() {
    let (info, mut body) = template_body("ack");
    let mut second = body["entries"][0].clone();
    second["level"] = json!("L4");
    body["entries"].as_array_mut().unwrap().push(second);
    let bytes = catalogue().read_body(info, &body).unwrap();
    let parts = catalogue().groups(info, &bytes).unwrap();
    assert_eq!(parts.len(), 2);
    let one = catalogue().show_body(info, &parts[1]).unwrap().json;
    assert_eq!(one["entries"][0]["level"], "L4");
}

#[test]
fn what_is_not_known_is_named_with_what_was_meant() {
    let found = problems("red-flag", |body| body["what_we_saw"] = json!([]));
    assert_eq!(found, "body.what_we_saw: there is no such field: did you mean `what_we_see`?");
    let found = problems("red-flag", |body| body["level"] = json!("IMINENT"));
    assert!(found.contains("body.level: `IMINENT` is not one of its values"), "{found}");
    assert!(found.contains("did you mean `IMMINENT`?"), "{found}");
    let found = catalogue().find("incident").unwrap_err().to_string();
    assert!(found.contains("`incident` is not a message type: known are"), "{found}");
}

#[test]
fn wrong_kinds_are_refused_at_their_place() {
    for (change, wanted) in [
        (json!({"window": {"from": "yesterday"}}), "body.window.from: \"yesterday\" cannot stand"),
        (json!({"window": 7}), "body.window: 7 cannot stand here: write an object"),
        (
            json!({"what_we_see": "text"}),
            "body.what_we_see: \"text\" cannot stand here: write a list",
        ),
        (json!({"level": 2}), "body.level: 2 cannot stand here: write a word in quotes"),
        (json!({"catalogue_version": -1}), "body.catalogue_version: -1 cannot stand here"),
    ] {
        let found = problems("red-flag", |body| {
            let change = change.as_object().unwrap();
            body.as_object_mut().unwrap().extend(change.clone());
        });
        assert!(found.contains(wanted), "{found}");
    }
}

#[test]
fn bounds_hold() {
    let long = "x".repeat(2_001);
    let found = problems("red-flag", |body| body["what_we_see"][0]["text"] = json!(long));
    assert!(found.contains("body.what_we_see[0].text: 2001 characters, at most 2000"), "{found}");
    let found = problems("red-flag", |body| body["prob_high"] = json!(101));
    assert!(found.contains("body.prob_high: 101 is more than 100"), "{found}");
    let found = problems("incident-alert", |body| body["asks"] = json!(vec!["INFO"; 6]));
    assert!(found.contains("body.asks: 6 items, at most 5"), "{found}");
    let found = problems("incident-alert", |body| body["affected_states"] = json!(["Est"]));
    assert!(found.contains("body.affected_states[0]: it does not have the form"), "{found}");
    let found = problems("request", |body| body["about"] = json!(["00ff"]));
    assert!(found.contains("body.about[0]: 2 bytes do not fit here"), "{found}");
    let found = problems("operator-note", |body| body["text"][0]["text"] = json!("\u{1b}[2J"));
    assert!(found.contains("control character U+001B"), "{found}");
    let found = problems("operator-note", |body| body["not_state_position"] = json!(false));
    assert!(found.contains("body.not_state_position: it is required"), "{found}");
}

#[test]
fn texts_have_one_original_and_windows_an_end_after_their_begin() {
    let text = |kind: &str| json!({"bcp47": "fr", "text": "Bonjour.", "kind": kind});
    let found = problems("operator-note", |body| body["text"] = json!([text("COURTESY_TR")]));
    assert!(found.contains("body.text: 0 texts are marked ORIGINAL"), "{found}");
    let two = json!([text("ORIGINAL"), text("ORIGINAL")]);
    let found = problems("operator-note", |body| body["text"] = two);
    assert!(found.contains("2 texts are marked ORIGINAL"), "{found}");
    assert!(found.contains("two texts of one language and kind"), "{found}");
    let found = problems("red-flag", |body| {
        body["window"] = json!({"from": "2027-03-02T00:00:00Z", "until": "2027-03-01T00:00:00Z"});
    });
    assert!(found.contains("body.window: it ends before it begins"), "{found}");
}

#[test]
fn from_the_future_is_shown_as_far_as_it_is_known() {
    let (info, body) = template_body("red-flag");
    let bytes = catalogue().read_body(info, &body).unwrap();
    // Field 99 as a varint, and flag_code (field 1) 77, which this version does not know.
    let future = [&bytes[..], &[0x98, 0x06, 0x01, 0x08, 77]].concat();
    let shown = catalogue().show_body(info, &future).unwrap();
    assert!(shown.newer);
    assert_eq!(shown.json["flag_code"], json!(77));
    assert_eq!(shown.json["level"], "CONCERN");
    let found = catalogue().check_body(info, &future).unwrap_err();
    assert!(found[0].to_string().contains("does not have"), "{found:?}");
}

#[test]
fn a_header_refuses_what_the_node_fills_in() {
    let found = catalogue().read_header(&json!({"id": "00", "release": {"asserted": true}}));
    let found: Vec<String> = found.unwrap_err().iter().map(Problem::to_string).collect();
    assert_eq!(found[0], "id: the node fills this in: leave it out");
    assert_eq!(found[1], "release.asserted: the node fills this in: leave it out");
}
