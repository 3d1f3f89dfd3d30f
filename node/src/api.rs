//! The local API: JSON over HTTP on a Unix socket, for the command line and for other systems.
//!
//! Whoever may open the socket may ask and send; only a Unix user whom `[officers]` names acts for
//! an office (levels L3 and up). The API decides nothing: it checks a draft against the catalogue,
//! hands [`command::Command`]s to the runtime over one bounded channel, and turns what comes back
//! into the shapes of [`shape`]. `client` is the other end, in the command line.

mod acts;
pub mod client;
pub mod command;
pub mod compose;
mod documents;
pub mod evidence;
pub mod failure;
mod follow;
pub mod letters;
pub mod officer;
pub mod people;
pub mod retention;
pub mod routes;
pub mod server;
pub mod shape;
mod view;
