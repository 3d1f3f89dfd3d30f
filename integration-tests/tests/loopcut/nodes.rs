//! Whole nodes under load, each with its data on a disk of its own whose power is cut in turn.
//!
//! Both send to each other, letters of 200 bytes to the largest there are. The power goes while a node works,
//! while it ends, while it starts, and while it starts without an index. Where the cut fell is looked up, not
//! assumed: by the process (ended already, ready already) and by its files (a segment that is being made, an
//! index that is being made again); the sum is printed. While a cut node comes back the other one is stopped:
//! nobody can send again what was lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, poll, run, words};
use cbm_node::store::inspect::{Until, inspect};
use cbm_proto::journal::{RecordKind, msg_id_of};

use super::*;

/// Largest attachment of the load, bytes: with it a letter has the size that a letter may have.
const LARGEST: usize = 196_608;

/// Letters that a sender may add in one round: a faster machine does not fill the disks earlier.
const ROUND: usize = 32;
/// What these take on each disk at most, mebibytes: eight with the largest attachment, from two senders.
const ROUND_MIB: u64 = 3;

/// When the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Working,
    Ending,
    Starting,
    Rebuilding,
}

impl Moment {
    const ALL: [Self; 5] =
        [Self::Working, Self::Starting, Self::Ending, Self::Rebuilding, Self::Working];
}

/// Where cuts fell, in words, with how many.
type Fell = BTreeMap<&'static str, u64>;

/// A node and the disk that its data is on.
struct Station {
    party: &'static str,
    node: Node,
    disk: Option<LoopDisk>,
    /// How long it took to be ready.
    start: Duration,
    sent: Arc<Sent>,
    /// Ids of its letters that it has told to be at the other's station.
    known: BTreeSet<String>,
}

impl Station {
    fn start(lab: &Lab, party: &'static str, disk: LoopDisk) -> Self {
        let (node, start) = (lab.node(party), Duration::ZERO);
        let (sent, known) = (Arc::default(), BTreeSet::new());
        let mut station = Self { party, node, disk: Some(disk), start, sent, known };
        station.wake();
        station
    }

    /// Points the node at its disk.
    fn on_disk(&mut self) {
        let data = self.data().to_str().unwrap().to_owned();
        self.node.environment.insert("CBM__PATHS__DATA".into(), data);
    }

    fn data(&self) -> std::path::PathBuf {
        self.disk.as_ref().unwrap().path().join("data")
    }

    fn wake(&mut self) {
        self.on_disk();
        let begun = Instant::now();
        self.node.start();
        self.start = begun.elapsed();
    }

    fn signal(&self, name: &str) {
        signal(self.node.process().unwrap(), name).unwrap();
    }

    /// What a stopped process leaves on its disk.
    fn power_off(&mut self, fell: &mut Fell) {
        if self.data().join("journal/next.tmp").exists() {
            *fell.entry("while a segment was made").or_default() += 1;
        }
        let disk = self.disk.take().unwrap();
        let copy = disk.copy().unwrap();
        self.node.kill();
        drop(disk);
        self.disk = Some(copy.power_on().unwrap());
        self.on_disk();
    }

    /// Cuts the power of a stopped node at this moment and starts it on what its disk holds.
    fn cut(&mut self, moment: Moment, dice: u64, fell: &mut Fell) {
        match moment {
            Moment::Working => *fell.entry("at work").or_default() += 1,
            Moment::Ending => self.end_halfway(dice, fell),
            Moment::Starting | Moment::Rebuilding => {
                *fell.entry("at work").or_default() += 1;
                self.power_off(fell);
                if moment == Moment::Rebuilding {
                    fs::remove_dir_all(self.data().join("index")).unwrap();
                }
                self.start_halfway(dice, moment, fell);
            }
        }
        self.power_off(fell);
        self.wake();
    }

    /// Tells it to end, and stops it some milliseconds later.
    fn end_halfway(&self, dice: u64, fell: &mut Fell) {
        self.signal("TERM");
        self.signal("CONT");
        thread::sleep(Duration::from_millis(dice % 40));
        let process = self.node.process().unwrap();
        // It may have ended: then the cut falls right behind its end.
        let _ = signal(process, "STOP");
        let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let ended = state.rsplit(") ").next().is_none_or(|rest| rest.starts_with('Z'));
        let word = if ended { "right behind its end" } else { "while it ended" };
        *fell.entry(word).or_default() += 1;
    }

