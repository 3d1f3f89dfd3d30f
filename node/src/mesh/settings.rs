//! Every number of the mesh, and the gossip settings made of them.
//!
//! Invariants: queues, counts and times of the mesh are bounded by the constants here; the
//! relations between them that gossipsub does not check itself are checked when this file is
//! compiled or when a configuration is built. Called by `swarm` and `task`.

use std::time::Duration;

use cbm_proto::{
    event::Topic,
    id::{LaneId, NetworkId, hex},
    limits::{EVIDENCE_ASKED_PER_PEER, FRAME_MAX, GOSSIP_FRAME_MAX, GOSSIP_MAX, WANT_WAIT},
    primitives::digest,
};
use libp2p::gossipsub;

/// Events handed to the shell and not taken yet. Few, because turns between the peers are given
/// before this line and not within it.
pub(super) const EVENTS: usize = 16;
/// Commands waiting for the mesh. Full: the shell waits; the mesh always drains them.
pub(super) const COMMANDS: usize = 256;
/// Messages and questions of one peer that wait for their turn. Full: a further message counts as
/// ignored and comes by catch-up, a further question gets no answer. A peer that keeps to
/// [`ASKED_PER_PEER`] fills a sixteenth with questions.
pub(super) const LINE: usize = 1_024;
/// The same in bytes, four of the largest frames.
pub(super) const LINE_BYTES: usize = 4 * FRAME_MAX;
/// What waits for the shell, all peers. Full: the swarm is not polled until there is room, so that
/// neighbours feel it as back-pressure; commands are still taken, or both sides would wait, and what
/// becomes of them is not told above it: it ends by the asker's own time limit.
pub(super) const BACKLOG: usize = 4 * LINE;
/// The same in bytes.
pub(super) const BACKLOG_BYTES: usize = 8 * LINE_BYTES;
/// Heard messages that wait for their verdict. Full: the oldest counts as ignored, as gossipsub
/// would forget it after `HISTORY_LENGTH` heartbeats anyway.
pub(super) const VERDICTS_WAITING: usize = 4_096;
/// Questions of others that wait for our answer. Full: the oldest stream is dropped, which its
/// asker sees as a failure.
pub(super) const ANSWERS_WAITING: usize = 1_024;
/// Our questions under way or waiting their turn, all peers. Full: a further one is answered with
/// nothing.
pub(super) const REQUESTS_WAITING: usize = 2_048;
/// Our questions under way to one peer. Full: further ones wait their turn.
pub(super) const ASKED_PER_PEER: usize = 64;
/// Questions for evidence that wait for their turn, all peers. Full: a further one gets no answer.
pub(super) const FETCHES_WAITING: usize = 256;
/// Questions for evidence of others that wait for our answer. Full: the oldest stream is dropped.
pub(super) const GIVES_WAITING: usize = 64;
/// Streams of evidence at once on one connection, both directions. Times `FRAME_MAX` this is what one
/// hostile member can make us hold: 8 MiB.
pub(super) const EVIDENCE_STREAMS: usize = 2 * EVIDENCE_ASKED_PER_PEER + 4;
/// An answer with evidence must come within this: the least that is asked for takes half a second at
/// 64 kbit/s, and letters go first.
pub(super) const EVIDENCE_WAIT: Duration = Duration::from_secs(30);
/// Streams of questions at once on one connection, both directions; libp2p drops what is above.
/// Ours, as many of the peer's, and some that end while others begin. Times `FRAME_MAX` this is
/// what one hostile member can make us hold: 160 MiB.
pub(super) const STREAMS_PER_LINK: usize = 2 * ASKED_PER_PEER + 32;
/// Publishes that found no subscriber, kept for the next one that subscribes. Full: the oldest
/// goes; the outbox holds it anyhow. Times `GOSSIP_MAX`: 22 MiB at the very most.
pub(super) const UNHEARD: usize = 64;
/// How long such a publish is kept.
pub(super) const UNHEARD_FOR: Duration = Duration::from_secs(10);

/// Handshakes under way that we did not begin, in sum.
pub(super) const PENDING: usize = 128;
/// The same from one source (an IPv4 address, an IPv6 /64), so that strangers behind one address
/// cannot take all of them.
pub(super) const PENDING_PER_SOURCE: usize = 16;
/// Dials under way.
pub(super) const DIALS: u32 = 64;
/// Connections with one peer: one, and room for two sides that dial at once.
pub(super) const LINKS_PER_PEER: u32 = 3;
/// Share of the machine's memory above which no connection is let in.
pub(super) const MEMORY_SHARE: f64 = 0.8;

