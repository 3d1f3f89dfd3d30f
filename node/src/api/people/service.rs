//! Notices about lines: ours to others, and what others say of theirs.
//!
//! A state may suspend its line openly; then silence has a cause, and the cause is shown wherever
//! somebody waits for it. Of a party's notices the newest of each pair counts: suspended and
//! reopened, out and restored. One whose time is over says nothing any more.

use std::{borrow::Cow, collections::BTreeMap};

use axum::{Json, body::Bytes, extract::State};
use cbm_proto::{
    id::{MsgId, PartyCode},
    inbox::Received,
    station::Station,
    terms::Status,
    time::Timestamp,
};
use serde_json::{Value, json};

use super::shape::{NoticeRequest, ServiceView};
use crate::api::{
    command::Desk,
    compose,
    failure::{Code, Failure},
    letters,
    routes::{Api, read},
    shape::{SendRequest, Sent},
};

const TYPE: &str = "service-notice";

/// `POST /v1/notice`.
pub(super) async fn say(State(api): State<Api>, body: Bytes) -> Result<Json<Sent>, Failure> {
    let request: NoticeRequest = read(&body)?;
    let to = match request.to.is_empty() {
        true => api.desk.look(|station, _| others(station)).await?,
        false => request.to.clone(),
    };
    let draft = compose::draft(&SendRequest {
        type_name: TYPE.to_owned(),
        to,
        letter: letter(&request),
        ..SendRequest::default()
    })?;
    let msg = api.desk.submit(draft).await?;
    Ok(Json(Sent { id: msg.to_string() }))
}

/// Every state of the accord but our own.
pub(super) fn others(station: &Station) -> Vec<String> {
    let directory = station.directory();
    let mine = directory.member(&station.me()).map(|me| me.name.party().clone());
    let all = directory.group(cbm_proto::accord::ALL).map(|all| all.parties.clone());
    let others = all.into_iter().flatten().filter(|party| Some(party) != mine.as_ref());
    others.map(|party| party.to_string()).collect()
}

fn letter(request: &NoticeRequest) -> Value {
    let text = |text: &str| json!([{"bcp47": "en", "text": text, "kind": "ORIGINAL"}]);
    let mut body = json!({"kind": request.kind, "from": request.from});
    if let Some(until) = &request.until {
        body["until"] = until.as_str().into();
    }
    if request.political {
        body["political"] = true.into();
    }
    if let Some(scope) = &request.scope {
        body["scope"] = scope.as_str().into();
    }
    if let Some(reason) = &request.reason {
        body["reason"] = text(reason);
    }
    let words = request.kind.replace('_', " ").to_lowercase();
    json!({"subject": text(&format!("Service notice: {words}")), "tlp": "GREEN", "body": body})
}

/// What a party's notices say of its line now.
pub(super) async fn of(desk: &Desk, party: &PartyCode) -> Result<Option<ServiceView>, Failure> {
    let code = party.clone();
    let (now, newest) = desk
        .look(move |station, now| {
            let real = station.newest_from(&code, TYPE).filter(|l| l.status == Status::System);
            (now.wall, real.map(Cow::into_owned).collect::<Vec<_>>())
        })
        .await?;
    let mut notices = Vec::new();
    for received in newest {
        let body = letters::open(desk, received.msg).await?.to_json()["body"].take();
        notices.push((received, body));
    }
    Ok(in_force(notices, now))
}

/// The notice that holds: a suspension before an outage, and nothing that is taken back or over.
fn in_force(mut notices: Vec<(Received, Value)>, now: Timestamp) -> Option<ServiceView> {
    notices.sort_by_key(|(received, _)| std::cmp::Reverse((received.made_at, received.number)));
    let newest_of = |kinds: &[&str]| {
        let mut of = notices
            .iter()
            .filter(|(_, body)| body["kind"].as_str().is_some_and(|kind| kinds.contains(&kind)));
        of.next().and_then(|(received, body)| view(received.msg, body, now))
    };
    newest_of(&["CHANNEL_SUSPENDED", "CHANNEL_REOPENED"])
        .or_else(|| newest_of(&["PLANNED_OUTAGE", "OUTAGE", "RESTORED"]))
}

/// `None` for a notice that ends something, or is over.
fn view(id: MsgId, body: &Value, now: Timestamp) -> Option<ServiceView> {
    let word = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (kind, from) = (word("kind"), word("from"));
    let until = body["until"].as_str().map(str::to_owned);
    let over = until.as_deref().and_then(Timestamp::parse).is_some_and(|until| until < now);
    if over || matches!(kind.as_str(), "RESTORED" | "CHANNEL_REOPENED") {
        return None;
    }
    let political = body["political"] == true;
    let ahead = Timestamp::parse(&from).is_some_and(|from| from > now);
    let what = match (kind.as_str(), ahead) {
        ("CHANNEL_SUSPENDED", true) => "suspended openly from",
        ("CHANNEL_SUSPENDED", false) => "suspended openly since",
        ("PLANNED_OUTAGE", true) => "planned outage from",
        ("PLANNED_OUTAGE", false) => "planned outage since",
        _ => "outage since",
    };
    let mut words = format!("{what} {from}");
    if let Some(until) = &until {
        words.push_str(&format!(" until {until}"));
    }
    if political {
        words.push_str(", political");
    }
    let channels = body["alt_channels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reason = body["reason"][0]["text"].as_str().map(str::to_owned);
    Some(ServiceView {
        kind,
        from,
        until,
        political,
        reason,
        alt_channels: channels.iter().map(super::directory::channel).collect(),
        words,
        id: id.to_string(),
    })
}

/// For each of these parties that says something of its line: what, in one line.
///
/// # Errors
/// The store cannot be read, or the node is stopping.
pub(in crate::api) async fn explain(
    desk: &Desk,
    parties: Vec<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for text in parties {
        let Ok(party) = PartyCode::new(&text) else { continue };
        if found.contains_key(&text) {
            continue;
        }
        match of(desk, &party).await {
            Ok(Some(service)) => drop(found.insert(text, service.words)),
            Ok(None) => {}
            // A letter that the disk does not give back hides no status.
            Err(failure) if failure.code == Code::Storage => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn said(kind: &str, from: u64, until: Option<u64>, political: bool) -> Value {
        let at = |s: u64| Timestamp(s * 1_000).to_string();
        json!({"kind": kind, "from": at(from), "until": until.map(at), "political": political})
    }

    fn words(kind: &str, from: u64, until: Option<u64>, political: bool) -> Option<String> {
        let body = said(kind, from, until, political);
        view(MsgId([1; 16]), &body, Timestamp(100_000)).map(|view| view.words)
    }

    #[test]
    fn a_suspension_says_since_when_and_that_it_is_political() {
        let open = words("CHANNEL_SUSPENDED", 10, None, true).unwrap();
        assert!(open.starts_with("suspended openly since 1970-01-01T00:00:10"), "{open}");
        assert!(open.ends_with(", political"), "{open}");
        assert_eq!(words("CHANNEL_REOPENED", 10, None, false), None);
        let planned = words("PLANNED_OUTAGE", 200, Some(300), false).unwrap();
        assert!(planned.starts_with("planned outage from") && planned.contains(" until "));
    }

    #[test]
    fn what_is_over_says_nothing() {
        assert_eq!(words("OUTAGE", 10, Some(99), false), None);
        assert!(words("OUTAGE", 10, Some(101), false).is_some());
    }
}
