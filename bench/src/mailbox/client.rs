//! A light IMAP client: it says a command and sees when it is answered.

use super::scan::Scanner;
use crate::secure::Dialer;
use crate::{clock, dial};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_mins(5);
const BUFFER_OCTETS: usize = 256 << 10;

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// How a client comes by a server.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    /// TLS before the greeting; none: in clear.
    pub(super) tls: Option<Dialer>,
    pub(super) login: String,
    pub(super) password: String,
}

impl Door {
    /// The same for somebody else.
    pub(super) fn of(&self, login: &str) -> Self {
        Self { login: login.to_owned(), ..self.clone() }
    }
}

/// What was answered to a command.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// From the first octet of the command to the last one of its answer.
    pub(super) ns: u64,
    /// All octets of the answer.
    pub(super) octets: u64,
    /// FETCH responses.
    pub(super) fetched: u64,
    /// Numbers that a search found.
    pub(super) found: u64,
    /// How many messages there are, if that was said.
    pub(super) exists: Option<u64>,
    /// Other untagged responses, and the tagged one as the last.
    pub(super) lines: Vec<String>,
}

impl Told {
    fn take(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let mut words = text.split(' ').skip(1);
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        match (first, second) {
            ("SEARCH", _) => {
                self.found = text.split(' ').filter(|word| word.parse::<u32>().is_ok()).count() as u64;
            }
            (_, Some("FETCH")) => self.fetched += 1,
            (number, Some("EXISTS")) => self.exists = number.parse().ok(),
            _ => self.lines.push(text.into_owned()),
        }
    }

    /// The number behind a response code, such as `UIDVALIDITY`.
    pub(super) fn code(&self, name: &str) -> Option<u64> {
        self.lines.iter().find_map(|line| {
            let (_, behind) = line.split_once(&format!("[{name} "))?;
            behind.split(']').next()?.parse().ok()
        })
    }
}

/// A session.
pub(super) struct Client {
    stream: Box<dyn Stream>,
    scanner: Scanner,
    buffer: Vec<u8>,
    tag: u64,
    /// Responses that came and were not asked for yet.
    came: std::collections::VecDeque<Vec<u8>>,
}

impl Client {
    /// Connects and logs in.
    pub(super) fn open(door: &Door) -> io::Result<Self> {
        let socket = dial::and_wait(door.address, None)?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        let stream: Box<dyn Stream> = match &door.tls {
            Some(dialer) => {
                let mut connection: ClientConnection = dialer.connection()?;
                connection.set_buffer_limit(None);
                Box::new(StreamOwned::new(connection, socket))
            }
            None => Box::new(socket),
        };
        let (scanner, came) = (Scanner::default(), std::collections::VecDeque::new());
        let mut client = Self { stream, scanner, buffer: vec![0; BUFFER_OCTETS], tag: 0, came };
        client.line()?;
        client.ask(&format!("LOGIN {} \"{}\"", door.login, door.password))?;
        Ok(client)
    }

    /// Carries out a command; an answer other than OK is an error.
    pub(super) fn ask(&mut self, command: &str) -> io::Result<Told> {
        self.send(|tag| format!("{tag} {command}\r\n").into_bytes())
    }

    /// The same for a command that is more than a line; literals in it need no leave (RFC 7888).
    pub(super) fn send(&mut self, command: impl FnOnce(&str) -> Vec<u8>) -> io::Result<Told> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        let command = command(&tag);
        let started = clock::monotonic_ns();
        self.write(&command)?;
        self.finish(&tag, started)
    }

    /// As [`Self::send`], but waits for leave to send the literal, as most clients do.
    pub(super) fn send_in_turn(&mut self, command: &str, literal: &[u8]) -> io::Result<Told> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        let started = clock::monotonic_ns();
        self.write(format!("{tag} {command} {{{}}}\r\n", literal.len()).as_bytes())?;
        let leave = self.line()?;
        if !leave.starts_with(b"+") {
            return Err(io::Error::other(String::from_utf8_lossy(&leave).into_owned()));
        }
        self.write(&[literal, b"\r\n"].concat())?;
        self.finish(&tag, started)
    }

    fn finish(&mut self, tag: &str, started: u64) -> io::Result<Told> {
        let mut told = Told::default();
        let own = format!("{tag} ");
        loop {
            while let Some(line) = self.came.pop_front() {
                told.take(&line);
                if line.starts_with(own.as_bytes()) {
                    told.ns = clock::monotonic_ns() - started;
                    let text = String::from_utf8_lossy(&line).into_owned();
                    let is_ok = text.strip_prefix(&own).is_some_and(|answer| answer.starts_with("OK"));
                    return if is_ok { Ok(told) } else { Err(io::Error::other(text)) };
                }
            }
            told.octets += self.read()? as u64;
        }
    }

    /// Says IDLE, and waits until the server idles.
    pub(super) fn idle(&mut self) -> io::Result<()> {
        self.tag += 1;
        self.write(format!("t{} IDLE\r\n", self.tag).as_bytes())?;
        while !self.line()?.starts_with(b"+") {}
        Ok(())
    }

    /// The next response.
    pub(super) fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(line) = self.came.pop_front() {
                return Ok(line);
            }
            self.read()?;
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)?;
        self.stream.flush()
    }

    fn read(&mut self) -> io::Result<usize> {
        let count = self.stream.read(&mut self.buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Self { scanner, buffer, came, .. } = self;
        scanner.take(buffer.get(..count).unwrap_or_default(), |line| came.push_back(line.to_vec()));
        Ok(count)
    }

    /// What only waits needs no buffer.
    pub(super) fn rest(&mut self) {
        self.buffer = vec![0; 1024];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    /// A server that says this, each after a line has come but the first; and hands on what came.
    fn scripted(said: &'static [&'static str]) -> (Door, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(socket.try_clone().unwrap());
            let mut heard = Vec::new();
            for words in said {
                socket.write_all(words.as_bytes()).unwrap();
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                heard.push(line.trim_end().to_owned());
            }
            heard
        });
        (Door { address, tls: None, login: "a@b".to_owned(), password: "secret".to_owned() }, thread)
    }

    #[test]
    fn answers_are_taken_in_whole_and_refusals_are_errors() {
        let (door, server) = scripted(&[
            "* OK hello\r\n",
            "t1 OK in\r\n",
            "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* 1 FETCH (BODY[] {4}\r\nt2 O)\r\n* SEARCH 1 2\r\nt2 OK done\r\n",
            "+ go\r\n",
            "t3 NO over\r\n",
            "+ idling\r\n",
            "* 4 EXISTS\r\n",
        ]);
        let mut client = Client::open(&door).unwrap();
        let told = client.ask("X").unwrap();
        assert_eq!(
            (told.exists, told.fetched, told.found, told.code("UIDVALIDITY")),
            (Some(3), 1, 2, Some(7))
        );
        let refused = client.send_in_turn("APPEND y", b"z").unwrap_err();
        assert_eq!(refused.to_string(), "t3 NO over");
        client.idle().unwrap();
        client.write(b"DONE\r\n").unwrap();
        assert_eq!(client.line().unwrap(), b"* 4 EXISTS");
        drop(client);
        let heard = server.join().unwrap();
        assert_eq!(heard[..5], ["t1 LOGIN a@b \"secret\"", "t2 X", "t3 APPEND y {1}", "z", "t4 IDLE"]);
    }
}
