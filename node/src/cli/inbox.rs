//! `cbm inbox`: what was received, oldest first; `--follow` goes on with what comes.

use clap::Args;

use super::{Node, Output, directory, print};
use crate::api::{failure::Failure, shape::InboxRow};

/// List what was received.
#[derive(Debug, Args)]
pub struct Inbox {
    /// Go on with what comes.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Lists it.
///
/// # Errors
/// No node, or it stops.
pub async fn run(args: Inbox) -> Result<(), Failure> {
    let path = format!("/v1/inbox?follow={}", args.follow);
    let mut lines = args.node.client()?.follow(&path).await?;
    let mut any = false;
    while let Some(row) = lines.next::<InboxRow>().await? {
        any = true;
        if args.output.json {
            print::json(&row)?;
        } else {
            print::say(&text(&row))?;
        }
    }
    if args.follow {
        return Err(Failure::stopping());
    }
    if !any && !args.output.json {
        print::say("nothing was received yet")?;
    }
    Ok(())
}

/// Two lines a letter, for people.
#[must_use]
pub fn text(row: &InboxRow) -> String {
    let first = format!(
        "{}  {} {}  {}  {}",
        row.id,
        row.precedence,
        row.status,
        row.from,
        print::time(&row.received_at)
    );
    let level = row.level.as_deref().unwrap_or("-");
    let subject = row.subject.as_deref().unwrap_or("(made by a newer version)");
    let revoked = if row.key_revoked { "KEY REVOKED  " } else { "" };
    let (kind, trust) = (&row.type_name, directory::trust(&row.trust));
    let second = format!("    {revoked}{kind}  {level}  {trust}  {}", print::tame(subject));
    let second = second.replace('\n', " ");
    let mut out = vec![first, second];
    if row.incidents > 0 {
        let party = row.from.split('/').next().unwrap_or_default();
        out.push(format!("    ! {} attempts to pass for {party} in 30 days", row.incidents));
    }
    let lines: Vec<String> = out.iter().map(|line| print::shorten(line, print::WIDTH)).collect();
    lines.join("\n")
}
