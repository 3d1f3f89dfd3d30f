//! Large files between people and the node's shelf: taken in before a letter names them, given out
//! opened when they are whole. Nothing of a file is ever held whole.

use std::{io::Read, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cbm_proto::{
    draft::{Attachment, Content, Draft, Evidence},
    envelope::CHUNK,
    evidence::{EvidenceError, Opener, PIECE, pieces, place},
    id::{MsgId, hex},
    letter::Letter,
};
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    command::Desk,
    compose::msg_id,
    failure::{Code, Failure},
    letters,
    routes::Api,
    shape::EvidenceView,
};
use crate::{
    clock,
    evidence::{About, Shelf, ShelfError, State as Standing, Wish},
};

/// Runs of bytes that wait between the socket and the disk.
const RUNS: usize = 4;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/evidence", post(take).layer(DefaultBodyLimit::disable()))
        .route("/v1/letters/{id}/attachments/{number}", get(attachment))
}

/// What comes over the socket; without an end the file was cut off.
enum Run {
    Bytes(Bytes),
    End,
}

/// Seals the body of the request, as it comes.
async fn take(State(api): State<Api>, body: Body) -> Result<Json<EvidenceView>, Failure> {
    let key = clock::entropy().map_err(|e| refused(Code::Failed, e, "try another machine"))?;
    let (runs, taken) = mpsc::channel(RUNS);
    let shelf = api.evidence;
    let sealing = spawn_blocking(move || seal(&shelf, key, taken));
    let mut body = body.into_data_stream();
    loop {
        let run = match body.next().await {
            Some(Ok(bytes)) => Run::Bytes(bytes),
            None => Run::End,
            Some(Err(_)) => break,
        };
        let end = matches!(run, Run::End);
        // It ended by itself: it will say why.
        if runs.send(run).await.is_err() || end {
            break;
        }
    }
    drop(runs);
    let sealed = sealing.await.map_err(|_| Failure::unanswered())?;
    sealed.map_err(|e| shelf_failure("nothing was sent", &e)).and_then(|sealed| {
        let cut = "the file was cut off on its way to the node";
        let sealed = sealed.ok_or_else(|| refused(Code::Usage, cut, "send it again"))?;
        Ok(Json(view(&sealed)))
    })
}

fn seal(
    shelf: &Shelf,
    key: [u8; 32],
    mut runs: mpsc::Receiver<Run>,
) -> Result<Option<Evidence>, ShelfError> {
    let mut intake = shelf.intake(key)?;
    while let Some(run) = runs.blocking_recv() {
        match run {
            Run::Bytes(bytes) => intake.push(&bytes)?,
            Run::End => return intake.finish().map(Some),
        }
    }
    Ok(None)
}

fn view(sealed: &Evidence) -> EvidenceView {
    EvidenceView {
        root: sealed.root.to_string(),
        key: hex(&*sealed.key),
        sealed: sealed.sealed,
        size: sealed.size,
        sha256: hex(&sealed.sha256),
    }
}

/// What a draft names is kept before the draft is taken.
pub(super) async fn keep(shelf: &Arc<Shelf>, draft: &Draft) -> Result<(), Failure> {
    let named = draft.attachments.iter().filter_map(|file| file.content.evidence());
    let roots: Vec<_> = named.map(|evidence| evidence.root).collect();
    let shelf = shelf.clone();
    let kept = spawn_blocking(move || roots.iter().try_for_each(|root| shelf.keep(root)));
    let kept = kept.await.map_err(|_| Failure::unanswered())?;
    kept.map_err(|e| shelf_failure("nothing was sent", &e))
}

/// Says of each attachment how it stands here, and takes away what opens it.
pub(super) fn states(shelf: &Shelf, letter: &Letter, received: bool, files: &mut Value) {
    let Some(files) = files.as_array_mut() else { return };
    for (file, json) in letter.attachments.iter().zip(files) {
        let (state, here) = standing(shelf, file, received);
        if let Some(json) = json.as_object_mut() {
            json.remove("evidence");
            json.insert("state".into(), state.into());
            json.insert("received".into(), here.into());
        }
    }
}

fn standing(shelf: &Shelf, file: &Attachment, received: bool) -> (&'static str, u64) {
    let evidence = match &file.content {
        Content::Inside(bytes) => return ("here", bytes.len() as u64),
        Content::Apart(evidence) => evidence,
    };
    match shelf.state(&evidence.root) {
        Some(Standing::Here) => ("here", evidence.size),
        Some(Standing::Coming { have, .. }) => ("coming", opened(evidence, have)),
        // The courier has not looked at the letter yet.
        None if received => ("coming", 0),
        Some(Standing::HeldBack) | None => ("held back", 0),
    }
}

/// Bytes of the file in so many sealed ones.
fn opened(evidence: &Evidence, have: u64) -> u64 {
    (have / PIECE as u64 * CHUNK as u64).min(evidence.size)
}

