//! Area `resend`: letters of type `resend` (`docs/spec/letter.md`, letters asked again).
//!
//! Fields as in area `letter`; `says` is `ask` or `list` and how many letters it names, `locked` or
//! `unlocked`. Outcomes:
//! `ok`, `type` (another type), `body` (not to be read), or why its parts are not a letter.

use cbm_proto::id::{MsgId, PartyCode};
use cbm_proto::letter::PART_BODY;
use cbm_proto::part::Part;
use cbm_proto::primitives::Entropy;
use cbm_proto::receipt::{Listed, ReceiptError, Resend};
use cbm_proto::terms::Status;
use cbm_proto::time::Timestamp;
use cbm_proto::wire;

use crate::file::Vector;
use crate::letter::{origin, part, read, vector};

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let (outcome, letter) = read(vector)?;
    let Some(letter) = letter else { return Ok(outcome) };
    let says = match Resend::read(&letter) {
        Ok(Resend::Ask { only, .. }) => format!("ask {}", only.len()),
        Ok(Resend::Locked { .. }) => "locked".to_owned(),
        Ok(Resend::Unlocked) => "unlocked".to_owned(),
        Ok(Resend::List { entries, .. }) => format!("list {}", entries.len()),
        Err(ReceiptError::Type) => return Ok("type".to_owned()),
        Err(ReceiptError::Body) => return Ok("body".to_owned()),
    };
    let told = vector.word("says").ok_or("no field `says`")?;
    Ok(if says == told { outcome } else { "other_content".to_owned() })
}

fn parts(resend: &Resend) -> Vec<Part> {
    let letter = resend.letter(&origin(), &PartyCode::new("BBB").unwrap(), Status::System);
    letter.parts(&mut Entropy::new(&[6; 32]))
}

fn raw(body: &wire::Resend) -> Vec<Part> {
    let ask = Resend::Ask { since: Timestamp(1), only: Vec::new() };
    vec![parts(&ask).remove(0), part(PART_BODY, wire::encode(body))]
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    let since = Timestamp(1_803_880_801_000);
    let all = parts(&Resend::Ask { since, only: Vec::new() });
    let some = parts(&Resend::Ask { since, only: vec![MsgId([0x33; 16])] });
    let listed = |n: u8, available| Listed { msg: MsgId([n; 16]), made_at: since, available };
    let entries = vec![listed(0x33, true), listed(0x34, false)];
    let list = parts(&Resend::List { entries, more: false });
    let none = parts(&Resend::List { entries: Vec::new(), more: false });
    let (locked, unlocked) = (parts(&Resend::Locked { since }), parts(&Resend::Unlocked));
    let short =
        raw(&wire::Resend { since: 1, only: vec![vec![1; 15].into()], ..Default::default() });
    let entry = wire::ResendEntry { of: vec![1; 16].into(), ..Default::default() };
    let many = raw(&wire::Resend { entries: vec![entry; 257], ..Default::default() });
    let says = |vector: Vector, words: &str| vector.with_word("says", words);
    vec![
        ("resend_ok_ask", says(vector("ok", "everything since then", &all), "ask 0")),
        ("resend_ok_ask_some", says(vector("ok", "one letter by its id", &some), "ask 1")),
        (
            "resend_ok_list",
            says(vector("ok", "one that is there, one that is not", &list), "list 2"),
        ),
        ("resend_ok_list_none", says(vector("ok", "there was nothing", &none), "list 0")),
        (
            "resend_ok_locked",
            says(vector("ok", "letters under a lacking sender key", &locked), "locked"),
        ),
        ("resend_ok_unlocked", says(vector("ok", "they are said again", &unlocked), "unlocked")),
        ("resend_short_id", vector("body", "an id of 15 bytes", &short)),
        ("resend_many", vector("body", "257 entries in one letter", &many)),
    ]
}
