//! What a set of documents means: parties, stations, groups, lanes, keys taken back, conflicts.
//!
//! Invariants: a pure function of the set that is held, so that two stations with one set believe
//! the same, whatever came first; a party whose role is contested has no rights; a lane's stations
//! are those of its group's parties, and none without a role that carries is among them. It is
//! computed anew whenever a document comes. Caller: `accord/directory.rs`.

use super::{
    attestation::{AttestationText, Grade},
    conflict::Conflict,
    document::DocumentKind,
    groups::{group_lane, groups},
    judge::{Judge, last_entry, signers},
    member::{Group, Member, Party, Role},
    read::AccordText,
    revocation::Revoked,
    shelf::{Shelf, Text},
    stations::{self, StationKeysRevoked, Stations},
};
/// Name of the accord-wide group: every party of role STATE.
pub const ALL: &str = "all";

use crate::id::{Digest, KeyId, LaneId, PartyCode, StationId, hex};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
pub(super) struct View {
    /// The deepest versions of the accord, ascending by identity: more than one is contested.
    pub(super) heads: Vec<Digest>,
    /// The first of them.
    pub(super) accord: AccordText,
    pub(super) parties: BTreeMap<PartyCode, Party>,
    pub(super) stations: Stations,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) lanes: BTreeMap<LaneId, BTreeSet<StationId>>,
    pub(super) station_keys: StationKeysRevoked,
    pub(super) authority_keys: BTreeMap<(PartyCode, KeyId), Revoked>,
    /// By who checked and whose keys.
    pub(super) attestations: BTreeMap<(PartyCode, PartyCode), AttestationText>,
    /// By identity of a charter: the parties that may be given it.
    pub(super) readers: BTreeMap<Digest, BTreeSet<PartyCode>>,
    pub(super) conflicts: Vec<Conflict>,
}

impl View {
    /// `None` only for a shelf without version 1, which there is not.
    pub(super) fn of(shelf: &Shelf) -> Option<Self> {
        let judge = Judge::of(shelf);
        let mut conflicts = Vec::new();
        let heads: Vec<(Digest, &AccordText)> =
            judge.tree.paths.iter().filter_map(|path| path.last().copied()).collect();
        let (_, accord) = *heads.first()?;
        let station_keys = stations::revoked(shelf, &judge);
        let mut stations = Stations::of(shelf, &judge, &station_keys, &mut conflicts);
        let mut groups = groups(shelf, &judge, &mut conflicts);
        let parties = parties(&judge);
        contested(shelf, &judge, &heads, &parties, &mut conflicts);
        let all = Group {
            name: ALL.to_owned(),
            anchor: None,
            charter: None,
            lane: group_lane(&shelf.network, ALL.as_bytes()),
            parties: states(&parties),
        };
        groups.insert(ALL.to_owned(), all);
        let grouped: BTreeSet<&PartyCode> =
            groups.values().flat_map(|group| &group.parties).collect();
        for member in stations.members.values_mut() {
            let party = member.name.party();
            member.role = role(&judge, party, grouped.contains(party));
        }
        let lanes = groups.values().map(|group| (group.lane, on_lane(&stations, group))).collect();
        conflicts.sort();
        let taken = judge.taken.iter();
        Some(Self {
            heads: heads.iter().map(|(id, _)| *id).collect(),
            accord: accord.clone(),
            authority_keys: taken.map(|(key, text)| (key.clone(), Revoked::from(*text))).collect(),
            attestations: attestations(shelf, &judge),
            readers: shelf.readers(),
            parties,
            stations,
            groups,
            lanes,
            station_keys,
            conflicts,
        })
    }

    /// How far a party's current keys were checked, seen from another.
    pub(super) fn grade(&self, me: &PartyCode, party: &PartyCode) -> Grade {
        if me == party {
            return Grade::InPerson;
        }
        let Some(subject) = self.parties.get(party) else { return Grade::Unverified };
        let about = self.attestations.values().filter(|said| {
            let covers = !subject.current.is_empty() && subject.current.is_subset(&said.keys);
            said.subject == *party && covers
        });
        let (mut region, mut convener) = (false, false);
        for said in about {
            if said.by == *me && said.method == super::attestation::Method::InPerson {
                return Grade::InPerson;
            }
            let all_three = |group: &&Group| {
                let inside = [me, party, &said.by].iter().all(|code| group.parties.contains(code));
                group.anchor.is_some() && inside
            };
            region |= said.by != *me && self.groups.values().any(|group| all_three(&group));
            let by = self.parties.get(&said.by);
            convener |= by.is_some_and(|by| by.role == Role::Convener);
        }
        match (region, convener) {
            (true, true) => Grade::RegionAndConvener,
            (false, true) => Grade::Convener,
            (_, false) => Grade::Unverified,
        }
    }
}

