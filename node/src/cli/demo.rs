//! `cbm demo`: the arguments of the story that `crate::demo` tells.

use clap::Args;

/// See it happen.
#[derive(Debug, Args)]
pub struct Demo {
    /// End by itself: exit code 0 only if every point held.
    #[arg(long)]
    pub exit: bool,
    /// Draw the same moments again.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}