/// Transport and security handshake must end within this.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(5);
/// A connection without any stream in use is closed after this.
pub(super) const IDLE: Duration = Duration::from_secs(600);
/// A connection on which nothing came for this many intervals of pings is closed. libp2p's ping
/// tells nothing of its first failure and waits 10 s for the stream of its second, so we count.
pub(super) const SILENT_PINGS: u32 = 3;
/// QUIC closes a connection on which nothing came for this many milliseconds.
pub(super) const QUIC_IDLE_MS: u32 = 4_000;
/// QUIC sends something at least this often.
pub(super) const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// A link that stood this long resets the back-off of its redial.
pub(super) const STEADY: Duration = Duration::from_secs(10);
/// Two connections with one peer made within this are two dials that crossed; a later one means
/// that the peer has lost the earlier one.
pub(super) const CROSSING: Duration = HANDSHAKE;
/// Of two stations the one with the higher id leaves the other time to dial: at most this.
pub(super) const COURTESY: Duration = Duration::from_secs(3);
/// Refusals are told at most this often.
pub(super) const REFUSALS_EVERY: Duration = Duration::from_secs(1);
/// An answer must come within this; the station gives up most of its questions before.
pub(super) const ANSWER_WAIT: Duration = Duration::from_millis(WANT_WAIT);
/// Members of each lane that are linked at least, where there are as many.
pub(super) const LINKS_PER_LANE: usize = 3;

/// Heartbeat of gossip.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A verdict must come within this many heartbeats (10 s), or nothing is forwarded.
const HISTORY_LENGTH: usize = 20;
/// Ids of so many heartbeats are offered to neighbours outside the mesh.
const HISTORY_GOSSIP: usize = 6;
/// Ids in one offer, and the bytes all control messages of one frame may take. The sender cuts by
/// the first and the receiver refuses by the second: an id costs `ID_LEN` + 2 bytes.
const OFFERED_IDS: usize = 1_000;
/// See `OFFERED_IDS`.
const CONTROL_BYTES: usize = 128 * 1024;
/// Length of a message id.
const ID_LEN: usize = 20;
/// Frames waiting for one neighbour; above it they are dropped and `SlowPeer` is told.
const QUEUE: usize = 512;
/// A message id is remembered this long.
const REMEMBER: Duration = Duration::from_secs(600);
/// Up to so many links a publish goes to every subscriber and not to the mesh alone.
const FLOOD_LINKS: usize = 64;
/// Topics of one peer, and topics in one of its announcements.
pub(super) const TOPICS_PER_PEER: usize = 1_024;

const _: () = assert!(OFFERED_IDS * (ID_LEN + 2) + 4_096 < CONTROL_BYTES);
const _: () = assert!(GOSSIP_MAX + 16 * 1024 <= GOSSIP_FRAME_MAX);
const _: () = assert!(TOPICS_PER_PEER * 96 <= CONTROL_BYTES);

/// How many neighbours a topic's mesh has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Degree {
    pub(super) outbound_min: usize,
    pub(super) low: usize,
    pub(super) n: usize,
    pub(super) high: usize,
}

impl Degree {
    /// The mesh for a network of about `members` stations.
    pub(super) const fn for_members(members: usize) -> Self {
        match members {
            0..=20 => Self { outbound_min: 1, low: 2, n: 4, high: 8 },
            21..=100 => Self { outbound_min: 2, low: 4, n: 6, high: 12 },
            _ => Self { outbound_min: 3, low: 6, n: 8, high: 14 },
        }
    }

    /// The relations that gossipsub assumes and does not check for its default mesh.
    pub(super) const fn holds(self) -> bool {
        self.outbound_min <= self.low
            && self.low <= self.n
            && self.n <= self.high
            && 2 * self.outbound_min <= self.n
    }
}

/// The gossip settings; the same for both meshes.
pub(super) fn gossip(members: usize, links: usize) -> Result<gossipsub::Config, String> {
    let degree = Degree::for_members(members);
    if !degree.holds() {
        return Err(format!("{degree:?} breaks outbound_min <= low <= n <= high"));
    }
    gossipsub::ConfigBuilder::default()
        .heartbeat_initial_delay(Duration::from_millis(200))
        .heartbeat_interval(HEARTBEAT)
        .history_length(HISTORY_LENGTH)
        .history_gossip(HISTORY_GOSSIP)
        .gossip_factor(0.25)
        .gossip_lazy(6)
        .mesh_outbound_min(degree.outbound_min)
        .mesh_n_low(degree.low)
        .mesh_n(degree.n)
        .mesh_n_high(degree.high)
        .flood_publish(links <= FLOOD_LINKS)
        .max_transmit_size(GOSSIP_FRAME_MAX)
        .max_publish_messages(500)
        .max_control_messages_sent(OFFERED_IDS)
        .max_control_message_size(CONTROL_BYTES)
        .connection_handler_queue_len(QUEUE)
        .publish_queue_duration(Duration::from_secs(10))
        .forward_queue_duration(Duration::from_secs(5))
        .idontwant_message_size_threshold(1_000)
        .idontwant_on_publish(true)
        .duplicate_cache_time(REMEMBER)
        .validate_messages()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(message_id)
        .build()
        .map_err(|error| error.to_string())
}

