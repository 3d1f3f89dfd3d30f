//! The soak: two real nodes under a steady load, with what they hold told each minute.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::pair::Pair;
use super::{Failed, TEXT, machine};

/// Letters under way at once, at most.
const HANDS: usize = 32;

/// Letters at `rate` a second for so many minutes, each waited for until its L1.
///
/// # Errors
/// A node says no.
pub(super) fn run(minutes: u64, rate: f64) -> Result<(), Failed> {
    let pair = Pair::start()?;
    let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let problem: Mutex<Option<String>> = Mutex::new(None);
    println!("minute   letters   MB sender   MB addressee   MB on disk (both)");
    std::thread::scope(|scope| -> Result<(), Failed> {
        for hand in 0..HANDS {
            let (pair, done, stop, problem) = (&pair, &done, &stop, &problem);
            scope.spawn(move || {
                if let Err(error) = write(pair, hand, rate, done, stop)
                    && let Ok(mut problem) = problem.lock()
                {
                    *problem = Some(error.to_string());
                }
            });
        }
        let told = tell(&pair, minutes, &done);
        stop.store(true, Ordering::Relaxed);
        told
    })?;
    match problem.into_inner()? {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

fn write(
    pair: &Pair,
    hand: usize,
    rate: f64,
    done: &AtomicUsize,
    stop: &AtomicBool,
) -> Result<(), Failed> {
    let mut sender = pair.sender(TEXT)?;
    let every = Duration::from_secs_f64(HANDS as f64 / rate);
    let mut next = Instant::now() + every.mul_f64(hand as f64 / HANDS as f64);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += every;
        sender.one()?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn tell(pair: &Pair, minutes: u64, done: &AtomicUsize) -> Result<(), Failed> {
    for minute in 0..=minutes {
        if minute > 0 {
            std::thread::sleep(Duration::from_secs(60));
        }
        let memory: Vec<f64> = pair.processes().map(machine::memory).collect::<Result<_, _>>()?;
        let disk = machine::disk_use(pair.folder())? as f64 / 1e6;
        let letters = done.load(Ordering::Relaxed);
        let (a, b) = (memory.first().unwrap_or(&0.0), memory.last().unwrap_or(&0.0));
        println!("{minute:>6} {letters:>9} {a:>11.1} {b:>14.1} {disk:>19.1}");
    }
    Ok(())
}
