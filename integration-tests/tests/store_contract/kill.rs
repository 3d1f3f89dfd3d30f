//! Kill loop: a process writes and says what is durable, is killed at a random instant, and the
//! next one must find all of it. `CBM_KILLS` sets how often.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use super::*;

/// Runs the driver for `life`, kills it; returns what it found and the last it acknowledged.
fn run(folder: &Path, life: Duration) -> (u64, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cbm-store-driver"));
    let command = command.arg(folder).arg("9").stdout(Stdio::piped());
    let mut child: Child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, receiver) = sync_channel::<(u64, u64)>(1);
    let reader = thread::spawn(move || {
        let (mut have, mut ack) = (None, 0);
        for line in lines {
            let line = line.unwrap();
            let (word, n) = line.split_once(' ').unwrap();
            let n = n.parse().unwrap();
            match word {
                "HAVE" => have = Some(n),
                _ => ack = n,
            }
            let _ = sender.try_send((0, 0));
        }
        (have, ack)
    });
    // Its life begins with its first word; a driver that finds something wrong says none.
    let spoke = receiver.recv_timeout(Duration::from_secs(60)).is_ok();
    let _ = receiver.recv_timeout(Duration::ZERO);
    let started = std::time::Instant::now();
    while spoke && started.elapsed() < life {
        let _ = receiver.recv_timeout(life.saturating_sub(started.elapsed()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (have, ack) = reader.join().unwrap();
    let have =
        have.expect("the driver found all that was acknowledged, or said on stderr what not");
    (have, ack.max(have))
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let kills = std::env::var("CBM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8_u64);
    let folder = TempDir::new().unwrap();
    let mut acknowledged = 0;
    for round in 0..kills {
        let life = Duration::from_micros(round * 48_271 % 350_000 + 500);
        let (have, ack) = run(folder.path(), life);
        assert!(have >= acknowledged, "round {round}: {have} of {acknowledged}");
        acknowledged = ack;
    }
    assert!(acknowledged > 0);
}
