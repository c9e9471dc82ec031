//! Scripted SMTP and LMTP servers behind the seam where connections are made: in memory, or behind sockets on loopback.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use deliver::{Connect, Place, SocketConnect, Stream};
use dns::BoxFuture;
use net::{Acceptor, Channel, TlsMode};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, duplex},
    net::TcpListener,
    sync::Notify,
    time::interval,
};

/// How fast the slow are: an octet in so long.
const TICK: Duration = Duration::from_millis(20);
const WITHIN: Duration = Duration::from_secs(20);
const LONG_LINE_OCTETS: usize = 64 * 1024;

/// What a peer does instead of the usual, by the beginning of the line it got; `CONNECT`, `CONTENT` and `.` stand for
/// a new connection, the first octets of content and its end. A client that says LHLO gets a reply for each recipient at
/// the end; `. ` and the recipient stand for it.
pub(crate) type Rules = Vec<(&'static str, Does)>;

/// What a peer does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    Say(&'static str),
    SayAndClose(&'static str),
    /// Says it, and throws away what the client has sent by then: it knows nothing of pipelining.
    SayAndForget(&'static str),
    /// Says it octet by octet.
    Trickle(&'static str),
    /// Says it again and again, without end.
    Flood(&'static str),
    /// The same, with a pause behind each line.
    Drip(&'static str),
    /// Says this and then a text of 64 KiB, in one line.
    SayLong(&'static str),
    Close,
    /// Reads on and says nothing.
    KeepSilent,
    /// Neither reads nor says anything, and does not close.
    Freeze,
}

use Does::{Close, Drip, Flood, Freeze, KeepSilent, Say, SayAndClose, SayAndForget, SayLong, Trickle};

/// What a peer speaks over.
type Wire = BufReader<Box<dyn Stream>>;

/// A message as a peer got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) content: String,
}

/// A peer: what it does and what it saw.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    rules: Mutex<Rules>,
    pub(crate) got: Mutex<Vec<Got>>,
    pub(crate) lines: Mutex<Vec<String>>,
    heard: Notify,
    /// It begins with TLS.
    tls: Mutex<Option<Acceptor>>,
}

impl Peer {
    pub(crate) fn obey(&self, rules: Rules) {
        *self.rules.lock().unwrap() = rules;
    }

    /// From now on it begins with TLS.
    pub(crate) fn begin_with_tls(&self, acceptor: Acceptor) {
        *self.tls.lock().unwrap() = Some(acceptor);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// How many lines began so; `CONNECT` counts connections.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// Waits until so many lines began so.
    pub(crate) async fn heard(&self, beginning: &str, count: usize) {
        while self.count(beginning) < count {
            self.heard.notified().await;
        }
    }

    fn does(&self, line: &str) -> Does {
        self.lines.lock().unwrap().push(line.to_owned());
        self.heard.notify_one();
        let rules = self.rules.lock().unwrap();
        if let Some((_, does)) = rules.iter().find(|(beginning, _)| line.starts_with(beginning)) {
            return *does;
        }
        match line.split([' ', ':']).next().unwrap_or_default() {
            "CONNECT" => Say("220 peer.example ESMTP"),
            "EHLO" | "LHLO" => Say(
                "250-peer.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
            ),
            "DATA" => Say("354 Go on"),
            "." => Say("250 2.0.0 Taken"),
            "QUIT" => Say("221 2.0.0 Bye"),
            "MAIL" | "RCPT" | "RSET" => Say("250 2.1.0 Fine"),
            "CONTENT" | "BDAT" => Say(""),
            _ => Say("500 5.5.2 What?"),
        }
    }

    async fn serve(self: Arc<Self>, stream: Box<dyn Stream>) -> Option<()> {
        let acceptor = self.tls.lock().unwrap().clone();
        let stream = match acceptor {
            Some(acceptor) => {
                let mut channel = Channel::new(stream, TlsMode::Implicit(acceptor), WITHIN);
                channel.begin().await.ok()?;
                Box::new(channel)
            }
            None => stream,
        };
        let mut stream = BufReader::new(stream);
        self.act(&mut stream, "CONNECT").await?;
        let (mut from, mut to, mut open, mut lmtp) = (String::new(), Vec::new(), false, false);
        loop {
            let line = line(&mut stream).await?;
            let reply = self.act(&mut stream, &line).await?;
            match line.split([' ', ':']).next().unwrap_or_default() {
                "LHLO" => lmtp = true,
                "MAIL" => (from, to, open) = (path(&line), Vec::new(), reply.starts_with('2')),
                "RCPT" if open && reply.starts_with('2') => to.push(path(&line)),
                "DATA" if reply.starts_with('3') => {
                    self.act(&mut stream, "CONTENT").await?;
                    let content = content(&mut stream).await?;
                    let got = Got { from: std::mem::take(&mut from), to: std::mem::take(&mut to), content };
                    if lmtp {
                        self.end_each(&mut stream, got).await?;
                    } else {
                        self.end(&mut stream, got).await?;
                    }
                }
                "BDAT" if reply.is_empty() => {
                    let content = chunk(&mut stream, &line).await?;
                    let got = Got { from: std::mem::take(&mut from), to: std::mem::take(&mut to), content };
                    if lmtp {
                        self.end_each(&mut stream, got).await?;
                    } else {
                        self.end(&mut stream, got).await?;
                    }
                }
                "QUIT" => return None,
                _ => {}
            }
        }
    }

    /// One reply for all recipients.
    async fn end(&self, stream: &mut Wire, got: Got) -> Option<()> {
        let does = self.does(".");
        let reply = self.enact(stream, does).await?;
        // RFC 2920 §3.1: who pipelined DATA behind refused recipients ends it without content for anybody.
        if reply.starts_with('2') && !got.to.is_empty() {
            self.got.lock().unwrap().push(got);
        }
        (!matches!(does, SayAndClose(_))).then_some(())
    }

    /// A reply for each recipient.
    async fn end_each(&self, stream: &mut Wire, got: Got) -> Option<()> {
        for to in &got.to {
            let does = self.does(&format!(". {to}"));
            if self.enact(stream, does).await?.starts_with('2') {
                self.got.lock().unwrap().push(Got { to: vec![to.clone()], ..got.clone() });
            }
            if let SayAndClose(_) = does {
                return None;
            }
        }
        Some(())
    }

    async fn act(&self, stream: &mut Wire, line: &str) -> Option<String> {
        self.enact(stream, self.does(line)).await
    }

    /// Gives what was said; none if that was the last.
    async fn enact(&self, stream: &mut Wire, does: Does) -> Option<String> {
        match does {
            Say("") => return Some(String::new()),
            Say(reply) | SayAndClose(reply) => say(stream, reply).await?,
            SayAndForget(reply) => {
                let sent = stream.buffer().len();
                stream.consume(sent);
                say(stream, reply).await?;
            }
            SayLong(reply) => say(stream, &format!("{reply}{}", "x".repeat(LONG_LINE_OCTETS))).await?,
            Trickle(reply) => {
                let mut tick = interval(TICK);
                for octet in reply.bytes().chain(*b"\r\n") {
                    tick.tick().await;
                    stream.write_all(&[octet]).await.ok()?;
                }
            }
            Flood(reply) => loop {
                say(stream, reply).await?;
            },
            Drip(reply) => {
                let mut tick = interval(TICK * 10);
                loop {
                    tick.tick().await;
                    say(stream, reply).await?;
                }
            }
            Close => return None,
            KeepSilent => {
                // Until the client gives up.
                let _ = stream.read_to_end(&mut Vec::new()).await;
                return None;
            }
            Freeze => std::future::pending().await,
        }
        let (SayAndForget(reply) | SayLong(reply) | Trickle(reply) | Say(reply) | SayAndClose(reply)) = does
        else {
            return None;
        };
        Some(reply.to_owned())
    }
}

async fn say(stream: &mut Wire, reply: &str) -> Option<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()
}

async fn line(stream: &mut Wire) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}

async fn content(stream: &mut Wire) -> Option<String> {
    let mut content = String::new();
    while !content.ends_with("\r\n.\r\n") && content != ".\r\n" {
        stream.read_line(&mut content).await.ok().filter(|read| *read > 0)?;
    }
    content.truncate(content.len() - 3);
    Some(content)
}

/// The only chunk of a message.
async fn chunk(stream: &mut Wire, line: &str) -> Option<String> {
    let octets = line.strip_prefix("BDAT ")?.strip_suffix(" LAST")?.parse().ok()?;
    let mut content = vec![0; octets];
    stream.read_exact(&mut content).await.ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

fn path(line: &str) -> String {
    let (_, rest) = line.split_once('<').unwrap();
    rest.split_once('>').unwrap().0.to_owned()
}

/// The network: peers by address; every other address refuses.
#[derive(Debug, Default)]
pub(crate) struct Network {
    peers: Mutex<HashMap<IpAddr, Arc<Peer>>>,
    /// Whether connections are real ones, over loopback.
    sockets: AtomicBool,
    /// The next connection is a bug.
    panics: AtomicBool,
    /// So many more connections cannot be opened for want of a descriptor.
    lacking: AtomicUsize,
}

impl Network {
    /// The peer at an address, made if it is new.
    pub(crate) fn peer(&self, address: &str) -> Arc<Peer> {
        Arc::clone(self.peers.lock().unwrap().entry(address.parse().unwrap()).or_default())
    }

    /// Whoever makes the next connection panics.
    pub(crate) fn panic_once(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    /// So many connections from now on cannot be opened: the process has no descriptor left.
    pub(crate) fn lack_descriptors(&self, connections: usize) {
        self.lacking.store(connections, Ordering::Relaxed);
    }

    /// From now on connections are made as the program makes them, to sockets of the peers on loopback.
    pub(crate) fn use_sockets(&self) {
        self.sockets.store(true, Ordering::Relaxed);
    }
}

impl Connect for Network {
    fn connect<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        let Place::Tcp(address) = place else {
            return Box::pin(async { Err(io::ErrorKind::NotFound.into()) });
        };
        let peer = self.peers.lock().unwrap().get(&address.ip()).cloned();
        let sockets = self.sockets.load(Ordering::Relaxed);
        assert!(!self.panics.swap(false, Ordering::Relaxed), "the fault that the test asks for");
        let less = |lacking: usize| lacking.checked_sub(1);
        let lacks = self.lacking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        Box::pin(async move {
            if lacks {
                return Err(rustix::io::Errno::MFILE.into());
            }
            let Some(peer) = peer else { return Err(io::ErrorKind::ConnectionRefused.into()) };
            if sockets {
                return over_sockets(peer).await;
            }
            let (ours, theirs) = duplex(16 * 1024);
            tokio::spawn(peer.serve(Box::new(theirs)));
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

async fn over_sockets(peer: Arc<Peer>) -> io::Result<Box<dyn Stream>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let place = Place::Tcp(listener.local_addr()?);
    let ours = SocketConnect.connect(&place).await?;
    let (theirs, _) = listener.accept().await?;
    tokio::spawn(peer.serve(Box::new(theirs)));
    Ok(ours)
}
