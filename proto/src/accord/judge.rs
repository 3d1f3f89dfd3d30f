//! Which of the held documents count: the accord in force, the keys it gives, those taken back.
//!
//! Invariants: a function of the set that is held; version 1 always counts; a version counts if
//! the one before it does, unless everyone who signed it took the key back; what is deepest is in
//! force, and of several only what they agree on. Authority keys that are taken back are found in
//! two steps, so that nothing is decided in a circle: first those that take themselves back, then,
//! in the versions that remain, those that others of their party take back. Caller: `view`.

use super::{
    document::DocumentKind,
    read::{AccordText, PartyText, RevocationText},
    revocation::Head,
    shelf::{Shelf, Text},
};
use crate::{
    id::{Digest, KeyId, PartyCode},
    primitives::SignPublic,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Authority keys that are taken back, each with the revocation that is in force.
pub(super) type TakenBack<'a> = BTreeMap<(PartyCode, KeyId), &'a RevocationText>;

/// The versions of the accord that count.
pub(super) struct Tree<'a> {
    live: BTreeMap<Digest, &'a AccordText>,
    /// From version 1 to each of the deepest, these ascending by identity.
    pub(super) paths: Vec<Vec<(Digest, &'a AccordText)>>,
}

impl<'a> Tree<'a> {
    fn grow(shelf: &'a Shelf, taken: &TakenBack<'_>) -> Self {
        let mut order: Vec<_> =
            shelf.accords().map(|(id, text)| (text.version, *id, text)).collect();
        order.sort_by_key(|(version, id, _)| (*version, *id));
        let mut live: BTreeMap<Digest, &'a AccordText> = BTreeMap::new();
        for (_, id, text) in order {
            let counts = match text.previous {
                None => true,
                Some(previous) => live.get(&previous).is_some_and(|before| {
                    signers(shelf, &id).any(|key| {
                        owner(before, &key).is_some_and(|party| stands(taken, party, key, &id))
                    })
                }),
            };
            if counts {
                live.insert(id, text);
            }
        }
        let depth = live.values().map(|text| text.version).max().unwrap_or(1);
        let heads = live.iter().filter(|(_, text)| text.version == depth).map(|(id, _)| *id);
        let paths = heads.map(|head| path(&live, head)).collect();
        Self { live, paths }
    }

    /// The entries of a party in the versions in force; where these no longer list it, in the last
    /// ones before them that do.
    fn entries<'b>(&'b self, party: &'b PartyCode) -> impl Iterator<Item = &'a PartyText> + 'b {
        self.paths.iter().filter_map(|path| last_entry(path, party))
    }

    fn lists_now(&self, party: &PartyCode, key: &KeyId) -> bool {
        self.entries(party).any(|entry| entry.authority.contains_key(key))
    }

    fn lists_anywhere(&self, party: &PartyCode, key: &KeyId) -> bool {
        let entry = |text: &&AccordText| {
            text.parties.get(party).is_some_and(|entry| entry.authority.contains_key(key))
        };
        self.live.values().any(entry)
    }

    /// Versions that count and are not on the way to one in force, those only that nothing follows.
    pub(super) fn beside(&self) -> Vec<(Digest, &'a AccordText)> {
        let on_way: BTreeSet<&Digest> = self.paths.iter().flatten().map(|(id, _)| id).collect();
        let followed: BTreeSet<Digest> =
            self.live.values().filter_map(|text| text.previous).collect();
        let beside = |id: &Digest| !on_way.contains(id) && !followed.contains(id);
        self.live.iter().filter(|(id, _)| beside(id)).map(|(id, text)| (*id, *text)).collect()
    }

    /// By party the authority keys of every version on the way to the one in force; where several
    /// are, those that all of them give.
    fn keys(&self) -> BTreeMap<PartyCode, BTreeMap<KeyId, SignPublic>> {
        let of_path = |path: &Vec<(Digest, &'a AccordText)>| {
            let mut keys: BTreeMap<PartyCode, BTreeMap<KeyId, SignPublic>> = BTreeMap::new();
            for (code, entry) in path.iter().flat_map(|(_, text)| &text.parties) {
                keys.entry(code.clone()).or_default().extend(&entry.authority);
            }
            keys
        };
        let mut paths = self.paths.iter().map(of_path);
        let mut agreed = paths.next().unwrap_or_default();
        for other in paths {
            for (code, keys) in &mut agreed {
                keys.retain(|id, _| other.get(code).is_some_and(|keys| keys.contains_key(id)));
            }
        }
        agreed
    }
}

/// The entry of a party in the last version of a path that lists it.
pub(super) fn last_entry<'a>(
    path: &[(Digest, &'a AccordText)],
    party: &PartyCode,
) -> Option<&'a PartyText> {
    path.iter().rev().find_map(|(_, text)| text.parties.get(party))
}

