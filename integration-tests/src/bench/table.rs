//! Medians, p99 and ratios, as a table of at most 80 columns.

use std::fmt::Write as _;
use std::time::Duration;

/// How a figure is spread over its runs.
#[derive(Clone, Debug)]
pub(super) struct Spread(Vec<Duration>);

impl Spread {
    /// Of these measurements; at least one.
    #[must_use]
    pub(super) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The value below which `percent` of all lie.
    #[must_use]
    pub(super) fn at(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }
}

/// The table as it grows.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: String,
}

impl Table {
    /// One way of saying a letter and hearing that it is stored.
    pub(super) fn round_trip(&mut self, what: &str, it: &Spread, bare: &Spread, full: &Spread) {
        let ratio = |percent: usize, floor: &Spread| {
            it.at(percent).as_secs_f64() / floor.at(percent).as_secs_f64().max(1e-9)
        };
        let ms = |percent: usize| it.at(percent).as_secs_f64() * 1e3;
        let _ = writeln!(
            self.lines,
            "{what}\n    median {:.2} ms, p99 {:.2} ms; median {:.2} x bare, {:.2} x full; \
             p99 {:.2} x full",
            ms(50),
            ms(99),
            ratio(50, bare),
            ratio(50, full),
            ratio(99, full)
        );
    }

    /// A rate that the machine alone reaches.
    pub(super) fn floor(&mut self, what: &str, rate: f64) {
        let _ = writeln!(self.lines, "{what}\n    {rate:.0}/s");
    }

    /// A rate, beside what a floor of this name allows.
    pub(super) fn share(&mut self, what: &str, rate: f64, floor: &str, alone: f64) {
        let share = 100.0 * rate / alone.max(1e-9);
        let _ = writeln!(self.lines, "{what}\n    {rate:.0}/s; {share:.0} % of {floor}");
    }

    /// Anything else.
    pub(super) fn say(&mut self, what: &str, value: &str) {
        let _ = writeln!(self.lines, "{what}\n    {value}");
    }

    /// A size.
    pub(super) fn size(&mut self, what: &str, bytes: usize) {
        let _ = writeln!(self.lines, "{what}\n    {bytes} bytes");
    }

    /// All of it.
    #[must_use]
    pub(super) fn text(&self) -> &str {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_values() {
        let spread = Spread::new((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(spread.at(50), Duration::from_millis(51));
        assert_eq!(spread.at(99), Duration::from_millis(100));
        assert_eq!(Spread::new(vec![Duration::from_millis(7)]).at(99), Duration::from_millis(7));
    }
}
