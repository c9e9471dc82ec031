//! A tiny authoritative DNS server for the bench: every domain has one MX, and every host is 127.0.0.1. Those of
//! `trouble.test`, `x0.test`, `x1.test` and so on are elsewhere. `d0.test`, `x0.test` and so on have an MX each, of their own.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const TYPE_A: u16 = 1;
const TYPE_SOA: u16 = 6;
const TYPE_MX: u16 = 15;
const TYPE_TXT: u16 = 16;
const CLASS_IN: u16 = 1;
const TTL_SECONDS: u32 = 3600;
/// The owner of an answer: a pointer to the question's name (RFC 1035 §4.1.4).
const NAME_OF_QUESTION: [u8; 2] = [0xC0, 0x0C];
const HEADER_OCTETS: usize = 12;

/// A DNS server on a thread of its own, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    /// Listens on a loopback UDP port that the kernel chooses.
    pub(crate) fn start() -> io::Result<Self> {
        Self::with(&[])
    }

    /// The same, with these names and their texts.
    pub(crate) fn with(texts: &[(String, String)]) -> io::Result<Self> {
        let texts: Vec<(Vec<u8>, Vec<u8>)> =
            texts.iter().map(|(name, text)| (wire_name(name), strings(text))).collect();
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let address = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("dns".to_owned()).spawn(move || {
            let mut query = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut query) else { continue };
                if let Some(answer) =
                    query.get(..length).and_then(|query| text(query, &texts).or_else(|| answer(query)))
                {
                    drop(socket.send_to(&answer, client));
                }
            }
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Answers a query for a text that is there.
fn text(query: &[u8], texts: &[(Vec<u8>, Vec<u8>)]) -> Option<Vec<u8>> {
    let (header, rest) = query.split_at_checked(HEADER_OCTETS)?;
    let name_octets = name_length(rest)?;
    let question = rest.get(..name_octets + 4)?;
    let kind = u16::from_be_bytes(question.get(name_octets..name_octets + 2)?.try_into().ok()?);
    let name = question.get(..name_octets)?.to_ascii_lowercase();
    let (_, strings) = texts.iter().find(|(known, _)| kind == TYPE_TXT && *known == name)?;
    let mut out = header.get(..2)?.to_vec();
    out.extend_from_slice(&[0x84 | (header.get(2)? & 0x01), 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    out.extend_from_slice(question);
    out.extend_from_slice(&NAME_OF_QUESTION);
    out.extend_from_slice(&record(TYPE_TXT, strings));
    Some(out)
}

fn wire_name(name: &str) -> Vec<u8> {
    let label = |label: &str| [&[u8::try_from(label.len()).unwrap_or(0)][..], label.as_bytes()].concat();
    name.split('.').map(label).chain([vec![0]]).collect::<Vec<_>>().concat()
}

/// A text as strings of 255 octets at most (RFC 1035 §3.3.14).
fn strings(text: &str) -> Vec<u8> {
    let string = |octets: &[u8]| [&[u8::try_from(octets.len()).unwrap_or(0)][..], octets].concat();
    text.as_bytes().chunks(255).map(string).collect::<Vec<_>>().concat()
}

/// Answers one query (RFC 1035 §4.1); `None` for what is not a query with one question.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = query.split_at_checked(HEADER_OCTETS)?;
    let is_query = header.get(2)? & 0x80 == 0;
    if !is_query || header.get(4..6)? != [0, 1] {
        return None;
    }
    let name_octets = name_length(rest)?;
    let question = rest.get(..name_octets + 4)?;
    let name = question.get(..name_octets)?;
    let kind = u16::from_be_bytes(question.get(name_octets..name_octets + 2)?.try_into().ok()?);
    let name = name.to_ascii_lowercase();
    let ours = name.ends_with(b"\x04test\0");
    let trouble = name.ends_with(b"\x07trouble\x04test\0") || numbered(&name, b'x').is_some();
    let own = numbered(&name, b'd').or(numbered(&name, b'x')).filter(|domain| *domain == name);
    let record = match (kind, own) {
        (TYPE_MX, Some(domain)) => Some(record(TYPE_MX, &[b"\x00\x0a\x02mx", domain].concat())),
        (TYPE_A, _) if trouble => Some(record(TYPE_A, &[127, 0, 0, 2])),
        (TYPE_A, _) if ours => Some(record(TYPE_A, &[127, 0, 0, 1])),
        (TYPE_MX, None) if trouble => Some(record(TYPE_MX, b"\x00\x0a\x02mx\x07trouble\x04test\0")),
        (TYPE_MX, None) if ours => Some(record(TYPE_MX, b"\x00\x0a\x02mx\x05bench\x04test\0")),
        _ => None,
    };
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(header.get(..2)?);
    // QR and AA, the client's RD; RA, as it asks us like a resolver; NXDOMAIN outside of our zone.
    out.push(0x84 | (header.get(2)? & 0x01));
    out.push(if ours { 0x80 } else { 0x83 });
    out.extend_from_slice(&[0, 1, 0, u8::from(record.is_some()), 0, u8::from(record.is_none()), 0, 0]);
    out.extend_from_slice(question);
    match record {
        Some(record) => {
            out.extend_from_slice(&NAME_OF_QUESTION);
            out.extend_from_slice(&record);
        }
        None => out.extend_from_slice(&no_data(ours)),
    }
    Some(out)
}

/// The end of a name from `d0.test` or a like domain on: a letter and a number below `test`.
fn numbered(name: &[u8], letter: u8) -> Option<&[u8]> {
    let mut rest = name;
    loop {
        let length = usize::from(*rest.first().filter(|length| **length > 0)?);
        let (label, parent) = rest.get(1..)?.split_at_checked(length)?;
        if parent == b"\x04test\0" {
            let (first, digits) = label.split_first()?;
            let is_it = *first == letter && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            return is_it.then_some(rest);
        }
        rest = parent;
    }
}

/// Octets of an uncompressed name, its root label included.
fn name_length(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}

/// A resource record without its owner.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + data.len());
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&CLASS_IN.to_be_bytes());
    out.extend_from_slice(&TTL_SECONDS.to_be_bytes());
    out.extend_from_slice(&u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(data);
    out
}

/// The SOA record that lets a resolver remember that there is nothing (RFC 2308 §3).
fn no_data(ours: bool) -> Vec<u8> {
    let mut data = vec![0, 0];
    for field in [1_u32, 3600, 600, 86_400, TTL_SECONDS] {
        data.extend_from_slice(&field.to_be_bytes());
    }
    let owner: &[u8] = if ours { b"\x04test\0" } else { b"\0" };
    [owner, &record(TYPE_SOA, &data)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &[u8], kind: u16) -> Vec<u8> {
        let mut query = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend_from_slice(name);
        query.extend_from_slice(&kind.to_be_bytes());
        query.extend_from_slice(&CLASS_IN.to_be_bytes());
        query
    }

    #[test]
    fn every_domain_has_the_mx_and_every_host_is_loopback() {
        let a = answer(&query(b"\x02MX\x05bench\x04TEST\0", TYPE_A)).unwrap();
        assert_eq!(a[..8], [0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1]);
        assert!(a.ends_with(&[0, 4, 127, 0, 0, 1]));
        let mx = answer(&query(b"\x02d3\x05bench\x04test\0", TYPE_MX)).unwrap();
        assert!(mx.ends_with(b"\x00\x0a\x02mx\x05bench\x04test\0"));
        let trouble = answer(&query(b"\x07trouble\x04test\0", TYPE_MX)).unwrap();
        assert!(trouble.ends_with(b"\x02mx\x07trouble\x04test\0"));
        assert!(answer(&query(b"\x02mx\x07trouble\x04test\0", TYPE_A)).unwrap().ends_with(&[127, 0, 0, 2]));
    }

    #[test]
    fn numbered_domains_have_hosts_of_their_own() {
        for (domain, host) in [(b"\x02d7\x04test\0", [127, 0, 0, 1]), (b"\x02x7\x04test\0", [127, 0, 0, 2])] {
            let mx = [b"\x02mx", &domain[..]].concat();
            assert!(answer(&query(domain, TYPE_MX)).unwrap().ends_with(&mx));
            assert!(answer(&query(&mx, TYPE_A)).unwrap().ends_with(&host));
        }
    }

    #[test]
    fn what_is_not_there_is_denied_with_an_soa() {
        let aaaa = answer(&query(b"\x02mx\x05bench\x04test\0", 28)).unwrap();
        assert_eq!(aaaa[3] & 0x0f, 0, "no data");
        assert_eq!(aaaa[4..12], [0, 1, 0, 0, 0, 1, 0, 0]);
        let elsewhere = answer(&query(b"\x07example\x03org\0", TYPE_A)).unwrap();
        assert_eq!(elsewhere[3] & 0x0f, 3, "no such name");
    }

    #[test]
    fn garbage_gets_no_answer() {
        for garbage in [&b""[..], &[0; 11], &[0xff; 40], &query(b"\xc0\x0c", 1), &query(b"\x3fab", 1)[..15]] {
            assert_eq!(answer(garbage), None);
        }
        let mut reply = query(b"\x04test\0", TYPE_A);
        reply[2] |= 0x80;
        assert_eq!(answer(&reply), None);
    }

    #[test]
    fn the_server_answers_over_udp() {
        let dns = Dns::start().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.send_to(&query(b"\x01a\x04test\0", TYPE_A), dns.address).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        assert!(answer[..length].ends_with(&[127, 0, 0, 1]));
    }
}
