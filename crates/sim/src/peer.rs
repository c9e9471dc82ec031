//! Peers: SMTP servers that take mail, and defer, refuse, cut, stall and babble as the seed says.

use std::{sync::Arc, time::Duration};

use testkit::disk::SeededRandom;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream},
    time::sleep,
};

use crate::{
    ledger::{Taken, token_of},
    world::World,
};

/// Longer than any patience of ours.
const FOR_EVER: Duration = Duration::from_mins(30);

/// What a peer does at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Fine,
    Defer,
    Refuse,
    Busy,
    Cut,
    /// Does what it does, and then says nothing.
    Stall,
    Babble,
    Twice,
}

struct Session {
    world: Arc<World>,
    host: String,
    random: SeededRandom,
    stream: BufReader<DuplexStream>,
    /// The reverse-path, once MAIL was agreed to.
    from: Option<String>,
    to: Vec<String>,
    chunking: bool,
    dsn: bool,
    /// It has said a reply twice: from then on who speaks to it takes replies for others.
    misleads: bool,
}

/// Serves a connection until either side has enough.
pub(crate) async fn serve(world: Arc<World>, host: String, stream: DuplexStream) {
    let random = world.chance();
    let (chunking, dsn) = (random.one_in(2), random.one_in(3));
    let stream = BufReader::new(stream);
    let mut session =
        Session { world, host, random, stream, from: None, to: Vec::new(), chunking, dsn, misleads: false };
    // Either way it is over.
    let _ = session.run().await;
}

