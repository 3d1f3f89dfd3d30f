//! The loop of the node: one task that owns the [`Station`] and performs what it says, by phase.
//!
//! It drains what waits, lets the station handle each input, passes on each verdict at once, lets
//! the station settle the batch, hands the appends to the store's thread for one sync, and speaks
//! only when that sync is done (I1). While it waits for the disk it goes on taking inputs, so that
//! verdicts wait for no disk (I5); what those inputs ask for is the next batch. When the journal
//! does not take a batch, nothing of it is spoken, the station is thrown away and restored from the
//! store (`outage`); when a sync fails the process ends. The loop makes no decision of the protocol.
//!
//! Started by `main` with everything made by `setup`.

pub mod ahead;
mod batch;
pub mod courier;
mod outage;
pub mod pruner;
mod renewal;
pub mod setup;
pub mod snapshots;
mod waiting;

use bytes::Bytes;
use cbm_proto::{
    event::{Effects, Input, Notice, Speak, Token},
    evidence::Answer,
    id::{EnvelopeId, MsgId, StationId},
    limits::BATCH_INPUTS,
    station::Station,
    time::Mono,
};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    api::command::{Command, Links, Stored},
    clock::{self, Clock, NoEntropy},
    mesh::{MeshCommand, MeshEvent, Refusals},
    perform::{Lost, NotDurable, Performer, writer::Gone},
    shutdown::{Order, Shutdown},
    store::Store,
};
use batch::{Batch, InFlight, Say};
pub use outage::Maker;
use outage::Outage;
pub use renewal::Renewal;
pub use snapshots::Snapshots;
use waiting::{Asker, Waiting};

/// Why the node ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// Mesh or store are gone.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The disk's answer to a sync was an error: nothing may be acknowledged after it.
    #[error("the disk could not confirm a write ({0}); nothing of it was sent")]
    Sync(String),
    /// The station cannot be restored from the journal.
    #[error("the station cannot be restored: {0}")]
    Restore(String),
}

impl From<Gone> for Ended {
    fn from(gone: Gone) -> Self {
        Self::Lost(Lost::Store(gone))
    }
}

/// Everything that reaches the loop, and everything that leaves it.
pub struct Ports {
    /// What the mesh tells.
    pub events: mpsc::Receiver<MeshEvent>,
    /// What the API asks.
    pub commands: mpsc::Receiver<Command>,
    /// What followers are told.
    pub notices: broadcast::Sender<Notice>,
    /// Where questions of others for evidence go. Full: they are told to come later.
    pub wanted: mpsc::Sender<courier::Wanted>,
    /// What comes of what was performed.
    pub inputs: mpsc::Receiver<Input>,
    /// The order to stop.
    pub shutdown: Shutdown,
}

/// The loop's state.
pub struct Runtime {
    clock: Clock,
    station: Station,
    maker: Maker,
    performer: Performer,
    ports: Ports,
    renewal: Renewal,
    /// Commands that wait for the station's answer.
    waiting: Waiting,
    links: Links,
    /// Gathered since the last write was handed over.
    batch: Batch,
    in_flight: Option<InFlight>,
    outage: Option<Outage>,
}

/// What woke the loop.
enum Woke {
    Stop(&'static str),
    Reread,
    Written(Result<Result<(), NotDurable>, Gone>),
    Event(Option<MeshEvent>),
    Input(Input),
    Command(Option<Command>),
    Deadline,
    Damaged,
}

impl Runtime {
    /// With a station that was restored and not yet started.
    #[must_use]
    pub fn new(
        clock: Clock,
        station: Station,
        maker: Maker,
        performer: Performer,
        ports: Ports,
        renewal: Renewal,
    ) -> Self {
        Self {
            clock,
            station,
            maker,
            performer,
            ports,
            renewal,
            waiting: Waiting::default(),
            links: Links { storing: true, ..Links::default() },
            batch: Batch::default(),
            in_flight: None,
            outage: None,
        }
    }

