//! The world.
pub mod load;
