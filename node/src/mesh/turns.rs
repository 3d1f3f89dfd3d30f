//! What waits to be told to the shell: a line for each peer, and turns between them. Pure.
//!
//! What a member says comes in its own line, so that one that floods delays itself and nobody else
//! (`docs/threats.md`, "flood"). What the mesh itself has to say, and answers to our own questions, go
//! first: they are bounded by what we did.
//!
//! Invariants: of one peer things come out in the order in which they came; a line holds no more than
//! [`LINE`] things and [`LINE_BYTES`] bytes; what does not fit is given back. Called by `task` only.

use std::collections::{BTreeMap, VecDeque};

use cbm_proto::id::StationId;

use super::{
    MeshEvent,
    settings::{BACKLOG, BACKLOG_BYTES, LINE, LINE_BYTES},
};

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<MeshEvent>,
    bytes: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    first: VecDeque<MeshEvent>,
    lines: BTreeMap<StationId, Line>,
    /// Those with something in their line, in the order of their turns.
    order: VecDeque<StationId>,
    waiting: usize,
    bytes: usize,
}

impl Turns {
    /// Takes one more.
    ///
    /// # Errors
    /// Gives it back when its line is full.
    pub(super) fn push(&mut self, event: MeshEvent) -> Result<(), MeshEvent> {
        let Some((peer, bytes)) = said_by(&event) else {
            if self.first.len() >= BACKLOG {
                return Err(event);
            }
            self.first.push_back(event);
            return Ok(());
        };
        let line = self.lines.entry(peer).or_default();
        if line.waiting.len() >= LINE || line.bytes.saturating_add(bytes) > LINE_BYTES {
            return Err(event);
        }
        if line.waiting.is_empty() {
            self.order.push_back(peer);
        }
        line.waiting.push_back(event);
        line.bytes += bytes;
        self.waiting += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// The next one, if anything waits.
    pub(super) fn pop(&mut self) -> Option<MeshEvent> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        let peer = self.order.pop_front()?;
        let line = self.lines.get_mut(&peer)?;
        let event = line.waiting.pop_front()?;
        let bytes = said_by(&event).map_or(0, |(_, bytes)| bytes);
        line.bytes -= bytes;
        self.waiting -= 1;
        self.bytes -= bytes;
        match line.waiting.is_empty() {
            true => drop(self.lines.remove(&peer)),
            false => self.order.push_back(peer),
        }
        Some(event)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.order.is_empty()
    }

    /// Whether more may be read from the links.
    pub(super) fn has_room(&self) -> bool {
        self.first.len() + self.waiting < BACKLOG && self.bytes < BACKLOG_BYTES
    }
}

/// Whose line it belongs into, and its bytes.
fn said_by(event: &MeshEvent) -> Option<(StationId, usize)> {
    match event {
        MeshEvent::Heard { from, bytes, .. } => Some((*from, bytes.len())),
        MeshEvent::Asked { peer, bytes, .. } => Some((*peer, bytes.len())),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use cbm_proto::event::Token;

    use super::*;

    fn asked(peer: u8, token: u64, bytes: usize) -> MeshEvent {
        let bytes = Bytes::from(vec![0; bytes]);
        MeshEvent::Asked { peer: StationId([peer; 16]), token: Token(token), bytes }
    }

    fn tokens(turns: &mut Turns) -> Vec<u64> {
        let next = || match turns.pop()? {
            MeshEvent::Asked { token, .. } => Some(token.0),
            _ => Some(0),
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_peer_that_floods_delays_itself_alone() {
        let mut turns = Turns::default();
        (1..=100).for_each(|token| turns.push(asked(1, token, 10)).unwrap());
        turns.push(asked(2, 201, 10)).unwrap();
        turns.push(asked(2, 202, 10)).unwrap();
        turns.push(MeshEvent::Unlinked(StationId([3; 16]))).unwrap();
        let order = tokens(&mut turns);
        assert_eq!(order[..6], [0, 1, 201, 2, 202, 3]);
        assert_eq!(order.len(), 103);
        assert!(turns.is_empty() && turns.lines.is_empty() && turns.bytes == 0);
    }

    #[test]
    fn a_full_line_takes_nothing_and_the_others_do() {
        let mut turns = Turns::default();
        (0..LINE as u64).for_each(|token| turns.push(asked(1, token, 1)).unwrap());
        assert!(turns.push(asked(1, 0, 1)).is_err());
        turns.push(asked(2, 1, LINE_BYTES)).unwrap();
        assert!(turns.push(asked(2, 1, 1)).is_err(), "by bytes");
        turns.push(asked(3, 1, 1)).unwrap();
        turns.pop();
        turns.push(asked(1, 0, 1)).unwrap();
    }

    #[test]
    fn nothing_more_is_read_while_too_much_waits() {
        let mut turns = Turns::default();
        let mut peer = 0;
        while turns.has_room() {
            turns.push(asked(peer, 1, LINE_BYTES)).unwrap();
            peer += 1;
        }
        assert_eq!(usize::from(peer), BACKLOG_BYTES / LINE_BYTES);
        while !turns.has_room() {
            assert!(turns.pop().is_some());
        }
    }
}
