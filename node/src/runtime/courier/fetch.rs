//! One file, from the stations that may hold it, one after another.
//!
//! Invariants: what is asked for at once follows the line: each answer that is quick doubles it, each
//! slow one halves it, so that a line of 64 kbit/s is never taken for more than about a second and
//! a letter on it waits no longer than that; a station whose bytes do not hold is left at once.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use cbm_proto::{
    evidence::{Answer, Question, Section},
    id::{Digest, StationId},
    limits::{EVIDENCE_ANSWER_MAX, EVIDENCE_ANSWER_MIN, EVIDENCE_ASKED_PER_PEER},
};
use futures::{StreamExt, stream::FuturesOrdered};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{
    api::command::Desk,
    evidence::{About, Coming, Shelf, ShelfError},
};

/// An answer within this lets us ask for more at once.
const QUICK: Duration = Duration::from_millis(200);
/// One that takes longer lets us ask for less.
const SLOW: Duration = Duration::from_millis(800);
/// What is asked for first.
const FIRST: usize = 4 * EVIDENCE_ANSWER_MIN;
/// Between two questions to a station that said: later.
const LATER: Duration = Duration::from_millis(250);
/// So often it may say so before another one is asked.
const PATIENCE: u32 = 240;

/// So often a station may give less than was asked for: it may be fetching itself, or wearing us out.
const SHORT: u32 = 8;

/// Fetches what is missing.
///
/// # Errors
/// Why it does not go on, in words.
pub(super) async fn fetch(desk: &Desk, shelf: &Arc<Shelf>, root: Digest) -> Result<(), String> {
    let opened = shelf.clone();
    let coming = spawn_blocking(move || opened.resume(&root)).await;
    let coming = coming.map_err(words)?.map_err(words)?;
    if coming.has_list() && coming.next_piece() == 0 {
        return finish(shelf, coming).await;
    }
    let peers = sources(desk, &coming.about).await.map_err(words)?;
    fetch_from(desk, shelf, coming, peers).await
}

/// From these, one after another.
async fn fetch_from(
    desk: &Desk,
    shelf: &Arc<Shelf>,
    mut coming: Coming,
    peers: Vec<StationId>,
) -> Result<(), String> {
    let root = coming.root;
    let mut why = "none of the stations that may hold it is linked".to_owned();
    for peer in peers {
        let mut line = Line { desk, peer, root, size: FIRST };
        let (back, result) = take_from(&mut line, shelf, coming).await?;
        coming = back;
        match result {
            Ok(()) => return finish(shelf, coming).await,
            Err(cause) => why = cause,
        }
    }
    Err(why)
}

async fn finish(shelf: &Arc<Shelf>, coming: Coming) -> Result<(), String> {
    let shelf = shelf.clone();
    let finish = move || coming.finish().map(|()| shelf.came(&coming.root, coming.have()));
    spawn_blocking(finish).await.map_err(words)?.map_err(words)
}

/// Linked stations that may hold it, the one that named it first.
async fn sources(
    desk: &Desk,
    about: &About,
) -> Result<Vec<StationId>, crate::api::failure::Failure> {
    let linked = desk.links().await?.linked;
    let (first, parties) = (about.station.clone(), about.parties.clone());
    let found = desk.look(move |station, _| {
        let me = station.me();
        let named = |party: &str| parties.iter().any(|one| one == party);
        let all = station.directory().members();
        let all = all.filter(|m| m.id != me && named(m.name.party().as_str()));
        let mut all: Vec<StationId> = all.map(|m| m.id).collect();
        all.sort_by_key(|id| (id.to_string() != first, *id));
        all
    });
    let mut found = found.await?;
    found.retain(|id| linked.contains_key(id));
    Ok(found)
}

/// A file on its way, and how it went with one station.
type Went = (Coming, Result<(), String>);

/// Takes from one station whatever it gives. An error of the disk ends it all.
async fn take_from(
    line: &mut Line<'_>,
    shelf: &Arc<Shelf>,
    mut coming: Coming,
) -> Result<Went, String> {
    if !coming.has_list() {
        let list = match line.whole(Section::List, coming.list_length()).await {
            Ok(list) => list,
            Err(cause) => return Ok((coming, Err(cause))),
        };
        let (back, taken) = blocking(coming, move |coming| coming.take_list(list)).await?;
        coming = back;
        match taken {
            Ok(()) => {}
            Err(ShelfError::Evidence(_)) => {
                return Ok((coming, Err(line.lies())));
            }
            Err(error) => return Err(words(error)),
        }
    }
    let mut stream = Stretches::new(Section::Pieces, coming.have(), coming.about.sealed);
    let mut piece: Vec<u8> = Vec::new();
    while coming.next_piece() > 0 {
        match stream.next(line).await {
            Ok(bytes) => piece.extend_from_slice(&bytes),
            Err(cause) => return Ok((coming, Err(cause))),
        }
        let (back, taken) = blocking(coming, move |coming| {
            let good = take_pieces(coming, &mut piece)?;
            Ok((good, piece))
        })
        .await?;
        coming = back;
        let (good, rest) = taken.map_err(words)?;
        piece = rest;
        shelf.came_so_far(&coming);
        if !good {
            return Ok((coming, Err(line.lies())));
        }
    }
    Ok((coming, Ok(())))
}

