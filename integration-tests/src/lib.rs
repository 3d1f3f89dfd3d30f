//! The world.
pub mod bench;
pub mod load;
