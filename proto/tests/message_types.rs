//! Holds `docs/message-types.md` to the catalogue: its tables are made from the descriptions.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fmt::Write as _;
use std::{fs, path::PathBuf};

use cbm_proto::catalogue::{FieldInfo, TypeInfo, catalogue};

const MARK: &str = "## Types\n";
const REMAKE: &str = "cargo test -p cbm-proto --test message_types -- --ignored remake";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/message-types.md")
}

fn overview(out: &mut String) {
    out.push_str("| M | name | for | precedence | wanted | by | two persons | statuses |\n");
    out.push_str("|---|---|---|---|---|---|---|---|\n");
    for info in catalogue().types() {
        let statuses: Vec<&str> = info.statuses.iter().map(|status| status.word()).collect();
        writeln!(
            out,
            "| {} | `{}` | {} | {} | {} | {} | {} | {} |",
            info.number,
            info.name,
            info.help,
            info.default_precedence,
            info.ack_level.map_or("–", |level| level.word()),
            info.ack_by.word().to_lowercase(),
            if info.two_person { "yes" } else { "" },
            statuses.join(", "),
        )
        .unwrap();
    }
}

fn table(out: &mut String, rows: &[FieldInfo], groups: bool) {
    let group = if groups { " group |" } else { "" };
    writeln!(out, "| field | form | bounds |{group} meaning |").unwrap();
    writeln!(out, "|---|---|---|{}---|", if groups { "---|" } else { "" }).unwrap();
    for row in rows {
        let must = if row.required { " **!**" } else { "" };
        let group = if groups { format!(" {} |", row.group) } else { String::new() };
        writeln!(
            out,
            "| `{}`{must} | {} | {} |{group} {} |",
            row.path, row.form, row.bounds, row.help
        )
        .unwrap();
    }
}

fn section(out: &mut String, info: &TypeInfo) {
    writeln!(out, "\n### {}: `{}` (M{})\n", info.title, info.name, info.number).unwrap();
    if info.made_by_node {
        out.push_str("Made by the node, never from a file.\n\n");
    }
    table(out, &catalogue().describe(info), true);
}

fn tables() -> String {
    let mut out =
        String::from("\nRequired fields are marked **!**. The default status is the first.\n\n");
    overview(&mut out);
    for info in catalogue().types() {
        section(&mut out, info);
    }
    out.push_str("\n### Common header\n\nWhat people fill in beside `body`.\n\n");
    table(&mut out, &catalogue().describe_header(), false);
    out
}

fn wanted() -> (String, String) {
    let kept = fs::read_to_string(page()).unwrap();
    let head = kept.split_inclusive(MARK).next().unwrap().to_owned();
    (kept, head + &tables())
}

#[test]
fn the_page_is_made_from_the_descriptions() {
    let (kept, wanted) = wanted();
    assert_eq!(kept, wanted, "out of date: run `{REMAKE}` and look at the difference");
}

#[test]
#[ignore = "writes the tables of docs/message-types.md anew"]
fn remake() {
    fs::write(page(), wanted().1).unwrap();
}
