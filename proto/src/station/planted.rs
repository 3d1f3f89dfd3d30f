//! Faults that the simulator plants, one at a time, to show that it sees faults of their kind.
//!
//! Every [`Fault`] stands where the product could have it. Without the feature `planted-faults`,
//! which only the simulator asks for, [`Station::planted`] is the constant `false`: no product can
//! be told to have one. What each does and what shows it: `docs/testing.md`. Asked by the rooms of
//! the station; planted by `integration-tests`.

#[cfg(feature = "planted-faults")]
use super::Speaks;
use super::{Station, Turn};
use crate::event::{Token, Verdict};

/// A fault planted for the simulator, to prove that it can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "planted-faults"),
    allow(unreachable_pub, reason = "shown to the simulator")
)]
pub enum Fault {
    /// Missing numbers are never asked for.
    GapIgnored,
    /// A feed's mark jumps over its holes.
    MarkPastHole,
    /// A letter is said once and never again.
    RetryDropped,
    /// A second letter of a party within two seconds is taken for a copy of the first.
    DedupByTime,
    /// A restarted station goes on without asking others for its own heads.
    HeadsNotAsked,
    /// That others hold more of its feeds than itself is forgotten by a restart.
    BehindForgotten,
    /// A receipt for a letter sealed again names the first envelope.
    CopyUnnamed,
    /// A letter that comes in a second envelope is shown again.
    ShownTwice,
    /// Letters expire by a clock that is in doubt.
    ExpiredInDoubt,
    /// What is passed over by gossip gets no verdict.
    VerdictForgotten,
    /// What is passed over by gossip gets two verdicts.
    VerdictTwice,
    /// Own pair-lane envelopes are not counted at a restart.
    NumberReused,
    /// A receipt counts whatever envelope and content it names.
    ContentUnchecked,
    /// A late receipt takes a level back.
    LevelLowered,
    /// A draft that waits is forgotten by a restart.
    DraftDropped,
    /// What is carried for others is forgotten by a restart.
    CarriedDropped,
    /// What officers stated while the station was silent is forgotten by a restart.
    StatementDropped,
    /// The signature of a revoked key still counts.
    RevokedAccepted,
    /// Only one station of each party gets the letter.
    SiblingForgotten,
    /// A receipt is noted as opened before what it settled.
    NotedFirst,
    /// This station's receipts name a content that nobody sent: no fault of the one who hears it.
    Liar,
}

impl Station {
    /// For the simulator only.
    #[cfg(feature = "planted-faults")]
    pub const fn plant(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// Whether it has learned that others hold more of its feeds, and has not spoken since. For the
    /// simulator only.
    #[cfg(feature = "planted-faults")]
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.voice.speaks == Speaks::Asking && self.voice.ahead
    }

    /// The planted faults of I5.
    pub(super) fn misjudge(&self, turn: &mut Turn, token: Token, verdict: Verdict) {
        if self.planted(Fault::VerdictForgotten) && verdict == Verdict::Ignore {
            turn.effects.verdicts.pop();
        }
        if self.planted(Fault::VerdictTwice) && verdict == Verdict::Ignore {
            turn.effects.verdicts.push((token, verdict));
        }
    }

    /// Whether this fault was planted here.
    #[cfg(feature = "planted-faults")]
    pub(super) fn planted(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Never.
    #[cfg(not(feature = "planted-faults"))]
    #[allow(clippy::unused_self, reason = "the same call as with the feature")]
    pub(super) const fn planted(&self, _: Fault) -> bool {
        false
    }
}
