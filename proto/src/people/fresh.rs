//! How old contact data are: FRESH, AGING, STALE, and the two words for none.
//!
//! Invariant: what is old or failed is shown with a warning and stays usable; nothing is hidden
//! because it is stale.

use crate::limits::{AGING_AFTER, STALE_AFTER};
use crate::time::Timestamp;

/// How far contact data can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Confirmed within 90 days.
    Fresh,
    /// Older than 90 days.
    Aging,
    /// Older than 180 days, past the date it holds until, or nobody answered a check since.
    Stale,
    /// Nothing was ever said.
    Unverified,
    /// The party took its entry back.
    Withdrawn,
}

impl Freshness {
    /// For people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fresh => "FRESH",
            Self::Aging => "AGING",
            Self::Stale => "STALE",
            Self::Unverified => "UNVERIFIED",
            Self::Withdrawn => "WITHDRAWN",
        }
    }
}

/// What the age of contact data is judged by; each is the newest of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The party said it, confirmed it, or answered a check by it.
    pub confirmed_at: Option<Timestamp>,
    /// It holds until then, by the party's own word.
    pub valid_until: Option<Timestamp>,
    /// A check that nobody answered in time.
    pub failed_at: Option<Timestamp>,
    /// The party suspended or withdrew its entry.
    pub withdrawn_at: Option<Timestamp>,
}

impl Evidence {
    /// The party confirmed at this time.
    pub fn confirm(&mut self, at: Timestamp) {
        self.confirmed_at = self.confirmed_at.max(Some(at));
    }

    /// The word for it.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        if self.withdrawn_at.is_some() && self.withdrawn_at >= self.confirmed_at {
            return Freshness::Withdrawn;
        }
        let Some(confirmed) = self.confirmed_at else { return Freshness::Unverified };
        let over = self.valid_until.is_some_and(|until| until < now);
        let failed = self.failed_at.is_some_and(|failed| failed > confirmed);
        match now.since(confirmed) {
            _ if over || failed => Freshness::Stale,
            age if age > STALE_AFTER => Freshness::Stale,
            age if age > AGING_AFTER => Freshness::Aging,
            _ => Freshness::Fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    const NOW: Timestamp = Timestamp(1_000 * DAY);

    fn days_ago(days: u64) -> Option<Timestamp> {
        Some(Timestamp(NOW.0 - days * DAY))
    }

    #[test]
    fn age_turns_fresh_into_aging_and_stale() {
        for (days, word) in [(0, "FRESH"), (90, "FRESH"), (91, "AGING"), (181, "STALE")] {
            let evidence = Evidence { confirmed_at: days_ago(days), ..Evidence::default() };
            assert_eq!(evidence.freshness(NOW).word(), word, "{days}");
        }
        assert_eq!(Evidence::default().freshness(NOW), Freshness::Unverified);
    }

    #[test]
    fn a_failed_check_makes_stale_until_somebody_confirms() {
        let mut evidence =
            Evidence { confirmed_at: days_ago(5), failed_at: days_ago(1), ..Evidence::default() };
        assert_eq!(evidence.freshness(NOW), Freshness::Stale);
        evidence.confirm(NOW);
        assert_eq!(evidence.freshness(NOW), Freshness::Fresh);
        let over = Evidence { valid_until: days_ago(1), ..evidence };
        assert_eq!(over.freshness(NOW), Freshness::Stale);
    }

    #[test]
    fn what_was_withdrawn_stays_so_until_it_is_said_anew() {
        let gone = Evidence { withdrawn_at: days_ago(2), ..Evidence::default() };
        let before = Evidence { confirmed_at: days_ago(3), ..gone };
        let after = Evidence { confirmed_at: days_ago(1), ..gone };
        assert_eq!(gone.freshness(NOW), Freshness::Withdrawn);
        assert_eq!(before.freshness(NOW), Freshness::Withdrawn);
        assert_eq!(after.freshness(NOW), Freshness::Fresh);
    }
}
