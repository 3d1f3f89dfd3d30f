//! What is held for others, what is let go of it, and letting go by hand.
//!
//! The work is the pruner's (`runtime/pruner`); here stand the routes and what they answer. One run
//! at a time: whoever asks while one is under way waits for its own.

use axum::{Json, Router, extract::State, routing::get};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{failure::Failure, routes::Api};

/// The way to the pruner.
pub type Hand = mpsc::Sender<Order>;

/// A run is asked for.
pub struct Order {
    /// Only look.
    pub dry: bool,
    /// For what was found.
    pub reply: oneshot::Sender<Result<RetentionView, Failure>>,
}

/// What the journal holds, and what is let go of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionView {
    /// Days for which bodies of letters between others are carried.
    pub bodies_days: u64,
    /// Groups for which other days hold.
    pub groups: std::collections::BTreeMap<String, u64>,
    /// Letters sent and received, receipts, and what stations need to know of one another: kept.
    pub business: HeldView,
    /// Letters between others, whole.
    pub bodies: HeldView,
    /// Letters between others whose body was let go.
    pub headers: HeldView,
    /// What is carried between two others.
    pub pairs: HeldView,
    /// Nothing was let go: this is what a run would do.
    pub dry_run: bool,
    /// Bodies that are let go, their headers kept.
    pub let_go_bodies: u64,
    /// Envelopes between two others that are let go.
    pub let_go_pairs: u64,
    /// Bytes of those envelopes; the disk gets back somewhat less, by blocks.
    pub let_go_bytes: u64,
    /// Bytes that the journal takes on the disk, after the run.
    pub journal_bytes: u64,
    /// Bytes that it may take; null where only the disk bounds it.
    pub quota_bytes: Option<u64>,
    /// `ok`, `near` (80 %), `nearly_full` (95 %), or `own_business_only`: above the quota, and nothing
    /// is left that may go.
    pub room: String,
}

/// Envelopes of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldView {
    /// How many.
    pub envelopes: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest was made, by its author's clock; null where there is none.
    pub oldest: Option<String>,
}

impl HeldView {
    /// The day on which the oldest was made, or a dash.
    #[must_use]
    pub fn oldest_day(&self) -> &str {
        self.oldest.as_deref().and_then(|at| at.get(..10)).unwrap_or("-")
    }
}

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/retention", get(look).post(prune))
}

/// What is held, and what the next run lets go of.
async fn look(State(api): State<Api>) -> Result<Json<RetentionView>, Failure> {
    order(&api.pruner, true).await.map(Json)
}

/// Lets go of it now.
async fn prune(State(api): State<Api>) -> Result<Json<RetentionView>, Failure> {
    order(&api.pruner, false).await.map(Json)
}

async fn order(hand: &Hand, dry: bool) -> Result<RetentionView, Failure> {
    let (reply, answer) = oneshot::channel();
    hand.send(Order { dry, reply }).await.map_err(|_| Failure::stopping())?;
    answer.await.map_err(|_| Failure::unanswered())?
}
