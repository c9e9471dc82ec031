//! Plays the lines of a dialogue over the connections that its world gives.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    error::Error,
    fmt, io,
    path::Path,
    time::Duration,
};

use tokio::io::AsyncWriteExt;

use super::{
    Dialogue, World,
    client::{Client, Heard, PATIENCE, settle},
    language::{ANY, Line, What, escape, matches},
};

/// How long the server may stay silent when a file is brought up to date, in real time.
const SETTLE: Duration = Duration::from_millis(150);

/// What did not come true.
#[derive(Debug)]
pub struct Mismatch {
    line: usize,
    text: String,
    transcript: Vec<String>,
}

impl Mismatch {
    pub(super) fn at(line: usize, text: String) -> Self {
        Self { line, text, transcript: Vec::new() }
    }

    pub(super) fn of_file(path: &Path, error: &io::Error) -> Self {
        Self::at(0, format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)?;
        if !self.transcript.is_empty() {
            f.write_str("\nwhat was said:")?;
        }
        self.transcript.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl Error for Mismatch {}

/// Plays all of it; returns what was said in each block of `S:` lines, by the number of its first line.
pub(super) async fn play<W: World>(
    dialogue: &Dialogue,
    world: &mut W,
    update: bool,
) -> Result<BTreeMap<usize, Vec<String>>, Mismatch> {
    let mut player = Player { world, clients: BTreeMap::new(), transcript: Vec::new() };
    let mut said = BTreeMap::new();
    let mut lines = dialogue.lines.as_slice();
    while let [line, rest @ ..] = lines {
        lines = rest;
        let played = match &line.what {
            What::Expect { client, .. } if update => {
                let block: Vec<_> =
                    std::iter::once(line).chain(rest).map_while(|l| expected(l, *client)).collect();
                lines = rest.get(block.len() - 1..).unwrap_or_default();
                player.listen(*client, &block).await.map(|lines| drop(said.insert(line.number, lines)))
            }
            _ => player.line(line).await,
        };
        if let Err(text) = played {
            return Err(Mismatch { line: line.number, text, transcript: player.transcript });
        }
    }
    if !update {
        player.nothing_left().await.map_err(|text| Mismatch::at(0, text))?;
    }
    Ok(said)
}

fn expected(line: &Line, of: usize) -> Option<(usize, &str)> {
    match &line.what {
        What::Expect { client, times, expected } if *client == of => Some((*times, expected)),
        _ => None,
    }
}

struct Player<'a, W: World> {
    world: &'a mut W,
    clients: BTreeMap<usize, Client<W::Stream>>,
    transcript: Vec<String>,
}

impl<W: World> Player<'_, W> {
    async fn line(&mut self, line: &Line) -> Result<(), String> {
        match &line.what {
            What::Given(fact) => self.world.given(fact).await,
            What::Dns(record) => self.world.dns(record).await,
            What::Disk(fault) => self.world.disk(fault).await,
            What::Then(fact) => self.world.then(fact).await,
            What::Later(time) => {
                // What was sent before shall have arrived before the time passes.
                settle().await;
                self.world.later(*time).await
            }
            What::Send { client, octets } => {
                self.transcript.push(format!("{client}C: {}", short(&escape(octets))));
                self.client(*client).await?.send(octets).await
            }
            What::Close { client } => {
                // Failing means that the server closed first, which the next line sees.
                let _ = self.client(*client).await?.stream.shutdown().await;
                Ok(())
            }
            What::Expect { client, times: ANY, expected } => self.expect_lines(*client, expected).await,
            What::Expect { client, times, expected } => {
                for _ in 0..*times {
                    self.expect(*client, expected).await?;
                }
                Ok(())
            }
        }
    }

    async fn client(&mut self, number: usize) -> Result<&mut Client<W::Stream>, String> {
        match self.clients.entry(number) {
            Entry::Occupied(client) => Ok(client.into_mut()),
            Entry::Vacant(place) => {
                let stream =
                    self.world.connect(number).await.map_err(|error| format!("cannot connect: {error}"))?;
                Ok(place.insert(Client::new(stream)))
            }
        }
    }

    async fn expect(&mut self, number: usize, expected: &str) -> Result<(), String> {
        let client = self.client(number).await?;
        let heard = match expected {
            "(silent)" => client.hears_now().await,
            _ => client.hears(PATIENCE).await?,
        };
        let shown = heard.to_string();
        self.transcript.push(format!("{number}S: {}", short(&shown)));
        let same = match heard {
            Heard::Line(line) => matches(expected, &line),
            other => expected == other.to_string(),
        };
        if same {
            Ok(())
        } else {
            Err(format!("expected `{expected}`, but the server said `{}`", short(&shown)))
        }
    }

    /// One line, and then as many more as are like it.
    async fn expect_lines(&mut self, number: usize, expected: &str) -> Result<(), String> {
        self.expect(number, expected).await?;
        loop {
            let client = self.client(number).await?;
            match client.hears(PATIENCE).await? {
                Heard::Line(line) if matches(expected, &line) => {
                    self.transcript.push(format!("{number}S: {}", short(&line)));
                }
                other => {
                    client.unhear(other);
                    return Ok(());
                }
            }
        }
    }

    /// Everything that the server says until it is silent, as `S:` lines; those expected lines that match are kept.
    async fn listen(&mut self, number: usize, expected: &[(usize, &str)]) -> Result<Vec<String>, String> {
        let client = self.client(number).await?;
        let mut said = Vec::new();
        let mut expected = expected.iter().copied();
        let mut block = expected.next();
        let mut left = block.map_or(0, |(times, _)| times);
        loop {
            let heard = client.hears(SETTLE).await.unwrap_or(Heard::Silence);
            let over = !matches!(heard, Heard::Line(_));
            let shown = heard.to_string();
            let passed = block.is_some_and(|(times, pattern)| times == ANY && !matches(pattern, &shown));
            if left == 0 || passed {
                block = expected.next();
                left = block.map_or(0, |(times, _)| times);
            }
            match block {
                Some((ANY, pattern)) if matches(pattern, &shown) => {
                    let line = format!("S*: {pattern}");
                    if said.last() != Some(&line) {
                        said.push(line);
                    }
                }
                Some((times, pattern)) if left > 0 && matches(pattern, &shown) => {
                    left -= 1;
                    if left == 0 {
                        said.push(if times == 1 {
                            format!("S: {pattern}")
                        } else {
                            format!("S*{times}: {pattern}")
                        });
                    }
                }
                _ if matches!(heard, Heard::Silence) => {}
                _ => {
                    said.push(format!("S: {}", without_id(&shown)));
                    left = left.saturating_sub(1);
                }
            }
            if over {
                return Ok(said);
            }
        }
    }

    /// Whatever the server still says at the end was not expected.
    async fn nothing_left(&mut self) -> Result<(), String> {
        for (number, client) in &mut self.clients {
            if let Heard::Line(line) = client.hears_now().await {
                return Err(format!("after the last line the server said to client {number}: {line}"));
            }
        }
        Ok(())
    }
}

fn short(text: &str) -> String {
    const MAX: usize = 300;
    let mut short: String = text.chars().take(MAX).collect();
    if short.len() < text.len() {
        short.push_str(" [...]");
    }
    short
}

/// A queue id differs from run to run.
fn without_id(line: &str) -> String {
    match line.split_once("Queued as ") {
        Some((before, _)) => format!("{before}Queued as ..."),
        None => line.to_owned(),
    }
}
