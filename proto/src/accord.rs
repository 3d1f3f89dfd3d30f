//! The signed documents and what a station believes because of them.
//!
//! Level 2. An accord says which parties there are and what they may; a certificate, which keys a
//! station has; a contact record, where it is reached; a charter, which parties form a group. A
//! [`Directory`] admits them one by one, each only on the signatures that it needs, and answers
//! who is who. Its state follows from the set of documents alone, never from the clock. Callers:
//! `station` and the simulator ask it; the shell's `lab` and `ceremony` make documents through
//! [`make`] and [`Founding`]. Specified byte by byte in `docs/spec/documents.md`.

mod amend;
mod attestation;
mod conflict;
mod directory;
mod document;
mod error;
mod founding;
mod groups;
mod judge;
pub mod make;
mod member;
mod practice;
pub mod read;
mod revocation;
mod shelf;
mod stations;
mod view;

pub use amend::{Amendment, amend, authorities, fingerprints};
pub use attestation::{AttestationText, Grade, Method};
pub use conflict::Conflict;
pub use directory::{Admitted, Directory, News, SignatureCount, count_signatures, station_id};
pub use document::{Document, DocumentKind, FORMAT};
pub use error::{Class, DocumentError};
pub use founding::{Founded, Founding, sample};
pub use member::{
    CarryLimits, ClockRow, Clocks, Group, Member, Office, OfficeOf, Party, Role, Scopes,
};
pub use revocation::{Head, RevocationText, Revoked};
pub use view::ALL;

#[cfg(test)]
mod tests;