/// Digest of the topic and of all bytes: whoever wants a message's id must send that message.
/// An id read out of the message would let junk with the same id silence it.
pub(super) fn message_id(message: &gossipsub::Message) -> gossipsub::MessageId {
    let id = digest("gossip", &[message.topic.as_str().as_bytes(), &[0], &message.data]);
    gossipsub::MessageId::new(&id.as_bytes()[..ID_LEN])
}

/// Names of topics and streams. The network's id is in every one of them.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// For one network.
    pub(super) fn new(network: &NetworkId) -> Self {
        Self { prefix: format!("cbm/{}", hex(&network.as_bytes()[..8])) }
    }

    /// The stream of questions and answers.
    pub(super) fn ask(&self) -> String {
        format!("/{}/ask/1", self.prefix)
    }

    /// The stream of evidence.
    pub(super) fn evidence(&self) -> String {
        format!("/{}/evidence/1", self.prefix)
    }

    /// `cbm/<network>/v1/<lane>` or `cbm/<network>/v1/beacon`.
    pub(super) fn topic(&self, topic: Topic) -> gossipsub::IdentTopic {
        gossipsub::IdentTopic::new(match topic {
            Topic::Lane(lane) => format!("{}/v1/{lane}", self.prefix),
            Topic::Beacon => format!("{}/v1/beacon", self.prefix),
        })
    }

    /// The other way; `None` for any name that [`Names::topic`] does not make.
    pub(super) fn parse(&self, topic: &gossipsub::TopicHash) -> Option<Topic> {
        let rest = topic.as_str().strip_prefix(&self.prefix)?.strip_prefix("/v1/")?;
        let parsed = match rest {
            "beacon" => Topic::Beacon,
            lane => Topic::Lane(LaneId::from_hex(lane)?),
        };
        (self.topic(parsed).hash() == *topic).then_some(parsed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn every_degree_holds_what_gossipsub_does_not_check() {
        for members in 0..2_000 {
            assert!(Degree::for_members(members).holds(), "{members}");
        }
        assert!(!Degree { outbound_min: 1, low: 8, n: 2, high: 1 }.holds());
    }

    #[test]
    fn what_one_side_offers_the_other_side_reads() {
        let config = gossip(3, 40).unwrap();
        assert!(
            config.max_control_messages_sent() * (ID_LEN + 2) < config.max_control_message_size()
        );
        assert!(config.validate_messages() && !config.do_px());
        assert!(config.max_transmit_size() >= GOSSIP_MAX + 16 * 1024);
    }

    #[test]
    fn a_message_id_depends_on_every_byte_and_on_the_topic() {
        let names = Names::new(&NetworkId([7; 32]));
        let id = |topic, data: &[u8]| {
            message_id(&gossipsub::Message {
                source: None,
                data: data.to_vec(),
                sequence_number: None,
                topic: names.topic(topic).hash(),
            })
        };
        let lane = Topic::Lane(LaneId([1; 16]));
        assert_eq!(id(lane, b"same head, body").0.len(), ID_LEN);
        assert_eq!(id(lane, b"same head, body"), id(lane, b"same head, body"));
        assert_ne!(id(lane, b"same head, body"), id(lane, b"same head, junk"));
        assert_ne!(id(lane, b"same head, body"), id(Topic::Beacon, b"same head, body"));
    }

    #[test]
    fn topic_names_read_back_and_no_other_name_does() {
        let names = Names::new(&NetworkId([7; 32]));
        let lane = Topic::Lane(LaneId([0xab; 16]));
        assert_eq!(names.parse(&names.topic(lane).hash()), Some(lane));
        assert_eq!(names.parse(&names.topic(Topic::Beacon).hash()), Some(Topic::Beacon));
        let upper = format!("cbm/{}/v1/{}", "07".repeat(8), "AB".repeat(16));
        for bad in ["", "cbm/0707070707070707/v1/x", &upper, "cbm/0808080808080808/v1/beacon"] {
            assert_eq!(names.parse(&gossipsub::TopicHash::from_raw(bad)), None, "{bad}");
        }
    }
}
