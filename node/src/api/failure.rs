//! What goes wrong, in words for people and in a code for programs.
//!
//! Every error of the API and of the command line is a [`Failure`]: what did not happen, why, and
//! what to do. Its [`Code`] decides the HTTP status and the exit code, once, here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It was asked for wrongly; the same request can never succeed.
    Usage,
    /// A rule forbids it: two persons, officers, roles.
    Refused,
    /// There is no such thing here.
    NotFound,
    /// Not now; the same request may succeed later.
    Unavailable,
    /// The disk does not take it; nothing was sent.
    Storage,
    /// The wanted level was not reached in time; the letter is still under way.
    NotReached,
    /// Anything else.
    Failed,
}

impl Code {
    /// The exit code of the command line: 1 failed, 2 usage, 3 refused by policy, 4 not reached in
    /// time.
    #[must_use]
    pub const fn exit(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotReached => 4,
            Self::NotFound | Self::Unavailable | Self::Storage | Self::Failed => 1,
        }
    }

    /// The status of the HTTP answer.
    #[must_use]
    pub const fn http(self) -> u16 {
        match self {
            Self::Usage => 400,
            Self::Refused => 403,
            Self::NotFound => 404,
            Self::NotReached => 504,
            Self::Unavailable => 503,
            Self::Storage => 507,
            Self::Failed => 500,
        }
    }
}

/// What did not happen, why, and what to do about it. The body of every HTTP error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What did not happen.
    pub error: String,
    /// Why.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// For programs.
    pub code: Code,
}

impl Failure {
    /// From its three sentences.
    pub fn new(
        code: Code,
        error: impl Into<String>,
        cause: impl fmt::Display,
        remedy: impl Into<String>,
    ) -> Self {
        Self { error: error.into(), cause: cause.to_string(), remedy: remedy.into(), code }
    }

    /// From an error of ours, whose text names cause and remedy in one line, parted by `; `. A
    /// text without a remedy gets `otherwise`.
    pub fn told(
        code: Code,
        error: impl Into<String>,
        told: impl fmt::Display,
        otherwise: &str,
    ) -> Self {
        let told = told.to_string();
        let (cause, remedy) = told.split_once("; ").unwrap_or((&told, otherwise));
        Self::new(code, error, cause, remedy)
    }

    /// The node took the question and dropped it.
    #[must_use]
    pub fn unanswered() -> Self {
        Self::new(
            Code::Unavailable,
            "the node gave no answer",
            "it is stopping, or its disk takes nothing",
            "look at its log, then repeat the command",
        )
    }

    /// The node is about to stop, or has stopped.
    #[must_use]
    pub fn stopping() -> Self {
        Self::new(
            Code::Unavailable,
            "the node did not take it",
            "it is stopping",
            "start it again, then repeat the command",
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Several causes stand below each other.
        let under = |text: &str| text.replace('\n', "\n          ");
        let (cause, remedy) = (under(&self.cause), under(&self.remedy));
        write!(f, "{}\n  cause:  {cause}\n  remedy: {remedy}", self.error)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_one_line_becomes_cause_and_remedy() {
        let told = Failure::told(Code::Usage, "not sent", "no such party; look at peers", "-");
        assert_eq!((told.cause.as_str(), told.remedy.as_str()), ("no such party", "look at peers"));
        let bare = Failure::told(Code::Failed, "not sent", "it broke", "try again");
        assert_eq!(bare.to_string(), "not sent\n  cause:  it broke\n  remedy: try again");
        let two = Failure::new(Code::Usage, "not sent", "one\ntwo", "mend each");
        assert_eq!(two.to_string(), "not sent\n  cause:  one\n          two\n  remedy: mend each");
    }

    #[test]
    fn exit_codes_are_the_published_ones() {
        let codes = [Code::Failed, Code::Usage, Code::Refused, Code::NotReached];
        assert_eq!(codes.map(Code::exit), [1, 2, 3, 4]);
    }
}
