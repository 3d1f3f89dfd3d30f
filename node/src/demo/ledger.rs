//! What was said and what held: lines with times, and the closing table.

use std::time::Duration;

use cbm_proto::time::Mono;

use crate::clock::Clock;

/// The story's record.
pub(super) struct Ledger {
    clock: Clock,
    points: Vec<(String, bool)>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { clock: Clock::start(), points: Vec::new() }
    }

    /// Milliseconds since the story began.
    pub(super) fn elapsed(&self) -> u64 {
        self.clock.now().mono.0
    }

    /// How long until `ms` after now; for deadlines.
    pub(super) fn deadline(&self, wait: Duration) -> Mono {
        self.clock.now().mono.plus(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn passed(&self, deadline: Mono) -> bool {
        self.clock.now().mono >= deadline
    }

    /// Tells one thing, with its time.
    pub(super) fn say(&self, text: &str) {
        let ms = self.elapsed();
        let mut first = true;
        for line in wrap(text, 68) {
            if first {
                println!("{:>5}.{:03} s  {line}", ms / 1_000, ms % 1_000);
            } else {
                println!("{:>11} {line}", "");
            }
            first = false;
        }
    }

    /// A heading.
    pub(super) fn chapter(&self, title: &str) {
        println!("\n{title}");
        println!("{}", "-".repeat(title.chars().count()));
    }

    /// Something that holds or does not.
    pub(super) fn point(&mut self, what: &str, held: bool) {
        self.points.push((what.to_owned(), held));
        let word = if held { "held" } else { "DID NOT HOLD" };
        self.say(&format!("=> {word}: {what}"));
    }

    pub(super) fn failed(&self) -> usize {
        self.points.iter().filter(|(_, held)| !held).count()
    }

    /// The closing table, at most 80 columns.
    pub(super) fn table(&self) -> String {
        let mut out = String::from("\nWhat held\n=========\n");
        for (what, held) in &self.points {
            let word = if *held { "held  " } else { "FAILED" };
            for (n, line) in wrap(what, 70).into_iter().enumerate() {
                let word = if n == 0 { word } else { "" };
                out.push_str(&format!("{word:<8}{line}\n"));
            }
        }
        let (all, failed) = (self.points.len(), self.failed());
        out.push_str(&format!("\n{} of {all} points held.\n", all - failed));
        out
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width
        });
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_width_and_every_word() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrap(text, 14);
        assert!(lines.iter().all(|line| line.len() <= 14), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrap("averyverylongword x", 5), ["averyverylongword", "x"]);
    }
}
