//! From the station's own terms to the shapes of the API: names for ids, words for codes.
//!
//! Pure; runs inside a look at the station, so it is quick and opens nothing.

use cbm_proto::{
    accord::{Conflict, Directory},
    id::{MsgId, StationId},
    inbox::Received,
    receipt::{Proof, Stated},
    station::{Correspondent, Speaks, Station, Status},
    time::{Now, Timestamp},
};

use super::{
    command::Links,
    people,
    shape::{
        AddresseeView, CorrespondentView, Health, InboxRow, PeerView, RestoreView, RestoredView,
        StatedView, StatusView,
    },
};

/// Why nothing comes from a station whose keys are all revoked.
const SILENCED: &str = "its keys were revoked by its party; kept until it has new ones";

/// How far a letter of ours came; `None` when we sent none of this id.
#[must_use]
pub(super) fn status(station: &Station, now: Now, msg: &MsgId) -> Option<StatusView> {
    let status: Status = station.status(now, msg)?;
    let addressees = status.addressees.iter().map(|a| AddresseeView {
        party: a.party.to_string(),
        station: format!("{}/{}", a.party, a.station),
        info: a.info,
        state: a.state.word().to_owned(),
        level: a.level.map(|level| level.word().to_owned()),
        outcome: a.outcome.map(|outcome| outcome.word().to_owned()),
        stated: a.stated.as_ref().map(|(stated, proof)| self::stated(stated, *proof)),
        at: time(a.at),
        path: a.path.clone(),
        due_at: time(a.due_at),
        overdue: a.overdue,
        cause: a.silenced.then(|| SILENCED.to_owned()),
        trust: station.trust(&a.party).word().to_owned(),
    });
    Some(StatusView {
        id: msg.to_string(),
        type_name: status.type_name.clone(),
        precedence: status.precedence.word().to_owned(),
        addressees: addressees.collect(),
    })
}

fn stated(stated: &Stated, proof: Proof) -> StatedView {
    let (signature, key, cause) = match proof {
        Proof::Unsigned => ("none", None, None),
        Proof::Signed(key) => ("valid", Some(key.to_string()), None),
        Proof::Void(fault) => ("not_valid", None, Some(fault.to_string())),
    };
    StatedView {
        office: stated.office.clone(),
        officer: stated.officer.clone(),
        signature: signature.to_owned(),
        key,
        cause,
    }
}

/// Letters shaped in one look, so that a long inbox keeps nobody waiting.
const PAGE: usize = 256;

/// What came after the letter numbered `after`, oldest first, at most a page of it, without
/// subjects: those are sealed.
#[must_use]
pub(super) fn inbox(station: &Station, now: Now, after: u64) -> Vec<(Received, InboxRow)> {
    let new = station.inbox_after(after).take(PAGE);
    new.map(|received| {
        let row = row(station, now, &received);
        (received.into_owned(), row)
    })
    .collect()
}

fn row(station: &Station, now: Now, received: &Received) -> InboxRow {
    InboxRow {
        id: received.msg.to_string(),
        from: name(station.directory(), &received.author),
        type_name: received.type_name.clone(),
        precedence: received.precedence.word().to_owned(),
        status: received.status.word().to_owned(),
        subject: None,
        received_at: received.received_at.to_string(),
        level: received.level.map(|level| level.word().to_owned()),
        newer: received.newer,
        key_revoked: station.key_revoked(received),
        trust: station.trust(&received.party).word().to_owned(),
        incidents: people::attempts(station, now.wall, &received.party),
    }
}

/// Every station of the accord.
#[must_use]
pub(super) fn peers(station: &Station, now: Now, links: &Links) -> Vec<PeerView> {
    let all = station.directory().members().map(|member| PeerView {
        station: member.name.to_string(),
        role: member.role.word().to_owned(),
        me: member.id == station.me(),
        linked: links.linked.contains_key(&member.id),
        transport: links.linked.get(&member.id).cloned(),
        beacon_age_ms: station.beacons().get(&member.id).map(|b| now.mono.since(b.heard)),
        held: links.held.contains(&member.id),
        addresses: member.addresses.clone(),
        service: None,
        cause: cause(links, &member.id),
    });
    let mut all: Vec<PeerView> = all.collect();
    all.sort_by(|a, b| a.station.cmp(&b.station));
    all
}

/// What was lost with a disk, and what came back.
#[must_use]
pub(super) fn restore(station: &Station, backup: Option<RestoredView>) -> RestoreView {
    let report = station.regained();
    let directory = station.directory();
    let one = |c: &Correspondent| CorrespondentView {
        station: name(directory, &c.station),
        answered: c.answered,
        lost: c.lost,
        back: c.back,
        not_available: c.not_available,
    };
    let mut correspondents: Vec<_> = report.correspondents.iter().map(one).collect();
    correspondents.sort_by(|a, b| a.station.cmp(&b.station));
    RestoreView {
        station: name(directory, &station.me()),
        backup,
        since: time(report.since),
        asked: report.asked,
        answered: report.answered,
        lost: report.lost,
        back: report.back,
        not_available: report.not_available,
        own_unknown: report.own_unknown,
        correspondents,
    }
}

/// Why a link is of no use. What it is called is the same in the log.
fn cause(links: &Links, id: &StationId) -> Option<String> {
    if links.other_network.contains(id) {
        let words = "it runs on another network's accord; compare the words of `cbm accord show`";
        return Some(words.to_owned());
    }
    links.unreached.get(id).filter(|_| !links.linked.contains_key(id)).cloned()
}

/// How the node is.
#[must_use]
pub(super) fn health(station: &Station, now: Now, links: &Links) -> Health {
    let (clocks_heard, clock_offset_ms) = station.clock_offset(now);
    let directory = station.directory();
    Health {
        station: name(station.directory(), &station.me()),
        speaks: match station.speaks() {
            Speaks::Asking => "asking",
            Speaks::Yes => "yes",
            Speaks::Clone => "clone",
            Speaks::Revoked => "revoked",
        }
        .to_owned(),
        peers: station.directory().members().filter(|m| m.id != station.me()).count(),
        linked: links.linked.len(),
        storing: links.storing,
        strangers_refused: links.strangers,
        clock_in_doubt: !station.clock_trusted(),
        clocks_heard,
        clock_offset_ms,
        accord_version: directory.accord_version(),
        accord_heard: station.beacons().values().map(|b| b.accord).max().unwrap_or(0),
        conflicts: directory.conflicts().iter().map(conflict).collect(),
    }
}

fn conflict(conflict: &Conflict) -> String {
    match conflict {
        Conflict::Contested { version, heads, .. } => {
            format!("{} versions {version} of the accord contest each other", heads.len())
        }
        Conflict::AccordBeside { version, .. } => {
            format!("a version {version} of the accord stands beside the one in force")
        }
        Conflict::CharterBeside { group, .. } => format!("the charter of {group} has two ends"),
        Conflict::SameName { name, shown } => {
            format!("two groups are named {name}, one is {shown}")
        }
        Conflict::SameSerial { station, serial } => {
            format!("two certificates of {station} have the serial {serial}")
        }
        Conflict::PeerTwice { counts, other } => {
            format!("the PEER key of {counts} is certified for {other} too")
        }
        Conflict::TooManyStations { party, .. } => {
            format!("{party} has certified more stations than count")
        }
    }
}

/// A station's name, or its id in hex when no document names it.
#[must_use]
pub(super) fn name(directory: &Directory, id: &StationId) -> String {
    directory.member(id).map_or_else(|| id.to_string(), |member| member.name.to_string())
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
