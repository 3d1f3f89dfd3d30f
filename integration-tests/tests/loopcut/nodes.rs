//! Whole nodes under load, each with its data on a disk of its own whose power is cut in turn.
//!
//! While a cut node comes back the other one is stopped: nobody can send again what was lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use cbm_integration_tests::processes::{Lab, Node, PATIENCE, poll, run};

use super::*;

/// A node and the disk that its data is on.
struct Station {
    node: Node,
    disk: Option<LoopDisk>,
}

impl Station {
    fn start(lab: &Lab, party: &str, disk: LoopDisk) -> Self {
        let mut station = Self { node: lab.node(party), disk: Some(disk) };
        station.on_disk();
        station.node.start();
        station
    }

    /// Points the node at its disk.
    fn on_disk(&mut self) {
        let data = self.disk.as_ref().unwrap().path().join("data");
        let data = data.to_str().unwrap().to_owned();
        self.node.environment.insert("CBM__PATHS__DATA".into(), data);
    }

    fn signal(&self, name: &str) {
        signal(self.node.process().unwrap(), name).unwrap();
    }

    /// Cuts the power of a stopped node and starts it on what its disk holds.
    fn cut(&mut self) {
        let disk = self.disk.take().unwrap();
        let copy = disk.copy().unwrap();
        self.node.kill();
        drop(disk);
        self.disk = Some(copy.power_on().unwrap());
        self.on_disk();
        self.node.start();
    }
}

/// Ids that `send` returned.
#[derive(Default)]
struct Sent {
    taken: Mutex<BTreeMap<String, String>>,
    stop: AtomicBool,
}

impl Sent {
    fn run(&self, lab: &Lab, config: &str) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let mark = format!("mark {number}");
            let letter = lab.letter("operator-note", |l| l["subject"][0]["text"] = mark[..].into());
            let args = ["send", "operator-note", "--to", "BBB", "--file", &letter];
            let sent = run(&[&args[..], &["--config", config]].concat());
            if sent.status.success() {
                let id = String::from_utf8(sent.stdout).unwrap().trim().to_owned();
                self.taken.lock().unwrap().insert(id, mark);
            }
        }
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
    assert_eq!(all.len(), rows.len(), "a letter is there twice");
    all
}

/// The addressee loses power: whatever the sender knows as L1 is in its inbox.
fn cut_receiver(
    sender: &Station,
    receiver: &mut Station,
    sent: &Sent,
    known: &mut BTreeSet<String>,
) {
    receiver.signal("STOP");
    for id in sent.ids() {
        if !known.contains(&id) && sender.node.status(&id, "BBB")["level"] == "L1" {
            known.insert(id);
        }
    }
    sender.signal("STOP");
    receiver.cut();
    let there = inbox(&receiver.node);
    let lost: Vec<_> = known.iter().filter(|id| !there.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{lost:?} of {}: {}", known.len(), receiver.node.log());
    sender.signal("CONT");
}

/// The sender loses power: it knows every id that it returned.
fn cut_sender(sender: &mut Station, receiver: &Station, sent: &Sent) {
    sender.signal("STOP");
    let taken = sent.ids();
    receiver.signal("STOP");
    sender.cut();
    for id in taken {
        let known = sender.node.ask(&["status", &id]);
        assert!(known.status.success(), "{id} is forgotten: {}", sender.node.log());
    }
    receiver.signal("CONT");
}

#[test]
fn no_letter_is_lost_whoever_loses_power() {
    let (Some(one), Some(two)) = (disk(), disk()) else { return };
    let lab = Lab::new(2);
    let mut sender = Station::start(&lab, "AAA", one);
    let mut receiver = Station::start(&lab, "BBB", two);
    let config = sender.node.config().to_str().unwrap().to_owned();
    let (sent, mut known) = (Sent::default(), BTreeSet::new());
    thread::scope(|scope| {
        scope.spawn(|| sent.run(&lab, &config));
        // Whatever fails in here, the thread above must end.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..cuts() {
                let before = sent.ids().len() + 3;
                poll(PATIENCE, || (sent.ids().len() >= before).then_some(()));
                if round == 0 {
                    // Once they are linked the load does the rest.
                    let first = sent.ids().pop_first().unwrap();
                    sender.node.await_status(&first, "BBB", |s| s["level"] == "L1");
                }
                thread::sleep(life(round));
                match round % 2 {
                    0 => cut_receiver(&sender, &mut receiver, &sent, &mut known),
                    _ => cut_sender(&mut sender, &receiver, &sent),
                }
            }
        }));
        sent.stop.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            sender.node.kill();
            std::panic::resume_unwind(panic);
        }
    });
    let taken = sent.taken.into_inner().unwrap();
    assert!(!known.is_empty() && taken.len() as u64 >= cuts(), "no load: {} sent", taken.len());
    let all = || {
        let there = inbox(&receiver.node);
        taken.iter().all(|(id, mark)| there.get(id) == Some(mark))
    };
    let healed = poll(PATIENCE * 2, || all().then_some(()));
    assert!(healed.is_some(), "not all arrived: {}", receiver.node.log());
}
