//! `cbm send TYPE`: a notification from JSON. Prints its id; may wait for a level.

use std::time::Duration;

use cbm_proto::terms::Level;
use clap::Args;

use super::{Node, Output, compose::Content, print};
use crate::api::{
    client::Client,
    failure::{Code, Failure},
    shape::{Sent, StatusView},
};

/// Send a notification.
#[derive(Debug, Args)]
pub struct Send {
    /// Type of the notification; `cbm types` lists them.
    #[arg(value_name = "TYPE")]
    type_name: String,
    /// Parties that owe an answer, parted by commas.
    #[arg(long, value_name = "PARTIES", value_delimiter = ',')]
    to: Vec<String>,
    /// Parties that get a copy.
    #[arg(long, value_name = "PARTIES", value_delimiter = ',')]
    info: Vec<String>,
    /// The group that it travels in; the group of all states when absent.
    #[arg(long)]
    group: Option<String>,
    #[command(flatten)]
    content: Content,
    /// Wait until every party that owes an answer is at this level; exit 4 when it is not in time.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    wait: Option<Level>,
    /// How long to wait, such as `10s`, `500ms` or `2m`.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Sends it.
///
/// # Errors
/// The letter is not taken, or the level is not reached in time.
pub async fn run(args: Send) -> Result<(), Failure> {
    let client = args.node.client()?;
    let mut request = args.content.request(&client, args.type_name).await?;
    (request.to, request.info, request.group) = (args.to, args.info, args.group);
    let sent: Sent = client.post("/v1/send", &request).await?;
    if args.output.json {
        print::json(&sent)?;
    } else {
        print::say(&sent.id)?;
    }
    warn(&client, &sent.id).await;
    match args.wait {
        Some(level) => wait(&client, &sent.id, level, args.timeout).await,
        None => Ok(()),
    }
}

/// Says beside the id why an answer may not come, where that is known: the letter goes all the same.
async fn warn(client: &Client, id: &str) {
    let Ok(status) = client.get::<StatusView>(&format!("/v1/status/{id}")).await else { return };
    for addressee in &status.addressees {
        if let Some(cause) = &addressee.cause {
            eprintln!("cbm: note: {}: {}", addressee.station, print::tame(cause));
        }
    }
}

async fn wait(client: &Client, id: &str, level: Level, time: Duration) -> Result<(), Failure> {
    let path = format!("/v1/status/{id}?wait={level}&timeout_ms={}", time.as_millis());
    let status: StatusView = client.get(&path).await?;
    if status.reached(level) {
        return Ok(());
    }
    let behind: Vec<String> = status
        .addressees
        .iter()
        .filter(|a| !a.info && a.level.as_deref().and_then(Level::from_word) < Some(level))
        .map(|a| format!("{} {}", a.station, a.state))
        .collect();
    Err(Failure::new(
        Code::NotReached,
        format!("{level} was not reached within {time:?}"),
        behind.join(", "),
        format!("the letter is kept and repeated; follow it with `cbm status {id}`"),
    ))
}

fn level(word: &str) -> Result<Level, String> {
    Level::from_word(word).ok_or_else(|| "a level is one of L0 to L6".to_owned())
}

/// `10s`, `500ms`, `2m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a time is a number and ms, s, m or h, such as 10s".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a time begins with a number".to_owned())?;
    Ok(Duration::from_millis(number.saturating_mul(factor)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("10s").unwrap(), duration("10").unwrap());
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        assert!(duration("soon").is_err() && duration("10d").is_err());
    }
}
