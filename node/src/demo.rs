//! `cbm demo`: three fictional states and an observer, told as it happens.
//!
//! Real sockets on loopback, real disks in a temporary folder, real processes: each station is this
//! very program, started with `run`, and the story does what people would do, over the same local
//! API. Nothing is staged: every point of the closing table is something that was looked at, and
//! one that did not hold makes the demo fail. Called by `main` only.

mod foes;
mod ledger;
mod stage;
mod story;

use cbm_proto::primitives::Entropy;

use crate::api::failure::{Code, Failure};
use crate::cli::print;
use crate::clock;
use ledger::Ledger;
use stage::Stage;

/// Plays the story. With `exit` it ends by itself; without, the stations stay up to look around.
///
/// # Errors
/// The stations cannot be started, or a point of the story did not hold.
pub async fn run(exit: bool, seed: Option<u64>) -> Result<(), Failure> {
    let seed = match seed {
        Some(seed) => seed,
        None => u64::from(u16::from_be_bytes(drawn()?)),
    };
    let mut entropy = Entropy::new(&spread(seed));
    let mut ledger = Ledger::new();
    ledger.say(&format!("seed {seed}; the same seed kills and cuts at the same points"));
    let mut stage = Stage::set(&mut ledger).await?;
    let told = story::tell(&mut stage, &mut ledger, &mut entropy).await;
    if let Err(broken) = &told {
        ledger.point("the story could be told to its end", false);
        ledger.say(&format!("it broke off: {broken}"));
    }
    print::say(&ledger.table())?;
    if !exit {
        print::say(&stage.look_around())?;
        let mut shutdown = crate::shutdown::Shutdown::listen().map_err(|error| {
            Failure::told(Code::Failed, "the demo cannot wait", error, "use --exit")
        })?;
        shutdown.ordered().await;
    }
    stage.strike().await;
    told?;
    match ledger.failed() {
        0 => Ok(()),
        n => Err(Failure::new(
            Code::Failed,
            "the demo did not hold",
            format!("{n} of its points failed; they are marked in the table above"),
            format!("run it again with --seed {seed}; if it fails again it is a defect, report it"),
        )),
    }
}

fn drawn() -> Result<[u8; 2], Failure> {
    let bytes = clock::entropy().map_err(|error| {
        Failure::told(Code::Failed, "the demo cannot begin", error, "give a --seed")
    })?;
    Ok([bytes[0], bytes[1]])
}

fn spread(seed: u64) -> [u8; 32] {
    let mut out = [0; 32];
    out[..8].copy_from_slice(&seed.to_be_bytes());
    out
}
