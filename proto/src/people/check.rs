//! Comparisons of fingerprints, and the trust that follows from them.
//!
//! Invariants: a check counts for exactly the authority keys that were compared, so it lapses by
//! itself when the party's keys change; one that did not agree takes the earlier ones away; the
//! number kept is bounded.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::accord::{Directory, Document, Grade};
use crate::dump::{Dump, Source, dumped_as_wire};
use crate::id::{KeyId, MsgId, PartyCode};
use crate::keys::{ALG_ED25519, ALG_ML_DSA_44, Fingerprint};
use crate::limits::{CHECKER_MAX, CHECKS_MAX, DOCUMENT_MAX};
use crate::terms::Method;
use crate::time::Timestamp;
use crate::wire::{self, public_key::Role};

/// An officer compared the fingerprints of a party's authority keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The letter that asked for it, or drawn.
    pub id: MsgId,
    /// Whose keys.
    pub party: PartyCode,
    /// The keys that were compared.
    pub keys: BTreeSet<KeyId>,
    /// How.
    pub method: Method,
    /// They agreed.
    pub agreed: bool,
    /// Who compared.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Checked {
    /// As it is kept.
    #[must_use]
    pub fn to_wire(&self) -> wire::OwnChecked {
        wire::OwnChecked {
            id: Bytes::copy_from_slice(&self.id.0),
            party: self.party.as_str().to_owned(),
            keys: self.keys.iter().map(|id| Bytes::copy_from_slice(id.as_bytes())).collect(),
            method: self.method.code().into(),
            differs: !self.agreed,
            by: self.by.clone(),
            at: self.at.0,
        }
    }

    /// Reads [`Checked::to_wire`]; `None` for what a newer version wrote.
    #[must_use]
    pub fn from_wire(own: &wire::OwnChecked) -> Option<Self> {
        Some(Self {
            id: MsgId::from_slice(&own.id)?,
            party: PartyCode::new(&own.party).ok()?,
            keys: own.keys.iter().map(|id| KeyId::from_slice(id)).collect::<Option<_>>()?,
            method: Method::from_code(own.method)?,
            agreed: !own.differs,
            by: own.by.chars().take(CHECKER_MAX).collect(),
            at: Timestamp(own.at),
        })
    }

    /// Whether it still says something: all of the party's keys of today were compared then.
    #[must_use]
    pub fn covers(&self, keys: &BTreeSet<KeyId>) -> bool {
        !keys.is_empty() && keys.is_subset(&self.keys)
    }
}

/// How well the person behind a party's keys is known here. Shown beside each sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Only the accord vouches for its keys.
    Unverified,
    /// The convener vouches for them.
    Convener,
    /// A state of the region and the convener do.
    RegionAndConvener,
    /// Our own people compared them in person.
    InPerson,
    /// It is our own party.
    Own,
}

impl Trust {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Convener => "by convener",
            Self::RegionAndConvener => "by region and convener",
            Self::InPerson => "checked in person",
            Self::Own => "own party",
        }
    }

    /// For programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Convener => "convener",
            Self::RegionAndConvener => "region_and_convener",
            Self::InPerson => "checked_in_person",
            Self::Own => "own",
        }
    }
}

impl From<Grade> for Trust {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::InPerson => Self::InPerson,
            Grade::RegionAndConvener => Self::RegionAndConvener,
            Grade::Convener => Self::Convener,
            Grade::Unverified => Self::Unverified,
        }
    }
}

/// The authority keys that a party signs with now: those of the accord in force, or of the last
/// one that listed it.
#[must_use]
pub fn authority(directory: &Directory, party: &PartyCode) -> BTreeSet<KeyId> {
    match directory.accord().parties.get(party) {
        Some(listed) => listed.authority.keys().copied().collect(),
        None => directory
            .party(party)
            .map(|party| party.authority.keys().copied().collect())
            .unwrap_or_default(),
    }
}

/// The fingerprints of each party's authority keys in the accord in force, as the cards of a
/// founding print them, in the order in which the accord lists them.
#[must_use]
pub fn fingerprints(directory: &Directory) -> BTreeMap<PartyCode, Vec<Fingerprint>> {
    let document = directory.document(&directory.accord_digest());
    let document = document.and_then(|bytes| Document::decode(bytes).ok());
    let accord = document
        .and_then(|document| wire::decode::<wire::Accord>(document.payload(), DOCUMENT_MAX).ok());
    let parties = accord.map(|accord| accord.parties).unwrap_or_default();
    let listed = parties
        .iter()
        .filter_map(|party| Some((PartyCode::new(&party.code).ok()?, prints(&party.keys))));
    listed.collect()
}

/// Each Ed25519 key with the ML-DSA-44 key beside it.
fn prints(keys: &[wire::PublicKey]) -> Vec<Fingerprint> {
    let of = |alg| {
        let authority = keys.iter().filter(|key| key.role == i32::from(Role::Authority));
        authority.filter(move |key| key.alg == alg)
    };
    let pairs = of(ALG_ED25519).zip(of(ALG_ML_DSA_44));
    pairs.map(|(sign, dsa)| Fingerprint::of_authority(&sign.bytes, &dsa.bytes)).collect()
}

/// What was checked here.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// By party, oldest first.
    by_party: BTreeMap<PartyCode, Vec<Checked>>,
    count: usize,
}

dumped_as_wire!(Checked);

