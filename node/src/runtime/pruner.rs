//! The pruner: lets go of what is not to be kept, in small steps beside the loop.
//!
//! A task that asks the loop like the API does. It reads the journal's segments by itself, asks the
//! station about every envelope in them, and hands what may go to the store's thread, at most
//! [`STEP`] records at a time, with a pause after each step. Invariants: the station decides, nothing
//! here does; what takes a record's place is durable before that goes; one run at a time. It runs
//! from time to time, when somebody asks, and when the journal takes more room than it may: then
//! bodies go before their time, the oldest first, and nothing else. Started by `setup`; ends with
//! the loop.

use std::{path::PathBuf, time::Duration};

use cbm_proto::{
    envelope::Envelope,
    id::EnvelopeId,
    journal::{Record, RecordKind},
    retention::{Holding, Keep, Retention},
    time::DAY,
};
use tokio::{sync::mpsc, task::spawn_blocking, time::sleep};

use crate::{
    api::{
        command::Desk,
        failure::{Code, Failure},
        retention::{Hand, HeldView, Order, RetentionView},
    },
    clock,
    config::Config,
    store::{
        Position,
        inspect::{records_of, room_taken, segment_numbers},
    },
};

/// Envelopes that the station is asked about, and that the store lets go of, at once.
const STEP: usize = 64;
/// After each step that let go of something, so that letters come between.
const PAUSE: Duration = Duration::from_millis(20);
/// From the start to the first run.
const FIRST: Duration = Duration::from_secs(300);
/// Between two looks at the room.
const LOOK: Duration = Duration::from_secs(600);
/// Looks between two runs: six hours.
const RUN_EVERY: u32 = 36;
/// People who may ask at once.
const ORDERS: usize = 4;

struct Pruner {
    desk: Desk,
    data: PathBuf,
    retention: Retention,
    quota: Option<u64>,
    /// What the operator was told of the room last.
    told: &'static str,
}

/// Starts it; gives the way to ask for a run.
#[must_use]
pub fn start(desk: Desk, config: &Config) -> Hand {
    let (hand, orders) = mpsc::channel(ORDERS);
    let pruner = Pruner {
        desk,
        data: config.data.clone(),
        retention: config.retention.clone(),
        quota: config.journal_quota,
        told: "ok",
    };
    tokio::spawn(pruner.work(orders));
    hand
}

/// A record that goes, and what takes its place.
struct Going {
    place: Position,
    instead: Option<(EnvelopeId, Record)>,
}

