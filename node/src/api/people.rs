//! Who is at the other end: directory, trust, identity checks, communications checks, notices.
//!
//! What signed documents say comes from the station in one look; what letters say (entries of
//! contacts, notices of service, results of checks) is opened from the store, a bounded number of
//! the newest ones. Nothing here decides whether a letter may come or go (invariant I9). Routes are
//! put into the router by `routes`.

mod check;
mod directory;
mod identity;
mod library;
mod service;
pub mod shape;

use axum::{
    Router,
    routing::{get, post},
};
use cbm_proto::{id::PartyCode, station::Station, terms::Cause, time::DAY, time::Timestamp};

use super::{
    failure::{Code, Failure},
    routes::Api,
};

pub(super) use identity::read_aloud;
pub(super) use service::explain;

/// How long an attempt to pass for somebody else is shown beside that party's letters.
const RECENT: u64 = 30 * DAY;

/// The routes.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/directory", get(directory::all))
        .route("/v1/directory/{party}", get(directory::one))
        .route("/v1/directory/{party}/fingerprint", get(identity::fingerprint))
        .route("/v1/directory/{party}/check", post(identity::note))
        .route("/v1/directory/{party}/identify", post(identity::ask))
        .route("/v1/directory/{party}/heard", post(identity::heard))
        .route("/v1/incidents", get(directory::incidents))
        .route("/v1/check", post(check::begin))
        .route("/v1/check/{id}", get(check::result))
        .route("/v1/check/{id}/answer", post(check::answer))
        .route("/v1/notice", post(service::say))
}

/// Attempts of the last thirty days in the name of a party.
pub(super) fn attempts(station: &Station, now: Timestamp, party: &PartyCode) -> u64 {
    let since = Timestamp(now.0.saturating_sub(RECENT));
    // A mismatch is what our own officer heard; it is shown as trust.
    let real = station.incidents().concerning(party, since).filter(|i| i.cause != Cause::Mismatch);
    real.map(|incident| incident.count).fold(0, u64::saturating_add)
}

/// A party's code out of a path.
fn party(text: &str) -> Result<PartyCode, Failure> {
    PartyCode::new(text).map_err(|e| {
        let otherwise = "`cbm directory` lists the parties";
        Failure::told(Code::Usage, "nothing was done", e, otherwise)
    })
}

fn no_such(party: &PartyCode) -> Failure {
    Failure::new(
        Code::NotFound,
        "nothing was done",
        format!("`{party}` is not a party of this accord"),
        "`cbm directory` lists the parties",
    )
}
