//! A node whose disk fails: what it says, what it does not say, and how it goes on (I1, I5).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    net::{TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use cbm_node::{
    api::{
        client::Client,
        failure::{Code, Failure},
        shape::{Health, InboxRow, SendRequest, Sent},
    },
    clock::{self, Clock},
    config::Config,
    lab::{self, Plan},
    runtime::setup,
    store::memory::MemoryDisk,
};
use cbm_proto::{catalogue::catalogue, primitives::Entropy};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Longest wait for anything here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node inside this process.
struct Node {
    disk: MemoryDisk,
    client: Client,
    task: JoinHandle<Result<(), Failure>>,
}

async fn pair() -> (TempDir, Node, Node) {
    let folder = tempfile::tempdir().unwrap();
    let user = "nobody".to_owned();
    let plan =
        Plan { parties: 2, stations: 1, observers: 0, port: free_pair(), hosts: vec![], user };
    let mut entropy = Entropy::new(&clock::entropy().unwrap());
    let now = Clock::start().now().wall;
    let lab = lab::create(&folder.path().join("lab"), &plan, now, &mut entropy).unwrap();
    let start = |number: usize| {
        let config = Config::load(&lab.stations[number].config, [], &[]).unwrap();
        let disk = MemoryDisk::new();
        let client = Client::new(&config.socket);
        let task = tokio::spawn(setup::run_on(config, Box::new(disk.open())));
        Node { disk, client, task }
    };
    let (a, b) = (start(0), start(1));
    a.settled().await;
    b.settled().await;
    (folder, a, b)
}

/// Two ports in a row that nobody uses; each call begins behind the one before.
fn free_pair() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |port| {
        TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok()
    };
    loop {
        let offset = NEXT.fetch_add(2, Ordering::Relaxed) + (std::process::id() % 400) as u16 * 4;
        let port = 31_000 + offset % 1_700;
        if free(port) && free(port + 1) {
            return port;
        }
    }
}

impl Node {
    /// Waits until it is linked and speaks.
    async fn settled(&self) {
        let settled = async {
            loop {
                let health = self.client.get::<Health>("/v1/health").await;
                if health.is_ok_and(|h| h.linked == 1 && h.speaks == "yes" && h.storing) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("linked and speaking in time");
    }

    async fn send(&self) -> Result<Sent, Failure> {
        let request = SendRequest {
            type_name: "operator-note".to_owned(),
            to: vec!["BBB".to_owned()],
            letter: catalogue().template(catalogue().by_name("operator-note").unwrap()),
            ..SendRequest::default()
        };
        self.client.post("/v1/send", &request).await
    }

    /// Ids in the inbox, as soon as there are some.
    async fn inbox(&self) -> Vec<String> {
        let arrived = async {
            loop {
                // An answer that rests on what the disk did not take is never given; it asks for a
                // repetition.
                let mut rows = match self.client.follow("/v1/inbox").await {
                    Err(failure) if failure.code == Code::Unavailable => continue,
                    rows => rows.unwrap(),
                };
                let mut ids = Vec::new();
                while let Some(row) = rows.next::<InboxRow>().await.unwrap() {
                    ids.push(row.id);
                }
                if !ids.is_empty() {
                    return ids;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.expect("a letter in time")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_nothing_of_the_letter_leaves() {
    let (_folder, a, b) = pair().await;
    a.disk.fail_append(1);
    let told = a.send().await.unwrap_err();
    assert_eq!(told.code, Code::Storage, "{told}");
    assert!(told.cause.contains("no room left"), "{told}");
    let at_once = a.send().await.unwrap_err();
    assert_eq!(at_once.code, Code::Storage, "refused without trying: {at_once}");
    a.settled().await;
    let sent = a.send().await.unwrap();
    assert_eq!(b.inbox().await, [sent.id], "only the letter that was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_with_a_full_disk_confirms_nothing_and_has_it_later_once() {
    let (_folder, a, b) = pair().await;
    b.disk.fail_append(1);
    let sent = a.send().await.unwrap();
    let status = a.client.get::<serde_json::Value>(&format!("/v1/status/{}", sent.id)).await;
    assert!(status.unwrap()["addressees"][0]["level"].is_null());
    assert_eq!(b.inbox().await, std::slice::from_ref(&sent.id));
    let path = format!("/v1/status/{}?wait=L1&timeout_ms=30000", sent.id);
    let status = a.client.get::<serde_json::Value>(&path).await.unwrap();
    assert_eq!(status["addressees"][0]["state"], "reached_unattended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_cannot_be_confirmed_ends_the_process_with_words() {
    let (_folder, a, b) = pair().await;
    a.disk.fail_sync(1);
    assert!(a.send().await.is_err(), "an id must not be given");
    let ended = tokio::time::timeout(PATIENCE, a.task).await.expect("it ends").unwrap();
    let words = ended.unwrap_err().to_string();
    assert!(words.contains("could not confirm a write"), "{words}");
    let rows = b.client.bytes("/v1/inbox").await.unwrap();
    assert!(rows.is_empty(), "nothing of it was sent");
}