impl Session {
    async fn run(&mut self) -> Option<()> {
        self.step("CONNECT", "220 peer.example ESMTP").await?;
        loop {
            let line = self.line().await?;
            match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" | "HELO" => drop(self.step(&line, &self.extensions()).await?),
                "MAIL" => {
                    (self.from, self.to) = (None, Vec::new());
                    if self.step(&line, "250 2.1.0 Fine").await? == Act::Fine {
                        self.from = Some(path(&line));
                    }
                }
                "RCPT" if self.from.is_none() => self.say("503 5.5.1 No MAIL").await?,
                "RCPT" => {
                    self.mislead(&[path(&line)]);
                    if self.step(&line, "250 2.1.5 Fine").await? == Act::Fine {
                        self.to.push(path(&line));
                    }
                }
                "DATA" if self.to.is_empty() => self.say("554 5.5.1 No recipients").await?,
                "DATA" => {
                    if self.step(&line, "354 Go on").await? == Act::Fine {
                        let content = self.until_dot().await?;
                        self.end(&content).await?;
                    }
                }
                "BDAT" => {
                    let content = self.chunk(&line).await?;
                    if self.to.is_empty() {
                        self.say("554 5.5.1 No recipients").await?;
                    } else {
                        self.end(&content).await?;
                    }
                }
                "RSET" => {
                    (self.from, self.to) = (None, Vec::new());
                    self.say("250 2.0.0 Fine").await?;
                }
                "QUIT" => {
                    self.say("221 2.0.0 Bye").await?;
                    return None;
                }
                _ => self.say("500 5.5.2 What?").await?,
            }
        }
    }

    fn extensions(&self) -> String {
        let mut lines =
            vec!["peer.example", "PIPELINING", "SIZE 10000000", "8BITMIME", "ENHANCEDSTATUSCODES"];
        lines.extend(self.chunking.then_some("CHUNKING"));
        lines.extend(self.dsn.then_some("DSN"));
        let last = lines.len() - 1;
        let line = |(at, line): (usize, &&str)| format!("250{}{line}", if at < last { '-' } else { ' ' });
        lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
    }

    fn act(&self) -> Act {
        if self.random.below(1000) >= self.world.plan.peer || self.world.weather.is_clear() {
            return Act::Fine;
        }
        match self.random.below(10) {
            0..=2 => Act::Defer,
            3 => Act::Refuse,
            4 => Act::Busy,
            5 | 6 => Act::Cut,
            7 => Act::Stall,
            8 => Act::Babble,
            _ => Act::Twice,
        }
    }

    /// Answers a line, perhaps with what it should not. `Fine` if it has agreed. None: the session is over.
    async fn step(&mut self, line: &str, reply: &str) -> Option<Act> {
        self.pause().await;
        let act = self.act();
        if act != Act::Fine {
            self.tell(&format!("{act:?} at {line}"));
        }
        self.misleads |= act == Act::Twice;
        self.enact(act, reply).await?;
        Some(if act == Act::Twice { Act::Fine } else { act })
    }

    async fn enact(&mut self, act: Act, reply: &str) -> Option<()> {
        match act {
            Act::Fine => self.say(reply).await,
            Act::Twice => {
                self.say(reply).await?;
                self.say(reply).await
            }
            Act::Defer => self.say("450 4.2.0 Not now").await,
            Act::Refuse => self.say("550 5.1.1 Never").await,
            Act::Busy => {
                self.say("421 4.3.2 Too much").await?;
                None
            }
            Act::Cut => None,
            Act::Stall => {
                sleep(FOR_EVER).await;
                None
            }
            Act::Babble => self.say("%%% what is this").await,
        }
    }

    /// The end of a message: taken or not, and told or not.
    async fn end(&mut self, content: &[u8]) -> Option<()> {
        let act = self.act();
        let takes = matches!(act, Act::Fine | Act::Twice)
            || matches!(act, Act::Cut | Act::Stall | Act::Babble) && self.random.one_in(2);
        let to = std::mem::take(&mut self.to);
        self.mislead(&to);
        self.pause().await;
        if takes {
            self.take(&to, content);
        } else {
            self.tell(&format!("{act:?} at the end of the message for {}", to.join(", ")));
        }
        self.pause().await;
        self.enact(act, "250 2.0.0 Taken").await?;
        if takes && matches!(act, Act::Fine | Act::Twice) {
            self.told(&to);
        }
        Some(())
    }

    fn take(&self, to: &[String], content: &[u8]) {
        let (at, life) = (self.world.clock.elapsed(), self.world.life());
        let mut books = self.world.ledger.books();
        for recipient in to {
            books.taken.entry(recipient.clone()).or_default().push(Taken { at, life, told: None });
            if let Some(wrong) = books.sent_content_differs(recipient, content) {
                books.wrongs.push(wrong);
            }
        }
        let from = self.from.as_deref().unwrap_or_default();
        if from.is_empty() {
            books.report(content);
        }
        drop(books);
        self.tell(&format!("takes the message from <{from}> for {}", to.join(", ")));
    }

    /// What the server believes of them is no fault of its own.
    fn mislead(&self, to: &[String]) {
        if self.misleads {
            self.world.ledger.books().misled.extend(to.iter().cloned());
        }
    }

    /// The server has its 250.
    fn told(&self, to: &[String]) {
        let now = self.world.clock.elapsed();
        let mut books = self.world.ledger.books();
        for recipient in to {
            if let Some(last) = books.taken.get_mut(recipient).and_then(|all| all.last_mut()) {
                last.told = Some(now);
            }
        }
        drop(books);
        self.tell(&format!("has said so of {}", to.join(", ")));
    }

    fn tell(&self, what: &str) {
        let all = if token_of(what).is_some() { "" } else { "* " };
        self.world.tell(format!("{all}peer {}: {what}", self.host));
    }

    async fn pause(&self) {
        sleep(Duration::from_millis(self.random.below(200))).await;
    }

    async fn say(&mut self, reply: &str) -> Option<()> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        line.ends_with("\r\n").then(|| line.trim_end().to_owned())
    }

    async fn until_dot(&mut self) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).await.ok().filter(|read| *read > 0)?;
            match line.as_slice() {
                b".\r\n" => return Some(content),
                [b'.', rest @ ..] => content.extend_from_slice(rest),
                line => content.extend_from_slice(line),
            }
        }
    }

    /// All chunks of a message from the first on.
    async fn chunk(&mut self, first: &str) -> Option<Vec<u8>> {
        let (mut content, mut line) = (Vec::new(), first.to_owned());
        loop {
            let rest = line.strip_prefix("BDAT ")?;
            let (octets, last) = rest.strip_suffix(" LAST").map_or((rest, false), |octets| (octets, true));
            let mut chunk = vec![0; octets.parse().ok()?];
            self.stream.read_exact(&mut chunk).await.ok()?;
            content.extend_from_slice(&chunk);
            if last {
                return Some(content);
            }
            self.say("250 2.0.0 Go on").await?;
            line = self.line().await?;
        }
    }
}

fn path(line: &str) -> String {
    let (_, rest) = line.split_once('<').unwrap_or_default();
    rest.split_once('>').unwrap_or_default().0.to_owned()
}
