//! A letter that was received, in few bytes: ids in full, the rest by name or as a difference.
//!
//! Level 4, a room of [`super`]. Nothing is left out. The letter's own envelope stands right behind the
//! key, so that it is found without reading on.

use bytes::Bytes;

use crate::dump::{Dump, Source};
use crate::id::{Digest, EnvelopeId, FeedId, KeyId, MsgId};
use crate::packed::{KEY, Names, Pack, bits, put_number, put_signed, take_number, take_signed};
use crate::receipt::Entry;
use crate::terms::Level;
use crate::time::Timestamp;

use super::{Named, Place, Received};

/// What a letter has or is, a bit each.
const INFO: u8 = 1;
const NEWER: u8 = 1 << 1;
const AHEAD: u8 = 1 << 2;
const FORKED: u8 = 1 << 3;
const PLACE: u8 = 1 << 4;
const EXPIRES: u8 = 1 << 5;
const NAMED: u8 = 1 << 6;
const ENTRY: u8 = 1 << 7;

/// The envelope of a packed letter.
pub(super) fn envelope_in(bytes: &[u8]) -> Option<EnvelopeId> {
    EnvelopeId::from_slice(bytes.get(KEY..KEY + 32)?)
}

impl Received {
    fn bits(&self, short: bool) -> u8 {
        let copied = self.named.envelope != self.envelope || self.named.made_at != self.made_at;
        bits([
            (self.info, INFO),
            (self.newer, NEWER),
            (self.ahead, AHEAD),
            (self.forked, FORKED),
            (self.place.is_some(), PLACE),
            (self.expires_at.is_some(), EXPIRES),
            (copied, NAMED),
            (short, ENTRY),
        ])
    }

    /// The entry without what it names, where it names what the letter does.
    fn short_entry(&self) -> Option<Bytes> {
        let short = Entry::from_bytes(&self.entry)?.nameless();
        (self.whole_entry(&short).as_ref() == Some(&self.entry)).then_some(short)
    }

    fn whole_entry(&self, short: &[u8]) -> Option<Bytes> {
        Entry::named(short, self.msg, self.named.envelope, self.named.content_root)
    }
}

impl Pack for Received {
    fn key(&self) -> [u8; KEY] {
        self.msg.0
    }

    /// Its author was told that it is in the inbox.
    fn is_settled(&self) -> bool {
        self.level >= Some(Level::L2)
    }

    fn pack(&self, names: &mut Names, out: &mut Vec<u8>) {
        let short = self.short_entry();
        let bits = self.bits(short.is_some());
        self.msg.put(out);
        self.envelope.put(out);
        out.push(bits);
        names.put(&self.author, out);
        names.put(&self.party, out);
        if let Some(place) = &self.place {
            names.put(&place.feed, out);
            put_number(place.seq, out);
            names.put(&place.key, out);
        }
        put_number(self.made_at.0, out);
        put_signed(self.received_at.0, self.made_at.0, out);
        if let Some(at) = self.expires_at {
            put_signed(at.0, self.made_at.0, out);
        }
        if bits & NAMED != 0 {
            self.named.envelope.put(out);
            self.named.made_at.put(out);
        }
        self.named.content_root.put(out);
        names.put(&self.type_name, out);
        self.precedence.put(out);
        self.status.put(out);
        self.level.put(out);
        self.outcome.put(out);
        let entry = short.as_ref().unwrap_or(&self.entry);
        put_number(entry.len() as u64, out);
        out.extend_from_slice(entry);
    }

    fn unpack(number: u64, names: &Names, from: &mut Source<'_>) -> Option<Self> {
        let msg = MsgId::take(from)?;
        let envelope = EnvelopeId::take(from)?;
        let bits = u8::take(from)?;
        let has = |bit| bits & bit != 0;
        let (author, party) = (names.take(from)?, names.take(from)?);
        let place = if has(PLACE) { Some(Place::unpack(names, from)?) } else { None };
        let made_at = Timestamp(take_number(from)?);
        let received_at = Timestamp(take_signed(made_at.0, from)?);
        let expires_at = if has(EXPIRES) { Some(take_signed(made_at.0, from)?) } else { None };
        let mut named = Named { envelope, content_root: Digest([0; 32]), made_at };
        if has(NAMED) {
            (named.envelope, named.made_at) = (Dump::take(from)?, Dump::take(from)?);
        }
        named.content_root = Dump::take(from)?;
        let mut letter = Self {
            msg,
            author,
            party,
            envelope,
            place,
            named,
            type_name: names.take(from)?,
            precedence: Dump::take(from)?,
            status: Dump::take(from)?,
            made_at,
            received_at,
            expires_at: expires_at.map(Timestamp),
            info: has(INFO),
            newer: has(NEWER),
            ahead: has(AHEAD),
            forked: has(FORKED),
            level: Dump::take(from)?,
            outcome: Dump::take(from)?,
            entry: Bytes::new(),
            number,
        };
        let length = usize::try_from(take_number(from)?).ok()?;
        let entry = from.bytes(length)?;
        let whole = || Some(Bytes::copy_from_slice(entry));
        letter.entry = if has(ENTRY) { letter.whole_entry(entry) } else { whole() }?;
        Some(letter)
    }
}

impl Place {
    fn unpack(names: &Names, from: &mut Source<'_>) -> Option<Self> {
        let feed: FeedId = names.take(from)?;
        let seq = take_number(from)?;
        let key: KeyId = names.take(from)?;
        Some(Self { feed, seq, key })
    }
}
