//! The shell.
pub mod mesh;
