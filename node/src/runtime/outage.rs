//! When the journal takes nothing: no statement of our own, until it does again (invariant I5).
//!
//! What was gathered is dropped unspoken, everybody who waits is told so, and the station is
//! restored from what the store holds. Until the next try nothing is handled: what is heard is
//! ignored (others forward it, catch-up brings it later), what is asked gets no answer.

use std::{ops::ControlFlow, sync::Arc};

use cbm_proto::{
    accord::Directory,
    event::{Input, Verdict},
    id::StationId,
    keys::StationKeys,
    retention::Retention,
    station::{Setup, Station},
    time::{Mono, SECOND, Timestamp},
};

use super::{Ended, Runtime, Snapshots, snapshots};
use crate::{
    perform::writer::Writer,
    store::{Marker, Position, Store, snapshot::Place},
};

/// Between the first failure and the next try.
const FIRST_PAUSE: u64 = SECOND;
/// Longest time between tries.
const LONGEST_PAUSE: u64 = 30 * SECOND;

/// An outage of the store.
pub(super) struct Outage {
    /// When it is tried again.
    pub(super) until: Mono,
    /// What people who want to send are told.
    pub(super) words: String,
}

impl Runtime {
    /// Drops what cannot be kept, says so, and goes back to what the store holds.
    pub(super) async fn begin_outage(&mut self, words: String) -> Result<(), Ended> {
        tracing::error!(cause = words, "the journal takes nothing: nothing is sent until it does");
        self.batch = super::Batch::default();
        self.waiting.fail(&words);
        let made = self.maker.make(self.performer.writer()).await;
        self.station = made.map_err(Ended::Restore)?;
        let pause = self.maker.pause.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.maker.pause = pause.saturating_mul(2);
        self.links.storing = false;
        self.outage = Some(Outage { until: self.clock.now().mono.plus(pause), words });
        Ok(())
    }

    /// An input while nothing can be kept. Every heard message still gets its one verdict.
    pub(super) async fn handle_in_outage(&mut self, input: Input) -> Result<(), Ended> {
        match input {
            Input::Heard { token, .. } => {
                Ok(self.performer.verdicts(vec![(token, Verdict::Ignore)]).await?)
            }
            Input::Tick => self.try_again().await,
            _ => Ok(()),
        }
    }

    /// What a snapshot stood for is damaged: the station is made from the whole journal, which now
    /// says so to the marker, as if this had been found at the start.
    pub(super) async fn read_all_again(&mut self) -> Result<(), Ended> {
        self.finish().await?;
        if self.outage.is_some() {
            return Ok(());
        }
        let made = self.maker.make(self.performer.writer()).await;
        self.station = made.map_err(Ended::Restore)?;
        self.begin_station().await
    }

    async fn try_again(&mut self) -> Result<(), Ended> {
        tracing::info!("trying the journal again");
        self.outage = None;
        self.links.storing = true;
        self.begin_station().await
    }
}

/// Makes the station anew from keys, documents and journal.
pub struct Maker {
    /// Who we are.
    pub me: StationId,
    /// Our keys.
    pub keys: Arc<StationKeys>,
    /// The documents that came with the configuration; all others are in the journal.
    pub directory: Directory,
    /// The newest time in the backup that the store's folder was restored from.
    pub restored: Option<Timestamp>,
    /// How long what is carried for others is kept.
    pub retention: Retention,
    /// Time of the last pause, doubled by each failure in a row.
    pub pause: u64,
    /// What spares it most of the journal.
    pub snapshots: Snapshots,
}

impl Maker {
    /// The station as the store knows it, not yet started.
    ///
    /// # Errors
    /// Keys or journal cannot be read, or the journal is not this station's; in words.
    pub async fn make(&mut self, writer: &Writer) -> Result<Station, String> {
        let (me, keys, directory) = (self.me, self.keys.clone(), self.directory.clone());
        let setup = Setup { me, keys, directory, moved: false, restored: self.restored };
        let (data, basis) = (self.snapshots.data().to_owned(), setup.clone());
        let began = setup.clone();
        let sound = self.snapshots.is_sound();
        let retention = self.retention.clone();
        let work = move |store: &mut dyn Store| {
            let (mut station, place) = match snapshots::take_up(&data, &setup) {
                Some((station, place)) => (station, Some(place)),
                None => (Station::new(setup), None),
            };
            station.set_retention(retention);
            let due = snapshots::due(&data).filter(|_| sound);
            let from = place.map_or(Position::START, |place| place.position());
            let state = fill(&mut station, store, from, due.map(|to| (to, &basis)))?;
            let (marker, lost) = judge(store);
            if marker == Marker::Moved {
                station.note_moved();
            }
            if let Some((to, state)) = due.zip(state).filter(|_| !lost) {
                snapshots::save(&data, &basis, &to, &state);
            }
            Ok::<_, String>((station, place, lost))
        };
        let (station, place, lost) = writer.with(work).await.map_err(|gone| gone.to_string())??;
        self.snapshots.began(began, place, lost);
        Ok(station)
    }
}

/// What the store found of itself, after it was read: damage makes the marker say so. Also whether any
/// was found now.
fn judge(store: &dyn Store) -> (Marker, bool) {
    let mut lost = false;
    for report in store.take_reports() {
        lost |= report.is_loss();
        if report.is_loss() {
            tracing::error!("{report}");
        } else {
            tracing::warn!("{report}");
        }
    }
    let marker = store.marker();
    if marker == Marker::Moved && !lost {
        tracing::warn!(
            "the data folder was copied, restored or moved, or its `marker` is damaged: the station \
             takes a new incarnation before it speaks. Start it in one place only"
        );
    }
    (marker, lost)
}

/// Gives the station every record from there on, in order. Returns its state where a snapshot is to
/// end, if one is due: that state is what a replay gives, so it need not be replayed for it again.
fn fill(
    station: &mut Station,
    store: &dyn Store,
    from: Position,
    due: Option<(Place, &Setup)>,
) -> Result<Option<Vec<u8>>, String> {
    let (mut refused, mut state) = (None, None);
    let mut each = |position: Position, record| {
        if let Some((to, setup)) = due
            && state.is_none()
            && position >= to.position()
        {
            state = Some(station.dump(setup));
        }
        match station.restore(&record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                refused = Some(format!("the record at {position}: {error}"));
                ControlFlow::Break(())
            }
        }
    };
    store.scan(from, &mut each).map_err(words)?;
    refused.map_or(Ok(state), Err)
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