/// What all say, or no role at all.
fn agreed(mut roles: impl Iterator<Item = Role>) -> Role {
    let first = roles.next().unwrap_or(Role::Unknown(0));
    if roles.all(|role| role == first) { first } else { Role::Unknown(0) }
}

/// A party's role now: that of the accord in force; for one that it no longer lists, that of its
/// last version, as long as a charter that it signed stands.
fn role(judge: &Judge<'_>, code: &PartyCode, grouped: bool) -> Role {
    agreed(judge.tree.paths.iter().map(|path| {
        let listed = path.last().and_then(|(_, text)| text.parties.get(code));
        let entry = listed.or_else(|| last_entry(path, code).filter(|_| grouped));
        entry.map_or(Role::Unknown(0), |entry| entry.role)
    }))
}

fn parties(judge: &Judge<'_>) -> BTreeMap<PartyCode, Party> {
    let paths = &judge.tree.paths;
    let mut parties = BTreeMap::new();
    for code in paths.iter().flatten().flat_map(|(_, text)| text.parties.keys()) {
        if parties.contains_key(code) {
            continue;
        }
        let entry = paths.iter().find_map(|path| last_entry(path, code));
        let authority = judge.keys.get(code).cloned().unwrap_or_default();
        let in_head = |path: &Vec<(Digest, &AccordText)>, key: &KeyId| {
            let head = path.last().and_then(|(_, text)| text.parties.get(code));
            head.is_some_and(|entry| entry.authority.contains_key(key))
        };
        let current = |key: &&KeyId| {
            let taken = judge.taken.contains_key(&(code.clone(), **key));
            !taken && paths.iter().all(|path| in_head(path, key))
        };
        let mut roles = paths.iter().map(|path| {
            path.last().and_then(|(_, text)| text.parties.get(code)).map(|entry| entry.role)
        });
        let first = roles.next();
        let party = Party {
            code: code.clone(),
            name: entry.map(|entry| entry.name.clone()).unwrap_or_default(),
            role: role(judge, code, false),
            charter_role: role(judge, code, true),
            current: authority.keys().filter(current).copied().collect(),
            contested: roles.any(|role| Some(role) != first),
            authority,
        };
        parties.insert(code.clone(), party);
    }
    parties
}

fn states(parties: &BTreeMap<PartyCode, Party>) -> BTreeSet<PartyCode> {
    let states = parties.values().filter(|party| party.role == Role::State);
    states.map(|party| party.code.clone()).collect()
}

fn on_lane(stations: &Stations, group: &Group) -> BTreeSet<StationId> {
    let ids = group.parties.iter().filter_map(|code| stations.of_party.get(code)).flatten();
    let carries =
        |id: &&StationId| stations.members.get(*id).is_some_and(|member| member.role.carries());
    ids.filter(carries).copied().collect()
}

fn attestations(
    shelf: &Shelf,
    judge: &Judge<'_>,
) -> BTreeMap<(PartyCode, PartyCode), AttestationText> {
    let mut order: Vec<_> = shelf
        .of_kind(DocumentKind::Attestation)
        .filter_map(|(id, held)| match &held.text {
            Text::Attestation(text) => Some((Reverse(text.made_at), *id, text)),
            _ => None,
        })
        .filter(|(_, id, text)| judge.signed_by(&text.by, id))
        .collect();
    order.sort_by_key(|(made_at, id, _)| (*made_at, *id));
    let mut newest = BTreeMap::new();
    for (_, _, text) in order {
        let about = (text.by.clone(), text.subject.clone());
        newest.entry(about).or_insert_with(|| text.clone());
    }
    newest
}

