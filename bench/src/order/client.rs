//! Clients that send until the server has enough of it.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a reply may take; a server that hangs on a dead disk is killed before.
const REPLY_MAX: Duration = Duration::from_mins(2);

/// Running clients, and the tokens of what was answered with `250`.
pub(super) struct Flood {
    clients: Vec<JoinHandle<()>>,
    taken: Arc<Mutex<BTreeSet<String>>>,
}

impl Flood {
    /// Each client sends one message after the other until a reply is no `250` or its session ends.
    pub(super) fn start(server: SocketAddr, name: &str, clients: usize) -> Self {
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let client = |number: usize| {
            let (taken, name) = (Arc::clone(&taken), format!("{name}-{number}"));
            // How a session ends is the server's affair.
            std::thread::spawn(move || drop(send(server, &name, u64::MAX, &taken)))
        };
        Self { clients: (0..clients).map(client).collect(), taken }
    }

    /// Waits for the clients, which end with the server; gives what was taken.
    pub(super) fn end(self) -> BTreeSet<String> {
        for client in self.clients {
            drop(client.join());
        }
        std::mem::take(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One message, so that the server makes what it makes for its first.
pub(super) fn warm_up(server: SocketAddr) -> io::Result<()> {
    let taken = Mutex::default();
    send(server, "warm-up", 1, &taken)?;
    let is_taken = !taken.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
    is_taken.then_some(()).ok_or_else(|| io::Error::other("the first message was not taken"))
}

fn send(server: SocketAddr, name: &str, most: u64, taken: &Mutex<BTreeSet<String>>) -> io::Result<()> {
    let mut session = Session::open(server)?;
    session.command("EHLO client.bench.test")?;
    for count in 0..most {
        let token = format!("{name}-{count}");
        for line in ["MAIL FROM:<source@client.bench.test>", "RCPT TO:<user@sink.bench.test>", "DATA"] {
            if session.command(line)? >= 400 {
                return Ok(());
            }
        }
        if session.command(&format!("Subject: {token}\r\n\r\n{}\r\n.", body(&token)))? != 250 {
            return Ok(());
        }
        taken.lock().unwrap_or_else(PoisonError::into_inner).insert(token);
    }
    Ok(())
}

/// The body of a message: most are small, some have some blocks.
fn body(token: &str) -> String {
    let lines = match token.bytes().fold(7_usize, |sum, octet| (sum * 31 + usize::from(octet)) % 997) % 20 {
        0 => 800,
        other => other * 3,
    };
    let line = format!("{token} 0123456789 abcdefghijklmnopqrstuvwxyz\r\n");
    format!("{}{}", line.repeat(lines), ending(token))
}

/// How its body ends.
pub(super) fn ending(token: &str) -> String {
    format!("the end of {token}.")
}

/// The token of a message that came out.
pub(super) fn token(content: &str) -> Option<&str> {
    content.lines().find_map(|line| line.strip_prefix("Subject: "))
}

/// Whether its body came out as it was sent; servers add fields in front of it.
pub(super) fn is_whole(token: &str, came: &str) -> bool {
    let came = came.split_once("\r\n\r\n").map(|(_, body)| body.trim_end());
    came.is_some_and(|came| came == body(token))
}

/// Whether somebody greets there.
pub(super) fn greets(server: SocketAddr) -> bool {
    Session::open(server).is_ok()
}

struct Session(BufReader<TcpStream>);

impl Session {
    fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(REPLY_MAX))?;
        stream.set_nodelay(true)?;
        let mut session = Self(BufReader::new(stream));
        match session.reply()? {
            220 => Ok(session),
            other => Err(io::Error::other(format!("greeted with {other}"))),
        }
    }

    fn command(&mut self, line: &str) -> io::Result<u16> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<u16> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                let code = line.get(..3).and_then(|code| code.parse().ok());
                return code.ok_or_else(|| io::Error::other(format!("no reply: {line}")));
            }
        }
    }
}
