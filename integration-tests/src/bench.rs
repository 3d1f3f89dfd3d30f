//! The bench: what the node takes, beside what the machine alone takes for the same work.
//!
//! Two floors, each a pair of processes on loopback TCP. The **bare floor** does the same writes
//! and fdatasyncs and nothing else. The **full floor** also seals, signs, verifies and opens, with
//! the very functions of `cbm-proto`, in a straight line: no mesh, no journal format, no protocol.
//! Machines differ, so only ratios within one run mean anything. Used by `cbm-bench`.

mod back;
mod crowd;
mod floor;
pub mod http;
mod machine;
mod pair;
mod soak;
mod table;
mod wide;

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
/// How long two nodes that have linked are left alone before their memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// Bytes of a letter's text.
const TEXT: usize = 2_000;
/// Letters of the catch-up.
const AWAY: usize = 20_000;
/// States of the FLASH to everybody, and links of each.
const STATES: usize = 193;
const LINKS: usize = 40;
/// Stations of the FLASH beside bare gossip; 0: no such row.
const STATIONS: usize = 1_000;

struct Sizes {
    letters: usize,
    burst: usize,
    away: usize,
    states: usize,
    stations: usize,
    soak: u64,
    rate: f64,
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
    if sizes.soak > 0 {
        return soak::run(sizes.soak, sizes.rate);
    }
    let mut table = Table::default();
    progress("bare floor");
    let bare = floor_round_trips(false, &sizes)?;
    progress("full floor");
    let full = floor_round_trips(true, &sizes)?;
    progress("two nodes");
    let pair = Pair::start()?;
    std::thread::sleep(SETTLE);
    let idle: Vec<f64> = pair.processes().map(machine::memory).collect::<Result<_, _>>()?;
    let alert = pair.round_trips(sizes.letters, PACE, TEXT)?;
    let bytes = floor::letter_bytes()?;
    progress("burst");
    let rate = pair.burst(sizes.burst, IN_FLIGHT, TEXT)?;
    let alone = floor::primitives_rate(TEXT)?;
    drop(pair);
    progress("catch-up");
    let back = back::measure(sizes.away, TEXT)?;
    progress("FLASH to everybody");
    let flash = crowd::flash(sizes.states, LINKS)?;
    let wide = match sizes.stations {
        0 => None,
        stations => {
            progress("FLASH beside bare gossip");
            Some(wide::measure(stations)?)
        }
    };
    table.round_trip("bare floor: three writes, three syncs", &bare, &bare, &full);
    table.round_trip("full floor: the same, sealed and signed", &full, &bare, &full);
    table.round_trip("cbm: send to signed L1, both durable", &alert, &bare, &full);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    table.floor("primitives alone, one core's rate times the cores", alone * cores);
    let pair = "cbm: one pair, 64 in flight, receipts included";
    table.share(pair, rate, "primitives alone", alone * cores);
    table.floor("verification of signatures alone, all cores", back.verified);
    let taken_in = format!("cbm: catch-up of {} letters of 2 KB, synced", sizes.away);
    table.share(&taken_in, back.rate, "verification alone", back.verified);
    table.say("disk, of the envelopes kept", &format!("{:.2} x", back.disk));
    let ms = |took: Duration| format!("{:.0} ms", took.as_secs_f64() * 1e3);
    let who = format!("FLASH to all of {} stations, {LINKS} links each, all cores", sizes.states);
    table.say(&format!("{who}: stored by all"), &ms(flash.stored));
    table.say(&format!("{who}: L1 of all back"), &ms(flash.receipted));
    if let Some(wide) = wide {
        wide.rows(sizes.stations, &mut table);
    }
    table.size("letter of 200 words, one station, bytes on the wire", bytes);
    let idle: Vec<String> = idle.iter().map(|mb| format!("{mb:.1} MB")).collect();
    table.say("memory of an idle node, both", &idle.join(", "));
    print!("{}", table.text());
    Ok(())
}

fn floor_round_trips(full: bool, sizes: &Sizes) -> Result<Spread, Failed> {
    let mut floor = Floor::start(full)?;
    floor.round_trips(sizes.letters, PACE, TEXT)
}

fn sizes(arguments: &[String]) -> Result<Sizes, Failed> {
    let mut sizes = Sizes {
        letters: LETTERS,
        burst: BURST,
        away: AWAY,
        states: STATES,
        stations: STATIONS,
        soak: 0,
        rate: 200.0,
    };
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--letters" => sizes.letters = value.parse()?,
            [name, value] if name == "--burst" => sizes.burst = value.parse()?,
            [name, value] if name == "--away" => sizes.away = value.parse()?,
            [name, value] if name == "--states" => sizes.states = value.parse()?,
            [name, value] if name == "--stations" => sizes.stations = value.parse()?,
            [name, value] if name == "--soak" => sizes.soak = value.parse()?,
            [name, value] if name == "--rate" => sizes.rate = value.parse()?,
            other => {
                let known =
                    "--letters, --burst, --away, --states, --stations, --soak MINUTES, --rate";
                return Err(format!("unknown: {other:?}; {known}, each with a number").into());
            }
        }
    }
    Ok(sizes)
}

fn progress(what: &str) {
    eprintln!("cbm-bench: {what} …");
}
