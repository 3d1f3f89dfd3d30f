//! Faults put in on purpose, and within how many seeds each must show.
//!
//! A simulator that finds nothing may be blind. Each row of [`TABLE`] is a fault that somebody could
//! make, planted in every station of a world, or in the loop around it; the worlds of the first
//! seeds must show it. Used by `cbm-sim --fault` and `tests/sim.rs`.

use cbm_proto::station::Fault;

use crate::options::{Options, Scene};

/// A fault put in on purpose, to show that the simulator sees faults of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// In the station.
    Station(Fault),
    /// The shell lets everything out before the disk has it.
    ReceiptBeforeSync,
    /// The shell takes a sync that failed for one that did its work.
    FailedSyncIgnored,
    /// A station thrown away after a failed append is not built anew from the disk, but kept.
    FailedAppendIgnored,
}

/// One planted fault.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// The fault.
    pub planted: Planted,
    /// The first so many seeds, from 0 on, must show it.
    pub within: u64,
    /// Of these seeds only those that play this scene are run: no other could show it.
    pub scene: Option<Scene>,
}

const fn row(name: &'static str, planted: Planted, within: u64) -> Row {
    Row { name, planted, within, scene: None }
}

const fn station(name: &'static str, fault: Fault, within: u64) -> Row {
    row(name, Planted::Station(fault), within)
}

const fn played(name: &'static str, fault: Fault, scene: Scene, within: u64) -> Row {
    Row { scene: Some(scene), ..station(name, fault, within) }
}

/// Every fault, with the seeds within which it must show.
pub const TABLE: [Row; 23] = [
    station("gap-ignored", Fault::GapIgnored, 5),
    station("mark-past-hole", Fault::MarkPastHole, 5),
    row("receipt-before-sync", Planted::ReceiptBeforeSync, 60),
    row("failed-sync-ignored", Planted::FailedSyncIgnored, 200),
    row("failed-append-ignored", Planted::FailedAppendIgnored, 40),
    station("retry-dropped", Fault::RetryDropped, 5),
    station("dedup-by-time", Fault::DedupByTime, 5),
    station("heads-not-asked", Fault::HeadsNotAsked, 80),
    station("shown-twice", Fault::ShownTwice, 20),
    station("verdict-forgotten", Fault::VerdictForgotten, 15),
    station("verdict-twice", Fault::VerdictTwice, 15),
    station("number-reused", Fault::NumberReused, 10),
    station("level-lowered", Fault::LevelLowered, 5),
    station("draft-dropped", Fault::DraftDropped, 120),
    station("carried-dropped", Fault::CarriedDropped, 5),
    station("statement-dropped", Fault::StatementDropped, 60),
    station("sibling-forgotten", Fault::SiblingForgotten, 15),
    station("noted-first", Fault::NotedFirst, 200),
    station("content-unchecked", Fault::ContentUnchecked, 15),
    played("expired-in-doubt", Fault::ExpiredInDoubt, Scene::Doubt, 200),
    played("revoked-accepted", Fault::RevokedAccepted, Scene::Theft, 200),
    played("behind-forgotten", Fault::BehindForgotten, Scene::Behind, 200),
    played("copy-unnamed", Fault::CopyUnnamed, Scene::Again, 200),
];

impl Row {
    /// Those of these seeds whose worlds could show it.
    pub fn seeds(&self, from: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
        let scene = self.scene;
        from.filter(move |seed| scene.is_none() || Options::draw(*seed, None).swarm.scene == scene)
    }
}

/// The row of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

impl Planted {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|row| row.planted == self).map_or("none", |row| row.name)
    }
}
