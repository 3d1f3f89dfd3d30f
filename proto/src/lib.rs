//! The CBM messaging protocol: pure, synchronous, deterministic.
pub mod accord;
pub mod envelope;
pub mod event;
pub mod feeds;
pub mod id;
pub mod inbox;
pub mod journal;
pub mod keys;
pub mod limits;
pub mod outbox;
pub mod part;
pub mod primitives;
pub mod schedule;
pub mod sync;
pub mod terms;
pub mod time;
pub mod wire;
