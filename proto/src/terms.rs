//! The words of the trade: status, precedence, level, outcome and the like, with their codes.
//!
//! Level 1. Each term has one number on the wire (the number of its value in `types.proto`,
//! `letter.proto` or `receipt.proto`) and one word for people and JSON; a number that this version does not
//! know is `None` from `from_code`, and the caller says what that means. Numbers are never reused.

use std::fmt;

use crate::time::{DAY, HOUR, MINUTE};

macro_rules! terms {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $value:ident = $code:literal $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $value = $code,)+ }

        impl $name {
            /// Every value, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value with this number; `None` for one of a newer version, and for 0.
            #[must_use]
            pub fn from_code(code: impl TryInto<u8>) -> Option<Self> {
                let code = code.try_into().ok()?;
                Self::ALL.iter().copied().find(|value| value.code() == code)
            }

            /// The word for people and JSON.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }

            /// The value of a word, in upper or lower case.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word().eq_ignore_ascii_case(word))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

terms! {
    /// Real, exercise, test or service traffic, as in CAP 1.2. Sealed with the key: no carrier
    /// can tell one from another, and none can become another (invariant I7).
    Status {
        /// To be acted upon.
        Actual = 1 "ACTUAL",
        /// Only designated participants of the exercise act.
        Exercise = 2 "EXERCISE",
        /// Technical; all disregard.
        Test = 3 "TEST",
        /// Functions of the network itself.
        System = 4 "SYSTEM",
    }
}

terms! {
    /// How soon people must look; it sets the clocks and is invisible to carriers.
    Precedence {
        /// Transparency, offers, reports.
        Routine = 1 "ROUTINE",
        /// Clarification, explanation.
        Priority = 2 "PRIORITY",
        /// Incident alert, preservation, consultation.
        Immediate = 3 "IMMEDIATE",
        /// Red flag, compromise, real-world stop; two persons release it.
        Flash = 4 "FLASH",
    }
}

terms! {
    /// How far a letter came (`docs/spec/letter.md`). Levels only rise; a higher one implies the lower.
    Level {
        /// A peer stored a push; it promises nothing.
        L0 = 1 "L0",
        /// On the addressee's durable disk.
        L1 = 2 "L1",
        /// In the office's inbox.
        L2 = 3 "L2",
        /// On a logged-in screen.
        L3 = 4 "L3",
        /// A human received it: "received; does not indicate concurrence".
        L4 = 5 "L4",
        /// An outcome was stated.
        L5 = 6 "L5",
        /// It was answered.
        L6 = 7 "L6",
    }
}

terms! {
    /// What an office says it will do (level L5).
    Outcome {
        /// It will deal with it.
        Accepted = 1 "ACCEPTED",
        /// It will not.
        Declined = 2 "DECLINED",
        /// Somebody else will.
        Referred = 3 "REFERRED",
        /// It cannot without more information.
        NeedInfo = 4 "NEED_INFO",
        /// It has no competence.
        NotCompetent = 5 "NOT_COMPETENT",
        /// It could not be taken as it came.
        Rejected = 6 "REJECTED",
    }
}

terms! {
    /// Why, beside an outcome. Giving one is voluntary.
    Reason {
        /// The office has no mandate.
        NoMandate = 1 "NO_MANDATE",
        /// National law forbids it.
        NationalLaw = 2 "NATIONAL_LAW",
        /// It went to the wrong addressee.
        WrongAddressee = 3 "WRONG_ADDRESSEE",
        /// It could not be read.
        Unreadable = 4 "UNREADABLE",
        /// A signature inside did not hold.
        BadSignature = 5 "BAD_SIGNATURE",
        /// Nobody there reads the language.
        Language = 6 "LANGUAGE",
        /// It was received before.
        Duplicate = 7 "DUPLICATE",
        /// A political decision.
        Political = 8 "POLITICAL",
        /// No reason is given.
        NoReasonGiven = 9 "NO_REASON_GIVEN",
        /// Another one; the text says which.
        Other = 10 "OTHER",
    }
}

terms! {
    /// What a letter does to what went before it.
    Action {
        /// A new notification.
        New = 1 "NEW",
        /// Supersedes an earlier one.
        Update = 2 "UPDATE",
        /// Corrects an earlier one.
        Correction = 3 "CORRECTION",
        /// Retracts an earlier one, with the reason.
        Cancel = 4 "CANCEL",
        /// Ends the case.
        Close = 5 "CLOSE",
    }
}

terms! {
    /// Traffic Light Protocol 2.0: how far the content may go.
    Tlp {
        /// No limit.
        Clear = 1 "CLEAR",
        /// The community.
        Green = 2 "GREEN",
        /// The organisation and its clients.
        Amber = 3 "AMBER",
        /// The organisation only.
        AmberStrict = 4 "AMBER_STRICT",
        /// The named recipients only.
        Red = 5 "RED",
    }
}

terms! {
    /// How a letter relates to one that it names.
    Relation {
        /// It replies to it.
        Replies = 1 "REPLIES",
        /// It supersedes it.
        Updates = 2 "UPDATES",
        /// It retracts it.
        Cancels = 3 "CANCELS",
        /// It acknowledges it.
        Acks = 4 "ACKS",
        /// It translates it.
        Translates = 5 "TRANSLATES",
        /// It is evidence for it.
        EvidenceFor = 6 "EVIDENCE_FOR",
        /// It passes it on.
        Forwards = 7 "FORWARDS",
    }
}

/// The time limits of one precedence, milliseconds (`docs/spec/letter.md`). L1 runs from sending, the
/// others from the addressee's L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The addressee's machine has it on disk.
    pub l1_ms: u64,
    /// A human received it.
    pub l4_ms: u64,
    /// An outcome is stated.
    pub l5_ms: u64,
    /// An answer came.
    pub l6_ms: u64,
}

