//! Area `letter`: what is opened becomes a letter, and what people write a draft
//! (`docs/spec/letter.md`).
//!
//! `test: parts` reads `part_0`, `part_1`, … (one byte of kind, then the bytes), and compares with
//! `json` where it is given. `test: draft` reads `json` as the body of a file of type `type`, sent
//! to party BBB by the persons `drafted_by` and `released_by`. JSON stands in hex of its UTF-8.

use bytes::Bytes;
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Attachment, Draft, DraftError, SendOptions};
use cbm_proto::id::{MsgId, PartyCode, StationName};
use cbm_proto::letter::{Letter, LetterError, Origin, PART_ATTACHMENT, PART_BODY, PART_HEADER};
use cbm_proto::part::Part;
use cbm_proto::primitives::Entropy;
use cbm_proto::time::Timestamp;
use cbm_proto::wire;
use serde_json::{Value as Json, json};

use crate::file::Vector;

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    match vector.word("test").ok_or("no field `test`")? {
        "parts" => read(vector).map(|(outcome, _)| outcome),
        "draft" => draft(vector),
        other => Err(format!("no test `{other}`")),
    }
}

/// The outcome of reading a vector's parts, and the letter if there is one.
pub(crate) fn read(vector: &Vector) -> Result<(String, Option<Letter>), String> {
    let mut parts = Vec::new();
    while vector.word(&format!("part_{}", parts.len())).is_some() {
        let bytes = vector.bytes(&format!("part_{}", parts.len()))?;
        let (kind, bytes) = bytes.split_first().ok_or("a part without its kind")?;
        parts.push(part(*kind, bytes.to_vec()));
    }
    let letter = match Letter::from_parts(&parts) {
        Ok(letter) => letter,
        Err(error) => return Ok((refusal(error).to_owned(), None)),
    };
    if vector.word("json").is_some() && letter.to_json() != json_of(vector)? {
        return Ok(("other_json".to_owned(), Some(letter)));
    }
    let names: Vec<&str> = letter.attachments.iter().map(|file| file.name.as_str()).collect();
    if vector.word("names").is_some_and(|wanted| wanted != names.join(",")) {
        return Ok(("other_names".to_owned(), Some(letter)));
    }
    let word = match (letter.newer, letter.complete) {
        (true, _) => "newer",
        (false, false) => "incomplete",
        (false, true) => "ok",
    };
    Ok((word.to_owned(), Some(letter)))
}

fn refusal(error: LetterError) -> &'static str {
    match error {
        LetterError::TooManyParts => "too_many_parts",
        LetterError::Headers => "headers",
        LetterError::Header => "header",
        LetterError::Body => "body",
        LetterError::Oversize => "oversize",
        LetterError::Attachments => "attachments",
    }
}

fn draft(vector: &Vector) -> Result<String, String> {
    let word = |name: &str| vector.word(name).map(str::to_owned);
    let options = SendOptions {
        to: vec![PartyCode::new("BBB").map_err(|error| error.to_string())?],
        drafted_by: word("drafted_by"),
        released_by: word("released_by"),
        ..SendOptions::default()
    };
    let text = String::from_utf8(vector.bytes("json")?).map_err(|error| error.to_string())?;
    let kind = vector.word("type").ok_or("no field `type`")?;
    let checked = Draft::from_json(kind, &text, options).and_then(|draft| draft.check());
    Ok(match checked {
        Ok(()) => "ok",
        Err(DraftError::Type(_)) => "type",
        Err(DraftError::Json(_)) => "json",
        Err(DraftError::Fields(_)) => "fields",
        Err(DraftError::TwoPersons { .. }) => "two_persons",
        Err(DraftError::MadeByNode(_)) => "made_by_node",
        Err(DraftError::Stored) => "stored",
    }
    .to_owned())
}

fn json_of(vector: &Vector) -> Result<Json, String> {
    serde_json::from_slice(&vector.bytes("json")?).map_err(|error| error.to_string())
}

pub(crate) fn part(kind: u8, bytes: impl Into<Bytes>) -> Part {
    Part { salt: [0; 16], kind, bytes: bytes.into() }
}

pub(crate) fn vector(expect: &str, note: &str, parts: &[Part]) -> Vector {
    let mut vector = Vector::new(expect, note).with_word("test", "parts");
    for (i, part) in parts.iter().enumerate() {
        vector = vector.with(&format!("part_{i}"), [&[part.kind][..], &part.bytes].concat());
    }
    vector
}

pub(crate) fn origin() -> Origin {
    Origin {
        id: MsgId(*b"vector of letter"),
        station: StationName::parse("AAA/mfa").unwrap(),
        at: Timestamp::parse("2027-03-01T06:00:00Z").unwrap(),
    }
}

