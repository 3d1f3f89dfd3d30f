//! `cbm-sim [SEED] [--seeds N] [--from S] [--fault NAME] [--coverage] [--verbose]`:
//! worlds drawn from seeds. `cbm-sim SEED --age 1` or `2`: what a seed stood for before worlds grew.
//! `--stations N` and `--minutes N` with `--seeds`: of these only worlds of at least so many stations,
//! and whose first phase lasts at least so long.
//! `cbm-sim --histories N [--from S]`: histories of membership that must end in one state.
//!
//! Without a number it runs one seed that it draws and prints. A failing seed, given again, fails
//! in the same way. Exits 0 if all held, 127, 128 or 129 after a crash, something owed that did not
//! come, or a broken invariant; with `--fault` it exits 0 exactly if some seed shows the fault.

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use cbm_integration_tests::campaign::{self, Outcome};
use cbm_integration_tests::coverage::Seen;
use cbm_integration_tests::histories;
use cbm_integration_tests::options::{Age, Options};
use cbm_integration_tests::planted::{self, Row};
use cbm_proto::time::MINUTE;

struct Arguments {
    from: u64,
    seeds: Option<u64>,
    faults: Vec<Row>,
    histories: Option<u64>,
    verbose: bool,
    coverage: bool,
    age: Age,
    stations: usize,
    minutes: u64,
}

fn main() -> ExitCode {
    let arguments = match read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(words) => {
            eprintln!("cbm-sim: {words}");
            eprintln!(
                "usage: cbm-sim [SEED] [--seeds N] [--from S] [--fault NAME] [--coverage] [--verbose]"
            );
            eprintln!("       cbm-sim --histories N [--from S] [--verbose]");
            return ExitCode::from(2);
        }
    };
    if let Some(count) = arguments.histories {
        return membership(arguments.from, count, arguments.verbose);
    }
    match arguments.seeds {
        _ if !arguments.faults.is_empty() => hunt_all(&arguments),
        None => one(&arguments),
        Some(seeds) => many(seeds, &arguments),
    }
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut out = Arguments {
        from: 0,
        seeds: None,
        faults: Vec::new(),
        histories: None,
        verbose: false,
        coverage: false,
        age: Age::Now,
        stations: 0,
        minutes: 0,
    };
    let mut from = None;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
        match word.as_str() {
            "--seeds" => out.seeds = Some(number(&value()?)?),
            "--histories" => out.histories = Some(number(&value()?)?),
            "--from" => from = Some(number(&value()?)?),
            "--verbose" => out.verbose = true,
            "--stations" => {
                out.stations = usize::try_from(number(&value()?)?).unwrap_or(usize::MAX)
            }
            "--minutes" => out.minutes = number(&value()?)?,
            "--age" => out.age = age(&value()?)?,
            "--coverage" => out.coverage = true,
            "--fault" => out.faults = faults(&value()?)?,
            seed => from = Some(number(seed)?),
        }
    }
    let alone = out.seeds.is_none() && out.histories.is_none() && out.faults.is_empty();
    out.from = from.unwrap_or_else(|| if alone { drawn() } else { 0 });
    Ok(out)
}

fn faults(name: &str) -> Result<Vec<Row>, String> {
    let all = || planted::TABLE.map(|row| row.name).join(", ");
    match (name, planted::find(name)) {
        ("all", _) => Ok(planted::TABLE.to_vec()),
        (_, Some(row)) => Ok(vec![*row]),
        _ => Err(format!("no fault is called `{name}`; there are all, {}", all())),
    }
}

fn age(word: &str) -> Result<Age, String> {
    match word {
        "1" => Ok(Age::First),
        "2" => Ok(Age::Second),
        _ => Err(format!("`{word}` is no age of worlds: 1 or 2, or leave it out for those of now")),
    }
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
    let world = Options::drawn(arguments.from, None, arguments.age);
    let outcome = campaign::run_world(world, arguments.verbose);
    tell(&outcome);
    outcome.failure.map_or(ExitCode::SUCCESS, |failure| ExitCode::from(failure.code()))
}

fn many(seeds: u64, arguments: &Arguments) -> ExitCode {
    let began = Instant::now();
    let (mut worst, mut failed, mut letters, mut seen) = (0, Vec::new(), 0, Seen::default());
    let large = |world: &Options| {
        world.stations.iter().sum::<usize>() >= arguments.stations
            && world.safety >= arguments.minutes * MINUTE
    };
    let chosen = (arguments.from..arguments.from + seeds)
        .filter(|seed| large(&Options::draw(*seed, None)))
        .collect::<Vec<u64>>();
    let run = chosen.len();
    campaign::many(chosen.into_iter(), None, |outcome| {
        letters += outcome.promised;
        seen.absorb(&outcome.seen);
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
    if arguments.coverage {
        println!("{seen}");
    }
    println!(
        "{run} seeds from {}, {letters} letters, {} failed {failed:?}, {:.1} s",
        arguments.from,
        failed.len(),
        began.elapsed().as_secs_f64()
    );
    ExitCode::from(worst)
}

fn hunt_all(arguments: &Arguments) -> ExitCode {
    let began = Instant::now();
    let missed = arguments.faults.iter().filter(|row| !hunt(row, arguments)).count();
    let all = arguments.faults.len();
    println!("{} of {all} faults shown, {:.1} s", all - missed, began.elapsed().as_secs_f64());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks at seeds until one shows the fault; false if none does.
fn hunt(row: &Row, arguments: &Arguments) -> bool {
    let seeds = arguments.seeds.unwrap_or(row.within);
    match campaign::hunt(row.seeds(arguments.from..arguments.from + seeds), row.planted) {
        Some(Outcome { seed, failure, .. }) => {
            let failure = failure.map(|failure| failure.to_string()).unwrap_or_default();
            println!("{}: shown by seed {seed}: {failure}", row.name);
            true
        }
        None => {
            println!("{}: not shown by any of {seeds} seeds", row.name);
            false
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
        |seed| histories::run(*seed, verbose && count == 1),
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
