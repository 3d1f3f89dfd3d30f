//! The protobuf schema, generated: the only module that knows `prost`.
#![allow(missing_docs, clippy::all, clippy::pedantic)]
include!(concat!(env!("OUT_DIR"), "/cbm.v1.rs"));

/// What `decode` and `encode` work on, so that no other module names `prost`.
pub use prost::Message;

mod codec;
pub use codec::{DecodeError, decode, decode_canonical, encode};
