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
    use std::{
        io::{Read, Write},
        time::{Duration, Instant},
    };

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const ROUNDS: u32 = 200;
    /// What a round costs at least where the acknowledgement is held back: Linux holds it so long.
    const HELD_BACK: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn what_comes_in_two_parts_does_not_wait_for_a_held_back_acknowledgement() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let began = Instant::now();
            for _ in 0..ROUNDS {
                stream.write_all(b"one").unwrap();
                stream.write_all(b"two").unwrap();
                stream.read_exact(&mut [0]).unwrap();
            }
            began.elapsed()
        });
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = Acknowledging::new(stream);
        for _ in 0..ROUNDS {
            let mut both = [0; 6];
            stream.read_exact(&mut both).await.unwrap();
            assert_eq!(&both, b"onetwo");
            stream.write_all(b"!").await.unwrap();
        }
        let took = client.join().unwrap();
        assert!(took < HELD_BACK * ROUNDS / 2, "{took:?} for {ROUNDS} rounds");
    }
}
