//! How much a peer is asked for at once, and what happens while it does not answer.

use cbm_proto::envelope::Envelope;
use cbm_proto::event::{Input, RequestId};
use cbm_proto::id::StationName;
use cbm_proto::limits::{BATCH_COUNT, REQUEST_WAIT, WANT_FIRST, WANT_WAIT, WANTS_PER_PEER};
use cbm_proto::sync::{self, Ask, DaySets, Entry, Numbers, Say};

use super::hall::Hall;

/// Letters that AAA wrote while CCC was away.
const LETTERS: u64 = 700;
/// The first of its numbers that CCC lacks.
const FIRST: u64 = 2;

/// CCC is back, and AAA and BBB, played by the test, hold what it lacks.
struct Back {
    hall: Hall,
    letters: Vec<Envelope>,
}

impl Back {
    fn new() -> Self {
        let mut hall = Hall::new(&["AAA", "BBB", "CCC"]);
        let journal = hall.stop("CCC/mfa");
        for _ in 0..LETTERS {
            hall.send("AAA/mfa", "operator-note", &["BBB"]);
            hall.run(1_000);
        }
        let lane = hall.station("AAA/mfa").directory().group("all").unwrap().lane;
        let author = hall.id("AAA/mfa");
        let mut letters = hall.envelopes("AAA/mfa");
        letters.retain(|e| (e.header().author, e.header().lane) == (author, lane));
        letters.sort_by_key(|e| e.header().seq);
        hall.puppet("AAA/mfa");
        hall.puppet("BBB/mfa");
        hall.begin(&StationName::parse("CCC/mfa").unwrap(), journal);
        let mut back = Self { hall, letters };
        back.claims("AAA/mfa");
        back
    }

    /// A puppet links and says that it holds all of them.
    fn claims(&mut self, puppet: &str) {
        let (peer, last) = (self.hall.id(puppet), self.letters.last().unwrap());
        let entry = Entry {
            feed: last.feed(),
            mark: last.header().seq,
            head: Some(last.id()),
            above: Vec::new(),
            more: false,
            proven: false,
        };
        self.hall.give("CCC/mfa", |_| Input::Linked { peer });
        let asked = self.hall.asked_of(puppet);
        let (id, _) = asked.iter().find(|(_, ask)| matches!(ask, Ask::Summary(_))).unwrap();
        let (carried, echoes) = (DaySets::new(), Vec::new());
        let say = Say::Entries { entries: vec![entry], carried, more: false, echoes };
        let (id, say) = (*id, say);
        self.hall.asked.clear();
        self.hall.answer_as(puppet, "CCC/mfa", id, &say);
    }

    /// What a puppet was asked for since the last look.
    fn wants(&mut self, puppet: &str) -> Vec<(RequestId, Vec<Numbers>)> {
        let theirs = self.hall.id(puppet);
        let (asked, others) =
            std::mem::take(&mut self.hall.asked).into_iter().partition(|(_, to, ..)| *to == theirs);
        self.hall.asked = asked;
        let asked = self.hall.asked_of(puppet);
        self.hall.asked = others;
        let want = |(id, ask)| match ask {
            Ask::Want(numbers, _) if !numbers.is_empty() => Some((id, numbers)),
            _ => None,
        };
        asked.into_iter().filter_map(want).collect()
    }

    fn gives(&mut self, puppet: &str, (id, numbers): &(RequestId, Vec<Numbers>)) {
        let wanted = |e: &&Envelope| {
            numbers.iter().any(|n| (n.from..=n.to).contains(&e.header().seq) && n.feed == e.feed())
        };
        let found = self.letters.iter().filter(wanted).map(|e| e.bytes().clone()).collect();
        let say = Say::decode(&sync::serve(found, false)).unwrap();
        self.hall.answer_as(puppet, "CCC/mfa", *id, &say);
    }

    fn mark(&self) -> u64 {
        let feed = self.letters[0].feed();
        self.hall.station("CCC/mfa").feeds().get(&feed).map_or(0, |feed| feed.mark())
    }
}

fn count(numbers: &[Numbers]) -> usize {
    numbers.iter().map(|n| usize::try_from(n.to - n.from + 1).unwrap()).sum()
}

#[test]
fn who_answers_in_time_is_asked_for_more_until_all_is_there() {
    let mut back = Back::new();
    let (mut largest, mut most) = (0, 0);
    let mut open = back.wants("AAA/mfa");
    assert_eq!(open.iter().map(|(_, n)| count(n)).collect::<Vec<_>>(), [WANT_FIRST]);
    while !open.is_empty() {
        most = most.max(open.len());
        largest = largest.max(count(&open[0].1));
        let first = open.remove(0);
        back.gives("AAA/mfa", &first);
        open.extend(back.wants("AAA/mfa"));
    }
    assert_eq!((back.mark(), most), (LETTERS + FIRST - 1, WANTS_PER_PEER));
    assert!((4 * WANT_FIRST..=BATCH_COUNT).contains(&largest), "{largest}");
}

#[test]
fn who_is_late_is_asked_for_less_and_others_for_the_same() {
    let mut back = Back::new();
    let late = back.wants("AAA/mfa");
    assert_eq!(late[0].1[0].from, FIRST);
    back.hall.run(REQUEST_WAIT - 1_000);
    back.claims("BBB/mfa");
    let other = back.wants("BBB/mfa");
    assert_eq!(other[0].1[0].from, late[0].1[0].to + 1, "each number of one peer at once");
    back.hall.run(2_000);
    back.gives("BBB/mfa", &other[0]);
    // What AAA did not bring in time is asked of BBB now.
    let again = back.wants("BBB/mfa");
    assert!(again.iter().any(|(_, n)| n[0].from == FIRST), "{again:?}");
    assert!(back.wants("AAA/mfa").is_empty(), "a slow line has one request at once");
    // The late answer is as good as any, and after it comes a smaller question.
    back.gives("AAA/mfa", &late[0]);
    assert!(back.mark() >= late[0].1[0].to);
    let next = back.wants("AAA/mfa");
    assert!(next.len() == 1 && count(&next[0].1) <= WANT_FIRST / 2, "{next:?}");
}

#[test]
fn who_never_answers_is_given_up() {
    let mut back = Back::new();
    assert_eq!(back.wants("AAA/mfa").len(), 1);
    back.hall.run(WANT_WAIT + 2_000);
    back.claims("BBB/mfa");
    let asked = back.wants("BBB/mfa");
    assert_eq!(asked[0].1[0].from, FIRST, "nobody is asked for them any more");
}
