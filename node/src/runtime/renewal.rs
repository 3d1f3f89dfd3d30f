//! Keys, addresses and documents that change while the node runs (`docs/spec/seal.md`, generations).
//!
//! When the certificate in force names other keys than those in use, the station is restored from
//! its journal with them, in its place and with its voice: links stand, who asks waits a moment. The
//! PEER key comes last, when everybody knows it, because the mesh starts anew for it. On SIGHUP the
//! configuration's addresses and the folder of documents are read again.
//!
//! Invariants: everything that was handled before a change is stored and said before it; a key that
//! cannot be had leaves the one in use in use; no link is ever refused for a key that somebody may
//! not know of yet. Called by the loop, between two batches.

use std::{sync::Arc, time::Duration};

use cbm_proto::{
    accord::Member,
    event::Input,
    id::{KeyId, StationId},
    primitives::SignPublic,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};
use zeroize::Zeroizing;

use super::{Ended, Runtime, setup, waiting::Asker};
use crate::{
    clock,
    config::Config,
    documents,
    keystore::{Keystore, generations::Named},
    mesh::{Mesh, MeshCommand},
    perform::Lost,
};

/// How long the sockets of a mesh that has ended may stay in use.
const SOCKETS_FREE: Duration = Duration::from_secs(10);
/// Between two looks at them.
const SOCKETS_PAUSE: Duration = Duration::from_millis(50);

/// What new keys sign is ignored by whoever has not heard of them, so those who are linked hear of
/// them first, for so long at most.
const TELL_FIRST: Duration = Duration::from_secs(3);

/// What the loop needs for it.
pub struct Renewal {
    /// As it is in force.
    pub config: Config,
    /// Where all generations of keys lie, opened.
    pub keystore: Keystore,
    /// Seed of the PEER key in use.
    pub peer_seed: Zeroizing<[u8; 32]>,
    /// The keys in use: what they sign with, are sealed to, are let in by.
    pub in_use: (SignPublic, KeyId, [u8; 32]),
    /// Named by a certificate and not to be had; not looked for again before something changes.
    pub missing: Option<Named>,
    /// Since when the certificate in force names other keys than those in use.
    pub since: Option<Instant>,
    /// The files were moved since the start to where people look for them.
    pub tidied: bool,
}

/// The keys that a member's certificates name.
pub(super) fn named(member: &Member) -> Named {
    Named { sign: member.sign, epoch: member.epoch_id, peers: member.peers.clone() }
}

impl Runtime {
    /// Takes what the certificate in force names, if it is not in use yet.
    pub(super) async fn renew(&mut self) -> Result<(), Ended> {
        let Some(member) = self.station.directory().member(&self.maker.me) else { return Ok(()) };
        let (sign, epoch, peer) = self.renewal.in_use;
        let others = member.sign != sign || member.epoch_id != epoch;
        let revoked = !member.peers.is_empty() && !member.peers.contains(&peer);
        let coming = member.peers.first().is_some_and(|newest| *newest != peer);
        if !(others || coming || !self.renewal.tidied) || self.outage.is_some() {
            return Ok(());
        }
        let named = named(member);
        if !others && !self.renewal.tidied {
            self.renewal.tidied = true;
            self.tidy(&named);
        }
        if !(others || coming) {
            return Ok(());
        }
        if self.renewal.missing.as_ref() == Some(&named) {
            return Ok(());
        }
        if others {
            let began = *self.renewal.since.get_or_insert_with(Instant::now);
            let told = self.station.linked_have_heard() || self.station.own_key_revoked().is_some();
            if !told && began.elapsed() < TELL_FIRST {
                return Ok(());
            }
            self.renewal.since = None;
            self.change_keys(&named).await
        } else if revoked || self.station.peer_key_may_change(self.clock.now()) {
            self.change_peer_key(&named).await
        } else {
            Ok(())
        }
    }

    /// The station with the keys that are named, in the place of the one that runs.
    async fn change_keys(&mut self, named: &Named) -> Result<(), Ended> {
        let keys = match self.renewal.keystore.load_named(named) {
            Ok(keys) => keys,
            Err(error) => {
                tracing::error!(%error, "the certificate in force names other keys than those in use");
                self.renewal.missing = Some(named.clone());
                return Ok(());
            }
        };
        self.finish().await?;
        if self.outage.is_some() {
            return Ok(());
        }
        self.maker.keys = Arc::new(keys);
        let fresh = self.maker.make(self.performer.writer()).await.map_err(Ended::Restore)?;
        let before = std::mem::replace(&mut self.station, fresh);
        self.station.resume(before.hand_over());
        self.begin_station().await?;
        (self.renewal.in_use.0, self.renewal.in_use.1) = (named.sign, named.epoch);
        self.tidy(named);
        tracing::info!("the station signs and opens with the keys of its new certificate");
        Ok(())
    }

