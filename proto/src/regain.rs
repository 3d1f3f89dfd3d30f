//! After a loss: what is asked of whom, and what is sealed again for whom (`docs/spec/sync.md`).
//!
//! Level 4, owned by `Station`. [`Campaign`] is the side of the one that lost; [`Jobs`] the side of
//! an author that is asked. Neither loses a letter when it is thrown away: a campaign is in the
//! journal, and what a job did not do is asked for again. Invariant: both are bounded, whatever
//! anybody lists or asks (I11).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::dump::{Dump, Source, dumped};
use crate::id::{MsgId, StationId};
use crate::limits::{RESEND_AGAIN, RESEND_AGAIN_MAX, RESEND_ANSWER_EVERY, RESEND_LETTERS_MAX};
use crate::receipt::Listed;
use crate::time::{Mono, Timestamp};

/// What one author said of its letters to us.
#[derive(Clone, Debug, Default)]
pub struct Correspondence {
    /// The last list was heard to its end.
    pub answered: bool,
    /// What it lists, and whether it still has it.
    pub listed: BTreeMap<MsgId, bool>,
    attempts: u32,
    next: Mono,
}

/// Asking everyone for what a disk lost.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Letters made or stored since then.
    pub since: Timestamp,
    /// The newest time in the backup that began it, if one did.
    pub restored: Option<Timestamp>,
    /// Letters up to this number of the inbox were on the disk.
    pub held: u64,
    authors: BTreeMap<StationId, Correspondence>,
}

/// Without what is asked next: that begins anew with each start.
impl Dump for Correspondence {
    fn put(&self, out: &mut Vec<u8>) {
        self.answered.put(out);
        self.listed.put(out);
    }

    fn take(from: &mut Source<'_>) -> Option<Self> {
        let (answered, listed) = (Dump::take(from)?, Dump::take(from)?);
        Some(Self { answered, listed, ..Self::default() })
    }
}

dumped!(Campaign { since, restored, held, authors });

impl Campaign {
    /// Asks nobody yet.
    #[must_use]
    pub const fn new(since: Timestamp, restored: Option<Timestamp>, held: u64) -> Self {
        Self { since, restored, held, authors: BTreeMap::new() }
    }

    /// Everyone that was asked or answered.
    pub fn authors(&self) -> impl Iterator<Item = (&StationId, &Correspondence)> {
        self.authors.iter()
    }

    /// An author lists letters. Beyond the bound nothing more of one author is noted.
    pub fn hear(&mut self, author: StationId, entries: &[Listed], more: bool) {
        let said = self.authors.entry(author).or_default();
        for entry in entries {
            if said.listed.len() < RESEND_LETTERS_MAX || said.listed.contains_key(&entry.msg) {
                said.listed.insert(entry.msg, entry.available);
            }
        }
        said.answered |= !more;
    }

    /// What an author is to be asked now, if anything: `None`: nothing yet, or no more; an empty list:
    /// everything; else those that it listed and that `back` says are not here.
    pub fn question(
        &mut self,
        author: StationId,
        now: Mono,
        back: impl Fn(&MsgId) -> bool,
    ) -> Option<Vec<MsgId>> {
        let said = self.authors.entry(author).or_default();
        let missing = said.missing(back);
        if now < said.next || (said.answered && missing.is_empty()) {
            return None;
        }
        let wait = RESEND_AGAIN.saturating_mul(1 << said.attempts.min(16)).min(RESEND_AGAIN_MAX);
        said.next = now.plus(wait);
        said.attempts = said.attempts.saturating_add(1);
        Some(if said.answered { missing } else { Vec::new() })
    }

    /// Whether this author has said all, and all of it that there is has come.
    pub fn is_done(&self, author: &StationId, back: impl Fn(&MsgId) -> bool) -> bool {
        let said = self.authors.get(author);
        said.is_some_and(|said| said.answered && said.missing(back).is_empty())
    }

    /// How often an author was asked.
    #[must_use]
    pub fn attempts(&self, author: &StationId) -> u32 {
        self.authors.get(author).map_or(0, |said| said.attempts)
    }

