//! `cbm prune`: what is carried for others and how long, and letting go of it now.
//!
//! A running station does it by itself every six hours; own business is never let go.

use clap::Args;

use super::{Node, Output, print};
use crate::api::{
    failure::Failure,
    retention::{HeldView, RetentionView},
};

/// Let go of what is carried for others and past its time.
#[derive(Debug, Args)]
pub struct Prune {
    /// Only say what would be let go.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Does it, or looks.
///
/// # Errors
/// No node, or its disk refuses.
pub async fn run(args: Prune) -> Result<(), Failure> {
    let client = args.node.client()?;
    let view: RetentionView = match args.dry_run {
        true => client.get("/v1/retention").await?,
        false => client.post("/v1/retention", &serde_json::json!({})).await?,
    };
    if args.output.json {
        return print::json(&view);
    }
    print::say(&text(&view))
}

fn text(view: &RetentionView) -> String {
    let rows = [
        ("own business", &view.business, "kept"),
        ("bodies for others", &view.bodies, "days below"),
        ("headers for others", &view.headers, "kept"),
        ("between two others", &view.pairs, "72 hours"),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(row).collect();
    let mut out = vec![print::table(&["HELD", "ENVELOPES", "SIZE", "OLDEST", "KEPT"], &rows)];
    let groups = view.groups.iter().map(|(group, days)| format!(", {group} {days}"));
    let days = format!("{} days{}", view.bodies_days, groups.collect::<String>());
    print::wrap(&mut out, "bodies   ", &days);
    let word = if view.dry_run { "would go" } else { "let go" };
    let going = format!(
        "{} bodies, {} between two others, {}",
        view.let_go_bodies,
        view.let_go_pairs,
        print::size(view.let_go_bytes)
    );
    print::wrap(&mut out, &format!("{word:8} "), &going);
    let quota = view.quota_bytes.map_or("no bound but the disk".to_owned(), |quota| {
        format!("of {}: {}", print::size(quota), view.room.replace('_', " "))
    });
    print::wrap(&mut out, "journal  ", &format!("{} {quota}", print::size(view.journal_bytes)));
    out.join("\n")
}

fn row((name, held, kept): (&str, &HeldView, &str)) -> Vec<String> {
    let oldest = held.oldest_day().to_owned();
    let (envelopes, size) = (held.envelopes.to_string(), print::size(held.bytes));
    vec![name.to_owned(), envelopes, size, oldest, kept.to_owned()]
}
