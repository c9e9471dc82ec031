//! The form in which sites outlive a restart: lines of JSON, the first of which vouches for the others.

use std::sync::Arc;

use mail::{EnhancedStatus, Reply, Timestamp};
use serde::{Deserialize, Serialize};

use crate::site::{LaneStatus, Refusal, SiteStatus, Suspension};

/// Readers of an older version cannot make sense of a newer one.
const VERSION: u32 = 1;
const FORMAT: &str = "postrider-sites";
/// Characters of a reply that are kept; what is told once more after a restart need not be told in full.
const REPLY_CHARS_MAX: usize = 500;

/// Why a file is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Not as we wrote it.
    Damaged,
    /// Written by a later version of this program.
    Newer(u32),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged => f.write_str("it is damaged"),
            Self::Newer(version) => {
                write!(f, "its format {version} is newer than {VERSION}, which this program knows")
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    /// CRC32C of all lines behind this one. A later version may vouch otherwise.
    #[serde(default)]
    crc32c: u32,
}

#[derive(Serialize, Deserialize)]
struct SiteLine {
    site: String,
    connections: usize,
    /// Times are milliseconds since the Unix epoch.
    since: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<RefusalLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lanes: Vec<LaneLine>,
}

#[derive(Serialize, Deserialize)]
struct LaneLine {
    hosts: String,
    failures: u32,
    until: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
    refusal: RefusalLine,
}

#[derive(Serialize, Deserialize)]
struct RefusalLine {
    at: u64,
    code: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
}

