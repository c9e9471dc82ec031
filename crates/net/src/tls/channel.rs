//! A connection that is in clear or under TLS, and can go from the one to the other.

use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use mail::TlsSession;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::{HandshakeError, TlsMode};
use crate::deflate::Deflated;

/// A connection. In clear it costs a comparison per call and no memory.
#[derive(Debug)]
pub struct Channel<S> {
    wire: Wire<S>,
    mode: TlsMode,
    /// How long a handshake may take.
    within: Duration,
}

#[derive(Debug)]
enum Wire<S> {
    Clear(S),
    /// Boxed: most sessions are in clear, and the state of TLS is large.
    Secure(Box<TlsStream<S>>),
    /// Compressed, within TLS or in clear.
    Deflated(Box<Deflated<Plain<S>>>),
    /// A handshake failed.
    Lost,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channel<S> {
    /// In clear for good.
    pub fn clear(stream: S) -> Self {
        Self::new(stream, TlsMode::None, Duration::ZERO)
    }

    /// In clear, to be put under TLS within this time once that begins.
    pub fn new(stream: S, mode: TlsMode, within: Duration) -> Self {
        Self { wire: Wire::Clear(stream), mode, within }
    }

    pub(super) fn secured(stream: TlsStream<S>) -> Self {
        Self { wire: Wire::Secure(Box::new(stream)), mode: TlsMode::None, within: Duration::ZERO }
    }

    /// The stream itself, as long as it is in clear: for a client that is about to shake hands over it.
    pub fn into_clear(self) -> Option<S> {
        match self.wire {
            Wire::Clear(stream) => Some(stream),
            Wire::Secure(_) | Wire::Deflated(_) | Wire::Lost => None,
        }
    }

    /// What our login at a server can be bound to (`tls-exporter`, RFC 9266), of a session of ours with it. Of TLS 1.2 there is none.
    pub fn exporter(&self) -> Option<Box<[u8]>> {
        let Wire::Secure(stream) = &self.wire else { return None };
        let TlsStream::Client(stream) = stream.as_ref() else { return None };
        let connection = stream.get_ref().1;
        if connection.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
            return None;
        }
        super::exported(connection.export_keying_material([0; 32], super::BINDING_LABEL, Some(&[])))
    }

    /// Compresses both ways from here on (RFC 4978). Once; after that nothing changes.
    pub(crate) fn compress(&mut self) {
        self.wire = match mem::replace(&mut self.wire, Wire::Lost) {
            Wire::Clear(stream) => Wire::Deflated(Box::new(Deflated::new(Plain::Clear(stream)))),
            Wire::Secure(stream) => Wire::Deflated(Box::new(Deflated::new(Plain::Secure(stream)))),
            other => other,
        };
    }

    /// Whether TLS comes before a word of the protocol.
    pub(crate) fn begins_with_tls(&self) -> bool {
        self.mode.is_implicit() && matches!(self.wire, Wire::Clear(_))
    }

    /// Shakes hands if the connection begins with that: for a server that is no [`Protocol`](crate::Protocol) and reads and writes by itself.
    ///
    /// # Errors
    /// The handshake came to nothing; the connection is closed.
    pub async fn begin(&mut self) -> Result<(), HandshakeError> {
        if self.begins_with_tls() {
            self.secure().await?;
        }
        Ok(())
    }

    /// Answers the client's handshake. What it sent before is taken for a part of it, so nothing that came in clear is ever
    /// read as if it had come under TLS.
    ///
    /// # Errors
    /// The handshake came to nothing; the connection is closed.
    pub(crate) async fn secure(&mut self) -> Result<TlsSession, HandshakeError> {
        let (TlsMode::StartTls(acceptor) | TlsMode::Implicit(acceptor)) = &self.mode else {
            return Err(HandshakeError::NotOffered);
        };
        let Wire::Clear(stream) = mem::replace(&mut self.wire, Wire::Lost) else {
            return Err(HandshakeError::NotOffered);
        };
        // Boxed, because the future of a handshake is large and idle sessions must not hold room for it.
        let (stream, session) = Box::pin(acceptor.accept(stream, self.within)).await?;
        self.wire = Wire::Secure(Box::new(stream));
        Ok(session)
    }
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// Closed without a word of TLS, as many do. A protocol that needs to know where something ends has an end of its own: nothing that
/// is cut off here is taken for whole.
fn ended(read: io::Result<()>) -> io::Result<()> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        result => result,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Channel<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_read(cx, to),
            Wire::Secure(stream) => Poll::Ready(ended(ready!(Pin::new(stream).poll_read(cx, to)))),
            Wire::Deflated(stream) => Pin::new(stream).poll_read(cx, to),
            Wire::Lost => Poll::Ready(Err(lost())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Channel<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_write(cx, octets),
            Wire::Secure(stream) => Pin::new(stream).poll_write(cx, octets),
            Wire::Deflated(stream) => Pin::new(stream).poll_write(cx, octets),
            Wire::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Secure(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Deflated(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Deflated(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Lost => Poll::Ready(Err(lost())),
        }
    }
}

/// What can be compressed.
#[derive(Debug)]
enum Plain<S> {
    Clear(S),
    Secure(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Plain<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, to),
            Self::Secure(stream) => Poll::Ready(ended(ready!(Pin::new(stream).poll_read(cx, to)))),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Plain<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Secure(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
