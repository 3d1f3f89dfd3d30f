//! A restored station as bytes, so that a start need not read its whole journal
//! (`docs/spec/journal.md`, snapshots).
//!
//! Invariant: what [`Station::from_dump`] gives, followed by the records behind the dump, is what all
//! records give. So a dump holds what [`Station::restore`] fills and nothing that begins with a start,
//! and it is bound to everything else that `restore` goes by: the program, the station, its keys and
//! the documents that it starts from. Keys of the keystore are not in it; drafts that wait and sender
//! keys of others are, so it is to be sealed like the own records. Which records it covers is the shell's to know.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::draft::Draft;
use crate::dump::{Dump, Source};
use crate::envelope::Envelope;
use crate::id::{Digest, MsgId};
use crate::primitives::digest;

use super::voice::Voice;
use super::{Setup, Station};

/// What a dump begins with; raised when the same records come to mean something else.
const FORM: &[u8] = concat!("cbm/1/dump 3 ", env!("CARGO_PKG_VERSION"), "\0").as_bytes();

/// Why a dump is not taken; the journal has it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// Another version of the program wrote it.
    #[error("another version of the program wrote it")]
    Version,
    /// The station's keys, or the documents of its configuration, are not those that it was made with.
    #[error("the station's keys or documents are not those that it was made with")]
    Setup,
    /// It does not have the form that it should have.
    #[error("it does not have the form that it should have")]
    Form,
}

impl Setup {
    /// Everything that a restore goes by, except the journal.
    fn basis(&self) -> Digest {
        let (me, network) = (self.me, self.directory.network());
        let mut all = vec![me.0.to_vec(), network.0.to_vec()];
        all.push(self.keys.sign.public().id().0.to_vec());
        all.extend(self.keys.epochs().map(|epoch| epoch.id().0.to_vec()));
        all.extend(self.directory.copies().iter().map(|copy| copy.0.to_vec()));
        let pieces: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        digest("dump-basis", &pieces)
    }
}

impl Station {
    /// The station as bytes: after its last [`Station::restore`], before [`Station::start`]. The same
    /// records give the same bytes. `setup` is the one that it was made with.
    #[must_use]
    pub fn dump(&self, setup: &Setup) -> Vec<u8> {
        let mut out = FORM.to_vec();
        setup.basis().put(&mut out);
        self.directory.documents().put(&mut out);
        self.feeds.put(&mut out);
        self.outbox.put(&mut out);
        self.inbox.put(&mut out);
        let drafts = self.waiting.iter().map(|(msg, draft)| (*msg, draft.to_bytes()));
        drafts.collect::<Vec<_>>().put(&mut out);
        let unopened = self.unopened.iter().map(|envelope| envelope.bytes().clone());
        unopened.collect::<Vec<_>>().put(&mut out);
        self.pairs.put(&mut out);
        self.sender_keys.handed().put(&mut out);
        self.campaign.put(&mut out);
        self.unclaimed.put(&mut out);
        self.voice.put_past(&mut out);
        self.checks.put(&mut out);
        self.incidents.put(&mut out);
        self.proofs.put(&mut out);
        out
    }

    /// The station that [`Station::dump`] wrote; give it the records behind it with
    /// [`Station::restore`].
    ///
    /// # Errors
    /// [`DumpError`]: set it aside, and restore from the first record.
    pub fn from_dump(setup: Setup, dump: &[u8]) -> Result<Self, DumpError> {
        let dump = dump.strip_prefix(FORM).ok_or(DumpError::Version)?;
        let from = &mut Source::new(dump);
        if Digest::take(from).ok_or(DumpError::Form)? != setup.basis() {
            return Err(DumpError::Setup);
        }
        let mut station = Self::new(setup);
        station.take_state(from).filter(|()| from.is_empty()).ok_or(DumpError::Form)?;
        Ok(station)
    }

    fn take_state(&mut self, from: &mut Source<'_>) -> Option<()> {
        let documents: Vec<(Digest, Bytes)> = Dump::take(from)?;
        let (_, refused) = self.directory.admit_all(documents.iter().map(|(_, bytes)| &bytes[..]));
        let held: BTreeSet<Digest> = self.directory.documents().into_keys().collect();
        if !refused.is_empty() || !held.iter().eq(documents.iter().map(|(digest, _)| digest)) {
            return None;
        }
        self.refresh_secrets();
        self.feeds = Dump::take(from)?;
        self.outbox = Dump::take(from)?;
        self.inbox = Dump::take(from)?;
        let drafts: Vec<(MsgId, Bytes)> = Dump::take(from)?;
        let draft = |(msg, bytes): (MsgId, Bytes)| Some((msg, Draft::from_bytes(&bytes).ok()?));
        self.waiting = drafts.into_iter().map(draft).collect::<Option<_>>()?;
        let unopened: Vec<Bytes> = Dump::take(from)?;
        self.unopened = unopened
            .into_iter()
            .map(|bytes| Envelope::decode(bytes).ok())
            .collect::<Option<_>>()?;
        self.pairs = Dump::take(from)?;
        self.sender_keys.take_handed(Dump::take(from)?);
        self.campaign = Dump::take(from)?;
        self.unclaimed = Dump::take(from)?;
        self.voice.take_past(from)?;
        self.checks = Dump::take(from)?;
        self.incidents = Dump::take(from)?;
        self.proofs = Dump::take(from)?;
        Some(())
    }
}

impl Voice {
    /// What a restore knows of it.
    fn put_past(&self, out: &mut Vec<u8>) {
        self.incarnation.put(out);
        self.past.put(out);
        self.ahead.put(out);
        self.newest.put(out);
    }

    fn take_past(&mut self, from: &mut Source<'_>) -> Option<()> {
        self.incarnation = Dump::take(from)?;
        self.past = Dump::take(from)?;
        self.ahead = Dump::take(from)?;
        self.newest = Dump::take(from)?;
        Some(())
    }
}