terms! {
    /// How the fingerprints of a party's authority keys were compared (`station.proto`).
    Method {
        /// Face to face.
        InPerson = 1 "IN_PERSON",
        /// By voice, of somebody whom the officer knows.
        ByVoice = 2 "BY_VOICE",
        /// By the words of an identity check, read back over another channel.
        ReadBack = 3 "READ_BACK",
    }
}

terms! {
    /// Which way somebody tried to pass for somebody else (`station.proto`).
    Cause {
        /// A node that no certificate names wanted a link.
        Stranger = 1 "STRANGER",
        /// A certificate, contact or other document in a party's name that is not believed.
        Document = 2 "DOCUMENT",
        /// An envelope under a station's name whose signature does not hold.
        Signature = 3 "SIGNATURE",
        /// An envelope under a station's name, signed by another station.
        OtherKey = 4 "OTHER_KEY",
        /// A letter in the name of another station than the one that signed it.
        OtherName = 5 "OTHER_NAME",
        /// A key that its party took back was used.
        RevokedKey = 6 "REVOKED_KEY",
        /// Another node speaks with our own keys.
        Clone = 7 "CLONE",
        /// A station signed two headers as one number: copied keys, or dishonesty.
        Fork = 8 "FORK",
        /// The words of an identity check did not agree.
        Mismatch = 9 "MISMATCH",
        /// A letter of a status or type that its author's key may not say.
        Scope = 10 "SCOPE",
    }
}

impl Precedence {
    /// The clocks of this precedence. ROUTINE's "next working day" is 24 hours here: calendars of
    /// offices are not part of the protocol.
    #[must_use]
    pub const fn clock(self) -> Clock {
        let (l1_ms, l4_ms, l5_ms, l6_ms) = match self {
            Self::Flash => (2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR),
            Self::Immediate => (5 * MINUTE, 30 * MINUTE, 6 * HOUR, 24 * HOUR),
            Self::Priority => (15 * MINUTE, 3 * HOUR, 24 * HOUR, 48 * HOUR),
            Self::Routine => (HOUR, DAY, 10 * DAY, 30 * DAY),
        };
        Clock { l1_ms, l4_ms, l5_ms, l6_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_lead_back_to_the_value() {
        for level in Level::ALL {
            assert_eq!(Level::from_code(level.code()), Some(*level));
            assert_eq!(Level::from_word(&level.word().to_lowercase()), Some(*level));
        }
        assert_eq!(Level::from_code(0), None);
        assert_eq!(Precedence::from_code(99_i32), None);
        assert_eq!(Precedence::from_code(-1_i32), None);
    }

    #[test]
    fn a_higher_precedence_never_has_a_longer_clock() {
        for pair in Precedence::ALL.windows(2) {
            let (slow, fast) = (pair[0].clock(), pair[1].clock());
            assert!(fast.l1_ms < slow.l1_ms && fast.l4_ms < slow.l4_ms);
            assert!(fast.l5_ms < slow.l5_ms && fast.l6_ms < slow.l6_ms);
        }
    }

    #[test]
    fn each_clock_leaves_more_time_for_more_work() {
        for precedence in Precedence::ALL {
            let clock = precedence.clock();
            assert!(clock.l1_ms < clock.l4_ms && clock.l4_ms < clock.l5_ms);
            assert!(clock.l5_ms < clock.l6_ms);
        }
    }
}
