//! `cbm config check|example`: what holds and where it came from; a file to begin with.
//!
//! Needs no node and changes nothing. Every mistake is named in one run. No secret stands in a
//! configuration, only where secrets are, so everything can be printed.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Node, Output, print};
use crate::{
    api::{
        failure::{Code, Failure},
        officer,
    },
    config::{self, Examined, Problem, Source},
};

/// A file with every key, explained.
const EXAMPLE: &str = include_str!("../../../deploy/examples/cbm.toml");

/// Look at configurations.
#[derive(Debug, Args)]
pub struct ConfigVerb {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show every setting and where it came from; exit 2 with every mistake in it.
    Check {
        #[command(flatten)]
        node: Node,
        #[command(flatten)]
        output: Output,
    },
    /// Print a configuration with every key, explained.
    Example,
}

/// Checks, or prints the example.
///
/// # Errors
/// The file cannot be read, or something in it is wrong.
pub fn run(args: &ConfigVerb) -> Result<(), Failure> {
    match &args.what {
        What::Example => print::say(EXAMPLE.trim_end()),
        What::Check { node, output } => check(&node.config, output.json),
    }
}

fn check(file: &Path, json: bool) -> Result<(), Failure> {
    let examined = config::examine(file, super::environment(), &[]);
    let examined = examined.map_err(|e| super::unusable(&e))?;
    let view = view(&examined);
    if json {
        print::json(&view)?;
    } else {
        print::say(&text(&view))?;
    }
    match examined.problems.len() {
        0 => Ok(()),
        count => Err(mistakes(&view, count)),
    }
}

fn mistakes(view: &View, count: usize) -> Failure {
    let each: Vec<String> = view.errors.iter().map(|e| format!("{}: {}", e.at, e.cause)).collect();
    let plural = if count == 1 { "mistake" } else { "mistakes" };
    Failure::new(
        Code::Usage,
        format!("the configuration cannot be used: {count} {plural}"),
        each.join("\n          "),
        "correct each of them; `cbm config example` shows every key",
    )
}

/// What is printed, for programs.
#[derive(Debug, Serialize)]
struct View {
    file: String,
    settings: Vec<SettingView>,
    paths: Vec<PathView>,
    errors: Vec<ErrorView>,
}

#[derive(Debug, Serialize)]
struct SettingView {
    key: String,
    value: String,
    /// `default`, `file`, `environment` or `flag`.
    from: &'static str,
    /// Line of the file.
    line: Option<usize>,
    /// Variable of the environment.
    variable: Option<String>,
    #[serde(skip)]
    source: String,
}

#[derive(Debug, Serialize)]
struct PathView {
    key: &'static str,
    path: String,
    exists: bool,
    /// `file`, `folder`, `socket` or `other`; null when nothing is there or it cannot be seen.
    kind: Option<&'static str>,
    mode: Option<String>,
    owner: Option<String>,
    /// Why it cannot be looked at.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct ErrorView {
    at: String,
    cause: String,
    remedy: String,
}

fn view(examined: &Examined) -> View {
    let settings = examined.settings.iter().map(|setting| {
        let (from, line, variable) = match &setting.source {
            Source::Default => ("default", None, None),
            Source::Line(line) => ("file", Some(*line), None),
            Source::Environment(name) => ("environment", None, Some(name.clone())),
            Source::Flag => ("flag", None, None),
        };
        let (key, value) = (setting.key.clone(), setting.value.clone());
        SettingView { key, value, from, line, variable, source: setting.source.to_string() }
    });
    let problem = |p: &Problem| ErrorView {
        at: p.at.clone(),
        cause: p.cause.clone(),
        remedy: p.remedy.clone(),
    };
    let paths = examined.config.iter().flat_map(|config| {
        [
            ("paths.data", &config.data),
            ("paths.keys", &config.keys),
            ("paths.documents", &config.documents),
            ("paths.socket", &config.socket),
        ]
    });
    View {
        file: examined.file.display().to_string(),
        settings: settings.collect(),
        paths: paths.map(|(key, path)| look(key, path)).collect(),
        errors: examined.problems.iter().map(problem).collect(),
    }
}

/// What lies at a path.
fn look(key: &'static str, path: &Path) -> PathView {
    let nothing = PathView {
        key,
        path: path.display().to_string(),
        exists: false,
        kind: None,
        mode: None,
        owner: None,
        error: None,
    };
    let data = match fs::metadata(path) {
        Ok(data) => data,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return nothing,
        Err(e) => return PathView { error: Some(e.to_string()), ..nothing },
    };
    let form = data.file_type();
    let kind = match () {
        () if form.is_dir() => "folder",
        () if form.is_file() => "file",
        () if form.is_socket() => "socket",
        () => "other",
    };
    PathView {
        exists: true,
        kind: Some(kind),
        mode: Some(format!("{:04o}", data.mode() & 0o7777)),
        owner: Some(officer::user(data.uid())),
        ..nothing
    }
}

fn text(view: &View) -> String {
    let mut out = vec![view.file.clone(), String::new()];
    for setting in &view.settings {
        let head = format!("{} = ", setting.key);
        // Not wrapped: what stands here may be copied into a file.
        out.push(format!("{:9} {head}{}", setting.source, print::tame(&setting.value)));
    }
    if !view.paths.is_empty() {
        out.push(String::new());
    }
    for path in &view.paths {
        let there = match (path.kind, &path.mode, &path.owner, &path.error) {
            (Some(kind), Some(mode), Some(owner), _) => {
                format!("{kind}, mode {mode}, owner {owner}")
            }
            (.., Some(error)) => error.clone(),
            _ => "not there yet".to_owned(),
        };
        out.push(format!("{:16}{there}", path.key));
        out.push(format!("    {}", path.path));
    }
    out.join("\n")
}
