//! What members make who keep none of the rules, with keys that are really theirs, and what peers claim.
//!
//! Everything is drawn from the input. What a foe made is remembered, so that it can be said again,
//! changed or spliced later, and so that a letter in the inbox can be told from one that nobody wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use bytes::Bytes;
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Draft, SendOptions};
use cbm_proto::envelope::{Envelope, Kind};
use cbm_proto::id::{Digest, EnvelopeId, Incarnation, LaneId, MsgId, NetworkId, PartyCode};
use cbm_proto::letter::{Letter, Origin};
use cbm_proto::primitives::Entropy;
use cbm_proto::receipt::{Entry as Receipted, Listed, Receipt, Resend};
use cbm_proto::seal::{self, Frame, PairSecret, Recipient};
use cbm_proto::terms::{Level, Status};
use cbm_proto::time::{DAY, HOUR, Timestamp};

use crate::fuzz::input::Input;
use crate::fuzz::world::world;

/// Envelopes that are remembered.
const MADE_MAX: usize = 64;

/// Where a foe's feed stands.
type Place = (usize, LaneId, Incarnation);

/// Mostly a state, sometimes the observer.
fn author(input: &mut Input<'_>) -> usize {
    [1, 2, 1, 2, 1, 2, 3][input.below(7)]
}

/// What was made so far, by all foes together.
#[derive(Default)]
pub(super) struct Foe {
    feeds: BTreeMap<Place, (u64, Digest)>,
    pub(super) made: Vec<Bytes>,
    /// Letters that were sealed in order, with the status of each.
    pub(super) letters: BTreeSet<(PartyCode, MsgId, Status)>,
}

/// What the foes see of the station that they talk to.
pub(super) struct Sight<'a> {
    pub(super) now: Timestamp,
    pub(super) said: &'a [Bytes],
    pub(super) sent: &'a [(MsgId, EnvelopeId, Digest)],
    pub(super) incarnation: Option<Incarnation>,
}

/// One of a list, if it is not empty.
pub(super) fn one<'a, T>(input: &mut Input<'_>, list: &'a [T]) -> Option<&'a T> {
    list.get(input.below(list.len().min(256)))
}

/// The drafts that letters are made from: one of each type that people write, for AAA and CCC.
fn drafts() -> &'static [Draft] {
    static DRAFTS: OnceLock<Vec<Draft>> = OnceLock::new();
    DRAFTS.get_or_init(|| {
        let of = |info: &cbm_proto::catalogue::TypeInfo| {
            let options = SendOptions {
                to: vec![world().party(0).clone(), world().party(2).clone()],
                drafted_by: Some("A".into()),
                released_by: Some("B".into()),
                ..SendOptions::default()
            };
            let json = catalogue().template(info).to_string();
            let draft = Draft::from_json(&info.name, &json, options).ok();
            draft.filter(|draft| draft.check().is_ok())
        };
        catalogue().types().iter().filter_map(of).collect()
    })
}

/// The draft of this number, for people of the station itself.
pub(super) fn draft(input: &mut Input<'_>) -> Draft {
    let mut draft = drafts()[input.below(drafts().len())].clone();
    let to = 1 + input.below(3);
    draft.header.0.to_action = vec![world().party(to).to_string()];
    draft
}

/// What two stations share.
pub(super) fn pair(one: usize, other: usize) -> &'static PairSecret {
    static PAIRS: OnceLock<Vec<PairSecret>> = OnceLock::new();
    let world = world();
    let all = PAIRS.get_or_init(|| {
        let of = |at: usize| {
            let (mine, theirs) = (&world.keys(at / 4).epoch, world.keys(at % 4).epoch.public());
            PairSecret::new(mine, theirs, &world.founded.network)
        };
        (0..16).map(of).collect()
    });
    &all[one * 4 + other]
}

