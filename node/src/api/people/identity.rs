//! Fingerprints read aloud, comparisons noted, identity checks by words (`docs/spec/letter.md`).
//!
//! Whoever asks for an identity check is not shown the answer beforehand: what is heard is typed in
//! and compared by the node. Asking needs no state of its own; the letter that asked is found in
//! the outbox, its code opened from the archive.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use cbm_proto::{
    id::{MsgId, NetworkId, PartyCode},
    limits::{CHECK_TRIES, CHECKER_MAX, IDENTITY_WAIT},
    people::{
        Checked, Code as Words, ReadBack, Side, authority, fingerprints, read_back, same_words,
    },
    primitives::Entropy,
    station::Station,
    terms::Method,
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{
    no_such, party,
    shape::{
        AskedView, CheckedRequest, CheckedView, FingerprintView, HeardRequest, HeardView, ReadAloud,
    },
};
use crate::{
    api::{
        acts::Acting,
        command::Desk,
        compose,
        failure::{Code, Failure},
        letters,
        routes::{Api, read},
        shape::SendRequest,
    },
    clock,
};

/// Own requests to one party that are looked through for an identity check.
const LOOKED_THROUGH: usize = 16;

/// `GET /v1/directory/{party}/fingerprint`.
pub(super) async fn fingerprint(
    State(api): State<Api>,
    Path(code): Path<String>,
) -> Result<Json<FingerprintView>, Failure> {
    let code = party(&code)?;
    let asked = code.clone();
    let found = api.desk.look(move |station, _| {
        let name = station.directory().party(&asked)?.name.clone();
        Some((name, fingerprints(station.directory()).remove(&asked).unwrap_or_default()))
    });
    let (name, prints) = found.await?.ok_or_else(|| no_such(&code))?;
    let aloud = prints.iter().map(|print| aloud(&print.hex(), &print.words())).collect();
    Ok(Json(FingerprintView { party: code.to_string(), name, fingerprints: aloud }))
}

/// Sixteen words in lines of four: the first half for its owner, the second for whoever listens.
fn aloud(hex: &str, words: &str) -> ReadAloud {
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut lines: Vec<String> = words.chunks(4).map(|four| four.join(" ")).collect();
    let you_read = lines.split_off(lines.len() / 2);
    ReadAloud { hex: hex.to_owned(), they_read: lines, you_read }
}

/// `POST /v1/directory/{party}/check`.
pub(super) async fn note(
    State(api): State<Api>,
    Acting(officer): Acting,
    Path(code): Path<String>,
    body: Bytes,
) -> Result<Json<CheckedView>, Failure> {
    let request: CheckedRequest = read(&body)?;
    let code = party(&code)?;
    let method = Method::from_word(&request.method)
        .filter(|method| *method != Method::ReadBack)
        .ok_or_else(|| {
            wrong("the way of comparing is not understood", "say in person or by voice")
        })?;
    let by = match request.by.trim() {
        "" => officer.name,
        by if by.chars().count() <= CHECKER_MAX => by.to_owned(),
        _ => return Err(wrong("the name of who compared is too long", "128 characters will do")),
    };
    let id = MsgId(Entropy::new(&entropy()?).bytes());
    let checked = noted(&api.desk, id, &code, method, !request.differs, by).await?;
    Ok(Json(checked))
}

async fn noted(
    desk: &Desk,
    id: MsgId,
    code: &PartyCode,
    method: Method,
    agreed: bool,
    by: String,
) -> Result<CheckedView, Failure> {
    let asked = code.clone();
    let look = move |station: &Station, now: cbm_proto::time::Now| {
        (authority(station.directory(), &asked), now.wall)
    };
    let (keys, at) = desk.look(look).await?;
    if keys.is_empty() {
        return Err(no_such(code));
    }
    let view = CheckedView { method: method.word().to_owned(), by: by.clone(), at: at.to_string() };
    desk.checked(Checked { id, party: code.clone(), keys, method, agreed, by, at }).await?;
    Ok(view)
}

/// `POST /v1/directory/{party}/identify`: asks, with fresh words.
pub(super) async fn ask(
    State(api): State<Api>,
    Acting(officer): Acting,
    Path(code): Path<String>,
) -> Result<Json<AskedView>, Failure> {
    let code = party(&code)?;
    let now = api.desk.look(|_, now| now.wall).await?;
    let words = Words::draw(&mut Entropy::new(&entropy()?));
    let until = now.plus(IDENTITY_WAIT);
    let draft = compose::draft(&SendRequest {
        type_name: "request".to_owned(),
        to: vec![code.to_string()],
        letter: letter(&words, &officer.office, until),
        ..SendRequest::default()
    })?;
    let msg = api.desk.submit(draft).await?;
    let holds_until = until.to_string();
    Ok(Json(AskedView { id: msg.to_string(), code: words.words(), holds_until }))
}

fn letter(words: &Words, office: &str, until: Timestamp) -> Value {
    let text = |text: &str| json!([{"bcp47": "en", "text": text, "kind": "ORIGINAL"}]);
    json!({
        "subject": text("Identity check"),
        "tlp": "AMBER",
        "reply_by": until.to_string(),
        "body": {
            "kind": "IDENTITY_CHECK",
            "situation": text(&format!("{office} wants to be sure who is at the other end.")),
            "nature_of_request": text(
                "Call us, or take our call, over a channel that you know from before. Read to us the \
                 words that `cbm show` derives from the code in item 1, and listen to ours.",
            ),
            "urgency": "IMMEDIATE",
            "what_we_ask": [
                {"item_no": 1, "text": text(&words.words()), "deadline": until.to_string()}
            ],
        },
    })
}

