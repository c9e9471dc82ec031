//! A mail exchanger with a script: takes what it is sent and remembers it, or refuses as told.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::wait::eventually;

/// Decides a reply by the command line, or by `.` for the end of data. `None`: the usual reply.
pub type Script = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A message that the sink answered with 250.
#[derive(Debug, Clone)]
pub struct Received {
    /// The session it came in, counted from 0.
    pub session: usize,
    /// The MAIL line.
    pub mail: String,
    /// The RCPT lines that were accepted.
    pub recipients: Vec<String>,
    /// The content, dots unstuffed.
    pub content: Vec<u8>,
    /// When its 250 had been written.
    pub at: SystemTime,
}

/// A listening sink; dropping it ends it.
pub struct Sink {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    sessions: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Sink {
    /// Listens on `host` and `port` (0: any) and accepts everything.
    pub fn start(host: impl Into<IpAddr>, port: u16) -> Self {
        Self::with_script(host, port, Arc::new(|_| None))
    }

    /// As `start`, with replies of one's own.
    pub fn with_script(host: impl Into<IpAddr>, port: u16, script: Script) -> Self {
        let listener = TcpListener::bind((host.into(), port)).expect("a port for the sink");
        let address = listener.local_addr().expect("the sink's address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let sessions = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let sink = Self {
            address,
            received: Arc::clone(&received),
            sessions: Arc::clone(&sessions),
            stop: Arc::clone(&stop),
        };
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { break };
                sessions.fetch_add(1, Ordering::SeqCst);
                let (received, script) = (Arc::clone(&received), Arc::clone(&script));
                // How a session ends is the peer's affair: a test kills it in the middle.
                thread::spawn(move || drop(Session::new(number, stream, script, received).run()));
            }
        });
        sink
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many have connected so far.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    /// What it took so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a message to a recipient.
    pub fn wait_for(&self, recipient: &str, within: Duration) -> Received {
        let wanted = format!("<{recipient}>");
        let is_for = |mail: &Received| mail.recipients.iter().any(|line| line.contains(&wanted));
        let what = format!("mail to {recipient} at the sink");
        eventually(&what, within, || self.received().into_iter().find(is_for))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then gives the port back.
        let _ = TcpStream::connect(self.address);
    }
}

struct Session {
    number: usize,
    stream: BufReader<TcpStream>,
    script: Script,
    received: Arc<Mutex<Vec<Received>>>,
    mail: String,
    recipients: Vec<String>,
}

impl Session {
    fn new(number: usize, stream: TcpStream, script: Script, received: Arc<Mutex<Vec<Received>>>) -> Self {
        let stream = BufReader::new(stream);
        Self { number, stream, script, received, mail: String::new(), recipients: Vec::new() }
    }

    fn run(mut self) -> io::Result<()> {
        self.stream.get_ref().set_nodelay(true)?;
        let greeting = (self.script)("").unwrap_or_else(|| "220 sink.test ESMTP".to_owned());
        self.say(&greeting)?;
        while let Some(line) = self.line()? {
            let verb = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
            let reply = (self.script)(&line).unwrap_or_else(|| self.usual(&verb));
            if reply.starts_with("250") {
                self.note(&verb, line);
            }
            self.say(&reply)?;
            match verb.as_str() {
                "DATA" if reply.starts_with("354") => self.data()?,
                "QUIT" => return self.stream.get_ref().shutdown(Shutdown::Both),
                _ if reply.starts_with("421") => return self.stream.get_ref().shutdown(Shutdown::Both),
                _ => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, verb: &str, line: String) {
        match verb {
            "MAIL" => {
                self.mail = line;
                self.recipients.clear();
            }
            "RCPT" => self.recipients.push(line),
            "RSET" => self.recipients.clear(),
            _ => {}
        }
    }

    fn data(&mut self) -> io::Result<()> {
        let mut content = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line == b".\r\n" {
                break;
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let reply = (self.script)(".").unwrap_or_else(|| "250 2.0.0 Taken".to_owned());
        self.say(&reply)?;
        if reply.starts_with('2') {
            let (mail, recipients) = (std::mem::take(&mut self.mail), std::mem::take(&mut self.recipients));
            let taken = Received { session: self.number, mail, recipients, content, at: SystemTime::now() };
            self.received.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let octets = self.stream.read_line(&mut line)?;
        Ok((octets > 0).then(|| line.trim_end().to_owned()))
    }

    fn say(&mut self, reply: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{reply}\r\n").as_bytes())
    }

    fn usual(&self, verb: &str) -> String {
        let reply = match verb {
            "EHLO" => EHLO,
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 2.0.0 Ok",
            // RFC 2920 §3.1: a client may have sent DATA behind recipients that were all refused.
            "DATA" if self.recipients.is_empty() => "554 5.5.1 No valid recipients",
            "DATA" => "354 Go on",
            "QUIT" => "221 2.0.0 Bye",
            _ => "500 5.5.1 What",
        };
        reply.to_owned()
    }
}

const EHLO: &str = "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES";
