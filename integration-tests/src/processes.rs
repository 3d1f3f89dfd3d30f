//! Real nodes as real processes, made by `cbm lab` and asked by the command line.
//!
//! The binary is built once, with the profile of the tests that run. Every process is killed when
//! its handle goes. Waiting is polling with a deadline. Used by the tests of whole nodes; like
//! them it panics where something is not as it should be.

#![allow(clippy::expect_used, reason = "a test's helper ends the test")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{IpAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use cbm_node::{
    api::officer,
    clock::{self, Clock},
    lab::{self, Plan},
};
use cbm_proto::primitives::Entropy;
use serde_json::Value;
use tempfile::TempDir;

/// How long a node may take until it is ready, and a letter until it is there, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(45);
/// Ports below those that systems give to outgoing connections.
const PORTS: std::ops::Range<u16> = 11_000..31_000;

/// The binary `cbm`, built once.
///
/// # Panics
/// It cannot be built.
#[must_use]
pub fn cbm() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // This test runs from `target/PROFILE/deps/NAME`.
        let here = std::env::current_exe().expect("a running program has a path");
        let folder = here.ancestors().nth(2).expect("target/PROFILE/deps").to_owned();
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let target = folder.parent().expect("target");
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "-q", "--offline", "-p", "cbm-node", "--bin", "cbm"])
            .args(["--profile", profile])
            .env("CARGO_TARGET_DIR", target)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "cbm does not build");
        folder.join("cbm")
    })
}

/// Runs `cbm` with these arguments.
///
/// # Panics
/// It cannot be started.
#[must_use]
pub fn run(args: &[&str]) -> Output {
    Command::new(cbm()).args(args).stdin(Stdio::null()).output().expect("cbm runs")
}

/// A practice mesh in a temporary folder.
pub struct Lab {
    folder: TempDir,
    /// First port.
    pub port: u16,
}

impl Lab {
    /// With so many states of one station each.
    ///
    /// # Panics
    /// `cbm lab` fails.
    #[must_use]
    pub fn new(parties: u16) -> Self {
        Self::at(free_ports(parties), parties)
    }

    /// The same, on ports from `port` on.
    ///
    /// # Panics
    /// `cbm lab` fails.
    #[must_use]
    pub fn at(port: u16, parties: u16) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lab");
        let (port_text, parties) = (port.to_string(), parties.to_string());
        let path = path.to_str().expect("a plain path");
        let made = run(&["lab", path, "--parties", &parties, "--port", &port_text]);
        assert!(made.status.success(), "{}", words(&made));
        Self { folder, port }
    }

    /// The folder of a station, such as `AAA`.
    #[must_use]
    pub fn station(&self, party: &str) -> PathBuf {
        self.folder.path().join("lab").join(format!("{party}-mfa"))
    }

    /// A file in the lab's folder that holds this text.
    ///
    /// # Panics
    /// The disk refuses.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file in a temporary folder");
        path.to_str().expect("a plain path").to_owned()
    }

    /// One station of one state each at these addresses, which are not those of this machine.
    ///
    /// # Panics
    /// There is no room for it.
    #[must_use]
    pub fn spread(hosts: &[IpAddr]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (port, user) = (4_100, officer::me());
        let (parties, hosts) = (hosts.len(), hosts.to_vec());
        let plan = Plan { parties, stations: 1, observers: 0, port, hosts, user };
        let mut entropy = Entropy::new(&clock::entropy().expect("randomness"));
        let now = Clock::start().now().wall;
        lab::create(&folder.path().join("lab"), &plan, now, &mut entropy).expect("a lab");
        Self { folder, port }
    }

    /// A filled example of a type, changed.
    ///
    /// # Panics
    /// There is no such type.
    #[must_use]
    pub fn letter(&self, type_name: &str, change: impl FnOnce(&mut Value)) -> String {
        let made = run(&["template", type_name]);
        let mut letter: Value = serde_json::from_slice(&made.stdout).expect("a template is JSON");
        change(&mut letter);
        self.file(&format!("{type_name}.json"), &letter.to_string())
    }

    /// A handle on a station that does not run yet.
    #[must_use]
    pub fn node(&self, party: &str) -> Node {
        Node::at(self.station(party))
    }

    /// A running station.
    ///
    /// # Panics
    /// It does not become ready.
    #[must_use]
    pub fn start(&self, party: &str) -> Node {
        let mut node = self.node(party);
        node.start();
        node
    }
}

/// One station: its folder, and its process while it runs.
pub struct Node {
    folder: PathBuf,
    child: Option<Child>,
    /// Added to the process's environment.
    pub environment: BTreeMap<String, String>,
    /// The network namespace it runs in, if not that of this process.
    pub space: Option<String>,
}

