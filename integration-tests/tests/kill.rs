//! Kills without a word, of receiver and sender, under load (invariant I2).
//!
//! `CBM_KILLS` says how many (3 where nothing is said), `CBM_SEED` when: the same seed kills the
//! same stations after the same times.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, poll, run};
use cbm_proto::primitives::Entropy;

/// Threads that send at once.
const SENDERS: usize = 2;

/// Letters that may be taken between two kills: as many as a slow machine takes, so that a thousand kills
/// leave no more to be asked for than their number says.
const ROUND: usize = 6;

/// What was sent: the mark in the subject of each that began, the id of each that was taken.
#[derive(Default)]
struct Load {
    begun: Mutex<BTreeSet<String>>,
    taken: Mutex<BTreeMap<String, String>>,
    /// So many are taken at most.
    allowed: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    /// Sends until told to stop. A send that fails may or may not have been taken.
    fn run(&self, lab: &Lab, config: &str, thread: usize) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            if self.taken.lock().unwrap().len() >= self.allowed.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            number += 1;
            let mark = format!("load {thread}-{number}");
            let file = lab.file(&format!("load-{thread}.json"), &letter(&mark));
            self.begun.lock().unwrap().insert(mark.clone());
            let args =
                ["send", "operator-note", "--to", "BBB", "--file", &file, "--config", config];
            let sent = run(&args);
            if sent.status.success() {
                let id = String::from_utf8(sent.stdout).unwrap().trim().to_owned();
                self.taken.lock().unwrap().insert(id, mark);
            } else {
                std::thread::sleep(Duration::from_millis(30));
            }
        }
    }
}

fn letter(mark: &str) -> String {
    let made = run(&["template", "operator-note"]);
    let mut letter: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    letter["subject"][0]["text"] = mark.into();
    letter.to_string()
}

fn kills() -> (u64, Entropy) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CBM_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("CBM_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    (number("CBM_KILLS").unwrap_or(3), Entropy::new(&bytes))
}

/// Kills one of the two at random instants, and starts it again.
fn kill_at_random(kills: u64, entropy: &mut Entropy, a: &mut Node, b: &mut Node, load: &Load) {
    for _ in 0..kills {
        let taken = load.taken.lock().unwrap().len();
        load.allowed.store(taken + ROUND, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(50 + entropy.below(900)));
        let victim = if entropy.below(2) == 0 { &mut *a } else { &mut *b };
        victim.kill();
        std::thread::sleep(Duration::from_millis(entropy.below(300)));
        victim.start();
    }
}

/// Ids in the inbox with the mark in the subject of each.
fn inbox(node: &Node) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    node.json(&["inbox"]).iter().map(|row| (text(&row["id"]), text(&row["subject"]))).collect()
}

#[test]
fn what_was_taken_arrives_exactly_once_whoever_is_killed() {
    let (kills, mut entropy) = kills();
    let lab = Lab::new(2);
    let (mut a, mut b) = (lab.start("AAA"), lab.start("BBB"));
    let config = a.config().to_str().unwrap().to_owned();
    let load = Load::default();
    std::thread::scope(|scope| {
        for thread in 0..SENDERS {
            let (load, lab, config) = (&load, &lab, &config);
            scope.spawn(move || load.run(lab, config, thread));
        }
        kill_at_random(kills, &mut entropy, &mut a, &mut b, &load);
        load.stop.store(true, Ordering::Relaxed);
    });
    let taken = load.taken.into_inner().unwrap();
    let begun = load.begun.into_inner().unwrap();
    assert!(taken.len() >= kills as usize, "no load: {} letters; {}", taken.len(), a.log());
    let begin = Instant::now();
    let missing = || -> Vec<String> {
        let there: BTreeSet<String> = inbox(&b).into_iter().map(|(id, _)| id).collect();
        taken.keys().filter(|id| !there.contains(*id)).cloned().collect()
    };
    let all = poll(PATIENCE * 2, || missing().is_empty().then_some(()));
    assert!(all.is_some(), "{:?} of {} are missing; {}", missing(), taken.len(), b.log());
    println!("{} letters, {kills} kills, healed in {:?}", taken.len(), begin.elapsed());
    let there = inbox(&b);
    let marks: BTreeSet<&String> = there.iter().map(|(_, mark)| mark).collect();
    assert_eq!(marks.len(), there.len(), "a letter is there twice");
    assert!(marks.iter().all(|mark| begun.contains(*mark)), "a letter that nobody sent");
    for (id, mark) in &taken {
        assert!(there.contains(&(id.clone(), mark.clone())), "{id} is not what was sent");
        a.await_status(id, "BBB", |s| s["state"] == "reached_unattended");
    }
}
