//! Acts 7 and 8: a stranger, and a member that lies.
//!
//! Both speak through the same mesh code as a real node, so that what they meet is the door and the
//! checks of the stations, and not a client too clumsy to get there.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cbm_proto::envelope::{Envelope, Kind};
use cbm_proto::event::RequestId;
use cbm_proto::id::{Digest, StationId};
use cbm_proto::sync::{Ask, Custody, Numbers, Say};

use super::ledger::Ledger;
use super::stage::Stage;
use super::story::PATIENCE;
use crate::api::failure::{Code, Failure};
use crate::mesh::{self, Grant, Membership, Mesh, MeshCommand, MeshConfig, MeshEvent};

/// A node with keys of its own, at nobody's table, tries every state.
pub(super) async fn stranger(stage: &Stage, ledger: &mut Ledger) -> Result<(), Failure> {
    ledger.chapter("7. A stranger's node knocks");
    let before = stage.strangers_refused("AAA").await?;
    let mut mesh = begin(stage, [0x5a; 32], StationId([0x5a; 16])).await?;
    let deadline = ledger.deadline(PATIENCE);
    let mut linked = false;
    let mut refused = false;
    while !refused && !ledger.passed(deadline) {
        let event = tokio::time::timeout(Duration::from_millis(200), mesh.events.recv()).await;
        linked |= matches!(event, Ok(Some(MeshEvent::Linked { .. })));
        refused = stage.strangers_refused("AAA").await? > before;
    }
    let _ = mesh.handle.send(MeshCommand::Stop).await;
    ledger.point("a stranger is refused as soon as the handshake names it", refused && !linked);
    Ok(())
}

/// A member's own keys, used by somebody who lies: while CCC is down, its name says a letter that
/// AAA never wrote, and says an old one again.
pub(super) async fn forger(stage: &mut Stage, ledger: &mut Ledger) -> Result<(), Failure> {
    ledger.chapter("8. A member forges and replays");
    stage.kill("CCC").await;
    let (seed, me) = stage.peer_key("CCC")?;
    let mut mesh = begin(stage, seed, me).await?;
    let mut foe = Foe { next: 0, answers: BTreeMap::new() };
    let victim = stage.station_id("BBB")?;
    foe.wait_linked(&mut mesh, ledger, victim).await?;
    let genuine = foe.letter_of(&mut mesh, ledger, victim, stage.station_id("AAA")?).await?;
    let before = stage.inbox("BBB").await?.len();
    let forged = foe.push(&mut mesh, ledger, victim, forge(&genuine)).await?;
    let replayed = foe.push(&mut mesh, ledger, victim, genuine).await?;
    ledger.say(&format!("forged: {forged:?}; replayed: {replayed:?}, and shown to nobody again"));
    let after = stage.inbox("BBB").await?.len();
    let _ = mesh.handle.send(MeshCommand::Stop).await;
    drop(mesh);
    stage.start(ledger, "CCC").await?;
    ledger.point("a forged envelope is refused", forged == Custody::Refused);
    ledger.point("a replayed envelope changes nothing", {
        replayed == Custody::Stored && before == after
    });
    Ok(())
}

/// The same letter with another time in its signed header.
fn forge(genuine: &Bytes) -> Bytes {
    let Ok(envelope) = Envelope::decode(genuine.clone()) else { return genuine.clone() };
    let mut forged = *envelope.header();
    forged.made_at = forged.made_at.plus(1_000);
    let (old, new) = (envelope.header_bytes().to_vec(), forged.encode());
    let mut bytes = genuine.to_vec();
    let at = bytes.windows(old.len()).position(|window| window == old);
    if let (Some(at), true) = (at, old.len() == new.len()) {
        bytes[at..at + new.len()].copy_from_slice(&new);
    }
    bytes.into()
}

async fn begin(stage: &Stage, seed: [u8; 32], me: StationId) -> Result<Mesh, Failure> {
    let grants: Vec<Grant> = stage.grants()?.into_iter().filter(|g| g.station != me).collect();
    let config = MeshConfig {
        peer_seed: seed.into(),
        network: stage.network(),
        me,
        listen: Vec::new(),
        links_target: 8,
        members_expected: 4,
        redial: (Duration::from_millis(200), Duration::from_secs(1)),
        ping: Duration::from_secs(5),
        only_links: None,
    };
    mesh::start(config, Membership { grants, lanes: Vec::new() }).await.map_err(|error| {
        Failure::told(Code::Failed, "the foe could not begin", error, "unset what it names")
    })
}