    /// The author can be reached now: it is asked without further waiting.
    pub fn hurry(&mut self, author: &StationId) {
        if let Some(said) = self.authors.get_mut(author) {
            said.next = Mono::default();
            said.attempts = said.attempts.min(1);
        }
    }
}

impl Correspondence {
    fn missing(&self, back: impl Fn(&MsgId) -> bool) -> Vec<MsgId> {
        let open = self.listed.iter().filter(|(msg, available)| **available && !back(msg));
        open.map(|(msg, _)| *msg).take(crate::limits::RESEND_ENTRIES_MAX).collect()
    }
}

/// Letters to be sealed again, for whom.
#[derive(Debug, Default)]
pub struct Jobs {
    queues: BTreeMap<StationId, VecDeque<MsgId>>,
    listed: BTreeMap<StationId, Mono>,
    last: Option<StationId>,
    /// Letters that a station did not know by the envelope that it named: when each may be sealed
    /// again the next time, and how often it was.
    mended: BTreeMap<(StationId, MsgId), (Mono, u32)>,
    later: BTreeSet<(Mono, StationId, MsgId)>,
    /// What is being read from the store, and since when.
    busy: Option<(StationId, MsgId, Mono)>,
}

/// A letter that the store does not give within this time is given up.
const PATIENCE: u64 = RESEND_ANSWER_EVERY;

impl Jobs {
    /// Whether this asker gets a list now; at most one in [`RESEND_ANSWER_EVERY`].
    pub fn may_list(&mut self, asker: StationId, now: Mono) -> bool {
        let fresh = |at: &Mono| now.since(*at) < RESEND_ANSWER_EVERY;
        let may = !self.listed.get(&asker).is_some_and(fresh);
        if may {
            self.listed.insert(asker, now);
        }
        may
    }

    /// These are to be sealed again for a station, in this order; what waited for it and is not among
    /// them stays behind them.
    pub fn enter(&mut self, asker: StationId, letters: impl IntoIterator<Item = MsgId>) {
        let queue = self.queues.entry(asker).or_default();
        let mut all: VecDeque<MsgId> = letters.into_iter().collect();
        all.extend(queue.iter().filter(|msg| !all.contains(msg)).copied().collect::<Vec<_>>());
        all.truncate(RESEND_LETTERS_MAX);
        *queue = all;
    }

    /// This letter is to be sealed again for a station that names an envelope in which it is not
    /// known here: at once, and, if it says so again, later, by the pace at which losses are asked
    /// for. Or one that names what nobody sent would have it sealed for ever. Returns when, if not now.
    pub fn mend(&mut self, station: StationId, msg: MsgId, now: Mono) -> Option<Mono> {
        if self.mended.len() >= RESEND_LETTERS_MAX {
            self.mended.retain(|_, (again, _)| *again > now);
        }
        if self.mended.len().max(self.later.len()) >= RESEND_LETTERS_MAX {
            // It stays noted, and is sealed again after the next start.
            return None;
        }
        let (again, times) = self.mended.get(&(station, msg)).copied().unwrap_or_default();
        let at = again.max(now);
        let pause = RESEND_AGAIN.saturating_mul(1 << times.min(16)).min(RESEND_AGAIN_MAX);
        self.mended.insert((station, msg), (at.plus(pause), times.saturating_add(1)));
        if at > now {
            self.later.insert((at, station, msg));
            return Some(at);
        }
        self.enter(station, [msg]);
        None
    }

    /// What waited for its time waits for its turn now.
    pub fn due(&mut self, now: Mono) {
        while let Some((_, station, msg)) = self.later.first().copied().filter(|l| l.0 <= now) {
            self.later.pop_first();
            self.enter(station, [msg]);
        }
    }