    /// Starts it and stops it before it is ready, mostly.
    fn start_halfway(&mut self, dice: u64, moment: Moment, fell: &mut Fell) {
        let lines = self.node.launch();
        let usual = u64::try_from(self.start.as_millis()).unwrap_or(u64::MAX).max(1);
        thread::sleep(Duration::from_millis(dice.wrapping_mul(7_919) % usual));
        self.signal("STOP");
        let word = match (lines.try_recv().is_ok(), moment, self.data().join("index/db").exists()) {
            (true, ..) => "right behind its start",
            (false, Moment::Rebuilding, true) => "while the index was made again",
            _ => "while it started",
        };
        *fell.entry(word).or_default() += 1;
    }

    /// Ids of letters that its journal has as sent, or as waiting to be. Of a node that has just started,
    /// which has synced all that it read.
    fn remembers(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        inspect(&self.data(), Until::End, &mut |_, record| {
            if matches!(record.kind, RecordKind::Sent | RecordKind::Taken) {
                ids.extend(msg_id_of(&record).map(|id| id.to_string()));
            }
        })
        .unwrap();
        ids
    }
}

/// Ids that `send` returned, with the subject of each.
#[derive(Default)]
struct Sent {
    taken: Mutex<BTreeMap<String, String>>,
    begun: Mutex<BTreeSet<String>>,
    /// So many are taken at most.
    allowed: AtomicUsize,
    stop: AtomicBool,
}

impl Sent {
    fn run(&self, lab: &Lab, from: &str, to: &str) {
        let config = lab.station(from).join("cbm.toml").to_str().unwrap().to_owned();
        let template = run(&["template", "operator-note"]).stdout;
        let mut letter: serde_json::Value = serde_json::from_slice(&template).unwrap();
        let mut number: usize = 0;
        while !self.stop.load(Ordering::Relaxed) {
            if self.count() >= self.allowed.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(10));
                continue;
            }
            number += 1;
            let mark = format!("{from} {number}");
            self.begun.lock().unwrap().insert(mark.clone());
            letter["subject"][0]["text"] = mark[..].into();
            let letter = lab.file(&format!("{from}.json"), &letter.to_string());
            let mut args = vec!["send", "operator-note", "--to", to, "--file", &letter];
            let size = [0, 200, 0, 2_000, 0, 20_000, 0, LARGEST][number % 8];
            let file = lab.file(&format!("{from}.txt"), &"x".repeat(size));
            if size > 0 {
                args.extend(["--attach", &file]);
            }
            args.extend(["--config", &config]);
            let sent = run(&args);
            if sent.status.success() {
                let id = String::from_utf8(sent.stdout).unwrap().trim().to_owned();
                self.taken.lock().unwrap().insert(id, mark);
            } else {
                assert!(!words(&sent).contains("larger than"), "{}", words(&sent));
                thread::sleep(Duration::from_millis(30));
            }
        }
    }

    /// Lets another round's letters go out; how many there are.
    fn allow(&self) -> usize {
        let taken = self.count();
        self.allowed.store(taken + ROUND, Ordering::Relaxed);
        taken
    }

    fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    fn ids(&self) -> BTreeSet<String> {
        self.taken.lock().unwrap().keys().cloned().collect()
    }
}

/// Subjects by id, as the inbox lists them; none twice.
fn inbox(node: &Node) -> BTreeMap<String, String> {
    let rows = node.json(&["inbox"]);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let all: BTreeMap<_, _> = rows.iter().map(|r| (text(&r["id"]), text(&r["subject"]))).collect();
    let marks: BTreeSet<_> = all.values().collect();
    assert!(all.len() == rows.len() && marks.len() == rows.len(), "a letter is there twice");
    all
}

