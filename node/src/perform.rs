//! Carries out what the station asks for, against the mesh and the store.
//!
//! It decides nothing. The order (verdicts, then appends and one sync, then what is spoken;
//! invariants I1 and I5) is `runtime`'s; here stands how each single thing is done. The store is
//! used on its own thread only, by [`writer::Writer`]; nothing here waits for a peer.

pub mod writer;

use bytes::Bytes;
use cbm_proto::{
    event::{Input, RequestId, Speak, Token, Verdict},
    id::{EnvelopeId, MsgId, StationId},
    journal::Record,
    limits::{BATCH_BYTES, BATCH_COUNT},
    sync::{self, Ask, Numbers},
};
use tokio::sync::mpsc;

use crate::{
    mesh::{MeshCommand, MeshHandle},
    store::{Store, StoreError},
};
use writer::{Gone, Writer};

/// Why a batch is not durable.
#[derive(Debug, thiserror::Error)]
pub enum NotDurable {
    /// The journal did not take it, and holds nothing of it. The process may go on.
    #[error("{0}")]
    Append(StoreError),
    /// Whether it is durable is unknown. The process must end.
    #[error("{0}")]
    Sync(StoreError),
}

/// The node's hands.
pub struct Performer {
    mesh: MeshHandle,
    writer: Writer,
    back: mpsc::Sender<Input>,
}

/// Inputs that the performer itself gives back. Full: the task that brings one waits.
const BACK: usize = 64;

/// Mesh or store thread has ended; so must the node.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The mesh's task.
    #[error("the mesh has stopped by itself; start the node again, and look at the log above")]
    Mesh,
    /// The store's thread.
    #[error(transparent)]
    Store(#[from] Gone),
}

impl Performer {
    /// With a running mesh and a running store thread; also gives the inputs that come of what is
    /// performed.
    #[must_use]
    pub fn new(mesh: MeshHandle, writer: Writer) -> (Self, mpsc::Receiver<Input>) {
        let (back, inputs) = mpsc::channel(BACK);
        (Self { mesh, writer, back }, inputs)
    }

    /// Tells another mesh from now on. What is still read for a peer of the one before goes there.
    pub fn take_mesh(&mut self, mesh: MeshHandle) {
        self.mesh = mesh;
    }

    /// The store's thread.
    #[must_use]
    pub const fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Tells the mesh something.
    ///
    /// # Errors
    /// The mesh has stopped.
    pub async fn mesh(&self, command: MeshCommand) -> Result<(), Lost> {
        self.mesh.send(command).await.map_err(|_| Lost::Mesh)
    }

    /// Phase 1: what was heard is forwarded or not.
    ///
    /// # Errors
    /// The mesh has stopped.
    pub async fn verdicts(&self, verdicts: Vec<(Token, Verdict)>) -> Result<(), Lost> {
        for (token, verdict) in verdicts {
            self.mesh(MeshCommand::Verdict(token, verdict)).await?;
        }
        Ok(())
    }

    /// Phase 3: every append, in order, and one sync. Returns when the store's thread has taken
    /// the work; what it gives ends when the sync has.
    ///
    /// # Errors
    /// The store's thread has ended.
    pub async fn write(
        &self,
        records: Vec<Record>,
    ) -> Result<writer::Pending<Result<(), NotDurable>>, Gone> {
        self.writer
            .begin(move |store| {
                store.append(&records).map_err(|error| match error {
                    // A sync failed elsewhere: what is on the disk is unknown.
                    StoreError::Poisoned => NotDurable::Sync(error),
                    error => NotDurable::Append(error),
                })?;
                store.sync().map_err(NotDurable::Sync)
            })
            .await
    }

    /// Phase 4: one thing that mesh or store carry out. Anything else comes back, for the caller.
    ///
    /// # Errors
    /// Mesh or store have stopped.
    pub async fn speak(&self, speak: Speak) -> Result<Option<Speak>, Lost> {
        let command = match speak {
            Speak::Publish { topic, bytes } => MeshCommand::Publish { topic, bytes },
            Speak::Request { peer, id, bytes } => MeshCommand::Request { peer, id, bytes },
            Speak::Answer { token, bytes } => MeshCommand::Answer { token, bytes },
            Speak::Dial { peer } => MeshCommand::Dial(peer),
            Speak::Hangup { peer } => MeshCommand::Hangup(peer),
            Speak::Serve { token, numbers, envelopes } => {
                self.serve(token, numbers, envelopes).await?;
                return Ok(None);
            }
            Speak::Push { peer, id, envelope } => {
                self.push(peer, id, envelope).await?;
                return Ok(None);
            }
            Speak::Recall { msg, envelope } => {
                self.recall(msg, envelope).await?;
                return Ok(None);
            }
            other => return Ok(Some(other)),
        };
        self.mesh(command).await.map(|()| None)
    }

