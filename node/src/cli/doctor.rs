//! `cbm doctor`: looks a station over, running or stopped, and says of each thing what to do.
//!
//! Changes nothing. Each check is a small function in one of the rooms below: `machine` (disk, ports,
//! surroundings), `papers` (keys and signed documents), `talk` (what the running node knows). What
//! cannot be looked at, because the node is stopped or something before it failed, is `skipped` and
//! never `ok`. Exit 1 when anything fails.

mod machine;
mod papers;
mod talk;

use std::fmt::Display;

use cbm_proto::time::Timestamp;
use clap::Args;
use serde::Serialize;

use super::{Node, Output, print};
use crate::{
    api::{
        client::Client,
        failure::{Code, Failure},
        retention::RetentionView,
        shape::{Health, PeerView},
    },
    clock::Clock,
    config::{self, Config, Examined},
};

/// Look a station over.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    Ok,
    Warn,
    Fail,
    Skipped,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    result: Grade,
    /// What was found.
    found: String,
    /// What to do; null when nothing is.
    remedy: Option<String>,
}

impl Check {
    fn ok(check: &'static str, found: impl Display) -> Self {
        Self { check, result: Grade::Ok, found: found.to_string(), remedy: None }
    }

    fn warn(check: &'static str, found: impl Display, remedy: &str) -> Self {
        let (found, remedy) = (found.to_string(), Some(remedy.to_owned()));
        Self { check, result: Grade::Warn, found, remedy }
    }

    /// Of an error of ours, whose text may hold the remedy behind `; `.
    fn fail(check: &'static str, found: impl Display, otherwise: &str) -> Self {
        let found = found.to_string();
        let (found, remedy) = found.split_once("; ").unwrap_or((&found, otherwise));
        let (found, remedy) = (found.to_owned(), Some(remedy.to_owned()));
        Self { check, result: Grade::Fail, found, remedy }
    }

    fn skipped(check: &'static str, found: impl Display) -> Self {
        Self { check, result: Grade::Skipped, found: found.to_string(), remedy: None }
    }
}

/// What the running node said; `None` where it does not run.
struct Running {
    health: Health,
    peers: Vec<PeerView>,
    retention: Option<RetentionView>,
}

/// Looks at everything.
///
/// # Errors
/// The configuration cannot be read, or a check failed.
pub async fn run(args: Doctor) -> Result<(), Failure> {
    let examined = config::examine(&args.node.config, super::environment(), &[]);
    let examined = examined.map_err(|e| super::unusable(&e))?;
    let mut checks = vec![configuration(&examined)];
    match examined.config.filter(|_| examined.problems.is_empty()) {
        Some(config) => look(&config, &mut checks).await,
        None => checks.push(machine::surroundings()),
    }
    for check in &checks {
        if args.output.json {
            print::json(check)?;
        } else {
            print::say(&text(check))?;
        }
    }
    let failed = checks.iter().filter(|check| check.result == Grade::Fail).count();
    if failed == 0 {
        return Ok(());
    }
    let names: Vec<&str> =
        checks.iter().filter(|c| c.result == Grade::Fail).map(|c| c.check).collect();
    Err(Failure::new(
        Code::Failed,
        format!("{failed} of {} checks failed", checks.len()),
        names.join(", "),
        "do what stands beside each of them, then run `cbm doctor` again",
    ))
}

async fn look(config: &Config, checks: &mut Vec<Check>) {
    let now = Clock::start().now().wall;
    let running = ask(config).await;
    let node = running.as_ref();
    checks.push(talk::node(config, node));
    papers::look(config, now, checks);
    checks.push(talk::accord(node));
    checks.push(talk::conflicts(config, node));
    checks.push(talk::clock(node));
    checks.push(machine::ports(config, node.is_some()));
    checks.push(talk::addresses(config, node));
    checks.push(machine::disk(config, node));
    checks.push(machine::folder(config, node.is_some()));
    checks.push(machine::journal(config).await);
    checks.push(talk::retention(node));
    checks.push(talk::peers(node));
    checks.push(papers::contacts(config, now));
    checks.push(machine::officers(config));
    checks.push(machine::time_zones());
    checks.push(machine::surroundings());
}

async fn ask(config: &Config) -> Option<Running> {
    let client = Client::new(&config.socket);
    let health = client.get("/v1/health").await.ok()?;
    let peers = client.get("/v1/peers").await.ok()?;
    // Only this one reads the whole journal; when it cannot, the journal's own check says why.
    let retention = client.get("/v1/retention").await.ok();
    Some(Running { health, peers, retention })
}

fn configuration(examined: &Examined) -> Check {
    let name = "configuration";
    let count = examined.problems.len();
    let Some(first) = examined.problems.first() else {
        return Check::ok(name, examined.file.display());
    };
    let found = format!("{}: {} ({count} in sum)", first.at, first.cause);
    Check::fail(name, found, "`cbm config check` names every mistake")
}

fn text(check: &Check) -> String {
    let word = match check.result {
        Grade::Ok => "ok",
        Grade::Warn => "WARN",
        Grade::Fail => "FAIL",
        Grade::Skipped => "-",
    };
    let mut out = Vec::new();
    print::hang(&mut out, &format!("{word:5} {:14} ", check.check), &check.found);
    if let Some(remedy) = &check.remedy {
        print::hang(&mut out, &format!("{:20} -> ", ""), remedy);
    }
    out.join("\n")
}

/// Days from `now` to `then`; negative when it has passed.
fn days(now: Timestamp, then: Timestamp) -> i64 {
    let day = |time: Timestamp| i64::try_from(time.0 / cbm_proto::time::DAY).unwrap_or(i64::MAX);
    day(then) - day(now)
}