impl Foe {
    /// Bytes for gossip, a push or an answer.
    pub(super) fn message(&mut self, input: &mut Input<'_>, sight: &Sight<'_>) -> Bytes {
        let made = match input.below(10) {
            0 => one(input, &self.made).cloned(),
            1 => one(input, sight.said).cloned(),
            2 => Some(Bytes::copy_from_slice(input.piece())),
            3 => self.open(input, sight, Kind::Beacon),
            4 => self.open(input, sight, Kind::Statement),
            5 => self.receipt(input, sight),
            6 => self.resend(input, sight),
            _ => self.letter(input, sight),
        };
        let made = self.changed(input, made.unwrap_or_default());
        if self.made.len() < MADE_MAX && !made.is_empty() {
            self.made.push(made.clone());
        }
        made
    }

    fn changed(&self, input: &mut Input<'_>, bytes: Bytes) -> Bytes {
        match input.below(24) {
            0 if !bytes.is_empty() => {
                let mut changed = bytes.to_vec();
                let at = input.number::<2>() as usize % changed.len();
                changed[at] ^= input.byte() | 1;
                changed.into()
            }
            1 => bytes.slice(..bytes.len() * input.below(256) / 256),
            2 => Envelope::decode(bytes.clone()).map_or(bytes, |envelope| envelope.without_body()),
            3 => {
                let other = one(input, &self.made).cloned().unwrap_or_default();
                let (head, tail) = (bytes.len().min(400), other.len().min(400));
                [&bytes[..head], &other[tail..]].concat().into()
            }
            _ => bytes,
        }
    }

    /// Mostly the next number of the author's feed; else another one, or a wrong predecessor.
    fn frame(
        &mut self,
        input: &mut Input<'_>,
        sight: &Sight<'_>,
        author: usize,
        pair_lane: bool,
    ) -> Frame {
        let world = world();
        let incarnation = Incarnation([1 + input.below(3) as u8; 16]);
        let lane = match input.below(16) {
            0 => LaneId([input.byte(); 16]),
            1 => pair(author, 0).pair_lane(&incarnation),
            _ if pair_lane => pair(author, 0).pair_lane(&incarnation),
            _ => world.lane(),
        };
        let (last, head) =
            self.feeds.get(&(author, lane, incarnation)).copied().unwrap_or((0, Digest([0; 32])));
        let (seq, prev) = match input.below(16) {
            0 => (last.max(1), head),
            1 => (last + 2 + u64::from(input.byte()), Digest([7; 32])),
            2 => (u64::MAX - input.number::<1>(), Digest([7; 32])),
            3 => (last + 1, Digest([8; 32])),
            4 => (1, Digest([0; 32])),
            _ => (last + 1, head),
        };
        let made_at = match input.below(12) {
            0 => Timestamp(0),
            1 => sight.now.plus(HOUR),
            2 => Timestamp(sight.now.0.saturating_sub(40 * DAY)),
            3 => Timestamp(253_402_300_799_000),
            _ => sight.now,
        };
        let network = if input.byte() == 1 { NetworkId([9; 32]) } else { world.founded.network };
        let accord_version = if input.byte() == 1 { 2 } else { 1 };
        let author_id = world.id(author);
        Frame { network, accord_version, lane, author: author_id, incarnation, seq, prev, made_at }
    }

    fn booked(&mut self, author: usize, envelope: &Envelope) -> Bytes {
        let header = envelope.header();
        if header.kind != Kind::Beacon {
            let place = (author, header.lane, header.incarnation);
            self.feeds.insert(place, (header.seq.min(u64::MAX - 512), Digest(envelope.id().0)));
        }
        envelope.bytes().clone()
    }

    fn open(&mut self, input: &mut Input<'_>, sight: &Sight<'_>, kind: Kind) -> Option<Bytes> {
        let author = author(input);
        let mut frame = self.frame(input, sight, author, false);
        let key = if input.byte() == 1 { 1 } else { author };
        let (body, sign) = (input.piece(), &world().keys(key).sign);
        let made = if kind == Kind::Beacon {
            (frame.seq, frame.prev) = (0, Digest([0; 32]));
            seal::beacon(&frame, body, sign)
        } else {
            seal::statement(&frame, body, sign)
        };
        made.ok().map(|envelope| self.booked(author, &envelope))
    }

