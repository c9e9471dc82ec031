//! The way to a peer; tests put a script at its other end.

use std::io;

use dns::BoxFuture;
use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::next_hop::Place;

/// A connection: TCP now, TLS over it later.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Makes connections.
pub trait Connect: Send + Sync {
    /// Connects, without a limit of time: the caller sets one.
    fn connect<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, io::Result<Box<dyn Stream>>>;
}

/// Connects by TCP, and to sockets of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SocketConnect;

impl Connect for SocketConnect {
    fn connect<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let address = match place {
                Place::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?) as Box<dyn Stream>),
                Place::Tcp(address) => address,
            };
            let stream = TcpStream::connect(address).await?;
            // Commands and content leave in as few writes as can be; Nagle's delay would only cost time.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// Whether a connection failed for want of something of ours: descriptors, memory, or ports to connect from. The peer has no
/// part in it.
pub(crate) fn is_our_fault(error: &io::Error) -> bool {
    const OURS: [Errno; 5] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    OURS.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
