//! The command line: one verb a file, one way to fail.
//!
//! A verb that needs the node asks it over its socket, found in the same configuration that `run`
//! takes. People's text is at most 80 columns; `--json` prints what other systems rely on. Every
//! error is a [`Failure`] and goes to stderr with cause and remedy; its code is the exit code: 0
//! done, 1 failed, 2 usage, 3 refused by policy, 4 not reached in time.

pub mod accord;
pub mod ack;
pub mod authority;
pub mod backup;
pub mod charter;
pub mod check;
pub mod completions;
pub mod compose;
pub mod config;
pub mod decline;
pub mod demo;
pub mod directory;
pub mod doctor;
pub mod files;
pub mod inbox;
pub mod journal;
pub mod keygen;
pub mod keys;
pub mod lab;
pub mod man;
pub mod notice;
pub mod office;
mod papers;
pub mod peers;
pub mod print;
pub mod prune;
pub mod reply;
pub mod restore;
pub mod send;
pub mod show;
pub mod source;
pub mod status;
pub mod template;
pub mod transfer;
pub mod types;
pub mod unlock;
pub mod when;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{
    api::{
        client::Client,
        failure::{Code, Failure},
    },
    config::{Config, ConfigError},
};

/// Hotline between ministries: end-to-end encrypted, acknowledged notifications over a mesh.
#[derive(Debug, Parser)]
#[command(name = "cbm", version, propagate_version = true, max_term_width = 80)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a practice mesh in a folder: keys, accord, one configuration a station.
    Lab(lab::Lab),
    /// Make keys: of a party's authority, of a station, of an office.
    Keygen(keygen::Keygen),
    /// Keys at rest: seal, unseal, change the passphrase, show.
    Keys(keys::Keys),
    /// Build, check and show the signed documents that stations run on.
    Accord(accord::Accord),
    /// Build, check and show charters: groups of parties with a lane of their own.
    Charter(charter::Charter),
    /// See it happen: three states and an observer on this machine.
    Demo(demo::Demo),
    /// Check a configuration and show what holds and where it came from; print an example.
    Config(config::ConfigVerb),
    /// Run the node.
    Run(Node),
    /// List the types of notifications, or the fields of one.
    Types(types::Types),
    /// Print a filled example of a type, for `send --file`.
    Template(template::Template),
    /// Send a notification; prints its id.
    Send(send::Send),
    /// Show how far a letter came at each addressee.
    Status(status::Status),
    /// List what was received.
    Inbox(inbox::Inbox),
    /// Show a letter; for an officer, this confirms that it was seen (L3).
    Show(show::Show),
    /// Confirm that a human received a letter (L4), or state an outcome (L5).
    Ack(ack::Ack),
    /// Decline a letter (L5).
    Decline(decline::Decline),
    /// Answer a letter with another one (L6).
    Reply(reply::Reply),
    /// List the stations of the accord and their links; hold a link down for maintenance.
    Peers(peers::Peers),
    /// Show who can be reached and how well they are known; compare fingerprints.
    Directory(directory::Directory),
    /// Run a communications check: does somebody answer?
    Check(check::Check),
    /// Tell others about an outage or a suspension of our own line.
    Notice(notice::Notice),
    /// Look a station over, running or stopped: each thing ok or with its remedy.
    Doctor(doctor::Doctor),
    /// Print completions for a shell.
    Completions(completions::Completions),
    /// Write the man pages into a folder.
    Man(man::Man),
    /// Verify and list what is on the disk; find the heads of a station's feeds.
    Journal(journal::Journal),
    /// Let go of what is carried for others and past its time; show what is held.
    Prune(prune::Prune),
    /// Back up journal, documents and settings into one sealed file.
    Backup(backup::Backup),
    /// Restore a backup into a new folder; report what came back.
    Restore(restore::Restore),
}

impl Verb {
    /// Whether it may hold secret keys in this process. A new verb does, until it is listed here
    /// among those that only ask a node or print what everybody knows.
    #[must_use]
    pub const fn uses_keys(&self) -> bool {
        !matches!(
            self,
            // The doctor says itself what the environment holds.
            Self::Doctor(_)
                | Self::Completions(_)
                | Self::Man(_)
                | Self::Types(_)
                | Self::Template(_)
                | Self::Send(_)
                | Self::Status(_)
                | Self::Inbox(_)
                | Self::Show(_)
                | Self::Ack(_)
                | Self::Decline(_)
                | Self::Reply(_)
                | Self::Peers(_)
                | Self::Prune(_)
        )
    }
}

/// Which node.
#[derive(Debug, Args)]
pub struct Node {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

impl Node {
    /// The configuration.
    ///
    /// # Errors
    /// It cannot be read or is wrong.
    pub fn config(&self) -> Result<Config, Failure> {
        load(&self.config)
    }

    /// The way to the running node.
    ///
    /// # Errors
    /// As [`Node::config`].
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(self.config()?.socket))
    }
}

/// The environment, as far as it is text; of it only `CBM__…` counts.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

fn unusable(error: &ConfigError) -> Failure {
    let otherwise = "name the file that `cbm run` takes; `cbm config example` prints one";
    Failure::told(Code::Usage, "the configuration cannot be used", error, otherwise)
}

/// The configuration in a file, with what the environment says on top.
///
/// # Errors
/// It cannot be read or is wrong.
pub fn load(file: &Path) -> Result<Config, Failure> {
    Config::load(file, environment(), &[]).map_err(|e| unusable(&e))
}

/// How to print.
#[derive(Debug, Args)]
pub struct Output {
    /// Print JSON for programs.
    #[arg(long)]
    pub json: bool,
}
