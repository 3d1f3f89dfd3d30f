//! Answers that wait: for a level, or for the next letter.
//!
//! A follower listens first and looks second, so nothing falls between; one that was too slow for
//! the bounded channel of notices looks at the whole again. Nothing is told twice on one stream.

use std::{collections::VecDeque, time::Duration};

use axum::{
    body::Body,
    extract::{Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use cbm_proto::{event::Notice, id::MsgId, terms::Level};
use futures::stream;
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    command::Desk,
    failure::{Code, Failure},
    letters, people,
    routes::Api,
    shape::{AddresseeView, InboxRow, StatusView},
    view,
};

/// How far a letter of ours came.
pub(super) async fn status(desk: &Desk, msg: MsgId) -> Result<StatusView, Failure> {
    let found = desk.look(move |station, now| view::status(station, now, &msg)).await?;
    let mut view = found.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            "there is no status",
            format!("this station sent no letter {msg}"),
            "use the id that `cbm send` printed, and the configuration of the sender",
        )
    })?;
    let silent = view.addressees.iter().filter(|a| waits(a)).map(|a| a.party.clone()).collect();
    let causes = people::explain(desk, silent).await?;
    for addressee in view.addressees.iter_mut().filter(|a| waits(a)) {
        if let Some(cause) = causes.get(&addressee.party) {
            addressee.cause.get_or_insert_with(|| cause.clone());
        }
    }
    Ok(view)
}

/// Nobody has said anything about it: the party may have told why beforehand.
fn waits(addressee: &AddresseeView) -> bool {
    matches!(addressee.state.as_str(), "not_reached" | "reached_unattended")
}

/// The same, as soon as `level` is reached by all who owe an answer, or when the time is over.
pub(super) async fn reached(
    desk: &Desk,
    msg: MsgId,
    level: Level,
    timeout_ms: u64,
) -> Result<StatusView, Failure> {
    let mut notices = desk.follow()?;
    let wait = async {
        loop {
            let view = status(desk, msg).await?;
            if view.reached(level) {
                return Ok(view);
            }
            about(&mut notices, &msg).await?;
        }
    };
    match tokio::time::timeout(Duration::from_millis(timeout_ms), wait).await {
        Ok(view) => view,
        Err(_) => status(desk, msg).await,
    }
}

/// Waits until something may have changed for the letter.
async fn about(notices: &mut broadcast::Receiver<Notice>, letter: &MsgId) -> Result<(), Failure> {
    loop {
        match notices.recv().await {
            Ok(Notice::Settled { msg, .. }) if msg == *letter => return Ok(()),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return Ok(()),
            Err(RecvError::Closed) => return Err(Failure::stopping()),
        }
    }
}

/// Whether to go on after the letters that are there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Follow {
    #[serde(default)]
    follow: bool,
}

/// The inbox, one JSON object a line, oldest first.
pub(super) async fn inbox(
    State(api): State<Api>,
    Query(follow): Query<Follow>,
) -> Result<Response, Failure> {
    let mut feed = Feed {
        notices: follow.follow.then(|| api.desk.follow()).transpose()?,
        desk: api.desk,
        told: 0,
        waiting: VecDeque::new(),
    };
    feed.look().await?;
    let lines = stream::unfold(feed, |mut feed| async move {
        let row = feed.next().await.transpose()?;
        Some((row.and_then(|row| line(&row)), feed))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// One follower of the inbox.
struct Feed {
    desk: Desk,
    notices: Option<broadcast::Receiver<Notice>>,
    /// Number of the last letter that was taken up.
    told: u64,
    waiting: VecDeque<(MsgId, InboxRow)>,
}

impl Feed {
    /// Takes up what is in the inbox and was not told, a page at a time.
    async fn look(&mut self) -> Result<(), Failure> {
        let told = self.told;
        for (received, row) in self.desk.look(move |s, now| view::inbox(s, now, told)).await? {
            self.told = self.told.max(received.number);
            self.waiting.push_back((received.msg, row));
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<InboxRow>, Failure> {
        loop {
            if let Some((msg, mut row)) = self.waiting.pop_front() {
                row.subject = letters::subject(&self.desk, msg).await?;
                return Ok(Some(row));
            }
            self.look().await?;
            if !self.waiting.is_empty() {
                continue;
            }
            let Some(notices) = &mut self.notices else { return Ok(None) };
            loop {
                match notices.recv().await {
                    Ok(Notice::Letter(_)) | Err(RecvError::Lagged(_)) => break,
                    Ok(_) => {}
                    Err(RecvError::Closed) => return Ok(None),
                }
            }
        }
    }
}

fn line(row: &InboxRow) -> Result<Vec<u8>, Failure> {
    let mut line = serde_json::to_vec(row).map_err(|e| {
        Failure::new(Code::Failed, "the inbox ends here", e, "look at the node's log")
    })?;
    line.push(b'\n');
    Ok(line)
}
