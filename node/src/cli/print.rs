//! How things are printed for people: aligned tables of at most 80 columns, short times.

use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

use crate::api::failure::{Code, Failure};

/// Widest line.
pub const WIDTH: usize = 80;

/// Prints text and a line end. A reader that has gone away (`| head`) is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::new(
            Code::Failed,
            "the answer could not be printed",
            e,
            "look at where standard output goes",
        )),
        _ => Ok(()),
    }
}

/// Prints one JSON object on one line.
///
/// # Errors
/// As [`say`].
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|e| {
        Failure::new(Code::Failed, "the answer could not be printed", e, "report this defect")
    })?;
    say(&text)
}

/// Says on standard error what failed. Words of others in it are tamed; on a terminal, which cuts
/// lines anywhere, they are wrapped between words.
pub fn failure(failure: &Failure) {
    let text = tame(&format!("cbm: {failure}"));
    if !std::io::stderr().is_terminal() {
        eprintln!("{text}");
        return;
    }
    let mut out = Vec::new();
    for line in text.lines() {
        let words = line.trim_start();
        let start = line.len() - words.len();
        let head = ["cause:  ", "remedy: "].iter().find(|head| words.starts_with(*head));
        let hang = start + head.map_or(0, |head| head.len());
        wrap_at(&mut out, &line[..hang], hang, &line[hang..]);
    }
    eprintln!("{}", out.join("\n"));
}

/// An aligned table; a last column that is too long goes on in the lines below.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut out = Vec::new();
    for row in std::iter::once(&head).chain(rows) {
        line(&mut out, row, &widths);
    }
    out.join("\n")
}

fn line(out: &mut Vec<String>, row: &[String], widths: &[usize]) {
    let Some((last, cells)) = row.split_last() else { return };
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
    let front: String = padded.collect();
    let room = WIDTH.saturating_sub(front.chars().count());
    if room < 8 || last.split_whitespace().any(|word| word.chars().count() > room) {
        out.push(shorten(format!("{front}{last}").trim_end(), WIDTH));
    } else {
        wrap_at(out, &front, front.chars().count(), last);
    }
}

/// At most `width` characters; what is cut off shows as `…`.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A number of bytes, in the unit that people would use.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = "B";
    let mut rest = 0;
    for next in units {
        if value < 1024 {
            break;
        }
        (rest, value, unit) = (value % 1024, value / 1024, next);
    }
    if unit == "B" { format!("{value} B") } else { format!("{value}.{} {unit}", rest * 10 / 1024) }
}

/// How far a long work has come, on standard error where that is a terminal.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    done: u64,
    shown: u64,
    terminal: bool,
}

/// Bytes between two lines of progress.
const STEP: u64 = 4 * 1024 * 1024;

impl Progress {
    /// Nothing done yet. `what`: a word such as `verified`.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self { what, done: 0, shown: 0, terminal: std::io::stderr().is_terminal() }
    }

    /// So many bytes more.
    pub fn more(&mut self, bytes: u64) {
        self.done += bytes;
        if self.terminal && self.done - self.shown >= STEP {
            self.shown = self.done;
            eprint!("\r{} {} ", self.what, size(self.done));
        }
    }

    /// Clears the line.
    pub fn end(&mut self) {
        if self.terminal && self.shown > 0 {
            eprint!("\r{:width$}\r", "", width = 40);
        }
        self.shown = 0;
    }
}

/// `2026-11-22T00:30:01.123Z` as `11-22 00:30:01Z`; anything else as it is.
#[must_use]
pub fn time(text: &str) -> String {
    match (text.get(5..10), text.get(11..19)) {
        (Some(day), Some(clock)) if text.is_ascii() => format!("{day} {clock}Z"),
        _ => text.to_owned(),
    }
}

/// What others wrote, safe on a terminal: control characters show as `·`, lines stay lines.
#[must_use]
pub fn tame(text: &str) -> String {
    let visible = |c: char| if c.is_control() && c != '\n' && c != '\t' { '·' } else { c };
    text.chars().map(visible).collect()
}

/// A JSON object as lines for people.
#[must_use]
pub fn outline(value: &Value) -> String {
    let mut out = Vec::new();
    fields(&mut out, 0, value);
    out.join("\n")
}

/// A value that fits on lines of its own; `None` for nested ones.
#[must_use]
pub fn flat(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(all) => {
            let all: Option<Vec<String>> = all.iter().map(flat).collect();
            all.map(|all| all.join(", "))
        }
        // One text in one language.
        Value::Object(one) => {
            let (text, language) = (one.get("text")?.as_str()?, one.get("bcp47")?.as_str()?);
            Some(format!("{text} [{language}]"))
        }
    }
}

/// Members of an object as lines, nested ones indented.
pub fn fields(out: &mut Vec<String>, depth: usize, value: &Value) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match flat(value) {
                    Some(text) => wrap(out, &format!("{indent}{key}: "), &text),
                    None => {
                        out.push(format!("{indent}{key}:"));
                        fields(out, depth + 1, value);
                    }
                }
            }
        }
        Value::Array(all) => {
            for (number, value) in all.iter().enumerate() {
                out.push(format!("{indent}{}.", number + 1));
                fields(out, depth + 1, value);
            }
        }
        other => wrap(out, &indent, &flat(other).unwrap_or_else(|| "-".to_owned())),
    }
}

/// Adds `text` behind `head`, wrapped at the width of the page; what follows is indented.
pub fn wrap(out: &mut Vec<String>, head: &str, text: &str) {
    wrap_at(out, head, head.chars().count().min(16), text);
}

/// The same, with what follows under the beginning of `text`.
pub fn hang(out: &mut Vec<String>, head: &str, text: &str) {
    wrap_at(out, head, head.chars().count(), text);
}

fn wrap_at(out: &mut Vec<String>, head: &str, indent: usize, text: &str) {
    let indent = " ".repeat(indent);
    let mut line = head.to_owned();
    let mut empty = true;
    for word in tame(text).split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push(std::mem::replace(&mut line, indent.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push(line.trim_end().to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_at_the_edge() {
        let long = "word ".repeat(20);
        let rows = [vec!["AAA/mfa".into(), "x".repeat(90)], vec!["B".into(), long]];
        let table = table(&["STATION", "WHAT"], &rows);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "STATION  WHAT");
        assert_eq!(lines[1].chars().count(), WIDTH);
        assert!(lines[1].ends_with('…'));
        assert_eq!(lines[2], format!("B        {}", "word ".repeat(14).trim_end()));
        assert_eq!(lines[3], format!("         {}", "word ".repeat(6).trim_end()));
    }

    #[test]
    fn times_are_short_and_escapes_are_tamed() {
        assert_eq!(time("2026-11-22T00:30:01.123Z"), "11-22 00:30:01Z");
        assert_eq!(time("soon"), "soon");
        assert_eq!(tame("a\u{1b}[2Jb\nc"), "a·[2Jb\nc");
    }
}
