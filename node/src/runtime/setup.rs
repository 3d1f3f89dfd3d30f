//! Makes everything the loop needs, in the order that keeps promises, and says `ready`.
//!
//! Lock and journal first, then the station from it, then the mesh with the membership that the
//! station knows, last the API's socket: nobody can ask before there is somebody to answer.

use std::{collections::BTreeSet, io::IsTerminal as _, path::Path, sync::Arc, time::Duration};

use cbm_proto::{
    accord::{Directory, Role, station_id},
    event::{Notice, Officer, Topic},
    id::{StationId, StationName},
    station::Station,
    time::Timestamp,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{
    Maker, Ports, Runtime, Snapshots, courier, pruner,
    renewal::{self, Renewal},
};
use crate::{
    api::{
        command::Desk,
        failure::{Code, Failure},
        officer::Duty,
        routes::{self, Api},
        server,
        shape::RestoredView,
    },
    backup::restored::{self, Restored},
    clock::{self, Clock},
    config::{Config, OpenedBy},
    documents,
    evidence::{Quota, Shelf},
    keystore::{Keystore, KeystoreError, Unlock},
    mesh::{self, Grant, Lane, Membership, Mesh, MeshConfig},
    perform::{Performer, writer::Writer},
    shutdown::Shutdown,
    store::{
        Store,
        disk::{DiskStore, Options},
    },
};

/// How long the last answers of the API may take after the loop has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Runs a node until it is told to stop.
///
/// # Errors
/// It cannot start, or has to end; in words.
pub async fn run(config: Config) -> Result<(), Failure> {
    let genesis = clock::entropy().map_err(|e| failed(e, "try another machine"))?;
    let store = DiskStore::open(&config.data, &Options::new(genesis))
        .map_err(|e| failed(e, "look at the disk and at paths.data in the configuration"))?;
    run_on(config, Box::new(store)).await
}

/// The same on a store that is open already.
///
/// # Errors
/// As [`run`].
pub async fn run_on(config: Config, store: Box<dyn Store>) -> Result<(), Failure> {
    let shutdown = Shutdown::listen().map_err(|e| failed(e, "is a signal handler forbidden?"))?;
    let (mut maker, renewal) = maker(config)?;
    let config = renewal.config.clone();
    let writer = Writer::start(store).map_err(|e| failed(e, "allow more threads"))?;
    let station = maker.make(&writer).await.map_err(|e| failed(e, "restore from a backup"))?;
    let Mesh { handle, events, listening } =
        start_mesh(&config, renewal.peer_seed.clone(), &station).await?;
    let (performer, inputs) = Performer::new(handle, writer);
    let (desk, commands, notices) = Desk::new();
    let shelf = Arc::new(shelf(&config)?);
    let wanted = courier::start(desk.clone(), shelf.clone());
    let pruner = pruner::start(desk.clone(), &config);
    let socket = server::open(&config.socket)
        .await
        .map_err(|e| failed(e, "correct paths.socket in the configuration"))?;
    let restored = restored(&config)?.map(view);
    let api = Api { desk, duty: duty(&config), restored, evidence: shelf, pruner };
    let (running, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let mut api = tokio::spawn(server::serve(socket, routes::routes(api), stopped));
    say_ready(&config, &listening);
    let ports = Ports { events, commands, notices, wanted, inputs, shutdown };
    let ended = Runtime::new(Clock::start(), station, maker, performer, ports, renewal).run().await;
    drop(running);
    // Answers that were given still reach whoever asked; nobody else is waited for.
    if tokio::time::timeout(LAST_ANSWERS, &mut api).await.is_err() {
        api.abort();
    }
    // A socket that stays would only be taken away by the next start.
    let _ = std::fs::remove_file(&config.socket);
    ended.map_err(|e| Failure::told(Code::Failed, "the node ended", e, "look at the log above"))
}

/// The large files, beside the journal.
fn shelf(config: &Config) -> Result<Shelf, Failure> {
    let Config { evidence_total: total, evidence_author: author, .. } = *config;
    Shelf::open(&config.data.join("evidence"), Quota { total, author })
        .map_err(|e| failed(e, "look at the disk and at paths.data in the configuration"))
}

fn failed(cause: impl std::fmt::Display, otherwise: &str) -> Failure {
    Failure::told(Code::Failed, "the node did not start", cause, otherwise)
}

/// The one line on standard output. Whoever started us waits for it.
fn say_ready(config: &Config, listening: &[String]) {
    use std::io::Write;
    let line = format!("ready {} on {}", config.station, listening.join(" "));
    let mut out = std::io::stdout().lock();
    // Nobody may read it.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    tracing::info!(socket = %config.socket.display(), "ready");
}

/// The note of a restore, as the API tells it.
fn view(note: Restored) -> RestoredView {
    RestoredView {
        made_at: note.made_at,
        newest_at: Timestamp(note.newest).to_string(),
        restored_at: note.restored_at,
        records: note.records,
        received: note.received,
        sent: note.sent,
    }
}

fn duty(config: &Config) -> Duty {
    let officer = |(user, o): (&String, &crate::config::Officer)| {
        (user.clone(), Officer { name: o.officer.clone(), office: o.office.clone() })
    };
    Duty::new(config.officers.iter().map(officer).collect())
}

/// Who we are, by our documents and keys, which must agree.
fn maker(config: Config) -> Result<(Maker, Renewal), Failure> {
    let loaded = documents::load(&config.documents)
        .map_err(|e| failed(e, "correct paths.documents in the configuration"))?;
    for refused in &loaded.refused {
        tracing::warn!(%refused, "a document of the folder is not believed");
    }
    let directory = loaded.directory;
    let me = station_id(&directory.network(), &config.station);
    let member = directory.member(&me).ok_or_else(|| not_listed(&config.station))?;
    let named = renewal::named(member);
    let wrong = |e: KeystoreError| failed(e, "correct paths.keys in the configuration");
    let keystore = keystore(&config).map_err(wrong)?;
    let keys = keystore.load_named(&named).map_err(wrong)?;
    let restored = restored(&config)?.map(|note| Timestamp(note.newest));
    let mine = keys.public();
    let snapshots = Snapshots::new(config.data.clone());
    let retention = config.retention.clone();
    let renewal = Renewal {
        config,
        keystore,
        peer_seed: keys.peer_seed.clone(),
        in_use: (mine.sign, mine.epoch.id(), mine.peer),
        missing: None,
        since: None,
        tidied: false,
    };
    let maker =
        Maker { me, keys: Arc::new(keys), directory, restored, retention, pause: 0, snapshots };
    Ok((maker, renewal))
}

/// What a restore left beside the journal.
fn restored(config: &Config) -> Result<Option<Restored>, Failure> {
    restored::read(&config.data)
        .map_err(|e| failed(e, "restore the backup once more, into another folder"))
}

/// The station's keys, opened, with the archive key wherever it lies.
fn keystore(config: &Config) -> Result<Keystore, KeystoreError> {
    let open = |folder: &Path, by: &OpenedBy| {
        let OpenedBy { passphrase_file, identity_file } = by.clone();
        let ask = std::io::stdin().is_terminal();
        Keystore::open(folder)?.unlock(&Unlock { passphrase_file, identity_file, ask })
    };
    let keys = open(&config.keys, &config.opened_by)?;
    if keys.is_sealed() {
        tracing::info!("the keys are sealed files, opened for this run");
    } else {
        tracing::info!("the keys are plain files: whoever reads this disk has them");
    }
    match &config.archive_key {
        Some(folder) => Ok(keys.with_archive(open(folder, &config.archive_opened_by)?)),
        None => Ok(keys),
    }
}

fn not_listed(station: &StationName) -> Failure {
    Failure::new(
        Code::Failed,
        "the node did not start",
        format!("no certificate for {station} is among the documents, or it was revoked"),
        "have the party's authority certify the station, and put the certificate there",
    )
}

/// The environment, as far as it is text; of it only `CBM__…` counts.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

/// The mesh, under the PEER key with this seed.
///
/// # Errors
/// It cannot listen where the configuration says.
pub(super) async fn start_mesh(
    config: &Config,
    seed: Zeroizing<[u8; 32]>,
    station: &Station,
) -> Result<Mesh, Failure> {
    let directory = station.directory();
    let settings = MeshConfig {
        listen: config.listen.clone(),
        members_expected: directory.members().count(),
        redial: (config.redial_min, config.redial_max),
        only_links: only_links(config, directory)?,
        ..MeshConfig::new(seed, directory.network(), station.me())
    };
    mesh::start(settings, membership(station))
        .await
        .map_err(|e| failed(e, "correct mesh.listen in the configuration"))
}

fn only_links(
    config: &Config,
    directory: &Directory,
) -> Result<Option<BTreeSet<StationId>>, Failure> {
    let Some(names) = &config.links else { return Ok(None) };
    let id = |name: &StationName| {
        directory.by_name(name).map(|member| member.id).ok_or_else(|| {
            failed(
                format!("mesh.links names {name}, which stands in no certificate"),
                "correct mesh.links in the configuration",
            )
        })
    };
    names.iter().map(id).collect::<Result<_, _>>().map(Some)
}

/// Who may link and which lanes there are, as the station's documents say now.
#[must_use]
pub fn membership(station: &Station) -> Membership {
    if station.stands_aside() {
        return Membership { grants: Vec::new(), lanes: Vec::new() };
    }
    let directory = station.directory();
    let state = |role: Role| role == Role::State;
    let mine = directory.member(&station.me()).is_some_and(|me| state(me.role));
    let others = directory.members();
    let others = others.filter(|m| m.id != station.me() && station.admits(&m.id));
    let grants = others.map(|member| Grant {
        station: member.id,
        peers: member.peers.clone(),
        message: mine && state(member.role),
        addresses: member.addresses.clone(),
        dial: true,
    });
    let lanes = station.topics().into_iter().filter_map(|(topic, members)| match topic {
        Topic::Lane(id) => Some(Lane { id, members }),
        Topic::Beacon => None,
    });
    Membership { grants: grants.collect(), lanes: lanes.collect() }
}

/// What the operator's log says of a notice. No party, no text (I12).
pub(super) fn log(notice: &Notice) {
    match notice {
        Notice::Letter(msg) => tracing::info!(?msg, "a letter is in the inbox"),
        Notice::Settled { msg, station, level } => {
            tracing::debug!(?msg, ?station, %level, "a letter came further");
        }
        Notice::Speaks(incarnation) => tracing::info!(?incarnation, "the station speaks"),
        Notice::Clone => tracing::error!(
            "CLONE: another node speaks with this station's keys, so this one is silent. Stop one \
             of the two for good, then start this one again. If you know of no other node, the \
             keys are stolen: have your authority revoke them"
        ),
        Notice::Revoked => tracing::error!(
            "our party has revoked the key that this station signs with, so it is silent; have new keys \
             certified"
        ),
        Notice::Forked(station) => tracing::error!(?station, "signed two headers as one number"),
        Notice::Refused(envelope) => tracing::warn!(?envelope, "refused after opening"),
        Notice::ClockInDoubt(true) => tracing::warn!(
            "this machine's clock is in doubt: nothing expires and nothing is called late until it \
             agrees with the others; check its time service"
        ),
        Notice::ClockInDoubt(false) => tracing::info!("this machine's clock agrees again"),
        Notice::OverRate => tracing::warn!("neighbours defer our letters: over the accord's rate"),
        // Which name is abused stands in the journal; here only that somebody should look.
        Notice::Incident(cause) => tracing::warn!(%cause, "see `cbm directory --incidents`"),
        Notice::Document(words) => tracing::warn!(words, "a document was refused"),
    }
}
