//! Proof and copies of the journal: verify it, back it up, restore it.
//!
//! Invariants: nothing here changes a byte of a running station's folder; no secret key enters a
//! backup, and what a restore reads from elsewhere is verified before a file is written; a backup
//! or a restore that was interrupted leaves nothing that looks whole. Nothing of a letter is opened
//! or printed. Works on files, beside a node or without one; whoever calls has asked the node how
//! far its journal is durable. Called by the verbs `journal`, `backup` and `restore`.

pub mod check;
pub mod heads;
pub mod records;
