//! `cbm show ID`: one letter, whole. What others wrote is tamed for the terminal and wrapped.
//!
//! A letter of an exercise or a test begins and ends with that word. When an officer looks, the
//! node is told so after the letter is on the screen (level L3), and not before.

use std::path::PathBuf;

use cbm_proto::receipt::fixed_text;
use clap::Args;
use serde_json::{Value, json};

use super::{Node, Output, directory, print, transfer};
use crate::api::{
    client::Client,
    compose,
    failure::{Code, Failure},
    shape::Sent,
};

/// Show a letter.
#[derive(Debug, Args)]
pub struct Show {
    /// The letter, as `cbm inbox` lists it, or one of our own.
    id: String,
    /// Write its attachments into this folder.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Shows it.
///
/// # Errors
/// No node, no such letter, or the folder cannot be written.
pub async fn run(args: Show) -> Result<(), Failure> {
    compose::msg_id(&args.id)?;
    let client = args.node.client()?;
    let letter: Value = client.get(&format!("/v1/letters/{}", args.id)).await?;
    if args.output.json {
        print::json(&letter)?;
    } else {
        print::say(&text(&letter))?;
    }
    if !letter["received_at"].is_null() {
        confirm(&client, &args.id).await?;
    }
    match args.save {
        Some(folder) => save(&client, &args.id, &letter, &folder).await,
        None => Ok(()),
    }
}

/// Tells the node that it is on the screen. For somebody who is no officer nothing is confirmed.
async fn confirm(client: &Client, id: &str) -> Result<(), Failure> {
    match client.post::<Sent>(&format!("/v1/letters/{id}/show"), &json!({})).await {
        Err(refused) if refused.code == Code::Refused => {
            eprintln!("cbm: its author is not told that it was seen: {}", refused.cause);
            Ok(())
        }
        other => other.map(drop),
    }
}

async fn save(
    client: &Client,
    id: &str,
    letter: &Value,
    folder: &std::path::Path,
) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|e| {
        Failure::new(
            Code::Failed,
            "nothing was saved",
            format!("{}: {e}", folder.display()),
            "name a folder that you may write",
        )
    })?;
    let all = letter["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut missing = None;
    for (number, attachment) in all.iter().enumerate() {
        let path = format!("/v1/letters/{id}/attachments/{number}");
        match transfer::save(client, &path, attachment, folder).await {
            Ok(path) => eprintln!("saved {}", path.display()),
            // The others may be here.
            Err(failure) if failure.code == Code::NotReached => missing = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    missing.map_or(Ok(()), Err)
}

/// For people.
#[must_use]
pub fn text(letter: &Value) -> String {
    let word = |key: &str| letter[key].as_str().unwrap_or("-");
    let mut out = Vec::new();
    let mark = Some(word("status")).filter(|status| matches!(*status, "EXERCISE" | "TEST"));
    if let Some(mark) = mark {
        out.push(format!("{mark} {mark} {mark}"));
    }
    out.push(format!("{}  {}  {}", word("type"), word("precedence"), word("status")));
    for (name, value) in head(letter) {
        print::wrap(&mut out, &format!("{name:9}"), &value);
    }
    if letter["key_revoked"] == true {
        print::wrap(
            &mut out,
            "WARNING  ",
            "KEY REVOKED: the key that signed this letter was taken back by its party, which does not \
             stand by what was signed at this place. Somebody else may have written it: call back.",
        );
    }
    if letter["newer"] == true {
        print::wrap(
            &mut out,
            "note     ",
            "made by a newer version: what is not understood is not shown",
        );
    }
    attempts(&mut out, letter);
    identity_check(&mut out, &letter["identity_check"], word("from"));
    out.push(String::new());
    print::fields(&mut out, 0, &letter["body"]);
    attachments(&mut out, &letter["attachments"]);
    if !letter["received_at"].is_null() {
        let id = word("id");
        out.push(String::new());
        out.push(format!("cbm ack {id}"));
        out.push(format!("    says: {}", fixed_text("en")));
        out.push(format!("cbm decline {id} --reason REASON"));
    }
    if let Some(mark) = mark {
        out.push(mark.to_owned());
    }
    out.join("\n")
}

/// Somebody else tried to pass for the sender: whoever reads on should know.
fn attempts(out: &mut Vec<String>, letter: &Value) {
    if let Some(count) = letter["incidents"].as_u64().filter(|count| *count > 0) {
        let words = format!(
            "{count} attempts to pass for this sender's party in 30 days: cbm directory --incidents"
        );
        print::wrap(out, "CAUTION  ", &words);
    }
}

/// The words of an identity check, for the officer who was asked.
fn identity_check(out: &mut Vec<String>, check: &Value, from: &str) {
    let (Some(say), Some(hear)) = (check["you_say"].as_str(), check["you_hear"].as_str()) else {
        return;
    };
    let party = from.split('/').next().unwrap_or_default();
    out.push(String::new());
    print::wrap(
        out,
        "",
        &format!("Talk to {party} over a channel that you know from before, not one named here."),
    );
    out.push(format!("you say:     {say}"));
    out.push(format!("you hear:    {hear}"));
    print::wrap(out, "", "If you hear other words, hang up, and note it:");
    out.push(format!("    cbm directory check {party} --by-voice --differs"));
}

/// What every letter has, by name.
fn head(letter: &Value) -> Vec<(&'static str, String)> {
    let scalar = |value: &Value| print::flat(value).filter(|text| !text.is_empty());
    let release = &letter["release"];
    let released = [("drafted by", "drafted_by"), ("released by", "released_by")]
        .into_iter()
        .chain([("EMERGENCY:", "emergency")])
        .filter_map(|(words, key)| Some(format!("{words} {}", scalar(&release[key])?)))
        .collect::<Vec<_>>();
    let rows = [
        ("id", scalar(&letter["id"])),
        ("from", scalar(&letter["from"])),
        ("trust", letter["trust"].as_str().map(|word| directory::trust(word).to_owned())),
        ("to", scalar(&letter["to_action"])),
        ("copies", scalar(&letter["to_info"])),
        ("made", scalar(&letter["origin_time"])),
        ("received", scalar(&letter["received_at"])),
        ("reply by", scalar(&letter["reply_by"])),
        ("tlp", scalar(&letter["tlp"])),
        ("exercise", scalar(&letter["exercise_id"])),
        ("release", (!released.is_empty()).then(|| released.join(", "))),
        ("level", scalar(&letter["level"])),
        ("outcome", scalar(&letter["outcome"])),
        ("subject", scalar(&letter["subject"])),
        ("remarks", scalar(&letter["remarks"])),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn attachments(out: &mut Vec<String>, all: &Value) {
    for file in all.as_array().map(Vec::as_slice).unwrap_or_default() {
        let word = |key: &str| print::flat(&file[key]).unwrap_or_else(|| "-".to_owned());
        out.push(String::new());
        let line = format!("{}, {} bytes, {}", word("name"), word("size"), word("media_type"));
        print::wrap(out, "file ", &line);
        out.push(format!("  sha256 {}", print::tame(&word("sha256"))));
        match file["state"].as_str() {
            Some("coming") => out.push(format!("  coming: {} bytes are here", word("received"))),
            Some("held back") => out.push("  held back: --save fetches it".to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(status: &str) -> Value {
        json!({
            "id": "00", "type": "red-flag", "precedence": "FLASH", "status": status,
            "from": "AAA/mfa", "received_at": "2026-11-22T00:30:01.000Z",
            "subject": [{"bcp47": "en", "text": "long ".repeat(40)}],
            "body": {"asked": "CALL", "window": {"from": "x\u{1b}[31m"}},
            "attachments": [{"name": "a.json", "size": 2, "media_type": "x/y", "sha256": "ab"}],
        })
    }

    #[test]
    fn an_exercise_begins_and_ends_with_the_word_and_an_actual_letter_does_not() {
        let shown = text(&letter("EXERCISE"));
        assert!(shown.starts_with("EXERCISE EXERCISE EXERCISE\n"), "{shown}");
        assert!(shown.ends_with("\nEXERCISE"), "{shown}");
        assert!(!text(&letter("ACTUAL")).contains("EXERCISE"));
    }

    #[test]
    fn lines_fit_escapes_are_tamed_and_the_fixed_words_stand_there() {
        let shown = text(&letter("ACTUAL"));
        assert!(shown.lines().all(|line| line.chars().count() <= print::WIDTH), "{shown}");
        assert!(!shown.contains('\u{1b}') && shown.contains("from: x·[31m"), "{shown}");
        assert!(shown.contains("received; does not indicate concurrence"), "{shown}");
        assert!(shown.contains("sha256 ab"), "{shown}");
    }
}
