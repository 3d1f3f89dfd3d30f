//! The world.
pub mod bench;
pub mod load;
pub mod powerloss;
pub mod processes;
