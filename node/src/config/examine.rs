//! Every setting with where it came from, and every mistake, not only the first.
//!
//! Each key of the file and of the environment is tried alone against [`RawConfig`], so that one
//! wrong key hides no other. What is good is layered as always. Used by [`Config::load`], which
//! takes no file with a mistake in it, and by `cbm config check` and `doctor`, which show all.

use config::Map;
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};
use toml::{Table, Value, de::DeTable, de::DeValue};

use super::{Config, ConfigError, raw::RawConfig};

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody wrote it: the program's own choice.
    Default,
    /// This line of the file, from 1.
    Line(usize),
    /// This variable of the environment.
    Environment(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Line(line) => write!(f, "line {line}"),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// One setting as it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Section and key, such as `mesh.listen`.
    pub key: String,
    /// Its value, in TOML's notation.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `FILE:LINE`, the variable, or the file when nothing stands anywhere.
    pub at: String,
    /// What is wrong, with the key.
    pub cause: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.at, self.cause, self.remedy)
    }
}

/// A file as it was read, good or not.
#[derive(Debug)]
pub struct Examined {
    /// The file, absolute.
    pub file: PathBuf,
    /// Every setting that is understood, by key.
    pub settings: Vec<Setting>,
    /// Every mistake, in the order of the file, then of the environment, then of the values.
    pub problems: Vec<Problem>,
    /// The settings in their types; to be used only when there is no mistake.
    pub config: Option<Config>,
}

/// What stands where, and what is wrong; grows while a file is examined.
#[derive(Debug)]
pub(super) struct Notes {
    file: PathBuf,
    sources: BTreeMap<String, Source>,
    problems: Vec<Problem>,
}

impl Notes {
    /// Notes that the value of `key` breaks a rule.
    pub(super) fn wrong(&mut self, key: &str, rule: impl fmt::Display) {
        let at = self.sources.iter().find(|(set, _)| *set == key || within(set, key));
        let at = at.map_or(Source::Default, |(_, source)| source.clone());
        let remedy = match at {
            Source::Default => "write it there; `cbm config example` shows every key",
            _ => "correct it; `cbm config example` shows every key",
        };
        self.problem(&at, format!("{key}: {rule}"), remedy);
    }

    fn problem(&mut self, at: &Source, cause: String, remedy: &str) {
        let file = self.file.display();
        let at = match at {
            Source::Default => file.to_string(),
            Source::Line(line) => format!("{file}:{line}"),
            other => other.to_string(),
        };
        self.problems.push(Problem { at, cause, remedy: remedy.to_owned() });
    }

    /// A key of the file or of the environment that is tried alone.
    fn tried(&mut self, key: &str, source: Source, result: Result<(), String>) -> bool {
        match result {
            Ok(()) => {
                self.sources.insert(key.to_owned(), source);
                true
            }
            Err(cause) => {
                let remedy = "correct or remove it; `cbm config example` shows every key";
                self.problem(&source, format!("{key}: {cause}"), remedy);
                false
            }
        }
    }
}

/// Reads `file`, `environment` and `flags` as [`Config::load`] does, and keeps count of everything.
///
/// # Errors
/// The file cannot be read at all.
pub fn examine(
    file: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&str, &str)],
) -> Result<Examined, ConfigError> {
    let read = |error| ConfigError::Read { path: file.to_owned(), error };
    let file = std::path::absolute(file).map_err(read)?;
    let text = fs::read_to_string(&file).map_err(read)?;
    let mut notes = Notes { file: file.clone(), sources: BTreeMap::new(), problems: Vec::new() };
    let table = from_file(&text, &mut notes);
    let environment = from_environment(environment, &mut notes);
    for (key, _) in flags {
        notes.sources.insert((*key).to_owned(), Source::Flag);
    }
    let Some(table) = table else { return Ok(unreadable(notes)) };
    let layered = toml::to_string(&table)
        .map_err(|error| error.to_string())
        .and_then(|text| RawConfig::layered(&text, environment, flags).map_err(|e| e.to_string()));
    let raw = match layered {
        Ok(raw) => raw,
        Err(cause) => {
            notes.problem(&Source::Default, cause, "correct it");
            return Ok(unreadable(notes));
        }
    };
    let settings = settings(&raw, &notes.sources);
    let config = Config::resolve(file, raw, &mut notes);
    Ok(Examined { file: notes.file, settings, problems: notes.problems, config })
}

