//! The stage: a lab in a temporary folder, its stations as processes, and their local API.

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use cbm_proto::accord::{Directory, Role, station_id};
use cbm_proto::id::{NetworkId, StationId};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::primitives::Entropy;
use cbm_proto::terms::Level;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::ledger::Ledger;
use super::story::PATIENCE;
use crate::api::client::Client;
use crate::api::failure::{Code, Failure};
use crate::api::shape::{AttachmentIn, Health, InboxRow, PeerView, SendRequest, Sent, StatusView};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::documents;
use crate::keystore::Keystore;
use crate::lab::{self, Plan};
use crate::mesh::Grant;
use crate::store::disk::{DiskStore, Options};
use crate::store::{Position, Store};

/// How long to wait between two looks at something that is not there yet.
const LOOK: Duration = Duration::from_millis(50);
/// First port that is tried.
const PORTS: std::ops::Range<u16> = 21_000..61_000;

/// One station of the play, by its party's code.
struct Player {
    config: Config,
    file: PathBuf,
    client: Client,
    child: Option<Child>,
}

/// Everything that is set up, and taken down again.
pub(super) struct Stage {
    folder: TempDir,
    players: BTreeMap<String, Player>,
    directory: Directory,
}

/// A file that goes with a letter, as the API takes it.
pub(super) fn attachment(name: &str, content: &[u8]) -> AttachmentIn {
    AttachmentIn {
        name: name.to_owned(),
        media_type: None,
        base64: Some(BASE64_STANDARD.encode(content)),
        evidence: None,
    }
}

impl Stage {
    /// Makes the lab, starts every station, waits until all are linked.
    pub(super) async fn set(ledger: &mut Ledger) -> Result<Self, Failure> {
        ledger.chapter("0. Three states and an observer");
        let folder = tempfile::Builder::new()
            .prefix("cbm-demo-")
            .tempdir()
            .map_err(|error| failed("no temporary folder", error))?;
        let plan = Plan {
            parties: 3,
            stations: 1,
            observers: 1,
            port: free_ports(4)?,
            hosts: Vec::new(),
            user: crate::api::officer::me(),
        };
        let seed = clock::entropy().map_err(|error| failed("no randomness", error))?;
        let now = Clock::start().now().wall;
        let lab = lab::create(&folder.path().join("lab"), &plan, now, &mut Entropy::new(&seed))
            .map_err(|error| failed("the lab could not be made", error))?;
        let loaded = documents::load(&lab.documents)
            .map_err(|error| failed("the lab's documents could not be read", error))?;
        let mut players = BTreeMap::new();
        for station in &lab.stations {
            let config = Config::load(&station.config, [], &[])
                .map_err(|error| failed("the lab's configuration could not be read", error))?;
            let client = Client::new(&config.socket);
            let code = config.station.party().to_string();
            let file = station.config.clone();
            players.insert(code, Player { config, file, client, child: None });
        }
        let mut stage = Self { folder, players, directory: loaded.directory };
        for code in ["AAA", "BBB", "CCC", "OB1"] {
            stage.start(ledger, code).await?;
            let what = if code == "OB1" { "an observer" } else { "a state" };
            ledger.say(&format!("{} runs: {what}, its own keys and disk", stage.story_name(code)));
        }
        Ok(stage)
    }