    fn letter(&mut self, input: &mut Input<'_>, sight: &Sight<'_>) -> Option<Bytes> {
        let author = author(input);
        let draft = drafts()[input.below(drafts().len())].clone();
        let name = if input.byte() == 1 { 2 } else { author };
        let id = MsgId([0x40 + input.below(8) as u8; 16]);
        let origin = Origin { id, station: world().stations[name].0.clone(), at: sight.now };
        self.sealed(input, sight, author, &Letter::compose(draft, &origin), false)
    }

    fn receipt(&mut self, input: &mut Input<'_>, sight: &Sight<'_>) -> Option<Bytes> {
        let author = author(input);
        let mut entries = Vec::new();
        for _ in 0..input.below(4) {
            let unknown = (MsgId([1; 16]), EnvelopeId([2; 32]), Digest([3; 32]));
            let (of, mut digest, root) = one(input, sight.sent).copied().unwrap_or(unknown);
            if input.byte() == 1 {
                digest = EnvelopeId([4; 32]);
            }
            let level = Level::ALL[input.below(Level::ALL.len())];
            entries.push(Receipted::by_station(of, digest, root, level, sight.now));
        }
        let letter = Receipt::new(entries).letter(
            &self.origin(input, sight, author),
            world().party(0),
            Status::System,
        );
        self.sealed(input, sight, author, &letter, true)
    }

    fn resend(&mut self, input: &mut Input<'_>, sight: &Sight<'_>) -> Option<Bytes> {
        let author = author(input);
        let sent = one(input, sight.sent).map_or(MsgId([1; 16]), |sent| sent.0);
        let listed = |at: u8| Listed {
            msg: MsgId([0x40 + at % 8; 16]),
            made_at: sight.now,
            available: at & 8 == 0,
        };
        let resend = if input.byte() & 1 == 0 {
            let since = Timestamp(input.number::<6>());
            Resend::Ask { since, only: if input.byte() & 1 == 0 { Vec::new() } else { vec![sent] } }
        } else {
            let entries = input.piece().iter().take(20).map(|at| listed(*at)).collect();
            Resend::List { entries, more: input.byte() & 1 == 0 }
        };
        let letter =
            resend.letter(&self.origin(input, sight, author), world().party(0), Status::System);
        self.sealed(input, sight, author, &letter, true)
    }

    fn origin(&self, input: &mut Input<'_>, sight: &Sight<'_>, author: usize) -> Origin {
        let id = MsgId([0x80 + input.below(32) as u8; 16]);
        Origin { id, station: world().stations[author].0.clone(), at: sight.now }
    }

    /// Sealed by the author's own keys, mostly to AAA, mostly under the letter's own status.
    fn sealed(
        &mut self,
        input: &mut Input<'_>,
        sight: &Sight<'_>,
        author: usize,
        letter: &Letter,
        pair_lane: bool,
    ) -> Option<Bytes> {
        let world = world();
        let mut frame = self.frame(input, sight, author, pair_lane);
        if input.byte() == 1 {
            frame.incarnation = sight.incarnation.unwrap_or(frame.incarnation);
        }
        let own = letter.header.status()?;
        let status = if input.byte() == 1 { Status::Exercise } else { own };
        let mut to: Vec<usize> = if input.below(8) == 0 { vec![] } else { vec![0] };
        to.extend([1, 2].into_iter().filter(|at| *at != author && input.byte() & 1 == 1));
        let to: Vec<Recipient<'_>> = to
            .into_iter()
            .map(|at| Recipient { epoch: world.keys(at).epoch.public(), pair: pair(author, at) })
            .collect();
        let key = if input.byte() == 1 { 1 } else { author };
        let keys = world.keys(author);
        let mut entropy = Entropy::new(&[input.byte(); 32]);
        let parts = letter.parts(&mut entropy);
        let sign = &world.keys(key).sign;
        let made = seal::seal(&frame, status, &parts, &keys.epoch, &to, sign, &mut entropy).ok()?;
        self.letters.insert((world.party(author).clone(), letter.id(), status));
        Some(self.booked(author, &made.0))
    }
}
