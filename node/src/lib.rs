//! The shell.
pub mod config;
pub mod keystore;
pub mod mesh;
pub mod store;
