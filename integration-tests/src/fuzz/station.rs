//! `Station::handle` with hostile sequences: a real station in a small accord whose other members are
//! played by the input, with keys that are really theirs.
//!
//! The input is a program: envelopes that are heard, questions, answers to the station's own questions,
//! links, documents, its people's letters and acts, time that passes, power that goes, a disk that went
//! back. After every batch the effects are looked at; at each restart the journal must restore, and the
//! station must be the one that it was.

mod claims;
mod foe;
mod watch;

use std::collections::BTreeMap;

use bytes::Bytes;
use cbm_proto::envelope::Envelope;
use cbm_proto::event::{Act, Effects, Input as Given, Officer, RequestId, Speak, Token};
use cbm_proto::id::{EnvelopeId, MsgId, StationId};
use cbm_proto::journal::{Record, RecordKind};
use cbm_proto::people::{Checked, authority};
use cbm_proto::station::{Fault, Setup, Speaks, Station};
use cbm_proto::terms::{Method, Outcome, Reason};
use cbm_proto::time::{HOUR, MINUTE, Mono, Now, SECOND, Timestamp};

use super::input::Input;
use super::world::world;
use foe::{Foe, Sight};
use watch::{Expected, Watch};

/// Steps of one input at most.
const STEPS: usize = 64;
/// The wall clock when the station's own begins.
const BEGINNING: u64 = 1_800_000_000_000;
/// What the station said that foes remember.
const SAID_MAX: usize = 64;

/// How far a program came, to see that programs come anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Letters in the inbox at the end.
    pub shown: usize,
    /// Letters of its people.
    pub sent: usize,
    /// Feeds of others that it holds something of.
    pub feeds: usize,
    /// Rows of incidents.
    pub incidents: usize,
    /// Documents beyond the founded ones.
    pub documents: usize,
}

/// Runs the program; see the module's words.
pub(super) fn station(data: &[u8]) {
    play(data, None);
}

/// The same, with a fault in the station that the checks should find.
///
/// # Panics
/// Something does not hold.
pub fn play(data: &[u8], fault: Option<Fault>) -> Reach {
    let mut input = Input::new(data);
    let mut room = Room::new(fault);
    room.wait(35 * SECOND);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        room.step(&mut input);
    }
    room.settle();
    room.look_over();
    room.restart(0, 0);
    room.wait(40 * SECOND);
    room.look_over();
    Reach {
        shown: room.station.inbox().count(),
        sent: room.station.sent().count(),
        feeds: room.station.feeds().iter().count(),
        incidents: room.station.incidents().iter().count(),
        documents: room.station.directory().documents().len() - world().founded.documents.len(),
    }
}

/// The station, its disk, and everybody else.
struct Room {
    station: Station,
    journal: Vec<Record>,
    batch: Effects,
    expected: Expected,
    watch: Watch,
    foe: Foe,
    said: Vec<Bytes>,
    open: Vec<(StationId, RequestId)>,
    later: Vec<Given>,
    ms: u64,
    wall: u64,
    draws: u64,
    tokens: u64,
    fault: Option<Fault>,
}

impl Room {
    fn new(fault: Option<Fault>) -> Self {
        let mut room = Self {
            station: world().station(0),
            journal: Vec::new(),
            batch: Effects::default(),
            expected: Expected::default(),
            watch: Watch::default(),
            foe: Foe::default(),
            said: Vec::new(),
            open: Vec::new(),
            later: Vec::new(),
            ms: 1_000,
            wall: BEGINNING,
            draws: 0,
            tokens: 0,
            fault,
        };
        room.start();
        room
    }

    fn now(&self) -> Now {
        Now { wall: Timestamp(self.wall + self.ms), mono: Mono(self.ms) }
    }

