//! `cbm journal`: what stands on the disk, and whether it is whole. No content of a letter is shown.

use std::path::PathBuf;

use cbm_proto::{accord::station_id, id::StationName, time::Timestamp};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    Output, load, print,
    source::{self, Source, Which},
};
use crate::{
    api::failure::{Code, Failure},
    backup::{
        check::{self, Glasses, Verified},
        heads::{self, Head},
        records::{self, Row},
    },
    documents,
    store::inspect::record_at,
};

/// Look at the journal.
#[derive(Debug, Args)]
pub struct Journal {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Check chain, checksums, signatures, and that own records open.
    Verify {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// List the newest records.
    List {
        /// So many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        last: usize,
        /// Of this kind only: envelope, document, sent, opened, taken, event, incarnation, note.
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// Show one record, without its content.
    Show {
        /// Its place, SEGMENT:OFFSET, as `list` prints it.
        place: String,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// How far a station's feeds are held: what a revocation of its key can stand by.
    Heads {
        /// The station, such as EST/mfa.
        station: String,
        /// Only what was made up to this time (RFC 3339), such as the last hour in which the key
        /// was safe.
        #[arg(long, value_name = "TIME")]
        before: Option<String>,
        /// This station's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

/// Looks.
///
/// # Errors
/// There is no journal, it cannot be read, or it is not whole.
pub async fn run(args: Journal) -> Result<(), Failure> {
    match args.step {
        Step::Verify { which, output } => verify(&which.open().await?, output.json),
        Step::List { last, kind, which, output } => {
            list(&which.open().await?, last, kind.as_deref(), output.json)
        }
        Step::Show { place, which, output } => show(&which.open().await?, &place, output.json),
        Step::Heads { station, before, config, output } => {
            let config = load(&config)?;
            let source = Source::open(config.data.clone(), Some(config)).await?;
            show_heads(&source, &station, before.as_deref(), output.json)
        }
    }
}

fn verify(source: &Source, json: bool) -> Result<(), Failure> {
    let found = checked(source)?;
    if json {
        print::json(&found)?;
    } else {
        print::say(&verdict(source, &found))?;
    }
    if found.sound {
        return Ok(());
    }
    Err(Failure::new(
        Code::Failed,
        "the journal is not whole",
        "something in it is damaged or does not belong there, as listed",
        "keep a copy of the folder, look at the disk, and restore the newest backup",
    ))
}

/// Checks a journal with everything at hand.
///
/// # Errors
/// It cannot be read.
pub fn checked(source: &Source) -> Result<Verified, Failure> {
    let keys = source.config.as_ref().and_then(|config| check::keys(config).ok());
    let directory = source.directory();
    let me = source.config.as_ref().zip(directory.as_ref());
    let glasses = Glasses {
        me: me.map(|(config, directory)| station_id(&directory.network(), &config.station)),
        archive: keys.as_ref().map(|keys| &*keys.archive),
        directory,
    };
    let mut progress = print::Progress::new("verified");
    let found = check::verify(&source.data, source.until, &glasses, &mut |n| progress.more(n));
    progress.end();
    found.map_err(|error| source::unread(&source.data, &error))
}

fn verdict(source: &Source, found: &Verified) -> String {
    let none = || "-".to_owned();
    let mut out = Vec::new();
    if let Some(config) = &source.config {
        out.push(format!("station  {}", config.station));
    }
    out.push(format!("journal  {}", found.journal.clone().unwrap_or_else(none)));
    out.push(format!(
        "records  {} in {} files, up to {}",
        found.records,
        found.segments,
        found.end.clone().unwrap_or_else(none)
    ));
    out.push(format!("chain    {}\n", found.chain.clone().unwrap_or_else(none)));
    let rows = found
        .kinds
        .iter()
        .map(|k| vec![k.kind.clone(), k.records.to_string(), print::size(k.bytes)]);
    out.push(print::table(&["KIND", "RECORDS", "SIZE"], &rows.collect::<Vec<_>>()));
    out.push(String::new());
    out.push(print::table(&["CHECK", "RESULT"], &results(found)));
    out.push(String::new());
    out.push(if found.sound { "the journal is whole" } else { "the journal is NOT whole" }.into());
    out.join("\n")
}

fn results(found: &Verified) -> Vec<Vec<String>> {
    let row = |what: &str, result: String| vec![what.to_owned(), result];
    let mut rows = Vec::new();
    let whole = if found.damage.is_empty() { "whole".to_owned() } else { "DAMAGED".to_owned() };
    rows.push(row("chain and checksums", whole));
    rows.extend(found.damage.iter().map(|d| row("", format!("{}: {}", d.at, d.what))));
    if let Some(torn) = &found.torn {
        rows.push(row("unfinished writes", format!("at {torn}; nothing acknowledged")));
    }
    let e = &found.envelopes;
    rows.push(row("envelopes", format!("{} own, {} of others", e.own, e.heard)));
    rows.push(row(
        "signatures",
        match e.signed {
            None => "not checked: no documents at hand (--config)".to_owned(),
            Some(good) => {
                format!(
                    "{good} good, {} by keys that no document names, {} BAD",
                    e.unknown_key, e.bad
                )
            }
        },
    ));
    rows.extend(e.bad_at.iter().map(|place| row("", format!("bad at {place}"))));
    let forks = e.own_forks.map_or_else(|| "not checked".to_owned(), |n| n.to_string());
    rows.push(row("own numbers used twice", forks));
    if e.proofs > 0 {
        rows.push(row("authors proven to write twice", format!("{} proofs", e.proofs)));
    }
    rows.push(row(
        "own records",
        match found.own.open {
            None => "not checked: the archive key is not at hand".to_owned(),
            Some(open) => format!("{open} open, {} do NOT", found.own.closed),
        },
    ));
    rows.extend(found.own.closed_at.iter().map(|place| row("", format!("closed at {place}"))));
    rows
}

fn list(source: &Source, last: usize, kind: Option<&str>, json: bool) -> Result<(), Failure> {
    let directory = source.directory();
    let rows = records::last(&source.data, source.until, last, kind, directory.as_ref());
    let rows = rows.map_err(|error| source::unread(&source.data, &error))?;
    if json {
        return rows.iter().try_for_each(print::json);
    }
    let short = |text: &Option<String>| print::shorten(text.as_deref().unwrap_or("-"), 14);
    let line = |row: &Row| {
        vec![
            row.place.clone(),
            row.kind.clone(),
            print::size(row.bytes),
            row.made_at.as_deref().map_or_else(|| "-".to_owned(), print::time),
            short(&row.author),
            row.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string()),
            short(&row.id.clone().or_else(|| row.letter.clone())),
        ]
    };
    let head = ["PLACE", "KIND", "SIZE", "MADE", "AUTHOR", "SEQ", "ID"];
    print::say(&print::table(&head, &rows.iter().map(line).collect::<Vec<_>>()))
}

fn show(source: &Source, place: &str, json: bool) -> Result<(), Failure> {
    let place = source::place(place)?;
    let record = record_at(&source.data, place);
    let record =
        record.map_err(|error| source::unread(&source.data, &error))?.ok_or_else(|| {
            Failure::new(
                Code::NotFound,
                "there is no such record",
                format!("no sound record begins at {place}"),
                "`cbm journal list` shows places",
            )
        })?;
    let row = records::row(place, &record, source.directory().as_ref());
    if json {
        return print::json(&row);
    }
    let mut value = serde_json::to_value(&row).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members
            .retain(|_, value| !value.is_null() && value.as_array().is_none_or(|a| !a.is_empty()));
    }
    print::say(&print::outline(&value))
}

/// What `heads` says.
#[derive(Serialize)]
struct Heads {
    station: String,
    id: String,
    heads: Vec<Head>,
}

fn show_heads(
    source: &Source,
    station: &str,
    before: Option<&str>,
    json: bool,
) -> Result<(), Failure> {
    let usage = |cause: String, remedy: &str| {
        Failure::new(Code::Usage, "the journal was not read", cause, remedy)
    };
    let name = StationName::parse(station).map_err(|e| usage(e.to_string(), "write EST/mfa"))?;
    let parse = |text: &str| {
        Timestamp::parse(text).ok_or_else(|| {
            usage(format!("`{text}` is no time"), "write it in UTC, such as 2026-11-22T00:30:00Z")
        })
    };
    let before = before.map(parse).transpose()?;
    let folder = source.config.as_ref().map(|config| config.documents.clone()).unwrap_or_default();
    let loaded = documents::load(&folder).map_err(|e| {
        Failure::told(Code::Failed, "the journal was not read", e, "correct paths.documents")
    })?;
    let id = station_id(&loaded.directory.network(), &name);
    let found = heads::heads(&source.data, source.until, id, before);
    let heads = found.map_err(|error| source::unread(&source.data, &error))?;
    if json {
        return print::json(&Heads { station: name.to_string(), id: id.to_string(), heads });
    }
    if heads.is_empty() {
        return print::say(&format!("nothing of {name} is held"));
    }
    let mut out = vec![format!("{name}  {id}")];
    for head in &heads {
        out.push(format!("\nincarnation  {}\nlane         {}", head.incarnation, head.lane));
        out.push(format!("seq          {}  made {}", head.seq, print::time(&head.made_at)));
        out.push(format!("header       {}", head.header));
        if head.missing > 0 {
            out.push(format!("missing      {} numbers below it are not held here", head.missing));
        }
        if head.forked {
            out.push("forked       one number was used for two headers".to_owned());
        }
    }
    print::say(&out.join("\n"))
}
