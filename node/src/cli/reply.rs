//! `cbm reply ID`: another letter in answer. It goes to the party that wrote the first.

use cbm_proto::terms::Level;
use clap::Args;

use super::{Node, Output, compose::Content, office::OfficeKey, print};
use crate::api::{compose, failure::Failure, shape::Sent};

/// Answer a letter with another one.
#[derive(Debug, Args)]
pub struct Reply {
    /// The letter to answer, as `cbm inbox` lists it.
    id: String,
    /// Type of the answer; `cbm types` lists them.
    #[arg(long = "type", value_name = "TYPE", default_value = "response")]
    type_name: String,
    /// Other parties that get a copy.
    #[arg(long, value_name = "PARTIES", value_delimiter = ',')]
    info: Vec<String>,
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    office: OfficeKey,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Sends the answer; prints its id.
///
/// # Errors
/// No node, no such letter, no officer, or the answer is not taken.
pub async fn run(args: Reply) -> Result<(), Failure> {
    let msg = compose::msg_id(&args.id)?;
    let client = args.node.client()?;
    let mut request = args.content.request(&client, args.type_name).await?;
    request.info = args.info;
    let answered =
        args.office.sign(&client, msg, |e, at, by| e.by_officer(Level::L6, at, by)).await?;
    request.signed = answered;
    let path = format!("/v1/letters/{}/reply", args.id);
    let sent: Sent = client.post(&path, &request).await?;
    if args.output.json { print::json(&sent) } else { print::say(&sent.id) }
}
