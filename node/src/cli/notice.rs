//! `cbm notice`: says openly what becomes of our own line.
//!
//! A suspended line that says so is no dead line: others are shown since when, and that it is a
//! decision. It closes nothing; letters still come and go.

use cbm_proto::time::Timestamp;
use clap::{Args, ValueEnum};

use super::{Node, Output, print, when};
use crate::api::{failure::Failure, people::shape::NoticeRequest, shape::Sent};

/// Tell others about an outage or a suspension of our own line.
#[derive(Debug, Args)]
pub struct Notice {
    /// What becomes of the line.
    kind: Kind,
    /// From when: `now`, so long from now (30m, 2h, 3d), or as 2027-03-01T06:30:00Z.
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = when::when)]
    from: Timestamp,
    /// Until when; until further notice when absent.
    #[arg(long, value_name = "TIME", value_parser = when::when)]
    until: Option<Timestamp>,
    /// It is a decision of the state, no fault of the machine.
    #[arg(long)]
    political: bool,
    /// What it concerns, if not everything.
    #[arg(long, value_name = "TEXT")]
    scope: Option<String>,
    /// Why, as far as it is said.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Parties to tell, parted by commas; every state of the accord when absent.
    #[arg(long, value_name = "PARTIES", value_delimiter = ',')]
    to: Vec<String>,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// What becomes of the line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    PlannedOutage,
    Outage,
    Restored,
    PathChange,
    Suspended,
    Reopened,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::PlannedOutage => "PLANNED_OUTAGE",
            Self::Outage => "OUTAGE",
            Self::Restored => "RESTORED",
            Self::PathChange => "PATH_CHANGE",
            Self::Suspended => "CHANNEL_SUSPENDED",
            Self::Reopened => "CHANNEL_REOPENED",
        }
    }
}

/// Says it; prints the id of the letter.
///
/// # Errors
/// No node, or the notice is not taken.
pub async fn run(args: Notice) -> Result<(), Failure> {
    let request = NoticeRequest {
        kind: args.kind.word().to_owned(),
        from: args.from.to_string(),
        until: args.until.map(|at| at.to_string()),
        political: args.political,
        scope: args.scope,
        reason: args.reason,
        to: args.to,
    };
    let sent: Sent = args.node.client()?.post("/v1/notice", &request).await?;
    if args.output.json { print::json(&sent) } else { print::say(&sent.id) }
}
