//! Snapshots: made beside the running node, used at its next start.
//!
//! One thread replays finished segments onto the snapshot before and saves what comes of it, so a
//! snapshot is what the journal says and nothing that is only in the running station's memory. A
//! start takes it up and reads the records behind it alone; what it left unread is looked through
//! afterwards, at leisure, and where that finds damage the snapshot is put aside and the station made
//! anew from the whole journal, as if it had been read at the start. No snapshot is made of a
//! journal that is damaged. Invariant: the thread reads finished segments only and writes nothing but
//! the snapshot.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use cbm_proto::{
    journal::Record,
    station::{Setup, Station},
};
use tokio::sync::Notify;

use crate::{
    clock,
    store::{
        StoreError, disk,
        snapshot::{self, Place, Unfit},
    },
};

/// Between two looks at whether a snapshot is due.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The look-through reads so many bytes, and lets others have the disk for [`PAUSE`].
const PORTION: usize = 2 * 1024 * 1024;
/// See [`PORTION`].
const PAUSE: Duration = Duration::from_millis(20);
/// Stations made while one snapshot is being made. Full: whoever makes more waits.
const BEGUN: usize = 8;

/// The snapshots of one data folder.
pub struct Snapshots {
    data: PathBuf,
    began: Option<mpsc::SyncSender<Began>>,
    found: Arc<Found>,
    thread: Option<JoinHandle<()>>,
    /// Damage was found in this process; the store tells of each only once.
    damaged: bool,
}

/// What the thread tells.
#[derive(Default)]
struct Found {
    ended: AtomicBool,
    damage: Notify,
}

/// A station was made.
struct Began {
    setup: Setup,
    /// From the snapshot that ends here.
    from: Option<Place>,
}

impl Snapshots {
    /// For the store in `data`; its thread begins with the first station that is made.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        Self { data, began: None, found: Arc::default(), thread: None, damaged: false }
    }

    /// Waits until it turns out that records which a snapshot stands for are damaged.
    pub async fn damaged(&self) {
        self.found.damage.notified().await;
    }

    /// The store's folder.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// Whether no damage was found since the process began.
    pub(super) const fn is_sound(&self) -> bool {
        !self.damaged
    }

    /// A station was made by this setup, from the snapshot that ends at `from`, if from one; `damaged`:
    /// what was read for it was.
    pub(super) fn began(&mut self, setup: Setup, from: Option<Place>, damaged: bool) {
        self.damaged |= damaged;
        let began = Began { setup, from };
        let unsent = match &self.began {
            Some(thread) => thread.send(began).err().map(|error| error.0),
            None => Some(began),
        };
        let Some(began) = unsent else { return };
        let (sender, receiver) = mpsc::sync_channel(BEGUN);
        let keeper = Keeper { data: self.data.clone(), found: self.found.clone(), sound: true };
        let thread = thread::Builder::new().name("snapshot".to_owned());
        match thread.spawn(move || keeper.run(&receiver)) {
            Ok(thread) => {
                // It waits for it.
                let _ = sender.send(began);
                (self.began, self.thread) = (Some(sender), Some(thread));
            }
            Err(error) => tracing::warn!(%error, "no snapshots: the next start takes longer"),
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        self.found.ended.store(true, Ordering::Relaxed);
        self.began = None;
        if let Some(thread) = self.thread.take() {
            // Nothing of it may write once the folder is given up. It ends with its segment.
            let _ = thread.join();
        }
    }
}

/// The station as the snapshot in `data` has it, and where that ends; one that does not fit is put
/// aside, with words.
pub(super) fn take_up(data: &Path, setup: &Setup) -> Option<(Station, Place)> {
    let unfit = match open(data, setup) {
        Ok(None) => return None,
        Ok(Some((station, place))) => {
            tracing::info!(segment = place.segment, "a snapshot stands for what is before");
            return Some((station, place));
        }
        Err(why) => why,
    };
    tracing::warn!(why = unfit, "the snapshot is not used; the whole journal is read");
    if let Err(error) = snapshot::set_aside(data) {
        tracing::warn!(%error, "the snapshot was not put aside");
    }
    None
}

fn open(data: &Path, setup: &Setup) -> Result<Option<(Station, Place)>, String> {
    let words = |error: Unfit| error.to_string();
    let Some((place, state)) = snapshot::load(data, &setup.keys.archive).map_err(words)? else {
        return Ok(None);
    };
    let station = Station::from_dump(setup.clone(), &state).map_err(|error| error.to_string())?;
    Ok(Some((station, place)))
}

/// The thread's state.
struct Keeper {
    data: PathBuf,
    found: Arc<Found>,
    /// No damage is known.
    sound: bool,
}

