//! Area `receipt`: letters of type `ack` and their entries (`docs/spec/letter.md`).
//!
//! Fields as in area `letter`; `levels` are the levels of the entries that are understood, in
//! order. Outcomes: `ok`, `newer`, `type` (not a receipt), `body` (not to be read), or why its
//! parts are not a letter.

use bytes::Bytes;
use cbm_proto::draft::original;
use cbm_proto::id::{Digest, EnvelopeId, MsgId, PartyCode};
use cbm_proto::letter::{PART_BODY, PART_HEADER};
use cbm_proto::part::Part;
use cbm_proto::primitives::Entropy;
use cbm_proto::receipt::{Entry, Officer, Receipt, ReceiptError};
use cbm_proto::terms::{Level, Outcome, Reason, Status};
use cbm_proto::time::Timestamp;
use cbm_proto::wire;

use crate::file::Vector;
use crate::letter::{origin, part, read, vector};

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let (outcome, letter) = read(vector)?;
    let Some(letter) = letter else { return Ok(outcome) };
    let receipt = match Receipt::read(&letter) {
        Ok(receipt) => receipt,
        Err(ReceiptError::Type) => return Ok("type".to_owned()),
        Err(ReceiptError::Body) => return Ok("body".to_owned()),
    };
    let levels: Vec<&str> = receipt.entries.iter().map(|entry| entry.level.word()).collect();
    if vector.word("levels").ok_or("no field `levels`")? != levels.join(",") {
        return Ok("other_levels".to_owned());
    }
    Ok(if receipt.newer { "newer".to_owned() } else { outcome })
}

fn entry(level: Level) -> Entry {
    let (digest, root) = (EnvelopeId([0x11; 32]), Digest([0x22; 32]));
    Entry::by_station(MsgId([0x33; 16]), digest, root, level, Timestamp(1_803_880_801_000))
}

fn parts(entries: Vec<Entry>) -> Vec<Part> {
    let letter =
        Receipt::new(entries).letter(&origin(), &PartyCode::new("BBB").unwrap(), Status::System);
    letter.parts(&mut Entropy::new(&[6; 32]))
}

/// A receipt whose entries are as given on the wire.
fn raw(entries: Vec<wire::ReceiptEntry>) -> Vec<Part> {
    let body = wire::Acknowledgement { entries, marks: Vec::new() };
    vec![parts(Vec::new()).remove(0), part(PART_BODY, wire::encode(&body))]
}

fn on_wire(change: impl FnOnce(&mut wire::ReceiptEntry)) -> wire::ReceiptEntry {
    let mut entry: wire::ReceiptEntry = wire::decode(&entry(Level::L1).to_bytes(), 1_024).unwrap();
    change(&mut entry);
    entry
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    let officer = Officer { name: "B. Kask".into(), office: "Duty desk".into() };
    let at = Timestamp(1_803_880_802_000);
    let words = vec![original("en", "Not ours to decide.")];
    let (no, why) = (Outcome::NotCompetent, Some(Reason::NoMandate));
    let declined = entry(Level::L1).with_outcome(no, why, words, at, &officer);
    let seen = entry(Level::L1).by_officer(Level::L4, at, &officer);
    let three = parts(vec![entry(Level::L1), seen, declined]);
    let alone = [three[0].clone(), three[3].clone()];
    let known = on_wire(|_| ());
    let of_future = on_wire(|entry| entry.level = 12);
    let told = |vector: Vector, levels: &str| vector.with_word("levels", levels);
    let refused = |expect: &str, note: &str, parts: &[Part]| vector(expect, note, parts);
    let bad = |change: &dyn Fn(&mut wire::ReceiptEntry)| raw(vec![on_wire(change)]);
    let no_name = bad(&|entry| entry.of = Bytes::new());
    let short = bad(&|entry| entry.digest = Bytes::from_static(&[0x11; 31]));
    let no_root = bad(&|entry| entry.content_root = Bytes::new());
    let mut other = parts(vec![entry(Level::L1)]);
    let mut header: wire::LetterHeader = wire::decode(&other[0].bytes, 4_096).unwrap();
    header.type_number = 999;
    header.r#type = "later".into();
    other[0] = part(PART_HEADER, wire::encode(&header));
    let outcome = raw(vec![on_wire(|entry| entry.outcome = 99)]);
    vec![
        ("receipt_ok", told(vector("ok", "L1, L4 and an outcome", &three), "L1,L4,L5")),
        ("receipt_ok_alone", told(vector("ok", "one entry disclosed", &alone), "L5")),
        ("receipt_future_level", {
            let parts = raw(vec![of_future, known]);
            told(vector("newer", "an entry of level 12 is left out", &parts), "L1")
        }),
        ("receipt_future_outcome", {
            told(vector("newer", "outcome 99 is kept as none", &outcome), "L1")
        }),
        ("receipt_no_name", refused("body", "names no letter", &no_name)),
        ("receipt_short_digest", refused("body", "31 bytes of digest", &short)),
        ("receipt_no_root", refused("body", "does not say what was opened", &no_root)),
        ("receipt_too_many", { refused("body", "65 entries", &raw(vec![on_wire(|_| ()); 65])) }),
        ("receipt_other_type", refused("type", "entries in a letter of another type", &other)),
    ]
}