impl Pruner {
    async fn work(mut self, mut orders: mpsc::Receiver<Order>) {
        let (mut wait, mut looks) = (FIRST, 0_u32);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    // Whoever asked may be gone.
                    Some(Order { dry, reply }) => drop(reply.send(self.run(dry).await)),
                    None => return,
                },
                () = sleep(wait) => {
                    if let Err(failure) = self.look_from_time_to_time(looks).await {
                        tracing::warn!(cause = failure.cause, "nothing was let go");
                    }
                    (wait, looks) = (LOOK, looks.wrapping_add(1));
                }
            }
        }
    }

    async fn look_from_time_to_time(&mut self, looks: u32) -> Result<(), Failure> {
        let pressed = self.quota.is_some_and(|quota| room_taken(&self.data) > quota);
        if looks.is_multiple_of(RUN_EVERY) || pressed {
            let view = self.run(false).await?;
            let (bodies, pairs) = (view.let_go_bodies, view.let_go_pairs);
            tracing::info!(bodies, pairs, bytes = view.let_go_bytes, "let go of what was carried");
        }
        self.tell_room(self.room(room_taken(&self.data)));
        Ok(())
    }

    /// By time, and where that is not enough, by room.
    async fn run(&mut self, dry: bool) -> Result<RetentionView, Failure> {
        let mut view = self.pass(dry, None).await?;
        let used = room_taken(&self.data);
        if let Some(quota) = self.quota
            && used.saturating_sub(if dry { view.let_go_bytes } else { 0 }) > quota
        {
            let more = self.pass(dry, Some(used - quota)).await?;
            // Without doing it, the second pass finds again what the first one found.
            let done = if dry { RetentionView::default() } else { view };
            view = RetentionView {
                let_go_bodies: more.let_go_bodies + done.let_go_bodies,
                let_go_pairs: more.let_go_pairs + done.let_go_pairs,
                let_go_bytes: more.let_go_bytes + done.let_go_bytes,
                ..more
            };
        }
        view.journal_bytes = room_taken(&self.data);
        let room = self.room(view.journal_bytes);
        self.tell_room(room);
        view.room = room.to_owned();
        Ok(view)
    }

    /// Once through the journal. `pressed`: so many bytes are to be let go whatever their time.
    async fn pass(&self, dry: bool, pressed: Option<u64>) -> Result<RetentionView, Failure> {
        let days = |ms: &u64| ms / DAY;
        let mut view = RetentionView {
            bodies_days: days(&self.retention.bodies),
            groups: self.retention.groups.iter().map(|(g, ms)| (g.clone(), days(ms))).collect(),
            dry_run: dry,
            quota_bytes: self.quota,
            ..RetentionView::default()
        };
        let until = self.desk.durable().await?;
        let data = self.data.clone();
        let numbers = blocking(move || segment_numbers(&data).map_err(|e| e.to_string())).await?;
        for number in numbers.into_iter().filter(|number| *number <= until.segment()) {
            let data = self.data.clone();
            let read = move || {
                let envelope = |kind| kind == RecordKind::Envelope;
                records_of(&data, number, until, envelope).map_err(|e| e.to_string())
            };
            let mut records = blocking(read).await?.into_iter().peekable();
            while records.peek().is_some() {
                let step: Vec<_> = records.by_ref().take(STEP).collect();
                let still = pressed.is_some_and(|bytes| view.let_go_bytes < bytes);
                self.step(step, still, &mut view).await?;
            }
        }
        Ok(view)
    }

    async fn step(
        &self,
        records: Vec<(Position, Record)>,
        pressed: bool,
        view: &mut RetentionView,
    ) -> Result<(), Failure> {
        let decode = |(place, record): (Position, Record)| {
            Some((place, Envelope::decode(record.bytes).ok()?))
        };
        let envelopes: Vec<_> = records.into_iter().filter_map(decode).collect();
        let judge = move |station: &cbm_proto::station::Station, now| {
            let judge = |(place, envelope): (Position, Envelope)| {
                let judged = station.judge_kept(&envelope, now, pressed);
                (place, envelope, judged)
            };
            envelopes.into_iter().map(judge).collect::<Vec<_>>()
        };
        let mut going = Vec::new();
        for (place, envelope, (holding, keep)) in self.desk.look(judge).await? {
            count(view, holding, &envelope);
            let bare = envelope.without_body();
            let instead = match keep {
                Keep::All => continue,
                Keep::Header => {
                    view.let_go_bodies += 1;
                    view.let_go_bytes += (envelope.bytes().len() - bare.len()) as u64;
                    let record = Record { kind: RecordKind::Envelope, salt: salt()?, bytes: bare };
                    Some((envelope.id(), record))
                }
                Keep::Nothing => {
                    view.let_go_pairs += 1;
                    view.let_go_bytes += envelope.bytes().len() as u64;
                    None
                }
            };
            going.push(Going { place, instead });
        }
        if view.dry_run || going.is_empty() {
            return Ok(());
        }
        let places = going.iter().map(|one| one.place).collect();
        let (bodies, instead) = going.into_iter().filter_map(|one| one.instead).unzip();
        self.desk.let_go(places, instead, bodies).await?;
        sleep(PAUSE).await;
        Ok(())
    }

    /// How the journal stands to its quota.
    fn room(&self, used: u64) -> &'static str {
        let Some(quota) = self.quota else { return "ok" };
        match used.saturating_mul(100) / quota.max(1) {
            0..80 => "ok",
            80..95 => "near",
            95..=100 => "nearly_full",
            _ => "own_business_only",
        }
    }

    /// Tells the operator when it has changed.
    fn tell_room(&mut self, room: &'static str) {
        if std::mem::replace(&mut self.told, room) == room {
            return;
        }
        match room {
            "ok" => tracing::info!("the journal has room again"),
            "own_business_only" => tracing::error!(
                "the journal takes more than retention.journal_mib, and all that is left is own business, \
                 which is never let go: raise the bound, or make room"
            ),
            _ => tracing::warn!(
                room,
                "the journal comes near retention.journal_mib: `cbm prune --dry-run`"
            ),
        }
    }
}

fn count(view: &mut RetentionView, holding: Holding, envelope: &Envelope) {
    let held: &mut HeldView = match holding {
        Holding::Business => &mut view.business,
        Holding::Body => &mut view.bodies,
        Holding::Header => &mut view.headers,
        Holding::Pair => &mut view.pairs,
    };
    held.envelopes += 1;
    held.bytes += envelope.bytes().len() as u64;
    let made = envelope.header().made_at.to_string();
    if held.oldest.as_ref().is_none_or(|oldest| made < *oldest) {
        held.oldest = Some(made);
    }
}

/// What blinds a record's leaf in the log.
fn salt() -> Result<[u8; 16], Failure> {
    let drawn = clock::entropy().map_err(|e| unread(&e.to_string()))?;
    let mut salt = [0; 16];
    salt.copy_from_slice(&drawn[..16]);
    Ok(salt)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Failure> {
    let done = spawn_blocking(work).await.map_err(|error| unread(&error.to_string()))?;
    done.map_err(|error| unread(&error))
}

fn unread(cause: &str) -> Failure {
    let otherwise = "look at the disk and at the node's log";
    Failure::told(Code::Storage, "the journal cannot be looked through", cause, otherwise)
}
