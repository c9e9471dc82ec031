//! A light LMTP client (RFC 2033).

use crate::source::Replies;
use crate::{clock, dial};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const REPLY_MAX: Duration = Duration::from_mins(1);

/// When a message was given away, and when it was answered for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivered {
    /// Its final dot was written.
    pub(super) dot_ns: u64,
    /// The 250 came.
    pub(super) reply_ns: u64,
}

/// A session.
#[derive(Debug)]
pub(super) struct Lmtp {
    socket: TcpStream,
    replies: Replies,
}

impl Lmtp {
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        let socket = dial::and_wait(server, None)?;
        socket.set_read_timeout(Some(REPLY_MAX))?;
        let mut lmtp = Self { socket, replies: Replies::default() };
        lmtp.reply(220)?;
        lmtp.socket.write_all(b"LHLO source.test\r\n")?;
        lmtp.reply(250)?;
        Ok(lmtp)
    }

    /// Gives a message for one recipient away. No line of it may begin with a dot.
    pub(super) fn deliver(&mut self, to: &str, message: &[u8]) -> io::Result<Delivered> {
        let envelope = format!("MAIL FROM:<source@source.test>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        self.socket.write_all(envelope.as_bytes())?;
        for code in [250, 250, 354] {
            self.reply(code)?;
        }
        self.socket.write_all(&[message, b".\r\n"].concat())?;
        let dot_ns = clock::monotonic_ns();
        self.reply(250)?;
        Ok(Delivered { dot_ns, reply_ns: clock::monotonic_ns() })
    }

    fn reply(&mut self, code: u16) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(reply) = self.replies.next() {
                return if reply.code == code { Ok(()) } else { Err(io::Error::other(reply.text)) };
            }
            let count = self.socket.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.replies.receive(buffer.get(..count).unwrap_or_default());
        }
    }
}
