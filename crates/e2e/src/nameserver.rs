//! A name server with a script, for what Knot does not do: it fails, says nothing, answers without end, and changes its mind between two
//! questions. It answers as a resolver does, with all of a chain of aliases.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::loopback::Loopback;

/// The host of the net that answers.
const HOST: u8 = 252;
/// What is longer is told to be truncated where it is asked for by UDP.
const UDP_OCTETS_MAX: usize = 1232;
const MESSAGE_OCTETS_MAX: usize = 65_535;
const STRING_OCTETS_MAX: usize = 255;
/// Aliases of one answer.
const CHAIN_MAX: usize = 64;
/// A connection that asks nothing is closed.
const IDLE: Duration = Duration::from_secs(30);
/// Between two octets of what trickles.
const TRICKLE: Duration = Duration::from_millis(200);
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;

/// A running name server. Dropped, it answers no more.
///
/// Its script is that of `testkit::dns::FakeDns`: `name TYPE value`, `name OUTCOME` or `name TYPE OUTCOME`, with the outcomes `NXDOMAIN`,
/// `NODATA`, `SERVFAIL`, `TIMEOUT` (it says nothing) and `TRICKLE` (an octet at a time by TCP, without end). A TXT is one or more strings in
/// quotes; a long one is cut as it has to be.
#[derive(Debug)]
pub struct Nameserver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    zone: Mutex<BTreeMap<String, Vec<Line>>>,
    asked: Mutex<Vec<String>>,
    octets: AtomicUsize,
    stopped: AtomicBool,
}

#[derive(Debug, Clone)]
struct Line {
    /// `None`: of every type.
    kind: Option<String>,
    value: String,
}

/// What it does with a question.
enum Says {
    Answer(Vec<u8>),
    Nothing,
    Trickle(Vec<u8>),
}

impl Nameserver {
    /// Starts one with this script.
    pub fn start(net: &Loopback, script: &str) -> Self {
        let (udp, tcp) = (0..20).find_map(|_| sockets(net)).expect("a port for the name server");
        let address = udp.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let (by_udp, by_tcp) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::spawn(move || by_udp.serve_udp(&udp));
        thread::spawn(move || by_tcp.serve_tcp(&tcp));
        let server = Self { address, shared };
        server.set(script);
        server
    }

    /// Another script from now on.
    pub fn set(&self, script: &str) {
        let mut zone: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for (name, line) in script.lines().filter_map(parsed) {
            zone.entry(name).or_default().push(line);
        }
        *locked(&self.shared.zone) = zone;
    }

    /// Where it listens, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked, in order: `example.org TXT`.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.shared.asked).clone()
    }

    /// Octets of all its answers.
    pub fn octets(&self) -> usize {
        self.shared.octets.load(Ordering::Relaxed)
    }
}

impl Drop for Nameserver {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Both threads wait for somebody to come.
        let _ = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|from| from.send_to(b"", self.address));
        let _ = TcpStream::connect(self.address);
    }
}

/// UDP and TCP on one port.
fn sockets(net: &Loopback) -> Option<(UdpSocket, TcpListener)> {
    let udp = UdpSocket::bind((net.host(HOST), 0)).ok()?;
    let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
    Some((udp, tcp))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name of the script in one form; an address stands for its reverse name.
fn normal(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            let digits: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            format!("{}ip6.arpa", digits.concat())
        }
        Err(_) => name.trim_end_matches('.').to_ascii_lowercase(),
    }
}

fn parsed(line: &str) -> Option<(String, Line)> {
    let mut words = line.trim().splitn(3, ' ').map(str::trim);
    let name = words.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let kind = words.next()?;
    let line = match words.next() {
        Some(value) => Line { kind: Some(kind.to_owned()), value: value.trim().to_owned() },
        None => Line { kind: None, value: kind.to_owned() },
    };
    Some((normal(name), line))
}

fn kind_number(kind: &str) -> Option<u16> {
    Some(match kind {
        "A" => 1,
        "CNAME" => 5,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        _ => return None,
    })
}

