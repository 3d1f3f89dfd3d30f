//! What an officer does with a letter: shows, acknowledges, declines, answers it.
//!
//! An act may carry the signature of the officer's own office. The key never comes here: the
//! officer's side asks what of a letter is signed ([`statement`]), signs, and sends the signature
//! along; the station takes it only if it counts under its own certificate.

use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, FromRequestParts, Path, State},
    http::request::Parts,
};
use cbm_proto::event::{Act, Officer, Signed};

use super::{
    compose::{self, msg_id},
    evidence,
    failure::{Code, Failure},
    routes::{Api, read},
    server::Caller,
    shape::{AckRequest, DeclineRequest, SendRequest, Sent, StatementView},
};

pub(super) async fn show(
    State(api): State<Api>,
    Acting(by): Acting,
    Path(id): Path<String>,
) -> Result<Json<Sent>, Failure> {
    act(&api, &id, Act::Show, by, None).await
}

pub(super) async fn ack(
    State(api): State<Api>,
    Acting(by): Acting,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Sent>, Failure> {
    let request: AckRequest = read(&body)?;
    let signed = compose::signed(request.signed.as_ref())?;
    act(&api, &id, compose::ack(&request)?, by, signed).await
}

pub(super) async fn decline(
    State(api): State<Api>,
    Acting(by): Acting,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Sent>, Failure> {
    let request: DeclineRequest = read(&body)?;
    let signed = compose::signed(request.signed.as_ref())?;
    act(&api, &id, compose::decline(&request)?, by, signed).await
}

pub(super) async fn reply(
    State(api): State<Api>,
    Acting(by): Acting,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Sent>, Failure> {
    let request: SendRequest = read(&body)?;
    let signed = compose::signed(request.signed.as_ref())?;
    let msg = msg_id(&id)?;
    let author = api.desk.look(move |s, _| s.received(&msg).map(|r| r.party.clone())).await?;
    let author = author.ok_or_else(|| not_here("nothing was sent", &id))?;
    let draft = compose::answer(&request, msg, author)?;
    evidence::keep(&api.evidence, &draft).await?;
    act(&api, &id, Act::Reply { draft: Box::new(draft) }, by, signed).await
}

/// What of a letter the officer's office signs.
pub(super) async fn statement(
    State(api): State<Api>,
    Acting(by): Acting,
    Path(id): Path<String>,
) -> Result<Json<StatementView>, Failure> {
    let msg = msg_id(&id)?;
    let named = api.desk.look(move |station, _| station.received(&msg).map(|r| r.named)).await?;
    let named = named.ok_or_else(|| not_here("the letter is untouched", &id))?;
    Ok(Json(StatementView {
        id: msg.to_string(),
        digest: named.envelope.to_string(),
        content_root: named.content_root.to_string(),
        office: by.office,
    }))
}

async fn act(
    api: &Api,
    id: &str,
    act: Act,
    by: Officer,
    signed: Option<Signed>,
) -> Result<Json<Sent>, Failure> {
    let msg = api.desk.act(msg_id(id)?, act, by, signed).await?;
    Ok(Json(Sent { id: msg.to_string() }))
}

fn not_here(error: &str, id: &str) -> Failure {
    let cause = format!("no letter {id} was received here");
    Failure::new(Code::NotFound, error, cause, "`cbm inbox` lists what was received")
}

/// The officer at the other end; policy refuses anybody else.
pub(super) struct Acting(pub(super) Officer);

impl FromRequestParts<Api> for Acting {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let caller = parts.extensions.get::<ConnectInfo<Caller>>().and_then(|info| info.0.uid);
        let Some(uid) = caller else {
            return Err(Failure::new(
                Code::Refused,
                "the letter is untouched",
                "the system does not say which Unix user asks",
                "ask over the node's own socket",
            ));
        };
        api.duty.officer(uid).map(Self)
    }
}
