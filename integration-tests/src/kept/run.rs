//! The real node on a folder that was filled: time until it is ready, and memory.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Failed;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Run {
    /// From the start of the process to its word `ready`.
    pub ready: Duration,
    /// `VmRSS` then, KiB.
    pub at_ready: u64,
    /// `VmRSS` at the end, KiB.
    pub idle: u64,
    /// `VmHWM` at the end, KiB.
    pub peak: u64,
    /// Everything in the data folder, bytes on the disk.
    pub disk: u64,
}

/// Ends with its value.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn measure(program: &Path, station: &Path, idle: u64) -> Result<Run, Failed> {
    let begin = Instant::now();
    let child = Command::new(program)
        .args(["run", "--config"])
        .arg(station.join("cbm.toml"))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut node = Node(child);
    let out = node.0.stdout.take().ok_or("no output")?;
    let mut lines = BufReader::new(out).lines();
    let is_ready = |line: Result<String, _>| line.is_ok_and(|line| line.contains("ready"));
    if !lines.by_ref().any(is_ready) {
        return Err("the node did not get ready".into());
    }
    let ready = begin.elapsed();
    let at_ready = memory(&node.0, "VmRSS:")?;
    std::thread::sleep(Duration::from_secs(idle));
    let (idle, peak) = (memory(&node.0, "VmRSS:")?, memory(&node.0, "VmHWM:")?);
    let disk = size(&station.join("data"))?;
    Command::new("kill").arg(node.0.id().to_string()).status()?;
    node.0.wait()?;
    Ok(Run { ready, at_ready, idle, peak, disk })
}

fn memory(child: &Child, what: &str) -> Result<u64, Failed> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no such line in /proc")?.parse()?)
}

/// Bytes that a folder takes on the disk.
fn size(folder: &Path) -> Result<u64, Failed> {
    let said = Command::new("du").arg("-sB1").arg(folder).output()?;
    let text = String::from_utf8(said.stdout)?;
    Ok(text.split_whitespace().next().ok_or("du says nothing")?.parse()?)
}