    /// What the story calls a party.
    pub(super) fn story_name(&self, code: &str) -> &'static str {
        match code {
            "AAA" => "Alderland (AAA)",
            "BBB" => "Brekkia (BBB)",
            "CCC" => "Casteria (CCC)",
            _ => "the Observatory (OB1)",
        }
    }

    fn player(&self, code: &str) -> Result<&Player, Failure> {
        self.players.get(code).ok_or_else(|| failed("nobody plays this", code))
    }

    /// Starts a station and waits until it is linked with all that run.
    pub(super) async fn start(&mut self, ledger: &Ledger, code: &str) -> Result<(), Failure> {
        let logs = self.folder.path().join(format!("{code}.log"));
        let player = self.players.get_mut(code).ok_or_else(|| failed("nobody plays this", code))?;
        let program =
            std::env::current_exe().map_err(|e| failed("this program is not found", e))?;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&logs)
            .map_err(|error| failed("no log file", error))?;
        let mut child = Command::new(program)
            .args(["run", "--config"])
            .arg(&player.file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("a station did not start", error))?;
        let ready = ready(&mut child).await;
        player.child = Some(child);
        if !ready {
            let words = std::fs::read_to_string(&logs).unwrap_or_default();
            return Err(failed("a station did not get ready", words.trim_end()));
        }
        self.wait_linked_with_all(ledger, code).await
    }

    async fn wait_linked_with_all(&self, ledger: &Ledger, code: &str) -> Result<(), Failure> {
        let wanted = self.players.values().filter(|player| player.child.is_some()).count() - 1;
        let deadline = ledger.deadline(PATIENCE);
        loop {
            let health: Health = self.player(code)?.client.get("/v1/health").await?;
            if health.linked >= wanted && health.speaks == "yes" {
                return Ok(());
            }
            if ledger.passed(deadline) {
                let cause =
                    format!("{} of {wanted} links, speaks: {}", health.linked, health.speaks);
                return Err(failed("a station did not find the others", cause));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// SIGKILL, as a power cut of the process.
    pub(super) async fn kill(&mut self, code: &str) {
        if let Some(mut child) = self.players.get_mut(code).and_then(|player| player.child.take()) {
            // It may have ended by itself; what counts is that it is gone.
            let _ = child.kill().await;
        }
    }

    /// Stops everybody.
    pub(super) async fn strike(mut self) {
        let codes: Vec<String> = self.players.keys().cloned().collect();
        for code in codes {
            self.kill(&code).await;
        }
    }

    pub(super) async fn send(&self, at: &str, letter: &SendRequest) -> Result<String, Failure> {
        let sent: Sent = self.player(at)?.client.post("/v1/send", letter).await?;
        Ok(sent.id)
    }

    /// An officer's act: `show`, `ack` or `decline`.
    pub(super) async fn act(&self, at: &str, id: &str, act: &str, body: &Value) -> Told {
        let path = format!("/v1/letters/{id}/{act}");
        self.player(at)?.client.post::<Sent>(&path, body).await.map(drop)
    }

    /// Waits until a letter is at `level` everywhere; gives its status either way.
    pub(super) async fn wait(
        &self,
        at: &str,
        id: &str,
        level: Level,
        time: Duration,
    ) -> Result<StatusView, Failure> {
        let path = format!("/v1/status/{id}?wait={level}&timeout_ms={}", time.as_millis());
        self.player(at)?.client.get(&path).await
    }

    pub(super) async fn inbox(&self, at: &str) -> Result<Vec<InboxRow>, Failure> {
        let lines = self.player(at)?.client.bytes("/v1/inbox").await?;
        let rows = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        rows.map(|line| serde_json::from_slice(line).map_err(|e| failed("an odd inbox", e)))
            .collect()
    }

    pub(super) async fn wait_inbox(&self, ledger: &Ledger, at: &str, id: &str) -> Told {
        let deadline = ledger.deadline(PATIENCE);
        while !self.inbox(at).await?.iter().any(|row| row.id == id) {
            if ledger.passed(deadline) {
                return Err(failed("a letter did not arrive", format!("{id} at {at}")));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The first attachment of a letter.
    pub(super) async fn attachment_of(&self, at: &str, id: &str) -> Result<Bytes, Failure> {
        self.player(at)?.client.bytes(&format!("/v1/letters/{id}/attachments/0")).await
    }

    async fn peers(&self, at: &str) -> Result<Vec<PeerView>, Failure> {
        self.player(at)?.client.get("/v1/peers").await
    }

    pub(super) async fn is_linked(&self, at: &str, other: &str) -> Result<bool, Failure> {
        let name = self.player(other)?.config.station.to_string();
        Ok(self.peers(at).await?.iter().any(|peer| peer.station == name && peer.linked))
    }

    pub(super) async fn linked_count(&self, at: &str) -> Result<usize, Failure> {
        Ok(self.peers(at).await?.iter().filter(|peer| peer.linked).count())
    }

    pub(super) async fn wait_linked(&self, ledger: &Ledger, at: &str, other: &str) -> Told {
        self.wait_link(ledger, at, other, true).await
    }

    pub(super) async fn wait_unlinked(&self, ledger: &Ledger, at: &str, other: &str) -> Told {
        self.wait_link(ledger, at, other, false).await
    }

    async fn wait_link(&self, ledger: &Ledger, at: &str, other: &str, up: bool) -> Told {
        let deadline = ledger.deadline(PATIENCE);
        while self.is_linked(at, other).await? != up {
            if ledger.passed(deadline) {
                return Err(failed("a link did not change", format!("{at} and {other}")));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Holds the link with another station down, or lets it be made again.
    pub(super) async fn hold(&self, at: &str, other: &str, down: bool) -> Told {
        let station = self.player(other)?.config.station.to_string();
        let path = if down { "/v1/peers/cut" } else { "/v1/peers/mend" };
        let body = json!({ "station": station });
        self.player(at)?.client.post::<Vec<PeerView>>(path, &body).await.map(drop)
    }

    pub(super) async fn strangers_refused(&self, at: &str) -> Result<u64, Failure> {
        let health: Health = self.player(at)?.client.get("/v1/health").await?;
        Ok(health.strangers_refused)
    }

    pub(super) fn network(&self) -> NetworkId {
        self.directory.network()
    }

    pub(super) fn station_id(&self, code: &str) -> Result<StationId, Failure> {
        Ok(station_id(&self.network(), &self.player(code)?.config.station))
    }

    /// The seed of a player's transport key, for somebody who pretends to be it.
    pub(super) fn peer_key(&self, code: &str) -> Result<([u8; 32], StationId), Failure> {
        let keys = Keystore::open(&self.player(code)?.config.keys)
            .and_then(|store| store.load_station())
            .map_err(|error| failed("the keys could not be read", error))?;
        Ok((*keys.peer_seed, self.station_id(code)?))
    }

    /// How to reach every state.
    pub(super) fn grants(&self) -> Result<Vec<Grant>, Failure> {
        let states = self.directory.members().filter(|member| member.role == Role::State);
        let grant = |member: &cbm_proto::accord::Member| Grant {
            station: member.id,
            peers: member.peers.clone(),
            message: true,
            addresses: member.addresses.clone(),
            dial: true,
        };
        Ok(states.map(grant).collect())
    }

    pub(super) fn data_folder(&self, code: &str) -> PathBuf {
        self.players.get(code).map_or_else(PathBuf::new, |player| player.config.data.clone())
    }

    /// Envelopes in the journal of a station that was stopped.
    pub(super) fn envelopes_kept(&self, code: &str) -> Result<usize, Failure> {
        let store = DiskStore::open(&self.data_folder(code), &Options::new([0; 32]))
            .map_err(|error| failed("a journal could not be opened", error))?;
        let mut kept = 0;
        let mut count = |_, record: Record| {
            kept += usize::from(record.kind == RecordKind::Envelope);
            ControlFlow::Continue(())
        };
        store
            .scan(Position::START, &mut count)
            .map_err(|error| failed("a journal could not be read", error))?;
        Ok(kept)
    }

    /// How to go on by hand.
    pub(super) fn look_around(&self) -> String {
        let mut out = String::from(
            "\nThe stations stay up; look around from another terminal, end with Ctrl-C:\n\n",
        );
        for player in self.players.values() {
            out.push_str(&format!("  cbm peers --config {}\n", player.file.display()));
        }
        if let Some(player) = self.players.get("AAA") {
            out.push_str(&format!("  cbm inbox --config {}\n", player.file.display()));
        }
        out
    }
}

pub(super) type Told = Result<(), Failure>;

/// Reads the child's stdout until the line that says it takes work.
async fn ready(child: &mut Child) -> bool {
    let Some(stdout) = child.stdout.take() else { return false };
    let mut lines = BufReader::new(stdout).lines();
    let look = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains("ready") {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or(false)
}

/// So many ports in a row that are free for TCP and UDP.
fn free_ports(count: u16) -> Result<u16, Failure> {
    let seed = clock::entropy().map_err(|error| failed("no randomness", error))?;
    let mut chance = Entropy::new(&seed);
    let span = u64::from(PORTS.end - PORTS.start);
    for _ in 0..64 {
        let first = PORTS.start + u16::try_from(chance.below(span)).unwrap_or(0);
        let free = |port: u16| {
            TcpListener::bind(("127.0.0.1", port)).is_ok()
                && UdpSocket::bind(("127.0.0.1", port)).is_ok()
        };
        if (first..first.saturating_add(count)).all(free) {
            return Ok(first);
        }
    }
    Err(failed("no free ports", "64 places between 21000 and 61000 were tried"))
}

/// The first planted word that a file below `folder` holds.
pub(super) fn holds_word(folder: &Path, words: &[&str]) -> Option<String> {
    let entries = std::fs::read_dir(folder).ok()?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            if let Some(found) = holds_word(&path, words) {
                return Some(found);
            }
            continue;
        }
        let content = std::fs::read(&path).unwrap_or_default();
        let has = |word: &&&str| content.windows(word.len()).any(|w| w == word.as_bytes());
        if let Some(word) = words.iter().find(has) {
            return Some((*word).to_owned());
        }
    }
    None
}

fn failed(what: &str, cause: impl std::fmt::Display) -> Failure {
    Failure::new(
        Code::Failed,
        what,
        cause.to_string(),
        "run the demo again; if it stays so, report what is written here",
    )
}
