//! `cbm status ID`: how far a letter came, station by station.

use clap::Args;

use super::{Node, Output, directory, print};
use crate::api::{
    compose,
    failure::Failure,
    shape::{AddresseeView, StatedView, StatusView},
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
    let head = format!("{}  {}  {}", status.id, status.type_name, status.precedence);
    let mut out = vec![head, table];
    status.addressees.iter().for_each(|to| known(&mut out, to));
    out.join("\n")
}

/// Lines of their own, since the table fills 80 columns: the way it went, how well its party is
/// known, why nothing comes.
fn known(out: &mut Vec<String>, to: &AddresseeView) {
    let trust = directory::trust(&to.trust);
    out.push(match &to.path {
        Some(path) => format!("{} went {path}; {trust}", to.station),
        None => format!("{} {trust}", to.station),
    });
    if let Some(stated) = &to.stated {
        print::wrap(out, &format!("{} ", to.station), &self::stated(stated));
    }
    if let Some(cause) = &to.cause {
        print::wrap(out, &format!("{}: ", to.station), cause);
    }
}

/// Who stands behind a level that people state.
fn stated(stated: &StatedView) -> String {
    let office = print::tame(&stated.office);
    match (stated.signature.as_str(), &stated.key, &stated.cause) {
        ("valid", Some(key), _) => {
            format!("says so with the signature of its office {office}, key {key}")
        }
        (_, _, Some(cause)) => format!(
            "states that its office {office} says so; the signature of the office is NOT VALID: {cause}"
        ),
        _ => format!("states that its office {office} says so; not signed by the office"),
    }
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
