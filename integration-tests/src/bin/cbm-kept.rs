//! `cbm-kept`: start time, memory and disk of a node that kept very many letters.
//!
//! ```text
//! cargo build --release -p cbm-node -p cbm-integration-tests
//! target/release/cbm-kept [--letters N] [--idle SECONDS] [--folder DIR]
//! ```
//!
//! Two folders, one of 1,000 letters and one of N (1,000,000), each filled and then started twice: the
//! first start finds nothing but the journal, the second one also what the first one left. With
//! `--folder` they stay, and are not filled again. It judges nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use cbm_integration_tests::kept::{self, Failed};

struct Order {
    letters: usize,
    idle: u64,
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cbm-kept: {error}");
            ExitCode::FAILURE
        }
    }
}

fn order() -> Result<Order, Failed> {
    let mut order = Order { letters: 1_000_000, idle: 60, folder: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--letters" => order.letters = value.parse()?,
            "--idle" => order.idle = value.parse()?,
            "--folder" => order.folder = Some(value.into()),
            _ => return Err(format!("{word} is not an option").into()),
        }
    }
    Ok(order)
}

fn run() -> Result<(), Failed> {
    let order = order()?;
    let program = std::env::current_exe()?.with_file_name("cbm");
    let temporary = tempfile::Builder::new().prefix("cbm-kept-").tempdir()?;
    let folder = order.folder.as_deref().unwrap_or(temporary.path());
    println!(
        "letters | start | ready s | RSS at ready MB | idle MB | peak MB | disk, of the envelopes"
    );
    for letters in [1_000, order.letters] {
        let one = folder.join(letters.to_string());
        let filled = filled(&program, &one, letters)?;
        for start in 1..=2 {
            let run = kept::measure(&program, &one, order.idle)?;
            let mb = |kib: u64| kib / 1024;
            println!(
                "{letters} | {start} | {:.2} | {} | {} | {} | {:.2}",
                run.ready.as_secs_f64(),
                mb(run.at_ready),
                mb(run.idle),
                mb(run.peak),
                run.disk as f64 / filled as f64,
            );
        }
    }
    Ok(())
}

/// Bytes of the envelopes in the folder, which is filled if it is not there.
fn filled(program: &Path, folder: &Path, letters: usize) -> Result<u64, Failed> {
    let note = folder.join("filled");
    if let Ok(text) = std::fs::read_to_string(&note) {
        return Ok(text.trim().parse()?);
    }
    std::fs::create_dir_all(folder)?;
    let begin = Instant::now();
    let filled = kept::fill(program, folder, letters)?;
    eprintln!("{filled:?} in {:?}", begin.elapsed());
    std::fs::write(note, filled.envelopes.to_string())?;
    Ok(filled.envelopes)
}