/// Takes every whole piece off the front; false when one does not hold.
fn take_pieces(coming: &mut Coming, bytes: &mut Vec<u8>) -> Result<bool, ShelfError> {
    let mut used = 0;
    loop {
        let length = coming.next_piece();
        let Some(piece) = bytes.get(used..used + length).filter(|_| length > 0) else { break };
        if !coming.take(piece)? {
            return Ok(false);
        }
        used += length;
    }
    bytes.drain(..used);
    Ok(true)
}

/// Works on the file where it may wait for the disk.
async fn blocking<T: Send + 'static>(
    mut coming: Coming,
    work: impl FnOnce(&mut Coming) -> Result<T, ShelfError> + Send + 'static,
) -> Result<(Coming, Result<T, ShelfError>), String> {
    let both = move || {
        let result = work(&mut coming);
        (coming, result)
    };
    spawn_blocking(both).await.map_err(words)
}

/// What is asked of one station, and how much at once.
struct Line<'a> {
    desk: &'a Desk,
    peer: StationId,
    root: Digest,
    size: usize,
}

impl Line<'_> {
    /// All of a section that is small.
    async fn whole(&mut self, section: Section, length: u64) -> Result<Vec<u8>, String> {
        let mut stretches = Stretches::new(section, 0, length);
        let mut all = Vec::new();
        while (all.len() as u64) < length {
            all.extend_from_slice(&stretches.next(self).await?);
        }
        Ok(all)
    }

    fn lies(&self) -> String {
        tracing::warn!(peer = ?self.peer, root = ?self.root, "gave what no letter names");
        "a station gave something else than the letter names".to_owned()
    }

    fn learn(&mut self, took: Duration) {
        if took < QUICK {
            self.size = (self.size * 2).min(EVIDENCE_ANSWER_MAX);
        } else if took > SLOW {
            self.size = (self.size / 2).max(EVIDENCE_ANSWER_MIN);
        }
    }
}

/// One question, until there is an answer that is not `Later`.
async fn ask(desk: Desk, peer: StationId, question: Question) -> Result<(Bytes, Duration), String> {
    for _ in 0..PATIENCE {
        let begun = Instant::now();
        let answer = desk.fetch(peer, question.encode()).await.map_err(words)?;
        let answer = answer.ok_or("a station that holds it did not answer in time")?;
        match Answer::decode(&answer, question.length) {
            Some(Answer::Bytes(bytes)) => return Ok((bytes, begun.elapsed())),
            Some(Answer::Later) => sleep(LATER).await,
            Some(Answer::Nothing) => return Err("the linked stations do not hold it".to_owned()),
            None => return Err("a station gave an answer that is none".to_owned()),
        }
    }
    Err("the line is busy with letters".to_owned())
}

type Asked = std::pin::Pin<Box<dyn Future<Output = Result<(Bytes, Duration), String>> + Send>>;

/// Consecutive stretches of a section, asked for a little ahead.
struct Stretches {
    section: Section,
    /// Where the next question begins.
    from: u64,
    end: u64,
    under_way: FuturesOrdered<Asked>,
    /// What each question under way asks for.
    asked: VecDeque<(u64, u32)>,
    /// Answers that gave less than was asked for.
    short: u32,
}

impl Stretches {
    fn new(section: Section, from: u64, end: u64) -> Self {
        let (under_way, asked) = (FuturesOrdered::new(), VecDeque::new());
        Self { section, from, end, under_way, asked, short: 0 }
    }

    /// The next bytes.
    async fn next(&mut self, line: &mut Line<'_>) -> Result<Bytes, String> {
        // Two at once only where they are quick: on a slow line one is enough to fill it.
        let most = if line.size < EVIDENCE_ANSWER_MAX { 1 } else { EVIDENCE_ASKED_PER_PEER };
        while self.asked.len() < most && self.from < self.end {
            let length = (line.size as u64).min(self.end - self.from);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            let Self { section, from, .. } = *self;
            let question = Question { root: line.root, section, from, length };
            self.under_way.push_back(Box::pin(ask(line.desk.clone(), line.peer, question)));
            self.asked.push_back((from, length));
            self.from += u64::from(length);
        }
        let (Some((from, length)), Some(answer)) =
            (self.asked.pop_front(), self.under_way.next().await)
        else {
            return Err("a station gave less than the letter names".to_owned());
        };
        let (bytes, took) = answer?;
        line.learn(took);
        if bytes.len() < length as usize {
            // What is under way would leave a gap.
            let short = self.short + 1;
            *self = Self::new(self.section, from + bytes.len() as u64, self.end);
            self.short = short;
            if short > SHORT {
                return Err("a station gives it in drops".to_owned());
            }
        }
        Ok(bytes)
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
