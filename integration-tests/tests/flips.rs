//! One bit of a station's data turns, or a file loses its end: found and named, or repaired, never shown.
//!
//! The content is real and made once: letters both ways, answers to them, files with them. Then, for each of
//! `CBM_FLIPS` places drawn from `CBM_SEED`, one bit is turned and store and station are opened on it. What
//! they show must be what they showed before, or less with words that name the place; or they refuse, with
//! words that name the file. Nothing may be shown that was not there, nothing may be missing without a word,
//! nothing may panic or hang. `flips/nodes.rs` does the same with real nodes, in whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "flips/content.rs"]
mod content;
#[path = "flips/nodes.rs"]
mod nodes;
#[path = "flips/picture.rs"]
mod picture;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cbm_integration_tests::chance::Chance;
use cbm_node::store::Marker;

use content::{Content, Fault, Place};
use picture::Picture;

/// Longest time for opening and reading everything once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// How many bits are turned, and from which seed.
fn size() -> (u64, u64) {
    let seed = number("CBM_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("CBM_SEED={seed}");
    (number("CBM_FLIPS").unwrap_or(10), seed)
}

/// What became of a fault; the words of the sum.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    Refused,
    Named,
    Repaired,
    Unused,
}

/// Looks at the folder on a thread of its own: a hang is told from slowness by its time.
fn look(content: &Arc<Content>, place: &Place) -> Result<Picture, String> {
    let (told, heard) = std::sync::mpsc::sync_channel(1);
    let content = Arc::clone(content);
    let thread = std::thread::spawn(move || {
        // The one who waits may have given up.
        let _ = told.send(Picture::take(&content));
    });
    match heard.recv_timeout(PATIENCE) {
        Ok(found) => found,
        Err(_) if thread.is_finished() => panic!("a panic: {place}"),
        Err(_) => panic!("a hang: {place}"),
    }
}

/// What must hold whatever was turned.
fn judge(content: &Content, before: &Picture, place: &Place, after: &Picture) -> Outcome {
    after.shows_nothing_that_was_not_in(before, place);
    let said: Vec<String> = after.reports.iter().map(ToString::to_string).collect();
    let lost = after.reports.iter().any(|report| report.is_loss());
    if !lost {
        assert!(after.shows_as_much_as(before), "something is missing without a word: {place}");
        if place.is("marker") && matches!(place.fault, Fault::Flip(_)) {
            assert_eq!(after.marker, Marker::Moved, "a copy looks like the original: {place}");
            return Outcome::Named;
        }
        assert!(after.marker == before.marker || place.is("marker"), "{place}");
        return if said.is_empty() { Outcome::Unused } else { Outcome::Repaired };
    }
    assert!(place.is_segment(), "the journal is said to be damaged: {said:?}: {place}");
    assert_eq!(after.marker, Marker::Moved, "its feeds must not go on: {place}");
    let named = said.iter().any(|words| words.contains(&place.named()));
    assert!(named, "{said:?} do not name the place: {place}");
    // A single bit costs the record that it stands in; a head, what it is the head of.
    if let (Fault::Flip(_), Some(record)) = (place.fault, content.record_at(place)) {
        let gone = before.records.len() - after.records.len();
        assert!(gone <= 1, "{gone} records are lost with {record}: {said:?}: {place}");
    }
    Outcome::Named
}

/// A fault in the store's folder, and what became of it.
fn suffer(content: &Arc<Content>, before: &Picture, place: &Place) -> Outcome {
    content.reset();
    content.strike(place);
    match look(content, place) {
        Ok(after) => judge(content, before, place, &after),
        Err(words) => {
            let names = words.contains(content.folder.path().to_str().unwrap());
            assert!(names, "the words do not name the place: {words}: {place}");
            Outcome::Refused
        }
    }
}

type Sums = BTreeMap<(&'static str, Outcome), u64>;

fn told(sums: &Sums) -> String {
    let line = |((what, outcome), count): (&(&str, Outcome), &u64)| {
        format!("{what} {outcome:?} {count}").to_lowercase()
    };
    sums.iter().map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_turned_bit_or_a_lost_end_is_named_or_mended_and_never_shown() {
    let (flips, seed) = size();
    let content = Arc::new(Content::make());
    let before = look(&content, &Place::nowhere()).unwrap();
    before.is_worth_it();
    the_newest_batch_is_not_taken_for_torn(&content, &before);
    let mut chance = Chance::new(seed, "flips");
    let mut sums = Sums::new();
    for turn in 0..flips + flips / 5 {
        let place = content.draw(&mut chance, turn >= flips);
        if std::env::var_os("CBM_VERBOSE").is_some() {
            println!("{place}");
        }
        let outcome = suffer(&content, &before, &place);
        *sums.entry((place.what(), outcome)).or_default() += 1;
    }
    println!("{flips} flips and {} cuts of a file's end: {}", flips / 5, told(&sums));
    content.reset();
    assert_eq!(look(&content, &Place::nowhere()).unwrap(), before, "the tests leave traces");
}

/// The newest batch, of which no record behind it says that it was durable.
fn the_newest_batch_is_not_taken_for_torn(content: &Arc<Content>, before: &Picture) {
    let (last, end) = *content.records.last().unwrap();
    for byte in [0, 4, 5, 9, 20, 40, 61, 64, end - last.offset() - 1] {
        let file = format!("journal/{:08}.seg", last.segment());
        let place = Place { file, at: u64::from(last.offset() + byte), fault: Fault::Flip(3) };
        assert_eq!(suffer(content, before, &place), Outcome::Named, "{place}");
    }
}
