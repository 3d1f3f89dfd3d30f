//! The directory in words, at most 80 columns.

use crate::{
    api::people::shape::{EntryView, IncidentView, PartyView, StationView},
    cli::print,
};

/// A trust word of the API, for people.
#[must_use]
pub fn trust(word: &str) -> &str {
    match word {
        "checked_in_person" => "checked in person",
        "region_and_convener" => "by region and convener",
        "convener" => "by convener",
        "own" => "own party",
        other => other,
    }
}

/// One line a party; what is out of the ordinary stands below it.
pub(super) fn table(parties: &[PartyView]) -> String {
    let rows: Vec<Vec<String>> = parties.iter().map(row).collect();
    print::table(&["PARTY", "ROLE", "TRUST", "DATA", "LINKS", "NOTE"], &rows)
}

fn row(party: &PartyView) -> Vec<String> {
    let up = party.stations.iter().filter(|station| station.linked).count();
    let links = match party.me {
        true => "-".to_owned(),
        false => format!("{up} of {}", party.stations.len()),
    };
    let mut notes: Vec<String> = Vec::new();
    notes.extend(party.service.as_ref().map(|service| service.words.clone()));
    if party.disagreed {
        notes.push("its words did not agree".to_owned());
    }
    if party.incidents > 0 {
        notes.push(format!("{} attempts to pass for it", party.incidents));
    }
    if let Some(check) = party.last_check.as_ref().filter(|check| check.over) {
        notes.extend(failed(&check.verdict).map(str::to_owned));
    }
    vec![
        party.party.clone(),
        party.role.clone(),
        trust(&party.trust).to_owned(),
        party.freshness.clone(),
        links,
        if notes.is_empty() { party.name.clone() } else { notes.join("; ") },
    ]
}

fn failed(verdict: &str) -> Option<&'static str> {
    match verdict {
        "line_dead" => Some("last check: line dead"),
        "nobody_at_desk" => Some("last check: nobody at the desk"),
        _ => None,
    }
}

/// Everything about one party.
pub(super) fn whole(party: &PartyView) -> String {
    let mut out = vec![format!("{}  {}  {}", party.party, party.role, print::tame(&party.name))];
    let mut say = |name: &str, text: &str| print::wrap(&mut out, &format!("{name:12}"), text);
    let known = match (&party.check, party.disagreed) {
        (_, true) => "; the last comparison did not agree".to_owned(),
        (Some(check), _) => format!(
            "; fingerprint compared {} {} by {}",
            method(&check.method),
            print::time(&check.at),
            check.by
        ),
        (None, false) => String::new(),
    };
    say("trust", &format!("{}{known}", trust(&party.trust)));
    let confirmed = party.confirmed_at.as_deref().map(print::time);
    let since = confirmed.map(|at| format!(", confirmed {at}")).unwrap_or_default();
    say("data", &format!("{}{since}", party.freshness));
    if let Some(service) = &party.service {
        say("line", &service.words);
        service.reason.iter().for_each(|reason| say("", reason));
        service.alt_channels.iter().for_each(|channel| say("meanwhile", channel));
    }
    if !party.groups.is_empty() {
        say("groups", &party.groups.join(", "));
    }
    if let Some(check) = &party.last_check {
        let verdict = check.verdict.replace('_', " ");
        say("last check", &format!("{} {verdict}", print::time(&check.sent_at)));
    }
    if party.incidents > 0 {
        let count = party.incidents;
        say("attempts", &format!("{count} to pass for it: cbm directory --incidents"));
    }
    party.stations.iter().for_each(|station| self::station(&mut out, station, party.me));
    party.entries.iter().for_each(|entry| self::entry(&mut out, entry));
    out.join("\n")
}

/// How fingerprints were compared.
pub(super) fn method(word: &str) -> &str {
    match word {
        "IN_PERSON" => "in person",
        "BY_VOICE" => "by voice",
        "READ_BACK" => "by words read back",
        other => other,
    }
}

fn station(out: &mut Vec<String>, station: &StationView, me: bool) {
    out.push(station.station.clone());
    let mut say = |name: &str, text: &str| print::wrap(out, &format!("  {name:10}"), text);
    let heard = station.beacon_age_ms.map(|age| format!(", heard {} s ago", age / 1_000));
    let link = match (me, station.linked) {
        (true, _) => "this party",
        (false, true) => "up",
        (false, false) => "down",
    };
    say("link", &format!("{link}{}", heard.unwrap_or_default()));
    station.addresses.iter().for_each(|address| say("address", address));
    for office in &station.offices {
        let hours = if office.always { "any hour" } else { &office.hours };
        let languages = office.languages.join(" ");
        say("office", &format!("{}: {}; {languages}; {hours}", office.code, office.title));
    }
    for of in &station.office_keys {
        let over = if of.revoked { " (REVOKED)" } else { "" };
        say("signs", &format!("{}: key {}{over}", of.office, of.key));
    }
    let said = station.contact_at.as_deref().map_or_else(|| "never".to_owned(), print::time);
    say("said", &said);
    if let Some(ends) = &station.certificate_ends {
        let over = if station.certificate_expired { " (OVER)" } else { "" };
        say("keys until", &format!("{ends}{over}"));
    }
}

fn entry(out: &mut Vec<String>, entry: &EntryView) {
    let head = format!("entry {} {} {}", entry.entry_id, entry.role, entry.op);
    out.push(print::shorten(&print::tame(&head), print::WIDTH));
    let mut say = |name: &str, text: &str| print::wrap(out, &format!("  {name:10}"), text);
    say("office", &entry.office);
    entry.channels.iter().for_each(|channel| say("reach", channel));
    if !entry.languages.is_empty() {
        say("languages", &entry.languages.join(" "));
    }
    entry.valid_until.iter().for_each(|until| say("holds until", until));
    say("said", &print::time(&entry.said_at));
}

/// Attempts, the newest first.
pub(super) fn incidents(rows: &[IncidentView]) -> String {
    if rows.is_empty() {
        return "nobody tried to pass for somebody else, as far as this station saw".to_owned();
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let via = row.via.as_ref().map(|via| format!(" (it came from {via})"));
            vec![
                print::time(&row.last_at),
                row.about.clone().unwrap_or_else(|| "-".to_owned()),
                row.count.to_string(),
                format!("{}{}", row.words, via.unwrap_or_default()),
            ]
        })
        .collect();
    print::table(&["LAST", "NAME", "COUNT", "WHAT"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::people::shape::ServiceView;

    #[test]
    fn lines_fit_and_a_suspension_is_said() {
        let service = ServiceView {
            words: "suspended openly since 2026-11-22T03:00:00.000Z, political".to_owned(),
            ..ServiceView::default()
        };
        let party = PartyView {
            party: "BBB".to_owned(),
            role: "STATE".to_owned(),
            trust: "region_and_convener".to_owned(),
            freshness: "STALE".to_owned(),
            service: Some(service),
            incidents: 4,
            stations: vec![StationView::default()],
            ..PartyView::default()
        };
        for shown in [table(std::slice::from_ref(&party)), whole(&party)] {
            assert!(shown.lines().all(|line| line.chars().count() <= print::WIDTH), "{shown}");
            let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains("suspended openly since"), "{shown}");
            assert!(flat.contains("by region and convener"), "{shown}");
        }
        assert!(incidents(&[]).contains("nobody tried"));
    }
}
