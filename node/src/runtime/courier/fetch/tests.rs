//! One file from stations that give it, lie, know nothing or are gone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex;

use cbm_proto::evidence::PIECE;

use super::*;
use crate::{
    api::command::Command,
    evidence::{Quota, State, Wish},
};

const HONEST: StationId = StationId([1; 16]);
const LIAR: StationId = StationId([2; 16]);
const EMPTY: StationId = StationId([3; 16]);
const GONE: StationId = StationId([4; 16]);
const DROPS: StationId = StationId([5; 16]);
const LIAR_OF_LISTS: StationId = StationId([6; 16]);

struct World {
    _folder: tempfile::TempDir,
    to: Arc<Shelf>,
    root: Digest,
    desk: Desk,
    asked: Arc<Mutex<Vec<StationId>>>,
}

/// What a station answers.
fn answer(from: &Shelf, peer: StationId, question: &Question) -> Option<Answer> {
    let found = from.stretch(question).unwrap().unwrap();
    let spoilt = |section| {
        let mut bytes = found.to_vec();
        if question.section == section {
            bytes[0] ^= 1;
        }
        Some(Answer::Bytes(bytes.into()))
    };
    match peer {
        HONEST => Some(Answer::Bytes(found)),
        // Two good pieces come first.
        LIAR if question.from < 2 * PIECE as u64 => Some(Answer::Bytes(found)),
        LIAR => spoilt(Section::Pieces),
        LIAR_OF_LISTS => spoilt(Section::List),
        EMPTY => Some(Answer::Nothing),
        DROPS => Some(Answer::Bytes(found.slice(..1))),
        _ => None,
    }
}

fn world(size: usize) -> World {
    let folder = tempfile::tempdir().unwrap();
    let room = Quota { total: 1 << 30, author: 1 << 30 };
    let shelf = |name: &str| Shelf::open(&folder.path().join(name), room).unwrap();
    let (from, to) = (shelf("from"), Arc::new(shelf("to")));
    let mut intake = from.intake([5; 32]).unwrap();
    let plain: Vec<u8> = (0..size).map(|n| n.wrapping_mul(31).to_le_bytes()[1]).collect();
    intake.push(&plain).unwrap();
    let evidence = intake.finish().unwrap();
    let about = About {
        wish: Wish::Wanted,
        sealed: evidence.sealed,
        author: "AAA".into(),
        station: String::new(),
        parties: Vec::new(),
    };
    to.want(&evidence.root, about, false).unwrap();
    let (desk, mut commands, _) = Desk::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    tokio::spawn(async move {
        while let Some(Command::Fetch { peer, bytes, reply }) = commands.recv().await {
            log.lock().unwrap().push(peer);
            let question = Question::decode(&bytes).unwrap();
            let answer = answer(&from, peer, &question).map(|answer| answer.encode());
            let _ = reply.send(answer);
        }
    });
    World { _folder: folder, to, root: evidence.root, desk, asked }
}

async fn fetched(world: &World, peers: &[StationId]) -> Result<(), String> {
    let coming = world.to.resume(&world.root).unwrap();
    fetch_from(&world.desk, &world.to, coming, peers.to_vec()).await
}

#[tokio::test]
async fn a_server_that_lies_is_left_and_another_one_is_asked() {
    let world = world(900_000);
    let error = fetched(&world, &[LIAR_OF_LISTS, LIAR]).await.unwrap_err();
    assert!(error.contains("something else than the letter names"), "{error}");
    let Some(State::Coming { have, .. }) = world.to.state(&world.root) else { panic!("gone") };
    assert!(have >= 2 * PIECE as u64, "what holds is kept: {have}");
    world.asked.lock().unwrap().clear();
    fetched(&world, &[LIAR, HONEST]).await.unwrap();
    assert_eq!(world.to.state(&world.root), Some(State::Here));
    let asked = world.asked.lock().unwrap();
    assert!(asked.contains(&LIAR) && asked.contains(&HONEST));
}

#[tokio::test]
async fn whoever_has_nothing_or_is_gone_or_gives_drops_is_passed_over() {
    let world = world(900_000);
    let error = fetched(&world, &[EMPTY]).await.unwrap_err();
    assert!(error.contains("do not hold it"), "{error}");
    let error = fetched(&world, &[GONE]).await.unwrap_err();
    assert!(error.contains("did not answer"), "{error}");
    let error = fetched(&world, &[DROPS]).await.unwrap_err();
    assert!(error.contains("in drops"), "{error}");
    assert!(fetched(&world, &[]).await.unwrap_err().contains("is linked"));
    fetched(&world, &[EMPTY, GONE, DROPS, HONEST]).await.unwrap();
    assert_eq!(world.to.state(&world.root), Some(State::Here));
}

#[tokio::test]
async fn what_is_asked_for_at_once_follows_the_line() {
    let (desk, _commands, _) = Desk::new();
    let mut line = Line { desk: &desk, peer: HONEST, root: Digest([0; 32]), size: FIRST };
    for _ in 0..9 {
        line.learn(QUICK / 2);
    }
    assert_eq!(line.size, EVIDENCE_ANSWER_MAX);
    line.learn((QUICK + SLOW) / 2);
    assert_eq!(line.size, EVIDENCE_ANSWER_MAX, "neither quick nor slow");
    for _ in 0..9 {
        line.learn(SLOW * 2);
    }
    assert_eq!(line.size, EVIDENCE_ANSWER_MIN);
}
