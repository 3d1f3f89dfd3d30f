//! Groups as charters form them.
//!
//! Invariants: a group is the identity of its charter's version 1, whatever it is called; the
//! deepest version is in force, of equal ones the lower identity; of two groups of one name the
//! one with the lower identity keeps it and the other is shown with four digits of its own.
//! Caller: `view`.

use super::{
    conflict::Conflict,
    judge::{Judge, signers},
    member::Group,
    read::CharterText,
    shelf::Shelf,
};
use crate::{
    id::{Digest, KeyId, LaneId, NetworkId},
    limits::GROUPS_MAX,
    primitives::digest,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Lane of a group: of `all` by its name, of a charter by the identity of its first version.
pub(super) fn group_lane(network: &NetworkId, anchor: &[u8]) -> LaneId {
    let full = digest("group-lane", &[network.as_bytes(), anchor]);
    let mut lane = [0; LaneId::LEN];
    lane.copy_from_slice(&full.0[..LaneId::LEN]);
    LaneId(lane)
}

/// Versions that count, each with the identity of the first one of its group.
type Live<'a> = BTreeMap<Digest, (Digest, &'a CharterText)>;

fn live<'a>(shelf: &'a Shelf, judge: &Judge<'_>) -> Live<'a> {
    let mut order: Vec<_> = shelf.charters().collect();
    order.sort_by_key(|(id, text)| (text.version, **id));
    let mut live = Live::new();
    for (id, text) in order {
        let anchor = match text.previous {
            None => Some(*id),
            Some(previous) => live.get(&previous).map(|(anchor, _)| *anchor),
        };
        let keys: Vec<KeyId> = signers(shelf, id).collect();
        let signed = text.members.iter().all(|m| keys.iter().any(|key| judge.lists(m, key)));
        let stands = text.members.iter().any(|m| keys.iter().any(|key| judge.stands(m, *key, id)));
        if let (Some(anchor), true, true) = (anchor, signed, stands) {
            live.insert(*id, (anchor, text));
        }
    }
    live
}

/// The groups by the name they are shown with, without `all`.
pub(super) fn groups(
    shelf: &Shelf,
    judge: &Judge<'_>,
    conflicts: &mut Vec<Conflict>,
) -> BTreeMap<String, Group> {
    let live = live(shelf, judge);
    let mut in_force: BTreeMap<Digest, (Reverse<u32>, Digest)> = BTreeMap::new();
    for (id, (anchor, text)) in &live {
        let rank = (Reverse(text.version), *id);
        let best = in_force.entry(*anchor).or_insert(rank);
        *best = rank.min(*best);
    }
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut shown: BTreeMap<Digest, String> = BTreeMap::new();
    for (anchor, (version, id)) in in_force.iter().take(GROUPS_MAX - 1) {
        let Some((_, text)) = live.get(id) else { continue };
        let mut name = text.name.clone();
        let mut digits = 4;
        while groups.contains_key(&name) {
            name = format!("{}~{}", text.name, &anchor.to_string()[..digits.min(64)]);
            digits += 4;
        }
        if name != text.name {
            let name = text.name.clone();
            let shown = format!("{name}~{}", &anchor.to_string()[..digits - 4]);
            conflicts.push(Conflict::SameName { name, shown });
        }
        shown.insert(*anchor, name.clone());
        let group = Group {
            name: name.clone(),
            anchor: Some(*anchor),
            charter: Some((version.0, *id)),
            lane: group_lane(&shelf.network, anchor.as_bytes()),
            parties: text.members.clone(),
        };
        groups.insert(name, group);
    }
    beside(&live, &in_force, &shown, conflicts);
    groups
}

/// Last versions that are not in force: somebody signed two.
fn beside(
    live: &Live<'_>,
    in_force: &BTreeMap<Digest, (Reverse<u32>, Digest)>,
    shown: &BTreeMap<Digest, String>,
    conflicts: &mut Vec<Conflict>,
) {
    let followed: BTreeSet<Digest> = live.values().filter_map(|(_, text)| text.previous).collect();
    for (id, (anchor, _)) in live {
        let last = !followed.contains(id);
        let other = in_force.get(anchor).is_some_and(|(_, held)| held != id);
        if let (true, true, Some(group)) = (last, other, shown.get(anchor)) {
            conflicts.push(Conflict::CharterBeside { group: group.clone(), digest: *id });
        }
    }
}
