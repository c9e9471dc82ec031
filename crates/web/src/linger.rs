//! A stream whose end the client hears of.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a client may still talk whose request was too much, so that the answer reaches it before a reset does.
const LINGER: Duration = Duration::from_secs(2);
/// And how much, in octets.
const LINGER_OCTETS_MAX: usize = 4 * 1024 * 1024;

/// Reads on for a moment after its end was sent, and forgets what comes: closing on octets that nobody has read sends a reset.
pub(crate) struct Lingering<S> {
    stream: S,
    /// Set once the end was sent.
    until: Option<Pin<Box<Sleep>>>,
    left: usize,
}

impl<S> Lingering<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, until: None, left: LINGER_OCTETS_MAX }
    }
}

impl<S: AsyncRead + Unpin> Lingering<S> {
    /// Ready when the client has closed too, or had enough time.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.left > 0 {
            if self.until.as_mut().is_none_or(|until| until.as_mut().poll(cx).is_ready()) {
                break;
            }
            let mut space = [0; 4096];
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buffer.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.until.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.until = Some(Box::pin(sleep(LINGER)));
        }
        self.poll_rest(cx).map(Ok)
    }
}