impl Node {
    /// A handle on the station whose configuration is in this folder; it does not run yet.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, child: None, environment: BTreeMap::new(), space: None }
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("cbm.toml")
    }

    /// Starts the process without waiting for it.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn launch(&mut self) -> mpsc::Receiver<String> {
        let log = File::options().create(true).append(true).open(self.folder.join("log"));
        let mut child = self
            .command()
            .args(["run", "--config"])
            .arg(self.config())
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log file"))
            .spawn()
            .expect("cbm runs");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (line, lines) = mpsc::sync_channel(16);
        std::thread::spawn(move || {
            for text in out.lines().map_while(Result::ok) {
                // Nobody may wait any more.
                let _ = line.try_send(text);
            }
        });
        self.child = Some(child);
        lines
    }

    /// `cbm`, where this node runs. `ip netns exec` becomes what it starts, so that the child is it.
    fn command(&self) -> Command {
        let Some(space) = &self.space else { return Command::new(cbm()) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", space]).arg(cbm());
        command
    }

    /// Starts the process and waits until it is ready.
    ///
    /// # Panics
    /// It is not in time; shows its log.
    pub fn start(&mut self) {
        let lines = self.launch();
        let ready = lines.recv_timeout(PATIENCE).is_ok_and(|line| line.contains("ready"));
        assert!(ready, "not ready: {}", self.log());
    }

    /// The number of its process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it without a word.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Tells it to stop and waits for its end.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(&mut self) -> ExitStatus {
        let child = self.child.as_ref().expect("a running node");
        let order = format!("kill -TERM {}", child.id());
        assert!(Command::new("sh").args(["-c", &order]).status().expect("sh runs").success());
        self.ended()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It does not end.
    pub fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running node");
        let ended = poll(PATIENCE, || child.try_wait().expect("a child of ours"));
        if ended.is_none() {
            let _ = child.kill();
        }
        ended.unwrap_or_else(|| panic!("does not end: {}", self.log()))
    }

    /// Everything it logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Asks it by the command line.
    #[must_use]
    pub fn ask(&self, args: &[&str]) -> Output {
        let config = self.config();
        let config = config.to_str().expect("a plain path");
        run(&[args, &["--config", config]].concat())
    }

    /// The same; must succeed.
    ///
    /// # Panics
    /// It fails; shows its words and the node's log.
    #[must_use]
    pub fn text(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert!(output.status.success(), "{args:?}: {}\n{}", words(&output), self.log());
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// The same, as JSON, one value a line.
    ///
    /// # Panics
    /// As [`Node::text`], or it is no JSON.
    #[must_use]
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let text = self.text(&[args, &["--json"]].concat());
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Where a letter stands at the one station of a party.
    ///
    /// # Panics
    /// The letter or the party is not there.
    #[must_use]
    pub fn status(&self, id: &str, party: &str) -> Value {
        let status = self.json(&["status", id]).remove(0);
        let all = status["addressees"].as_array().expect("addressees");
        all.iter().find(|a| a["party"] == party).expect("an addressee").clone()
    }

    /// Waits until a letter is in this state there; returns its status then.
    ///
    /// # Panics
    /// It is not in time.
    pub fn await_status(&self, id: &str, party: &str, good: impl Fn(&Value) -> bool) -> Value {
        let found = poll(PATIENCE, || Some(self.status(id, party)).filter(|status| good(status)));
        found.unwrap_or_else(|| panic!("{}\n{}", self.status(id, party), self.log()))
    }

    /// Waits until the link with a party's station is up, or down.
    ///
    /// # Panics
    /// It is not in time.
    pub fn await_link(&self, party: &str, up: bool) {
        let name = format!("{party}/mfa");
        let is = || {
            let peers = self.json(&["peers"]);
            peers.iter().any(|p| p["station"] == name.as_str() && p["linked"] == up).then_some(())
        };
        assert!(poll(PATIENCE, is).is_some(), "link with {party}, {up}: {}", self.log());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks again and again until there is something, or the time is over.
pub fn poll<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + time;
    loop {
        if let Some(found) = ask() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a command said, for the message of a failed test.
#[must_use]
pub fn words(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// A block of ports that nobody uses, by TCP and UDP.
///
/// # Panics
/// There is none.
#[must_use]
pub fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    let begin = (std::process::id() % 1_000) as u16 * 20;
    for _ in 0..1_000 {
        let offset = begin.wrapping_add(NEXT.fetch_add(count, Ordering::Relaxed)) % span;
        let first = PORTS.start + offset.min(span - count);
        let free = |port: u16| {
            TcpListener::bind(("127.0.0.1", port)).is_ok()
                && UdpSocket::bind(("127.0.0.1", port)).is_ok()
        };
        if (first..first + count).all(free) {
            return first;
        }
    }
    panic!("no free ports between {} and {}", PORTS.start, PORTS.end)
}
