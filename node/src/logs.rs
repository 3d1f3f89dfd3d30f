//! Logs: one line an event on stderr, with words chosen by hand.
//!
//! Invariant I12: bodies, subjects, party names and keys are never logged; stations appear as short
//! hex. Standard output is left to what programs read (the `ready` line). Called once by `main`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}

/// The filter of the configuration is not one.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log filter `{0}` is not understood; write for example `info` or `cbm_node=debug,warn`"
)]
pub struct BadFilter(String);

/// Whether `filter` is one.
///
/// # Errors
/// [`BadFilter`].
pub fn check(filter: &str) -> Result<(), BadFilter> {
    read(filter).map(drop)
}

fn read(filter: &str) -> Result<EnvFilter, BadFilter> {
    // A bare level is meant for us: what the libraries say below a warning helps no operator.
    let bare = filter.chars().all(|c| c.is_ascii_alphabetic());
    let filter = if bare { format!("cbm_node={filter},warn") } else { filter.to_owned() };
    EnvFilter::builder().parse(&filter).map_err(|_| BadFilter(filter))
}

/// Begins to log. Without effect when something logs already, as in tests.
///
/// # Errors
/// [`BadFilter`].
pub fn start(filter: &str, form: Form) -> Result<(), BadFilter> {
    let filter = read(filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let started = match form {
        Form::Text => lines.try_init(),
        Form::Json => lines.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("something logs already");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused_with_words() {
        let error =
            start("cbm_node=loud", Form::Text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("cbm_node=loud") && error.contains("write for example"));
    }
}