/// Versions of the accord that exclude each other.
fn contested(
    shelf: &Shelf,
    judge: &Judge<'_>,
    heads: &[(Digest, &AccordText)],
    parties: &BTreeMap<PartyCode, Party>,
    conflicts: &mut Vec<Conflict>,
) {
    if let [(_, text), _, ..] = heads {
        let without = parties.values().filter(|party| party.contested);
        conflicts.push(Conflict::Contested {
            version: text.version,
            heads: heads.iter().map(|(id, _)| *id).collect(),
            parties: without.map(|party| party.code.clone()).collect(),
        });
    }
    let on_way: BTreeMap<Digest, u32> =
        judge.tree.paths.iter().flatten().map(|(id, text)| (*id, text.version)).collect();
    for (id, text) in judge.tree.beside() {
        let (mut branch, mut first) = (text, id);
        while let Some(previous) = branch.previous.filter(|id| !on_way.contains_key(id)) {
            let Some(Text::Accord(before)) = shelf.get(&previous).map(|held| &held.text) else {
                break;
            };
            (branch, first) = (before, previous);
        }
        let rivals = on_way.iter().filter(|(_, version)| **version == branch.version);
        let before = branch.previous.and_then(|id| shelf.get(&id)).map(|held| &held.text);
        let Some(Text::Accord(before)) = before else { continue };
        let keys = before.state_keys();
        let by = |id: &Digest| -> BTreeSet<&PartyCode> {
            signers(shelf, id).filter_map(|key| keys.get(&key)).map(|(_, code)| code).collect()
        };
        let ours: BTreeSet<&PartyCode> = rivals.flat_map(|(id, _)| by(id)).collect();
        conflicts.push(Conflict::AccordBeside {
            version: text.version,
            digest: id,
            signed_both: by(&first).intersection(&ours).map(|code| (*code).clone()).collect(),
        });
    }
}

/// In lines, every id in full, so that equal texts are equal views.
impl View {
    pub(super) fn text(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.heads.iter().map(|id| format!("accord {} {id}", self.accord.version)));
        lines.extend(self.parties.values().map(party_line));
        lines.extend(self.stations.members.values().map(member_line));
        lines.extend(
            self.stations.peers.iter().map(|(peer, id)| format!("peer {} {id}", hex(peer))),
        );
        for group in self.groups.values() {
            let charter = group.charter.map(|(version, id)| format!("{version} {id}"));
            let parties = joined(&group.parties);
            let stations = joined(self.lanes.get(&group.lane).into_iter().flatten());
            let (name, lane) = (&group.name, group.lane);
            lines.push(format!("group {name} {lane} {charter:?} of {parties}: {stations}"));
        }
        let revoked = |revoked: &Revoked| {
            let heads = joined(revoked.heads.iter().map(|head| {
                format!("{}/{}/{}/{}", head.incarnation, head.lane, head.seq, head.header)
            }));
            format!("{} {} {:?} but {heads}", revoked.key, revoked.made_at.0, revoked.reason)
        };
        for ((party, _), taken) in &self.authority_keys {
            lines.push(format!("revoked {party} {}", revoked(taken)));
        }
        for ((station, _), taken) in &self.station_keys {
            lines.push(format!("revoked {station} {}", revoked(taken)));
        }
        for said in self.attestations.values() {
            let (by, subject, word, keys) =
                (&said.by, &said.subject, said.method.word(), joined(&said.keys));
            lines.push(format!("attested {by} {subject} {word} {} {keys}", said.made_at.0));
        }
        for (charter, readers) in &self.readers {
            lines.push(format!("readers {charter} {}", joined(readers)));
        }
        lines.extend(self.conflicts.iter().map(conflict_line));
        lines.join("\n")
    }
}

fn joined<T: ToString>(list: impl IntoIterator<Item = T>) -> String {
    list.into_iter().map(|entry| entry.to_string()).collect::<Vec<_>>().join(" ")
}

fn party_line(party: &Party) -> String {
    let Party { code, name, role, charter_role, contested, .. } = party;
    let (keys, current) = (joined(party.authority.keys()), joined(&party.current));
    format!("party {code} {name:?} {role:?} {charter_role:?} {contested} {keys} now {current}")
}

fn member_line(member: &Member) -> String {
    let Member { id, name, role, serial, silenced, .. } = member;
    let (sign, seal) = (joined(member.sign_keys.keys()), joined(member.epochs.keys()));
    let peers = joined(member.peers.iter().map(|peer| hex(peer)));
    let now = format!("{} {} {}", member.sign_key_id, member.epoch_id, hex(&member.peer));
    let said = format!("{:?} {:?} {:?}", member.scopes, member.addresses, member.offices);
    let offices = member.office_keys.iter().map(|(id, of)| {
        let now = if of.current { "now" } else { "once" };
        format!("{:?} {id} {now}", of.key.office)
    });
    let offices = joined(offices);
    let times = format!("{:?} {:?}", member.contact_at, member.not_after);
    format!(
        "station {id} {name} {role:?} {serial} {silenced} {now} of {sign} / {seal} / {peers} \
         {said} {times} {offices}"
    )
}

fn conflict_line(conflict: &Conflict) -> String {
    let ids = match conflict {
        Conflict::Contested { heads, .. } => joined(heads),
        Conflict::AccordBeside { digest, .. } | Conflict::CharterBeside { digest, .. } => {
            digest.to_string()
        }
        _ => String::new(),
    };
    format!("conflict {conflict:?} {ids}")
}
