//! Clients: they speak SMTP as octets, in one of many ways, and some go away in the middle.

use std::{sync::Arc, time::Duration};

use testkit::disk::SeededRandom;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream},
    time::timeout,
};

use crate::{
    ledger::{Addressee, Answer, Sent},
    server::Under,
    settings::{DROPPED, HELD},
    weather::{DOMAINS, NOWHERE, NULL_MX, SENDERS},
    world::World,
};

/// A client gives up after this time without a reply.
const PATIENCE: Duration = Duration::from_mins(10);

/// One session.
pub(crate) struct Client {
    world: Arc<World>,
    random: SeededRandom,
    stream: BufReader<DuplexStream>,
    pipelining: bool,
    chunking: bool,
    under: Under,
}

/// A place in a transaction at which a client may go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Never,
    BeforeContent,
    InContent,
    BeforeReply,
}

impl Client {
    pub(crate) fn new(world: Arc<World>, (stream, under): (DuplexStream, Under)) -> Self {
        let random = world.chance();
        let (pipelining, chunking) = (random.one_in(2), random.one_in(3));
        Self { stream: BufReader::new(stream), pipelining, chunking, random, world, under }
    }

    /// Sends a few messages.
    pub(crate) async fn run(self) {
        // Broken off or not: what it knows is written down.
        let _ = self.talk().await;
    }

    async fn talk(mut self) -> Option<()> {
        self.reply().await?;
        self.say("EHLO client.example\r\n").await?;
        self.reply().await?;
        for _ in 0..=self.random.below(3) {
            let token = self.write_down();
            self.send(&token).await?;
        }
        self.say("QUIT\r\n").await?;
        self.reply().await.map(drop)
    }

    /// Makes up a message.
    fn write_down(&self) -> String {
        let random = &self.random;
        let mut books = self.world.ledger.books();
        let token = format!("m{}.", books.sent.len());
        let sender = (!random.one_in(8)).then(|| format!("{token}s@{SENDERS}"));
        let recipients = (0..=random.below(4)).map(|number| addressee(random, &token, number)).collect();
        let content = content(random, &token);
        let envid = random.one_in(3).then(|| format!("{token}envelope"));
        let ret = [None, Some("FULL"), Some("HDRS")][usize::try_from(random.below(3)).unwrap()];
        let sent = Sent { sender, recipients, content, envid, ret, answer: Answer::NotSent };
        let told = format!("{token} is made: {} octets, for {}", sent.content.len(), names(&sent.recipients));
        books.sent.insert(token.clone(), sent);
        drop(books);
        self.world.tell(told);
        token
    }

    async fn send(&mut self, token: &str) -> Option<()> {
        let sent = self.world.ledger.books().sent[token].clone();
        let leaves = self.leaves();
        let (sender, ret) = (sent.sender.as_deref().unwrap_or_default(), parameter("RET", sent.ret));
        let envid = parameter("ENVID", sent.envid.as_deref());
        let mut commands = vec![format!("MAIL FROM:<{sender}>{ret}{envid}\r\n")];
        commands.extend(sent.recipients.iter().map(|recipient| {
            format!("RCPT TO:<{}>{}\r\n", recipient.address, parameter("NOTIFY", recipient.notify))
        }));
        let replies = self.converse(&commands).await?;
        let accepted = &replies[1..];
        self.note_accepted(token, accepted);
        if replies[0] != 250 || !accepted.contains(&250) || leaves == Leaves::BeforeContent {
            if leaves != Leaves::Never {
                return None;
            }
            self.say("RSET\r\n").await?;
            return self.reply().await.map(drop);
        }
        self.content(token, &sent.content, leaves).await
    }

    fn leaves(&self) -> Leaves {
        if self.random.below(1000) >= self.world.plan.client || self.world.weather.is_clear() {
            return Leaves::Never;
        }
        match self.random.below(3) {
            0 => Leaves::BeforeContent,
            1 => Leaves::InContent,
            _ => Leaves::BeforeReply,
        }
    }

    async fn converse(&mut self, commands: &[String]) -> Option<Vec<u16>> {
        let mut replies = Vec::new();
        if self.pipelining {
            self.say(&commands.concat()).await?;
            for _ in commands {
                replies.push(self.reply().await?);
            }
        } else {
            for command in commands {
                self.say(command).await?;
                replies.push(self.reply().await?);
            }
        }
        Some(replies)
    }

