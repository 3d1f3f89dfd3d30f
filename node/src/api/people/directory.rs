//! The directory: each party with its offices, its trust, the age of its data, its line.
//!
//! One look at the station gives what documents and our own letters say; the newest entries of
//! contacts and notices of each party are opened after it. Stale data stay, with their word.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json,
    extract::{Path, State},
};
use cbm_proto::{
    accord::{ALL, Member, OfficeOf, Party, Role},
    id::{KeyId, MsgId, PartyCode},
    outbox::Outgoing,
    people::{Evidence, Incident},
    station::Station,
    terms::{Cause, Level, Outcome, Status},
    time::{Now, Timestamp},
};
use serde_json::Value;

use super::{
    attempts, no_such, party, service,
    shape::{
        CheckedView, EntryView, IncidentView, LastCheckView, OfficeKeyView, OfficeView, PartyView,
        StationView,
    },
};
use crate::api::{
    command::{Desk, Links},
    failure::Failure,
    letters,
    routes::Api,
    view,
};

/// Entries of contacts opened for one party.
const ENTRIES: usize = 8;
/// Rows of incidents given at once.
const ROWS: usize = 256;

/// `GET /v1/directory`.
pub(super) async fn all(State(api): State<Api>) -> Result<Json<Vec<PartyView>>, Failure> {
    let codes = api.desk.look(|station, _| listed(station)).await?;
    let links = api.desk.links().await?;
    let mut parties = Vec::new();
    for code in codes {
        parties.extend(assemble(&api.desk, &links, code).await?);
    }
    Ok(Json(parties))
}

/// `GET /v1/directory/{party}`.
pub(super) async fn one(
    State(api): State<Api>,
    Path(code): Path<String>,
) -> Result<Json<PartyView>, Failure> {
    let code = party(&code)?;
    let links = api.desk.links().await?;
    let found = assemble(&api.desk, &links, code.clone()).await?;
    found.map(Json).ok_or_else(|| no_such(&code))
}

/// `GET /v1/incidents`, the newest first.
pub(super) async fn incidents(State(api): State<Api>) -> Result<Json<Vec<IncidentView>>, Failure> {
    let rows = api.desk.look(|station, _| {
        let rows = station.incidents().iter().take(ROWS);
        rows.map(|incident| incident_view(station, incident)).collect::<Vec<_>>()
    });
    let mut rows = rows.await?;
    rows.sort_by(|a, b| b.last_at.cmp(&a.last_at));
    Ok(Json(rows))
}

/// Parties that are in the accord or in a group with us.
fn listed(station: &Station) -> Vec<PartyCode> {
    let directory = station.directory();
    let grouped: BTreeSet<&PartyCode> =
        directory.groups().flat_map(|group| &group.parties).collect();
    let known = |party: &&Party| party.role != Role::Unknown(0) || grouped.contains(&party.code);
    directory.parties().filter(known).map(|party| party.code.clone()).collect()
}

async fn assemble(
    desk: &Desk,
    links: &Links,
    code: PartyCode,
) -> Result<Option<PartyView>, Failure> {
    let (asked, links) = (code.clone(), links.clone());
    let found = desk.look(move |station, now| known(station, now, &links, &asked)).await?;
    let Some(Known { mut view, mut evidence, entries, now }) = found else { return Ok(None) };
    let mut newest: BTreeMap<String, EntryView> = BTreeMap::new();
    for (msg, made_at) in entries {
        let letter = letters::open(desk, msg).await?;
        let entry = entry(msg, made_at, &letter.to_json()["body"]);
        weigh(&mut evidence, &entry, made_at, !newest.contains_key(&entry.entry_id));
        // The newest letter about an entry says what it is.
        newest.entry(entry.entry_id.clone()).or_insert(entry);
    }
    view.entries = newest.into_values().collect();
    view.service = service::of(desk, &code).await?;
    view.freshness = evidence.freshness(now).word().to_owned();
    view.confirmed_at = evidence.confirmed_at.map(|at| at.to_string());
    Ok(Some(view))
}

/// What one look at the station gives.
struct Known {
    view: PartyView,
    evidence: Evidence,
    /// Letters about entries of contacts, the newest first.
    entries: Vec<(MsgId, Timestamp)>,
    now: Timestamp,
}

