//! One node's whole protocol state: [`Station`].
//!
//! Level 5; it only composes. What it knows of feeds, letters, timers and streams lives in the
//! leaves below it; how the pieces meet stands in its own rooms: `hear` (envelopes that come),
//! `open` (letters and receipts in them), `send` (what people say), `sender_keys` (one piece in
//! place of stanzas), `pair` (receipts and other pair-lane envelopes), `meet` (peers), `spread`
//! (documents), `pull` (catch-up), `voice` (may we speak?), `clock` (is ours right?), `past`
//! (restore), `snapshot` (a restore as bytes), `letgo` (what may be let go), `people` (checks,
//! incidents), `proof` (authors that wrote twice), `view` (questions that people ask). Called by
//! `node/src/runtime.rs` and by the simulator, by nobody else.

mod clock;
mod generations;
mod hear;
mod letgo;
mod meet;
mod office;
mod open;
mod pair;
mod past;
mod people;
mod planted;
mod proof;
mod pull;
mod regain;
mod reseal;
mod revoked;
mod send;
mod sender_keys;
mod snapshot;
mod spread;
mod twin;
mod view;
mod voice;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

pub use self::generations::Handover;
pub use self::past::RestoreError;
#[cfg(feature = "planted-faults")]
pub use self::planted::Fault;
pub use self::regain::{Correspondent, Report};
pub use self::snapshot::DumpError;
pub use self::view::{Addressee, ReopenError, Status};
pub use self::voice::{Heartbeat, Speaks};

use crate::accord::{Directory, Member, Role};
use crate::draft::Draft;
use crate::envelope::Envelope;
use crate::event::{Effects, Input, Speak};
use crate::feeds::Feeds;
use crate::id::{Digest, EnvelopeId, KeyId, LaneId, MsgId, StationId};
use crate::inbox::Inbox;
use crate::journal::{Record, RecordKind};
use crate::keys::StationKeys;
use crate::outbox::Outbox;
use crate::own;
use crate::people::{Checks, Incidents};
use crate::primitives::Entropy;
use crate::regain::{Campaign, Jobs};
use crate::schedule::{Schedule, Timer};
use crate::seal::Frame;
use crate::time::{Mono, Now, Timestamp};
use crate::wire::own::What;

use self::generations::Secrets;
use self::hear::{Rates, Verified};
use self::letgo::LetGo;
use self::meet::Meet;
use self::pair::Pairs;
#[cfg(not(feature = "planted-faults"))]
use self::planted::Fault;
use self::proof::Proofs;
use self::sender_keys::SenderKeys;
use self::spread::Spread;
use self::voice::Voice;

/// What a station is made of.
#[derive(Clone)]
pub struct Setup {
    /// Which station this is.
    pub me: StationId,
    /// Its keys; shared, because a restored station takes them again.
    pub keys: Arc<StationKeys>,
    /// The documents it starts from; later ones come from the journal and from peers.
    pub directory: Directory,
    /// The store's marker differs: another machine, or a copied folder.
    pub moved: bool,
    /// The store was restored from a backup whose newest record is of this time: what came later
    /// is asked for. May be given again at later starts; the journal knows what is done.
    pub restored: Option<Timestamp>,
}

/// One node's whole protocol state.
///
/// The shell makes one with [`Station::new`], gives it every record of its journal in order with
/// [`Station::restore`], performs the effects of [`Station::start`], and then runs this loop:
///
/// ```text
/// let effects = for each input that waits: station.handle(now, fresh entropy, input)
/// perform effects.verdicts
/// effects += station.settle(now, fresh entropy)
/// append effects.appends; sync once   (on failure: speak nothing, restore from the store)
/// perform effects.speaks in order
/// ```
///
/// and gives [`Input::Tick`] when [`Station::deadline`] is reached. Everything else is a question
/// and changes nothing.
pub struct Station {
    me: StationId,
    keys: Arc<StationKeys>,
    /// Short name of the key that we sign with.
    signs_with: KeyId,
    directory: Directory,
    moved: bool,
    restored: Option<Timestamp>,
    secrets: Secrets,
    feeds: Feeds,
    outbox: Outbox,
    inbox: Inbox,
    /// Drafts that wait until we may speak.
    waiting: BTreeMap<MsgId, Draft>,
    /// Envelopes to us that this batch brought, not opened yet.
    unopened: VecDeque<Envelope>,
    pairs: Pairs,
    let_go: LetGo,
    sender_keys: SenderKeys,
    meet: Meet,
    rates: Rates,
    beacon_rates: Rates,
    verified: Verified,
    spread: Spread,
    /// What is asked for after a loss.
    campaign: Option<Campaign>,
    /// The inbox's last number when the station began.
    held_at_start: u64,
    /// An earlier loss still lacked something when we started.
    lacked_at_start: bool,
    /// Own envelopes of which the journal knows nothing else.
    unclaimed: BTreeSet<EnvelopeId>,
    /// Letters to be sealed again.
    jobs: Jobs,
    resealing: bool,
    voice: Voice,
    schedule: Schedule,
    /// Letters that are not said again because they expired.
    expired: BTreeSet<(MsgId, StationId)>,
    /// What people found out about the keys of others.
    checks: Checks,
    incidents: Incidents,
    /// Authors that wrote twice.
    proofs: Proofs,
    #[cfg(feature = "planted-faults")]
    fault: Option<Fault>,
}