    /// Runs until it is told to stop; then takes nothing new, performs what was handled, and lets
    /// go of mesh and store.
    ///
    /// # Errors
    /// [`Ended`]: the process must end.
    pub async fn run(mut self) -> Result<(), Ended> {
        let effects = self.station.start(self.clock.now(), &clock::entropy()?);
        self.take(effects).await?;
        loop {
            self.dispatch().await?;
            match self.wake().await {
                Woke::Stop(signal) => {
                    tracing::info!(signal, "stopping");
                    break;
                }
                Woke::Reread => self.reread().await?,
                Woke::Written(result) => self.written(result?).await?,
                Woke::Event(None) => return Err(Lost::Mesh.into()),
                Woke::Event(Some(event)) => self.event(event).await?,
                Woke::Input(input) => self.handle(input).await?,
                // The API holds one end for as long as we run.
                Woke::Command(None) => break,
                Woke::Command(Some(command)) => self.command(command).await?,
                Woke::Deadline => self.handle(Input::Tick).await?,
                Woke::Damaged => self.read_all_again().await?,
            }
            self.drain().await?;
            self.settle().await?;
            self.renew().await?;
        }
        self.stop().await
    }

    /// Waits for the next thing to do. A slow disk closes the door for inputs, not for its result.
    async fn wake(&mut self) -> Woke {
        let room = self.batch.has_room();
        let sleep = self.clock.until(self.deadline());
        let in_flight = self.in_flight.as_mut();
        tokio::select! {
            biased;
            result = InFlight::done(in_flight) => Woke::Written(result),
            order = self.ports.shutdown.ordered() => match order {
                Order::Stop(signal) => Woke::Stop(signal),
                Order::Reread => Woke::Reread,
            },
            () = self.maker.snapshots.damaged() => Woke::Damaged,
            Some(input) = self.ports.inputs.recv(), if room => Woke::Input(input),
            command = self.ports.commands.recv(), if room => Woke::Command(command),
            event = self.ports.events.recv(), if room => Woke::Event(event),
            () = tokio::time::sleep(sleep), if room => Woke::Deadline,
        }
    }

    fn deadline(&self) -> Mono {
        let station = self.station.deadline();
        self.outage.as_ref().map_or(station, |outage| outage.until)
    }

    /// Takes what else waits, turn by turn, up to the bound of one batch.
    async fn drain(&mut self) -> Result<(), Ended> {
        for _ in 1..BATCH_INPUTS {
            if !self.batch.has_room() {
                break;
            }
            let event = self.ports.events.try_recv().ok();
            let command = self.ports.commands.try_recv().ok();
            if event.is_none() && command.is_none() {
                break;
            }
            if let Some(event) = event {
                self.event(event).await?;
            }
            if let Some(command) = command {
                self.command(command).await?;
            }
        }
        Ok(())
    }

    async fn event(&mut self, event: MeshEvent) -> Result<(), Ended> {
        let input = match event {
            MeshEvent::Heard { from, token, bytes, .. } => Input::Heard { from, token, bytes },
            MeshEvent::Asked { peer, token, bytes } => Input::Asked { peer, token, bytes },
            MeshEvent::Answered { peer, id, answer } => {
                if let Some(bytes) = &answer {
                    self.links.other_network.remove(&peer);
                    ahead::verify(&mut self.station, bytes);
                }
                Input::Answered { peer, id, answer }
            }
            MeshEvent::Refused(sums) => {
                let before = self.links.strangers;
                self.note(&event);
                Input::Strangers { refused: sums.strangers.saturating_sub(before) }
            }
            MeshEvent::Linked { peer, transport } => {
                tracing::info!(?peer, %transport, "linked");
                self.links.linked.insert(peer, transport.to_string());
                self.links.unreached.remove(&peer);
                Input::Linked { peer }
            }
            MeshEvent::Unlinked(peer) => {
                tracing::info!(?peer, "link gone");
                self.links.linked.remove(&peer);
                Input::Unlinked { peer }
            }
            MeshEvent::Wanted { token, bytes } => return self.wanted(token, bytes).await,
            other => {
                self.note(&other);
                return Ok(());
            }
        };
        self.handle(input).await
    }