struct Foe {
    next: u64,
    answers: BTreeMap<RequestId, Option<Bytes>>,
}

impl Foe {
    async fn wait_linked(
        &mut self,
        mesh: &mut Mesh,
        ledger: &Ledger,
        peer: StationId,
    ) -> Result<(), Failure> {
        let deadline = ledger.deadline(PATIENCE);
        while !ledger.passed(deadline) {
            match self.event(mesh).await {
                Some(MeshEvent::Linked { peer: linked, .. }) if linked == peer => return Ok(()),
                _ => {}
            }
        }
        Err(late("the foe's link"))
    }

    /// One event, or none for a moment. Answers are kept for whoever waits for them.
    async fn event(&mut self, mesh: &mut Mesh) -> Option<MeshEvent> {
        let wait = Duration::from_millis(200);
        let event = tokio::time::timeout(wait, mesh.events.recv()).await.ok().flatten()?;
        match event {
            MeshEvent::Answered { id, answer, .. } => {
                self.answers.insert(id, answer);
                None
            }
            MeshEvent::Asked { token, .. } => {
                let bytes = Say::Refused.encode();
                let _ = mesh.handle.send(MeshCommand::Answer { token, bytes }).await;
                None
            }
            other => Some(other),
        }
    }

    async fn ask(
        &mut self,
        mesh: &mut Mesh,
        ledger: &Ledger,
        peer: StationId,
        ask: &Ask,
    ) -> Result<Say, Failure> {
        let deadline = ledger.deadline(PATIENCE);
        while !ledger.passed(deadline) {
            self.next += 1;
            let id = RequestId(self.next);
            let command = MeshCommand::Request { peer, id, bytes: ask.encode() };
            mesh.handle.send(command).await.map_err(|error| {
                Failure::told(Code::Failed, "the foe's mesh ended", error, "run the demo again")
            })?;
            let answered = ledger.deadline(Duration::from_secs(12));
            while !self.answers.contains_key(&id) && !ledger.passed(answered) {
                self.event(mesh).await;
            }
            let answer = self.answers.remove(&id).flatten();
            if let Some(say) = answer.and_then(|bytes| Say::decode(&bytes).ok()) {
                return Ok(say);
            }
        }
        Err(late("an answer to the foe"))
    }

    async fn push(
        &mut self,
        mesh: &mut Mesh,
        ledger: &Ledger,
        peer: StationId,
        bytes: Bytes,
    ) -> Result<Custody, Failure> {
        match self.ask(mesh, ledger, peer, &Ask::Push(bytes)).await? {
            Say::Taken(custody) => Ok(custody),
            other => Err(Failure::new(
                Code::Failed,
                "a push was answered oddly",
                format!("{other:?}"),
                "report this",
            )),
        }
    }

    /// A real letter of `author`, asked for as any member may.
    async fn letter_of(
        &mut self,
        mesh: &mut Mesh,
        ledger: &Ledger,
        peer: StationId,
        author: StationId,
    ) -> Result<Bytes, Failure> {
        let differs = Ask::Summary(Digest([0; 32]));
        let Say::Entries { entries, .. } = self.ask(mesh, ledger, peer, &differs).await? else {
            return Err(late("a summary for the foe"));
        };
        let feeds = entries.iter().filter(|entry| entry.feed.author == author);
        let numbers: Vec<Numbers> = feeds
            .filter_map(|entry| entry.runs().first().map(|run| (entry.feed, *run)))
            .map(|(feed, (from, to))| Numbers { feed, from, to: to.min(from + 63) })
            .collect();
        let want = Ask::Want(numbers, Vec::new());
        let Say::Envelopes(envelopes, _) = self.ask(mesh, ledger, peer, &want).await? else {
            return Err(late("envelopes for the foe"));
        };
        let sealed = |bytes: &Bytes| {
            Envelope::decode(bytes.clone()).is_ok_and(|e| e.header().kind == Kind::Sealed)
        };
        envelopes.into_iter().find(sealed).ok_or_else(|| late("a letter to forge"))
    }
}

fn late(what: &str) -> Failure {
    Failure::new(
        Code::NotReached,
        "the story could not go on",
        format!("{what} did not come in time"),
        "is the machine very busy? run the demo again",
    )
}
