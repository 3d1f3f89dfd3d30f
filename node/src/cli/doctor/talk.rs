//! Checks of what only the running node knows: its voice, the others' clocks and accord, its links.

use super::{Check, Running};
use crate::{cli::print, config::Config, documents};

/// A clock that differs by more is worth a look, long before it is in doubt, milliseconds.
const CLOCK_SOON: u64 = 30_000;
/// So many parties must be heard before a clock is compared.
const CLOCKS_LEAST: usize = 3;

const STOPPED: &str = "the node does not run";

pub(super) fn node(config: &Config, node: Option<&Running>) -> Check {
    let name = "node";
    let Some(node) = node else {
        return Check::skipped(name, format!("no node answers on {}", config.socket.display()));
    };
    let health = &node.health;
    if health.station != config.station.to_string() {
        let found = format!("{} answers on the socket of {}", health.station, config.station);
        return Check::fail(name, found, "correct paths.socket: two stations share it");
    }
    match health.speaks.as_str() {
        "yes" => Check::ok(name, format!("{} runs and speaks", health.station)),
        "asking" => Check::warn(
            name,
            "it asks the others about its own past before it speaks",
            "wait half a minute; letters that were sent meanwhile are kept",
        ),
        "clone" => Check::fail(
            name,
            "CLONE: another node speaks with this station's keys, so this one is silent",
            "stop one of the two for good, then start this one again",
        ),
        other => Check::fail(
            name,
            format!("it is silent: {other}"),
            "make new keys and have the party's authority certify them",
        ),
    }
}

pub(super) fn accord(node: Option<&Running>) -> Check {
    let name = "accord";
    let Some(Running { health, .. }) = node else { return Check::skipped(name, STOPPED) };
    let (own, heard) = (health.accord_version, health.accord_heard);
    if heard > own {
        let found = format!("version {own} here, others go by version {heard}");
        let remedy = "wait until it arrives by a link, or get it and `cbm accord publish` it";
        return Check::warn(name, found, remedy);
    }
    Check::ok(name, format!("version {own}, and no other station goes by a later one"))
}

pub(super) fn conflicts(config: &Config, node: Option<&Running>) -> Check {
    let name = "conflicts";
    let count = match node {
        Some(node) => node.health.conflicts.clone(),
        None => match documents::load(&config.documents) {
            Ok(loaded) => {
                vec!["see `cbm accord show`".to_owned(); loaded.directory.conflicts().len()]
            }
            Err(_) => return Check::skipped(name, "the documents cannot be read"),
        },
    };
    match count.first() {
        None => Check::ok(name, "no document contradicts another"),
        Some(first) => {
            let found = format!("{} documents contradict each other: {first}", count.len());
            Check::warn(name, found, "ask those who signed them; `cbm accord show` has the list")
        }
    }
}

pub(super) fn clock(node: Option<&Running>) -> Check {
    let name = "clock";
    let Some(Running { health, .. }) = node else { return Check::skipped(name, STOPPED) };
    let remedy = "have the machine's time service (chrony, ntpd, systemd-timesyncd) mend it";
    let off = health.clock_offset_ms;
    let way = if off < 0 { "ahead of" } else { "behind" };
    let found = format!(
        "{}.{} s {way} the median of {} other parties",
        off.unsigned_abs() / 1_000,
        off.unsigned_abs() % 1_000 / 100,
        health.clocks_heard
    );
    if health.clocks_heard == 0 && !health.clock_in_doubt {
        return Check::skipped(name, "no other party was heard yet to compare with");
    }
    if health.clock_in_doubt && health.clocks_heard < CLOCKS_LEAST {
        // So few others put no clock in doubt: it is behind what the station itself has written.
        let found = "in doubt, behind what this station wrote: nothing expires, nothing is late";
        return Check::fail(name, found, remedy);
    }
    if health.clock_in_doubt {
        let found = format!("in doubt, {found}: nothing expires, nothing is called late");
        return Check::fail(name, found, remedy);
    }
    if off.unsigned_abs() > CLOCK_SOON {
        return Check::warn(name, found, remedy);
    }
    if health.clocks_heard < CLOCKS_LEAST {
        let found = format!("{found}; too few to put it in doubt").replace("; ", ", ");
        return Check::ok(name, found);
    }
    Check::ok(name, found)
}

