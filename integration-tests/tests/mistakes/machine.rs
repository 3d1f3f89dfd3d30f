//! What goes wrong with the machine under a station: its clock.

use std::process::Command;

use cbm_integration_tests::processes::{Lab, PATIENCE, poll, words};

use crate::page::{Page, lines};

/// Says that a test is left out, unless the gate demands it.
fn skip(why: &str) {
    let must = std::env::var_os("CBM_REQUIRE_ROOT_TESTS").is_some_and(|v| v == "1");
    assert!(!must, "CBM_REQUIRE_ROOT_TESTS is set, and {why}");
    println!("skipped: {why}");
}

fn ran(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What must be preloaded so that a process has another clock, if that is installed.
fn other_clock() -> Option<String> {
    let said = ran(Command::new("faketime").args(["-f", "+1h", "env"]))?;
    let line = said.lines().find_map(|line| line.strip_prefix("LD_PRELOAD="))?;
    Some(line.to_owned())
}

#[test]
fn a_clock_behind_what_it_has_written_is_in_doubt() {
    let Some(preload) = other_clock() else { return skip("faketime is not installed") };
    let lab = Lab::new(2);
    let mut a = lab.node("AAA");
    a.environment = [
        ("LD_PRELOAD", preload.as_str()),
        ("FAKETIME", "+1h"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    a.start();
    let file = lab.letter("operator-note", |_| {});
    let send = ["send", "operator-note", "--to", "BBB", "--file", &file];
    let _ = a.text(&send);
    a.stop();
    a.environment.clear();
    a.start();
    let told = || {
        let output = a.ask(&["doctor", "--json"]);
        String::from_utf8_lossy(&output.stdout).contains("in doubt").then_some(())
    };
    assert!(poll(PATIENCE, told).is_some(), "{}\n{}", words(&a.ask(&["doctor"])), a.log());
    let title = "A clock that is behind what was written";
    let mut page = Page::new("clock-in-doubt", title, &lab);
    page.say("It was an hour ahead, and was mended while the station was down:");
    let doctor = lines(&a, &["doctor", "--json"], "\"clock\"");
    assert_eq!(page.show("cbm doctor --json --config FILE | grep clock", &doctor), 1);
    page.done();
}
