//! The task that owns the swarm: its state, its loop, its connections.
//!
//! Invariants: the swarm is polled only while there is room for what it tells (back-pressure);
//! commands are always drained, so that a shell which waits to hand one over cannot wait for ever.
//! What the swarm tells is translated in `heard`, what the shell tells is done in `told`.

mod connections;
mod evidence;
mod heard;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    net::{IpAddr, TcpListener, UdpSocket},
    time::Duration,
};

use bytes::Bytes;
use cbm_proto::{
    event::{Token, Topic, Verdict},
    id::StationId,
};
use libp2p::{
    PeerId, Swarm,
    core::transport::ListenerId,
    futures::StreamExt,
    gossipsub,
    multiaddr::{Multiaddr, Protocol},
    request_response::{OutboundRequestId, ResponseChannel},
    swarm::{
        ConnectionId, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use self::connections::Connection;
use super::{
    FIRST_TOKEN, MeshCommand, MeshConfig, MeshError, MeshEvent, Refusals,
    asks::Asks,
    fetches::Fetches,
    links::Links,
    roster::Roster,
    settings::{self, Names, SILENT_PINGS},
    swarm::{self, Behaviour, Gossip},
    turns::Turns,
};

/// One of the two gossip meshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Messages,
    Beacons,
}

/// A heard message that waits for its verdict.
struct Waiting {
    side: Side,
    id: gossipsub::MessageId,
    from: PeerId,
    /// A beacon's bytes, to be taken to the other mesh.
    beacon: Option<Bytes>,
}

/// See the module.
pub(super) struct Task {
    swarm: Swarm<Behaviour>,
    names: Names,
    me: StationId,
    links_target: usize,
    only_links: Option<BTreeSet<StationId>>,
    commands: mpsc::Receiver<MeshCommand>,
    out: mpsc::Sender<MeshEvent>,
    backlog: Turns,
    roster: Roster,
    cut: BTreeSet<StationId>,
    links: Links,
    linked: BTreeMap<StationId, PeerId>,
    /// The earlier key that a station answered by, where it is not its newest.
    answers_as: BTreeMap<StationId, PeerId>,
    listeners: BTreeMap<String, ListenerId>,
    connections: HashMap<ConnectionId, Connection>,
    next_token: u64,
    verdicts: BTreeMap<Token, Waiting>,
    answers: BTreeMap<Token, ResponseChannel<Bytes>>,
    asks: Asks<OutboundRequestId>,
    gives: BTreeMap<Token, ResponseChannel<Bytes>>,
    fetches: Fetches<OutboundRequestId>,
    unheard: VecDeque<(Instant, Topic, Bytes)>,
    crossed: HashSet<(Side, gossipsub::MessageId)>,
    crossed_order: VecDeque<(Side, gossipsub::MessageId)>,
    told: Refusals,
    tell_at: Instant,
    ping: Duration,
    /// When the swarm was last attended to.
    awake: Instant,
}

impl Task {
    /// Sets everything up; nothing runs yet.
    pub(super) fn new(
        config: &MeshConfig,
        commands: mpsc::Receiver<MeshCommand>,
        out: mpsc::Sender<MeshEvent>,
    ) -> Result<Self, MeshError> {
        let names = Names::new(&config.network);
        Ok(Self {
            swarm: swarm::build(config, &names)?,
            names,
            me: config.me,
            links_target: config.links_target,
            only_links: config.only_links.clone(),
            commands,
            out,
            backlog: Turns::default(),
            roster: Roster::default(),
            cut: BTreeSet::new(),
            links: Links::new(config.me, config.redial),
            linked: BTreeMap::new(),
            answers_as: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: HashMap::new(),
            next_token: FIRST_TOKEN,
            verdicts: BTreeMap::new(),
            answers: BTreeMap::new(),
            asks: Asks::default(),
            gives: BTreeMap::new(),
            fetches: Fetches::default(),
            unheard: VecDeque::new(),
            crossed: HashSet::new(),
            crossed_order: VecDeque::new(),
            told: Refusals::default(),
            tell_at: Instant::now(),
            ping: config.ping,
            awake: Instant::now(),
        })
    }

    /// Listens on all of `addresses`; returns when each has told its true address.
    pub(super) async fn listen(&mut self, addresses: &[String]) -> Result<Vec<String>, MeshError> {
        let mut silent = HashMap::new();
        for text in addresses {
            silent.insert(self.listen_on(text)?, text);
        }
        let deadline = Instant::now() + settings::HANDSHAKE;
        while let Some(text) = silent.values().next() {
            let failed = |cause: String| MeshError::Listen { address: (*text).clone(), cause };
            tokio::select! {
                () = sleep_until(deadline) => return Err(failed("no answer in time".to_owned())),
                event = self.swarm.select_next_some() => match event {
                    SwarmEvent::NewListenAddr { listener_id, .. } => {
                        silent.remove(&listener_id);
                    }
                    SwarmEvent::ListenerClosed { reason: Err(error), .. }
                    | SwarmEvent::ListenerError { error, .. } => {
                        return Err(failed(error.to_string()));
                    }
                    other => self.translate(other),
                },
            }
        }
        Ok(self.swarm.listeners().map(ToString::to_string).collect())
    }

    fn listen_on(&mut self, text: &str) -> Result<ListenerId, MeshError> {
        let address: Multiaddr = text.parse().map_err(|error| MeshError::BadAddress {
            address: text.to_owned(),
            cause: format!("{error}"),
        })?;
        let failed = |cause| MeshError::Listen { address: text.to_owned(), cause };
        free(&address).map_err(|error| failed(error.to_string()))?;
        let listener = self.swarm.listen_on(address).map_err(|error| failed(error.to_string()))?;
        self.listeners.insert(text.to_owned(), listener);
        Ok(listener)
    }

    /// Listens on exactly these from now on; on the ones before if one of them cannot be had.
    fn relisten(&mut self, addresses: &[String]) -> Result<(), MeshError> {
        let before: BTreeSet<String> = self.listeners.keys().cloned().collect();
        for text in addresses.iter().filter(|text| !before.contains(*text)) {
            if let Err(error) = self.listen_on(text) {
                self.deafen(|text| !before.contains(text));
                return Err(error);
            }
        }
        self.deafen(|text| !addresses.iter().any(|wanted| wanted == text));
        Ok(())
    }

    /// Stops listening on these; a QUIC listener takes the links that came over it along.
    fn deafen(&mut self, which: impl Fn(&str) -> bool) {
        let swarm = &mut self.swarm;
        self.listeners.retain(|text, listener| {
            let goes = which(text);
            if goes {
                swarm.remove_listener(*listener);
            }
            !goes
        });
    }

    /// Runs until told to stop, or until nobody is there to speak to.
    pub(super) async fn run(mut self) {
        loop {
            self.tick();
            if !self.flush() {
                break;
            }
            let wake = self.wake_at();
            let (late, more) = (!self.backlog.is_empty(), self.backlog.has_room());
            tokio::select! {
                command = self.commands.recv() => match command {
                    None | Some(MeshCommand::Stop) => break,
                    Some(command) => self.command(command),
                },
                open = room(&self.out), if late => if !open { break },
                event = self.swarm.select_next_some(), if more => self.translate(event),
                () = sleep_until(wake) => {}
            }
        }
        self.leave().await;
    }

    /// Hands over what waits, as far as there is room. False when nobody listens any more.
    fn flush(&mut self) -> bool {
        loop {
            match self.out.try_reserve() {
                Ok(room) => match self.backlog.pop() {
                    Some(event) => room.send(event),
                    None => return true,
                },
                Err(mpsc::error::TrySendError::Full(())) => return true,
                Err(mpsc::error::TrySendError::Closed(())) => return false,
            }
        }
    }

    /// Takes leave, so that the neighbours need not find out by themselves.
    async fn leave(mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            self.hangup(peer);
        }
        let gone = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(Duration::from_millis(500), gone).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }

    /// What does not fit its peer's line any more ends here: the peer is told nothing, as if the
    /// message had come too late and the question had not been understood.
    fn tell(&mut self, event: MeshEvent) {
        match self.backlog.push(event) {
            Err(MeshEvent::Heard { token, .. }) => self.verdict(token, Verdict::Ignore),
            Err(MeshEvent::Asked { token, .. }) => drop(self.answers.remove(&token)),
            Ok(()) | Err(_) => {}
        }
    }

    fn token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    fn wake_at(&self) -> Instant {
        let far = Instant::now() + self.ping / 2;
        let refusals =
            (*self.swarm.behaviour().door.refusals() != self.told).then_some(self.tell_at);
        let silent = self.standing().map(|(_, c)| c.alive + self.ping * SILENT_PINGS).min();
        [self.links.next(), refusals, silent].into_iter().flatten().min().unwrap_or(far).min(far)
    }

    /// What time brings: dials, links that fell silent, sums of refusals.
    fn tick(&mut self) {
        let now = Instant::now();
        for station in self.links.due(now) {
            self.dial(station, now);
        }
        self.hangup_silent(now);
        let refusals = *self.swarm.behaviour().door.refusals();
        if refusals != self.told && self.tell_at <= now {
            self.told = refusals;
            self.tell_at = now + settings::REFUSALS_EVERY;
            self.tell(MeshEvent::Refused(refusals));
        }
    }

    fn dial(&mut self, station: StationId, now: Instant) {
        let Some(known) = self.roster.known(&station) else { return };
        let answers = self.answers_as.get(&station).filter(|peer| known.peers.contains(peer));
        let Some(peer) = answers.or(known.peers.first()).copied() else { return };
        let addresses = known.addresses.clone();
        if self.at(station).is_some() {
            self.links.up(station, now);
            return;
        }
        if !self.swarm.behaviour().door.admits(&peer) {
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::NotDialing)
            .addresses(addresses)
            .allocate_new_port()
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(?station, %error, "not dialled");
            self.links.down(station, now);
        }
    }

    fn gossip(&mut self, side: Side) -> &mut Gossip {
        let behaviour = self.swarm.behaviour_mut();
        match side {
            Side::Messages => behaviour.messages.inner_mut(),
            Side::Beacons => behaviour.beacons.inner_mut(),
        }
    }
}

/// Waits for room. False when nobody listens any more.
async fn room(out: &mpsc::Sender<MeshEvent>) -> bool {
    out.reserve().await.is_ok()
}

/// Whether a port is free. libp2p listens by TCP with `SO_REUSEPORT`, so that a second node on the
/// same port would start without a word and take half of the first one's connections; and of a
/// taken port for QUIC it says nothing that a person can use.
fn free(address: &Multiaddr) -> std::io::Result<()> {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::V6(ip),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        Some(Protocol::Udp(port)) if port != 0 => UdpSocket::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}