/// One call into the station: its time, its chance, and what it asks the shell to do.
struct Turn {
    now: Now,
    entropy: Entropy,
    effects: Effects,
}

impl Turn {
    fn new(now: Now, entropy: &[u8; 32]) -> Self {
        Self { now, entropy: Entropy::new(entropy), effects: Effects::default() }
    }

    fn speak(&mut self, speak: Speak) {
        self.effects.speaks.push(speak);
    }
}

impl Station {
    /// A station without a past.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let mut station = Self {
            me: setup.me,
            signs_with: setup.keys.sign.public().id(),
            keys: setup.keys,
            directory: setup.directory,
            moved: setup.moved,
            restored: setup.restored,
            secrets: Secrets::default(),
            feeds: Feeds::default(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            waiting: BTreeMap::new(),
            unopened: VecDeque::new(),
            pairs: Pairs::default(),
            let_go: LetGo::default(),
            sender_keys: SenderKeys::default(),
            meet: Meet::default(),
            rates: Rates::default(),
            beacon_rates: Rates::default(),
            verified: Verified::default(),
            spread: Spread::default(),
            campaign: None,
            held_at_start: 0,
            lacked_at_start: false,
            unclaimed: BTreeSet::new(),
            jobs: Jobs::default(),
            resealing: false,
            voice: Voice::default(),
            schedule: Schedule::default(),
            expired: BTreeSet::new(),
            checks: Checks::default(),
            incidents: Incidents::default(),
            proofs: Proofs::default(),
            #[cfg(feature = "planted-faults")]
            fault: None,
        };
        station.refresh_secrets();
        station
    }

    /// The store's marker differs, as [`Setup::moved`] says; for a shell that knows only after the last
    /// [`Station::restore`].
    pub const fn note_moved(&mut self) {
        self.moved = true;
    }

    /// Begins: once, after the last [`Station::restore`].
    pub fn start(&mut self, now: Now, entropy: &[u8; 32]) -> Effects {
        let mut turn = Turn::new(now, entropy);
        self.meet.begin_at(turn.entropy.below(u64::MAX / 2));
        self.meet.started = turn.now.mono;
        turn.speak(Speak::Membership);
        self.held_at_start = self.inbox.last();
        self.lacked_at_start = self.lacks_something();
        self.take_up_business(&mut turn);
        self.take_up_accusations(&mut turn);
        self.find_voice(&mut turn);
        self.heed_revocations(&mut turn);
        turn.effects
    }

    /// Takes one input. Never fails; what cannot be done is answered in words.
    pub fn handle(&mut self, now: Now, entropy: &[u8; 32], input: Input) -> Effects {
        let mut turn = Turn::new(now, entropy);
        self.feel_clock(&mut turn);
        match input {
            Input::Submit { token, draft } => {
                let result = self.submit(&mut turn, *draft);
                turn.speak(Speak::Reply { token, result });
            }
            Input::Act { token, msg, act, by, signed } => {
                let result = self.act(&mut turn, msg, act, &by, signed);
                turn.speak(Speak::Reply { token, result });
            }
            Input::Checked { token, checked } => {
                let result = self.check(&mut turn, *checked);
                turn.speak(Speak::Reply { token, result });
            }
            Input::Strangers { refused } => self.strangers(&mut turn, refused),
            Input::Heard { from, token, bytes } => {
                let verdict = self.hear(&mut turn, from, bytes);
                turn.effects.verdicts.push((token, verdict));
                self.misjudge(&mut turn, token, verdict);
            }
            Input::Linked { peer } => self.meet(&mut turn, peer),
            Input::Unlinked { peer } => self.part_from(&mut turn, peer),
            Input::Asked { peer, token, bytes } => self.asked(&mut turn, peer, token, &bytes),
            Input::Answered { peer, id, answer } => self.answered(&mut turn, peer, id, answer),
            Input::Documents { token, documents } => {
                let results = self.publish_documents(&mut turn, &documents);
                turn.speak(Speak::Documents { token, results });
            }
            Input::Recalled { msg: Some(msg), about, envelope } => {
                self.recalled(&mut turn, msg, &about, envelope);
            }
            Input::Recalled { msg: None, envelope, .. } => {
                self.accusation_recalled(&mut turn, envelope);
            }
            Input::Tick => self.tick(&mut turn),
        }
        turn.effects
    }

    /// Opens what the batch brought and says what is due for it. Once per batch, after its verdicts
    /// were performed, so that forwarding waits neither for decryption nor for the disk.
    pub fn settle(&mut self, now: Now, entropy: &[u8; 32]) -> Effects {
        let mut turn = Turn::new(now, entropy);
        while let Some(envelope) = self.unopened.pop_front() {
            self.open(&mut turn, &envelope);
        }
        self.forget_links();
        self.say_receipts(&mut turn);
        turn.effects
    }

    /// When [`Input::Tick`] is wanted next.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        self.schedule.next().unwrap_or(Mono(u64::MAX))
    }

    fn tick(&mut self, turn: &mut Turn) {
        while let Some(timer) = self.schedule.pop(turn.now.mono) {
            match timer {
                Timer::Retry(msg, station) => self.repeat(turn, msg, station),
                Timer::PairDial(envelope) => self.dial_for_pair(turn, envelope),
                Timer::PairSpread(envelope) => self.spread_pair(turn, envelope),
                Timer::Receipts => self.pairs.ripen(),
                Timer::Beacon => self.beacon(turn),
                Timer::Reconcile => self.reconcile(turn),
                Timer::Locked => self.ask_for_locked(turn),
                Timer::Voice => self.listen(turn),
                Timer::Regain => self.ask_again(turn),
                Timer::Reseal => self.reseal_next(turn),
                Timer::Mend => self.mend_later(turn),
                Timer::Questions => self.give_up_questions(turn),
            }
        }
    }

    /// Whether our role carries letters at all.
    fn carries(&self) -> bool {
        self.directory.member(&self.me).is_some_and(|m| m.role == Role::State)
    }

    /// A member that speaks on message lanes.
    fn state(&self, id: &StationId) -> Option<&Member> {
        self.directory.member(id).filter(|m| m.role == Role::State)
    }

    /// Every station of role STATE, ours among them.
    fn stations(&self) -> impl Iterator<Item = StationId> + '_ {
        self.directory.members().filter(|m| m.role == Role::State).map(|m| m.id)
    }

    /// The accord-wide lane.
    fn main_lane(&self) -> Option<LaneId> {
        self.directory.group(crate::accord::ALL).map(|group| group.lane)
    }

    /// What we decide of the next header on a lane.
    fn frame(&self, turn: &Turn, lane: LaneId) -> Frame {
        let incarnation = self.voice.incarnation.unwrap_or(crate::id::Incarnation([0; 16]));
        let feed = crate::id::FeedId { author: self.me, incarnation, lane };
        let state = self.feeds.get(&feed);
        Frame {
            network: self.directory.network(),
            accord_version: self.directory.accord_version(),
            lane,
            author: self.me,
            incarnation,
            seq: state.map_or(1, |f| f.mark() + 1),
            prev: state.and_then(|f| f.head()).map_or(Digest([0; 32]), |head| Digest(head.0)),
            made_at: turn.now.wall,
        }
    }

    /// Books an envelope of our own: into the feed and into the journal.
    fn keep_own(&mut self, turn: &mut Turn, envelope: &Envelope) {
        let header = envelope.header();
        self.feeds.at(envelope.feed()).take(header.seq, envelope.id(), header.prev);
        self.voice.newest = self.voice.newest.max(header.made_at);
        self.keep(turn, envelope);
    }

    /// Appends an envelope as it came.
    fn keep(&self, turn: &mut Turn, envelope: &Envelope) {
        let salt = turn.entropy.bytes();
        let bytes = envelope.bytes().clone();
        turn.effects.appends.push(Record { kind: RecordKind::Envelope, salt, bytes });
    }

    /// The wall clock where it is trusted: `None` lets nothing expire.
    fn trusted(&self, now: Now) -> Option<Timestamp> {
        (self.voice.trusted || self.planted(Fault::ExpiredInDoubt)).then_some(now.wall)
    }

    /// Appends an own event, under the archive key.
    fn note(&self, turn: &mut Turn, msg: Option<MsgId>, what: What) {
        let record = own::seal(&self.keys.archive, &mut turn.entropy, msg, what);
        turn.effects.appends.push(record);
    }
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// An id out of an own record, whose lengths we wrote ourselves.
fn id16<T>(bytes: &Bytes, read: impl Fn(&[u8]) -> Option<T>) -> Result<T, RestoreError> {
    read(bytes).ok_or(RestoreError::Form)
}
