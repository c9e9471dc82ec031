//! Messages that come into mailboxes: appended by clients, and delivered by LMTP.

use super::client::{Client, Door};
use super::server::{RECIPIENTS, Running, recipient};
use super::{content, fill, lmtp::Lmtp};
use crate::{Failure, clock};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    /// APPEND by so many clients at a time, each waiting for leave to send, as most clients do.
    Append(u64),
    /// APPEND by one client that sends without leave (LITERAL+, RFC 7888).
    AppendAtOnce,
    /// Fifty in one command (MULTIAPPEND, RFC 3502).
    MultiAppend,
    /// LMTP over so many sessions.
    Lmtp(u64),
}

pub(super) const APPENDS: [Write; 4] =
    [Write::Append(1), Write::AppendAtOnce, Write::MultiAppend, Write::Append(10)];
pub(super) const DELIVERIES: [Write; 2] = [Write::Lmtp(1), Write::Lmtp(20)];
const AT_ONCE: u64 = 50;
/// How long mail may take into its mailbox once it was taken.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

impl Write {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Append(1) => "APPEND",
            Self::Append(_) => "APPEND, 10 clients",
            Self::AppendAtOnce => "APPEND, LITERAL+",
            Self::MultiAppend => "APPEND, 50 at once",
            Self::Lmtp(1) => "LMTP, 1 session",
            Self::Lmtp(_) => "LMTP, 20 sessions",
        }
    }
}

/// A round of one of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    /// Of the server, for each message.
    pub(super) cpu_us: f64,
}

impl Rate {
    fn of(count: u64, wall_ns: u64, cpu_ns: u64) -> Self {
        Self {
            per_second: crate::stats::per_second(count, wall_ns),
            cpu_us: crate::stats::us_each(cpu_ns, count),
        }
    }
}

/// Puts so many messages into a new mailbox. Each round has numbers of its own: what is there already is kept once.
pub(super) fn append(
    write: Write,
    server: &Running,
    door: &Door,
    round: u64,
    messages: u64,
    octets: usize,
) -> Result<Rate, Failure> {
    let clients = if let Write::Append(clients) = write { clients } else { 1 };
    let each = messages / clients;
    let first = 1_000_000 * (round + 1);
    let mailbox = |client: u64| format!("Appended-{round}-{}-{client}", write.name().len());
    let mut sessions = Vec::new();
    for number in 0..clients {
        let mut client = Client::open(door)?;
        client.ask(&format!("CREATE \"{}\"", mailbox(number)))?;
        sessions.push(client);
    }
    // Made before, for the client shares the machine.
    let all: Vec<Vec<u8>> =
        (first..first + messages).map(|number| content::message(number, octets)).collect();
    let (cpu, started) = (server.cpu_ns(), clock::monotonic_ns());
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..clients)
            .zip(sessions.iter_mut())
            .zip(all.chunks(usize::try_from(each).unwrap_or(1).max(1)))
            .map(|((number, client), chunk)| {
                let mailbox = format!("\"{}\"", mailbox(number));
                scope.spawn(move || {
                    lane(write, client, &mailbox, first, chunk, octets).map_err(|error| error.to_string())
                })
            })
            .collect();
        for lane in lanes {
            lane.join().map_err(|_| "a client panicked")??;
        }
        Ok::<_, Failure>(())
    })?;
    let (wall, cpu) = (clock::monotonic_ns() - started, server.cpu_ns().saturating_sub(cpu));
    for (number, client) in (0..clients).zip(&mut sessions) {
        let there = client.ask(&format!("EXAMINE \"{}\"", mailbox(number)))?.exists;
        if there != Some(each) {
            return Err(format!("{there:?} messages instead of {each}").into());
        }
    }
    Ok(Rate::of(each * clients, wall, cpu))
}

fn lane(
    write: Write,
    client: &mut Client,
    mailbox: &str,
    first: u64,
    messages: &[Vec<u8>],
    octets: usize,
) -> Result<(), Failure> {
    match write {
        Write::MultiAppend => {
            let count = messages.len() as u64;
            for begin in (0..count).step_by(usize::try_from(AT_ONCE)?) {
                let numbers = first + begin..first + count.min(begin + AT_ONCE);
                fill::many(client, mailbox, numbers, octets)?;
            }
        }
        Write::AppendAtOnce => {
            for message in messages {
                let begin = format!(" APPEND {mailbox} (\\Seen) {{{}+}}\r\n", message.len());
                client.send(|tag| [tag.as_bytes(), begin.as_bytes(), message, b"\r\n"].concat())?;
            }
        }
        Write::Append(_) | Write::Lmtp(_) => {
            for message in messages {
                client.send_in_turn(&format!("APPEND {mailbox} (\\Seen)"), message)?;
            }
        }
    }
    Ok(())
}

/// No server at all: as many octets are written to a file one message after the other, and each is synced before the next.
pub(super) fn disk_alone(dir: &Path, messages: u64, octets: usize) -> Result<Rate, Failure> {
    let path = dir.join("disk-alone");
    let mut file = std::fs::File::create(&path)?;
    let message = content::message(0, octets);
    let started = clock::monotonic_ns();
    for _ in 0..messages {
        file.write_all(&message)?;
        file.sync_data()?;
    }
    let wall = clock::monotonic_ns() - started;
    std::fs::remove_file(path)?;
    Ok(Rate::of(messages, wall, 0))
}

/// Delivers so many messages, and waits until all are in their mailboxes.
pub(super) fn deliver(
    sessions: u64,
    server: &Running,
    door: &Door,
    round: u64,
    messages: u64,
    octets: usize,
) -> Result<Rate, Failure> {
    let mut readers = Vec::new();
    for number in 0..RECIPIENTS {
        readers.push(Client::open(&door.of(&recipient(number)))?);
    }
    let before = count(&mut readers)?;
    let first = 1_000_000 * (round + 11);
    let all: Vec<Vec<u8>> =
        (first..first + messages).map(|number| content::message(number, octets)).collect();
    let mut lanes = Vec::new();
    for _ in 0..sessions {
        lanes.push(Lmtp::open(server.lmtp)?);
    }
    let (cpu, started) = (server.cpu_ns(), clock::monotonic_ns());
    std::thread::scope(|scope| {
        let each = all.len().div_ceil(lanes.len().max(1)).max(1);
        let threads: Vec<_> = lanes
            .iter_mut()
            .zip(all.chunks(each))
            .map(|(lane, chunk)| {
                scope.spawn(move || {
                    (0..)
                        .zip(chunk)
                        .try_for_each(|(number, message)| lane.deliver(&recipient(number), message).map(drop))
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a session panicked")??;
        }
        Ok::<_, Failure>(())
    })?;
    let waited = Instant::now();
    loop {
        let there = count(&mut readers)? - before;
        if there == messages {
            break;
        }
        if waited.elapsed() > ARRIVAL_MAX {
            return Err(format!("{there} messages of {messages} came").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let (wall, cpu) = (clock::monotonic_ns() - started, server.cpu_ns().saturating_sub(cpu));
    Ok(Rate::of(messages, wall, cpu))
}

/// Messages in the mailboxes of all.
fn count(readers: &mut [Client]) -> Result<u64, Failure> {
    let mut sum = 0;
    for reader in readers {
        let told = reader.ask("STATUS INBOX (MESSAGES)")?;
        let number = told
            .lines
            .iter()
            .find_map(|line| line.split_once("(MESSAGES ")?.1.strip_suffix(')')?.parse::<u64>().ok());
        sum += number.ok_or("STATUS tells no number of messages")?;
    }
    Ok(sum)
}