    /// Whether anything waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.busy.is_none()
    }

    /// The next one, each asker in its turn; `None` while one is being read.
    pub fn next(&mut self, now: Mono) -> Option<(StationId, MsgId)> {
        if self.busy.is_some_and(|(.., since)| now.since(since) < PATIENCE) {
            return None;
        }
        self.busy = None;
        let after = |last: StationId| self.queues.keys().find(|id| **id > last);
        let asker = self.last.and_then(after).or_else(|| self.queues.keys().next()).copied()?;
        self.last = Some(asker);
        let queue = self.queues.get_mut(&asker)?;
        let msg = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&asker);
        }
        self.busy = msg.map(|msg| (asker, msg, now));
        msg.map(|msg| (asker, msg))
    }

    /// The store gave a letter: for whom it is. `None` for one that nobody waits for.
    pub fn recalled(&mut self, msg: MsgId) -> Option<StationId> {
        self.busy.take_if(|(_, wanted, _)| *wanted == msg).map(|(asker, ..)| asker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: StationId = StationId([1; 16]);

    fn msg(n: u8) -> MsgId {
        MsgId([n; 16])
    }

    fn listed(n: u8, available: bool) -> Listed {
        Listed { msg: msg(n), made_at: Timestamp(u64::from(n)), available }
    }

    #[test]
    fn an_author_is_asked_until_all_that_it_has_is_back() {
        let mut campaign = Campaign::new(Timestamp(1), None, 0);
        let nothing = |_: &MsgId| false;
        assert_eq!(campaign.question(AUTHOR, Mono(0), nothing), Some(vec![]));
        assert_eq!(campaign.question(AUTHOR, Mono(1), nothing), None, "not at once again");
        campaign.hear(AUTHOR, &[listed(1, true), listed(2, false)], true);
        campaign.hear(AUTHOR, &[listed(3, true)], false);
        let later = Mono(RESEND_AGAIN);
        let one_is_back = |id: &MsgId| *id == msg(1);
        assert_eq!(campaign.question(AUTHOR, later, one_is_back), Some(vec![msg(3)]));
        assert!(!campaign.is_done(&AUTHOR, one_is_back));
        let far = later.plus(RESEND_AGAIN_MAX);
        assert_eq!(campaign.question(AUTHOR, far, |id| *id != msg(2)), None);
        assert!(
            campaign.is_done(&AUTHOR, |id| *id != msg(2)),
            "what is not there is not waited for"
        );
    }

    #[test]
    fn a_list_without_end_is_bounded() {
        let mut campaign = Campaign::new(Timestamp(1), None, 0);
        for n in 0..=RESEND_LETTERS_MAX as u64 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            let entry = Listed { msg: MsgId(id), made_at: Timestamp(1), available: true };
            campaign.hear(AUTHOR, &[entry], true);
        }
        let noted = campaign.authors().map(|(_, said)| said.listed.len()).sum::<usize>();
        assert_eq!(noted, RESEND_LETTERS_MAX);
    }

    #[test]
    fn whoever_names_what_nobody_sent_has_it_sealed_again_at_a_slowing_pace() {
        let (mut jobs, mut now, mut times) = (Jobs::default(), Mono(1), 0);
        while now < Mono(1).plus(crate::time::DAY) {
            if let Some(at) = jobs.mend(AUTHOR, msg(1), now) {
                now = at;
                jobs.due(now);
            }
            assert_eq!(jobs.next(now), Some((AUTHOR, msg(1))));
            assert_eq!(jobs.recalled(msg(1)), Some(AUTHOR));
            times += 1;
        }
        assert!((20..40).contains(&times), "{times} in a day");
    }

    #[test]
    fn askers_take_turns_and_one_letter_is_read_at_a_time() {
        let (mut jobs, other) = (Jobs::default(), StationId([2; 16]));
        jobs.enter(AUTHOR, [msg(1), msg(2)]);
        jobs.enter(other, [msg(1)]);
        jobs.enter(AUTHOR, [msg(2)]);
        assert_eq!(jobs.next(Mono(0)), Some((AUTHOR, msg(2))), "the last question counts first");
        assert_eq!(jobs.next(Mono(1)), None);
        assert_eq!(jobs.recalled(msg(9)), None);
        assert_eq!(jobs.recalled(msg(2)), Some(AUTHOR));
        assert_eq!(jobs.next(Mono(2)), Some((other, msg(1))));
        assert_eq!(jobs.next(Mono(2).plus(PATIENCE)), Some((AUTHOR, msg(1))), "the store was lost");
        assert_eq!(jobs.recalled(msg(1)), Some(AUTHOR));
        assert!(jobs.is_empty());
        assert!(jobs.may_list(AUTHOR, Mono(0)) && !jobs.may_list(AUTHOR, Mono(1)));
    }
}
