//! Two real nodes of two states on loopback.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cbm_proto::catalogue::catalogue;
use serde_json::{Value, json};

use super::Failed;
use super::http::Http;
use super::table::Spread;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two nodes; the first one sends.
pub(super) struct Pair {
    folder: tempfile::TempDir,
    children: Vec<Child>,
}

impl Pair {
    /// Makes a lab, starts both, waits until they are linked.
    ///
    /// # Errors
    /// The binary `cbm` is not beside this one, or a node does not get ready.
    pub(super) fn start() -> Result<Self, Failed> {
        let program = std::env::current_exe()?.with_file_name("cbm");
        if !program.exists() {
            return Err("no `cbm` beside this program; build it: cargo build --release".into());
        }
        let folder = tempfile::Builder::new().prefix("cbm-bench-").tempdir()?;
        let lab = folder.path().join("lab");
        let port = UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?.port().min(65_000);
        let made = Command::new(&program)
            .arg("lab")
            .arg(&lab)
            .args(["--parties", "2", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            return Err("`cbm lab` failed".into());
        }
        let mut pair = Self { folder, children: Vec::new() };
        for name in ["AAA-mfa", "BBB-mfa"] {
            let config = lab.join(name).join("cbm.toml");
            pair.children.push(run(&program, &config)?);
        }
        pair.wait_linked()?;
        Ok(pair)
    }

    fn station(&self, name: &str) -> PathBuf {
        self.folder.path().join("lab").join(name)
    }

    fn api(&self, name: &str) -> Result<Http, Failed> {
        let mut found = find_socket(&self.station(name));
        let begin = Instant::now();
        while found.is_none() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            found = find_socket(&self.station(name));
        }
        Http::connect(&found.ok_or("a node has no socket")?)
    }

    fn wait_linked(&self) -> Result<(), Failed> {
        let mut api = self.api("AAA-mfa")?;
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let health = api.ask("GET", "/v1/health", "")?;
            if health["linked"] == 1 && health["speaks"] == "yes" {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("the two nodes did not link".into())
    }

    /// Ids of the two processes, the sender's first.
    pub(super) fn processes(&self) -> impl Iterator<Item = u32> {
        self.children.iter().map(Child::id)
    }

    /// Everything that the two keep.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection over which letters are sent.
    ///
    /// # Errors
    /// The sender does not listen.
    pub(super) fn sender(&self, text: usize) -> Result<Sender, Failed> {
        Ok(Sender { api: self.api("AAA-mfa")?, letter: letter(text).to_string() })
    }

    /// Letters one by one, `pace` apart: from the call of `send` until the addressee's signed L1 is
    /// durable at the sender.
    ///
    /// # Errors
    /// A node says no.
    pub(super) fn round_trips(
        &self,
        count: usize,
        pace: Duration,
        text: usize,
    ) -> Result<Spread, Failed> {
        let mut api = self.api("AAA-mfa")?;
        let letter = letter(text).to_string();
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let begin = Instant::now();
            one(&mut api, &letter)?;
            let took = begin.elapsed();
            all.push(took);
            std::thread::sleep(pace.saturating_sub(took));
        }
        Ok(Spread::new(all))
    }

    /// Letters as fast as they go, so many under way at once; letters a second, receipts included.
    ///
    /// # Errors
    /// A node says no.
    pub(super) fn burst(&self, count: usize, in_flight: usize, text: usize) -> Result<f64, Failed> {
        let letter = letter(text).to_string();
        let left = AtomicUsize::new(count);
        let problem: Mutex<Option<String>> = Mutex::new(None);
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..in_flight {
                scope.spawn(|| {
                    if let Err(error) = self.drain(&left, &letter)
                        && let Ok(mut problem) = problem.lock()
                    {
                        *problem = Some(error.to_string());
                    }
                });
            }
        });
        if let Some(problem) = problem.into_inner()? {
            return Err(problem.into());
        }
        Ok(count as f64 / begin.elapsed().as_secs_f64())
    }

    fn drain(&self, left: &AtomicUsize, letter: &str) -> Result<(), Failed> {
        let mut api = self.api("AAA-mfa")?;
        let take = |n: usize| n.checked_sub(1);
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            one(&mut api, letter)?;
        }
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for child in &mut self.children {
            // A child that is gone already is as good as one that is killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// See [`Pair::sender`].
pub(super) struct Sender {
    api: Http,
    letter: String,
}

impl Sender {
    /// One letter, until its L1.
    ///
    /// # Errors
    /// A node says no.
    pub(super) fn one(&mut self) -> Result<(), Failed> {
        one(&mut self.api, &self.letter)
    }
}

fn one(api: &mut Http, letter: &str) -> Result<(), Failed> {
    let sent = api.ask("POST", "/v1/send", letter)?;
    let id = sent["id"].as_str().ok_or("no id")?.to_owned();
    let path = format!("/v1/status/{id}?wait=L1&timeout_ms=30000");
    let status = api.ask("GET", &path, "")?;
    let level = status["addressees"][0]["level"].as_str().unwrap_or("none");
    if level < "L1" || level == "none" {
        return Err(format!("letter {id} came to {level} only").into());
    }
    Ok(())
}

/// An operator's note with so many bytes of text.
fn letter(text: usize) -> Value {
    let info = catalogue().find("operator-note").ok();
    let mut json = info.map_or_else(|| json!({}), |info| catalogue().template(info));
    if let Some(fields) = json.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "to_action" | "to_info" | "release"));
    }
    json["body"]["text"][0]["text"] = "x".repeat(text.max(1)).into();
    json!({ "type": "operator-note", "to": ["BBB"], "letter": json })
}

fn find_socket(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|e| e == "sock") {
            return Some(path);
        }
        if path.is_dir()
            && let Some(found) = find_socket(&path)
        {
            return Some(found);
        }
    }
    None
}

fn run(program: &Path, config: &Path) -> Result<Child, Failed> {
    let mut child = Command::new(program)
        .args(["run", "--config"])
        .arg(config)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no stdout")?;
    for line in BufReader::new(stdout).lines() {
        if line?.contains("ready") {
            return Ok(child);
        }
    }
    Err("a node ended before it was ready".into())
}