fn unreadable(notes: Notes) -> Examined {
    Examined { file: notes.file, settings: Vec::new(), problems: notes.problems, config: None }
}

/// What of the file is understood; `None` when it is no TOML.
fn from_file(text: &str, notes: &mut Notes) -> Option<Table> {
    let parsed = match DeTable::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let at = error.span().map_or(1, |span| line_of(text, span.start));
            let cause = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            notes.problem(&Source::Line(at), cause, "correct this line");
            return None;
        }
    };
    let mut lines = Vec::new();
    leaves(text, &mut Vec::new(), parsed.get_ref(), &mut lines);
    let whole: Table = toml::from_str(text).ok()?;
    let mut good = Table::new();
    for (path, line) in lines {
        let Some(value) = at(&whole, &path) else { continue };
        let mut alone = Table::new();
        put(&mut alone, &path, value.clone());
        let tried = Value::Table(alone).try_into::<RawConfig>();
        let tried = tried.map(drop).map_err(|error| plain(error.message()));
        if notes.tried(&path.join("."), Source::Line(line), tried) {
            put(&mut good, &path, value.clone());
        }
    }
    Some(good)
}

/// Of `CBM__SECTION__KEY`, those that are understood.
fn from_environment(
    environment: impl IntoIterator<Item = (String, String)>,
    notes: &mut Notes,
) -> Map<String, String> {
    let ours = environment.into_iter().filter(|(name, _)| name.to_uppercase().starts_with("CBM__"));
    let ours: BTreeMap<String, String> = ours.collect();
    let mut good = Map::new();
    for (name, value) in ours {
        let key = name["CBM__".len()..].to_lowercase().replace("__", ".");
        let alone = Map::from([(name.clone(), value.clone())].into_iter().collect::<Map<_, _>>());
        let tried = RawConfig::layered("", alone, &[]).map(drop);
        let tried = tried.map_err(|error| plain(&error.to_string()));
        if notes.tried(&key, Source::Environment(name.clone()), tried) {
            good.insert(name, value);
        }
    }
    good
}

/// Without the words of libraries about their own business.
fn plain(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let line = line.split(" for key ").next().unwrap_or(line);
    let words = [
        ("expected a sequence", "expected a list"),
        ("expected a string", "expected text in quotes"),
        ("expected path string", "expected a path in quotes"),
        ("expected u64", "expected a whole number"),
        ("invalid type: map", "invalid type: section"),
    ];
    let line = line.trim_end_matches(" in the environment").to_owned();
    words.iter().fold(line, |line, (theirs, ours)| line.replace(theirs, ours))
}

/// Path and line of each key that holds a value, in the order of the file.
fn leaves(
    text: &str,
    path: &mut Vec<String>,
    table: &DeTable<'_>,
    out: &mut Vec<(Vec<String>, usize)>,
) {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in keys {
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => leaves(text, path, inner, out),
            _ => out.push((path.clone(), line_of(text, key.span().start))),
        }
        path.pop();
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn at<'t>(table: &'t Table, path: &[String]) -> Option<&'t Value> {
    let (last, sections) = path.split_last()?;
    sections.iter().try_fold(table, |table, key| table.get(key)?.as_table())?.get(last)
}

fn put(table: &mut Table, path: &[String], value: Value) {
    let [section, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert(section.clone(), value);
        return;
    }
    let inner = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        put(inner, rest, value);
    }
}

fn settings(raw: &RawConfig, sources: &BTreeMap<String, Source>) -> Vec<Setting> {
    let mut out = Vec::new();
    if let Ok(table) = Table::try_from(raw) {
        flatten("", &table, &mut |key, value| {
            let source = sources.get(&key).cloned().unwrap_or(Source::Default);
            out.push(Setting { key, value: value.to_string(), source });
        });
    }
    out
}

fn flatten(head: &str, table: &Table, each: &mut dyn FnMut(String, &Value)) {
    for (key, value) in table {
        let key = if head.is_empty() { key.clone() } else { format!("{head}.{key}") };
        match value {
            Value::Table(inner) => flatten(&key, inner, each),
            value => each(key, value),
        }
    }
}

fn within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}
