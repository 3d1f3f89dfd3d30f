//! The drive: files and folders by number, failures on demand, and the cut.
//!
//! Invariant: [`Drive::cut`] yields a state that a real drive could be in after the power went at
//! this instant. A planned cut is taken between two changes, wherever in the code they come from.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::files::{Dice, Fault, File, Folder};

/// Number of the root folder.
pub(super) const ROOT: u64 = 1;

/// What a power cut leaves of changes that no fsync covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    Unsynced,
    /// Any subset of the pages of 4 KiB, the length old or new, names up to some instant.
    Pages,
    /// The same by sectors of 512 bytes: records torn in themselves.
    Sectors,
    /// All data within the old length; lengths and names are lost.
    Lengths,
    /// All names, no data: a renamed file without its content.
    NamesFirst,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Unsynced, Self::Pages, Self::Sectors, Self::Lengths, Self::NamesFirst];
}

/// A cut to be taken when `at` changes have been made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The change before which the power goes, counted from 0.
    pub at: u64,
    /// What it leaves.
    pub cut: Cut,
    /// The dice.
    pub seed: u64,
}

/// A file or a folder.
#[derive(Clone, Debug)]
enum Node {
    File(File),
    Folder(Folder),
}

/// What a file looks like from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) node: u64,
    pub(super) folder: bool,
    pub(super) len: u64,
}

/// The drive. See [`super`].
#[derive(Clone, Debug)]
pub struct Drive {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    changes: u64,
    plan: Option<Plan>,
    taken: Option<Box<(Self, u64)>>,
    acknowledged: Arc<AtomicU64>,
    sync_fails_in: Option<u64>,
    write_fails: bool,
    room: usize,
}

impl Default for Drive {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Folder(Folder::default()))]),
            next: ROOT + 1,
            changes: 0,
            plan: None,
            taken: None,
            acknowledged: Arc::default(),
            sync_fails_in: None,
            write_fails: false,
            room: usize::MAX,
        }
    }
}

impl Drive {
    /// The drive after the power went now.
    #[must_use]
    pub fn cut(&self, cut: Cut, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let node = |node: &Node, dice: &mut Dice| match node {
            Node::File(file) => Node::File(file.cut(cut, dice)),
            Node::Folder(folder) => Node::Folder(folder.cut(cut, dice)),
        };
        let all: BTreeMap<_, _> =
            self.nodes.iter().map(|(number, n)| (*number, node(n, &mut dice))).collect();
        let mut after = Self { next: self.next, ..Self::default() };
        let mut open = vec![ROOT];
        while let Some(number) = open.pop() {
            let Some(node) = all.get(&number) else { continue };
            if let Node::Folder(folder) = node {
                open.extend(folder.live.values());
            }
            after.nodes.insert(number, node.clone());
        }
        after
    }

    /// Takes the cut of `plan` when its time comes. Then [`Drive::taken`] has it, and the changes
    /// that follow reach only the process that does not know yet that it is dead.
    pub fn plan(&mut self, plan: Plan) {
        (self.changes, self.plan) = (0, Some(plan));
    }

