//! Types a page into a shell and compares what is said.
//!
//! One bash for the page, so that variables, functions and background nodes last to its end; each
//! command's output goes to a file of its own. The page's ports (41NN) are exchanged for free
//! ones. At the end, whatever it was, everything that the page started is ended.

#![allow(clippy::disallowed_methods, reason = "real nodes need real time, and a deadline for it")]

use crate::{
    compare::same,
    page::{Page, Step},
};
use std::{
    fmt::Write as _,
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// A page that has not ended by then hangs. In life it takes a sixth of it.
const DEADLINE: Duration = Duration::from_secs(180);
/// Ports of a page: 4100 and so many more.
const PORTS: u16 = 20;
/// Their first two digits.
const PORT_MARK: &str = "41";

/// What the shell is told first: what it starts ends with it.
const BEFORE: &str = "trap 'kill $(jobs -p) 2> /dev/null; wait' EXIT\n";

/// Plays a page; the error says where it does not hold, and what was said instead.
pub(crate) fn play(page: &Page, root: &Path) -> Result<Duration, String> {
    let folder = tempfile::tempdir().unwrap();
    let (out, work) = (folder.path().join("said"), folder.path().join("work"));
    fs::create_dir(&out).unwrap();
    fs::create_dir(&work).unwrap();
    let steps = present(&page.steps)?;
    let port = free_ports();
    let mut script = BEFORE.to_owned();
    // Its ports are exchanged too.
    script += &ports(&fs::read_to_string(root.join("docs/handbook/practice.sh")).unwrap(), port);
    for (at, step) in steps.iter().enumerate() {
        let file = out.join(at.to_string());
        let (file, typed, wanted) = (file.display(), ports(&step.typed, port), step.exit);
        // A block of commands ends with the first that fails; a single one may be meant to fail.
        let strict = if step.typed.contains('\n') && step.exit == 0 { "set -e" } else { "set +e" };
        writeln!(script, "{strict}\n{{\n{typed}\n}} > '{file}' 2>&1").unwrap();
        writeln!(script, "code=$?; echo $code > '{file}.exit'").unwrap();
        writeln!(script, "[ $code = {wanted} ] || exit 1").unwrap();
    }
    let begun = Instant::now();
    let ended = shell(&script, &work);
    let took = begun.elapsed();
    for (at, step) in steps.iter().enumerate() {
        held(page, step, &out.join(at.to_string()), port)?;
    }
    match ended {
        true => Ok(took),
        false => Err(format!("{}: has not ended after {DEADLINE:?}", page.name)),
    }
}

/// The steps whose programs are here. Where the gate runs, they must be.
fn present(steps: &[Step]) -> Result<Vec<&Step>, String> {
    let must = std::env::var("CBM_REQUIRE_ROOT_TESTS").is_ok_and(|value| value == "1");
    let mut here = Vec::new();
    for step in steps {
        let missing = step.needs.as_ref().filter(|program| {
            let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
            !found.unwrap().status.success()
        });
        match missing {
            None => here.push(step),
            Some(program) if must => return Err(format!("line {}: no {program} here", step.line)),
            Some(program) => println!("skipped: line {}, no {program} here", step.line),
        }
    }
    Ok(here)
}

/// Runs the script; `false` if it had to be ended.
fn shell(script: &str, work: &Path) -> bool {
    let bin = Path::new(env!("CARGO_BIN_EXE_cbm")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash")
        .args(["-c", script])
        .current_dir(work)
        .env_clear()
        .envs([("PATH", path.as_str()), ("LANG", "C.UTF-8"), ("TZ", "UTC")])
        .env("HOME", work)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let in_time = ended(&mut shell);
    // Whatever the page started and did not end; there may be nothing left.
    let group = format!("-{}", shell.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = shell.wait();
    in_time
}

fn ended(shell: &mut Child) -> bool {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        if shell.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Whether one step went as the page says.
fn held(page: &Page, step: &Step, file: &Path, port: u16) -> Result<(), String> {
    let said = String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
    let code = fs::read_to_string(file.with_extension("exit")).unwrap_or_default();
    let shown: Option<Vec<String>> =
        step.shown.as_ref().map(|lines| lines.iter().map(|line| ports(line, port)).collect());
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let as_shown = shown.as_ref().is_none_or(|shown| same(shown, &lines));
    if code.trim() == step.exit.to_string() && as_shown {
        return Ok(());
    }
    let code = if code.is_empty() { "none: it did not come to its end" } else { code.trim() };
    let mut words = format!("{}:{}: {}\n", page.name, step.line, step.typed);
    writeln!(words, "--- the page shows (exit {})", step.exit).unwrap();
    words += &shown.map_or("what it likes".to_owned(), |lines| lines.join("\n"));
    writeln!(words, "\n--- it said (exit {code})\n{}", said.trim_end()).unwrap();
    Err(words)
}

/// The text with the page's ports exchanged.
fn ports(text: &str, first: u16) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, word) = rest.split_at(at);
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        let (word, more) = word.split_at(end);
        let number = word.strip_prefix(PORT_MARK).filter(|rest| rest.len() == 2);
        let number = number.and_then(|rest| rest.parse::<u16>().ok()).filter(|n| *n < PORTS);
        out += before;
        out += &number.map_or_else(|| word.to_owned(), |number| (first + number).to_string());
        rest = more;
    }
    out + rest
}

/// So many ports in a row that nobody uses now, all of four digits as in the page, so that tables
/// keep their columns.
fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |port: u16| {
        TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok()
    };
    let begin = u16::try_from(std::process::id() % 220).unwrap() * PORTS;
    for _ in 0..1_000 {
        let offset = begin.wrapping_add(NEXT.fetch_add(PORTS, Ordering::Relaxed)) % 4_400;
        let first = 5_200 + offset;
        if (first..first + PORTS).all(free) {
            return first;
        }
    }
    panic!("no free ports")
}

#[test]
fn only_ports_are_exchanged() {
    let text = "udp/4100/quic-v1 tcp/4119 4120 a4100 41000 0.41 {41}";
    assert_eq!(ports(text, 6_000), "udp/6000/quic-v1 tcp/6019 4120 a4100 41000 0.41 {41}");
}