impl Keeper {
    fn run(mut self, began: &mpsc::Receiver<Began>) {
        let (mut setup, mut wait, mut next) = (None, Duration::ZERO, None);
        loop {
            let come = next.take().map_or_else(|| began.recv_timeout(wait), Ok);
            match come {
                Ok(Began { setup: fresh, from }) => {
                    setup = Some(fresh);
                    self.sound = true;
                    next = from.and_then(|place| self.look_through(&place, began));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(setup) = setup.as_ref().filter(|_| self.sound) {
                        self.make(setup);
                    }
                    wait = LOOK_EVERY;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.found.ended.load(Ordering::Relaxed)
    }

    /// Reads what a start from a snapshot did not, unless another station is made meanwhile.
    fn look_through(&mut self, to: &Place, began: &mpsc::Receiver<Began>) -> Option<Began> {
        let (mut bytes, mut next) = (0_usize, None);
        let mut each = |record: Record| {
            bytes += record.bytes.len();
            if bytes < PORTION {
                return ControlFlow::Continue(());
            }
            bytes = 0;
            match began.recv_timeout(PAUSE) {
                Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
                come => {
                    next = come.ok();
                    ControlFlow::Break(())
                }
            }
        };
        match snapshot::walk(&self.data, None, to, &mut each) {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!(
                    "the journal is damaged where a snapshot stood for it: reading it all"
                );
                self.damaged();
            }
            Err(error) => tracing::error!(%error, "the journal could not be looked through"),
        }
        next
    }

    fn damaged(&mut self) {
        self.sound = false;
        if let Err(error) = snapshot::set_aside(&self.data) {
            tracing::warn!(%error, "the snapshot was not put aside");
        }
        self.found.damage.notify_one();
    }

    /// Makes a snapshot up to the segment that is being written, if it is worth its bytes.
    fn make(&mut self, setup: &Setup) {
        let made = match snapshot::newest(&self.data) {
            Ok(Some(to)) => make(&self.data, setup, &to, &|| self.has_ended()),
            Ok(None) => Ok(Made::NotDue),
            Err(error) => Err(error.to_string()),
        };
        match made {
            Ok(Made::NotDue) => {}
            Ok(Made::Saved(bytes)) => tracing::debug!(bytes, "a snapshot was made"),
            Ok(Made::Damaged) => self.sound = false,
            Err(error) => tracing::warn!(error, "no snapshot: the next start takes longer"),
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Too little was written since the last one, or the node ends.
    NotDue,
    /// So many bytes.
    Saved(u64),
    /// What it would stand for is damaged.
    Damaged,
}

/// Makes the snapshot of the store in `data` that ends at `to`, from the one before and the segments
/// since, unless those are fewer bytes than the one before: so what is written for snapshots is no more
/// than what is written for the journal.
///
/// # Errors
/// In words; the one before stays.
pub fn make(
    data: &Path,
    setup: &Setup,
    to: &Place,
    ended: &dyn Fn() -> bool,
) -> Result<Made, String> {
    if !is_worth_it(data, to).map_err(|error| error.to_string())? {
        return Ok(Made::NotDue);
    }
    let (mut station, from) = match open(data, setup) {
        Ok(Some((station, place))) => (station, Some(place)),
        Ok(None) | Err(_) => (Station::new(setup.clone()), None),
    };
    let mut refused = None;
    let sound = snapshot::walk(data, from.as_ref(), to, &mut |record| {
        refused = station.restore(&record).err();
        if refused.is_some() || ended() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if let Some(error) = refused {
        return Err(error.to_string());
    }
    if ended() {
        return Ok(Made::NotDue);
    }
    if !sound.map_err(|error| error.to_string())? {
        return Ok(Made::Damaged);
    }
    let state = station.dump(setup);
    drop(station);
    seal(data, setup, to, &state).map(Made::Saved)
}

/// Whether so much was written since the last snapshot that the next one is worth its bytes.
fn is_worth_it(data: &Path, to: &Place) -> Result<bool, StoreError> {
    let (begin, saved) =
        snapshot::ends_at(data)?.map_or((1, 0), |(place, length)| (place.segment, length));
    let since = u64::from(to.segment.saturating_sub(begin));
    Ok(since > 0 && since.saturating_mul(disk::SEGMENT.into()) >= saved)
}

/// Where a snapshot would end that is worth making now, if one is.
pub(super) fn due(data: &Path) -> Option<Place> {
    let to = snapshot::newest(data).ok().flatten()?;
    // What the disk says against it, the thread says.
    is_worth_it(data, &to).unwrap_or(false).then_some(to)
}

/// Saves the state that a start read on its way; one that fails costs time at the next start.
pub(super) fn save(data: &Path, setup: &Setup, to: &Place, state: &[u8]) {
    if let Err(error) = seal(data, setup, to, state) {
        tracing::warn!(error, "no snapshot: the next start takes longer");
    }
}

fn seal(data: &Path, setup: &Setup, to: &Place, state: &[u8]) -> Result<u64, String> {
    let entropy = clock::entropy().map_err(|error| error.to_string())?;
    let nonce = std::array::from_fn(|at| entropy[at]);
    snapshot::save(data, &setup.keys.archive, nonce, to, state).map_err(|error| error.to_string())
}
