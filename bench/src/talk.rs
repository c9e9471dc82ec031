//! A session that is spoken in one command after the other, for those that wait anyway.

use crate::dial;
use crate::secure::{Dialer, Tls};
use crate::source::{Replies, Reply};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a reply may take.
const REPLY_MAX: Duration = Duration::from_secs(30);

/// What is spoken over.
trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// A session; dropped, it ends without a word.
pub(crate) struct Talk {
    stream: Box<dyn Stream>,
    replies: Replies,
}

impl Talk {
    /// Connects, from an address if one is given, goes under TLS if it should, and says EHLO.
    pub(crate) fn open(server: SocketAddr, from: Option<IpAddr>, tls: Option<&Dialer>) -> io::Result<Self> {
        let socket = dial::and_wait(server, from)?;
        socket.set_read_timeout(Some(REPLY_MAX))?;
        let (mut talk, socket) = match tls.filter(|dialer| dialer.tls == Tls::Implicit) {
            Some(dialer) => (Self::over(secured(dialer, socket)?), None),
            None => (Self::over(socket.try_clone()?), Some(socket)),
        };
        talk.reply()?.good()?;
        talk.ask(b"EHLO source.test\r\n")?.good()?;
        if let (Some(dialer), Some(socket)) = (tls, socket) {
            talk.ask(b"STARTTLS\r\n")?.good()?;
            talk = Self::over(secured(dialer, socket)?);
            talk.ask(b"EHLO source.test\r\n")?.good()?;
        }
        Ok(talk)
    }

    fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), replies: Replies::default() }
    }

    /// Says something and waits for the reply.
    pub(crate) fn ask(&mut self, line: &[u8]) -> io::Result<Reply> {
        self.say(line)?;
        self.reply()
    }

    /// Says something.
    pub(crate) fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)?;
        self.stream.flush()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(reply) = self.replies.next() {
                return Ok(reply);
            }
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.replies.receive(buffer.get(..count).unwrap_or_default());
        }
    }
}

impl Reply {
    /// An error with the words of the server, but for 2yz and 3yz.
    pub(crate) fn good(self) -> io::Result<Self> {
        if (200..400).contains(&self.code) { Ok(self) } else { Err(io::Error::other(self.text)) }
    }
}

fn secured(dialer: &Dialer, socket: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    Ok(StreamOwned::new(dialer.connection()?, socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Manner, Sink};

    #[test]
    fn words_are_exchanged_in_clear_and_under_tls() {
        let sink = Sink::securing(Manner::Accepting).unwrap();
        let dialer = Dialer::new(Tls::Starttls, true).unwrap();
        for tls in [None, Some(&dialer)] {
            let mut talk = Talk::open(sink.address, Some(IpAddr::from([127, 9, 8, 7])), tls).unwrap();
            assert_eq!(talk.ask(b"NOOP\r\n").unwrap().code, 250);
            let refused = talk.ask(b"XYZ\r\n").unwrap().good().unwrap_err();
            assert_eq!(refused.to_string(), "500 Not known here");
        }
    }
}
