//! What people ask a station. Nothing here changes anything.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::accord::Directory;
use crate::envelope::Envelope;
use crate::event::Topic;
use crate::feeds::Feeds;
use crate::id::{EnvelopeId, Incarnation, MsgId, PartyCode, StationId};
use crate::inbox::Received;
use crate::journal::{Record, RecordKind};
use crate::letter::Letter;
use crate::outbox::{Outgoing, Owed};
use crate::own;
use crate::receipt::{self, Course, Proof, State, Stated};
use crate::seal::{self, FileKey};
use crate::terms::{Level, Outcome, Precedence, Status as LetterStatus};
use crate::time::{Now, Timestamp};
use crate::wire::own::What;

use super::{Heartbeat, Speaks, Station};

/// One letter of ours and how far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The letter.
    pub msg: MsgId,
    /// Its type.
    pub type_name: String,
    /// Its precedence.
    pub precedence: Precedence,
    /// When it was taken from the sender.
    pub made_at: Timestamp,
    /// It waits until the station may speak.
    pub waits: bool,
    /// Each addressee station, in the order of their names.
    pub addressees: Vec<Addressee>,
}

/// One addressee station of a letter of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The station.
    pub id: StationId,
    /// Its party.
    pub party: PartyCode,
    /// Its short name.
    pub station: String,
    /// It gets a copy only.
    pub info: bool,
    /// Its keys were revoked: the letter is kept for it until it has others.
    pub silenced: bool,
    /// One of the five words.
    pub state: State,
    /// How far it came.
    pub level: Option<Level>,
    /// The outcome stated.
    pub outcome: Option<Outcome>,
    /// What an office stated with that level, and what its signature is worth; `None` where the
    /// station speaks by itself.
    pub stated: Option<(Stated, Proof)>,
    /// When that level was reached.
    pub at: Option<Timestamp>,
    /// The way it went: `direct`, `gossip`, `via EST/mfa`.
    pub path: Option<String>,
    /// When the next level is due.
    pub due_at: Option<Timestamp>,
    /// It is late, by a clock that is trusted.
    pub overdue: bool,
}

/// Why a letter cannot be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReopenError {
    /// No own record holds its key.
    #[error("the journal holds no key for this letter")]
    NoKey,
    /// The key and the envelope do not fit.
    #[error("the letter does not open from the archive; the journal may be damaged")]
    Damaged,
}

impl Station {
    /// Which station this is.
    #[must_use]
    pub fn me(&self) -> StationId {
        self.me
    }

    /// What it believes about others.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The topics that we take part in, each with the stations that may.
    #[must_use]
    pub fn topics(&self) -> BTreeMap<Topic, BTreeSet<StationId>> {
        let everyone = self.directory.members().map(|m| m.id).collect();
        let mut topics = BTreeMap::from([(Topic::Beacon, everyone)]);
        for group in self.directory.groups() {
            let members = self.directory.lane_members(&group.lane);
            if let Some(members) = members.filter(|members| members.contains(&self.me)) {
                topics.insert(Topic::Lane(group.lane), members.clone());
            }
        }
        topics
    }

    /// Whether it may speak.
    #[must_use]
    pub fn speaks(&self) -> Speaks {
        self.voice.speaks
    }

