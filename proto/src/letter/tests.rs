//! Tests of letters: there and back, tolerance towards newer versions, strictness towards damage.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    draft::SendOptions,
    id::PartyCode,
    terms::{Level, Precedence},
};

fn origin() -> Origin {
    Origin {
        id: MsgId([7; 16]),
        station: StationName::parse("AAA/mfa").unwrap(),
        at: Timestamp::parse("2027-03-01T06:00:00Z").unwrap(),
    }
}

fn entropy() -> Entropy {
    Entropy::new(&[3; 32])
}

fn draft(type_name: &str) -> Draft {
    let info = catalogue().find(type_name).unwrap();
    let file = |name: &str, text: &'static str| Attachment::new(name, Bytes::from(text));
    let options = SendOptions {
        to: vec![PartyCode::new("BBB").unwrap()],
        attachments: vec![file("a.stix2.json", "{}"), file("b.txt", "note")],
        ..SendOptions::default()
    };
    Draft::from_json(type_name, &catalogue().template(info).to_string(), options).unwrap()
}

fn parts(type_name: &str) -> Vec<Part> {
    Letter::compose(draft(type_name), &origin()).parts(&mut entropy())
}

fn part(kind: u8, bytes: impl Into<Bytes>) -> Part {
    Part { salt: [0; 16], kind, bytes: bytes.into() }
}

#[test]
fn every_type_comes_back_as_it_was_written() {
    for info in catalogue().types() {
        let draft = draft(&info.name);
        let letter = Letter::compose(draft.clone(), &origin());
        let again = Letter::from_parts(&letter.parts(&mut entropy())).unwrap();
        assert!(!again.newer && again.complete, "{}", info.name);
        assert_eq!(again.header, letter.header);
        assert_eq!(again.attachments, draft.attachments);
        let written = catalogue().show_body(info, &draft.body).unwrap().json;
        let json = again.to_json();
        assert_eq!(json["body"], written, "{}", info.name);
        assert_eq!(json, letter.to_json());
        assert_eq!(json["type"], info.name.as_str());
        assert_eq!(json["status"], info.default_status().word());
    }
}

#[test]
fn the_node_completes_the_header() {
    let json = Letter::compose(draft("incident-alert"), &origin()).to_json();
    assert_eq!(json["id"], "07".repeat(16));
    assert_eq!(json["originator"], json!({"party": "AAA", "station": "mfa"}));
    assert_eq!(json["origin_time"], "2027-03-01T06:00:00.000Z");
    assert_eq!(json["originator_ref"], "AAA-2027-07070707");
    assert_eq!(json["end_mark"], json["originator_ref"]);
    assert_eq!(json["ack_want"]["level"], "L4");
    assert_eq!(json["release"]["asserted"], true);
    assert_eq!(json["posture"]["ack_is_not_concurrence"], true);
    let file = &json["attachments"][1];
    assert_eq!((&file["name"], &file["size"]), (&json!("b.txt"), &json!(4)));
    assert_eq!(file["sha256"], crate::id::hex(&sha256(&[b"note"])));
}

#[test]
fn each_part_has_its_own_salt_and_each_group_its_own_part() {
    let parts = parts("incident-alert");
    let salts: std::collections::BTreeSet<_> = parts.iter().map(|part| part.salt).collect();
    assert_eq!(salts.len(), parts.len());
    let count = |kind| parts.iter().filter(|part| part.kind == kind).count();
    assert_eq!((count(PART_HEADER), count(PART_ATTACHMENT)), (1, 2));
    assert_eq!(count(PART_BODY), 6, "incident, times, effect, origin, technical, asks");
}

#[test]
fn what_is_newer_is_kept_and_shown_as_far_as_it_is_known() {
    let header_of = |change: &dyn Fn(&mut wire::LetterHeader)| {
        let mut header = Letter::compose(draft("red-flag"), &origin()).header.0;
        change(&mut header);
        part(PART_HEADER, wire::encode(&header))
    };
    type Change = fn(&mut Vec<Part>, &dyn Fn(&dyn Fn(&mut wire::LetterHeader)) -> Part);
    let cases: [(&str, Change); 5] = [
        ("kind of part", |parts, _| parts.push(part(200, "x"))),
        ("field in the header", |parts, _| {
            parts[0] = part(PART_HEADER, [&parts[0].bytes[..], &[0xf8, 0x07, 1]].concat());
        }),
        ("precedence", |parts, header| parts[0] = header(&|header| header.precedence = 9)),
        ("type", |parts, header| {
            parts[0] = header(&|header| {
                header.type_number = 999;
                header.r#type = "later".into();
            });
        }),
        ("field in the body", |parts, _| parts.push(part(PART_BODY, vec![0x98, 0x06, 0x01]))),
    ];
    for (what, change) in cases {
        let mut parts = parts("red-flag");
        change(&mut parts, &header_of);
        let letter = Letter::from_parts(&parts).unwrap();
        assert!(letter.newer, "{what}");
        assert_eq!(letter.to_json()["subject"][0]["text"], "Red flag (example)", "{what}");
        assert_eq!(letter.header.precedence(), Precedence::Flash, "{what} must ring");
    }
}