pub(super) fn addresses(config: &Config, node: Option<&Running>) -> Check {
    let name = "addresses";
    let announced = match node {
        Some(node) => node.peers.iter().find(|p| p.me).map(|p| p.addresses.clone()),
        None => documents::load(&config.documents).ok().and_then(|loaded| {
            loaded.directory.by_name(&config.station).map(|member| member.addresses.clone())
        }),
    };
    let announced = announced.unwrap_or_default();
    if announced.is_empty() {
        let found = "this station has announced no address: others cannot dial it";
        return Check::fail(name, found, "`cbm accord announce` makes its contact record");
    }
    let remedy = "announce anew with `cbm accord announce`, or correct mesh.listen, mesh.announce";
    let stray: Vec<&String> = announced.iter().filter(|a| !meant(config, a)).collect();
    match stray.first() {
        None => Check::ok(name, format!("announced: {}", announced.join(" "))),
        Some(first) => {
            let found = format!("it announces {first} and does not listen there");
            Check::warn(name, found, remedy)
        }
    }
}

/// Whether an announced address is one of the configuration's: literally where it says what to
/// announce, else by transport and port, since one listens on `0.0.0.0`.
fn meant(config: &Config, address: &str) -> bool {
    if !config.announce.is_empty() {
        return config.announce.iter().any(|known| known == address);
    }
    let door =
        |address: &str| -> Vec<String> { address.split('/').skip(3).map(str::to_owned).collect() };
    config.listen.iter().any(|known| door(known) == door(address))
}

pub(super) fn peers(node: Option<&Running>) -> Check {
    let name = "peers";
    let Some(Running { peers, .. }) = node else { return Check::skipped(name, STOPPED) };
    let others: Vec<_> = peers.iter().filter(|peer| !peer.me).collect();
    let strange: Vec<&str> = others
        .iter()
        .filter(|peer| peer.cause.as_ref().is_some_and(|c| c.contains("another network")))
        .map(|peer| peer.station.as_str())
        .collect();
    if !strange.is_empty() {
        let found = format!("on another network's accord: {}", strange.join(", "));
        let remedy = "compare the words of `cbm accord show` by telephone; one side has a wrong \
                      version 1 among its documents";
        return Check::fail(name, found, remedy);
    }
    let held: Vec<&str> = others.iter().filter(|p| p.held).map(|p| p.station.as_str()).collect();
    let down: Vec<_> = others.iter().filter(|peer| !peer.linked && !peer.held).collect();
    let linked = others.len() - down.len() - held.len();
    let mut found = format!("{linked} of {} linked", others.len());
    if !held.is_empty() {
        found = format!("{found}, held down: {}", held.join(", "));
    }
    if let Some(first) = down.first() {
        let cause = first.cause.as_deref().unwrap_or("it was not dialled, or is about to be");
        found = format!("{found}, {} is not: {cause}", first.station).replace("; ", ", ");
    }
    let remedy = "letters go by others meanwhile; ask its operator, look at both firewalls";
    match (others.is_empty(), linked, down.is_empty()) {
        (true, ..) => Check::warn(name, "the accord knows no other station", "publish documents"),
        (_, 0, _) => Check::fail(name, found, "is this machine's network up, its firewall open?"),
        (.., true) => Check::ok(name, found),
        (.., false) => Check::warn(name, found, remedy),
    }
}

pub(super) fn retention(node: Option<&Running>) -> Check {
    let name = "retention";
    let Some(node) = node else { return Check::skipped(name, STOPPED) };
    let Some(view) = &node.retention else {
        return Check::skipped(name, "the journal could not be looked through");
    };
    let oldest = view.bodies.oldest_day();
    let found = format!(
        "{} of letters between others, the oldest of {oldest}, for {} days; the next run lets go of {}",
        print::size(view.bodies.bytes),
        view.bodies_days,
        print::size(view.let_go_bytes),
    );
    let quota = view.quota_bytes.map(print::size).unwrap_or_default();
    let room = format!("the journal takes {} of {quota}; {found}", print::size(view.journal_bytes));
    match view.room.as_str() {
        "ok" => Check::ok(name, found),
        "own_business_only" => Check::fail(
            name,
            format!("{room}, and nothing that may go is left").replace("; ", ", "),
            "raise retention.journal_mib; own letters and receipts are never let go",
        ),
        _ => Check::warn(name, room, "raise retention.journal_mib, or fewer days of bodies"),
    }
}
