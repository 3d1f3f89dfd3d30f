//! A station that was away comes back over a long, thin line: how much of the line it fills.
//!
//! Two others wrote to each other meanwhile; it carries their letters. The share counts what the
//! envelopes hold, not what the line carried, so that headers of packets, acknowledgements and what
//! was asked twice go against it.

use std::time::{Duration, Instant};

use cbm_integration_tests::{
    bench::http::Http,
    nets::{Family, Line, Pipe, satellite},
    processes::{poll, run},
};
use serde_json::{Value, json};

use crate::world::World;

/// The line of the one that was away, each way.
struct Thin {
    /// Bits a second.
    rate: u64,
    /// What waits longer is dropped.
    queue: Duration,
    line: Line,
}

fn letters() -> u64 {
    std::env::var("CBM_AWAY").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

/// Writes so many letters of 2 KB and waits for the last one's L1.
fn write(world: &World, count: u64) {
    let mut api = Http::connect(&world.node(0).config().with_file_name("cbm.sock")).unwrap();
    let made = run(&["template", "operator-note"]);
    let mut letter: Value = serde_json::from_slice(&made.stdout).unwrap();
    let fields = letter.as_object_mut().unwrap();
    fields.retain(|name, _| !matches!(name.as_str(), "to_action" | "to_info" | "release"));
    letter["body"]["text"][0]["text"] = "x".repeat(2_000).into();
    let letter = json!({ "type": "operator-note", "to": ["BBB"], "letter": letter });
    let mut last = String::new();
    for _ in 0..count {
        let sent = api.ask("POST", "/v1/send", &letter.to_string()).unwrap();
        last = sent["id"].as_str().unwrap().to_owned();
    }
    world.await_l1(&last, 0, 1);
}

/// What the station at a place holds for others: letters, receipts, and bytes of both.
fn held(world: &World, place: usize) -> [u64; 3] {
    let view = world.node(place).json(&["prune", "--dry-run"]).remove(0);
    let number = |kind: &str, key: &str| view[kind][key].as_u64().unwrap_or(0);
    let bytes = number("bodies", "bytes") + number("pairs", "bytes");
    [number("bodies", "envelopes"), number("pairs", "envelopes"), bytes]
}

/// Waits until it has so many letters; gives the share of the line that the envelopes took.
fn come_back(name: &'static str, thin: &Thin, count: u64) -> Option<f64> {
    let mut world = World::new(name, Family::V4, 3, 0)?;
    let pipe = Pipe::new(thin.rate, thin.queue);
    world.net.access(2, pipe, pipe);
    for other in [0, 1] {
        world.net.line(2, other, |line| *line = thin.line);
        world.net.line(other, 2, |line| *line = thin.line);
    }
    world.start_some(&[0, 1]);
    world.await_links(&[(0, 1)]);
    write(&world, count);
    world.start_some(&[2]);
    world.await_links(&[(0, 2)]);
    let begin = Instant::now();
    let patience = Duration::from_secs(60 + count * 32_000 * 4 / thin.rate);
    let all = || Some(held(&world, 2)).filter(|[letters, ..]| *letters >= count);
    let got = poll(patience, all);
    let took = begin.elapsed().as_secs_f64();
    let Some([_, receipts, bytes]) = got else { panic!("{:?} of {count}", held(&world, 2)) };
    let arrived = world.net.count(0, 2).bytes + world.net.count(1, 2).bytes;
    let share = bytes as f64 * 8.0 / took / thin.rate as f64;
    println!(
        "{name}: {count} letters and {receipts} receipts, {bytes} bytes, {arrived} on the line, in \
         {took:.2} s: {:.0} % of {} bit/s",
        share * 100.0,
        thin.rate
    );
    Some(share)
}

#[test]
fn a_station_that_was_away_fills_its_line() {
    let line = Line { delay: Duration::from_millis(300), ..Line::default() };
    let thin = Thin { rate: 10_000_000, queue: Duration::from_millis(600), line };
    come_back("away, 10 Mbit/s", &thin, letters());
}

#[test]
fn over_a_satellite_line_it_comes_back_too() {
    // Far more than goes over the line while an answer is waited for.
    let thin = Thin { rate: 64_000, queue: Duration::from_secs(2), line: satellite() };
    come_back("away, satellite", &thin, 40);
}