impl Shared {
    fn serve_udp(&self, socket: &UdpSocket) {
        let mut question = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut question) {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let Some(question) = question.get(..length).and_then(Question::parse) else { continue };
            let answer = match self.answer(&question) {
                Says::Answer(answer) if answer.len() <= UDP_OCTETS_MAX => answer,
                Says::Answer(_) | Says::Trickle(_) => question.message(NO_ERROR, true, &[]),
                Says::Nothing => continue,
            };
            self.octets.fetch_add(answer.len(), Ordering::Relaxed);
            let _ = socket.send_to(&answer, client);
        }
    }

    fn serve_tcp(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let shared = Arc::clone(self);
            thread::spawn(move || shared.serve_connection(stream));
        }
    }

    fn serve_connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        while !self.stopped.load(Ordering::Relaxed) {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question)?;
            let Some(question) = Question::parse(&question) else { return Ok(()) };
            match self.answer(&question) {
                Says::Answer(answer) => {
                    self.octets.fetch_add(answer.len(), Ordering::Relaxed);
                    stream.write_all(&u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes())?;
                    stream.write_all(&answer)?;
                }
                Says::Nothing => {}
                Says::Trickle(answer) => {
                    stream.write_all(&u16::MAX.to_be_bytes())?;
                    stream.set_read_timeout(Some(TRICKLE))?;
                    // Until the client has had enough.
                    for octet in answer.into_iter().chain(std::iter::repeat(0)).take(MESSAGE_OCTETS_MAX) {
                        stream.write_all(&[octet])?;
                        self.octets.fetch_add(1, Ordering::Relaxed);
                        let mut more = [0];
                        let waited = stream.read(&mut more).is_err_and(|error| is_timeout(&error));
                        if !waited || self.stopped.load(Ordering::Relaxed) {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn answer(&self, question: &Question) -> Says {
        locked(&self.asked).push(format!("{} {}", question.name.to_ascii_lowercase(), question.kind_name()));
        let zone = locked(&self.zone);
        let mut records = Vec::new();
        let mut name = normal(&question.name);
        for _ in 0..CHAIN_MAX {
            let Some(lines) = zone.get(&name) else {
                let below = format!(".{name}");
                let exists = zone.keys().any(|known| known.ends_with(&below));
                let code = if exists { NO_ERROR } else { NO_SUCH_NAME };
                return Says::Answer(question.message(code, false, &records));
            };
            let of = |kind: &str| {
                let kind = kind.to_owned();
                lines.iter().filter(move |line| line.kind.as_deref().is_none_or(|known| known == kind))
            };
            if let Some(target) = lines.iter().find(|line| line.kind.as_deref() == Some("CNAME")) {
                records.push(record(&name, "CNAME", &target.value));
                name = normal(&target.value);
                continue;
            }
            for line in of(question.kind_name()) {
                match line.value.as_str() {
                    "NXDOMAIN" => return Says::Answer(question.message(NO_SUCH_NAME, false, &records)),
                    "NODATA" => return Says::Answer(question.message(NO_ERROR, false, &records)),
                    "SERVFAIL" => return Says::Answer(question.message(SERVER_FAILURE, false, &[])),
                    "TIMEOUT" => return Says::Nothing,
                    "TRICKLE" => return Says::Trickle(question.message(NO_ERROR, false, &[])),
                    value => records.push(record(&name, question.kind_name(), value)),
                }
            }
            return Says::Answer(question.message(NO_ERROR, false, &records));
        }
        // A circle: a resolver gives up.
        Says::Answer(question.message(SERVER_FAILURE, false, &[]))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// RFC 1035 §4.1.
struct Question {
    id: [u8; 2],
    octets: Vec<u8>,
    name: String,
    kind: u16,
}

impl Question {
    fn parse(query: &[u8]) -> Option<Self> {
        let (head, rest) = query.split_at_checked(12)?;
        let (mut at, mut labels) = (0, Vec::new());
        loop {
            let length = usize::from(*rest.get(at)?);
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(rest.get(at + 1..=at + length)?).into_owned());
            at += length + 1;
        }
        let kind = u16::from_be_bytes(rest.get(at + 1..at + 3)?.try_into().ok()?);
        let octets = rest.get(..at + 5)?.to_vec();
        Some(Self { id: *head.first_chunk()?, octets, name: labels.join("."), kind })
    }

    fn kind_name(&self) -> &'static str {
        ["A", "CNAME", "PTR", "MX", "TXT", "AAAA"]
            .into_iter()
            .find(|kind| kind_number(kind) == Some(self.kind))
            .unwrap_or("OTHER")
    }

    fn message(&self, code: u8, truncated: bool, records: &[Vec<u8>]) -> Vec<u8> {
        let nothing = records.is_empty() && !truncated && matches!(code, NO_ERROR | NO_SUCH_NAME);
        let mut records = records.to_vec();
        // As many records as a message can hold.
        let mut room = MESSAGE_OCTETS_MAX - 12 - self.octets.len();
        let fit = records.iter().take_while(|record| {
            let fits = record.len() <= room;
            room -= record.len().min(room);
            fits
        });
        let fit = fit.count();
        records.truncate(fit);
        let flags = if truncated { 0x83 } else { 0x81 };
        let mut out = vec![self.id[0], self.id[1], flags, 0x80 | code, 0, 1];
        out.extend(u16::try_from(records.len()).unwrap_or(0).to_be_bytes());
        out.extend([0, u8::from(nothing), 0, 0]);
        out.extend(&self.octets);
        out.extend(records.concat());
        if nothing {
            out.extend(no_more());
        }
        out
    }
}

/// The SOA of the root, which makes a "no" an honest one (RFC 2308 §5); it is not to be kept.
fn no_more() -> Vec<u8> {
    let mut out = vec![0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0];
    for number in [1_u32, 3600, 600, 86_400, 0] {
        out.extend(number.to_be_bytes());
    }
    out
}

fn record(name: &str, kind: &str, value: &str) -> Vec<u8> {
    let data = data(kind, value);
    let mut out = wire_name(name);
    out.extend(kind_number(kind).expect("a kind of the script").to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 1]);
    out.extend(u16::try_from(data.len()).expect("data of a record").to_be_bytes());
    out.extend(data);
    out
}

fn data(kind: &str, value: &str) -> Vec<u8> {
    match kind {
        "A" => value.parse::<Ipv4Addr>().expect(value).octets().to_vec(),
        "AAAA" => value.parse::<Ipv6Addr>().expect(value).octets().to_vec(),
        "MX" => {
            let (preference, host) = value.split_once(' ').expect(value);
            let preference: u16 = preference.parse().expect(value);
            [&preference.to_be_bytes()[..], &wire_name(host.trim())].concat()
        }
        "TXT" => strings(value),
        _ => wire_name(value),
    }
}

/// `"a" "b"`, or words without quotes.
fn strings(value: &str) -> Vec<u8> {
    let quoted = value.starts_with('"');
    let texts: Vec<&str> = if quoted { value.split('"').skip(1).step_by(2).collect() } else { vec![value] };
    let mut out = Vec::new();
    for text in texts {
        if text.is_empty() {
            out.push(0);
        }
        for piece in text.as_bytes().chunks(STRING_OCTETS_MAX) {
            out.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
            out.extend(piece);
        }
    }
    out
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len().min(63)).unwrap_or(63));
        out.extend(label.as_bytes().iter().take(63));
    }
    out.push(0);
    out
}
