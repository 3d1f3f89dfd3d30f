//! `cbm decline ID`: the office will not deal with it, and says so at once.

use clap::Args;

use super::{Node, Output, office::OfficeKey, print};
use crate::api::{
    compose,
    failure::Failure,
    shape::{DeclineRequest, Sent},
};

/// Decline a letter.
#[derive(Debug, Args)]
pub struct Decline {
    /// The letter, as `cbm inbox` lists it.
    id: String,
    /// Why: NO_MANDATE, NATIONAL_LAW, WRONG_ADDRESSEE, UNREADABLE, BAD_SIGNATURE, LANGUAGE,
    /// DUPLICATE, POLITICAL, NO_REASON_GIVEN or OTHER.
    #[arg(long, default_value = "NO_REASON_GIVEN")]
    reason: String,
    /// Words beside it.
    #[arg(long, default_value = "")]
    text: String,
    #[command(flatten)]
    office: OfficeKey,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Declines it.
///
/// # Errors
/// No node, no such letter, or no officer.
pub async fn run(args: Decline) -> Result<(), Failure> {
    let msg = compose::msg_id(&args.id)?;
    let mut request = DeclineRequest { reason: args.reason, text: args.text, signed: None };
    let (act, client) = (compose::decline(&request)?, args.node.client()?);
    request.signed =
        args.office.sign(&client, msg, |entry, at, by| act.entry(entry, at, by)).await?;
    let path = format!("/v1/letters/{}/decline", args.id);
    let done: Sent = client.post(&path, &request).await?;
    if args.output.json {
        return print::json(&done);
    }
    print::say(&format!("{}  L5 DECLINED {}", args.id, request.reason))
}
