//! An SMTP client that says what a test tells it to, octet by octet.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a reply may take: generous, for a busy machine. RFC 5321 §4.5.3.2 allows minutes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and reads the greeting, which must be 220.
    pub fn connect(to: SocketAddr) -> Self {
        let mut client = Self::open(to).expect("a connection");
        assert_eq!(client.reply().expect("a greeting").0, 220);
        client
    }

    /// Connects without waiting for the greeting.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The address that the server sees.
    pub fn address(&self) -> Ipv4Addr {
        match self.stream.get_ref().local_addr() {
            Ok(SocketAddr::V4(address)) => *address.ip(),
            other => panic!("no IPv4 address: {other:?}"),
        }
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// Reads one reply, all its lines.
    pub fn reply(&mut self) -> io::Result<(u16, String)> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            text.push_str(&line);
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, line.clone()))?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok((code, text));
            }
        }
    }

    /// Sends a command line and reads its reply.
    pub fn command(&mut self, line: &str) -> io::Result<(u16, String)> {
        self.send(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends a command line whose reply must have the code; gives the reply's text.
    pub fn expect(&mut self, line: &str, code: u16) -> String {
        let (found, text) = self.command(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(found, code, "{line}: {text}");
        text
    }

    /// Sends a whole message; gives the reply that decided: the first refusal, or the one to the end of data.
    /// `content` has CRLF line ends, is dot-stuffed here and need not end with CRLF.
    pub fn mail(&mut self, from: &str, to: &[&str], content: &str) -> io::Result<(u16, String)> {
        let to: Vec<String> = to.iter().map(|to| format!("<{to}>")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        self.mail_as(&format!("<{from}>"), &to, content)
    }

    /// As `mail`, with paths and parameters as they stand: `<anna@here.test> BODY=8BITMIME`.
    pub fn mail_as(&mut self, from: &str, to: &[&str], content: &str) -> io::Result<(u16, String)> {
        let mail = format!("MAIL FROM:{from}");
        let rcpt = to.iter().map(|to| format!("RCPT TO:{to}"));
        for line in [mail].into_iter().chain(rcpt).chain(["DATA".to_owned()]) {
            let (code, text) = self.command(&line)?;
            if code >= 400 {
                let _ = self.command("RSET")?;
                return Ok((code, text));
            }
        }
        let stuffed = content.trim_end_matches("\r\n").replace("\r\n.", "\r\n..");
        self.send(stuffed.as_bytes())?;
        self.command("\r\n.")
    }
}
