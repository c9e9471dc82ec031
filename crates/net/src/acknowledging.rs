//! A socket that acknowledges what came before it waits for more.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection whose peer writes one thing in several parts.
///
/// The kernel holds an acknowledgement back for some 40 ms, so that it goes with a reply (RFC 1122 §4.2.3.2). A peer that has not turned
/// Nagle's algorithm off holds the last part of what it writes back until all before it is acknowledged (RFC 1122 §4.2.3.4). Where a message
/// and the end of its command are two parts, as Python's imaplib sends them, the two wait for each other. So what came and was not
/// answered is acknowledged once more is waited for: then no reply is due that the acknowledgement could go with.
#[derive(Debug)]
pub struct Acknowledging {
    stream: TcpStream,
    /// Octets came since any were sent.
    unanswered: bool,
}

impl Acknowledging {
    /// This connection, nothing of which was read.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, unanswered: false }
    }
}

impl AsyncRead for Acknowledging {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_ready() {
            self.unanswered |= buffer.filled().len() > before;
        } else if std::mem::take(&mut self.unanswered) {
            // Without it the peer waits longer, and nothing else.
            let _ = self.stream.set_quickack(true);
        }
        polled
    }
}

impl AsyncWrite for Acknowledging {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, octets));
        self.unanswered = false;
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// After so many questions and answers the kernel waits for an answer that its acknowledgement can go with.
    const ROUNDS: u32 = 20;

    #[tokio::test]
    async fn the_first_of_two_parts_is_acknowledged_when_the_second_is_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = Acknowledging::new(listener.accept().await.unwrap().0);
        for _ in 0..ROUNDS {
            client.write_all(b"?").await.unwrap();
            server.read_exact(&mut [0]).await.unwrap();
            server.write_all(b"!").await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
        }
        client.write_all(b"one").await.unwrap();
        server.read_exact(&mut [0; 3]).await.unwrap();
        assert!(!server.stream.quickack().unwrap(), "the kernel holds it back");
        let mut octets = [0; 1];
        let mut buffer = ReadBuf::new(&mut octets);
        let waits = poll_fn(|cx| Poll::Ready(Pin::new(&mut server).poll_read(cx, &mut buffer).is_pending()));
        assert!(waits.await);
        assert!(server.stream.quickack().unwrap(), "it is sent");
    }
}
