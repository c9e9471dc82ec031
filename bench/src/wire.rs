//! A socket that does not block, in clear or under TLS.

use rustls::{Connection, HandshakeKind};
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::TcpStream;

/// Octets in and out; what TLS makes of them is seen to here.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    tls: Option<Box<Connection>>,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Goes on under TLS. What is written from now on waits for the handshake.
    pub(crate) fn secure(&mut self, connection: impl Into<Connection>) -> io::Result<()> {
        self.tls = Some(Box::new(connection.into()));
        self.flush().map(drop)
    }

    /// Whether the handshake resumed an earlier session, once that is known.
    pub(crate) fn resumed(&self) -> Option<bool> {
        Some(self.tls.as_ref()?.handshake_kind()? == HandshakeKind::Resumed)
    }

    /// Reads once and hands on what is to be read in that. `Ok(false)`: the peer closed its side.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        let count = match self.socket.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if again(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        let mut octets = buffer.get(..count).unwrap_or_default();
        let Some(tls) = &mut self.tls else {
            take(octets);
            return Ok(true);
        };
        let mut open = true;
        while !octets.is_empty() {
            tls.read_tls(&mut octets)?;
            if let Err(error) = tls.process_new_packets() {
                // The peer is told why, if it still listens.
                drop(self.flush());
                return Err(io::Error::other(error));
            }
            open = hand_on(tls, &mut take)?;
        }
        self.flush()?;
        Ok(open)
    }

    /// Writes as much as there is room for; how much that was.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            return match self.socket.write(octets) {
                Err(error) if again(&error) => Ok(0),
                written => written,
            };
        }
        let mut written = 0;
        while let Some(rest) = octets.get(written..).filter(|rest| !rest.is_empty()) {
            let Some(tls) = &mut self.tls else { break };
            let taken = tls.writer().write(rest)?;
            written += taken;
            if !self.flush()? || taken == 0 {
                break;
            }
        }
        Ok(written)
    }

    /// Writes what TLS still holds. `Ok(false)`: there is no room for all of it.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if again(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether TLS holds something for which there was no room.
    pub(crate) fn waits(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

/// Hands on all that can be read now. `Ok(false)`: the peer has said that this was all.
fn hand_on(tls: &mut Connection, take: &mut impl FnMut(&[u8])) -> io::Result<bool> {
    let mut reader = tls.reader();
    loop {
        let octets = match reader.fill_buf() {
            Ok([]) => return Ok(false),
            Ok(chunk) => {
                take(chunk);
                chunk.len()
            }
            Err(error) if again(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        reader.consume(octets);
    }
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::{Dialer, Tls, acceptor};
    use rustls::ServerConnection;
    use std::net::TcpListener;

    /// Both ends of a connection on loopback.
    fn pair() -> (Wire, Wire) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        for socket in [&near, &far] {
            socket.set_nonblocking(true).unwrap();
        }
        (Wire::new(near), Wire::new(far))
    }

    /// What `to` reads until it has `count` octets; `from` goes on meanwhile.
    fn read(to: &mut Wire, from: &mut Wire, count: usize) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
        while all.len() < count {
            assert!(to.receive(&mut buffer, |octets| all.extend_from_slice(octets)).unwrap());
            assert!(from.receive(&mut buffer, |_| ()).unwrap());
            from.flush().unwrap();
        }
        all
    }

    #[test]
    fn what_is_written_before_the_handshake_is_over_comes_after_it() {
        let (dialer, config) = (Dialer::new(Tls::Implicit, true).unwrap(), acceptor().unwrap());
        for resumed in [false, true] {
            let (mut client, mut server) = pair();
            client.secure(dialer.connection().unwrap()).unwrap();
            server.secure(ServerConnection::new(config.clone()).unwrap()).unwrap();
            assert_eq!(client.write(b"EHLO a\r\n").unwrap(), 8);
            assert_eq!(read(&mut server, &mut client, 8), b"EHLO a\r\n");
            assert_eq!(server.write(b"250 b\r\n").unwrap(), 7);
            assert_eq!(read(&mut client, &mut server, 7), b"250 b\r\n");
            assert_eq!((client.resumed(), server.resumed()), (Some(resumed), Some(resumed)));
        }
    }

    #[test]
    fn what_has_no_room_waits() {
        let (dialer, config) = (Dialer::new(Tls::Implicit, false).unwrap(), acceptor().unwrap());
        let (mut client, mut server) = pair();
        client.secure(dialer.connection().unwrap()).unwrap();
        server.secure(ServerConnection::new(config).unwrap()).unwrap();
        client.write(b"x").unwrap();
        read(&mut server, &mut client, 1);
        let large = vec![b'y'; 64 << 20];
        let mut written = client.write(&large).unwrap();
        assert!(written < large.len() && client.waits());
        let (mut came, mut buffer) = (0, vec![0; 1 << 20]);
        while came < large.len() {
            server.receive(&mut buffer, |octets| came += octets.len()).unwrap();
            client.flush().unwrap();
            written += client.write(&large[written..]).unwrap();
        }
        assert!(client.flush().unwrap() && !client.waits());
    }
}