    /// Counts what the user of the drive considers durable; read at the instant of the cut.
    #[must_use]
    pub fn acknowledged(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.acknowledged)
    }

    /// The drive at the planned cut and what was acknowledged then, once that is past.
    #[must_use]
    pub fn taken(&self) -> Option<(Self, u64)> {
        self.taken.as_deref().cloned()
    }

    /// The `n`-th fsync from now and all after it fail: 1 is the next. 0: none does any more.
    pub fn fail_sync(&mut self, n: u64) {
        self.sync_fails_in = Some(n).filter(|n| *n > 0);
    }

    /// Every write fails from now on, or none does.
    pub fn fail_writes(&mut self, fail: bool) {
        self.write_fails = fail;
    }

    /// Room left, in pages of 4 KiB.
    pub fn leave_room(&mut self, pages: usize) {
        self.room = pages;
    }

    /// Counts a change that is about to happen.
    fn before_change(&mut self) {
        if let Some(plan) = self.plan.filter(|plan| plan.at == self.changes) {
            let after = self.cut(plan.cut, plan.seed);
            self.taken = Some(Box::new((after, self.acknowledged.load(Ordering::SeqCst))));
            self.plan = None;
        }
        self.changes += 1;
    }

    fn folder(&mut self, node: u64) -> Result<&mut Folder, Fault> {
        match self.nodes.get_mut(&node) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(Fault::Kind),
            None => Err(Fault::NoEntry),
        }
    }

    fn file(&mut self, node: u64) -> Result<&mut File, Fault> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Folder(_)) => Err(Fault::Kind),
            None => Err(Fault::NoEntry),
        }
    }

    pub(super) fn look(&self, node: u64) -> Result<Look, Fault> {
        match self.nodes.get(&node).ok_or(Fault::NoEntry)? {
            Node::File(file) => Ok(Look { node, folder: false, len: file.live.len() as u64 }),
            Node::Folder(_) => Ok(Look { node, folder: true, len: 0 }),
        }
    }

    pub(super) fn find(&mut self, parent: u64, name: &str) -> Result<Look, Fault> {
        let node = *self.folder(parent)?.live.get(name).ok_or(Fault::NoEntry)?;
        self.look(node)
    }

    pub(super) fn list(&mut self, node: u64) -> Result<Vec<(String, Look)>, Fault> {
        let names = self.folder(node)?.live.clone();
        names.into_iter().map(|(name, node)| Ok((name, self.look(node)?))).collect()
    }

    pub(super) fn make(&mut self, parent: u64, name: &str, folder: bool) -> Result<Look, Fault> {
        if self.folder(parent)?.live.contains_key(name) {
            return Err(Fault::Exists);
        }
        self.before_change();
        let fresh =
            if folder { Node::Folder(Folder::default()) } else { Node::File(File::default()) };
        let node = self.next;
        self.next += 1;
        self.nodes.insert(node, fresh);
        self.folder(parent)?.change(vec![(name.to_owned(), Some(node))]);
        self.look(node)
    }

    pub(super) fn remove(&mut self, parent: u64, name: &str, folder: bool) -> Result<(), Fault> {
        let found = self.find(parent, name)?;
        if found.folder != folder {
            return Err(Fault::Kind);
        }
        if folder && !self.folder(found.node)?.live.is_empty() {
            return Err(Fault::NotEmpty);
        }
        self.before_change();
        // The node stays: it may be open, and a cut may bring its name back. Its room is freed.
        if !folder {
            let pages = self.file(found.node)?.pages();
            self.room = self.room.saturating_add(pages);
        }
        self.folder(parent)?.change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: (u64, &str), to: (u64, &str)) -> Result<(), Fault> {
        let node = self.find(from.0, from.1)?.node;
        if let Ok(old) = self.find(to.0, to.1)
            && old.folder
            && !self.folder(old.node)?.live.is_empty()
        {
            return Err(Fault::NotEmpty);
        }
        self.before_change();
        let (gone, new) = ((from.1.to_owned(), None), (to.1.to_owned(), Some(node)));
        if from.0 == to.0 {
            self.folder(from.0)?.change(vec![gone, new]);
        } else {
            self.folder(to.0)?.change(vec![new]);
            self.folder(from.0)?.change(vec![gone]);
        }
        Ok(())
    }

    pub(super) fn read(&mut self, node: u64, at: u64, size: u32) -> Result<Vec<u8>, Fault> {
        let file = self.file(node)?;
        let start = usize::try_from(at).unwrap_or(usize::MAX).min(file.live.len());
        let end = start.saturating_add(size as usize).min(file.live.len());
        Ok(file.live[start..end].to_vec())
    }

    pub(super) fn write(&mut self, node: u64, at: u64, data: &[u8]) -> Result<u32, Fault> {
        if self.write_fails {
            return Err(Fault::Io);
        }
        self.before_change();
        let room = self.room;
        let at = usize::try_from(at).map_err(|_| Fault::NoSpace)?;
        let (written, taken) = self.file(node)?.write(at, data, room);
        self.room -= taken;
        if written == 0 && !data.is_empty() {
            return Err(Fault::NoSpace);
        }
        u32::try_from(written).map_err(|_| Fault::Io)
    }

    pub(super) fn resize(&mut self, node: u64, len: u64) -> Result<Look, Fault> {
        self.before_change();
        let len = usize::try_from(len).map_err(|_| Fault::NoSpace)?;
        let freed = self.file(node)?.resize(len);
        self.room = self.room.saturating_add(freed);
        self.look(node)
    }

    pub(super) fn sync(&mut self, node: u64) -> Result<(), Fault> {
        self.before_change();
        let fails = self.sync_fails_in == Some(1);
        self.sync_fails_in = self.sync_fails_in.map(|n| n.saturating_sub(1).max(1));
        match self.nodes.get_mut(&node).ok_or(Fault::NoEntry)? {
            Node::File(file) if fails => file.sync_failed(),
            Node::File(file) => file.sync(),
            Node::Folder(_) if fails => {}
            Node::Folder(folder) => folder.sync(),
        }
        if fails { Err(Fault::Io) } else { Ok(()) }
    }
}
