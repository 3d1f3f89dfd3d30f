//! What documents contradict, for people to settle.
//!
//! Invariant: every conflict has an outcome that follows from the documents alone, so that all
//! stations see the same one; it is shown because somebody signed two things that exclude each
//! other.

use crate::id::{Digest, PartyCode, StationName};

/// Documents that exclude each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// Branches of the accord of equal depth: a party's role is the one on which they agree, or
    /// none, until one of them gets a successor.
    Contested {
        /// Their version.
        version: u32,
        /// Their identities, ascending; limits and clocks are those of the first.
        heads: Vec<Digest>,
        /// Parties without rights meanwhile.
        parties: Vec<PartyCode>,
    },
    /// A version of the accord beside the one in force.
    AccordBeside {
        /// Its version.
        version: u32,
        /// Its identity.
        digest: Digest,
        /// Parties that signed it and the one in force.
        signed_both: Vec<PartyCode>,
    },
    /// Two last versions of a charter; the deeper one is in force, of equal ones the lower identity.
    CharterBeside {
        /// The group.
        group: String,
        /// The version that is not in force.
        digest: Digest,
    },
    /// Two charters of one name.
    SameName {
        /// The name; the charter with the lower identity of its version 1 keeps it.
        name: String,
        /// What the other one is called here.
        shown: String,
    },
    /// Two certificates of one station with one serial; the lower identity is in force.
    SameSerial {
        /// The station.
        station: StationName,
        /// The serial.
        serial: u64,
    },
    /// A PEER key that is certified for two stations.
    PeerTwice {
        /// The station that it counts for.
        counts: StationName,
        /// The station that it does not count for.
        other: StationName,
    },
    /// A party has more stations than it may: these do not count.
    TooManyStations {
        /// The party.
        party: PartyCode,
        /// Stations that do not count.
        left_out: Vec<StationName>,
    },
}
