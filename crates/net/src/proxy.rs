//! The PROXY protocol, versions 1 and 2: who the client behind a proxy is, said by the proxy before anything else.
//!
//! The specification is `proxy-protocol.txt` of `HAProxy`; its sections are cited. [`read`] is without I/O; [`proxied`] reads from a stream, never
//! an octet beyond the header.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt};

/// §2.2: the first octets of version 2, which no other protocol begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The first octets of version 1.
const PROXY: &[u8] = b"PROXY ";
/// The shortest header there is, of either version.
const SHORTEST: &[u8] = b"PROXY UNKNOWN\r\n";
/// §2.1: the longest line of version 1, CRLF included.
const LINE_OCTETS_MAX: usize = 107;
/// Version 2 up to its length.
const FIXED_OCTETS: usize = 16;
/// Addresses and what is added to them, such as what is known of TLS. The field could say 65,535; what proxies send has some hundred octets.
const ADDED_OCTETS_MAX: usize = 2048;

/// Who is behind a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxied {
    /// Nobody: the proxy itself, to see whether we are there.
    Itself,
    /// Somebody, and the proxy does not know who, or not by an IP address.
    Unknown,
    /// This client, which connected to that address of the proxy.
    Client {
        /// The client, v4-mapped addresses unmapped.
        source: SocketAddr,
        /// Where it came to.
        destination: SocketAddr,
    },
}

/// How far a header has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// At least so many octets more belong to it.
    More(usize),
    /// It is complete.
    Done(Proxied),
}

/// It is no header, or one that says nothing we could go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither version's first octets.
    #[error("no PROXY header")]
    Absent,
    /// A header with something wrong in it.
    #[error("a PROXY header that is not as it has to be")]
    Malformed,
    /// A header that is longer than any that a proxy sends.
    #[error("a PROXY header that is too long")]
    TooLong,
    /// The header did not come in time, or the connection ended before it.
    #[error("the PROXY header did not come")]
    Silent,
}

/// Reads what has come of a header, from its first octet on.
///
/// # Errors
/// It is none, or cannot be one any more.
pub fn read(octets: &[u8]) -> Result<Progress, ProxyError> {
    if octets.is_empty() {
        return Ok(Progress::More(SHORTEST.len()));
    }
    let begins = |with: &[u8]| octets.iter().zip(with).all(|(octet, wanted)| octet == wanted);
    if begins(SIGNATURE) {
        return read_binary(octets);
    }
    if begins(PROXY) { read_line(octets) } else { Err(ProxyError::Absent) }
}

/// Reads a header from a stream, and nothing behind it.
///
/// # Errors
/// There is none, or it did not come in time.
pub async fn proxied<S: AsyncRead + Unpin>(stream: &mut S, within: Duration) -> Result<Proxied, ProxyError> {
    let reading = async {
        let mut octets = Vec::with_capacity(FIXED_OCTETS);
        loop {
            match read(&octets)? {
                Progress::Done(proxied) => return Ok(proxied),
                Progress::More(more) => {
                    let begun = octets.len();
                    octets.resize(begun + more, 0);
                    let space = octets.get_mut(begun..).unwrap_or_default();
                    let came: io::Result<usize> = stream.read_exact(space).await;
                    came.map_err(|_| ProxyError::Silent)?;
                }
            }
        }
    };
    tokio::time::timeout(within, reading).await.unwrap_or(Err(ProxyError::Silent))
}

/// §2.1: `PROXY TCP4 192.0.2.1 192.0.2.2 4000 25` and CRLF.
fn read_line(octets: &[u8]) -> Result<Progress, ProxyError> {
    let Some(end) = octets.iter().position(|octet| *octet == b'\n') else {
        return match octets.len() {
            LINE_OCTETS_MAX.. => Err(ProxyError::TooLong),
            // One at a time from there on: how long the line is shows at its end.
            length => Ok(Progress::More(SHORTEST.len().saturating_sub(length).max(1))),
        };
    };
    let line = octets.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(ProxyError::Malformed)?;
    let line = str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        // What follows is to be ignored.
        return Ok(Progress::Done(Proxied::Unknown));
    }
    let words: Vec<&str> = words.collect();
    let (Some(family), &[source, destination, from, to]) = (family, words.as_slice()) else {
        return Err(ProxyError::Malformed);
    };
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let socket = |text: &str, port: &str| Some(SocketAddr::new(address(text)?, self::port(port)?));
    match (socket(source, from), socket(destination, to)) {
        (Some(source), Some(destination)) => Ok(Progress::Done(client(source, destination))),
        _ => Err(ProxyError::Malformed),
    }
}

