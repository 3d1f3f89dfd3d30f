//! `cbm ack ID`: a human received it. Never agreement (invariant I8): the fixed words say so.

use cbm_proto::receipt::fixed_text;
use clap::Args;

use super::{Node, Output, office::OfficeKey, print};
use crate::api::{
    compose,
    failure::Failure,
    shape::{AckRequest, Sent},
};

/// Confirm that a human received a letter.
#[derive(Debug, Args)]
pub struct Ack {
    /// The letter, as `cbm inbox` lists it.
    id: String,
    /// What the office will do: ACCEPTED, REFERRED, NEED_INFO, NOT_COMPETENT or REJECTED.
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Words beside the fixed ones.
    #[arg(long, default_value = "")]
    text: String,
    #[command(flatten)]
    office: OfficeKey,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Confirms it.
///
/// # Errors
/// No node, no such letter, or no officer.
pub async fn run(args: Ack) -> Result<(), Failure> {
    let msg = compose::msg_id(&args.id)?;
    let mut request = AckRequest { outcome: args.outcome, text: args.text, signed: None };
    let (act, client) = (compose::ack(&request)?, args.node.client()?);
    request.signed =
        args.office.sign(&client, msg, |entry, at, by| act.entry(entry, at, by)).await?;
    let path = format!("/v1/letters/{}/ack", args.id);
    let done: Sent = client.post(&path, &request).await?;
    if args.output.json {
        return print::json(&done);
    }
    match request.outcome {
        Some(outcome) => print::say(&format!("{}  L5 {outcome}", args.id)),
        None => print::say(&format!("{}  L4 {}", args.id, fixed_text("en"))),
    }
}
