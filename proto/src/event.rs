//! What goes into a `Station` and what comes out: one `Input`, one `Effects` (invariants I1, I5).
//!
//! Level 4. The shell hands in an [`Input`] with the time and fresh entropy and gets [`Effects`],
//! which it must carry out **by phase**, over the whole batch that it drained:
//!
//! 1. every verdict (the mesh forwards what was accepted),
//! 2. every append, in order,
//! 3. one sync of the journal,
//! 4. every [`Speak`], in order.
//!
//! If 2 or 3 fails nothing of 4 happens: the shell throws the `Station` away and restores it from
//! the store. So "stored before spoken" is the order of one list, which a test can look at.

pub use crate::envelope::Verdict;
use crate::id::LaneId;

/// Names one question from the shell that wants an answer: a heard message, a stream, a command.
/// Drawn by the shell, unique within one run of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names one question of ours to another station; its answer comes back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Where a gossip message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A group's lane: its members, all of role STATE.
    Lane(LaneId),
    /// Beacons: every role.
    Beacon,
}