    /// Its incarnation, once it has one.
    #[must_use]
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.voice.incarnation
    }

    /// Whether its clock is trusted.
    #[must_use]
    pub fn clock_trusted(&self) -> bool {
        self.voice.trusted
    }

    /// What it holds of each feed.
    #[must_use]
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// The peers that are connected.
    #[must_use]
    pub fn linked(&self) -> &BTreeSet<StationId> {
        &self.meet.linked
    }

    /// The newest beacon of each peer.
    #[must_use]
    pub fn beacons(&self) -> &BTreeMap<StationId, Heartbeat> {
        &self.voice.beacons
    }

    /// What is carried for others, by id.
    pub fn carried(&self) -> impl Iterator<Item = &EnvelopeId> {
        self.pairs.carried()
    }

    /// The letters that we sent.
    pub fn sent(&self) -> impl Iterator<Item = (MsgId, Cow<'_, Outgoing>)> {
        self.outbox.iter()
    }

    /// The letters that we received, in the order in which they came.
    pub fn inbox(&self) -> impl Iterator<Item = Cow<'_, Received>> {
        self.inbox.iter()
    }

    /// How many letters we received, and how many we sent.
    #[must_use]
    pub fn letter_counts(&self) -> (u64, u64) {
        (self.inbox.last(), self.outbox.count())
    }

    /// The letters that came after the one numbered `after`, in the order in which they came.
    pub fn inbox_after(&self, after: u64) -> impl Iterator<Item = Cow<'_, Received>> {
        self.inbox.after(after)
    }

    /// A party's newest letters of a type that the directory rests on ([`crate::inbox::WATCHED`]),
    /// the last to come first.
    pub fn newest_from(
        &self,
        party: &PartyCode,
        kind: &'static str,
    ) -> impl Iterator<Item = Cow<'_, Received>> {
        self.inbox.newest(party, kind)
    }

    /// Our newest letters of a watched type ([`crate::outbox::WATCHED`]), the last one first.
    pub fn newest_sent(
        &self,
        kind: &'static str,
    ) -> impl Iterator<Item = (MsgId, Cow<'_, Outgoing>)> {
        self.outbox.newest(kind)
    }

    /// One letter that we received.
    #[must_use]
    pub fn received(&self, msg: &MsgId) -> Option<Cow<'_, Received>> {
        self.inbox.get(msg)
    }

    /// The envelope that carries a letter that we sent or received.
    #[must_use]
    pub fn envelope_of(&self, msg: &MsgId) -> Option<EnvelopeId> {
        let received = self.inbox.get(msg).map(|letter| letter.envelope);
        received.or_else(|| self.outbox.get(msg).and_then(|letter| letter.envelope))
    }

    /// How far a letter of ours came.
    #[must_use]
    pub fn status(&self, now: Now, msg: &MsgId) -> Option<Status> {
        let letter = self.outbox.get(msg)?;
        let mut addressees: Vec<Addressee> = letter
            .owed
            .iter()
            .filter_map(|(id, owed)| self.addressee(now, &letter, *id, owed))
            .collect();
        addressees.sort_by(|a, b| (&a.party, &a.station).cmp(&(&b.party, &b.station)));
        Some(Status {
            msg: *msg,
            type_name: letter.type_name.clone(),
            precedence: letter.precedence,
            made_at: letter.made_at,
            waits: letter.envelope.is_none(),
            addressees,
        })
    }

    fn addressee(&self, now: Now, o: &Outgoing, id: StationId, owed: &Owed) -> Option<Addressee> {
        let name = &self.directory.member(&id)?.name;
        let course = Course {
            level: owed.level,
            outcome: owed.outcome,
            wants: o.wants.filter(|_| !owed.info),
            precedence: o.precedence,
            sent_at: o.made_at,
            stored_at: owed.stored_at,
            reply_by: o.reply_by,
        };
        Some(Addressee {
            id,
            party: name.party().clone(),
            station: name.station().to_owned(),
            info: owed.info,
            silenced: !self.can_seal_to(&id),
            state: receipt::state(owed.level, owed.outcome, course.wants),
            level: owed.level,
            outcome: owed.outcome,
            stated: owed.stated.clone().map(|stated| {
                let proof = stated.proof(&self.directory);
                (*stated, proof)
            }),
            at: owed.at,
            path: owed.path.map(|path| self.path_in_words(path)),
            due_at: receipt::due_at(&course),
            overdue: receipt::overdue(&course, now.wall, self.voice.trusted),
        })
    }

    fn path_in_words(&self, path: crate::outbox::Path) -> String {
        match path {
            crate::outbox::Path::Via(id) => {
                self.directory.member(&id).map_or(path.to_string(), |m| format!("via {}", m.name))
            }
            crate::outbox::Path::Direct | crate::outbox::Path::Gossip => path.to_string(),
        }
    }

    /// Reads a letter again: `about` are the own records of it, `envelope` is the one that
    /// [`Station::envelope_of`] names.
    ///
    /// # Errors
    /// [`ReopenError`]: no key, or it does not fit.
    pub fn reopen(&self, about: &[Record], envelope: Bytes) -> Result<Letter, ReopenError> {
        let envelope = Envelope::decode(envelope).map_err(|_| ReopenError::Damaged)?;
        let wanted = &envelope.id().0[..];
        let key = |record: &Record| {
            let own = matches!(record.kind, RecordKind::Sent | RecordKind::Opened);
            let what = own.then(|| own::open(&self.keys.archive, record).ok()).flatten()?;
            let (id, key, status) = match what {
                What::Sent(own) => (own.envelope, own.file_key, own.status),
                What::Opened(own) => (own.envelope, own.file_key, own.status),
                _ => return None,
            };
            let key: [u8; 32] = key.as_ref().try_into().ok()?;
            (id == wanted).then_some((FileKey::from_bytes(&key), LetterStatus::from_code(status)?))
        };
        let (key, status) = about.iter().find_map(key).ok_or(ReopenError::NoKey)?;
        let opened = seal::open_with(&envelope, &key, status).map_err(|_| ReopenError::Damaged)?;
        Letter::from_parts(&opened.parts).map_err(|_| ReopenError::Damaged)
    }
}
