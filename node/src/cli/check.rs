//! `cbm check`: does somebody answer? A test that can be mistaken for nothing else.
//!
//! A dead line, a node without a person, an answer and a no are told apart, each with its time.

use cbm_proto::time::Timestamp;
use clap::Args;

use super::{Node, Output, print, when};
use crate::{
    api::{
        client::Client,
        failure::{Code, Failure},
        people::shape::{AnswerRequest, CheckRequest, CheckRow, CheckView},
        shape::Sent,
    },
    clock::Clock,
};

/// Run a communications check, show its result, or answer one.
#[derive(Debug, Args)]
pub struct Check {
    /// Whom to ask.
    #[arg(required_unless_present_any = ["all", "result", "answer"], value_delimiter = ',')]
    parties: Vec<String>,
    /// Ask every state of the accord.
    #[arg(long, conflicts_with = "parties")]
    all: bool,
    /// Until when an answer counts.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = when::when)]
    respond_by: Timestamp,
    /// LINK, NODE, HUMAN, HUMAN_OFF_HOURS, ALT_CHANNEL or TRANSLATION.
    #[arg(long, default_value = "HUMAN")]
    kind: String,
    /// They were told that it would come.
    #[arg(long)]
    announced: bool,
    /// Wait until all have answered, or the time is over; exit 4 when somebody has not.
    #[arg(long)]
    wait: bool,
    /// Show what came of an earlier check.
    #[arg(long, value_name = "ID", conflicts_with_all = ["parties", "all", "answer"])]
    result: Option<String>,
    /// Answer a check that was received, and confirm our own contact data.
    #[arg(long, value_name = "ID", conflicts_with_all = ["parties", "all", "wait"])]
    answer: Option<String>,
    /// With --answer: what is wrong in the contact data that others hold of us.
    #[arg(long, value_name = "TEXT", requires = "answer")]
    corrections: Option<String>,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Asks, shows or answers.
///
/// # Errors
/// No node, nobody to ask, or somebody did not answer in time.
pub async fn run(args: Check) -> Result<(), Failure> {
    let client = args.node.client()?;
    if let Some(id) = args.answer {
        return answer(&client, &id, args.corrections, args.output.json).await;
    }
    let mut view: CheckView = match &args.result {
        Some(id) => client.get(&format!("/v1/check/{id}")).await?,
        None => {
            let request = CheckRequest {
                parties: args.parties,
                kind: Some(args.kind),
                announced: args.announced,
                respond_by: args.respond_by.to_string(),
            };
            client.post("/v1/check", &request).await?
        }
    };
    if args.wait {
        let by = Timestamp::parse(&view.respond_by).unwrap_or(args.respond_by);
        let time = by.since(Clock::start().now().wall);
        let path = format!("/v1/check/{}?wait=true&timeout_ms={time}", view.id);
        view = client.get(&path).await?;
    }
    if args.output.json {
        print::json(&view)?;
    } else {
        print::say(&text(&view))?;
    }
    if args.wait { missing(&view) } else { Ok(()) }
}

async fn answer(
    client: &Client,
    id: &str,
    corrections: Option<String>,
    json: bool,
) -> Result<(), Failure> {
    let request = AnswerRequest { corrections };
    let sent: Sent = client.post(&format!("/v1/check/{id}/answer"), &request).await?;
    if json {
        return print::json(&sent);
    }
    let data = if request.corrections.is_some() { "corrected" } else { "confirmed" };
    print::say(&format!("{}\nanswered; our contact data {data}", sent.id))
}

fn missing(view: &CheckView) -> Result<(), Failure> {
    let there = |row: &&CheckRow| matches!(row.verdict.as_str(), "answered" | "declined");
    let answered: Vec<&str> =
        view.stations.iter().filter(there).map(|row| row.party.as_str()).collect();
    let silent = view.stations.iter().filter(|row| !answered.contains(&row.party.as_str()));
    let silent: Vec<String> =
        silent.map(|row| format!("{}: {}", row.station, words(&row.verdict))).collect();
    if silent.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::NotReached,
        "not all have answered in time",
        silent.join("; "),
        "try the next channel of the directory: cbm directory PARTY",
    ))
}

