//! A part of 127.0.0.0/8 for one test alone, so that many tests may use the same port numbers at once.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Held as a claim at host 254 of each net; the number means nothing.
const CLAIM_PORT: u16 = 40_000;

/// A net `127.a.b.0/24` that no other test has while this value lives.
#[derive(Debug)]
pub struct Loopback {
    a: u8,
    b: u8,
    _claim: TcpListener,
}

impl Loopback {
    /// Claims a free net.
    pub fn claim() -> Self {
        loop {
            let [a, b, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
            // Not 127.0.0.0/16, where other programs of the machine live.
            let a = a.max(1);
            if let Ok(claim) = TcpListener::bind((Ipv4Addr::new(127, a, b, 254), CLAIM_PORT)) {
                return Self { a, b, _claim: claim };
            }
        }
    }

    /// A host of the net, 1 to 253.
    pub fn host(&self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.a, self.b, number)
    }

    /// A port that is free on all hosts of the net, for programs that cannot say which port they were given.
    pub fn port(&self) -> u16 {
        let free = TcpListener::bind((self.host(253), 0)).and_then(|listener| listener.local_addr());
        free.as_ref().map(SocketAddr::port).expect("a free port")
    }
}