fn known(station: &Station, now: Now, links: &Links, code: &PartyCode) -> Option<Known> {
    let directory = station.directory();
    let party = directory.party(code)?;
    let me = directory.member(&station.me()).is_some_and(|me| me.name.party() == code);
    let stations: Vec<&Member> = directory.stations_of(code).collect();
    let mut evidence = Evidence::default();
    stations.iter().filter_map(|member| member.contact_at).for_each(|at| evidence.confirm(at));
    let last_check = last_check(station, now, code, &mut evidence);
    let real = station.newest_from(code, "contact-entry").filter(|l| l.status == Status::Actual);
    let mut entries: Vec<_> = real.map(|letter| (letter.msg, letter.made_at)).collect();
    entries.sort_by_key(|(_, made_at)| std::cmp::Reverse(*made_at));
    entries.truncate(ENTRIES);
    let mine = directory.member(&station.me()).map(|me| me.name.party().clone());
    let shared = directory.groups().filter(|group| {
        group.parties.contains(code)
            && mine.as_ref().is_some_and(|mine| group.parties.contains(mine))
    });
    let view = PartyView {
        party: code.to_string(),
        name: party.name.clone(),
        role: party.role.word().to_owned(),
        me,
        trust: station.trust(code).word().to_owned(),
        check: station.check_of(code).map(|check| CheckedView {
            method: check.method.word().to_owned(),
            by: check.by.clone(),
            at: check.at.to_string(),
        }),
        disagreed: station.disagreed(code),
        groups: shared.map(|group| group.name.clone()).filter(|name| name != ALL).collect(),
        incidents: attempts(station, now.wall, code),
        last_check,
        stations: stations.into_iter().map(|m| station_view(station, now, links, m)).collect(),
        ..PartyView::default()
    };
    Some(Known { view, evidence, entries, now: now.wall })
}

fn station_view(station: &Station, now: Now, links: &Links, member: &Member) -> StationView {
    let beacon = station.beacons().get(&member.id);
    StationView {
        station: member.name.to_string(),
        linked: links.linked.contains_key(&member.id),
        beacon_age_ms: beacon.map(|beacon| now.mono.since(beacon.heard)),
        addresses: member.addresses.clone(),
        offices: member
            .offices
            .iter()
            .map(|office| OfficeView {
                code: office.code.clone(),
                title: office.title.clone(),
                languages: office.languages.clone(),
                hours: office.hours.clone(),
                always: office.always,
            })
            .collect(),
        office_keys: office_keys(station, member),
        contact_at: member.contact_at.map(|at| at.to_string()),
        certificate_ends: member.not_after.map(|at| at.to_string()),
        certificate_expired: member.is_expired(now.wall),
    }
}

/// Those of the certificate in force.
fn office_keys(station: &Station, member: &Member) -> Vec<OfficeKeyView> {
    let now = member.office_keys.iter().filter(|(_, of)| of.current);
    let view = |(id, of): (&KeyId, &OfficeOf)| OfficeKeyView {
        office: of.key.office.clone(),
        key: id.to_string(),
        revoked: station.directory().revoked(&member.id, id).is_some(),
    };
    let mut keys: Vec<_> = now.map(view).collect();
    keys.sort_by(|a, b| (&a.office, &a.key).cmp(&(&b.office, &b.key)));
    keys
}

/// How far a check came at the stations of a party: the best of them.
pub(super) fn verdict(level: Option<Level>, outcome: Option<Outcome>) -> &'static str {
    match level {
        _ if outcome == Some(Outcome::Declined) => "declined",
        None | Some(Level::L0) => "line_dead",
        Some(Level::L1 | Level::L2 | Level::L3) => "nobody_at_desk",
        Some(Level::L4 | Level::L5 | Level::L6) => "answered",
    }
}

/// The newest check of a party; each one is evidence for or against its contact data.
fn last_check(
    station: &Station,
    now: Now,
    code: &PartyCode,
    evidence: &mut Evidence,
) -> Option<LastCheckView> {
    let ids: BTreeSet<_> = station.directory().stations_of(code).map(|member| member.id).collect();
    let mut newest = None;
    for (msg, letter) in station.newest_sent("comms-check") {
        let asked = letter.owed.iter().filter(|(id, _)| ids.contains(id));
        let best = asked.map(|(_, owed)| (owed.level, owed.outcome, owed.at)).max_by_key(|b| b.0);
        let Some((level, outcome, at)) = best else { continue };
        let verdict = verdict(level, outcome);
        let over = over(&letter, now);
        match verdict {
            "answered" | "declined" => at.into_iter().for_each(|at| evidence.confirm(at)),
            _ if over => evidence.failed_at = evidence.failed_at.max(letter.reply_by),
            _ => {}
        }
        newest.get_or_insert_with(|| LastCheckView {
            id: msg.to_string(),
            sent_at: letter.made_at.to_string(),
            verdict: verdict.to_owned(),
            over,
        });
    }
    newest
}

