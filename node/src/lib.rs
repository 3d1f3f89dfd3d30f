//! The shell.
pub mod ceremony;
pub mod config;
pub mod documents;
pub mod keystore;
pub mod lab;
pub mod mesh;
pub mod store;