    async fn content(&mut self, token: &str, content: &[u8], leaves: Leaves) -> Option<()> {
        let (octets, chunks) = if self.chunking {
            self.chunks(content)
        } else {
            self.say("DATA\r\n").await?;
            if self.reply().await? != 354 {
                return None;
            }
            ([&stuffed(content), &b".\r\n"[..]].concat(), 1)
        };
        if leaves == Leaves::InContent {
            let part = usize::try_from(self.random.below(octets.len() as u64)).unwrap();
            self.stream.write_all(&octets[..part]).await.ok()?;
            self.world.tell(format!("{token} is broken off by its client in its content"));
            return None;
        }
        self.answered(token, Answer::Silence);
        self.stream.write_all(&octets).await.ok()?;
        if leaves == Leaves::BeforeReply {
            self.world.tell(format!("{token} is complete, and its client is gone"));
            return None;
        }
        let mut code = self.reply().await?;
        for _ in 1..chunks {
            code = self.reply().await?;
        }
        self.answered(token, if code == 250 { Answer::Receipt } else { Answer::Refused(code) });
        Some(())
    }

    /// Content in a few chunks, one behind the other, and how many they are (RFC 3030 §2). They end anywhere, and may be empty.
    fn chunks(&self, content: &[u8]) -> (Vec<u8>, u64) {
        let (count, mut octets, mut rest) = (1 + self.random.below(4), Vec::new(), content);
        for _ in 1..count {
            let (chunk, behind) =
                rest.split_at(usize::try_from(self.random.below(rest.len() as u64)).unwrap());
            octets.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
            octets.extend_from_slice(chunk);
            rest = behind;
        }
        octets.extend_from_slice(format!("BDAT {} LAST\r\n", rest.len()).as_bytes());
        octets.extend_from_slice(rest);
        (octets, count)
    }

    fn note_accepted(&self, token: &str, replies: &[u16]) {
        let mut books = self.world.ledger.books();
        let Some(sent) = books.sent.get_mut(token) else { return };
        for (recipient, reply) in sent.recipients.iter_mut().zip(replies) {
            recipient.accepted = *reply == 250;
            recipient.ruled = self.under.get().and_then(|settings| settings.rule(&recipient.address));
        }
    }

    fn answered(&self, token: &str, answer: Answer) {
        if let Some(sent) = self.world.ledger.books().sent.get_mut(token) {
            sent.answer = answer;
        }
        self.world.tell(format!("{token} its client has {answer:?}"));
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).await.ok()
    }

    /// The code of the next reply.
    async fn reply(&mut self) -> Option<u16> {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await.ok()?.ok()?;
            let code = line.get(..3)?.parse().ok()?;
            if read == 0 || line.as_bytes().get(3) != Some(&b'-') {
                return Some(code);
            }
        }
    }
}

fn names(recipients: &[Addressee]) -> String {
    recipients.iter().map(|recipient| recipient.address.as_str()).collect::<Vec<_>>().join(", ")
}

fn parameter(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!(" {name}={value}")).unwrap_or_default()
}

fn addressee(random: &SeededRandom, token: &str, number: u64) -> Addressee {
    // Rules, where they are in force, know some by this.
    let mark = [DROPPED, HELD, ""][usize::try_from(random.below(30).min(2)).unwrap()];
    let remote = |domain: &str| format!("{token}r{number}{mark}@{domain}");
    let address = match random.below(20) {
        0..=3 => format!("anna+{token}r{number}{mark}@here.test"),
        4 => format!("otto+{token}r{number}{mark}@here.test"),
        5 => remote("here.test"),
        6 => remote(NULL_MX),
        7 => remote(NOWHERE),
        other => remote(DOMAINS[usize::try_from(other).unwrap() % DOMAINS.len()]),
    };
    let notify = match random.below(6) {
        0 => Some("NEVER"),
        1 => Some("SUCCESS,FAILURE"),
        2 => Some("FAILURE,DELAY"),
        3 => Some("SUCCESS"),
        _ => None,
    };
    Addressee { address, notify, accepted: false, ruled: None }
}

fn content(random: &SeededRandom, token: &str) -> Vec<u8> {
    let lines = match random.below(30) {
        0 => 3_000 + random.below(3_000),
        1..=4 => 200 + random.below(800),
        _ => 1 + random.below(30),
    };
    let mut text = format!(
        "From: {token}s@{SENDERS}\r\nTo: all@example.org\r\nDate: Mon, 23 Nov 2026 18:02:14 +0000\r\n\
         Message-ID: <{token}{}@client.example>\r\nSubject: {token}\r\n\r\n.one dot\r\n",
        random.below(1 << 40)
    );
    let body =
        (0..lines).map(|number| format!("{token} line {number} of {lines}, which tells whose it is\r\n"));
    text.extend(body);
    text.into_bytes()
}

/// RFC 5321 §4.5.2.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(content.len() + 8);
    for line in content.split_inclusive(|octet| *octet == b'\n') {
        if line.first() == Some(&b'.') {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
    }
    octets
}
