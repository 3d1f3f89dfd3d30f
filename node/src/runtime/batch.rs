//! One batch: what is to be written, and what is said once it is.

use cbm_proto::{event::Speak, journal::Record, limits::BATCH_INPUTS};

use crate::{
    api::command::Answer,
    perform::{
        NotDurable,
        writer::{Gone, Pending},
    },
};

/// Things that one batch may say before the door for inputs is closed: room for a few effects of
/// each input.
const SAYS_MAX: usize = 16 * BATCH_INPUTS;
/// Bytes that one batch may append before the door is closed: the disk is behind.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Something to do in phase 4.
pub(super) enum Say {
    /// The station's.
    Speak(Speak),
    /// An answer for the API that rests on what is written.
    Answer(Answer),
}

/// What was gathered and is neither written nor said.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) appends: Vec<Record>,
    pub(super) says: Vec<Say>,
    bytes: usize,
}

impl Batch {
    pub(super) fn absorb(&mut self, appends: Vec<Record>, speaks: Vec<Speak>) {
        self.bytes += appends.iter().map(|record| record.bytes.len()).sum::<usize>();
        self.appends.extend(appends);
        self.says.extend(speaks.into_iter().map(Say::Speak));
    }

    pub(super) fn say(&mut self, say: Say) {
        self.says.push(say);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.says.is_empty()
    }

    pub(super) const fn has_room(&self) -> bool {
        self.says.len() < SAYS_MAX && self.bytes < BYTES_MAX
    }
}

/// A batch that is being written, and what is said when it is.
pub(super) struct InFlight {
    pub(super) pending: Pending<Result<(), NotDurable>>,
    pub(super) says: Vec<Say>,
}

impl InFlight {
    /// Waits for the one under way; for ever when there is none.
    pub(super) async fn done(in_flight: Option<&mut Self>) -> Result<Result<(), NotDurable>, Gone> {
        match in_flight {
            Some(in_flight) => in_flight.pending.poll_done().await,
            None => std::future::pending().await,
        }
    }
}
