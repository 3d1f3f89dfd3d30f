//! `cbm-sim [SEED] [--seeds N] [--from S] [--fault NAME] [--verbose]`: worlds drawn from seeds.
//! `cbm-sim --histories N [--from S]`: histories of membership that must end in one state.
//!
//! Without a number it runs one seed that it draws and prints. A failing seed, given again, fails
//! in the same way. Exits 0 if all held, 127, 128 or 129 after a crash, something owed that did not
//! come, or a broken invariant; with `--fault` it exits 0 exactly if some seed shows the fault.

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use cbm_integration_tests::campaign::{self, Outcome};
use cbm_integration_tests::histories;
use cbm_integration_tests::options::Planted;

struct Arguments {
    from: u64,
    seeds: u64,
    planted: Option<Planted>,
    histories: Option<u64>,
    verbose: bool,
}

fn main() -> ExitCode {
    let arguments = match read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(words) => {
            eprintln!("cbm-sim: {words}");
            eprintln!("usage: cbm-sim [SEED] [--seeds N] [--from S] [--fault NAME] [--verbose]");
            eprintln!("       cbm-sim --histories N [--from S] [--verbose]");
            return ExitCode::from(2);
        }
    };
    if let Some(count) = arguments.histories {
        return membership(arguments.from, count, arguments.verbose);
    }
    match (arguments.planted, arguments.seeds) {
        (Some(planted), _) => hunt(planted, &arguments),
        (None, 1) => one(&arguments),
        (None, _) => many(&arguments),
    }
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut out = Arguments { from: 0, seeds: 1, planted: None, histories: None, verbose: false };
    let mut from = None;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
        match word.as_str() {
            "--seeds" => out.seeds = number(&value()?)?,
            "--histories" => out.histories = Some(number(&value()?)?),
            "--from" => from = Some(number(&value()?)?),
            "--verbose" => out.verbose = true,
            "--fault" => {
                let name = value()?;
                out.planted = Some(Planted::from_name(&name).ok_or(format!(
                    "no fault is called `{name}`; there are gap-ignored, mark-past-hole and \
                     receipt-before-sync"
                ))?);
            }
            seed => from = Some(number(seed)?),
        }
    }
    out.from =
        from.unwrap_or_else(|| if out.seeds == 1 && out.histories.is_none() { drawn() } else { 0 });
    Ok(out)
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("`{word}` is not a number"))
}

fn drawn() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ now.as_secs().rotate_left(20)
}

fn tell(outcome: &Outcome) {
    let Outcome { seed, world, promised, virtual_ms, trace, .. } = outcome;
    println!("seed {seed}: {world}");
    let seconds = virtual_ms / 1_000;
    match &outcome.failure {
        None => println!("seed {seed}: held; {promised} letters, {seconds} s, trace {trace:?}"),
        Some(failure) => println!("seed {seed}: {failure} (at {seconds} s, trace {trace:?})"),
    }
}

fn one(arguments: &Arguments) -> ExitCode {
    let outcome = campaign::run(arguments.from, None, arguments.verbose);
    tell(&outcome);
    outcome.failure.map_or(ExitCode::SUCCESS, |failure| ExitCode::from(failure.code()))
}

fn many(arguments: &Arguments) -> ExitCode {
    let began = Instant::now();
    let (mut worst, mut failed, mut letters) = (0, Vec::new(), 0);
    campaign::many(arguments.from..arguments.from + arguments.seeds, None, |outcome| {
        letters += outcome.promised;
        if let Some(failure) = &outcome.failure {
            worst = worst.max(failure.code());
            failed.push(outcome.seed);
            tell(&outcome);
        } else if arguments.verbose {
            tell(&outcome);
        }
        true
    });
    failed.sort_unstable();
    println!(
        "{} seeds from {}, {letters} letters, {} failed {failed:?}, {:.1} s",
        arguments.seeds,
        arguments.from,
        failed.len(),
        began.elapsed().as_secs_f64()
    );
    ExitCode::from(worst)
}

fn hunt(planted: Planted, arguments: &Arguments) -> ExitCode {
    let (mut found, mut looked) = (None, 0);
    let seeds = arguments.from..arguments.from + arguments.seeds;
    campaign::many(seeds, Some(planted), |outcome| {
        looked += 1;
        if outcome.failure.is_some() {
            tell(&outcome);
            found = Some(outcome.seed);
        }
        found.is_none()
    });
    match found {
        Some(seed) => {
            println!("{}: shown by seed {seed}, {looked} looked at", planted.name());
            ExitCode::SUCCESS
        }
        None => {
            println!("{}: not shown by any of {looked} seeds", planted.name());
            ExitCode::FAILURE
        }
    }
}

fn membership(from: u64, count: u64, verbose: bool) -> ExitCode {
    let began = Instant::now();
    let (mut worst, mut failed) = (0, Vec::new());
    let (mut changes, mut documents, mut conflicts, mut stations) = (0, 0, 0, 0);
    let (mut slowest, mut healed) = (0, 0);
    campaign::spread(
        from..from + count,
        |seed| histories::run(seed, verbose && count == 1),
        |outcome| {
            changes += outcome.changes;
            documents += outcome.compared.1;
            stations += outcome.compared.0;
            conflicts += usize::from(outcome.conflicts > 0);
            slowest = slowest.max(outcome.revoked_in);
            healed = healed.max(outcome.healed_in);
            if verbose || outcome.failure.is_some() {
                println!("history {}:\n{}", outcome.seed, outcome.story);
            }
            if let Some(failure) = &outcome.failure {
                worst = worst.max(failure.code());
                failed.push(outcome.seed);
                println!("history {}: {failure}", outcome.seed);
            }
            true
        },
    );
    failed.sort_unstable();
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{changes} changes, {documents} documents at {stations} stations, {conflicts} histories with \
         conflicts; one state at the latest after {} s, revocations within {slowest} ms",
        healed / 1_000
    );
    println!("{count} histories from {from}, {} failed {failed:?}, {seconds:.1} s", failed.len());
    ExitCode::from(worst)
}
