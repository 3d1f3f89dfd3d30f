//! Signed documents: what peers and our own people bring, believed, kept (`docs/spec/sync.md`).
//!
//! Whatever brings a document, it ends in [`Station::believe`], which admits once and keeps what is
//! new; nothing is passed on that is not in the same batch of appends (invariant I1).

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::accord::{Admitted, News};
use crate::event::{Notice, Speak};
use crate::id::{Digest, StationId};
use crate::journal::{Record, RecordKind};

use super::{Speaks, Station, Turn};

impl Station {
    /// Our own people bring documents: each one's fate, in their order.
    pub(super) fn publish_documents(
        &mut self,
        turn: &mut Turn,
        documents: &[Bytes],
    ) -> Vec<Result<Admitted, String>> {
        let (new, _) = self.believe(turn, documents);
        let new: BTreeSet<Digest> = new.iter().map(|admitted| admitted.digest).collect();
        // Asked again one by one: the first pass knew only which were new.
        let mut fate = |bytes: &Bytes| match self.directory.admit(bytes) {
            Ok(admitted) if new.contains(&admitted.digest) => {
                Ok(Admitted { news: News::New, ..admitted })
            }
            Ok(admitted) => Ok(admitted),
            Err(error) => Err(error.to_string()),
        };
        documents.iter().map(&mut fate).collect()
    }

    /// A peer gave documents that we asked for.
    pub(super) fn take_documents(&mut self, turn: &mut Turn, peer: StationId, given: &[Bytes]) {
        let (new, refused) = self.believe(turn, given);
        for words in refused {
            turn.speak(Speak::Tell(Notice::Document(words)));
        }
        self.doubt(turn, peer, given);
        if !new.is_empty() {
            // One answer holds a batch; what did not fit is asked for until nothing new comes.
            self.ask_documents(turn, peer);
        }
    }

    /// Admits what can be, keeps what is new, and looks at everything again that rests on it.
    /// Returns what was new, and why the rest was refused.
    fn believe(&mut self, turn: &mut Turn, documents: &[Bytes]) -> (Vec<Admitted>, Vec<String>) {
        let (new, refused) = self.directory.admit_all(documents.iter().map(|bytes| &bytes[..]));
        let refused = refused.into_iter().map(|(_, error)| error.to_string()).collect();
        for admitted in &new {
            let Some(bytes) = self.directory.document(&admitted.digest).cloned() else { continue };
            let salt = turn.entropy.bytes();
            turn.effects.appends.push(Record { kind: RecordKind::Document, salt, bytes });
        }
        if !new.is_empty() {
            self.refresh_secrets();
            turn.speak(Speak::Membership);
            if self.voice.speaks == Speaks::Yes {
                self.seal_waiting(turn);
            }
        }
        (new, refused)
    }
}
