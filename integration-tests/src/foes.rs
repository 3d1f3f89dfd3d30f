//! Members that lie: a hostile station's kit.
//!
//! A [`Foe`] has the keys of a real member and builds whatever it likes with them: traffic that is
//! well-formed and signed, and breaks a rule of the protocol (two headers with one number, wrong
//! predecessors, spoiled stanzas, borrowed names), and bytes that are no traffic at all
//! ([`bombs`]). Nothing here sends anything: tests hand what it builds to stations in a hall
//! (`proto/tests/station/hall.rs`) or to machines of a simulated world. It frames its envelopes
//! itself, because the product refuses to make most of them. What each attempt meets stands in
//! `docs/foes.md`. Panics where the kit itself is used wrongly: it is called by tests alone.

pub mod bombs;
pub mod streams;

use std::sync::Arc;

use bytes::Bytes;
use cbm_proto::accord::{ALL, Directory, station_id};
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Draft, SendOptions};
use cbm_proto::envelope::{Envelope, Header, SIGN_DOMAIN, body_digest, stanzas_digest};
use cbm_proto::id::{
    Digest, FeedId, Incarnation, KeyId, LaneId, MsgId, NetworkId, StationId, StationName,
};
use cbm_proto::keys::StationKeys;
use cbm_proto::letter::{Letter, Origin};
use cbm_proto::part::Part;
use cbm_proto::primitives::{Entropy, SignSecret};
use cbm_proto::seal::{self, Frame, PairSecret, Recipient};
use cbm_proto::terms::Status;
use cbm_proto::time::Timestamp;

/// The incarnation under which foes write unless they say otherwise.
pub const INCARNATION: Incarnation = Incarnation([0xc; 16]);

fn must<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the foe's kit is used wrongly: {error:?}"),
    }
}

/// A member with real keys that breaks the rules.
#[derive(Clone)]
pub struct Foe {
    /// Its name.
    pub name: StationName,
    /// Its station.
    pub id: StationId,
    /// Its keys.
    pub keys: Arc<StationKeys>,
    /// The network that it writes for.
    pub network: NetworkId,
    /// The lane that it writes on: the accord-wide one unless changed.
    pub lane: LaneId,
    /// The incarnation that it writes under.
    pub incarnation: Incarnation,
}

/// What a foe changes of an envelope before it signs it again.
pub struct Bend<'a> {
    /// The header; digests of stanzas and body are not adjusted.
    pub header: &'a mut Header,
    /// The stanzas.
    pub stanzas: &'a mut Vec<u8>,
    /// The body.
    pub body: &'a mut Vec<u8>,
}

impl Bend<'_> {
    /// Makes the header name the parts as they are now.
    pub fn name_parts(&mut self) {
        self.header.body = body_digest(self.body);
        if !self.stanzas.is_empty() {
            self.header.stanzas = stanzas_digest(self.stanzas);
        }
    }
}

impl Foe {
    /// The member of this name.
    #[must_use]
    pub fn new(name: &StationName, keys: Arc<StationKeys>, directory: &Directory) -> Self {
        let network = directory.network();
        let Some(all) = directory.group(ALL) else { panic!("there is no group of all") };
        Self {
            id: station_id(&network, name),
            name: name.clone(),
            keys,
            network,
            lane: all.lane,
            incarnation: INCARNATION,
        }
    }

    /// The feed that it writes.
    #[must_use]
    pub const fn feed(&self) -> FeedId {
        FeedId { author: self.id, incarnation: self.incarnation, lane: self.lane }
    }

    /// Number 1 of its feed.
    #[must_use]
    pub const fn frame(&self, made_at: Timestamp) -> Frame {
        Frame {
            network: self.network,
            accord_version: 1,
            lane: self.lane,
            author: self.id,
            incarnation: self.incarnation,
            seq: 1,
            prev: Digest([0; 32]),
            made_at,
        }
    }

    /// The number after this envelope.
    #[must_use]
    pub fn after(&self, before: &Envelope, made_at: Timestamp) -> Frame {
        let seq = before.header().seq + 1;
        Frame { seq, prev: Digest(before.id().0), ..self.frame(made_at) }
    }

    /// An open, numbered envelope.
    #[must_use]
    pub fn statement(&self, frame: &Frame, body: &[u8]) -> Envelope {
        must(seal::statement(frame, body, &self.keys.sign))
    }

    /// Statements after one another, from number 1 or behind `before`, all of this body.
    #[must_use]
    pub fn chain(
        &self,
        before: Option<&Envelope>,
        body: &[u8],
        count: usize,
        at: Timestamp,
    ) -> Vec<Envelope> {
        let mut out: Vec<Envelope> = Vec::new();
        for _ in 0..count {
            let last = out.last().or(before);
            let frame = last.map_or_else(|| self.frame(at), |last| self.after(last, at));
            out.push(self.statement(&frame, body));
        }
        out
    }

    /// A beacon made at a time of its choice; nothing inside.
    #[must_use]
    pub fn beacon(&self, made_at: Timestamp) -> Bytes {
        let frame = Frame { seq: 0, ..self.frame(made_at) };
        must(seal::beacon(&frame, b"", &self.keys.sign)).bytes().clone()
    }

