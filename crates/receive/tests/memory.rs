//! What one session takes of memory. A program of its own: the allocator counts for all of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{alloc::System, path::Path, sync::Arc};

use cap::Cap;
use directory::{AccountConfig, Authenticator, Directory, DomainConfig};
use disk::{OsDisk, OsRandom, SystemClock};
use net::{Networks, Shutdown};
use receive::{Config, Receiver, Service};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// design: whatever the size of a message.
const SESSION_OCTETS_MAX: usize = 256 << 10;
/// What the spool has once all is made.
const SPARES: u64 = 3;
const CLIENT: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn receiver(dir: &Path) -> Receiver {
    let (disk, clock) = (Arc::new(OsDisk), Arc::new(SystemClock));
    let events = events::Config::new(dir.join("events"));
    let events = Arc::new(events::Log::open(events, disk.clone(), clock.clone()).unwrap());
    let mut spool = spool::Config::small(dir.join("spool"));
    // What is kept for the first delivery is no session's, and has a bound of its own.
    spool.cache_octets = 0;
    let (spool, _) = spool::Spool::open(spool, disk, clock.clone(), Arc::new(OsRandom), events).unwrap();
    // Segments are made ahead of need, on a thread that holds the zeros for them: those are no session's either.
    while spool.stats().segments_spare < SPARES {
        std::thread::yield_now();
    }
    let client: net::Network = "192.0.2.1".parse().unwrap();
    let config = Config { trusted_networks: Networks::from_iter([client]), ..Config::default() };
    let domain = DomainConfig { name: "example.org".into(), catch_all: None, subaddress: None };
    let anna = AccountConfig { login: "anna@example.org".into(), ..AccountConfig::default() };
    let people =
        directory::Config { domains: vec![domain], accounts: vec![anna], ..directory::Config::default() };
    let directory = Arc::new(Directory::new(people).unwrap());
    let logins = Authenticator::new(Arc::clone(&directory), b"secret");
    Receiver::new(config, spool, directory, logins, clock)
}

/// A client that says what it is told, and looks at the heap between.
struct Client {
    wire: BufReader<DuplexStream>,
    most: usize,
}

impl Client {
    async fn say(&mut self, octets: &[u8]) {
        self.wire.write_all(octets).await.unwrap();
        self.most = self.most.max(HEAP.allocated());
    }

    async fn hear(&mut self, code: &str) {
        let mut line = String::new();
        while !line.starts_with(&format!("{code} ")) {
            line.clear();
            self.wire.read_line(&mut line).await.unwrap();
            assert!(line.starts_with(code), "{line}");
        }
        self.most = self.most.max(HEAP.allocated());
    }

    async fn send(&mut self, octets: usize) {
        self.say(b"MAIL FROM:<>\r\nRCPT TO:<anna@example.net>\r\nDATA\r\n").await;
        self.hear("250").await;
        self.hear("250").await;
        self.hear("354").await;
        let line = [b"x".repeat(1022), b"\r\n".to_vec()].concat();
        for _ in 0..octets / line.len() {
            self.say(&line).await;
        }
        self.say(b".\r\n").await;
        self.hear("250").await;
    }
}

#[tokio::test]
async fn a_session_keeps_its_bound_whatever_the_size_of_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = receiver(dir.path());
    let (ours, theirs) = tokio::io::duplex(4096);
    let serving = receiver.clone();
    tokio::spawn(async move {
        let mut shutdown = Shutdown::never();
        serving.session(Service::Smtp, CLIENT, theirs, &mut shutdown).await
    });
    let mut client = Client { wire: BufReader::new(ours), most: 0 };
    client.hear("220").await;
    client.say(b"EHLO client.example.net\r\n").await;
    client.hear("250").await;
    // Threads, tables and caches that stay whoever comes.
    client.send(1 << 20).await;
    for octets in [100 << 10, 1 << 20, 30 << 20] {
        let before = HEAP.allocated();
        client.most = before;
        client.send(octets).await;
        let took = client.most - before;
        assert!(took <= SESSION_OCTETS_MAX, "a message of {octets} octets took {took}");
        assert!(took > 1000, "the count is at work");
    }
}
