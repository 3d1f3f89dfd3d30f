//! `cbm man DIR`: one man page for `cbm` and for each verb, from the verbs themselves.
//!
//! [`pages`] is also what the test of the help page walks over, so that pages, help and documents
//! are of one text.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;

use super::{Cli, print};
use crate::api::failure::{Code, Failure};

/// Write man pages.
#[derive(Debug, Args)]
pub struct Man {
    /// Folder to write them into; made when it is missing.
    dir: PathBuf,
}

/// Writes them, and prints their names.
///
/// # Errors
/// The folder cannot be written.
pub fn run(args: &Man) -> Result<(), Failure> {
    let failed = |path: &Path, e: std::io::Error| {
        let cause = format!("{}: {e}", path.display());
        Failure::new(
            Code::Failed,
            "not all man pages were written",
            cause,
            "name a folder that you may write",
        )
    };
    std::fs::create_dir_all(&args.dir).map_err(|e| failed(&args.dir, e))?;
    for (name, command) in pages() {
        let path = args.dir.join(format!("{}.1", name.replace(' ', "-")));
        let mut page = Vec::new();
        Page::new(command)
            .title(name.replace(' ', "-"))
            .render(&mut page)
            .map_err(|e| failed(&path, e))?;
        std::fs::write(&path, page).map_err(|e| failed(&path, e))?;
        print::say(&path.display().to_string())?;
    }
    Ok(())
}

/// Every command by its full name, such as `cbm accord sign`, in the order of the help.
#[must_use]
pub fn pages() -> Vec<(String, Command)> {
    let mut root = Cli::command();
    root.build();
    let mut out = Vec::new();
    walk("", &root, &mut out);
    out
}

fn walk(above: &str, command: &Command, out: &mut Vec<(String, Command)>) {
    let name = format!("{above} {}", command.get_name()).trim().to_owned();
    out.push((name.clone(), command.clone()));
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        walk(&name, verb, out);
    }
}
