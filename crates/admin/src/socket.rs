//! The Unix socket that the API is served on: ours alone, and gone when the server is.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use axum::Router;
use tokio::net::{UnixListener, UnixSocket};

/// The kernel's `sun_path` holds 108 octets, of which the last is NUL (unix(7)).
const PATH_OCTETS_MAX: usize = 107;

/// Clients that may wait: the command line sends one request at a time.
const BACKLOG: u32 = 128;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The kernel takes no such path.
    #[error("the path of the control socket is too long: {} ({} octets, at most {PATH_OCTETS_MAX})", path.display(), path.as_os_str().len())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// Something that is no socket stands there; it is not ours to remove.
    #[error("cannot listen on {}: something that is no socket is there", path.display())]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on {}: {source}", path.display())]
    Bind {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SocketError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "choose a data directory with a shorter path",
            Self::Occupied { .. } => "move it away, or choose another data directory",
            Self::Bind { .. } => "the server's user must be able to write to the data directory",
        }
    }
}

/// Binds the socket, readable and writable by our user alone. Only the holder of the data directory's lock may call this: a socket that is
/// there already can then only be what a crashed server left, and is replaced.
///
/// # Errors
/// See [`SocketError`].
pub fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    if path.as_os_str().len() > PATH_OCTETS_MAX {
        return Err(SocketError::TooLong { path: path.to_owned() });
    }
    let failed = |source| SocketError::Bind { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(SocketError::Occupied { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // The mode is set between bind(2) and listen(2): before that nobody can connect, whatever the name's first mode was.
    let bound =
        UnixSocket::new_stream().and_then(|socket| socket.bind(path).map(|()| socket)).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    bound.listen(BACKLOG).map_err(failed)
}

/// Serves until `shutdown` completes and the requests in work are answered.
///
/// # Errors
/// The socket failed.
pub async fn serve(
    listener: UnixListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}