impl Dump for Checks {
    fn put(&self, out: &mut Vec<u8>) {
        self.by_party.put(out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let by_party = BTreeMap::<PartyCode, Vec<Checked>>::take(from)?;
        let count = by_party.values().map(Vec::len).sum();
        Some(Self { by_party, count })
    }
}

impl Checks {
    /// Takes note of one; the oldest of all goes when there is no room.
    pub fn note(&mut self, checked: Checked) {
        if self.count >= CHECKS_MAX {
            self.forget_oldest();
        }
        self.by_party.entry(checked.party.clone()).or_default().push(checked);
        self.count += 1;
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .by_party
            .iter()
            .filter_map(|(party, all)| Some((all.first()?.at, party.clone())))
            .min();
        if let Some((_, party)) = oldest
            && let Some(all) = self.by_party.get_mut(&party)
        {
            all.remove(0);
            self.count -= 1;
        }
    }

    /// Everything about a party, oldest first.
    #[must_use]
    pub fn of(&self, party: &PartyCode) -> &[Checked] {
        self.by_party.get(party).map_or(&[], Vec::as_slice)
    }

    /// The best comparison that holds for these keys: in person before any other, then the newest.
    /// Nothing that is older than one that did not agree.
    #[must_use]
    pub fn holds(&self, party: &PartyCode, keys: &BTreeSet<KeyId>) -> Option<&Checked> {
        self.about(party, keys)
            .take_while(|checked| checked.agreed)
            .min_by_key(|checked| (checked.method != Method::InPerson, u64::MAX - checked.at.0))
    }

    /// Whether the last comparison of these keys did not agree.
    #[must_use]
    pub fn disagreed(&self, party: &PartyCode, keys: &BTreeSet<KeyId>) -> bool {
        self.about(party, keys).next().is_some_and(|checked| !checked.agreed)
    }

    /// Comparisons of these keys, the newest first, without slips of the tongue: wrong answers to a
    /// letter whose right answer followed.
    fn about(&self, party: &PartyCode, keys: &BTreeSet<KeyId>) -> impl Iterator<Item = &Checked> {
        let all = self.of(party);
        let mended = |at: usize, wrong: &Checked| {
            all.iter().skip(at + 1).any(|later| later.agreed && later.id == wrong.id)
        };
        let kept =
            all.iter().enumerate().rev().filter(move |(at, one)| one.agreed || !mended(*at, one));
        kept.map(|(_, one)| one).filter(move |one| one.covers(keys))
    }

    /// Answers to one identity check that did not agree.
    #[must_use]
    pub fn misses(&self, party: &PartyCode, id: &MsgId) -> usize {
        self.of(party).iter().filter(|checked| checked.id == *id && !checked.agreed).count()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn checked(at: u64, key: u8, method: Method, agreed: bool) -> Checked {
        Checked {
            id: MsgId([9; 16]),
            party: PartyCode::new("BBB").unwrap(),
            keys: BTreeSet::from([KeyId([key; 16])]),
            method,
            agreed,
            by: "K. Kask".into(),
            at: Timestamp(at),
        }
    }

    fn now(key: u8) -> BTreeSet<KeyId> {
        BTreeSet::from([KeyId([key; 16])])
    }

    #[test]
    fn a_check_lapses_when_the_keys_change_and_comes_back_with_them() {
        let mut checks = Checks::default();
        let bbb = PartyCode::new("BBB").unwrap();
        checks.note(checked(5, 1, Method::InPerson, true));
        assert_eq!(checks.holds(&bbb, &now(1)).unwrap().at, Timestamp(5));
        assert_eq!(checks.holds(&bbb, &now(2)), None);
        let both: BTreeSet<_> = now(1).union(&now(2)).copied().collect();
        assert_eq!(checks.holds(&bbb, &both), None, "a second key was never compared");
        assert_eq!(checks.holds(&bbb, &BTreeSet::new()), None);
    }

    #[test]
    fn in_person_outlasts_a_later_call_and_a_mismatch_takes_all_before_it() {
        let mut checks = Checks::default();
        let bbb = PartyCode::new("BBB").unwrap();
        checks.note(checked(5, 1, Method::InPerson, true));
        checks.note(checked(6, 1, Method::ByVoice, true));
        assert_eq!(checks.holds(&bbb, &now(1)).unwrap().method, Method::InPerson);
        let letter = MsgId([7; 16]);
        checks.note(Checked { id: letter, ..checked(7, 1, Method::ReadBack, false) });
        assert_eq!(checks.holds(&bbb, &now(1)), None);
        assert!(checks.disagreed(&bbb, &now(1)));
        assert_eq!(checks.misses(&bbb, &letter), 1);
        let mut other = checks.clone();
        other.note(checked(8, 1, Method::ByVoice, true));
        assert_eq!(other.holds(&bbb, &now(1)).unwrap().method, Method::ByVoice);
        checks.note(Checked { id: letter, ..checked(8, 1, Method::ReadBack, true) });
        let held = checks.holds(&bbb, &now(1)).unwrap();
        assert_eq!(held.method, Method::InPerson, "a slip that was mended takes nothing away");
    }

    #[test]
    fn what_is_kept_comes_back_and_is_bounded() {
        let one = checked(5, 1, Method::ByVoice, false);
        assert_eq!(Checked::from_wire(&one.to_wire()), Some(one));
        let newer =
            wire::OwnChecked { method: 99, ..checked(5, 1, Method::ByVoice, true).to_wire() };
        assert_eq!(Checked::from_wire(&newer), None);
        let mut checks = Checks::default();
        for at in 0..2 * CHECKS_MAX as u64 {
            checks.note(checked(at, 1, Method::ByVoice, true));
        }
        let kept = checks.of(&PartyCode::new("BBB").unwrap());
        assert_eq!((kept.len(), kept[0].at.0), (CHECKS_MAX, CHECKS_MAX as u64));
    }
}
