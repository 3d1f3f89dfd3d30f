//! The routes of the local API.
//!
//! Each handler checks its input, asks the runtime through the [`Desk`], and shapes the answer. No
//! state is kept here. Bodies are bounded before they are read.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cbm_proto::station::Station;
use std::sync::Arc;

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    acts,
    command::Desk,
    compose::{self, msg_id},
    documents, evidence,
    failure::{Code, Failure},
    follow, letters,
    officer::Duty,
    people, retention,
    shape::{
        Health, JournalView, PeerView, RestoreView, RestoredView, SendRequest, Sent, StatusView,
    },
    view,
};
use crate::evidence::Shelf;

/// Largest request: all attachments in base64 (192 KiB becomes 256 KiB), the text, room.
const REQUEST_MAX: usize = 512 * 1024;

/// What every handler is given.
#[derive(Clone)]
pub struct Api {
    /// The way to the runtime.
    pub desk: Desk,
    /// Who acts for which office.
    pub duty: Duty,
    /// The large files.
    pub evidence: Arc<Shelf>,
    /// Lets go of what is not to be kept.
    pub pruner: retention::Hand,
    /// What a restore left to tell, where one made the station's folder.
    pub restored: Option<RestoredView>,
}

/// The router.
pub fn routes(api: Api) -> Router {
    let large = DefaultBodyLimit::max(documents::REQUEST_MAX);
    Router::new()
        .route("/v1/send", post(send))
        .merge(evidence::routes())
        .route("/v1/status/{id}", get(status))
        .route("/v1/inbox", get(follow::inbox))
        .route("/v1/letters/{id}", get(letter))
        .route("/v1/letters/{id}/show", post(acts::show))
        .route("/v1/letters/{id}/ack", post(acts::ack))
        .route("/v1/letters/{id}/decline", post(acts::decline))
        .route("/v1/letters/{id}/reply", post(acts::reply))
        .route("/v1/letters/{id}/statement", get(acts::statement))
        .route("/v1/documents", post(documents::publish).get(documents::held).layer(large))
        .route("/v1/peers", get(peers))
        .route("/v1/peers/cut", post(cut))
        .route("/v1/peers/mend", post(mend))
        .route("/v1/health", get(health))
        .merge(people::routes())
        .route("/v1/journal", get(journal))
        .merge(retention::routes())
        .route("/v1/restore", get(restore))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(REQUEST_MAX))
        .with_state(api)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.http());
        (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(self)).into_response()
    }
}

async fn nothing_here() -> Failure {
    Failure::new(
        Code::NotFound,
        "nothing was done",
        "the node has no such route",
        "is the node of the same version as this program?",
    )
}

async fn send(State(api): State<Api>, body: Bytes) -> Result<Json<Sent>, Failure> {
    let request: SendRequest = read(&body)?;
    if request.signed.is_some() {
        let cause = "`signed` belongs to an answer: an office signs what it says of a letter";
        return Err(Failure::new(Code::Usage, "nothing was sent", cause, "leave it out"));
    }
    let draft = compose::draft(&request)?;
    evidence::keep(&api.evidence, &draft).await?;
    let msg = api.desk.submit(draft).await?;
    Ok(Json(Sent { id: msg.to_string() }))
}

/// A level to wait for, and how long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    wait: Option<String>,
    timeout_ms: Option<u64>,
}

async fn status(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Json<StatusView>, Failure> {
    let msg = msg_id(&id)?;
    let view = match wait.wait {
        None => follow::status(&api.desk, msg).await?,
        Some(level) => {
            let level = compose::level(&level)?;
            follow::reached(&api.desk, msg, level, wait.timeout_ms.unwrap_or(10_000)).await?
        }
    };
    Ok(Json(view))
}

async fn letter(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<serde_json::Value>, Failure> {
    letters::json(&api.desk, &api.evidence, msg_id(&id)?).await.map(Json)
}

async fn peers(State(api): State<Api>) -> Result<Json<Vec<PeerView>>, Failure> {
    let links = api.desk.links().await?;
    let mut peers = api.desk.look(move |station, now| view::peers(station, now, &links)).await?;
    let party = |peer: &PeerView| peer.station.split('/').next().unwrap_or_default().to_owned();
    let notices = people::explain(&api.desk, peers.iter().map(party).collect()).await?;
    for peer in &mut peers {
        peer.service = notices.get(&party(peer)).cloned();
    }
    Ok(Json(peers))
}

/// Which link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    station: String,
}

async fn cut(State(api): State<Api>, body: Bytes) -> Result<Json<Vec<PeerView>>, Failure> {
    hold(api, &body, true).await
}

async fn mend(State(api): State<Api>, body: Bytes) -> Result<Json<Vec<PeerView>>, Failure> {
    hold(api, &body, false).await
}

async fn hold(api: Api, body: &Bytes, on: bool) -> Result<Json<Vec<PeerView>>, Failure> {
    let which: Which = read(body)?;
    let name = compose::station(&which.station)?;
    let other = move |s: &Station, _| {
        s.directory().by_name(&name).map(|member| member.id).filter(|id| *id != s.me())
    };
    let found = api.desk.look(other).await?;
    let Some(peer) = found else {
        return Err(Failure::new(
            Code::NotFound,
            "no link was changed",
            format!("no other station {} stands in the accord", which.station),
            "`cbm peers` lists the stations",
        ));
    };
    api.desk.hold(peer, on).await?;
    peers(State(api)).await
}

async fn health(State(api): State<Api>) -> Result<Json<Health>, Failure> {
    let links = api.desk.links().await?;
    api.desk.look(move |station, now| view::health(station, now, &links)).await.map(Json)
}

/// Counts first, so that no letter is counted that does not stand before the place.
async fn journal(State(api): State<Api>) -> Result<Json<JournalView>, Failure> {
    let count = |station: &Station, _| station.letter_counts();
    let (received, sent) = api.desk.look(count).await?;
    let durable = api.desk.durable().await?.to_string();
    Ok(Json(JournalView { durable, received, sent }))
}

/// What was lost with a disk, and what came back.
async fn restore(State(api): State<Api>) -> Result<Json<RestoreView>, Failure> {
    let backup = api.restored.clone();
    api.desk.look(move |station, _| view::restore(station, backup)).await.map(Json)
}

pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|cause| {
        Failure::new(
            Code::Usage,
            "nothing was done",
            format!("the request is not understood: {cause}"),
            "send the JSON that this route takes, without unknown keys",
        )
    })
}
