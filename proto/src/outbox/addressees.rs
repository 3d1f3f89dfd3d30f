//! Who owes what for one letter: few entries, and very many letters.
//!
//! Level 4, a room of [`super`]. A map in a row, ascending, in exactly the memory that it needs: a tree
//! takes room for eleven addressees where most letters have one.

use std::collections::BTreeMap;
use std::ops::Index;

use crate::id::StationId;

use super::Owed;

/// Each addressee station of a letter, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addressees(Box<[(StationId, Owed)]>);

impl Addressees {
    /// One of them.
    #[must_use]
    pub fn get(&self, station: &StationId) -> Option<&Owed> {
        let at = self.0.binary_search_by_key(station, |(id, _)| *id).ok()?;
        self.0.get(at).map(|(_, owed)| owed)
    }

    /// One of them, to be changed.
    pub fn get_mut(&mut self, station: &StationId) -> Option<&mut Owed> {
        let at = self.0.binary_search_by_key(station, |(id, _)| *id).ok()?;
        self.0.get_mut(at).map(|(_, owed)| owed)
    }

    /// Whether the letter is for this station.
    #[must_use]
    pub fn contains_key(&self, station: &StationId) -> bool {
        self.get(station).is_some()
    }

    /// The stations, in order.
    pub fn keys(&self) -> impl Iterator<Item = &StationId> {
        self.0.iter().map(|(id, _)| id)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&StationId, &Owed)> {
        self.0.iter().map(|(id, owed)| (id, owed))
    }
}

impl From<BTreeMap<StationId, Owed>> for Addressees {
    fn from(owed: BTreeMap<StationId, Owed>) -> Self {
        Self(owed.into_iter().collect())
    }
}

impl Index<&StationId> for Addressees {
    type Output = Owed;

    #[allow(clippy::expect_used, reason = "indexing says that it is there, as with other maps")]
    fn index(&self, station: &StationId) -> &Owed {
        self.get(station).expect("an addressee of the letter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_addressee_is_found_and_nobody_else() {
        let even = (0..20).filter(|n| n % 2 == 0).map(|n| StationId([n; 16]));
        let mut all =
            Addressees::from(even.map(|id| (id, Owed::new(false))).collect::<BTreeMap<_, _>>());
        for n in 0..20 {
            let id = StationId([n; 16]);
            assert_eq!(all.contains_key(&id), n % 2 == 0, "{n}");
            assert_eq!(all.get_mut(&id).is_some(), n % 2 == 0, "{n}");
        }
        assert!(all.keys().is_sorted() && all.iter().count() == 10);
    }
}