fn path<'a>(
    live: &BTreeMap<Digest, &'a AccordText>,
    head: Digest,
) -> Vec<(Digest, &'a AccordText)> {
    let mut path = Vec::new();
    let mut next = Some(head);
    while let Some(id) = next {
        let Some(text) = live.get(&id) else { break };
        path.push((id, *text));
        next = text.previous;
    }
    path.reverse();
    path
}

pub(super) fn signers(shelf: &Shelf, id: &Digest) -> impl Iterator<Item = KeyId> {
    shelf.get(id).into_iter().flat_map(|held| held.document.signers())
}

fn owner<'b>(text: &'b AccordText, key: &KeyId) -> Option<&'b PartyCode> {
    let owns = |(_, entry): &(&PartyCode, &PartyText)| entry.authority.contains_key(key);
    text.parties.iter().find(owns).map(|(code, _)| code)
}

/// Whether what this key signed counts: the key is not taken back, or the document is named.
fn stands(taken: &TakenBack<'_>, party: &PartyCode, key: KeyId, id: &Digest) -> bool {
    let named = |text: &&RevocationText| text.heads.contains(&Head::of_document(*id));
    taken.get(&(party.clone(), key)).is_none_or(named)
}

/// What counts.
pub(super) struct Judge<'a> {
    shelf: &'a Shelf,
    pub(super) tree: Tree<'a>,
    pub(super) keys: BTreeMap<PartyCode, BTreeMap<KeyId, SignPublic>>,
    pub(super) taken: TakenBack<'a>,
}

impl<'a> Judge<'a> {
    pub(super) fn of(shelf: &'a Shelf) -> Self {
        let held: Vec<(&Digest, &RevocationText)> = shelf
            .of_kind(DocumentKind::Revocation)
            .filter_map(|(id, held)| match &held.text {
                Text::Revocation(text) if text.station.is_none() => Some((id, text)),
                _ => None,
            })
            .collect();
        let by_itself =
            |id: &Digest, text: &RevocationText| signers(shelf, id).any(|k| k == text.key);
        let first: Vec<_> = held.iter().copied().filter(|(id, text)| by_itself(id, text)).collect();
        let tree = Tree::grow(shelf, &in_force(&first, |_, _| false));
        let counts = |id: &Digest, text: &RevocationText| {
            let open = !tree.lists_now(&text.party, &text.key);
            signers(shelf, id).any(|key| {
                // A key that was replaced takes back no key that took its place.
                key == text.key
                    || tree.lists_now(&text.party, &key)
                    || (open && tree.lists_anywhere(&text.party, &key))
            })
        };
        let second: Vec<_> = held.into_iter().filter(|(id, text)| counts(id, text)).collect();
        let gone: BTreeSet<(&PartyCode, KeyId)> =
            second.iter().map(|(_, text)| (&text.party, text.key)).collect();
        // Whoever stole a key can sign its revocation too, and name in it what he forged: one by a
        // key that is still good goes before it.
        let strong = |id: &Digest, text: &RevocationText| {
            signers(shelf, id)
                .any(|key| tree.lists_now(&text.party, &key) && !gone.contains(&(&text.party, key)))
        };
        let taken = in_force(&second, strong);
        let tree = Tree::grow(shelf, &taken);
        let keys = tree.keys();
        Self { shelf, tree, keys, taken }
    }

    /// Whether a party's key has a say at all.
    pub(super) fn lists(&self, party: &PartyCode, key: &KeyId) -> bool {
        self.keys.get(party).is_some_and(|keys| keys.contains_key(key))
    }

    /// Whether a signature on a document counts.
    pub(super) fn stands(&self, party: &PartyCode, key: KeyId, id: &Digest) -> bool {
        self.lists(party, &key) && stands(&self.taken, party, key, id)
    }

    /// Whether a document that one party signs counts.
    pub(super) fn signed_by(&self, party: &PartyCode, id: &Digest) -> bool {
        signers(self.shelf, id).any(|key| self.stands(party, key, id))
    }
}

/// Of several revocations of one key the strong ones go first, then the latest, then the one with
/// the lowest identity.
fn in_force<'a>(
    list: &[(&'a Digest, &'a RevocationText)],
    strong: impl Fn(&Digest, &RevocationText) -> bool,
) -> TakenBack<'a> {
    let mut order: Vec<_> = list
        .iter()
        .map(|(id, text)| (!strong(id, text), Reverse(text.made_at), *id, *text))
        .collect();
    order.sort_by_key(|(weak, made_at, id, _)| (*weak, *made_at, *id));
    let mut taken = BTreeMap::new();
    for (_, _, _, text) in order {
        taken.entry((text.party.clone(), text.key)).or_insert(text);
    }
    taken
}
