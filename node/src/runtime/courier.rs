//! The courier: fetches the large files that letters name, and gives to others what is here.
//!
//! Two tasks beside the loop, which they ask like the API does. One looks through the inbox, from the
//! letter after the last one it saw, and notes what is wanted on the shelf; then it asks, for each
//! file, the author's station and after it the other parties of the letter, until it is whole. The
//! other one answers questions, one at a time. Invariants: at most [`AT_ONCE`] files are under way;
//! what a restart finds wanted is gone on with; a station that gives what the letter does not name
//! is left for the next one. Started by `setup`; ends with the loop.

mod fetch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cbm_proto::{
    event::{Notice, Token},
    evidence::{Answer, Question},
    id::{Digest, MsgId, StationId},
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep},
};

use crate::{
    api::{command::Desk, evidence, failure::Failure, letters},
    evidence::Shelf,
};

/// A question of another station, and what to answer it by.
pub type Wanted = (Token, Bytes);

/// Files that are fetched at the same time.
const AT_ONCE: usize = 2;
/// Questions of others that wait.
const WANTED: usize = 32;
/// Letters looked through in one turn.
const PAGE: usize = 64;
/// Between two looks at the links, while something is wanted.
const LOOK: Duration = Duration::from_secs(1);
/// Before a file that did not come is tried again; doubled each time.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest time between two tries.
const LONGEST: Duration = Duration::from_secs(60);

/// Between a letter's coming and the look into it: its receipt goes first, and many letters are one look.
const GATHER: Duration = Duration::from_millis(100);
/// How long the last letter that was looked through is not noted on the disk: those behind the note are
/// looked through once more by the next start, which changes nothing.
const NOTE: Duration = Duration::from_secs(30);

/// Starts both; gives where the loop hands in what others ask.
#[must_use]
pub fn start(desk: Desk, shelf: Arc<Shelf>) -> mpsc::Sender<Wanted> {
    let (hand, wanted) = mpsc::channel(WANTED);
    tokio::spawn(give(desk.clone(), shelf.clone(), wanted));
    tokio::spawn(async move {
        let seen = shelf.seen();
        let courier = Courier {
            desk,
            shelf,
            seen,
            note: None,
            jobs: BTreeMap::new(),
            linked: BTreeSet::new(),
            under_way: JoinSet::new(),
        };
        // The node is stopping, and says so itself.
        let _ = courier.run().await;
    });
    hand
}

/// Answers what others ask, one after another.
async fn give(desk: Desk, shelf: Arc<Shelf>, mut wanted: mpsc::Receiver<Wanted>) {
    while let Some((token, bytes)) = wanted.recv().await {
        let shelf = shelf.clone();
        let read = move || {
            let question = Question::decode(&bytes)?;
            let found = shelf.stretch(&question).unwrap_or_else(|error| {
                tracing::warn!(%error, "evidence cannot be read");
                None
            });
            Some(found.map_or(Answer::Nothing, Answer::Bytes))
        };
        // Nonsense gets no more than somebody who asks for what is not here.
        let answer = spawn_blocking(read).await.ok().flatten().unwrap_or(Answer::Nothing);
        if desk.give(token, answer.encode()).await.is_err() {
            return;
        }
    }
}

/// Waits until then; for ever if there is no such time.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// When a file is tried, and how long is waited after that.
struct Job {
    due: Instant,
    pause: Duration,
    under_way: bool,
}

struct Courier {
    desk: Desk,
    shelf: Arc<Shelf>,
    /// Number of the last letter that was looked through.
    seen: u64,
    /// When that is to be noted, if it is not.
    note: Option<Instant>,
    jobs: BTreeMap<Digest, Job>,
    linked: BTreeSet<StationId>,
    under_way: JoinSet<(Digest, Result<(), String>)>,
}

