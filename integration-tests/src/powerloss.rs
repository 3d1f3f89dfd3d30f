//! A drive whose power can be cut: everything that no fsync covered can be forgotten.
//!
//! [`Drive`] is the model, plain memory: files and folders as a process sees them, and beside them
//! what is durable. [`Mount`] hangs it into the tree through FUSE, so that real code runs on it.
//! What it claims: `fsync` and `fdatasync` make one file durable, `fsync` of a folder its entries,
//! and nothing else does; `sync_file_range` in particular does not. Used by `tests/powerloss.rs`.
//! [`loopdisk`] cuts the power of a real file system, for real binaries.

mod drive;
mod files;
mod guard;
pub mod loopdisk;
mod mount;

pub use drive::{Cut, Drive, Plan};
pub use files::Fault;
pub use mount::{Mount, unavailable};
