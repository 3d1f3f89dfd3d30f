//! Fingerprints compared by people: read aloud, noted, asked for by words.

use clap::Args;

use crate::{
    api::{
        failure::{Code, Failure},
        people::shape::{
            AskedView, CheckedRequest, CheckedView, FingerprintView, HeardRequest, HeardView,
        },
    },
    cli::{Node, Output, print},
};

/// Print a party's fingerprint in words.
#[derive(Debug, Args)]
pub(super) struct Fingerprint {
    /// The party; your own, for the other officer to compare.
    party: String,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

pub(super) async fn fingerprint(args: Fingerprint) -> Result<(), Failure> {
    let path = format!("/v1/directory/{}/fingerprint", args.party);
    let view: FingerprintView = args.node.client()?.get(&path).await?;
    if args.output.json {
        return print::json(&view);
    }
    let mut out = vec![format!("fingerprint of {}, {}", view.party, print::tame(&view.name))];
    if view.fingerprints.is_empty() {
        out.push("the accord in force lists no key of it".to_owned());
    }
    for print in &view.fingerprints {
        out.push(print.hex.clone());
        out.push(format!("{} reads, you compare:", view.party));
        out.extend(print.they_read.iter().map(|line| format!("    {line}")));
        out.push(format!("you read, {} compares:", view.party));
        out.extend(print.you_read.iter().map(|line| format!("    {line}")));
    }
    let party = &view.party;
    print::wrap(
        &mut out,
        "",
        "Meet, or call at a number that you know from before. If every word agrees, note it:",
    );
    out.push(format!("    cbm directory check {party} --in-person --by NAME"));
    print::say(&out.join("\n"))
}

/// Note that an officer compared a party's fingerprint.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The party.
    party: String,
    /// It was compared face to face.
    #[arg(long, required_unless_present = "by_voice", conflicts_with = "by_voice")]
    in_person: bool,
    /// It was read aloud by somebody whose voice is known.
    #[arg(long)]
    by_voice: bool,
    /// Who compared; the calling officer when absent.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    by: String,
    /// The words did not agree.
    #[arg(long)]
    differs: bool,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

pub(super) async fn check(args: Check) -> Result<(), Failure> {
    let method = if args.in_person { "IN_PERSON" } else { "BY_VOICE" };
    let request = CheckedRequest { method: method.to_owned(), by: args.by, differs: args.differs };
    let path = format!("/v1/directory/{}/check", args.party);
    let done: CheckedView = args.node.client()?.post(&path, &request).await?;
    if args.output.json {
        return print::json(&done);
    }
    let what = if args.differs { "did not agree" } else { "agreed" };
    print::say(&format!(
        "noted: the fingerprint of {} {what}, {} by {}",
        args.party,
        super::text::method(&done.method),
        print::tame(&done.by)
    ))
}

/// Ask a party's officer to identify himself by words.
#[derive(Debug, Args)]
pub(super) struct Identify {
    /// The party.
    party: String,
    /// What the other officer read to you; compares it with what its keys make.
    #[arg(long, value_name = "WORDS")]
    heard: Option<String>,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

pub(super) async fn identify(args: Identify) -> Result<(), Failure> {
    let client = args.node.client()?;
    let party = &args.party;
    let Some(words) = args.heard else {
        let path = format!("/v1/directory/{party}/identify");
        let asked: AskedView = client.post(&path, &serde_json::json!({})).await?;
        return if args.output.json { print::json(&asked) } else { say_asked(party, &asked) };
    };
    let path = format!("/v1/directory/{party}/heard");
    let heard: HeardView = client.post(&path, &HeardRequest { words }).await?;
    if args.output.json {
        print::json(&heard)?;
    } else if let Some(back) = &heard.say_back {
        let mut out = vec![format!("AGREES: whoever said this holds the keys of {party}")];
        out.push(format!("say back: {back}"));
        print::wrap(&mut out, "", "If the other officer does not expect these words, hang up.");
        print::say(&out.join("\n"))?;
    }
    if heard.agrees {
        return Ok(());
    }
    let left = heard.tries_left;
    Err(Failure::new(
        Code::Refused,
        format!(
            "DOES NOT AGREE: whoever said this did not see the letter, or holds other keys than {party}"
        ),
        format!("the words are not those that the keys of {party} make; {left} tries are left"),
        "ask for the words once more; if they differ again, hang up, call at a number that you know \
         from before, and tell your superior",
    ))
}

fn say_asked(party: &str, asked: &AskedView) -> Result<(), Failure> {
    let mut out = vec![asked.id.clone(), format!("code: {}", asked.code)];
    print::wrap(
        &mut out,
        "",
        &format!(
            "Now call the desk of {party} at a number that you know from before, not one that came \
             with a letter. The other officer sees four words beside the request (`cbm show`) and \
             reads them to you. Type what you hear:"
        ),
    );
    out.push(format!("    cbm directory identify {party} --heard \"WORDS\""));
    print::say(&out.join("\n"))
}
