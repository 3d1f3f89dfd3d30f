//! After a loss: asking the authors of letters for what they said, and what came of it
//! (`docs/spec/sync.md`).

use crate::id::StationId;
use crate::time::Timestamp;

use super::Station;

/// What was lost with a disk, and what of it came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Letters made or stored here since then were asked for; `None`: nothing was ever lost.
    pub since: Option<Timestamp>,
    /// Stations that were asked, or will be.
    pub asked: usize,
    /// Stations that have answered.
    pub answered: usize,
    /// Letters that were not on the disk.
    pub lost: usize,
    /// Of them, those that are in the inbox again.
    pub back: usize,
    /// Of them, those that their authors do not have any more.
    pub not_available: usize,
    /// Envelopes of our own that others hold and of which this disk knows nothing.
    pub own_unknown: usize,
    /// Each station that was asked, by id.
    pub correspondents: Vec<Correspondent>,
}

/// What one station said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correspondent {
    /// Who.
    pub station: StationId,
    /// Whether it answered.
    pub answered: bool,
    /// Letters of it that were not on the disk.
    pub lost: usize,
    /// Of them, those that are in the inbox again.
    pub back: usize,
    /// Of them, those that it does not have any more.
    pub not_available: usize,
}

impl Station {
    /// What came of asking after a loss.
    #[must_use]
    pub fn regained(&self) -> Report {
        Report::default()
    }
}