/// Whether the time for an answer has passed.
pub(super) fn over(letter: &Outgoing, now: Now) -> bool {
    letter.reply_by.is_some_and(|by| by < now.wall)
}

/// What an entry says of the age of the data; `newest` of its entry decides what holds.
fn weigh(evidence: &mut Evidence, entry: &EntryView, made_at: Timestamp, newest: bool) {
    match entry.op.as_str() {
        "ANNOUNCE" | "UPDATE" | "REATTEST" => {
            evidence.confirm(made_at);
            if newest {
                let until = entry.valid_until.as_deref().and_then(Timestamp::parse);
                evidence.valid_until = evidence.valid_until.max(until);
            }
        }
        "SUSPEND" | "WITHDRAW" if newest => {
            evidence.withdrawn_at = evidence.withdrawn_at.max(Some(made_at));
        }
        _ => {}
    }
}

fn entry(msg: MsgId, made_at: Timestamp, body: &Value) -> EntryView {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
    let mut channels = list("channels");
    channels.sort_by_key(|channel| channel["order"].as_u64().unwrap_or(u64::MAX));
    EntryView {
        entry_id: word(&body["entry_id"]),
        op: word(&body["op"]),
        role: word(&body["role"]),
        office: word(&body["office"][0]["text"]),
        channels: channels.iter().map(channel).collect(),
        languages: list("langs").iter().map(|lang| word(&lang["bcp47"])).collect(),
        valid_until: body["valid_until"].as_str().map(str::to_owned),
        said_at: made_at.to_string(),
        id: msg.to_string(),
    }
}

/// `PHONE +999 555 0100`.
pub(super) fn channel(channel: &Value) -> String {
    let word = |key: &str| channel[key].as_str().unwrap_or("-").to_owned();
    format!("{} {}", word("kind"), word("addr"))
}

fn incident_view(station: &Station, incident: &Incident) -> IncidentView {
    IncidentView {
        cause: incident.cause.word().to_owned(),
        words: words(incident.cause).to_owned(),
        about: Some(incident.about.clone()).filter(|about| !about.is_empty()),
        via: incident.via.map(|id| view::name(station.directory(), &id)),
        count: incident.count,
        first_at: incident.first_at.to_string(),
        last_at: incident.last_at.to_string(),
    }
}

fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::Stranger => "a node that no certificate names wanted a link; refused",
        Cause::Document => "a document in its name that its party did not sign; not believed",
        Cause::Signature => "an envelope in its name with a false signature; refused",
        Cause::OtherKey => "an envelope in its name, signed by another station; refused",
        Cause::OtherName => "a letter in its name out of another station; not shown",
        Cause::RevokedKey => "a key that its party took back was used; refused",
        Cause::Clone => "another node speaks with our own keys; this one is silent",
        Cause::Fork => "it signed two headers as one number: copied keys, or bad faith",
        Cause::Mismatch => "the words that its officer said did not agree",
        Cause::Scope => "a letter of a kind that its key may not say; not shown",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_verdict_never_merges_a_dead_line_an_empty_desk_and_a_no() {
        assert_eq!(verdict(None, None), "line_dead");
        assert_eq!(verdict(Some(Level::L0), None), "line_dead");
        assert_eq!(verdict(Some(Level::L3), None), "nobody_at_desk");
        assert_eq!(verdict(Some(Level::L4), None), "answered");
        assert_eq!(verdict(Some(Level::L5), Some(Outcome::Declined)), "declined");
    }

    #[test]
    fn an_entry_that_was_withdrawn_and_announced_again_is_there() {
        let mut evidence = Evidence::default();
        let of = |op: &str| EntryView { op: op.into(), ..EntryView::default() };
        weigh(&mut evidence, &of("WITHDRAW"), Timestamp(5), true);
        weigh(&mut evidence, &of("ANNOUNCE"), Timestamp(1), false);
        assert_eq!(evidence.freshness(Timestamp(6)).word(), "WITHDRAWN");
        weigh(&mut evidence, &of("ANNOUNCE"), Timestamp(6), true);
        assert_eq!(evidence.freshness(Timestamp(6)).word(), "FRESH");
    }

    #[test]
    fn channels_stand_in_the_order_to_try_them() {
        let body = json!({"entry_id": "d", "channels": [
            {"kind": "EMAIL", "addr": "x@y", "order": 2}, {"kind": "PHONE", "addr": "1", "order": 1}
        ]});
        let entry = entry(MsgId([0; 16]), Timestamp(0), &body);
        assert_eq!(entry.channels, ["PHONE 1", "EMAIL x@y"]);
    }
}