/// Members in order of their names, whatever order the JSON library keeps.
fn sorted(json: Json) -> Json {
    match json {
        Json::Object(members) => {
            let mut members: Vec<(String, Json)> = members.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            members.into_iter().map(|(name, json)| (name, sorted(json))).collect()
        }
        Json::Array(items) => items.into_iter().map(sorted).collect(),
        json => json,
    }
}

fn template(kind: &str) -> Json {
    sorted(catalogue().template(catalogue().by_name(kind).unwrap()))
}

fn letter(kind: &str, names: &[&str]) -> Letter {
    let file = |name: &&str| Attachment::new(name, Bytes::copy_from_slice(name.as_bytes()));
    let options = SendOptions {
        to: vec![PartyCode::new("BBB").unwrap()],
        attachments: names.iter().map(file).collect(),
        ..SendOptions::default()
    };
    let draft = Draft::from_json(kind, &template(kind).to_string(), options).unwrap();
    Letter::compose(draft, &origin())
}

fn parts(kind: &str, names: &[&str]) -> Vec<Part> {
    letter(kind, names).parts(&mut Entropy::new(&[5; 32]))
}

/// A red flag whose header was changed.
fn with_header(change: impl FnOnce(&mut wire::LetterHeader)) -> Vec<Part> {
    let mut header = letter("red-flag", &[]).header.0;
    change(&mut header);
    let mut parts = parts("red-flag", &[]);
    parts[0] = part(PART_HEADER, wire::encode(&header));
    parts
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    [good(), future(), broken(), files(), own()].concat()
}

fn good() -> Vec<(&'static str, Vector)> {
    let ok = |kind: &str, names: &[&str]| {
        let json = sorted(letter(kind, names).to_json()).to_string();
        vector("ok", "as written from its template", &parts(kind, names)).with("json", json)
    };
    vec![
        ("letter_ok_contact_entry", ok("contact-entry", &[])),
        ("letter_ok_incident_alert", ok("incident-alert", &["a.stix2.json", "b.txt"])),
        ("letter_ok_red_flag", ok("red-flag", &[])),
        ("letter_ok_request", ok("request", &[])),
        ("letter_ok_response", ok("response", &[])),
        ("letter_ok_operator_note", ok("operator-note", &[])),
        ("letter_ok_comms_check", ok("comms-check", &[])),
        ("letter_ok_comms_check_result", ok("comms-check-result", &[])),
        ("letter_ok_service_notice", ok("service-notice", &[])),
    ]
}

fn future() -> Vec<(&'static str, Vector)> {
    let newer = |note: &str, parts: &[Part]| vector("newer", note, parts);
    let added = |kind: u8, bytes: &[u8]| {
        [parts("red-flag", &[]), vec![part(kind, bytes.to_vec())]].concat()
    };
    let field_99 = [0x98, 0x06, 0x01];
    let header = letter("red-flag", &[]).header.0;
    let longer = [wire::encode(&header), field_99.to_vec()].concat();
    let mut unread = with_header(|header| header.type_version = 2);
    unread.truncate(1);
    unread.push(part(PART_BODY, vec![0xff; 4]));
    vec![
        ("letter_future_part", newer("a kind of part not known here", &added(77, b"?"))),
        ("letter_future_field", newer("field 99 in the body", &added(PART_BODY, &field_99))),
        ("letter_future_value", newer("flag_code 77", &added(PART_BODY, &[0x08, 77]))),
        ("letter_future_header", {
            let mut parts = parts("red-flag", &[]);
            parts[0] = part(PART_HEADER, longer);
            newer("field 99 in the header", &parts)
        }),
        ("letter_future_type", {
            let parts = with_header(|header| {
                header.type_number = 999;
                header.r#type = "later".into();
            });
            newer("type 999: kept, shown by its header", &parts)
        }),
        ("letter_future_precedence", {
            newer("precedence 9 rings as FLASH", &with_header(|header| header.precedence = 9))
        }),
        ("letter_future_body", newer("version 2, whose body cannot be read here", &unread)),
    ]
}

