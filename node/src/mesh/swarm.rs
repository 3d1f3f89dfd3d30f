//! The swarm: transports, security and behaviours in their order.
//!
//! Invariants: QUIC first, then TCP with TLS, both of which agree on X25519MLKEM768; no Noise. The
//! behaviours that refuse connections come before those that take note of them. Called by `task`.

use std::time::Duration;

use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, connection_limits, dns, gossipsub, identity,
    memory_connection_limits, ping, request_response, swarm::NetworkBehaviour, tcp, tls, yamux,
};

use super::{
    MeshConfig, MeshError,
    codec::Frames,
    door::Door,
    gate::Gate,
    settings::{self, Names},
};
use cbm_proto::event::Topic;

/// Lets peers announce topics of our own network only, whether we are in them or not: a lane may
/// become ours later, and gossipsub does not repeat what was filtered.
pub(super) struct OurTopics {
    names: Names,
    lanes: bool,
}

impl gossipsub::TopicSubscriptionFilter for OurTopics {
    fn can_subscribe(&mut self, topic: &gossipsub::TopicHash) -> bool {
        match self.names.parse(topic) {
            Some(Topic::Beacon) => true,
            Some(Topic::Lane(_)) => self.lanes,
            None => false,
        }
    }
}

/// Gossip as we use it.
pub(super) type Gossip = gossipsub::Behaviour<
    gossipsub::IdentityTransform,
    gossipsub::MaxCountSubscriptionFilter<OurTopics>,
>;

/// Questions and answers.
pub(super) type Questions = request_response::Behaviour<Frames>;

/// What the swarm does. The order of the fields is the order in which they are asked.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Behaviour {
    pub(super) door: Door,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) memory: memory_connection_limits::Behaviour,
    pub(super) messages: Gate<Gossip>,
    pub(super) beacons: Gate<Gossip>,
    pub(super) ask: Gate<Questions>,
    pub(super) evidence: Gate<Questions>,
    pub(super) ping: ping::Behaviour,
}

fn gossip(config: &MeshConfig, names: &Names, lanes: bool) -> Result<Gossip, MeshError> {
    let settings = settings::gossip(config.members_expected, config.links_target)
        .map_err(MeshError::Settings)?;
    let filter = gossipsub::MaxCountSubscriptionFilter {
        filter: OurTopics { names: names.clone(), lanes },
        max_subscribed_topics: settings::TOPICS_PER_PEER,
        max_subscriptions_per_request: settings::TOPICS_PER_PEER,
    };
    let mut gossip = gossipsub::Behaviour::new_with_subscription_filter(
        gossipsub::MessageAuthenticity::Anonymous,
        settings,
        filter,
    )
    .map_err(|error| MeshError::Settings(error.to_owned()))?;
    gossip
        .subscribe(&names.topic(Topic::Beacon))
        .map_err(|error| MeshError::Settings(error.to_string()))?;
    Ok(gossip)
}

fn limits(links_target: usize) -> connection_limits::ConnectionLimits {
    let links = u32::try_from(links_target).unwrap_or(u32::MAX);
    let let_in = links.saturating_mul(2).max(64);
    connection_limits::ConnectionLimits::default()
        .with_max_pending_outgoing(Some(settings::DIALS))
        .with_max_established_per_peer(Some(settings::LINKS_PER_PEER))
        .with_max_established_incoming(Some(let_in))
        .with_max_established(Some(let_in.saturating_mul(2)))
}

fn questions(name: String, wait: Duration, streams: usize) -> Result<Gate<Questions>, MeshError> {
    let protocol = StreamProtocol::try_from_owned(name)
        .map_err(|error| MeshError::Settings(error.to_string()))?;
    Ok(Gate::new(request_response::Behaviour::with_codec(
        Frames,
        [(protocol, request_response::ProtocolSupport::Full)],
        request_response::Config::default()
            .with_request_timeout(wait)
            .with_max_concurrent_streams(streams),
    )))
}

fn behaviour(config: &MeshConfig, names: &Names) -> Result<Behaviour, MeshError> {
    Ok(Behaviour {
        door: Door::default(),
        limits: connection_limits::Behaviour::new(limits(config.links_target)),
        memory: memory_connection_limits::Behaviour::with_max_percentage(settings::MEMORY_SHARE),
        messages: Gate::new(gossip(config, names, true)?),
        beacons: Gate::new(gossip(config, names, false)?),
        ask: questions(names.ask(), settings::ANSWER_WAIT, settings::STREAMS_PER_LINK)?,
        evidence: questions(names.evidence(), settings::EVIDENCE_WAIT, settings::EVIDENCE_STREAMS)?,
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(config.ping).with_timeout(config.ping),
        ),
    })
}

/// Builds the swarm; it listens nowhere yet.
pub(super) fn build(config: &MeshConfig, names: &Names) -> Result<Swarm<Behaviour>, MeshError> {
    let mut seed = config.peer_seed.clone();
    let secret = identity::ed25519::SecretKey::try_from_bytes(&mut *seed)
        .map_err(|error| MeshError::Settings(error.to_string()))?;
    let key = identity::Keypair::from(identity::ed25519::Keypair::from(secret));
    let behaviour = behaviour(config, names)?;
    let transports = || {
        SwarmBuilder::with_existing_identity(key.clone())
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                tls::Config::new,
                yamux::Config::default,
            )
            .map_err(|error| MeshError::Settings(error.to_string()))
            .map(|builder| {
                builder.with_quic_config(|mut quic| {
                    quic.keep_alive_interval = settings::QUIC_KEEP_ALIVE;
                    quic.max_idle_timeout = settings::QUIC_IDLE_MS;
                    quic
                })
            })
    };
    // The two builders differ in type, so what follows is written once for both.
    macro_rules! finish {
        ($builder:expr) => {
            $builder
                .with_behaviour(|_| behaviour)
                .map_err(|error| MeshError::Settings(error.to_string()))?
                .with_swarm_config(|swarm| {
                    swarm.with_idle_connection_timeout(settings::IDLE).with_smart_dial()
                })
                .with_connection_timeout(settings::HANDSHAKE)
                .build()
        };
    }
    Ok(match transports()?.with_dns() {
        Ok(builder) => finish!(builder),
        Err(error) => {
            tracing::warn!(%error, "no resolver (/etc/resolv.conf): /dns addresses will not work");
            let nobody = dns::ResolverConfig::from_name_servers(Vec::new());
            finish!(transports()?.with_dns_config(nobody, dns::ResolverOpts::default()))
        }
    })
}