    /// What people might have written: an operator's note from a station of this name.
    #[must_use]
    pub fn note(&self, to: &[&str], msg: MsgId, at: Timestamp) -> Letter {
        let origin = Origin { id: msg, station: self.name.clone(), at };
        Letter::compose(draft("operator-note", to), &origin)
    }

    /// Seals a letter to stations with these keys.
    #[must_use]
    pub fn sealed(&self, frame: &Frame, to: &[&StationKeys], letter: &Letter) -> Envelope {
        let status = letter.header.status().unwrap_or(Status::Actual);
        self.sealed_as(status, frame, to, letter)
    }

    /// The same under a status of its choice.
    #[must_use]
    pub fn sealed_as(
        &self,
        status: Status,
        frame: &Frame,
        to: &[&StationKeys],
        letter: &Letter,
    ) -> Envelope {
        let mut entropy = Entropy::new(&[frame.seq.to_le_bytes()[0] ^ letter.id().0[0]; 32]);
        let parts = letter.parts(&mut entropy);
        self.sealed_parts(status, frame, to, &parts)
    }

    /// The same with parts of its choice.
    #[must_use]
    pub fn sealed_parts(
        &self,
        status: Status,
        frame: &Frame,
        to: &[&StationKeys],
        parts: &[Part],
    ) -> Envelope {
        let mut entropy = Entropy::new(&[frame.seq.to_le_bytes()[0] ^ 0x5a; 32]);
        let pairs: Vec<PairSecret> = to.iter().map(|keys| self.pair(keys)).collect();
        let recipients: Vec<Recipient<'_>> = to
            .iter()
            .zip(&pairs)
            .map(|(keys, pair)| Recipient { epoch: keys.epoch.public(), pair })
            .collect();
        let (mine, sign) = (&self.keys.epoch, &self.keys.sign);
        must(seal::seal(frame, status, parts, mine, &recipients, sign, &mut entropy)).0
    }

    /// What it shares with another station.
    #[must_use]
    pub fn pair(&self, other: &StationKeys) -> PairSecret {
        PairSecret::new(&self.keys.epoch, other.epoch.public(), &self.network)
    }

    /// The same foe, writing on the lane between it and another station.
    #[must_use]
    pub fn beside(&self, other: &StationKeys) -> Self {
        Self { lane: self.pair(other).pair_lane(&self.incarnation), ..self.clone() }
    }

    /// The same foe under another incarnation.
    #[must_use]
    pub fn under(&self, incarnation: [u8; 16]) -> Self {
        Self { incarnation: Incarnation(incarnation), ..self.clone() }
    }

    /// An envelope of its own, changed and signed again: form and digests are what the caller made.
    #[must_use]
    pub fn bent(&self, envelope: &Envelope, bend: impl FnOnce(Bend<'_>)) -> Bytes {
        let mut header = *envelope.header();
        let mut stanzas = envelope.stanzas().unwrap_or_default().to_vec();
        let mut body = envelope.body().unwrap_or_default().to_vec();
        bend(Bend { header: &mut header, stanzas: &mut stanzas, body: &mut body });
        let stanzas = envelope.stanzas().map(|_| &stanzas[..]);
        framed(&header.encode(), &self.keys.sign, stanzas, Some(&body))
    }
}

/// An envelope's bytes around a header, whatever is in it.
#[must_use]
pub fn framed(
    header: &[u8],
    sign: &SignSecret,
    stanzas: Option<&[u8]>,
    body: Option<&[u8]>,
) -> Bytes {
    let key: KeyId = sign.public().id();
    let flags = u8::from(stanzas.is_some()) | u8::from(body.is_some()) << 1;
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = [&b"CBM\x01"[..], &[flags], &length(header.len())[2..], header].concat();
    out.extend([&[1][..], &key.0, &[1, 0, 64], &sign.sign(SIGN_DOMAIN, header)].concat());
    for part in [stanzas, body].into_iter().flatten() {
        out.extend(length(part.len()));
        out.extend(part);
    }
    out.into()
}

/// The same bytes with one region changed by the caller, and nothing signed again.
#[must_use]
pub fn changed(envelope: &Envelope, part: &[u8], change: impl FnOnce(&mut [u8])) -> Bytes {
    let mut bytes = envelope.bytes().to_vec();
    match bytes.windows(part.len()).position(|window| window == part) {
        Some(at) => change(&mut bytes[at..at + part.len()]),
        None => panic!("the envelope has no such part"),
    }
    bytes.into()
}

/// The example of a type, addressed to these parties.
#[must_use]
pub fn draft(type_name: &str, to: &[&str]) -> Draft {
    let info = must(catalogue().find(type_name));
    let mut json = catalogue().template(info);
    json["to_action"] = serde_json::json!(to);
    let options = SendOptions {
        drafted_by: Some("D. Drafter".into()),
        released_by: Some("R. Releaser".into()),
        ..SendOptions::default()
    };
    must(Draft::from_json(type_name, &json.to_string(), options))
}
