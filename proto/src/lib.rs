//! The CBM messaging protocol: pure, synchronous, deterministic.
pub mod id;
pub mod limits;
pub mod time;
pub mod wire;