/// Sites as octets of a file.
pub(crate) fn encode(sites: &[SiteStatus]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(sites.len() * 256);
    for site in sites {
        push_line(&mut lines, &SiteLine::from(site));
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

/// Reads sites back.
pub(crate) fn decode(octets: &[u8]) -> Result<Vec<SiteStatus>, Unusable> {
    let end = memchr::memchr(b'\n', octets).ok_or(Unusable::Damaged)?;
    let (head, lines) = octets.split_at(end + 1);
    let head: Head = serde_json::from_slice(head).map_err(|_| Unusable::Damaged)?;
    if head.format == FORMAT && head.version > VERSION {
        return Err(Unusable::Newer(head.version));
    }
    if head.format != FORMAT || head.crc32c != crc32c::crc32c(lines) {
        return Err(Unusable::Damaged);
    }
    let lines = lines.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice::<SiteLine>(line).map(SiteStatus::from))
        .collect::<Result<_, _>>()
        .map_err(|_| Unusable::Damaged)
}

impl From<&SiteStatus> for SiteLine {
    fn from(site: &SiteStatus) -> Self {
        let lane = |lane: &LaneStatus| {
            let suspension = lane.suspension.as_ref()?;
            let refusal = RefusalLine::new(suspension.failed_at, &suspension.reply, suspension.host.as_ref());
            Some(LaneLine {
                hosts: lane.hosts.to_string(),
                failures: lane.failures,
                until: suspension.until.as_millis(),
                paused: suspension.paused,
                refusal,
            })
        };
        let refusal = |refusal: &Refusal| RefusalLine::new(refusal.at, &refusal.reply, refusal.host.as_ref());
        Self {
            site: site.site.to_string(),
            connections: site.connections_allowed,
            since: site.allowed_since.as_millis(),
            refusal: site.last_refusal.as_ref().map(refusal),
            lanes: site.lanes.iter().filter_map(lane).collect(),
        }
    }
}

impl From<SiteLine> for SiteStatus {
    fn from(line: SiteLine) -> Self {
        Self {
            site: line.site.into(),
            connections: 0,
            connections_allowed: line.connections,
            allowed_since: Timestamp::from_millis(line.since),
            last_refusal: line.refusal.map(Refusal::from),
            lanes: line.lanes.into_iter().map(LaneStatus::from).collect(),
        }
    }
}

impl From<LaneLine> for LaneStatus {
    fn from(line: LaneLine) -> Self {
        let Refusal { at, reply, host } = line.refusal.into();
        let suspension = Suspension {
            failed_at: at,
            until: Timestamp::from_millis(line.until),
            reply,
            host,
            paused: line.paused,
        };
        Self {
            hosts: line.hosts.into(),
            connections: 0,
            ready: 0,
            parked: 0,
            failures: line.failures,
            suspension: Some(suspension),
        }
    }
}

impl RefusalLine {
    fn new(at: Timestamp, reply: &Reply, host: Option<&Arc<str>>) -> Self {
        Self {
            at: at.as_millis(),
            code: reply.code(),
            status: reply.enhanced().map(|status| status.to_string()),
            text: reply.text().chars().take(REPLY_CHARS_MAX).collect(),
            host: host.map(ToString::to_string),
        }
    }
}

impl From<RefusalLine> for Refusal {
    fn from(line: RefusalLine) -> Self {
        let status: Option<EnhancedStatus> = line.status.and_then(|status| status.parse().ok());
        let reply = match status {
            Some(status) => Reply::new(line.code, status, line.text),
            None => Reply::plain(line.code, line.text),
        };
        Self { at: Timestamp::from_millis(line.at), reply, host: line.host.map(Arc::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites() -> Vec<SiteStatus> {
        let at = Timestamp::from_millis(1_795_456_934_123);
        let suspension = Suspension {
            failed_at: at,
            until: Timestamp::from_millis(1_795_456_994_000),
            reply: Reply::new(451, EnhancedStatus::new(4, 4, 1), "mx: \"no\"\nanswer \u{fc}"),
            host: Some("mx".into()),
            paused: false,
        };
        let lane = LaneStatus {
            hosts: "mx;mx2 smtp as mx.example".into(),
            connections: 0,
            ready: 0,
            parked: 0,
            failures: 3,
            suspension: Some(suspension),
        };
        let site = |name: &str| SiteStatus {
            site: name.into(),
            connections: 0,
            connections_allowed: 2,
            allowed_since: at,
            last_refusal: None,
            lanes: Vec::new(),
        };
        let last_refusal = Some(Refusal { at, reply: Reply::plain(421, "Busy"), host: None });
        vec![SiteStatus { last_refusal, lanes: vec![lane], ..site("example.org") }, site("example.net")]
    }

    #[test]
    fn sites_are_read_back_as_they_were() {
        assert_eq!(decode(&encode(&sites())).unwrap(), sites());
        assert_eq!(decode(&encode(&[])).unwrap(), []);
    }

    /// The form on disk: whoever changes it changes the version, or breaks the files that are out there.
    #[test]
    fn the_form_of_version_1_stays_readable() {
        let lines = [
            r#"{"format":"postrider-sites","version":1,"crc32c":0}"#,
            r#"{"site":"example.org","connections":2,"since":1795456934123,"refusal":{"at":1795456934123,"code":421,"text":"Busy"},"lanes":[{"hosts":"mx;mx2 smtp as mx.example","failures":3,"until":1795456994000,"refusal":{"at":1795456934123,"code":451,"status":"4.4.1","text":"mx: \"no\"\nanswer ü","host":"mx"}}]}"#,
            r#"{"site":"example.net","connections":2,"since":1795456934123}"#,
            "",
        ];
        let file = lines.join("\n");
        let (_, lines) = file.split_once('\n').unwrap();
        let crc = format!("\"crc32c\":{}", crc32c::crc32c(lines.as_bytes()));
        let file = file.replacen("\"crc32c\":0", &crc, 1);
        assert_eq!(String::from_utf8(encode(&sites())).unwrap(), file);
        assert_eq!(decode(file.as_bytes()).unwrap(), sites());
    }

    #[test]
    fn a_file_with_any_octet_changed_is_not_believed() {
        let file = encode(&sites());
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x02;
            assert!(decode(&damaged).is_err(), "octet {at}");
        }
        for len in 0..file.len() {
            assert_eq!(decode(&file[..len]), Err(Unusable::Damaged), "cut to {len}");
        }
    }

    #[test]
    fn a_newer_file_is_told_from_a_damaged_one() {
        let newer = b"{\"format\":\"postrider-sites\",\"version\":2,\"sum\":\"x\"}\n?";
        assert_eq!(decode(newer), Err(Unusable::Newer(2)));
        assert_eq!(decode(b"{\"format\":\"other\",\"version\":2}\n"), Err(Unusable::Damaged));
    }
}
