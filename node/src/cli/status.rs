//! `cbm status ID`: how far a letter came, station by station.

use clap::Args;

use super::{Node, Output, print};
use crate::api::{
    compose,
    failure::Failure,
    shape::{AddresseeView, StatusView},
};

/// Show how far a letter came.
#[derive(Debug, Args)]
pub struct Status {
    /// The letter, as `cbm send` printed it.
    id: String,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Shows it.
///
/// # Errors
/// No node, or no such letter.
pub async fn run(args: Status) -> Result<(), Failure> {
    compose::msg_id(&args.id)?;
    let status: StatusView = args.node.client()?.get(&format!("/v1/status/{}", args.id)).await?;
    if args.output.json {
        return print::json(&status);
    }
    print::say(&text(&status))
}

/// For people.
#[must_use]
pub fn text(status: &StatusView) -> String {
    let rows: Vec<Vec<String>> = status.addressees.iter().map(row).collect();
    let head = ["STATION", "STATE", "LEVEL", "AT", "DUE", "OUTCOME"];
    let table = print::table(&head, &rows);
    let ways: String = status.addressees.iter().filter_map(way).collect();
    let causes: String = status.addressees.iter().filter_map(cause).collect();
    format!("{}  {}  {}\n{table}{ways}{causes}", status.id, status.type_name, status.precedence)
}

/// A line of its own, since the table fills 80 columns.
fn way(to: &AddresseeView) -> Option<String> {
    to.path.as_ref().map(|path| format!("\n{} went {path}", to.station))
}

/// Why nothing comes, where that is known.
fn cause(to: &AddresseeView) -> Option<String> {
    to.cause.as_ref().map(|cause| format!("\n{}: {cause}", to.station))
}

fn row(to: &AddresseeView) -> Vec<String> {
    let none = || "-".to_owned();
    let time = |at: &Option<String>| at.as_deref().map_or_else(none, print::time);
    let due = match (to.info, to.overdue) {
        (true, _) => "a copy".to_owned(),
        (false, true) => format!("LATE {}", time(&to.due_at)),
        (false, false) => time(&to.due_at),
    };
    vec![
        to.station.clone(),
        to.state.clone(),
        to.level.clone().unwrap_or_else(none),
        time(&to.at),
        due,
        to.outcome.clone().unwrap_or_else(none),
    ]
}