    /// Hands a question for evidence to the courier, if that has room.
    async fn wanted(&mut self, token: Token, bytes: Bytes) -> Result<(), Ended> {
        if let Err(full) = self.ports.wanted.try_send((token, bytes)) {
            let (token, _) = full.into_inner();
            let bytes = Answer::Later.encode();
            self.performer.mesh(MeshCommand::Give { token, bytes }).await?;
        }
        Ok(())
    }

    /// What is for the operator's eyes only.
    fn note(&mut self, event: &MeshEvent) {
        match event {
            MeshEvent::Listening(address) => tracing::info!(address, "listening"),
            MeshEvent::SlowPeer(peer) => tracing::info!(?peer, "does not keep up with gossip"),
            MeshEvent::Unreachable { peer, cause } => {
                tracing::debug!(?peer, cause, "cannot be reached");
                self.links.unreached.insert(*peer, cause.clone());
            }
            MeshEvent::OtherNetwork(peer) if self.links.other_network.insert(*peer) => {
                tracing::error!(
                    ?peer,
                    "runs on another network's accord: compare the words of `cbm accord show`"
                );
            }
            MeshEvent::Refused(sums) => {
                let Refusals { strangers, held, crowded, limits, trespass } = *sums;
                tracing::warn!(strangers, held, crowded, limits, trespass, "refused since start");
                self.links.strangers = strangers;
            }
            _ => {}
        }
    }

    async fn command(&mut self, command: Command) -> Result<(), Ended> {
        match command {
            Command::Submit { draft, reply } => {
                let Some(token) = self.token(Asker::Person(reply)) else { return Ok(()) };
                self.handle(Input::Submit { token, draft }).await
            }
            Command::Act { msg, act, by, signed, reply } => {
                let Some(token) = self.token(Asker::Person(reply)) else { return Ok(()) };
                self.handle(Input::Act { token, msg, act, by, signed }).await
            }
            Command::Publish { documents, reply } => {
                let Some(token) = self.token(Asker::Publisher(reply)) else { return Ok(()) };
                self.handle(Input::Documents { token, documents }).await
            }
            Command::Checked { checked, reply } => {
                let Some(token) = self.token(Asker::Person(reply)) else { return Ok(()) };
                self.handle(Input::Checked { token, checked }).await
            }
            Command::Look(look) => {
                let answer = look(&self.station, self.clock.now());
                self.batch.say(Say::Answer(answer));
                Ok(())
            }
            Command::Stored { msg, id, reply } => self.stored(msg, id, reply).await,
            Command::LetGo { places, instead, bodies, reply } => {
                self.station.note_let_go(&bodies);
                let work = move |store: &mut dyn Store| {
                    let done = store.let_go(&places, &instead);
                    // Whoever asked may be gone.
                    let _ = reply.send(done.map_err(|e| e.to_string()));
                };
                self.performer.writer().begin(work).await?;
                Ok(())
            }
            Command::Durable(reply) => {
                let read = move |store: &mut dyn Store| {
                    // Whoever asked may be gone.
                    let _ = reply.send(store.served());
                };
                self.performer.writer().begin(read).await?;
                Ok(())
            }
            Command::Links(reply) => {
                // Whoever asked may be gone.
                let _ = reply.send(self.links.clone());
                Ok(())
            }
            Command::Fetch { peer, bytes, reply } => {
                Ok(self.performer.mesh(MeshCommand::Fetch { peer, bytes, reply }).await?)
            }
            Command::Give { token, bytes } => {
                Ok(self.performer.mesh(MeshCommand::Give { token, bytes }).await?)
            }
            Command::Hold { peer, on, reply } => self.hold(peer, on, reply).await,
        }
    }

    /// A token for a command, unless the disk is known to take nothing: then it is refused at once.
    fn token(&mut self, asker: Asker) -> Option<Token> {
        match &self.outage {
            Some(outage) => {
                asker.fail(&outage.words);
                None
            }
            None => Some(self.waiting.enter(asker)),
        }
    }

