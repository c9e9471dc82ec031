//! A DNS whose answers are octets of an input, and which counts what it is asked.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use dns::{Answer, BoxFuture, DnsError, Mx, Resolve, Security};

/// Lines, `name answer`: whatever is asked of a name is answered by its lines, as far as they are of the form. A line whose name is `*`
/// is of all names that no other line is of: so a record can lead on without end. `!`: no answer for now.
pub(crate) struct Scripted {
    lines: Vec<(String, Vec<u8>)>,
    asked: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new(octets: &[u8]) -> Self {
        let line = |line: &[u8]| {
            let at = line.iter().position(|octet| *octet == b' ')?;
            let (name, answer) = line.split_at(at);
            Some((dns::normalise(&String::from_utf8_lossy(name)), answer.get(1..)?.to_vec()))
        };
        let lines = octets.split(|octet| *octet == b'\n').filter_map(line).collect();
        Self { lines, asked: AtomicUsize::new(0) }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn answer<T>(&self, name: &str, read: impl Fn(&[u8]) -> Option<T>) -> Result<Answer<Vec<T>>, DnsError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let name = dns::normalise(name);
        let of = |wanted: &str| -> Vec<&[u8]> {
            self.lines.iter().filter(|(name, _)| name == wanted).map(|(_, answer)| &answer[..]).collect()
        };
        let mut lines = of(&name);
        if lines.is_empty() {
            lines = of("*");
        }
        if lines.contains(&&b"!"[..]) {
            return Err(DnsError::temporary("no answer"));
        }
        let records: Vec<T> = lines.iter().filter_map(|line| read(line)).collect();
        match (lines.is_empty(), records.is_empty()) {
            (true, _) => Err(DnsError::NoSuchName),
            (_, true) => Err(DnsError::NoRecords),
            _ => Ok(Answer { records, security: Security::Insecure, ttl: Duration::from_mins(5) }),
        }
    }
}

impl Resolve for Scripted {
    fn mx<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>> {
        let read = |line: &[u8]| Some(Mx::new(10, std::str::from_utf8(line).ok()?));
        Box::pin(std::future::ready(self.answer(name, read)))
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        // An address, or any octets that could be one.
        let read = |line: &[u8]| {
            let text = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
            text.or_else(|| Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(line).ok()?))))
        };
        Box::pin(std::future::ready(self.answer(name, read)))
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>> {
        Box::pin(std::future::ready(self.answer(name, |line| Some(line.to_vec()))))
    }

    fn ptr(&self, address: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>> {
        let read = |line: &[u8]| std::str::from_utf8(line).ok().map(Into::into);
        Box::pin(std::future::ready(self.answer(&dns::reverse_name(address), read)))
    }
}

/// What a check comes to: nothing here waits.
pub(crate) fn at_once<T>(check: impl Future<Output = T>) -> T {
    match pin!(check).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits"),
    }
}
