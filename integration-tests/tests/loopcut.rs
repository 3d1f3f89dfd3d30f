//! Power cuts on a real file system: ext4 on a loop device, cut by copying what lies beneath.
//!
//! The store in a process of its own; the same on plain sled, which must lose; whole nodes in
//! `loopcut/nodes.rs`. `CBM_CUTS` sets how often the power goes. Without root or loop devices each
//! test says so in one line and passes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "loopcut/nodes.rs"]
mod nodes;

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cbm_integration_tests::powerloss::loopdisk::{LoopDisk, signal};

fn cuts() -> u64 {
    std::env::var("CBM_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(3)
}

/// A disk of so many mebibytes, or the reason why there is none, said once.
fn disk(mib: u64) -> Option<LoopDisk> {
    match LoopDisk::new(mib) {
        Ok(disk) => Some(disk),
        Err(error) => {
            let must = std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_some_and(|v| v == "1");
            assert!(!must, "CBM_REQUIRE_ROOT_TESTS is set, and the power cannot be cut: {error}");
            eprintln!("skipped: no file system on a loop device here ({error}); run as root");
            None
        }
    }
}

/// The driver at work: `HAVE` and the last `ACK`, read by a thread.
struct Driver {
    child: Child,
    reader: JoinHandle<(Option<u64>, u64)>,
    spoke: Receiver<()>,
}

impl Driver {
    fn start(folder: &Path, words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cbm-store-driver"));
        let command = command.arg(folder).arg("5").args(words).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, spoke) = sync_channel(1);
        let reader = thread::spawn(move || read(lines, &sender));
        Self { child, reader, spoke }
    }

    /// Lets it work for `life` from its first word on; a driver that dies says none.
    fn work(&self, life: Duration) {
        let Ok(()) = self.spoke.recv_timeout(Duration::from_secs(60)) else { return };
        let until = Instant::now() + life;
        while self.spoke.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
    }

    /// Kills it; what it found at its start, and the last it acknowledged.
    fn kill(mut self) -> (Option<u64>, u64) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.join().unwrap()
    }
}

fn read(lines: Lines<BufReader<ChildStdout>>, spoke: &SyncSender<()>) -> (Option<u64>, u64) {
    let (mut have, mut ack) = (None, 0);
    for line in lines.map_while(Result::ok) {
        let (name, n) = line.split_once(' ').unwrap();
        let n = n.parse().unwrap();
        match name {
            "HAVE" => have = Some(n),
            _ => ack = n,
        }
        // Full means that somebody has yet to look: one word is enough.
        let _ = spoke.try_send(());
    }
    (have, ack)
}

/// Runs a driver on `disk`, cuts the power; the disk after it, and what was acknowledged.
fn cut_driver(disk: LoopDisk, words: &[&str], life: Duration) -> (LoopDisk, Option<u64>, u64) {
    let driver = Driver::start(&disk.path().join("data"), words);
    driver.work(life);
    signal(driver.child.id(), "STOP").unwrap();
    let copy = disk.copy().unwrap();
    let (have, ack) = driver.kill();
    drop(disk);
    (copy.power_on().unwrap(), have, ack)
}

fn life(round: u64) -> Duration {
    Duration::from_millis(round * 271 % 700 + 150)
}

#[test]
fn the_store_keeps_what_it_acknowledged() {
    let Some(mut disk) = disk(128) else { return };
    let (mut owed, mut changing) = (0, 0);
    for round in 0..cuts() {
        let (after, have, ack) = cut_driver(disk, &[], life(round));
        let have = have.expect("the driver found what it had written, or said on stderr what not");
        assert!(have >= owed, "round {round}: {have} of {owed}");
        owed = ack.max(have);
        changing += u64::from(after.path().join("data/journal/next.tmp").exists());
        disk = after;
    }
    let driver = Driver::start(&disk.path().join("data"), &[]);
    driver.work(Duration::ZERO);
    let (have, _) = driver.kill();
    assert!(have.unwrap() >= owed, "{have:?} of {owed}");
    assert!(owed > 0);
    println!("{} cuts, {changing} of them while a segment was made: {owed} records", cuts());
}

#[test]
fn plain_sled_loses_what_it_acknowledged() {
    let Some(disk) = disk(128) else { return };
    // Shorter than its background sync of 500 ms, the only one that it has.
    let (after, _, ack) = cut_driver(disk, &["sled"], Duration::from_millis(200));
    let driver = Driver::start(&after.path().join("data"), &["sled"]);
    driver.work(Duration::ZERO);
    let (have, _) = driver.kill();
    // It may not even open; that counts as nothing found.
    assert!(have.unwrap_or(0) < ack, "{have:?} of {ack}: then this proves nothing about ours");
}
