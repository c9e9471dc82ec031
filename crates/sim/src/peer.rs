//! Peers: SMTP servers, and a store that speaks LMTP, which take mail, and defer, refuse, cut, stall and babble as the seed says.

use std::{sync::Arc, time::Duration};

use testkit::disk::SeededRandom;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream},
    time::sleep,
};

use crate::{
    ledger::{Taken, token_of},
    weather::{SENDERS, STORE, is_host_of},
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

#[expect(clippy::struct_excessive_bools, reason = "what it offers and how it fares, each by itself")]
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
    /// It is a store: at the end of a message it answers for each recipient (RFC 2033 §4.2).
    lmtp: bool,
    /// It has said a reply twice: from then on who speaks to it takes replies for others.
    misleads: bool,
}

/// Serves a connection until either side has enough.
pub(crate) async fn serve(world: Arc<World>, host: String, stream: DuplexStream) {
    let random = world.chance();
    let (chunking, dsn) = (random.one_in(2), random.one_in(3));
    let stream = BufReader::new(stream);
    let lmtp = host == std::net::Ipv4Addr::from(STORE).to_string();
    let (from, to, misleads) = (None, Vec::new(), false);
    let mut session = Session { world, host, random, stream, from, to, chunking, dsn, lmtp, misleads };
    // Either way it is over.
    let _ = session.run().await;
}

impl Session {
    async fn run(&mut self) -> Option<()> {
        self.step("CONNECT", "220 peer.example ESMTP", None).await?;
        loop {
            let line = self.line().await?;
            match line.split([' ', ':']).next().unwrap_or_default() {
                "HELO" => {
                    (self.chunking, self.dsn) = (false, false);
                    self.step(&line, "250 peer.example", None).await?;
                }
                "EHLO" | "LHLO" => drop(self.step(&line, &self.extensions(), None).await?),
                "MAIL" => {
                    (self.from, self.to) = (None, Vec::new());
                    if self.step(&line, "250 2.1.0 Fine", None).await? == Act::Fine {
                        self.from = Some(path(&line));
                    }
                }
                "RCPT" if self.from.is_none() => self.say("503 5.5.1 No MAIL").await?,
                "RCPT" => {
                    let recipient = [path(&line)];
                    self.mislead(&recipient);
                    self.check_passed_on(&recipient[0], &line);
                    if self.step(&line, "250 2.1.5 Fine", Some(&recipient)).await? == Act::Fine {
                        self.to.extend(recipient);
                    }
                }
                "DATA" if self.to.is_empty() => self.say("554 5.5.1 No recipients").await?,
                "DATA" => {
                    if self.step(&line, "354 Go on", None).await? == Act::Fine {
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
    /// `to`: whom the answer is about, if not all of the session.
    async fn step(&mut self, line: &str, reply: &str, to: Option<&[String]>) -> Option<Act> {
        self.pause().await;
        let act = self.act();
        if act != Act::Fine {
            self.tell(&format!("{act:?} at {line}"));
        }
        self.misleads |= act == Act::Twice;
        self.enact(act, reply, to).await?;
        Some(if act == Act::Twice { Act::Fine } else { act })
    }

    async fn enact(&mut self, act: Act, reply: &str, to: Option<&[String]>) -> Option<()> {
        match act {
            Act::Fine => self.say(reply).await,
            Act::Twice => {
                self.say(reply).await?;
                self.say(reply).await
            }
            Act::Defer => self.say(&self.phrase("450 4.2.0 Not now", to)).await,
            Act::Refuse => self.say(&self.phrase("550 5.1.1 Never", to)).await,
            Act::Busy => {
                self.say(&self.phrase("421 4.3.2 Too much", to)).await?;
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
        let to = std::mem::take(&mut self.to);
        if !self.lmtp {
            if self.end_for(&to, content).await? {
                self.told(&to);
            }
            return Some(());
        }
        let mut taken = Vec::new();
        for recipient in to {
            let one = std::slice::from_ref(&recipient);
            if self.end_for(one, content).await? {
                taken.push(recipient);
            }
        }
        self.told(&taken);
        Some(())
    }

    /// Whether they have it, and the server was told so. It may wait for what it is told of others before it settles anything.
    async fn end_for(&mut self, to: &[String], content: &[u8]) -> Option<bool> {
        let act = self.act();
        self.misleads |= act == Act::Twice && self.lmtp;
        let takes = matches!(act, Act::Fine | Act::Twice)
            || matches!(act, Act::Cut | Act::Stall | Act::Babble) && self.random.one_in(2);
        self.mislead(to);
        self.pause().await;
        if takes {
            self.take(to, content);
        } else {
            self.tell(&format!("{act:?} at the end of the message for {}", to.join(", ")));
        }
        self.pause().await;
        self.enact(act, &self.phrase("250 2.0.0 Taken", Some(to)), Some(to)).await?;
        Some(takes && matches!(act, Act::Fine | Act::Twice))
    }

    fn take(&self, to: &[String], content: &[u8]) {
        let (at, life) = (self.world.clock.elapsed(), self.world.life());
        let mut books = self.world.ledger.books();
        for recipient in to {
            let taken = Taken { at, life, told: None, dsn: self.dsn };
            let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
            if !is_host_of(&self.host, domain) {
                let wrong =
                    (token_of(recipient).unwrap_or_default(), format!("{recipient} went to {}", self.host));
                books.wrongs.push(wrong);
            }
            books.taken.entry(recipient.clone()).or_default().push(taken);
            if let Some(wrong) = books.sent_content_differs(recipient, content) {
                books.wrongs.push(wrong);
            }
        }
        let from = self.from.as_deref().unwrap_or_default();
        for recipient in to.iter().filter(|to| from.is_empty() && to.ends_with(SENDERS)) {
            books.report(recipient, content);
        }
        drop(books);
        self.tell(&format!("takes the message from <{from}> for {}", to.join(", ")));
    }

    /// A reply in words that nobody else has, which the books know.
    fn phrase(&self, reply: &str, to: Option<&[String]>) -> String {
        let mut books = self.world.ledger.books();
        let reply = format!("{reply} ({})", books.said.len());
        books.said.insert(reply.clone(), to.map(<[String]>::to_vec));
        reply
    }

    /// Who takes the parameters of DSN takes the duty to report: so they have to be there (RFC 3461 §5.2.1).
    fn check_passed_on(&self, recipient: &str, line: &str) {
        let mut books = self.world.ledger.books();
        let Some(token) = token_of(recipient).filter(|_| self.dsn) else { return };
        let Some(sent) = books.sent.get(&token) else { return };
        let known = sent.recipients.iter().find(|known| known.address == recipient);
        let asked = known.and_then(|known| known.notify).unwrap_or_default();
        if !asked.split(',').all(|word| line.contains(word)) {
            let wrong = format!("{recipient}: of NOTIFY={asked} the next hop heard {line}");
            books.wrongs.push((token, wrong));
        }
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
