//! Attempts to pass for somebody else, counted by cause, name and day.
//!
//! Invariants: every attempt raises a count; what is written grows with the logarithm of the
//! attempts, because a row is kept anew only when its count reaches a power of two; rows are
//! bounded in sum and per day, and what has no row of its own is counted without a name. Nothing
//! here refuses anything: whoever calls has refused already.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::dump::{Dump, Source, dumped_as_wire, put_all};
use crate::id::{PartyCode, StationId};
use crate::limits::{INCIDENTS_MAX, INCIDENTS_PER_DAY};
use crate::terms::Cause;
use crate::time::{DAY, Timestamp};
use crate::wire;

/// Longest name of a station: party, slash, short name.
const NAME_MAX: usize = 48;

/// What happened in one way, in one name, on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Which way.
    pub cause: Cause,
    /// In whose name (`BBB/mfa`, `BBB`); empty for a stranger.
    pub about: String,
    /// The station that handed it to us.
    pub via: Option<StationId>,
    /// How often.
    pub count: u64,
    /// First time that day.
    pub first_at: Timestamp,
    /// Last time that day.
    pub last_at: Timestamp,
}

type Row = (u64, Cause, String, Option<StationId>);

impl Incident {
    fn row(&self) -> Row {
        (self.first_at.0 / DAY, self.cause, self.about.clone(), self.via)
    }

    /// As it is kept.
    #[must_use]
    pub fn to_wire(&self) -> wire::OwnIncident {
        wire::OwnIncident {
            cause: self.cause.code().into(),
            about: self.about.clone(),
            via: self.via.map(|id| Bytes::copy_from_slice(&id.0)).unwrap_or_default(),
            count: self.count,
            first_at: self.first_at.0,
            last_at: self.last_at.0,
        }
    }

    /// Reads [`Incident::to_wire`]; `None` for what a newer version wrote.
    #[must_use]
    pub fn from_wire(own: &wire::OwnIncident) -> Option<Self> {
        Some(Self {
            cause: Cause::from_code(own.cause)?,
            about: own.about.clone(),
            via: StationId::from_slice(&own.via),
            count: own.count,
            first_at: Timestamp(own.first_at),
            last_at: Timestamp(own.last_at),
        })
    }

    /// Whether it is in the name of this party or one of its stations.
    #[must_use]
    pub fn concerns(&self, party: &PartyCode) -> bool {
        let named = self.about.split('/').next().unwrap_or_default();
        named == party.as_str()
    }
}

/// Every row that is remembered.
#[derive(Clone, Debug, Default)]
pub struct Incidents(BTreeMap<Row, Incident>);

dumped_as_wire!(Incident);

impl Dump for Incidents {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self.0.values(), out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let all = Vec::<Incident>::take(from)?;
        Some(Self(all.into_iter().map(|incident| (incident.row(), incident)).collect()))
    }
}

impl Incidents {
    /// Counts `times` more; returns the row when it is to be kept anew.
    pub fn count(
        &mut self,
        at: Timestamp,
        cause: Cause,
        about: &str,
        via: Option<StationId>,
        times: u64,
    ) -> Option<Incident> {
        if times == 0 {
            return None;
        }
        let about: String = about.chars().take(NAME_MAX).collect();
        let day = at.0 / DAY;
        let mut row = (day, cause, about, via);
        if !self.0.contains_key(&row) && self.of_day(day) >= INCIDENTS_PER_DAY {
            row = (day, cause, String::new(), None);
        }
        let (about, via) = (row.2.clone(), row.3);
        let fresh = Incident { cause, about, via, count: 0, first_at: at, last_at: at };
        let incident = self.0.entry(row).or_insert(fresh);
        let before = incident.count;
        incident.count = before.saturating_add(times);
        incident.last_at = incident.last_at.max(at);
        let kept =
            (before == 0 || incident.count.ilog2() > before.ilog2()).then(|| incident.clone());
        self.bound();
        kept
    }

    /// A row as it was kept; the higher count holds.
    pub fn restore(&mut self, incident: Incident) {
        let held = self.0.entry(incident.row()).or_insert_with(|| incident.clone());
        if incident.count > held.count {
            *held = incident;
        }
        self.bound();
    }

