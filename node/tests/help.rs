//! The help that the program gives is the help that stands in `docs/help.md`, verb by verb.
//!
//! Written anew, when a verb changed on purpose, by
//! `CBM_WRITE=1 cargo test -p cbm-node --test help`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, path::Path, process::Command};

use cbm_node::cli::man::pages;

/// What writes the page anew.
const ANEW: &str = "CBM_WRITE=1 cargo test -p cbm-node --test help";
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/help.md");

const HEAD: &str = "# Help of every verb

What `cbm --help` and `cbm VERB --help` print, written by the program itself; a test compares. How the
verbs work together stands in [cli.md](cli.md).
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (name, _) in pages() {
        page.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", help(&name)));
    }
    page
}

/// What the binary prints; but for the line of usage, which clap does not break, at most 80 columns.
fn help(name: &str) -> String {
    let mut args: Vec<&str> = name.split(' ').skip(1).collect();
    args.push("--help");
    let said = Command::new(env!("CARGO_BIN_EXE_cbm")).args(&args).output().unwrap();
    assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).unwrap();
    let said: Vec<&str> = said.lines().map(str::trim_end).collect();
    let wide = said.iter().find(|line| too_wide(line));
    assert!(wide.is_none(), "{name}: wider than 80 columns: {wide:?}");
    said.join("\n").trim().to_owned()
}

#[test]
fn the_help_of_every_verb_is_the_one_in_the_documents() {
    let now = page();
    if std::env::var_os("CBM_WRITE").is_some() {
        std::fs::write(PAGE, &now).unwrap();
    }
    let kept = std::fs::read_to_string(PAGE).unwrap_or_default();
    let (kept, now) = (sections(&kept), sections(&now));
    let names: Vec<&String> = now.keys().chain(kept.keys()).collect();
    for name in names {
        let (there, here) = (kept.get(name), now.get(name));
        assert!(
            there == here,
            "docs/help.md differs at `{name}`: it says\n{}\nand the program\n{}\nWrite it anew with\n\
             \n    {ANEW}\n",
            there.map_or("nothing", String::as_str),
            here.map_or("nothing", String::as_str),
        );
    }
}

/// What clap does not break, a line of usage or one long word, may be wider.
fn too_wide(line: &str) -> bool {
    line.chars().count() > 80 && !line.starts_with("Usage:") && line.trim().contains(' ')
}

fn sections(page: &str) -> BTreeMap<String, String> {
    let parts = page.split("\n## ");
    parts
        .map(|part| (part.lines().next().unwrap_or_default().to_owned(), part.to_owned()))
        .collect()
}

#[test]
fn every_verb_is_explained_in_the_page_of_the_command_line() {
    let text = std::fs::read_to_string(Path::new(PAGE).with_file_name("cli.md")).unwrap();
    let missing: Vec<String> = pages()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.split(' ').count() == 2 && !text.contains(&format!("`{name}")))
        .collect();
    assert!(missing.is_empty(), "docs/cli.md says nothing of {missing:?}");
}

#[test]
fn man_pages_and_completions_are_made_for_every_verb() {
    let program = env!("CARGO_BIN_EXE_cbm");
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(program).arg("man").arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for (name, _) in pages() {
        let path = folder.path().join(format!("{}.1", name.replace(' ', "-")));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(page.contains(".SH NAME") && page.contains(".TH"), "{name}: {page}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let made = Command::new(program).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(made.stdout).unwrap();
        for (name, _) in pages().into_iter().filter(|(name, _)| name.split(' ').count() == 2) {
            let verb = name.split(' ').nth(1).unwrap();
            assert!(script.contains(verb), "{shell} does not complete {verb}");
        }
    }
}