/// The content of one attachment.
async fn attachment(
    State(api): State<Api>,
    Path((id, number)): Path<(String, usize)>,
) -> Result<Response, Failure> {
    let msg = msg_id(&id)?;
    let (letter, file) = letters::attachment(&api.desk, msg, number).await?;
    let kind = (header::CONTENT_TYPE, "application/octet-stream".to_owned());
    let evidence = match file.content {
        Content::Inside(bytes) => return Ok(([kind], bytes).into_response()),
        Content::Apart(evidence) => evidence,
    };
    let failed = |e: ShelfError| shelf_failure("the attachment was not saved", &e);
    let Some(sealed) = api.evidence.whole(&evidence).map_err(failed)? else {
        return Err(missing(&api, msg, &letter, &evidence).await?);
    };
    let length = (header::CONTENT_LENGTH, evidence.size.to_string());
    let body = open(evidence, sealed).map_err(|e| failed(e.into()))?;
    Ok(([kind, length], body).into_response())
}

/// Opens the pieces as fast as they are taken.
fn open(evidence: Evidence, mut sealed: std::fs::File) -> Result<Body, EvidenceError> {
    let mut opener = Opener::new(&evidence)?;
    let (runs, opened) = mpsc::channel::<std::io::Result<Vec<u8>>>(RUNS);
    spawn_blocking(move || {
        let mut piece = Vec::new();
        for number in 0..pieces(evidence.sealed) {
            let place = place(evidence.sealed, number);
            piece.clear();
            let read = (&mut sealed).take(place.end - place.start).read_to_end(&mut piece);
            let plain = read.and_then(|_| opener.next(&piece).map_err(std::io::Error::other));
            if let Err(error) = &plain {
                tracing::warn!(%error, number, "an attachment cannot be opened");
            }
            let bad = plain.is_err();
            if runs.blocking_send(plain).is_err() || bad {
                return;
            }
        }
    });
    Ok(Body::from_stream(stream::unfold(opened, |mut opened| async move {
        opened.recv().await.map(|run| (run, opened))
    })))
}

/// Why it is not here, and that it is fetched now, whatever its author's share.
async fn missing(
    api: &Api,
    msg: MsgId,
    letter: &Letter,
    evidence: &Evidence,
) -> Result<Failure, Failure> {
    let before = api.evidence.state(&evidence.root);
    let about = about(&api.desk, msg, letter, evidence.sealed).await?;
    let now = api.evidence.want(&evidence.root, about, true);
    let now = now.map_err(|e| shelf_failure("the attachment was not saved", &e))?;
    let (have, cause) = match now {
        Standing::Coming { have, cause } => (opened(evidence, have), cause),
        Standing::Here | Standing::HeldBack => (0, None),
    };
    let so_far = format!("{have} of {} bytes are here", evidence.size);
    let why = match (before, cause) {
        (Some(Standing::HeldBack), _) => {
            "; it was held back, for its author's share of the disk is used up, and is fetched now"
                .to_owned()
        }
        (_, Some(cause)) => format!("; {cause}"),
        _ => "; it is on its way".to_owned(),
    };
    Ok(Failure::new(
        Code::NotReached,
        "an attachment is not here yet",
        so_far + &why,
        "it goes on by itself; save it again later, `cbm show ID` says how much is here",
    ))
}

/// Whose evidence it is that a letter names, and which parties may hold it.
///
/// # Errors
/// The node is stopping.
pub async fn about(
    desk: &Desk,
    msg: MsgId,
    letter: &Letter,
    sealed: u64,
) -> Result<About, Failure> {
    let group = letter.header.group().map(str::to_owned);
    let known = desk.look(move |station, _| {
        let received = station.received(&msg).map(|r| (r.party.to_string(), r.author.to_string()));
        let group = group.and_then(|name| station.directory().group(&name).cloned());
        let group = group.into_iter().flat_map(|group| group.parties);
        (received, group.map(|party| party.to_string()).collect::<Vec<_>>())
    });
    let (received, group) = known.await?;
    let (author, station) = received.unwrap_or_default();
    let addressed = letter.header.to().into_iter().chain(letter.header.info());
    let mut parties: Vec<String> = addressed.map(|party| party.to_string()).collect();
    parties.extend(group);
    parties.extend((!author.is_empty()).then(|| author.clone()));
    parties.sort();
    parties.dedup();
    Ok(About { wish: Wish::Wanted, sealed, author, station, parties })
}

fn refused(code: Code, cause: impl std::fmt::Display, remedy: &str) -> Failure {
    Failure::new(code, "nothing was sent", cause, remedy)
}

fn shelf_failure(error: &str, cause: &ShelfError) -> Failure {
    let code = match cause {
        ShelfError::Io { .. } | ShelfError::Full(_) => Code::Storage,
        ShelfError::Evidence(EvidenceError::TooLarge) | ShelfError::Unknown => Code::Usage,
        ShelfError::Evidence(_) => Code::Failed,
    };
    Failure::told(code, error, cause, "make room on the disk")
}
