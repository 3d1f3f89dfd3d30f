//! `cbm completions SHELL`: the script that a shell completes `cbm` with, from the verbs themselves.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Cli, print};
use crate::api::failure::Failure;

/// Print completions.
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell.
    shell: Shell,
}

/// Prints them.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "cbm", &mut script);
    print::say(String::from_utf8_lossy(&script).trim_end())
}
