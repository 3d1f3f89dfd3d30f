//! As much HTTP as it takes to ask a node over its Unix socket: one connection, kept alive.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Failed;

/// A connection to a node's API.
pub struct Http {
    reader: BufReader<UnixStream>,
}

impl Http {
    /// Connects.
    ///
    /// # Errors
    /// No node listens there.
    pub fn connect(socket: &Path) -> Result<Self, Failed> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Asks, and reads the JSON that comes back.
    ///
    /// # Errors
    /// The connection, or an answer that is not a success.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Value, Failed> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: cbm\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        self.reader.get_mut().write_all([head.as_bytes(), body.as_bytes()].concat().as_slice())?;
        let mut status = String::new();
        self.reader.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes)?;
        if !status.contains(" 200 ") {
            return Err(format!("{}: {}", status.trim(), String::from_utf8_lossy(&bytes)).into());
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}