    fn entropy(&mut self) -> [u8; 32] {
        self.draws += 1;
        let mut out = [0x33; 32];
        out[..8].copy_from_slice(&self.draws.to_be_bytes());
        out
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    fn start(&mut self) {
        if let Some(fault) = self.fault {
            self.station.plant(fault);
        }
        let (now, entropy) = (self.now(), self.entropy());
        let effects = self.station.start(now, &entropy);
        self.batch.absorb(effects);
        self.settle();
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let what = input.below(16);
        match what {
            0..=4 => self.heard(input),
            5 | 6 => self.asked(input),
            7 | 8 => self.answered(input),
            9 => self.linked(input),
            10 => self.documents(input),
            11 => self.people(input),
            12 | 13 => {
                let waits = [5, 300, 3 * SECOND, 20 * SECOND, MINUTE, 10 * MINUTE, 2 * HOUR];
                self.wait(waits[input.below(waits.len())]);
            }
            14 => self.restart(input.byte(), input.below(6)),
            _ => self.others(input),
        }
        // Now and then several inputs make one batch.
        if input.byte() & 3 != 3 {
            self.settle();
        }
    }

    /// Draws with the foes, who see what the station said.
    fn foes<T>(&mut self, draw: impl FnOnce(&mut Foe, &Sight<'_>) -> T) -> T {
        let sent = self.station.sent().filter_map(|(msg, letter)| {
            letter.envelope.map(|envelope| (msg, envelope, letter.content_root))
        });
        let sent: Vec<_> = sent.take(16).collect();
        let incarnation = self.station.incarnation();
        let sight = Sight { now: self.now().wall, said: &self.said, sent: &sent, incarnation };
        draw(&mut self.foe, &sight)
    }

    fn heard(&mut self, input: &mut Input<'_>) {
        let from = world().id(1 + input.below(3));
        let bytes = self.foes(|foe, sight| foe.message(input, sight));
        let token = self.token();
        self.expected.verdicts.insert(token);
        self.give(Given::Heard { from, token, bytes });
    }

    fn asked(&mut self, input: &mut Input<'_>) {
        let at = 1 + input.below(3);
        let peer = world().id(at);
        let bytes = self.foes(|foe, sight| claims::ask(input, foe, sight));
        let token = self.token();
        self.expected.answers.insert(token, at == 3);
        self.give(Given::Asked { peer, token, bytes });
    }

    fn answered(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.open.len().max(1));
        let open = (at < self.open.len()).then(|| self.open.remove(at));
        let (peer, id) = open.unwrap_or((world().id(1), RequestId(input.number::<1>())));
        let answer = self.foes(|foe, sight| claims::say(input, foe, sight));
        self.watch.answered(id);
        self.give(Given::Answered { peer, id, answer });
    }

    fn linked(&mut self, input: &mut Input<'_>) {
        let peer = world().id(1 + input.below(3));
        if input.byte() & 3 == 0 {
            self.give(Given::Unlinked { peer });
        } else if self.station.directory().member(&peer).is_some() {
            self.watch.linked.insert(peer);
            self.give(Given::Linked { peer });
        }
    }

    fn documents(&mut self, input: &mut Input<'_>) {
        let count = 1 + input.below(4);
        let documents: Vec<Bytes> = (0..count).map(|_| claims::document(input)).collect();
        let token = self.token();
        self.expected.documents.insert(token, count);
        self.give(Given::Documents { token, documents });
    }

    /// The station's own people.
    fn people(&mut self, input: &mut Input<'_>) {
        let token = self.token();
        self.expected.replies.insert(token);
        let draft = Box::new(foe::draft(input));
        let inbox: Vec<MsgId> = self.station.inbox().map(|letter| letter.msg).collect();
        let Some(msg) = foe::one(input, &inbox).copied().filter(|_| input.byte() & 1 == 1) else {
            return self.give(Given::Submit { token, draft });
        };
        let text = "noted".to_owned();
        let act = match input.below(4) {
            0 => Act::Show,
            1 => Act::Ack { outcome: Some(Outcome::Accepted), text },
            2 => Act::Decline { reason: Reason::ALL[0], text },
            _ => Act::Reply { draft },
        };
        let by = Officer { name: "O. Officer".into(), office: "Duty desk".into() };
        self.give(Given::Act { token, msg, act, by, signed: None });
    }

    fn others(&mut self, input: &mut Input<'_>) {
        match input.below(4) {
            0 => self.give(Given::Strangers { refused: input.number::<8>() }),
            // A clock that somebody set, within four months.
            1 => self.wall = BEGINNING - (60 << 24) + input.number::<4>(),
            2 => {
                let party = world().party(input.below(4)).clone();
                let keys = authority(self.station.directory(), &party);
                let token = self.token();
                self.expected.replies.insert(token);
                let (id, at) = (MsgId([input.byte(); 16]), self.now().wall);
                let (method, agreed) = (Method::InPerson, input.byte() & 1 == 0);
                let checked = Checked { id, party, keys, method, agreed, by: "A".into(), at };
                self.give(Given::Checked { token, checked: Box::new(checked) });
            }
            _ => self.give(Given::Tick),
        }
    }

    fn give(&mut self, given: Given) {
        let (now, entropy) = (self.now(), self.entropy());
        let effects = self.station.handle(now, &entropy, given);
        self.batch.absorb(effects);
    }

    /// Time passes; the station is called when it wants to be.
    fn wait(&mut self, ms: u64) {
        self.settle();
        let until = self.ms + ms;
        for _ in 0..200 {
            let due = self.station.deadline().0.max(self.ms);
            if due > until {
                break;
            }
            self.ms = due;
            self.give(Given::Tick);
            self.settle();
            assert!(self.station.deadline().0 > self.ms, "a tick that is due again at once");
        }
        self.ms = until;
    }

    /// The end of a batch: settle, append, speak.
    fn settle(&mut self) {
        for given in std::mem::take(&mut self.later) {
            self.give(given);
        }
        let (now, entropy) = (self.now(), self.entropy());
        let settled = self.station.settle(now, &entropy);
        assert!(settled.verdicts.is_empty(), "a verdict after the verdicts");
        self.batch.absorb(settled);
        let batch = std::mem::take(&mut self.batch);
        let expected = std::mem::take(&mut self.expected);
        expected.met(&batch);
        for record in batch.appends {
            self.watch.appended(&record);
            self.journal.push(record);
        }
        for speak in batch.speaks {
            self.watch.said(&speak, self.ms);
            self.perform(speak);
        }
        self.watch.linked.clone_from(self.station.linked());
    }

    fn perform(&mut self, speak: Speak) {
        match speak {
            Speak::Publish { bytes, .. } if self.said.len() < SAID_MAX => self.said.push(bytes),
            Speak::Request { peer, id, .. } => self.open.push((peer, id)),
            Speak::Push { peer, id, envelope } => {
                self.open.push((peer, id));
                self.said.extend(self.envelope(&envelope).filter(|_| self.said.len() < SAID_MAX));
            }
            Speak::Recall { msg, envelope } => {
                let named = |r: &&Record| {
                    r.kind.is_own() && msg.is_some_and(|msg| r.bytes.starts_with(&msg.0))
                };
                let about = self.journal.iter().filter(named).cloned().collect();
                let envelope = self.envelope(&envelope);
                self.later.push(Given::Recalled { msg, about, envelope });
            }
            Speak::Hangup { peer } => self.later.push(Given::Unlinked { peer }),
            _ => {}
        }
    }

    fn envelope(&self, id: &EnvelopeId) -> Option<Bytes> {
        let all = self.journal.iter().filter(|r| r.kind == RecordKind::Envelope);
        let mut found = all.filter_map(|r| Envelope::decode(r.bytes.clone()).ok());
        found.find(|envelope| envelope.id() == *id).map(|envelope| envelope.bytes().clone())
    }

    /// The power goes, with what was not settled. How: 0 it comes back as it was, 1 the folder was
    /// moved, 2 the disk went back by some records and is known to come from a backup.
    fn restart(&mut self, how: u8, lost: usize) {
        (self.batch, self.expected) = (Effects::default(), Expected::default());
        (self.open, self.later) = (Vec::new(), Vec::new());
        let how = how % 3;
        // What was handled and not settled is not on the disk, so there is nothing to compare.
        let before = (how != 2).then(|| self.on_disk());
        if how == 2 {
            self.journal.truncate(self.journal.len() - lost.min(self.journal.len()));
        }
        self.watch.restarted(&self.journal);
        let restored = (how == 2).then(|| self.now().wall);
        self.station = self.restored_as(how == 1, restored);
        if let Some(before) = before {
            assert_eq!(summary(&self.station), summary(&before), "restored to somebody else");
        }
        self.start();
    }

    fn on_disk(&self) -> Station {
        self.restored_as(false, None)
    }

    fn restored_as(&self, moved: bool, restored: Option<Timestamp>) -> Station {
        let (_, me, keys) = &world().stations[0];
        let directory = world().directory.clone();
        let keys = keys.clone();
        let mut station = Station::new(Setup { me: *me, keys, directory, moved, restored });
        for record in &self.journal {
            station.restore(record).expect("its own journal restores");
        }
        station
    }

    /// After a settled batch: what the disk says is what the station believes, and every letter in the
    /// inbox was written by somebody, once, and opens again.
    fn look_over(&mut self) {
        assert_eq!(summary(&self.on_disk()), summary(&self.station), "the disk says otherwise");
        self.watch.feeds(&self.station);
        let mut seen = BTreeMap::new();
        for letter in self.station.inbox() {
            let written = (letter.party.clone(), letter.msg, letter.status);
            assert!(self.foe.letters.contains(&written), "a letter that nobody wrote: {letter:?}");
            let twice = seen.insert((letter.party.clone(), letter.msg), letter.envelope);
            assert!(twice.is_none(), "shown twice: {letter:?}");
            let named = |r: &&Record| r.kind.is_own() && r.bytes.starts_with(&letter.msg.0);
            let about: Vec<Record> = self.journal.iter().filter(named).cloned().collect();
            let bytes = self.envelope(&letter.envelope).expect("the envelope of a letter");
            if seen.len() < 4 && self.station.inbox().filter(|l| l.msg == letter.msg).count() == 1 {
                self.station.reopen(&about, bytes).expect("a letter that was shown opens again");
            }
        }
        if self.station.speaks() == Speaks::Yes {
            assert!(self.station.incarnation().is_some());
        }
    }
}

/// What a restart may not change.
fn summary(station: &Station) -> Vec<String> {
    let inbox = station.inbox().map(|l| {
        let (msg, party, status, number) = (l.msg, &l.party, l.status, l.number);
        format!("{number}: {msg:?} of {party} {status} {:?} {:?} {}", l.level, l.envelope, l.info)
    });
    let sent = station.sent().map(|(msg, letter)| {
        let owed = letter.owed.iter().map(|(id, owed)| format!("{id:?} {:?}", owed.level));
        format!("{msg:?} {:?} {:?}", letter.envelope, owed.collect::<Vec<_>>())
    });
    let directory = format!("{:?}", station.directory().view_digest());
    inbox.chain(sent).chain([directory]).collect()
}