/// Digits only, and no zero before them.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// §2.2.
fn read_binary(octets: &[u8]) -> Result<Progress, ProxyError> {
    let Some((fixed, added)) = octets.split_at_checked(FIXED_OCTETS) else {
        return Ok(Progress::More(FIXED_OCTETS.saturating_sub(octets.len())));
    };
    let &[version_and_command, family, high, low] = fixed.get(SIGNATURE.len()..).unwrap_or_default() else {
        return Err(ProxyError::Malformed);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > ADDED_OCTETS_MAX {
        return Err(ProxyError::TooLong);
    }
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Malformed),
    };
    let Some(added) = added.get(..length) else {
        return Ok(Progress::More(length.saturating_sub(added.len())));
    };
    if is_local {
        return Ok(Progress::Done(Proxied::Itself));
    }
    // Behind the addresses is what we have no use for.
    let addresses = match family {
        0x11 => v4(added),
        0x21 => v6(added),
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => return Ok(Progress::Done(Proxied::Unknown)),
        _ => None,
    };
    let (source, destination) = addresses.ok_or(ProxyError::Malformed)?;
    Ok(Progress::Done(client(source, destination)))
}

fn v4(added: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, rest) = added.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let (from, to) = ports(rest)?;
    Some(((*source, from).into(), (*destination, to).into()))
}

fn v6(added: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, rest) = added.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let (from, to) = ports(rest)?;
    Some(((*source, from).into(), (*destination, to).into()))
}

fn ports(rest: &[u8]) -> Option<(u16, u16)> {
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, _) = rest.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*from), u16::from_be_bytes(*to)))
}

