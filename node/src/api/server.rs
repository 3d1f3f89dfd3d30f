//! The socket of the local API, and who is at the other end of a connection.
//!
//! The socket file is 0660 in a folder of 0750 that is made when missing: officers are users of their
//! own, let in by the node's group. A file that a node left behind when it was killed is taken away;
//! one that a running node answers on is not.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use axum::{Router, extract::connect_info::Connected, serve::IncomingStream};
use tokio::net::{UnixListener, UnixStream};

/// Rights of the socket's folder when we make it: the operators' group may enter.
const FOLDER_MODE: u32 = 0o750;
/// Rights of the socket: the user that the node runs as, and its group.
const SOCKET_MODE: u32 = 0o660;

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error("another node answers on {0}; stop it, or name another socket in the configuration")]
    Taken(PathBuf),
    /// Something else stands there.
    #[error("{0} is there and is no socket; move it away, or name another socket")]
    NotASocket(PathBuf),
    /// The operating system says no.
    #[error("the socket {path} cannot be made: {cause}; look at the rights of its folder")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// The user at the other end of a connection, as the kernel names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `None` when the kernel does not say.
    pub uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|cred| cred.uid()) }
    }
}

/// Opens the socket.
///
/// # Errors
/// [`SocketError`].
pub async fn open(path: &Path) -> Result<UnixListener, SocketError> {
    let io = |cause| SocketError::Io { path: path.to_owned(), cause };
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(io)?;
    }
    if let Ok(there) = fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(SocketError::Taken(path.to_owned()));
        }
        fs::remove_file(path).map_err(io)?;
    }
    let listener = UnixListener::bind(path).map_err(io)?;
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE)).map_err(io)?;
    Ok(listener)
}

/// Answers on the socket until `stop` ends; then takes nothing new and answers what it has taken.
///
/// # Errors
/// The listener breaks.
pub async fn serve(
    listener: UnixListener,
    routes: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = routes.into_make_service_with_connect_info::<Caller>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run").join("cbm.sock");
        drop(open(&path).await.unwrap());
        assert!(path.exists(), "as after a kill");
        let live = open(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        let run = path.parent().unwrap();
        assert_eq!(fs::metadata(run).unwrap().permissions().mode() & 0o777, FOLDER_MODE);
        assert!(matches!(open(&path).await, Err(SocketError::Taken(_))));
        drop(live);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cbm.sock");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(open(&path).await, Err(SocketError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
