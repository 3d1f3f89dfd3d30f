//! The world around the node: a simulator of many stations in one thread, and what tests share.
//!
//! `world` runs real `cbm_proto::station::Station`s over a simulated network and simulated disks
//! in virtual time, draws every misfortune from one seed, and holds the invariants of
//! `docs/testing.md` against what happens. The other parts measure, kill and cut from power the
//! real node. Nothing here is part of the product; nothing in the product depends on it.

pub mod bench;
pub mod campaign;
pub mod chance;
pub mod coverage;
pub mod disk;
pub mod foes;
pub mod fuzz;
pub mod histories;
pub mod invariants;
pub mod kept;
pub mod load;
pub mod model;
pub mod nets;
pub mod network;
pub mod options;
pub mod planted;
pub mod powerloss;
pub mod processes;
pub mod watch;
pub mod world;
