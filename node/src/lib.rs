//! The shell around the protocol: sockets, disk, clock, people (`docs/architecture.md`).
//!
//! It decides nothing about the protocol: inputs go into `cbm_proto`'s `Station`, and what that
//! says is carried out in order. `runtime` is the loop; the other modules are its hands.

pub mod api;
pub mod backup;
pub mod ceremony;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod documents;
pub mod evidence;
pub mod guard;
pub mod keystore;
pub mod lab;
pub mod logs;
pub mod mesh;
pub mod perform;
pub mod runtime;
pub mod shutdown;
pub mod store;