    async fn stored(
        &mut self,
        msg: MsgId,
        id: EnvelopeId,
        reply: oneshot::Sender<Result<Stored, String>>,
    ) -> Result<(), Ended> {
        let read = move |store: &mut dyn Store| {
            let both = store.about(&msg).and_then(|about| Ok((about, store.envelope(&id)?)));
            let stored = both.map(|(about, envelope)| Stored { about, envelope });
            let _ = reply.send(stored.map_err(|e| e.to_string()));
        };
        self.performer.writer().begin(read).await?;
        Ok(())
    }

    async fn hold(
        &mut self,
        peer: StationId,
        on: bool,
        reply: oneshot::Sender<()>,
    ) -> Result<(), Ended> {
        if on {
            self.links.held.insert(peer);
        } else {
            self.links.held.remove(&peer);
        }
        self.performer.mesh(MeshCommand::Cut { peer, on }).await?;
        let _ = reply.send(());
        Ok(())
    }

    /// One input, and phase 1 for it.
    async fn handle(&mut self, input: Input) -> Result<(), Ended> {
        if self.outage.is_some() {
            return self.handle_in_outage(input).await;
        }
        let effects = self.station.handle(self.clock.now(), &clock::entropy()?, input);
        self.take(effects).await
    }

    /// Once for the batch, after its verdicts.
    async fn settle(&mut self) -> Result<(), Ended> {
        if self.outage.is_some() {
            return Ok(());
        }
        let effects = self.station.settle(self.clock.now(), &clock::entropy()?);
        self.take(effects).await
    }

    async fn take(&mut self, effects: Effects) -> Result<(), Ended> {
        self.performer.verdicts(effects.verdicts).await?;
        self.batch.absorb(effects.appends, effects.speaks);
        Ok(())
    }

    /// Hands the gathered batch to the store's thread when that is free; with nothing to write, it
    /// is spoken at once.
    async fn dispatch(&mut self) -> Result<(), Ended> {
        if self.in_flight.is_some() || self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        if batch.appends.is_empty() {
            return self.speak(batch.says).await;
        }
        let pending = self.performer.write(batch.appends).await?;
        self.in_flight = Some(InFlight { pending, says: batch.says });
        Ok(())
    }

    async fn written(&mut self, result: Result<(), NotDurable>) -> Result<(), Ended> {
        let says = self.in_flight.take().map(|in_flight| in_flight.says).unwrap_or_default();
        match result {
            Ok(()) => {
                self.maker.pause = 0;
                self.speak(says).await
            }
            Err(NotDurable::Sync(error)) => Err(Ended::Sync(error.to_string())),
            Err(NotDurable::Append(error)) => self.begin_outage(error.to_string()).await,
        }
    }

    /// Phase 4.
    async fn speak(&mut self, says: Vec<Say>) -> Result<(), Ended> {
        for say in says {
            match say {
                Say::Answer(answer) => answer(),
                Say::Speak(speak) => {
                    let rest = self.performer.speak(speak).await?;
                    if let Some(speak) = rest {
                        self.tell(speak).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What is neither for the mesh nor for the store.
    async fn tell(&mut self, speak: Speak) -> Result<(), Ended> {
        match speak {
            Speak::Membership => {
                self.renewal.missing = None;
                let membership = setup::membership(&self.station);
                self.performer.mesh(MeshCommand::Membership(membership)).await?;
            }
            Speak::Tell(notice) => {
                setup::log(&notice);
                // Nobody may follow.
                let _ = self.ports.notices.send(notice);
            }
            Speak::Reply { token, result } => self.waiting.replied(token, result),
            Speak::Documents { token, results } => self.waiting.believed(token, results),
            // `Performer::speak` has carried out everything else.
            _ => {}
        }
        Ok(())
    }

    /// Performs everything that was handled, unless the journal takes nothing.
    async fn finish(&mut self) -> Result<(), Ended> {
        while self.in_flight.is_some() || !self.batch.is_empty() {
            self.dispatch().await?;
            if let Some(in_flight) = self.in_flight.as_mut() {
                let result = in_flight.pending.poll_done().await?;
                self.written(result).await?;
                if self.outage.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Performs what was handled, then lets go of mesh and store.
    async fn stop(mut self) -> Result<(), Ended> {
        self.finish().await?;
        self.performer.close().await;
        Ok(())
    }
}
