//! What is known of relays outlives the process: a file in the data directory, lines of JSON of which the first vouches for the others.
//!
//! What it says of budgets may be a second old when the machine breaks off; the relay itself has the last word on that.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use disk::Disk;
use mail::{EnhancedStatus, Reply, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::{
    blocking,
    budget::Window,
    relay_book::{Book, Page},
    shared::Shared,
};

const VERSION: u32 = 1;
const FORMAT: &str = "postrider-relays";
/// A file that is larger is not ours.
const OCTETS_MAX: usize = 4 << 20;
/// Characters of a reply that are kept.
const REPLY_CHARS_MAX: usize = 500;
/// The shortest time between two writes.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    #[serde(default)]
    crc32c: u32,
}

/// Times are milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct Line {
    relay: String,
    /// Steps of ten minutes since the epoch, and how many recipients there were in each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sent: Vec<(u64, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing_since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<(u16, Option<String>, String)>,
    #[serde(default)]
    alarmed: bool,
}

/// Writes down what is known of relays.
pub(crate) struct Ledger {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Ledger {
    /// The one of these settings, if there is any.
    pub(crate) fn new(shared: &Shared) -> Option<Self> {
        let path = shared.config.relays_file.clone()?;
        Some(Self { path, disk: Arc::clone(&shared.parts.disk) })
    }

    /// Takes up what an earlier run has written.
    pub(crate) async fn recall(&self, shared: &Shared) {
        let (disk, path, now) = (Arc::clone(&self.disk), self.path.clone(), shared.now());
        let read = blocking::run(&*shared.parts.blocking, move || read(&*disk, &path, now)).await;
        match read.unwrap_or_else(|| Err("reading it failed".to_owned())) {
            Ok(pages) => shared.book.restore(pages),
            Err(problem) => tracing::warn!(station = "deliver/relay", path = %self.path.display(), problem,
                "what was sent through relays today cannot be read; their budgets begin afresh"),
        }
    }

    /// Writes what changes until the server stops.
    pub(crate) async fn keep(&self, shared: &Shared) {
        let mut failed = false;
        loop {
            if shared.unless_stopped(shared.book.changes().wanted()).await.is_none() {
                return;
            }
            failed = self.write(shared, failed).await;
            if shared.unless_stopped(sleep(PAUSE)).await.is_none() {
                return;
            }
        }
    }

    /// Writes if there is something new. Whether that failed; `failed`: whether it did before.
    pub(crate) async fn write(&self, shared: &Shared, failed: bool) -> bool {
        if !shared.book.changes().take() {
            return failed;
        }
        let (disk, path, book) = (Arc::clone(&self.disk), self.path.clone(), shared.book.clone());
        let write = move || disk::replace_whole(&*disk, &path, &encode(&book));
        let written = blocking::run(&*shared.parts.blocking, write).await;
        let Err(error) = written.unwrap_or_else(|| Err(io::ErrorKind::Other.into())) else { return false };
        shared.book.changes().later();
        if !failed {
            tracing::warn!(station = "deliver/relay", path = %self.path.display(), %error,
                "what was sent through relays today cannot be written; a restart would forget it");
        }
        true
    }
}

fn encode(book: &Book) -> Vec<u8> {
    let mut lines = Vec::new();
    for (relay, page) in book.copy() {
        push_line(&mut lines, &line(&relay, &page));
    }
    let head = Head { format: FORMAT.to_owned(), version: VERSION, crc32c: crc32c::crc32c(&lines) };
    let mut file = Vec::with_capacity(lines.len() + 64);
    push_line(&mut file, &head);
    file.append(&mut lines);
    file
}

fn push_line(out: &mut Vec<u8>, line: &impl Serialize) {
    // Plain structures into memory: neither can fail.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}

fn line(relay: &str, page: &Page) -> Line {
    let Page { window, taken_at, failing_since, reply, alarmed, .. } = page;
    Line {
        relay: relay.to_owned(),
        sent: window.steps().collect(),
        taken_at: taken_at.map(Timestamp::as_millis),
        failing_since: failing_since.map(Timestamp::as_millis),
        reply: reply.as_ref().map(|reply| {
            let text = reply.text().chars().take(REPLY_CHARS_MAX).collect();
            (reply.code(), reply.enhanced().map(|status| status.to_string()), text)
        }),
        alarmed: *alarmed,
    }
}

fn read(disk: &dyn Disk, path: &Path, now: Timestamp) -> Result<Vec<(Box<str>, Page)>, String> {
    match disk::read_whole(disk, path, OCTETS_MAX) {
        Ok(octets) => decode(&octets, now),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}

fn decode(octets: &[u8], now: Timestamp) -> Result<Vec<(Box<str>, Page)>, String> {
    let damaged = || "it is damaged".to_owned();
    let end = memchr::memchr(b'\n', octets).ok_or_else(damaged)?;
    let (head, lines) = octets.split_at(end + 1);
    let head: Head = serde_json::from_slice(head).map_err(|_| damaged())?;
    if head.format == FORMAT && head.version > VERSION {
        return Err(format!("its format {} is newer than {VERSION}, which this program knows", head.version));
    }
    if head.format != FORMAT || head.crc32c != crc32c::crc32c(lines) {
        return Err(damaged());
    }
    let lines = lines.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).map(|line| page(line, now)).map_err(|_| damaged()))
        .collect()
}

fn page(line: Line, now: Timestamp) -> (Box<str>, Page) {
    let time = |millis: Option<u64>| millis.map(|millis| Timestamp::from_millis(millis).min(now));
    let reply = line.reply.map(|(code, status, text)| {
        match status.and_then(|status| status.parse::<EnhancedStatus>().ok()) {
            Some(status) => Reply::new(code, status, text),
            None => Reply::plain(code, text),
        }
    });
    let page = Page {
        window: Window::of(line.sent, now),
        taken_at: time(line.taken_at),
        failing_since: time(line.failing_since),
        reply,
        alarmed: line.alarmed,
        ..Page::default()
    };
    (line.relay.into(), page)
}

#[cfg(test)]
mod tests {
    use smtp::Protocol;

    use super::*;
    use crate::{Hosts, Relay, RelayLimits, relay_book::Failing};

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_not_believed() {
        let hosts = Hosts { protocol: Protocol::Smtp, hosts: Vec::new() };
        let limits = RelayLimits { recipients_per_day: Some(500), ..RelayLimits::default() };
        let relay = Relay { limits, ..Relay::of("gmail", hosts) };
        let (book, now) = (Book::default(), Timestamp::from_millis(1_795_456_800_000));
        book.reserve(&relay, now, 37).unwrap().spend(37);
        book.failed(&relay, &Reply::fixed(535, (5, 7, 8), "No"), Failing::Login, now);
        let file = encode(&book);
        let again = Book::default();
        again.restore(decode(&file, now).unwrap());
        assert_eq!(again.copy(), book.copy());
        let later = now.after(Duration::from_hours(25));
        assert_eq!(decode(&file, later).unwrap()[0].1.window.used(later), 0);
        for place in [0, file.len() / 2, file.len() - 2] {
            let mut damaged = file.clone();
            damaged[place] ^= 1;
            assert!(decode(&damaged, now).is_err(), "{place}");
        }
        assert!(decode(b"", now).is_err() && decode(b"x\n", now).is_err());
    }
}
