//! Communications checks: sent, followed, answered.
//!
//! What comes of one is read off its receipts, so that a dead line, a node without a person, an
//! answer and a no are four things and never one. A letter of type `comms-check-result` adds the
//! office that answered and whether contact data hold.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
};
use cbm_proto::{
    event::Act,
    id::MsgId,
    primitives::Entropy,
    station::{Addressee, Station},
    terms::Level,
    time::{HOUR, Now, SECOND, Timestamp},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    directory::{over, verdict},
    library, service,
    shape::{AnswerRequest, CheckRequest, CheckRow, CheckView},
};
use crate::{
    api::{
        acts::Acting,
        command::Desk,
        compose::{self, msg_id},
        failure::{Code, Failure},
        follow, letters,
        routes::{Api, read},
        shape::{SendRequest, Sent},
    },
    clock,
};

/// So long no line is called dead.
const EARLY: u64 = 30 * SECOND;

/// `POST /v1/check`.
pub(super) async fn begin(State(api): State<Api>, body: Bytes) -> Result<Json<CheckView>, Failure> {
    let request: CheckRequest = read(&body)?;
    let to = match request.parties.is_empty() {
        true => api.desk.look(|station, _| service::others(station)).await?,
        false => request.parties.clone(),
    };
    let now = api.desk.look(|_, now| now.wall).await?;
    let by = Timestamp::parse(&request.respond_by).filter(|by| *by > now).ok_or_else(|| {
        Failure::new(
            Code::Usage,
            "nobody was asked",
            format!("`{}` is no time to come", request.respond_by),
            "give a time in UTC, such as 2027-03-01T06:30:00Z, that lies ahead",
        )
    })?;
    let drawn = clock::entropy().map_err(|e| {
        Failure::told(Code::Failed, "nobody was asked", e, "look at the machine's random source")
    })?;
    let mut drawn = Entropy::new(&drawn);
    let [sentence] = drawn.bytes();
    let check_id = format!("CHK-{}", cbm_proto::id::hex(&drawn.bytes::<4>()));
    let draft = compose::draft(&SendRequest {
        type_name: "comms-check".to_owned(),
        to,
        letter: letter(&request, &check_id, library::sentence(sentence), by),
        ..SendRequest::default()
    })?;
    let msg = api.desk.submit(draft).await?;
    view(&api.desk, msg).await.map(Json)
}

fn letter(request: &CheckRequest, check_id: &str, challenge: &str, by: Timestamp) -> Value {
    let mut body = json!({
        "check_id": check_id,
        "kind": request.kind.as_deref().unwrap_or("HUMAN").to_uppercase(),
        "challenge": challenge,
        "respond_by": by.to_string(),
    });
    if request.announced {
        body["announced"] = true.into();
    }
    json!({
        "subject": text("Communications check: an acknowledgement is all that is asked"),
        "tlp": "GREEN",
        "reply_by": by.to_string(),
        // Said no more when an answer would mean nothing.
        "expires_at": by.plus(HOUR).to_string(),
        "body": body,
    })
}

fn text(text: &str) -> Value {
    json!([{"bcp47": "en", "text": text, "kind": "ORIGINAL"}])
}

/// Whether to wait until all have answered, and how long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    #[serde(default)]
    wait: bool,
    timeout_ms: Option<u64>,
}

/// `GET /v1/check/{id}`.
pub(super) async fn result(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Json<CheckView>, Failure> {
    let msg = msg_id(&id)?;
    // Refused before anybody waits for it.
    let first = view(&api.desk, msg).await?;
    if !wait.wait || first.over {
        return Ok(Json(first));
    }
    follow::reached(&api.desk, msg, Level::L4, wait.timeout_ms.unwrap_or(10_000)).await?;
    view(&api.desk, msg).await.map(Json)
}

async fn view(desk: &Desk, msg: MsgId) -> Result<CheckView, Failure> {
    let found = desk.look(move |station, now| rows(station, now, msg)).await?;
    let mut view = found.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            "there is no result",
            format!("this station sent no communications check {msg}"),
            "use the id that `cbm check` printed, and the configuration of the sender",
        )
    })?;
    let said = results(desk, msg, &view).await?;
    let silent = view.stations.iter().filter(|row| row.verdict != "answered");
    let silent: Vec<String> = silent.map(|row| row.party.clone()).collect();
    let causes = service::explain(desk, silent).await?;
    for row in &mut view.stations {
        row.cause = causes.get(&row.party).cloned();
        if let Some(body) = said.get(&row.station) {
            row.answered_by = body["answered_by"].as_str().map(str::to_owned);
            row.contact_data_confirmed = body["contact_data_confirmed"] == true;
            row.corrections = body["corrections"][0]["text"].as_str().map(str::to_owned);
        }
    }
    Ok(view)
}