/// The victim loses power. It knows every id that it returned, and has in its inbox whatever the other
/// one was told that it has.
fn cut(victim: &mut Station, other: &mut Station, moment: Moment, dice: u64, fell: &mut Fell) {
    victim.signal("STOP");
    let taken = victim.sent.ids();
    for id in other.sent.ids() {
        if !other.known.contains(&id)
            && other.node.status(&id, victim.party)["level"].as_str() >= Some("L1")
        {
            other.known.insert(id);
        }
    }
    other.signal("STOP");
    victim.cut(moment, dice, fell);
    let remembered = victim.remembers();
    let forgotten: Vec<_> = taken.difference(&remembered).collect();
    assert!(forgotten.is_empty(), "{moment:?}: forgotten {forgotten:?}: {}", victim.node.log());
    let there = inbox(&victim.node);
    let lost: Vec<_> = other.known.iter().filter(|id| !there.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{moment:?}: lost {lost:?}: {}", victim.node.log());
    let log = victim.node.log();
    // sled may panic over what a cut left of its files: the index is put aside and made again.
    let panicked = log.lines().find(|l| l.contains("panicked at") && !l.contains("/sled-"));
    assert!(panicked.is_none(), "{panicked:?}: {log}");
    other.signal("CONT");
}

/// Cuts in turn, until there were enough.
fn cut_in_turn(a: &mut Station, b: &mut Station) -> Fell {
    let mut fell = Fell::new();
    for round in 0..cuts() {
        let before = (a.sent.allow() + 2, b.sent.allow() + 1);
        let more = || (a.sent.count() >= before.0 && b.sent.count() >= before.1).then_some(());
        assert!(poll(PATIENCE * 2, more).is_some(), "no load: {}{}", a.node.log(), b.node.log());
        if round == 0 {
            // Once they are linked the load does the rest.
            let first = a.sent.ids().pop_first().unwrap();
            a.node.await_status(&first, "BBB", |s| !s["level"].is_null());
        }
        thread::sleep(life(round));
        let moment = Moment::ALL[usize::try_from(round % 5).unwrap()];
        let (victim, other) = if round % 2 == 0 { (&mut *b, &mut *a) } else { (&mut *a, &mut *b) };
        cut(victim, other, moment, round * 37, &mut fell);
    }
    fell
}

/// Everything that was taken is there, as it was sent, once; nothing is there that nobody began.
fn assert_whole(from: &Station, to: &Node) -> usize {
    let taken = from.sent.taken.lock().unwrap().clone();
    let all = || {
        let there = inbox(to);
        taken.iter().all(|(id, mark)| there.get(id) == Some(mark)).then_some(there)
    };
    let there = poll(PATIENCE * 2, all);
    let there = there.unwrap_or_else(|| panic!("not all arrived: {}", to.log()));
    let begun = from.sent.begun.lock().unwrap();
    assert!(there.values().all(|mark| begun.contains(mark)), "a letter that nobody sent");
    taken.len()
}

#[test]
fn no_letter_is_lost_whoever_loses_power() {
    let mib = 128 + cuts() * ROUND_MIB;
    let (Some(one), Some(two)) = (disk(mib), disk(mib)) else { return };
    let lab = Lab::new(2);
    let mut a = Station::start(&lab, "AAA", one);
    let mut b = Station::start(&lab, "BBB", two);
    let (of_a, of_b) = (Arc::clone(&a.sent), Arc::clone(&b.sent));
    let fell = thread::scope(|scope| {
        scope.spawn(|| of_a.run(&lab, "AAA", "BBB"));
        scope.spawn(|| of_b.run(&lab, "BBB", "AAA"));
        // Whatever fails in here, the threads above must end.
        let ended = catch_unwind(AssertUnwindSafe(|| cut_in_turn(&mut a, &mut b)));
        of_a.stop.store(true, Ordering::Relaxed);
        of_b.stop.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|panic| {
            a.node.kill();
            b.node.kill();
            resume_unwind(panic)
        })
    });
    let (to_b, to_a) = (assert_whole(&a, &b.node), assert_whole(&b, &a.node));
    assert!(!a.known.is_empty() && to_a + to_b > 0);
    let made_again = |node: &Node| node.log().matches("index made again").count();
    println!("indexes made again: {}", made_again(&a.node) + made_again(&b.node));
    println!("{} rounds, {to_b} letters one way and {to_a} the other; cuts: {fell:?}", cuts());
}