    fn of_day(&self, day: u64) -> usize {
        let first = (day, Cause::Stranger, String::new(), None);
        self.0.range(first..).take_while(|(row, _)| row.0 == day).count()
    }

    fn bound(&mut self) {
        while self.0.len() > INCIDENTS_MAX {
            self.0.pop_first();
        }
    }

    /// All, the newest day first.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.0.values().rev()
    }

    /// Those in the name of this party, the newest day first, from `since` on.
    pub fn concerning(
        &self,
        party: &PartyCode,
        since: Timestamp,
    ) -> impl Iterator<Item = &Incident> {
        let recent = move |incident: &&Incident| incident.last_at >= since;
        self.iter().take_while(recent_day(since)).filter(recent).filter(|i| i.concerns(party))
    }
}

fn recent_day(since: Timestamp) -> impl Fn(&&Incident) -> bool {
    move |incident| incident.first_at.0 / DAY >= since.0 / DAY
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(20_000 * DAY + DAY / 2);

    #[test]
    fn attempts_of_a_day_are_one_row_and_few_records() {
        let mut incidents = Incidents::default();
        let mut kept = Vec::new();
        for n in 0..1_000 {
            let at = Timestamp(NOON.0 + n);
            kept.extend(incidents.count(at, Cause::Signature, "BBB/mfa", None, 1));
        }
        assert_eq!(kept.len(), 10, "at 1, 2, 4, … 512");
        let all: Vec<&Incident> = incidents.iter().collect();
        assert_eq!((all.len(), all[0].count, all[0].last_at.0), (1, 1_000, NOON.0 + 999));
        assert_eq!(all[0].first_at, NOON);
        let mut again = Incidents::default();
        kept.into_iter().for_each(|row| again.restore(row));
        assert_eq!(again.iter().next().unwrap().count, 512);
    }

    #[test]
    fn names_and_days_and_causes_have_rows_of_their_own() {
        let mut incidents = Incidents::default();
        incidents.count(NOON, Cause::Signature, "BBB/mfa", None, 1);
        incidents.count(NOON, Cause::Signature, "CCC/mfa", None, 1);
        incidents.count(NOON, Cause::OtherName, "BBB/mfa", Some(StationId([1; 16])), 1);
        incidents.count(NOON.plus(DAY), Cause::Document, "BBB", None, 2);
        let bbb = PartyCode::new("BBB").unwrap();
        let causes = |since| incidents.concerning(&bbb, since).map(|i| i.cause).collect::<Vec<_>>();
        assert_eq!(causes(NOON), [Cause::Document, Cause::OtherName, Cause::Signature]);
        assert_eq!(causes(NOON.plus(1)), [Cause::Document]);
    }

    #[test]
    fn a_flood_of_names_ends_in_one_row_for_its_cause() {
        let mut incidents = Incidents::default();
        for n in 0..2 * INCIDENTS_PER_DAY as u64 {
            incidents.count(NOON, Cause::OtherName, &format!("P{n}/mfa"), None, 1);
        }
        assert_eq!(incidents.iter().count(), INCIDENTS_PER_DAY + 1);
        let nameless = incidents.iter().find(|i| i.about.is_empty()).unwrap();
        assert_eq!(nameless.count, INCIDENTS_PER_DAY as u64);
        for day in 0..30 {
            for n in 0..INCIDENTS_PER_DAY {
                let at = NOON.plus(day * DAY);
                incidents.count(at, Cause::Signature, &format!("P{n}/mfa"), None, 1);
            }
        }
        assert_eq!(incidents.iter().count(), INCIDENTS_MAX);
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut incidents = Incidents::default();
        let row = incidents.count(NOON, Cause::Fork, "BBB/mfa", Some(StationId([7; 16])), 3);
        let row = row.unwrap();
        assert_eq!(Incident::from_wire(&row.to_wire()), Some(row.clone()));
        let newer = wire::OwnIncident { cause: 99, ..row.to_wire() };
        assert_eq!(Incident::from_wire(&newer), None);
        assert!(incidents.count(NOON, Cause::Fork, "BBB/mfa", None, 0).is_none());
    }
}