impl Courier {
    async fn run(mut self) -> Result<(), Failure> {
        let mut notices = self.desk.follow()?;
        let mut look = Some(Instant::now());
        loop {
            if look.is_some_and(|at| at <= Instant::now()) {
                while self.look_through().await? {}
                look = None;
            }
            self.begin().await?;
            let idle = self.jobs.is_empty();
            tokio::select! {
                notice = notices.recv() => match notice {
                    Ok(Notice::Letter(_)) | Err(RecvError::Lagged(_)) => {
                        look.get_or_insert_with(|| Instant::now() + GATHER);
                    }
                    Ok(_) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = reached(look) => {}
                () = reached(self.note) => self.note().await,
                Some(Ok((root, result))) = self.under_way.join_next() => self.ended(root, result),
                () = self.shelf.wanted.notified() => {}
                () = sleep(LOOK), if !idle => {}
            }
        }
    }

    /// Takes up the next letters of the inbox; true if there may be more.
    async fn look_through(&mut self) -> Result<bool, Failure> {
        let seen = self.seen;
        let page = self.desk.look(move |station, _| {
            let new = station.inbox_after(seen).take(PAGE);
            new.map(|r| (r.number, r.msg)).collect::<Vec<_>>()
        });
        let page = page.await?;
        let Some((last, _)) = page.last().copied() else { return Ok(false) };
        for (_, msg) in &page {
            self.take_up(*msg).await?;
        }
        self.seen = last;
        self.note.get_or_insert_with(|| Instant::now() + NOTE);
        Ok(page.len() == PAGE)
    }

    async fn note(&mut self) {
        let (shelf, seen) = (self.shelf.clone(), self.seen);
        self.note = None;
        match spawn_blocking(move || shelf.note_seen(seen)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "letters will be looked through again"),
            // The node is stopping.
            Err(_) => {}
        }
    }

    async fn take_up(&self, msg: MsgId) -> Result<(), Failure> {
        let letter = match letters::open(&self.desk, msg).await {
            Ok(letter) => letter,
            Err(failure) if failure == Failure::stopping() => return Err(failure),
            Err(failure) => {
                tracing::warn!(?msg, %failure, "not looked through for attachments");
                return Ok(());
            }
        };
        for file in letter.attachments.iter().filter_map(|file| file.content.evidence()) {
            let about = evidence::about(&self.desk, msg, &letter, file.sealed).await?;
            if let Err(error) = self.shelf.want(&file.root, about, false) {
                tracing::warn!(?msg, %error, "an attachment cannot be noted");
            }
        }
        Ok(())
    }

    /// Begins what is due, as far as there is room.
    async fn begin(&mut self) -> Result<(), Failure> {
        let coming: BTreeSet<Digest> = self.shelf.coming().into_iter().collect();
        self.jobs.retain(|root, job| job.under_way || coming.contains(root));
        let now = Instant::now();
        for root in coming {
            let fresh = || Job { due: now, pause: PAUSE, under_way: false };
            self.jobs.entry(root).or_insert_with(fresh);
        }
        if self.jobs.is_empty() {
            return Ok(());
        }
        let linked: BTreeSet<StationId> = self.desk.links().await?.linked.into_keys().collect();
        if linked.difference(&self.linked).next().is_some() {
            self.jobs.values_mut().for_each(|job| (job.due, job.pause) = (now, PAUSE));
        }
        self.linked = linked;
        let mut due: Vec<_> =
            self.jobs.iter_mut().filter(|(_, j)| !j.under_way && j.due <= now).collect();
        due.sort_by_key(|(_, job)| job.due);
        for (root, job) in due {
            if self.under_way.len() >= AT_ONCE {
                break;
            }
            job.under_way = true;
            let (desk, shelf, root) = (self.desk.clone(), self.shelf.clone(), *root);
            self.under_way.spawn(async move { (root, fetch::fetch(&desk, &shelf, root).await) });
        }
        Ok(())
    }

    fn ended(&mut self, root: Digest, result: Result<(), String>) {
        let Some(job) = self.jobs.get_mut(&root) else { return };
        job.under_way = false;
        match result {
            Ok(()) => {
                tracing::info!(?root, "an attachment is here");
                self.jobs.remove(&root);
            }
            Err(words) => {
                tracing::debug!(?root, words, "an attachment does not come further");
                self.shelf.stuck(&root, &words);
                job.due = Instant::now() + job.pause;
                job.pause = (job.pause * 2).min(LONGEST);
            }
        }
    }
}