    /// The mesh under the newest PEER key, in the place of the one that runs.
    async fn change_peer_key(&mut self, named: &Named) -> Result<(), Ended> {
        let seed = match self.renewal.keystore.coming_peer(named, &self.renewal.peer_seed) {
            Ok(Some(seed)) => seed,
            other => {
                let error = other.err().map(|error| error.to_string()).unwrap_or_default();
                tracing::error!(error, "the PEER key of the certificate in force is not here");
                self.renewal.missing = Some(named.clone());
                return Ok(());
            }
        };
        self.finish().await?;
        let before = std::mem::replace(&mut self.renewal.peer_seed, seed);
        if self.restart_mesh().await.is_err() {
            self.renewal.peer_seed = before;
            self.renewal.missing = Some(named.clone());
            return self.restart_mesh().await;
        }
        self.renewal.in_use.2 = named.peers.first().copied().unwrap_or_default();
        self.tidy(named);
        tracing::info!("everybody knows the new PEER key: the station links by it from now on");
        Ok(())
    }

    /// Ends the mesh and starts it under the seed in use. The station sees its links go and come.
    async fn restart_mesh(&mut self) -> Result<(), Ended> {
        // It may have ended by itself; what it still tells is of the past.
        let _ = self.performer.mesh(MeshCommand::Stop).await;
        while self.ports.events.recv().await.is_some() {}
        let Mesh { handle, events, .. } = self.start_mesh_in_time().await?;
        self.performer.take_mesh(handle);
        self.ports.events = events;
        for peer in std::mem::take(&mut self.links.linked).into_keys() {
            self.handle(Input::Unlinked { peer }).await?;
        }
        for peer in self.links.held.clone() {
            self.performer.mesh(MeshCommand::Cut { peer, on: true }).await?;
        }
        Ok(())
    }

    /// The sockets of a mesh that has ended may live on for a moment.
    async fn start_mesh_in_time(&mut self) -> Result<Mesh, Ended> {
        let end = Instant::now() + SOCKETS_FREE;
        loop {
            let (config, seed) = (&self.renewal.config, self.renewal.peer_seed.clone());
            match setup::start_mesh(config, seed, &self.station).await {
                Ok(mesh) => return Ok(mesh),
                Err(failure) if Instant::now() >= end => {
                    tracing::error!(%failure, "the mesh did not start anew");
                    return Err(Lost::Mesh.into());
                }
                Err(_) => sleep(SOCKETS_PAUSE).await,
            }
        }
    }

    /// Starts a station that was restored, and names to it who is linked.
    pub(super) async fn begin_station(&mut self) -> Result<(), Ended> {
        let now = self.clock.now();
        let effects = self.station.start(now, &clock::entropy()?);
        self.take(effects).await?;
        let linked: Vec<StationId> = self.links.linked.keys().copied().collect();
        for peer in linked {
            let effects = self.station.handle(now, &clock::entropy()?, Input::Linked { peer });
            self.take(effects).await?;
        }
        Ok(())
    }

    /// Moves the key files to where people look for them. They are found wherever they lie.
    fn tidy(&self, named: &Named) {
        if let Err(error) = self.renewal.keystore.tidy(named, &self.renewal.peer_seed) {
            tracing::warn!(%error, "the key files were not moved; they are used where they are");
        }
    }

    /// SIGHUP: addresses to listen on, and documents, as they are now.
    pub(super) async fn reread(&mut self) -> Result<(), Ended> {
        tracing::info!("reading addresses and documents again");
        self.renewal.missing = None;
        match Config::load(&self.renewal.config.file, setup::environment(), &[]) {
            Ok(config) if config.listen != self.renewal.config.listen => {
                self.relisten(config.listen).await?;
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the configuration stays as it was"),
        }
        self.read_documents().await
    }

    async fn relisten(&mut self, addresses: Vec<String>) -> Result<(), Ended> {
        let (reply, done) = oneshot::channel();
        let listen = MeshCommand::Listen { addresses: addresses.clone(), reply };
        self.performer.mesh(listen).await?;
        match done.await {
            Ok(Ok(())) => {
                tracing::info!(?addresses, "listening elsewhere");
                self.renewal.config.listen = addresses;
            }
            Ok(Err(error)) => tracing::error!(%error, "still listening where it was"),
            Err(_) => return Err(Lost::Mesh.into()),
        }
        Ok(())
    }

    /// Hands the station what is new in the folder, as if its people had published it.
    async fn read_documents(&mut self) -> Result<(), Ended> {
        let folder = &self.renewal.config.documents;
        let mut fresh = Vec::new();
        let paths = documents::list(folder);
        for path in paths.as_deref().unwrap_or_default() {
            match documents::read(path) {
                Ok(document) if self.station.directory().document(&document.digest()).is_none() => {
                    fresh.push(document.bytes().clone());
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a document is not read"),
            }
        }
        if let Err(error) = paths {
            tracing::error!(%error, "the documents were not read again");
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let (reply, believed) = oneshot::channel();
        tokio::spawn(async move {
            for refused in believed.await.into_iter().flatten().flatten().filter_map(Result::err) {
                tracing::warn!(refused, "a document of the folder is not believed");
            }
        });
        let Some(token) = self.token(Asker::Publisher(reply)) else { return Ok(()) };
        self.handle(Input::Documents { token, documents: fresh }).await
    }
}