fn words(verdict: &str) -> &str {
    match verdict {
        "line_dead" => "line dead",
        "pending" => "no sign yet",
        "nobody_at_desk" => "node answers, nobody at the desk",
        other => other,
    }
}

/// For people.
#[must_use]
pub fn text(view: &CheckView) -> String {
    let rows: Vec<Vec<String>> = view.stations.iter().map(row).collect();
    let table = print::table(&["STATION", "RESULT", "AT", "TOOK", "CONTACT DATA"], &rows);
    let by = print::time(&view.respond_by);
    let state = if view.over { "was open until" } else { "open until" };
    let mut out = vec![format!("{}  {state} {by}", view.id), table];
    for row in &view.stations {
        if let Some(cause) = &row.cause {
            print::wrap(&mut out, &format!("{} ", row.party), cause);
        }
        if let Some(corrections) = &row.corrections {
            print::wrap(&mut out, &format!("{} says: ", row.party), corrections);
        }
    }
    out.join("\n")
}

fn row(row: &CheckRow) -> Vec<String> {
    let none = || "-".to_owned();
    let late = if row.late { " LATE" } else { "" };
    let data = match (row.contact_data_confirmed, &row.corrections) {
        (true, _) => "confirmed".to_owned(),
        (false, Some(_)) => "corrected".to_owned(),
        (false, None) => none(),
    };
    vec![
        row.station.clone(),
        format!("{}{late}", words(&row.verdict)),
        row.at.as_deref().map_or_else(none, print::time),
        row.took_ms.map_or_else(none, took),
        data,
    ]
}

fn took(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..600_000 => format!("{} s", ms / 1_000),
        _ => format!("{} min", ms / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(verdicts: &[(&str, &str)]) -> CheckView {
        let station = |(station, verdict): &(&str, &str)| CheckRow {
            party: station.split('/').next().unwrap_or_default().to_owned(),
            station: (*station).to_owned(),
            verdict: (*verdict).to_owned(),
            level: None,
            at: Some("2026-11-22T03:00:00.000Z".to_owned()),
            took_ms: Some(61_234),
            late: true,
            answered_by: None,
            contact_data_confirmed: true,
            corrections: None,
            cause: Some("suspended openly since 2026-11-22T01:00:00.000Z, political".to_owned()),
        };
        CheckView {
            id: "00".repeat(16),
            sent_at: String::new(),
            respond_by: "2026-11-22T03:00:00.000Z".to_owned(),
            over: true,
            stations: verdicts.iter().map(station).collect(),
        }
    }

    #[test]
    fn four_results_are_four_words_within_the_page() {
        let all = [
            ("AAA/mfa", "line_dead"),
            ("BBB/mfa", "nobody_at_desk"),
            ("CCC/mfa", "answered"),
            ("DDD/mfa", "declined"),
        ];
        let shown = text(&view(&all));
        for word in ["line dead", "nobody at the desk", "answered", "declined", "61 s", "political"]
        {
            assert!(shown.contains(word), "{shown}");
        }
        assert!(shown.lines().all(|line| line.chars().count() <= print::WIDTH), "{shown}");
    }

    #[test]
    fn one_station_that_answers_is_enough_for_its_party() {
        assert!(missing(&view(&[("AAA/mfa", "line_dead"), ("AAA/cert", "answered")])).is_ok());
        let silent = view(&[("AAA/mfa", "declined"), ("BBB/mfa", "nobody_at_desk")]);
        let failure = missing(&silent).err().map(|f| (f.code.exit(), f.cause));
        let cause = "BBB/mfa: node answers, nobody at the desk".to_owned();
        assert_eq!(failure, Some((4, cause)));
    }
}
