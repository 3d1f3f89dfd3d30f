//! The other end of the local API: asks a running node over its Unix socket.
//!
//! One connection a request; answers are bounded. Used by the command line and by tests.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use super::failure::{Code, Failure};

/// Largest answer that is read whole: one letter with its attachments, or a long inbox.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// Longest line of a stream.
const LINE_MAX: usize = 1024 * 1024;

/// Asks the node behind one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// What comes as a stream: JSON lines, or plain bytes.
pub struct Lines {
    body: Incoming,
    rest: Vec<u8>,
}

impl Client {
    /// Of the node with this socket.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// No node answers, it says why not, or it says something else than asked.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let bytes = self.bytes(path).await?;
        read(&bytes)
    }

    /// Asks for bytes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn bytes(&self, path: &str) -> Result<Bytes, Failure> {
        whole(self.request("GET", path, Full::new(Bytes::new())).await?).await
    }

    /// Asks for bytes that may be many.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn runs(&self, path: &str) -> Result<Lines, Failure> {
        self.follow(path).await
    }

    /// Gives bytes that may be many.
    ///
    /// # Errors
    /// As [`Client::get`], or the bytes cannot be had.
    pub async fn give<T: DeserializeOwned>(
        &self,
        path: &str,
        runs: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<T, Failure> {
        let runs = runs.map(|run| run.map(Frame::data));
        let answer = self.request("POST", path, StreamBody::new(Box::pin(runs))).await?;
        read(&whole(answer).await?)
    }

    /// Has something done.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(odd)?;
        let answer = self.request("POST", path, Full::new(Bytes::from(body))).await?;
        read(&whole(answer).await?)
    }

    /// Follows something, one JSON object a line.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn follow(&self, path: &str) -> Result<Lines, Failure> {
        let answer = self.request("GET", path, Full::new(Bytes::new())).await?;
        Ok(Lines { body: answer.into_body(), rest: Vec::new() })
    }

    async fn request<B>(
        &self,
        method: &str,
        path: &str,
        body: B,
    ) -> Result<Response<Incoming>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|e| no_node(&self.socket, &e))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(odd)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "cbm")
            .header("content-type", "application/json")
            .body(body)
            .map_err(odd)?;
        let answer = sender.send_request(request).await.map_err(odd)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = whole(answer).await?;
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| odd(format!("HTTP {status}"))))
    }
}

impl Lines {
    /// The next bytes as they come; `None` at the end.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn next_run(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(odd)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The next object; `None` when the node ends the stream.
    ///
    /// # Errors
    /// The connection breaks, or a line is not what was asked for.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        loop {
            if let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                if line.len() > 1 {
                    return read(&line).map(Some);
                }
                continue;
            }
            if self.rest.len() > LINE_MAX {
                return Err(odd("a line without an end"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.map_err(odd)?.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

async fn whole(answer: Response<Incoming>) -> Result<Bytes, Failure> {
    let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(odd)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(odd)
}

fn odd(cause: impl std::fmt::Display) -> Failure {
    Failure::new(
        Code::Failed,
        "the node's answer was not understood",
        cause,
        "is the node of the same version as this program? `cbm --version` tells of both",
    )
}

fn no_node(socket: &Path, cause: &std::io::Error) -> Failure {
    let remedy = if cause.kind() == std::io::ErrorKind::PermissionDenied {
        "ask the operator to let your Unix user into the socket's folder"
    } else {
        "start it with `cbm run --config FILE`, and name the same FILE here"
    };
    Failure::new(
        Code::Unavailable,
        "no node answers",
        format!("{}: {cause}", socket.display()),
        remedy,
    )
}
