//! The CBM messaging protocol: pure, synchronous, deterministic.
pub mod event;
pub mod feeds;
pub mod id;
pub mod keys;
pub mod limits;
pub mod part;
pub mod primitives;
pub mod terms;
pub mod time;
pub mod wire;
