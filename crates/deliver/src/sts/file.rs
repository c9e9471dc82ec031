//! The form in which policies outlive a restart: lines of JSON, the first of which vouches for the others.

use std::collections::HashMap;

use mail::Timestamp;
use mta_sts::Policy;
use serde::{Deserialize, Serialize};

use super::Known;

const VERSION: u32 = 1;
const FORMAT: &str = "postrider-mta-sts";

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    /// CRC32C of all lines behind this one.
    #[serde(default)]
    crc32c: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    domain: String,
    id: String,
    /// Milliseconds since the Unix epoch.
    fetched: u64,
    /// As it would be served.
    policy: String,
}

pub(super) fn encode(known: &HashMap<Box<str>, Known>) -> Vec<u8> {
    let mut lines = Vec::with_capacity(known.len() * 256);
    for (domain, known) in known {
        let line = Line {
            domain: domain.to_string(),
            id: known.id.clone(),
            fetched: known.fetched.as_millis(),
            policy: known.policy.to_text(),
        };
        push(&mut lines, &line);
    }
    let head = Head { format: FORMAT.to_owned(), version: VERSION, crc32c: crc32c::crc32c(&lines) };
    let mut file = Vec::with_capacity(lines.len() + 80);
    push(&mut file, &head);
    file.append(&mut lines);
    file
}

fn push(out: &mut Vec<u8>, line: &impl Serialize) {
    // Plain structures into memory: neither can fail.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}

pub(super) fn decode(octets: &[u8]) -> Result<Vec<(Box<str>, Known)>, String> {
    let damaged = || "the file is damaged".to_owned();
    let end = memchr::memchr(b'\n', octets).ok_or_else(damaged)?;
    let (head, lines) = octets.split_at(end + 1);
    let head: Head = serde_json::from_slice(head).map_err(|_| damaged())?;
    if head.format == FORMAT && head.version > VERSION {
        return Err(format!("its format {} is newer than {VERSION}, which this program knows", head.version));
    }
    if head.format != FORMAT || head.crc32c != crc32c::crc32c(lines) {
        return Err(damaged());
    }
    let one = |line: &[u8]| {
        let Line { domain, id, fetched, policy } = serde_json::from_slice(line).ok()?;
        let policy = Policy::parse(policy.as_bytes()).ok()?;
        Some((domain.into(), Known { id, policy, fetched: Timestamp::from_millis(fetched) }))
    };
    let lines = lines.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    lines.map(one).collect::<Option<_>>().ok_or_else(damaged)
}
