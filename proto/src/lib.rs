//! The CBM messaging protocol: pure, synchronous, deterministic.
//!
//! This is the protocol, not only its protobufs: everything that decides what a station says, takes,
//! keeps and owes. There is no socket, disk, clock, task or random source in here; time and chance
//! come in as arguments, effects go out as values, and the same inputs give the same effects, byte for
//! byte (invariant I10). `cbm-node` carries the effects out; the simulator does so in virtual time.
//!
//! One message, one way:
//!
//! ```text
//! Draft ──compose──▶ Letter ──seal──▶ Envelope ──────── gossip, push, catch-up ────────▶ Envelope
//!                                        │                                                  │ verify
//!                                        ▼                                                  ▼
//!                              journal, outbox: owed                      journal, open ──▶ Letter, inbox
//!                                        ▲                                                  │
//!                                        └────────── Receipt, a letter on the pair's lane ◀─┘
//! ```
//!
//! The levels; a module uses only those above its line:
//!
//! | level | modules |
//! |---|---|
//! | L0 | [`limits`] [`time`] [`id`] |
//! | L1 | [`wire`] [`primitives`] [`keys`] [`terms`] [`part`] `dump` `packed` |
//! | L2 | [`accord`] [`catalogue`] [`draft`] [`letter`] |
//! | L3 | [`envelope`] [`seal`] [`receipt`] [`journal`] |
//! | L4 | [`evidence`] [`feeds`] [`inbox`] [`outbox`] [`schedule`] [`sync`] [`own`] [`people`] [`proof`] [`regain`] [`retention`] [`event`] |
//! | L5 | [`station`] |
//!
//! Begin with [`station::Station`], whose doc shows the loop that a shell runs; the bytes are specified
//! in `docs/spec/`.

pub mod accord;
pub mod catalogue;
pub mod draft;
mod dump;
pub mod envelope;
pub mod event;
pub mod evidence;
pub mod feeds;
pub mod id;
pub mod inbox;
pub mod journal;
pub mod keys;
pub mod letter;
pub mod limits;
pub mod outbox;
pub mod own;
mod packed;
pub mod part;
pub mod people;
pub mod primitives;
pub mod proof;
pub mod receipt;
pub mod regain;
pub mod retention;
pub mod schedule;
pub mod seal;
pub mod station;
pub mod sync;
pub mod terms;
pub mod time;
pub mod wire;