/// `POST /v1/directory/{party}/heard`: compares what the other officer said.
pub(super) async fn heard(
    State(api): State<Api>,
    Acting(officer): Acting,
    Path(code): Path<String>,
    body: Bytes,
) -> Result<Json<HeardView>, Failure> {
    let request: HeardRequest = read(&body)?;
    let code = party(&code)?;
    let (id, words) = pending(&api.desk, &code).await?;
    let asked = code.clone();
    let (said, misses) = api
        .desk
        .look(move |station, _| {
            let mine = station.directory().member(&station.me()).map(|me| me.name.party().clone());
            let said = mine.map(|mine| derive(station, &words, &mine, &asked));
            (said, station.checks().misses(&asked, &id))
        })
        .await?;
    let said = said.ok_or_else(|| no_such(&code))?;
    if misses >= CHECK_TRIES {
        return Err(Failure::new(
            Code::Refused,
            "nothing was compared",
            format!("the code of {id} is void after {CHECK_TRIES} wrong answers"),
            format!(
                "hang up, call at a number that you know, and ask anew: cbm directory identify {code}"
            ),
        ));
    }
    let agrees = same_words(&request.words, &said.answer);
    noted(&api.desk, id, &code, Method::ReadBack, agrees, officer.name).await?;
    let tries_left = if agrees { 0 } else { CHECK_TRIES.saturating_sub(misses + 1) };
    let say_back = agrees.then_some(said.confirm);
    Ok(Json(HeardView { id: id.to_string(), agrees, say_back, tries_left }))
}

/// The newest identity check that we sent to this party, while its code holds.
async fn pending(desk: &Desk, code: &PartyCode) -> Result<(MsgId, Words), Failure> {
    let asked = code.clone();
    let sent: Vec<MsgId> = desk
        .look(move |station, now| {
            let theirs: Vec<_> = station.directory().stations_of(&asked).map(|m| m.id).collect();
            let to = |o: &cbm_proto::outbox::Outgoing| {
                theirs.iter().any(|id| o.owed.contains_key(id))
                    && now.wall.since(o.made_at) < IDENTITY_WAIT
                    && o.envelope.is_some()
            };
            let sent = station.newest_sent("request").filter(|(_, letter)| to(letter));
            sent.map(|(msg, _)| msg).take(LOOKED_THROUGH).collect()
        })
        .await?;
    for msg in sent {
        let json = letters::open(desk, msg).await?.to_json();
        if let Some(words) = code_of(&json["body"]) {
            return Ok((msg, words));
        }
    }
    Err(Failure::new(
        Code::NotFound,
        "nothing was compared",
        format!("no identity check of the last 24 hours asks {code}"),
        format!("ask first: cbm directory identify {code}"),
    ))
}

/// The code in the body of an identity check.
fn code_of(body: &Value) -> Option<Words> {
    let text = body["what_we_ask"][0]["text"][0]["text"].as_str()?;
    (body["kind"] == "IDENTITY_CHECK").then(|| Words::parse(text))?
}

fn derive(station: &Station, words: &Words, asker: &PartyCode, asked: &PartyCode) -> ReadBack {
    let directory = station.directory();
    let network: NetworkId = directory.network();
    let side = |party: &PartyCode| Side { party: party.clone(), keys: authority(directory, party) };
    read_back(&network, words, &side(asker), &side(asked))
}

/// What whoever received an identity check says, and what must come back; `None` for any other
/// letter. `asker` is the party that signed it, not one that it names.
pub(in crate::api) fn read_aloud(
    station: &Station,
    asker: &PartyCode,
    json: &Value,
) -> Option<Value> {
    let words = code_of(&json["body"])?;
    let mine = station.directory().member(&station.me())?.name.party().clone();
    let said = derive(station, &words, asker, &mine);
    Some(json!({"code": words.words(), "you_say": said.answer, "you_hear": said.confirm}))
}

fn entropy() -> Result<[u8; 32], Failure> {
    clock::entropy().map_err(|e| {
        Failure::told(Code::Failed, "nothing was done", e, "look at the machine's random source")
    })
}

fn wrong(cause: &str, remedy: &str) -> Failure {
    Failure::new(Code::Usage, "no check was noted", cause, remedy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_check_is_a_good_letter_and_gives_its_code_back() {
        let words = Words([1, 2, 3, 4, 5, 6]);
        let letter = letter(&words, "Duty desk", Timestamp(1_800_000_000_000));
        assert_eq!(code_of(&letter["body"]), Some(words));
        let request = SendRequest {
            type_name: "request".to_owned(),
            to: vec!["BBB".to_owned()],
            letter: letter.clone(),
            ..SendRequest::default()
        };
        assert!(compose::draft(&request).is_ok());
        let mut other = letter;
        other["body"]["kind"] = "INFORMATION".into();
        assert_eq!(code_of(&other["body"]), None);
    }

    #[test]
    fn a_fingerprint_is_read_in_halves_of_two_lines() {
        let words: Vec<String> = (0..16).map(|n| format!("w{n}")).collect();
        let aloud = aloud("00", &words.join(" "));
        assert_eq!(aloud.they_read, ["w0 w1 w2 w3", "w4 w5 w6 w7"]);
        assert_eq!(aloud.you_read, ["w8 w9 w10 w11", "w12 w13 w14 w15"]);
    }
}
