//! Asks a person for a secret on the terminal, without showing it.
//!
//! Invariant: what is typed is read from `/dev/tty` itself, so that no pipe can stand in for a
//! person, and the terminal shows again what is typed, however the question ends. Called by `seal`
//! for passphrases and by `token` for PINs.

use super::{KeystoreError, seal::PASSPHRASE_MAX};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
};
use zeroize::Zeroizing;

/// The answer to `question`, without its line end.
///
/// # Errors
/// There is no terminal, or nothing was typed.
pub(super) fn secret(question: &str) -> Result<Zeroizing<String>, KeystoreError> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut terminal = terminal.map_err(|_| KeystoreError::NoTerminal)?;
    let mut answer = || -> io::Result<Zeroizing<String>> {
        terminal.write_all(question.as_bytes())?;
        let _quiet = Quiet::new(&terminal)?;
        let line = line(&mut terminal)?;
        terminal.write_all(b"\n")?;
        Ok(line)
    };
    match answer() {
        Ok(line) if !line.is_empty() => Ok(line),
        _ => Err(KeystoreError::NothingTyped),
    }
}

/// One byte at a time into a buffer that does not grow: nothing is read ahead, no copy stays.
fn line(terminal: &mut File) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_MAX as usize));
    let mut byte = Zeroizing::new([0]);
    while line.len() < PASSPHRASE_MAX as usize {
        if terminal.read(&mut *byte)? == 0 || byte[0] == b'\n' {
            break;
        }
        line.push(byte[0]);
    }
    let text = std::str::from_utf8(&line).map_err(io::Error::other)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// While it lives the terminal shows nothing of what is typed.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing better can be done for a terminal that is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