fn rows(station: &Station, now: Now, msg: MsgId) -> Option<CheckView> {
    let (_, letter) = station.newest_sent("comms-check").find(|(id, _)| *id == msg)?;
    let by = letter.reply_by.unwrap_or(letter.made_at);
    let status = station.status(now, &msg)?;
    let early = !over(&letter, now) && now.wall.since(letter.made_at) < EARLY;
    let verdict = |to: &Addressee| match verdict(to.level, to.outcome) {
        "line_dead" if early => "pending",
        verdict => verdict,
    };
    let stations = status.addressees.iter().map(|to| CheckRow {
        party: to.party.to_string(),
        station: format!("{}/{}", to.party, to.station),
        verdict: verdict(to).to_owned(),
        level: to.level.map(|level| level.word().to_owned()),
        at: to.at.map(|at| at.to_string()),
        took_ms: to.at.map(|at| at.since(letter.made_at)),
        late: to.at.is_some_and(|at| at > by),
        answered_by: None,
        contact_data_confirmed: false,
        corrections: None,
        cause: None,
    });
    Some(CheckView {
        id: msg.to_string(),
        sent_at: letter.made_at.to_string(),
        respond_by: by.to_string(),
        over: over(&letter, now),
        stations: stations.collect(),
    })
}

/// The letters that answered this check, by station.
async fn results(
    desk: &Desk,
    msg: MsgId,
    view: &CheckView,
) -> Result<BTreeMap<String, Value>, Failure> {
    let parties: Vec<String> = view.stations.iter().map(|row| row.party.clone()).collect();
    let newest = desk
        .look(move |station, _| {
            let codes = parties.iter().filter_map(|p| cbm_proto::id::PartyCode::new(p).ok());
            let letters = codes.flat_map(|code| {
                let all = station.newest_from(&code, "comms-check-result");
                all.map(|l| (l.msg, crate::api::view::name(station.directory(), &l.author)))
                    .collect::<Vec<_>>()
            });
            letters.collect::<BTreeMap<_, _>>()
        })
        .await?;
    let mut said = BTreeMap::new();
    for (id, station) in newest {
        let letter = letters::open(desk, id).await?;
        if letter.header.replies_to() == Some(msg) {
            said.insert(station, letter.to_json()["body"].take());
        }
    }
    Ok(said)
}

/// `POST /v1/check/{id}/answer`: an officer answers with one command.
pub(super) async fn answer(
    State(api): State<Api>,
    Acting(by): Acting,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Sent>, Failure> {
    let request: AnswerRequest = read(&body)?;
    let msg = msg_id(&id)?;
    let found = move |station: &Station, _| {
        let letter = station.received(&msg).filter(|letter| letter.type_name == "comms-check")?;
        Some((letter.party.clone(), letter.received_at))
    };
    let (author, received_at) = api.desk.look(found).await?.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            "nothing was answered",
            format!("no communications check {msg} was received here"),
            "`cbm inbox` lists what was received",
        )
    })?;
    let asked = letters::open(&api.desk, msg).await?.to_json();
    let mut body = json!({
        "check_id": asked["body"]["check_id"],
        "answered_by": by.office,
        "channel_used": "NODE",
        "received_at": received_at.to_string(),
    });
    match request.corrections.as_deref().map(str::trim) {
        None | Some("") => body["contact_data_confirmed"] = true.into(),
        Some(corrections) => body["corrections"] = text(corrections),
    }
    let request = SendRequest {
        type_name: "comms-check-result".to_owned(),
        letter: json!({
            "subject": text("Answer to a communications check"), "tlp": "GREEN", "body": body,
        }),
        ..SendRequest::default()
    };
    let draft = Box::new(compose::answer(&request, msg, author)?);
    let sent = api.desk.act(msg, Act::Reply { draft }, by, None).await?;
    Ok(Json(Sent { id: sent.to_string() }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_a_good_letter_of_status_test_and_no_other() {
        let by = Timestamp(1_800_000_000_000);
        let request = CheckRequest { announced: true, ..CheckRequest::default() };
        let send = SendRequest {
            type_name: "comms-check".to_owned(),
            to: vec!["BBB".to_owned()],
            letter: letter(&request, "CHK-1", library::sentence(3), by),
            ..SendRequest::default()
        };
        let draft = compose::draft(&send).unwrap();
        assert_eq!(draft.header.status().unwrap().word(), "TEST");
        assert_eq!(draft.header.reply_by(), Some(by));
        let actual = SendRequest { status: Some("ACTUAL".to_owned()), ..send };
        assert!(compose::draft(&actual).is_err());
    }
}
