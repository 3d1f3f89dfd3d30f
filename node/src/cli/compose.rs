//! The flags that `send` and `reply` share, and what they make of them.

use std::path::PathBuf;

use clap::Args;

use crate::api::{client::Client, failure::Failure, shape::SendRequest};

use super::files;

/// What a letter says, and who stands behind it.
#[derive(Debug, Args)]
pub struct Content {
    /// The letter in JSON, as `cbm template TYPE` prints it; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// A file that goes with it; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub attach: Vec<PathBuf>,
    /// FLASH, IMMEDIATE, PRIORITY or ROUTINE; the type's own when absent.
    #[arg(long, value_name = "PRECEDENCE")]
    pub precedence: Option<String>,
    /// ACTUAL, EXERCISE, TEST or SYSTEM; the type's own when absent.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Who wrote it.
    #[arg(long, value_name = "NAME")]
    pub drafted_by: Option<String>,
    /// Who released it: another person.
    #[arg(long, value_name = "NAME", conflicts_with = "emergency")]
    pub released_by: Option<String>,
    /// Why one person alone releases it; marked in the letter and reviewed later.
    #[arg(long, value_name = "REASON")]
    pub emergency: Option<String>,
}

impl Content {
    /// The request, with files read; large ones are with the node then.
    ///
    /// # Errors
    /// A file cannot be read or is too large, or the node does not take it.
    pub async fn request(self, client: &Client, type_name: String) -> Result<SendRequest, Failure> {
        Ok(SendRequest {
            type_name,
            letter: files::letter(&self.file)?,
            attachments: files::attachments(client, &self.attach).await?,
            precedence: self.precedence,
            status: self.status,
            drafted_by: self.drafted_by,
            released_by: self.released_by,
            emergency: self.emergency,
            ..SendRequest::default()
        })
    }
}