fn client(source: SocketAddr, destination: SocketAddr) -> Proxied {
    let unmapped = |socket: SocketAddr| SocketAddr::new(crate::unmapped(socket.ip()), socket.port());
    Proxied::Client { source: unmapped(source), destination: unmapped(destination) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, added: &[u8]) -> Vec<u8> {
        let length = u16::try_from(added.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, added].concat()
    }

    /// Fed as the reader asks for it: nothing behind a header is ever asked for.
    fn fed(octets: &[u8]) -> Result<(Proxied, usize), ProxyError> {
        let mut taken = 0;
        loop {
            match read(&octets[..taken])? {
                Progress::Done(proxied) => return Ok((proxied, taken)),
                Progress::More(more) => {
                    assert!(more > 0);
                    taken += more;
                    if taken > octets.len() {
                        return Err(ProxyError::Silent);
                    }
                }
            }
        }
    }

    fn from(text: &str) -> Result<String, ProxyError> {
        let octets = [text.as_bytes(), b"EHLO x\r\n"].concat();
        fed(&octets).map(|(proxied, taken)| {
            assert_eq!(&octets[taken..], b"EHLO x\r\n", "{text}");
            match proxied {
                Proxied::Client { source, destination } => format!("{source} {destination}"),
                other => format!("{other:?}"),
            }
        })
    }

    #[test]
    fn lines_of_version_1() {
        for (text, expected) in [
            ("PROXY TCP4 203.0.113.7 192.0.2.1 4000 25\r\n", Ok("203.0.113.7:4000 192.0.2.1:25")),
            ("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", Ok("[2001:db8::1]:65535 [::1]:0")),
            ("PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n", Ok("203.0.113.7:1 [::1]:2")),
            ("PROXY UNKNOWN\r\n", Ok("Unknown")),
            ("PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n", Ok("Unknown")),
            ("PROXY TCP4 203.0.113.7 192.0.2.1 4000 65536\r\n", Err(ProxyError::Malformed)),
            ("PROXY TCP4 203.0.113.7 192.0.2.1 +400 25\r\n", Err(ProxyError::Malformed)),
            ("PROXY TCP4 203.0.113.7 192.0.2.1 0400 25\r\n", Err(ProxyError::Malformed)),
            ("PROXY TCP4 203.0.113.7 192.0.2.1  4000 25\r\n", Err(ProxyError::Malformed)),
            ("PROXY TCP4 203.0.113.7 192.0.2.1 4000\r\n", Err(ProxyError::Malformed)),
            ("PROXY TCP4 203.0.113.7 192.0.2.1 4000 25 1\r\n", Err(ProxyError::Malformed)),
            ("PROXY TCP4 2001:db8::1 ::1 4000 25\r\n", Err(ProxyError::Malformed)),
            ("PROXY TCP4 203.0.113.07 192.0.2.1 4000 25\r\n", Err(ProxyError::Malformed)),
            ("PROXY UDP4 203.0.113.7 192.0.2.1 4000 25\r\n", Err(ProxyError::Malformed)),
            ("PROXY TCP4 203.0.113.7 192.0.2.1 4000 25\n", Err(ProxyError::Malformed)),
            ("proxy TCP4 203.0.113.7 192.0.2.1 4000 25\r\n", Err(ProxyError::Absent)),
            ("EHLO client.example.net\r\n", Err(ProxyError::Absent)),
        ] {
            assert_eq!(from(text).as_deref().map_err(|error| *error), expected, "{text}");
        }
        let endless = [PROXY, "UNKNOWN ".repeat(20).as_bytes()].concat();
        assert_eq!(fed(&endless), Err(ProxyError::TooLong));
    }

    #[test]
    fn headers_of_version_2() {
        let v4 = [203, 0, 113, 7, 192, 0, 2, 1, 0x0f, 0xa0, 0, 25];
        let source = "203.0.113.7:4000".parse().unwrap();
        let expected = Proxied::Client { source, destination: "192.0.2.1:25".parse().unwrap() };
        let with_more = [v4.as_slice(), &[0x20, 0, 3, 1, 2, 3]].concat();
        for octets in [binary(0x21, 0x11, &v4), binary(0x21, 0x11, &with_more)] {
            assert_eq!(fed(&[octets.as_slice(), b"EHLO x\r\n"].concat()), Ok((expected, octets.len())));
            for end in 0..octets.len() {
                assert!(matches!(read(&octets[..end]), Ok(Progress::More(1..))), "{end}");
            }
        }
        let v6 = [[0x20; 32].as_slice(), &[0, 1, 0, 2]].concat();
        assert!(matches!(fed(&binary(0x21, 0x21, &v6)), Ok((Proxied::Client { .. }, 52))));
        for (octets, expected) in [
            (binary(0x20, 0x00, &[]), Ok(Proxied::Itself)),
            (binary(0x20, 0x11, &v4), Ok(Proxied::Itself)),
            (binary(0x21, 0x00, &[]), Ok(Proxied::Unknown)),
            (binary(0x21, 0x31, &[1; 216]), Ok(Proxied::Unknown)),
            (binary(0x21, 0x11, &v4[..11]), Err(ProxyError::Malformed)),
            (binary(0x21, 0x41, &v4), Err(ProxyError::Malformed)),
            (binary(0x11, 0x11, &v4), Err(ProxyError::Malformed)),
            (binary(0x22, 0x11, &v4), Err(ProxyError::Malformed)),
            (binary(0x21, 0x11, &[0; 2049]), Err(ProxyError::TooLong)),
        ] {
            assert_eq!(fed(&octets).map(|(proxied, _)| proxied), expected, "{octets:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_come_is_not_waited_for_longer_than_said() {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut ours, b"PROXY UNKN").await.unwrap();
        assert_eq!(proxied(&mut theirs, Duration::from_secs(5)).await, Err(ProxyError::Silent));
        drop(ours);
        assert_eq!(proxied(&mut theirs, Duration::from_secs(5)).await, Err(ProxyError::Silent));
    }
}
