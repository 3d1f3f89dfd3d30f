//! Checks of the machine: ports, disk, the data folder, officers, time zones, surroundings.

use std::{
    fs,
    net::{IpAddr, TcpListener, UdpSocket},
    path::Path,
};

use rustix::fs::{Access, access, statvfs};

use super::{Check, Running};
use crate::{
    cli::source::Source,
    config::Config,
    store::{
        Marker, StoreError,
        inspect::{hold, inspect, marker},
    },
};

/// Below this a station is about to stop sending.
const ROOM_LEAST: u64 = 64 * 1024 * 1024;
/// Below this somebody should look after the disk.
const ROOM_SOON: u64 = 1024 * 1024 * 1024;
/// Where time zones are kept on Linux.
const ZONES: &str = "/usr/share/zoneinfo";

pub(super) fn ports(config: &Config, running: bool) -> Check {
    let name = "ports";
    if running {
        return Check::ok(name, format!("held by this node: {}", config.listen.join(" ")));
    }
    for address in &config.listen {
        if let Err(error) = bind(address) {
            let found = format!("{address}: {error}");
            let remedy = "stop whoever has it (`ss -lnp` lists them), or correct mesh.listen";
            return Check::fail(name, found, remedy);
        }
    }
    Check::ok(name, format!("free: {}", config.listen.join(" ")))
}

/// Takes a port for a moment. What is written in another way than with numbers is left to `run`.
fn bind(address: &str) -> std::io::Result<()> {
    let parts: Vec<&str> = address.split('/').skip(1).collect();
    let [_, ip, transport, port, ..] = parts[..] else { return Ok(()) };
    let (Ok(ip), Ok(port)) = (ip.parse::<IpAddr>(), port.parse::<u16>()) else { return Ok(()) };
    match transport {
        "tcp" => TcpListener::bind((ip, port)).map(drop),
        "udp" => UdpSocket::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

pub(super) fn disk(config: &Config, node: Option<&Running>) -> Check {
    let name = "disk";
    if node.is_some_and(|node| !node.health.storing) {
        let remedy = "make room, or mend the disk; a node that still can goes on by itself";
        return Check::fail(name, "the journal takes nothing: nothing is sent", remedy);
    }
    // Where the folder is not made yet, the one that it will be made in counts.
    let there = config.data.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if let Err(error) = access(there, Access::WRITE_OK) {
        let found = format!("{} cannot be written: {error}", there.display());
        let remedy = "mount it for writing, or give the folder to the user that the node runs as";
        return Check::fail(name, found, remedy);
    }
    let room = match statvfs(there) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return Check::warn(name, error, "look at the disk with `df`"),
    };
    let found = format!("{} MiB free at {}", room / 1024 / 1024, there.display());
    let remedy = "make room; a full disk loses nothing, but nothing is sent until there is room";
    match room {
        0..ROOM_LEAST => Check::fail(name, found, remedy),
        ROOM_LEAST..ROOM_SOON => Check::warn(name, found, remedy),
        _ => Check::ok(name, found),
    }
}

pub(super) fn folder(config: &Config, running: bool) -> Check {
    let name = "data folder";
    let data = &config.data;
    match hold(data) {
        Err(StoreError::Locked(_)) if running => return Check::ok(name, "held by this node"),
        Err(error @ StoreError::Locked(_)) => {
            return Check::fail(name, error, "stop the other process, or correct paths.data");
        }
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let found = format!("{} is made at the first start", data.display());
            return Check::ok(name, found);
        }
        Err(error) => return Check::fail(name, error, "look at the rights of the folder"),
        Ok(_) if running => {
            let found = "the node runs, and does not hold the folder of this configuration";
            return Check::fail(
                name,
                found,
                "name the configuration that the node was started with",
            );
        }
        Ok(_held) => {}
    }
    match marker(data) {
        Ok(Marker::Moved) => Check::warn(
            name,
            "it was copied, restored or moved: the next start takes a new incarnation first",
            "start it in one place only; the original must not run again",
        ),
        Ok(_) => Check::ok(name, format!("free: {}", data.display())),
        Err(error) => Check::fail(name, error, "look at the rights of the folder"),
    }
}

pub(super) async fn journal(config: &Config) -> Check {
    let name = "journal";
    let source = match Source::open(config.data.clone(), Some(config.clone())).await {
        Ok(source) => source,
        Err(failure) if failure.cause.starts_with("there is no journal") => {
            return Check::ok(name, "none yet");
        }
        Err(failure) => return Check::skipped(name, failure.cause),
    };
    let found = match inspect(&source.data, source.until, &mut |_, _| {}) {
        Ok(found) => found,
        Err(error) => return Check::fail(name, error, "restore from a backup"),
    };
    if let Some(damage) = found.damage.first() {
        let words = format!("{damage} ({} places in sum)", found.damage.len());
        let remedy =
            "`cbm journal verify` names each; what is missing is asked of the others again";
        return Check::warn(name, words.replace("; ", ", "), remedy);
    }
    Check::ok(name, format!("{} records, readable to the end", found.records))
}

pub(super) fn officers(config: &Config) -> Check {
    let name = "officers";
    if config.officers.is_empty() {
        let found = "nobody is listed: letters can be read here, and by nobody be acknowledged";
        return Check::warn(name, found, "list the Unix users on duty under [officers]");
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = |user: &str| {
        user.parse::<u32>().is_ok() || users.lines().any(|l| l.split(':').next() == Some(user))
    };
    let unknown: Vec<&str> =
        config.officers.keys().map(String::as_str).filter(|user| !known(user)).collect();
    if unknown.is_empty() {
        return Check::ok(name, format!("{} listed", config.officers.len()));
    }
    let found = format!("not among the users of this machine: {}", unknown.join(", "));
    Check::warn(name, found, "correct [officers]; users from elsewhere are listed by number")
}

pub(super) fn time_zones() -> Check {
    let name = "time zones";
    if Path::new(ZONES).join("UTC").exists() {
        return Check::ok(name, ZONES);
    }
    let found = format!("no time zone data in {ZONES}: other programs show local times wrongly");
    Check::warn(name, found, "install the package tzdata; `cbm` itself shows UTC")
}

pub(super) fn surroundings() -> Check {
    let name = "surroundings";
    if std::env::var_os("SSLKEYLOGFILE").is_some() {
        let found = "SSLKEYLOGFILE is set: the keys of every connection would be written there";
        return Check::fail(name, found, "unset it; `cbm run` refuses to start with it");
    }
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    if swaps.lines().count() > 1 {
        let found = "this machine swaps: pages with keys may be written to its disk";
        let remedy = "turn swap off or encrypt it; deploy/cbm.service forbids it to the node";
        return Check::warn(name, found, remedy);
    }
    let cores = match pattern.trim() {
        "" => "no core pattern",
        _ => "core dumps of `cbm` are off whatever the system's pattern",
    };
    Check::ok(name, format!("no SSLKEYLOGFILE, no swap, {cores}"))
}
