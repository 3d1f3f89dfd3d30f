//! Closes the process before it holds a secret: no memory image, no secret from outside.
//!
//! Invariants: from the first line of `main` on, no other process of the same user reads this
//! memory or attaches to it, and no core is ever written; a secret in the environment is refused,
//! because the environment is inherited, listed and logged. Left out on purpose: `mlockall`, whose
//! limit for ordinary users is smaller than this process and whose breach ends it; the service file
//! keeps the memory from swap instead (`MemorySwapMax=0`). Called by `main` alone.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::{ffi::OsString, io};

/// Parts of a variable's name that make its value a secret.
const SECRET: [&str; 6] = ["PASSPHRASE", "PASSWORD", "PIN", "SECRET", "IDENTITY", "PRIVATE"];
/// What the transport would write its session keys to.
const KEY_LOG: &str = "SSLKEYLOGFILE";

/// Why the process goes no further.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The system did not close it.
    #[error(
        "this process could not be closed to others ({0}); run it outside a sandbox that \
             forbids prctl and setrlimit"
    )]
    Open(io::Error),
    /// A secret in the environment. Its value is nowhere repeated.
    #[error(
        "{0} is in the environment, where others see it; unset it, treat what it held as \
             known, and name a file instead (--passphrase-file, keys.passphrase_file)"
    )]
    Secret(String),
    /// Session keys would be written to a file.
    #[error(
        "SSLKEYLOGFILE is set: the keys of every connection would be written to that file; \
             unset it and start again"
    )]
    KeyLog,
}

/// Closes the process: not to be read or attached to by others of its user, no core.
///
/// # Errors
/// The system refuses.
pub fn close() -> Result<(), GuardError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let closed = setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    closed.map_err(|error| GuardError::Open(error.into()))
}

/// Refuses secrets among the variables of the environment.
///
/// # Errors
/// The first that is one.
pub fn refuse_secrets(names: impl IntoIterator<Item = OsString>) -> Result<(), GuardError> {
    for name in names {
        let name = name.to_string_lossy();
        if name == KEY_LOG {
            return Err(GuardError::KeyLog);
        }
        let ours = name.starts_with("CBM_") && !name.ends_with("_FILE");
        let secret = |word: &str| SECRET.contains(&word);
        if ours && name.split('_').any(secret) {
            return Err(GuardError::Secret(name.into_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_the_environment_are_refused_by_name_and_files_are_not() {
        let refuse = |name: &str| refuse_secrets([OsString::from("PATH"), OsString::from(name)]);
        for name in ["CBM__KEYS__PASSPHRASE", "CBM_PIN", "CBM__KEYS__ARCHIVE_PASSPHRASE"] {
            let text = refuse(name).unwrap_err().to_string();
            assert!(text.starts_with(name) && text.contains("file"), "{text}");
        }
        assert!(matches!(refuse("SSLKEYLOGFILE"), Err(GuardError::KeyLog)));
        for name in ["CBM__KEYS__PASSPHRASE_FILE", "CBM__LOG__LEVEL", "CBM_SPINDLE", "PASSWORD"] {
            assert!(refuse(name).is_ok(), "{name}");
        }
    }
}
