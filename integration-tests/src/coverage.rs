//! How much of the core the worlds reach: which inputs, questions, answers, effects, notices and
//! records were seen, and how often.
//!
//! Counted at the edge of the station, by the names of the variants; what was never seen is named,
//! so that nobody takes a quiet corner for a tested one. Used by `world` and `cbm-sim --coverage`.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write};

use cbm_proto::event::{Input, Speak};
use cbm_proto::sync::{Ask, Say};

/// Everything that can be seen, by kind.
const ALL: [(&str, &[&str]); 6] = [
    (
        "input",
        &[
            "Submit",
            "Act",
            "Checked",
            "Strangers",
            "Heard",
            "Linked",
            "Unlinked",
            "Asked",
            "Answered",
            "Documents",
            "Recalled",
            "Tick",
        ],
    ),
    ("question", &["Push", "Heads", "HeadsOf", "Summary", "Want", "Documents", "Offer"]),
    ("answer", &["Taken", "Entries", "Same", "Envelopes", "Documents", "Refused"]),
    (
        "effect",
        &[
            "Publish",
            "Request",
            "Push",
            "Answer",
            "Serve",
            "Dial",
            "Hangup",
            "Membership",
            "Recall",
            "Documents",
            "Tell",
            "Reply",
        ],
    ),
    (
        "notice",
        &[
            "Letter",
            "Settled",
            "Speaks",
            "Clone",
            "Revoked",
            "Forked",
            "Refused",
            "ClockInDoubt",
            "OverRate",
            "Incident",
            "Document",
        ],
    ),
    (
        "record",
        &["Envelope", "Document", "Sent", "Opened", "Taken", "Event", "Incarnation", "Note"],
    ),
];

/// What was seen, and how often.
#[derive(Clone, Debug, Default)]
pub struct Seen(BTreeMap<(&'static str, String), u64>);

/// Takes the first word of what is written, and no more.
struct FirstWord(String);

impl Write for FirstWord {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let word: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
        self.0.push_str(&word);
        if word.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

fn name(what: &impl Debug) -> String {
    let mut word = FirstWord(String::new());
    // It ends with an error on purpose, as soon as the word does.
    let _ = write!(word, "{what:?}");
    word.0
}

impl Seen {
    /// One input.
    pub fn input(&mut self, input: &Input) {
        let name = match input {
            Input::Submit { .. } => "Submit",
            Input::Act { .. } => "Act",
            Input::Checked { .. } => "Checked",
            Input::Strangers { .. } => "Strangers",
            Input::Heard { .. } => "Heard",
            Input::Linked { .. } => "Linked",
            Input::Unlinked { .. } => "Unlinked",
            Input::Asked { .. } => "Asked",
            Input::Answered { .. } => "Answered",
            Input::Documents { .. } => "Documents",
            Input::Recalled { .. } => "Recalled",
            Input::Tick => "Tick",
        };
        self.count("input", name.to_owned());
        if let Input::Asked { bytes, .. } = input
            && let Ok(ask) = Ask::decode(bytes)
        {
            self.one("question", &ask);
        }
        if let Input::Answered { answer: Some(bytes), .. } = input
            && let Ok(say) = Say::decode(bytes)
        {
            self.one("answer", &say);
        }
    }

    /// One effect.
    pub fn speak(&mut self, speak: &Speak) {
        self.one("effect", speak);
        if let Speak::Tell(notice) = speak {
            self.one("notice", notice);
        }
    }

    /// One of this kind; its variant is counted.
    pub fn one(&mut self, kind: &'static str, what: &impl Debug) {
        self.count(kind, name(what));
    }

    fn count(&mut self, kind: &'static str, name: String) {
        *self.0.entry((kind, name)).or_default() += 1;
    }

    /// What was seen elsewhere, too.
    pub fn absorb(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| kind | seen, how often | never |\n|---|---|---|")?;
        for (kind, names) in ALL {
            let times = |name: &str| self.0.get(&(kind, name.to_owned())).copied().unwrap_or(0);
            let seen = names.iter().filter(|name| times(name) > 0);
            let seen: Vec<String> = seen.map(|name| format!("{name} {}", times(name))).collect();
            let never: Vec<&str> = names.iter().filter(|name| times(name) == 0).copied().collect();
            writeln!(f, "| {kind} | {} | {} |", seen.join(", "), never.join(", "))?;
        }
        Ok(())
    }
}
