//! A station that kept very many letters: what it takes to start it, and to have it run.
//!
//! Two stations of one party each exchange letters within this process, half in each direction, with
//! every receipt; the one's records go into a real store, as fast as cryptography allows. Nothing of
//! them is made up: what is in the folder is what a node would have written, but for being a chain of
//! stations that each began anew ([`RENEWED`]), so that the filling itself needs no memory. Then the
//! real binary is started on it. Used by `cbm-kept`.

mod run;
mod two;

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

pub use self::run::Run;
pub use self::two::Filled;

/// Anything that went wrong, in words.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Letters after which the two stations begin anew.
pub const RENEWED: usize = 20_000;

/// Makes a practice mesh of two in `folder` and fills the first station's data folder with so many
/// letters.
///
/// # Errors
/// The lab cannot be made, or the store refuses.
pub fn fill(program: &Path, folder: &Path, letters: usize) -> Result<Filled, Failed> {
    let lab = folder.join("lab");
    let made = Command::new(program)
        .arg("lab")
        .arg(&lab)
        .args(["--parties", "2", "--port", "47100"])
        .stdout(Stdio::null())
        .status()?;
    if !made.success() {
        return Err("`cbm lab` failed".into());
    }
    two::fill(&lab, letters)
}

/// Starts the station that was filled, and measures it.
///
/// # Errors
/// It does not get ready.
pub fn measure(program: &Path, folder: &Path, idle: u64) -> Result<Run, Failed> {
    run::measure(program, &folder.join("lab").join("AAA-mfa"), idle)
}
