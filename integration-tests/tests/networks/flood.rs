//! Three members that flood, and two that have something to say to each other.
//!
//! The foes are `cbm-foe`, each in its own namespace, with the keys of a member. All five share the
//! cores of one machine, so the foes run at the lowest priority: what they do to the honest stations
//! is to come over their lines, and not by taking their machine away.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use cbm_integration_tests::{
    bench::http::Http,
    nets::{Family, Pipe},
    processes::poll,
};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World};

/// Lines of the honest stations and of the foes.
const RATE: u64 = 20_000_000;

/// A foe that runs, and the last thing that it said.
struct Foe {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Foe {
    fn start(world: &World, place: usize) -> Self {
        let mut child = Command::new("nice")
            .args(["-n", "19", "ip", "netns", "exec", world.net.space(place)])
            .arg(env!("CARGO_BIN_EXE_cbm-foe"))
            .arg(world.node(place).config())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (out, ours) = (BufReader::new(child.stdout.take().unwrap()), said.clone());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                *ours.lock().unwrap() = line;
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// One of the numbers that it says.
    fn number(&self, word: &str) -> u64 {
        let said = self.said();
        let mut words = said.split_whitespace().skip_while(|w| *w != word).skip(1);
        words.next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Foe {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The median time from the call of `send` to the signed L1, of so many letters by turns.
fn median(world: &World, count: usize) -> Duration {
    let open = |place: usize| {
        Http::connect(&world.node(place).config().with_file_name("cbm.sock")).unwrap()
    };
    let mut apis = [open(0), open(1)];
    let mut all: Vec<Duration> = (0..count)
        .map(|round| {
            let (api, to) = (&mut apis[round % 2], ["BBB", "AAA"][round % 2]);
            one(api, to)
        })
        .collect();
    all.sort();
    all[count / 2]
}

fn one(api: &mut Http, to: &str) -> Duration {
    let letter = json!({ "type": "red-flag", "to": [to], "precedence": "FLASH",
        "drafted_by": "A. Drafter", "released_by": "B. Releaser", "letter": World::red_flag() });
    let begin = Instant::now();
    let sent = api.ask("POST", "/v1/send", &letter.to_string()).unwrap();
    let id = sent["id"].as_str().unwrap();
    let path = format!("/v1/status/{id}?wait=L1&timeout_ms=50000");
    let status: Value = api.ask("GET", &path, "").unwrap();
    let level = status["addressees"][0]["level"].as_str().unwrap_or("none").to_owned();
    assert!(level.as_str() >= "L1" && level != "none", "{status}");
    begin.elapsed()
}

fn letters() -> usize {
    std::env::var("CBM_NETS").ok().and_then(|n| n.parse().ok()).unwrap_or(10)
}

#[test]
fn while_three_members_flood_a_flash_between_two_others_arrives() {
    let Some(mut world) = World::new("flood", Family::V4, 5, 0) else { return };
    let pipe = Pipe::new(RATE, Duration::from_millis(50));
    (0..5).for_each(|place| world.net.access(place, pipe, pipe));
    world.start_some(&[0, 1]);
    world.await_links(&[(0, 1)]);
    one_each(&world);
    let quiet = median(&world, letters());
    let foes: Vec<Foe> = (2..5).map(|place| Foe::start(&world, place)).collect();
    let flooding = || foes.iter().all(|foe| foe.number("published") > 100).then_some(());
    assert!(poll(PATIENCE, flooding).is_some(), "no flood: {:?}", foes[0].said());
    let begin = (Instant::now(), asked(&foes));
    let loud = median(&world, letters());
    let seconds = begin.0.elapsed().as_secs_f64();
    let rate = (asked(&foes) - begin.1) as f64 / seconds;
    let ratio = loud.as_secs_f64() / quiet.as_secs_f64();
    println!(
        "flood: {rate:.0} questions a second for {seconds:.1} s; median L1 of a FLASH: quiet {:.1} ms, \
         flooded {:.1} ms, ratio {ratio:.2}",
        quiet.as_secs_f64() * 1e3,
        loud.as_secs_f64() * 1e3,
    );
    foes.iter().for_each(|foe| println!("flood: {}", foe.said()));
    assert!(foes.iter().all(|foe| foe.number("asked") > 0));
}

fn asked(foes: &[Foe]) -> u64 {
    foes.iter().map(|foe| foe.number("asked") + foe.number("published")).sum()
}

/// What comes first makes pair secrets.
fn one_each(world: &World) {
    world.flash(0, 1);
    world.flash(1, 0);
}