    /// Reads on the store's thread; answers when it is done, while the loop goes on.
    async fn serve(
        &self,
        token: Token,
        numbers: Vec<Numbers>,
        envelopes: Vec<EnvelopeId>,
    ) -> Result<(), Lost> {
        let read = self.writer.begin(move |store| gather(store, &numbers, &envelopes)).await?;
        let mesh = self.mesh.clone();
        tokio::spawn(async move {
            let bytes = match read.done().await {
                Ok(Ok((found, more))) => sync::serve(found, more),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "cannot read what a peer asks for");
                    return;
                }
                Err(Gone) => return,
            };
            // The mesh may have stopped since; then nobody waits for the answer.
            let _ = mesh.send(MeshCommand::Answer { token, bytes }).await;
        });
        Ok(())
    }

    /// Reads an envelope on the store's thread and asks a peer to take it. Like every question it
    /// ends in one answer, also when there is nothing to push.
    async fn push(&self, peer: StationId, id: RequestId, envelope: EnvelopeId) -> Result<(), Lost> {
        let read = self.writer.begin(move |store| store.envelope(&envelope)).await?;
        let (mesh, back) = (self.mesh.clone(), self.back.clone());
        tokio::spawn(async move {
            let cause = match read.done().await {
                Ok(Ok(Some(bytes))) => {
                    let bytes = Ask::Push(bytes).encode();
                    // The mesh may have stopped since; then nobody waits for the answer.
                    let _ = mesh.send(MeshCommand::Request { peer, id, bytes }).await;
                    return;
                }
                Ok(Ok(None)) => "it is not held".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(gone) => gone.to_string(),
            };
            tracing::warn!(?envelope, cause, "cannot be pushed");
            let _ = back.send(Input::Answered { peer, id, answer: None }).await;
        });
        Ok(())
    }

    /// Reads a letter of our own, or an envelope alone, on the store's thread. Ends in one input, also
    /// when it cannot be read.
    async fn recall(&self, msg: Option<MsgId>, envelope: EnvelopeId) -> Result<(), Lost> {
        let read = move |store: &mut dyn Store| {
            let about = msg.map_or_else(|| Ok(Vec::new()), |msg| store.about(&msg));
            about.and_then(|about| Ok((about, store.envelope(&envelope)?)))
        };
        let read = self.writer.begin(read).await?;
        let back = self.back.clone();
        tokio::spawn(async move {
            let (about, envelope) = match read.done().await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "cannot read a letter that was asked for again");
                    (Vec::new(), None)
                }
                Err(Gone) => return,
            };
            // The loop may have ended since.
            let _ = back.send(Input::Recalled { msg, about, envelope }).await;
        });
        Ok(())
    }

    /// Ends the store's thread: everything taken is done, the lock is let go.
    pub async fn close(self) {
        let _ = self.mesh.send(MeshCommand::Stop).await;
        self.writer.close().await;
    }
}

/// What is held of runs of feeds and single envelopes, within the bounds of one answer.
fn gather(
    store: &dyn Store,
    numbers: &[Numbers],
    envelopes: &[EnvelopeId],
) -> Result<(Vec<Bytes>, bool), StoreError> {
    let (mut found, mut bytes, mut more): (Vec<Bytes>, usize, bool) = (Vec::new(), 0, false);
    for run in numbers {
        let (room, count) = (BATCH_BYTES.saturating_sub(bytes), BATCH_COUNT - found.len());
        if room == 0 || count == 0 {
            return Ok((found, true));
        }
        let page = store.feed(&run.feed, run.from, run.to, room, count)?;
        bytes += page.envelopes.iter().map(Bytes::len).sum::<usize>();
        more |= page.more;
        found.extend(page.envelopes);
    }
    for id in envelopes {
        if found.len() >= BATCH_COUNT || bytes >= BATCH_BYTES {
            return Ok((found, true));
        }
        if let Some(envelope) = store.envelope(id)? {
            bytes += envelope.len();
            found.push(envelope);
        }
    }
    Ok((found, more))
}
