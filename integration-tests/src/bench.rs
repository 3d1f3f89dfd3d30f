//! The bench: what the node takes, beside what the machine alone takes for the same work.
//!
//! Two floors, each a pair of processes on loopback TCP. The **bare floor** does the same writes
//! and fdatasyncs and nothing else. The **full floor** also seals, signs, verifies and opens, with
//! the very functions of `cbm-proto`, in a straight line: no mesh, no journal format, no protocol.
//! Machines differ, so only ratios within one run mean anything. Used by `cbm-bench`.

mod floor;
pub mod http;
mod pair;
mod table;

use std::error::Error;
use std::time::Duration;

use self::floor::Floor;
use self::pair::Pair;
use self::table::{Spread, Table};

/// Anything that went wrong, in words.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Letters of the round trip, one each [`PACE`].
const LETTERS: usize = 60;
/// Letters of the burst.
const BURST: usize = 600;
/// Letters under way at once in the burst.
const IN_FLIGHT: usize = 64;
/// Distance between two letters of the round trip.
const PACE: Duration = Duration::from_millis(100);
/// Bytes of a letter's text.
const TEXT: usize = 2_000;

struct Sizes {
    letters: usize,
    burst: usize,
}

/// Runs everything, or, as a child, one end of a floor.
///
/// # Errors
/// Whatever kept it from measuring.
pub fn main(arguments: &[String]) -> Result<(), Failed> {
    if let [word, full] = arguments
        && word == "floor"
    {
        return floor::serve(full == "full");
    }
    let sizes = sizes(arguments)?;
    let mut table = Table::default();
    progress("bare floor");
    let bare = floor_round_trips(false, &sizes)?;
    progress("full floor");
    let full = floor_round_trips(true, &sizes)?;
    progress("two nodes");
    let pair = Pair::start()?;
    let alert = pair.round_trips(sizes.letters, PACE, TEXT)?;
    let bytes = floor::letter_bytes()?;
    progress("burst");
    let rate = pair.burst(sizes.burst, IN_FLIGHT, TEXT)?;
    let alone = floor::primitives_rate(TEXT)?;
    table.round_trip("bare floor: three writes, three syncs", &bare, &bare, &full);
    table.round_trip("full floor: the same, sealed and signed", &full, &bare, &full);
    table.round_trip("cbm: send to signed L1, both durable", &alert, &bare, &full);
    table.rate("primitives alone, one core, letters/s", alone, alone);
    table.rate("cbm: one pair, 64 in flight, receipts included", rate, alone);
    table.size("letter of 200 words, one station, bytes on the wire", bytes);
    print!("{}", table.text());
    Ok(())
}

fn floor_round_trips(full: bool, sizes: &Sizes) -> Result<Spread, Failed> {
    let mut floor = Floor::start(full)?;
    floor.round_trips(sizes.letters, PACE, TEXT)
}

fn sizes(arguments: &[String]) -> Result<Sizes, Failed> {
    let mut sizes = Sizes { letters: LETTERS, burst: BURST };
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--letters" => sizes.letters = value.parse()?,
            [name, value] if name == "--burst" => sizes.burst = value.parse()?,
            other => return Err(format!("unknown: {other:?}; --letters N and --burst N").into()),
        }
    }
    Ok(sizes)
}

fn progress(what: &str) {
    eprintln!("cbm-bench: {what} …");
}