fn broken() -> Vec<(&'static str, Vector)> {
    let good = parts("red-flag", &[]);
    let twice = [good.clone(), vec![good[0].clone()]].concat();
    let body = vec![good[0].clone(), part(PART_BODY, vec![0xff; 4])];
    let wrong_wire = vec![good[0].clone(), part(PART_BODY, vec![0x0a, 0x00])];
    let many = vec![part(9, ""); 129];
    vec![
        ("letter_no_part", vector("headers", "nothing at all", &[])),
        ("letter_no_header", vector("headers", "body without header", &good[1..])),
        ("letter_two_headers", vector("headers", "which one holds?", &twice)),
        ("letter_header_garbage", {
            vector("header", "not protobuf", &[part(PART_HEADER, vec![0xff; 8])])
        }),
        ("letter_short_id", {
            let short = with_header(|header| header.id = Bytes::from_static(b"short"));
            vector("header", "its name has 5 bytes", &short)
        }),
        ("letter_type_by_another_name", {
            let other = with_header(|header| header.r#type = "operator-note".into());
            vector("header", "number 9 under the name of 29", &other)
        }),
        ("letter_body_garbage", vector("body", "not protobuf", &body)),
        ("letter_body_other_wire_type", {
            vector("body", "flag_code, an enumeration, as bytes", &wrong_wire)
        }),
        ("letter_too_many_parts", vector("too_many_parts", "129 parts", &many)),
        ("letter_cut_reference", {
            let cut = with_header(|header| header.end_mark = "AAA-20".into());
            vector("incomplete", "the end mark is not the reference", &cut)
        }),
    ]
}

fn files() -> Vec<(&'static str, Vector)> {
    let good = parts("incident-alert", &["a.json", "b.txt"]);
    let first = good.iter().position(|part| part.kind == PART_ATTACHMENT).unwrap();
    let change = |change: &dyn Fn(&mut Vec<Part>)| {
        let mut parts = good.clone();
        change(&mut parts);
        parts
    };
    let refused = |note: &str, parts: &[Part]| vector("attachments", note, parts);
    let missing = change(&|parts| drop(parts.remove(first)));
    let extra = change(&|parts| parts.push(part(PART_ATTACHMENT, "c")));
    let changed = change(&|parts| parts[first].bytes = Bytes::from_static(b"a.jsom"));
    let exchanged = change(&|parts| parts.swap(first, first + 1));
    let names = ["../../etc/passwd", "b.txt", "B.TXT"];
    let hostile = vector("ok", "unsafe and repeated names are replaced", &parts("request", &names));
    vec![
        ("letter_file_missing", refused("one file of two", &missing)),
        ("letter_file_extra", refused("a file the header does not name", &extra)),
        ("letter_file_changed", refused("its digest is another", &changed)),
        ("letter_files_exchanged", refused("each has the other's digest", &exchanged)),
        ("letter_file_names", { hostile.with_word("names", "attachment-1,b.txt,attachment-3") }),
    ]
}

fn own() -> Vec<(&'static str, Vector)> {
    let draft = |expect: &str, note: &str, kind: &str, json: &str| {
        Vector::new(expect, note)
            .with_word("test", "draft")
            .with_word("type", kind)
            .with("json", json)
    };
    let changed = |kind: &str, change: &dyn Fn(&mut Json)| {
        let mut json = template(kind);
        change(&mut json);
        sorted(json).to_string()
    };
    let flag = template("red-flag").to_string();
    let named = |vector: Vector, drafted: &str, released: &str| {
        vector.with_word("drafted_by", drafted).with_word("released_by", released)
    };
    let unknown = changed("request", &|json| json["body"]["kindd"] = json!("INFORMATION"));
    let value = changed("request", &|json| json["body"]["kind"] = json!("INFO"));
    let by_node = changed("request", &|json| json["id"] = json!("00"));
    let missing =
        changed("request", &|json| drop(json["body"].as_object_mut().unwrap().remove("kind")));
    let persons = |note: &str| draft("two_persons", note, "red-flag", &flag);
    let drill = changed("operator-note", &|json| {
        json["body"]["text"][0]["text"] = json!("This is not a drill.");
    });
    vec![
        ("letter_own_two_persons", {
            named(draft("ok", "two persons", "red-flag", &flag), "A. Tamm", "B. Kask")
        }),
        ("letter_own_nobody_named", persons("nobody released it")),
        ("letter_own_one_person", {
            named(persons("one person, written in two ways"), "A. Tamm", "a.  TAMM")
        }),
        ("letter_own_unknown_field", draft("fields", "kindd", "request", &unknown)),
        ("letter_own_unknown_value", draft("fields", "kind INFO", "request", &value)),
        ("letter_own_unknown_type", draft("type", "no such type", "red-flagg", &flag)),
        ("letter_own_missing_field", draft("fields", "no kind", "request", &missing)),
        ("letter_own_id", draft("fields", "the node gives names", "request", &by_node)),
        ("letter_own_drill", draft("fields", "not a drill", "operator-note", &drill)),
        ("letter_own_no_json", draft("json", "cut short", "request", "{\"body\":")),
        ("letter_own_ack", {
            draft("made_by_node", "receipts are not written by hand", "ack", &{
                template("ack").to_string()
            })
        }),
    ]
}