#[test]
fn a_newer_body_that_cannot_be_read_is_kept_and_an_own_one_is_refused() {
    let mut parts = parts("red-flag");
    parts.retain(|part| part.kind != PART_BODY);
    parts.push(part(PART_BODY, vec![0xff; 4]));
    assert_eq!(Letter::from_parts(&parts), Err(LetterError::Body));
    let mut header = Letter::compose(draft("red-flag"), &origin()).header.0;
    header.type_version = 2;
    parts[0] = part(PART_HEADER, wire::encode(&header));
    let letter = Letter::from_parts(&parts).unwrap();
    assert!(letter.newer);
    assert_eq!(letter.to_json()["body"], Json::Null);
}

#[test]
fn what_is_not_a_letter_is_refused() {
    let good = parts("red-flag");
    let mut two = good.clone();
    two.push(good[0].clone());
    assert_eq!(Letter::from_parts(&two), Err(LetterError::Headers));
    assert_eq!(Letter::from_parts(&good[1..]), Err(LetterError::Headers));
    assert_eq!(Letter::from_parts(&[]), Err(LetterError::Headers));
    let header = |bytes: Vec<u8>| Letter::from_parts(&[part(PART_HEADER, bytes)]);
    assert_eq!(header(vec![0xff]), Err(LetterError::Header));
    assert_eq!(header(vec![0x0a, 0x01, 0x07]), Err(LetterError::Header));
    let many = vec![part(9, ""); PARTS_MAX + 1];
    assert_eq!(Letter::from_parts(&many), Err(LetterError::TooManyParts));
    let mut long = good;
    long.push(part(PART_BODY, vec![0; TEXT_MAX]));
    assert_eq!(Letter::from_parts(&long), Err(LetterError::Oversize));
}

#[test]
fn a_type_cannot_pass_under_the_name_of_another() {
    for (number, name) in [(9, "operator-note"), (29, "red-flag"), (9, "later"), (999, "red-flag")]
    {
        let mut header = Letter::compose(draft("red-flag"), &origin()).header.0;
        header.type_number = number;
        header.r#type = name.into();
        let mut parts = parts("red-flag");
        parts[0] = part(PART_HEADER, wire::encode(&header));
        assert_eq!(Letter::from_parts(&parts), Err(LetterError::Header), "{number} {name}");
    }
}

proptest! {
    #[test]
    fn any_parts_are_read_or_refused(
        at in 0..8_usize, kind in 0..5_u8, cut in 0..300_usize, noise in vec(any::<u8>(), 0..40),
    ) {
        let mut parts = parts("incident-alert");
        let old = parts[at].bytes.clone();
        let bytes = [&old[..cut.min(old.len())], &noise].concat();
        parts[at] = part(kind, bytes);
        if let Ok(letter) = Letter::from_parts(&parts) {
            prop_assert!(letter.to_json().is_object());
            prop_assert!(letter.attachments.iter().all(|file| is_file_name(&file.name)));
        }
    }
}

#[test]
fn files_are_those_of_the_header_or_the_letter_is_refused() {
    let good = parts("incident-alert");
    let first = good.iter().position(|part| part.kind == PART_ATTACHMENT).unwrap();
    let mut missing = good.clone();
    missing.remove(first);
    let mut changed = good.clone();
    changed[first].bytes = Bytes::from("[]");
    let mut swapped = good;
    swapped.swap(first, first + 1);
    for parts in [missing, changed, swapped] {
        assert_eq!(Letter::from_parts(&parts), Err(LetterError::Attachments));
    }
}

#[test]
fn a_hostile_file_name_never_leaves_the_letter() {
    let mut draft = draft("incident-alert");
    draft.attachments[0].name = "../../.ssh/authorized_keys".into();
    draft.attachments[1].name = "CON:\u{1b}[2J".into();
    let letter = Letter::compose(draft, &origin());
    let again = Letter::from_parts(&letter.parts(&mut entropy())).unwrap();
    let names: Vec<&str> = again.attachments.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["attachment-1", "attachment-2"]);
}

#[test]
fn a_cut_reference_shows_and_another_status_is_seen() {
    let mut header = Letter::compose(draft("red-flag"), &origin()).header.0;
    header.end_mark = "AAA-20".into();
    let mut parts = parts("red-flag");
    parts[0] = part(PART_HEADER, wire::encode(&header));
    let letter = Letter::from_parts(&parts).unwrap();
    assert!(!letter.complete);
    assert!(letter.has_status(Status::Actual) && !letter.has_status(Status::Exercise));
    assert_eq!(letter.header.wants(), Some(Level::L6));
}
