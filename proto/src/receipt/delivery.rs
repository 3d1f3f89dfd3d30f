//! What the levels mean for the sender: one of five states, and when the next step is due.
//!
//! Pure functions of what is known; times come as arguments. The table is that of `docs/spec/letter.md`.

use std::fmt;

use crate::{
    terms::{Level, Outcome, Precedence},
    time::Timestamp,
};

/// How a letter stands with one addressee. The five are never merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No machine of the addressee has it, as far as is known.
    NotReached,
    /// A machine has it, no human looked.
    ReachedUnattended,
    /// A human saw it; what the letter asks for is still out.
    SeenUnanswered,
    /// The office said no, or that it cannot.
    Declined,
    /// What the letter asks for came.
    Answered,
}

impl State {
    /// The word for people and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotReached => "not_reached",
            Self::ReachedUnattended => "reached_unattended",
            Self::SeenUnanswered => "seen_unanswered",
            Self::Declined => "declined",
            Self::Answered => "answered",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The state of a level reached, the outcome stated with L5, and the level that the type wants
/// (`None`: nothing).
#[must_use]
pub fn state(level: Option<Level>, outcome: Option<Outcome>, wants: Option<Level>) -> State {
    match level {
        None | Some(Level::L0) => State::NotReached,
        Some(Level::L1 | Level::L2) => State::ReachedUnattended,
        Some(Level::L3) => State::SeenUnanswered,
        Some(Level::L4) if wants > Some(Level::L4) => State::SeenUnanswered,
        Some(Level::L5) if is_no(outcome) => State::Declined,
        Some(Level::L4 | Level::L5 | Level::L6) => State::Answered,
    }
}

const fn is_no(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Declined | Outcome::NotCompetent | Outcome::Rejected))
}

/// What is known of a letter's way to one addressee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// How far it came.
    pub level: Option<Level>,
    /// The outcome stated with L5.
    pub outcome: Option<Outcome>,
    /// The level that the letter wants; for a copy nothing above L2 is owed.
    pub wants: Option<Level>,
    /// Sets the clocks.
    pub precedence: Precedence,
    /// When it was sent: the clock of L1.
    pub sent_at: Timestamp,
    /// When L1 was reached: the clock of all others.
    pub stored_at: Option<Timestamp>,
    /// When its sender wants an answer, in place of the clock of L6.
    pub reply_by: Option<Timestamp>,
}

/// When the next step is due; `None` when nothing more is owed.
///
/// L1 is always owed. Of the others those that the letter wants, one after another: L4, L5, L6; L3
/// runs on the clock of L4. After a refusal nothing is owed.
#[must_use]
pub fn due_at(course: &Course) -> Option<Timestamp> {
    let clock = course.precedence.clock();
    let Some(level) = course.level.filter(|level| *level >= Level::L1) else {
        return Some(course.sent_at.plus(clock.l1_ms));
    };
    let wants = course.wants.filter(|wants| *wants >= Level::L3)?;
    if is_no(course.outcome) || level >= wants {
        return None;
    }
    let from = course.stored_at.unwrap_or(course.sent_at);
    if level < Level::L4 {
        Some(from.plus(clock.l4_ms))
    } else if level < Level::L5 {
        Some(from.plus(clock.l5_ms))
    } else {
        Some(course.reply_by.unwrap_or_else(|| from.plus(clock.l6_ms)))
    }
}

/// Whether the next step is late. Never, while our own clock is in doubt.
#[must_use]
pub fn overdue(course: &Course, now: Timestamp, trusted: bool) -> bool {
    trusted && due_at(course).is_some_and(|due| now > due)
}
