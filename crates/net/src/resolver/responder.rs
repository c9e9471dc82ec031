//! A tiny name server on loopback, written by hand, so that tests see what is really on the wire.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};

/// One record of an answer; the owner is the name asked for unless given.
#[derive(Debug, Clone)]
pub(super) enum Rr {
    Address(IpAddr),
    Mx(u16, &'static str),
    Cname(&'static str),
    /// A record of another owner, as behind a CNAME in the same answer.
    AddressOf(&'static str, IpAddr),
    Txt(Vec<&'static str>),
    Ptr(&'static str),
}

/// What the server does with a question.
#[derive(Debug, Clone)]
pub(super) enum Say {
    Records(u32, Vec<Rr>),
    /// A reply code, and the TTL of the SOA beside it, if there is one.
    Code(u8, Option<u32>),
    /// NS records instead of an answer.
    Referral,
    /// By UDP only "truncated"; by TCP these.
    OnlyByTcp(Vec<Rr>),
    /// By UDP in lower case, whatever was asked.
    InLowerCase(Vec<Rr>),
    Silence,
    Garbage,
}

pub(super) const MX: u16 = 15;
pub(super) const A: u16 = 1;
pub(super) const AAAA: u16 = 28;
const CNAME: u16 = 5;
const TXT: u16 = 16;
const PTR: u16 = 12;
const NS: u16 = 2;
const SOA: u16 = 6;

type Answers = dyn Fn(&str, u16) -> Say + Send + Sync;

pub(super) struct Responder {
    pub(super) address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Server {
    answers: Arc<Answers>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Responder {
    /// Starts one; it ends with the runtime of the test.
    pub(super) async fn start(answers: impl Fn(&str, u16) -> Say + Send + Sync + 'static) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let server = Server { answers: Arc::new(answers), log: log.clone() };
        let (udp, tcp) = both_sockets().await;
        let address = udp.local_addr().unwrap();
        tokio::spawn(by_udp(udp, server.clone()));
        tokio::spawn(by_tcp(tcp, server));
        Self { address, log }
    }

    /// What was asked: `udp example.org 15`.
    pub(super) fn asked(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// UDP and TCP on one port that was free for both.
async fn both_sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

async fn by_udp(socket: UdpSocket, server: Server) {
    let mut buffer = [0; 4096];
    while let Ok((len, peer)) = socket.recv_from(&mut buffer).await {
        if let Some(answer) = server.answer(&buffer[..len], false) {
            socket.send_to(&answer, peer).await.unwrap();
        }
    }
}

async fn by_tcp(listener: TcpListener, server: Server) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_tcp(stream, server.clone()));
    }
}

async fn serve_tcp(mut stream: TcpStream, server: Server) -> std::io::Result<()> {
    loop {
        let len = stream.read_u16().await?;
        let mut question = vec![0; usize::from(len)];
        stream.read_exact(&mut question).await?;
        if let Some(answer) = server.answer(&question, true) {
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await?;
            stream.write_all(&answer).await?;
        }
    }
}

impl Server {
    fn answer(&self, query: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let question = Question::parse(query);
        let name = question.name.to_ascii_lowercase();
        let transport = if tcp { "tcp" } else { "udp" };
        self.log.lock().unwrap().push(format!("{transport} {name} {}", question.kind));
        Some(match (self.answers)(&name, question.kind) {
            Say::Records(ttl, records) => question.reply(0, &records, ttl),
            Say::Code(code, soa) => question.negative(code, soa),
            Say::Referral => question.referral(),
            Say::OnlyByTcp(records) if tcp => question.reply(0, &records, 300),
            Say::OnlyByTcp(_) => question.truncated(),
            Say::InLowerCase(records) if tcp => question.reply(0, &records, 300),
            Say::InLowerCase(records) => question.lowered().reply(0, &records, 300),
            Say::Silence => return None,
            Say::Garbage => question.garbage(),
        })
    }
}

struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
}

impl Question {
    /// RFC 1035 §4.1.
    fn parse(query: &[u8]) -> Self {
        let mut at = 12;
        let mut labels = Vec::new();
        while query[at] != 0 {
            let len = usize::from(query[at]);
            labels.push(String::from_utf8(query[at + 1..=at + len].to_vec()).unwrap());
            at += 1 + len;
        }
        Self {
            id: [query[0], query[1]],
            name: labels.join("."),
            kind: u16::from_be_bytes([query[at + 1], query[at + 2]]),
        }
    }

    fn lowered(self) -> Self {
        Self { name: self.name.to_ascii_lowercase(), ..self }
    }

    /// Header and question. `flags` is the octet with QR, AA, TC and RD.
    fn head(&self, flags: u8, code: u8, answers: u16, authorities: u16) -> Vec<u8> {
        let mut out = vec![self.id[0], self.id[1], flags, 0x80 | code, 0, 1];
        out.extend_from_slice(&answers.to_be_bytes());
        out.extend_from_slice(&authorities.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        write_name(&mut out, &self.name);
        out.extend_from_slice(&self.kind.to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        out
    }

    fn reply(&self, code: u8, records: &[Rr], ttl: u32) -> Vec<u8> {
        let mut out = self.head(0x81, code, u16::try_from(records.len()).unwrap(), 0);
        for record in records {
            let (owner, kind, data) = record.wire(&self.name);
            write_record(&mut out, &owner, kind, ttl, &data);
        }
        out
    }

    fn negative(&self, code: u8, soa: Option<u32>) -> Vec<u8> {
        let mut out = self.head(0x81, code, 0, u16::from(soa.is_some()));
        if let Some(ttl) = soa {
            let mut data = Vec::new();
            write_name(&mut data, "ns.test");
            write_name(&mut data, "hostmaster.test");
            for number in [1, 3600, 600, 86_400, ttl] {
                data.extend_from_slice(&number.to_be_bytes());
            }
            write_record(&mut out, "test", SOA, ttl, &data);
        }
        out
    }

    fn referral(&self) -> Vec<u8> {
        let mut out = self.head(0x81, 0, 0, 1);
        let mut data = Vec::new();
        write_name(&mut data, "ns.elsewhere.test");
        write_record(&mut out, "test", NS, 300, &data);
        out
    }

    fn truncated(&self) -> Vec<u8> {
        self.head(0x83, 0, 0, 0)
    }

    fn garbage(&self) -> Vec<u8> {
        let mut out = self.head(0x81, 0, 9, 9);
        out.extend_from_slice(&[0xff; 40]);
        out
    }
}

impl Rr {
    fn wire(&self, asked: &str) -> (String, u16, Vec<u8>) {
        let mut data = Vec::new();
        let (owner, kind) = match self {
            Self::Address(address) => (asked, write_address(&mut data, *address)),
            Self::AddressOf(owner, address) => (*owner, write_address(&mut data, *address)),
            Self::Mx(preference, exchange) => {
                data.extend_from_slice(&preference.to_be_bytes());
                write_name(&mut data, exchange);
                (asked, MX)
            }
            Self::Cname(target) => {
                write_name(&mut data, target);
                (asked, CNAME)
            }
            Self::Ptr(target) => {
                write_name(&mut data, target);
                (asked, PTR)
            }
            Self::Txt(strings) => {
                for string in strings {
                    data.push(u8::try_from(string.len()).unwrap());
                    data.extend_from_slice(string.as_bytes());
                }
                (asked, TXT)
            }
        };
        (owner.to_owned(), kind, data)
    }
}

fn write_address(out: &mut Vec<u8>, address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(address) => {
            out.extend_from_slice(&address.octets());
            A
        }
        IpAddr::V6(address) => {
            out.extend_from_slice(&address.octets());
            AAAA
        }
    }
}

fn write_record(out: &mut Vec<u8>, owner: &str, kind: u16, ttl: u32, data: &[u8]) {
    write_name(out, owner);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&ttl.to_be_bytes());
    out.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    out.extend_from_slice(data);
}

fn write_name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}
