//! Area `office`: what an office signs, and whether it counts (`docs/spec/letter.md`).
//!
//! `entry` is a `ReceiptEntry`; the one key that a certificate lists is `key`, for the office
//! `certified`. `statement`, where it stands, are the bytes that are signed. Outcomes: `ok`,
//! `nothing` (no office speaks, or none that can), or why the signature does not count.

use std::collections::BTreeMap;

use cbm_proto::accord::OfficeOf;
use cbm_proto::draft::original;
use cbm_proto::id::{Digest, EnvelopeId, MsgId};
use cbm_proto::keys::OfficeKey;
use cbm_proto::primitives::{SignPublic, SignSecret};
use cbm_proto::receipt::{Entry, Fault, OFFICE_DOMAIN, OfficeSignature, Officer, check_office};
use cbm_proto::terms::{Level, Outcome, Reason};
use cbm_proto::time::Timestamp;

use crate::file::Vector;

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let entry = Entry::from_bytes(&vector.bytes("entry")?).ok_or("`entry` is no entry")?;
    let key = SignPublic::check(vector.array("key")?).map_err(|e| e.to_string())?;
    let office = vector.word("certified").ok_or("no field `certified`")?.to_owned();
    let Some(statement) = entry.statement() else { return Ok("nothing".to_owned()) };
    if vector.word("statement").is_some() && vector.bytes("statement")? != statement {
        return Ok("other_statement".to_owned());
    }
    let code = entry.office_code().ok_or("a statement of no office")?;
    let signature = entry.signature.as_ref().ok_or("no signature")?;
    let of = OfficeOf { key: OfficeKey { office, key }, current: true };
    let keys = BTreeMap::from([(key.id(), of)]);
    let word = match check_office(&statement, code, signature, &keys, |_| false) {
        Ok(_) => "ok",
        Err(Fault::NotCertified) => "not_certified",
        Err(Fault::OtherOffice) => "other_office",
        Err(Fault::Revoked) => "revoked",
        Err(Fault::Mismatch) => "mismatch",
        Err(Fault::Newer) => "newer",
    };
    Ok(word.to_owned())
}

fn secret() -> SignSecret {
    SignSecret::from_seed(&[0x44; 32])
}

fn signed(mut entry: Entry, by: &SignSecret) -> Entry {
    let signature = by.sign(OFFICE_DOMAIN, &entry.statement().unwrap_or_default());
    entry.signature = Some(OfficeSignature::ed25519(&by.public(), &signature));
    entry
}

fn entry() -> Entry {
    let (digest, root) = (EnvelopeId([0x11; 32]), Digest([0x22; 32]));
    let at = Timestamp(1_803_880_802_000);
    let officer = Officer { name: "B. Kask".into(), office: "duty".into() };
    Entry::by_station(MsgId([0x33; 16]), digest, root, Level::L3, at).by_officer(
        Level::L4,
        at,
        &officer,
    )
}

fn declined() -> Entry {
    let officer = Officer { name: "B. Kask".into(), office: "duty".into() };
    let words = vec![original("en", "Not ours to decide."), original("et", "Pole meie otsustada.")];
    let (no, why) = (Outcome::Declined, Some(Reason::NoMandate));
    entry().with_outcome(no, why, words, Timestamp(1_803_880_803_000), &officer)
}

fn vector(expect: &str, note: &str, entry: &Entry) -> Vector {
    Vector::new(expect, note)
        .with("entry", entry.to_bytes())
        .with("key", secret().public().as_bytes())
        .with_word("certified", "duty")
}

fn changed(note: &str, change: impl FnOnce(&mut Entry)) -> Vector {
    let mut entry = signed(declined(), &secret());
    change(&mut entry);
    vector("mismatch", note, &entry)
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    let (short, long) = (signed(entry(), &secret()), signed(declined(), &secret()));
    let shown = |note: &str, entry: &Entry| {
        vector("ok", note, entry).with("statement", entry.statement().unwrap())
    };
    let of = |office: &str| {
        let mut other = declined();
        other.office[0].text = office.into();
        signed(other, &secret())
    };
    let stranger = signed(declined(), &SignSecret::from_seed(&[0x45; 32]));
    let mut newer = long.clone();
    newer.signature.as_mut().unwrap().alg = 2;
    let header = {
        let signature = secret().sign("header", &declined().statement().unwrap());
        let signature = Some(OfficeSignature::ed25519(&secret().public(), &signature));
        Entry { signature, ..declined() }
    };
    vec![
        ("office_ok", shown("received, without words", &short)),
        ("office_ok_declined", shown("an outcome, a reason, words in two languages", &long)),
        ("office_other_letter", changed("of another letter", |e| e.of.0[0] ^= 1)),
        ("office_other_header", changed("of another envelope", |e| e.digest.0[0] ^= 1)),
        ("office_other_root", changed("of another content", |e| e.content_root.0[31] ^= 1)),
        ("office_other_level", changed("of another level", |e| e.level = Level::L6)),
        ("office_other_outcome", {
            changed("of another outcome", |e| e.outcome = Some(Outcome::Accepted))
        }),
        ("office_other_reason", changed("without its reason", |e| e.reason = None)),
        ("office_other_time", changed("a millisecond later", |e| e.at = e.at.plus(1))),
        ("office_other_words", changed("in other words", |e| e.text[1].text.push('!'))),
        ("office_words_gone", changed("without its words", |e| e.text.clear())),
        ("office_short_signature", {
            changed("63 bytes", |e| {
                let slot = e.signature.as_mut().unwrap();
                slot.bytes = slot.bytes.slice(..63);
            })
        }),
        ("office_wrong_domain", vector("mismatch", "signed as a header", &header)),
        ("office_other_office", vector("other_office", "in another's name", &of("cyber"))),
        ("office_stranger", vector("not_certified", "a key of nobody", &stranger)),
        ("office_future_signature", vector("newer", "an algorithm of later", &newer)),
        ("office_no_name", vector("nothing", "an office without a name", &of(""))),
        ("office_long_name", vector("nothing", "129 characters", &of(&"o".repeat(129)))),
    ]
}
