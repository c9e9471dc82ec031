//! What it takes the real server to open a long queue.

use crate::dns::Dns;
use crate::fill::Filled;
use crate::memory::Memory;
use crate::scenario::Work;
use crate::servers::{Access, Candidate, Server, Setting};
use crate::sink::{Manner, Sink};
use crate::{Failure, clock, fairness, stats};
use serde_json::{Value, json};
use std::path::Path;

/// What it takes to open the queue.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    pub(crate) recipients: u64,
    pub(crate) address_octets: u64,
    /// From the start of the program to its greeting, round by round.
    pub(crate) ns: Vec<u64>,
    /// The same with an empty queue.
    pub(crate) empty_ns: u64,
    pub(crate) full: Memory,
    pub(crate) empty: Memory,
}

impl Opening {
    pub(crate) fn seconds(&self) -> f64 {
        let rounds: Vec<f64> = self.ns.iter().map(|ns| stats::seconds(*ns)).collect();
        stats::median(&rounds).unwrap_or_default()
    }

    /// Octets of memory for each recipient, its address not counted.
    #[expect(clippy::cast_precision_loss, reason = "octets of memory are far below 2^52")]
    pub(crate) fn per_recipient(&self) -> f64 {
        let more = self.full.now.saturating_sub(self.empty.now).saturating_sub(self.address_octets);
        more as f64 / self.recipients.max(1) as f64
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "{} recipients: open in {:.2} s (an empty queue: {:.2} s); {} MiB, at most {} MiB; {:.0} octets for each beside its address",
            self.recipients,
            self.seconds(),
            stats::seconds(self.empty_ns),
            self.full.now >> 20,
            self.full.peak >> 20,
            self.per_recipient(),
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "recipients": self.recipients, "address_octets": self.address_octets, "open_ns": self.ns,
            "open_empty_ns": self.empty_ns, "memory": self.full.now, "memory_peak": self.full.peak,
            "memory_empty": self.empty.now, "octets_per_recipient": self.per_recipient(),
        })
    }
}

/// What the server needs beside itself: a next hop, and a DNS server whose hosts never say a word.
pub(super) struct Neighbours {
    sink: Sink,
    _silent: Sink,
    dns: Dns,
}

impl Neighbours {
    pub(super) fn start() -> Result<Self, Failure> {
        let (sink, silent) = fairness::sinks(Manner::Accepting, Manner::Silent)?;
        Ok(Self { sink, _silent: silent, dns: Dns::start()? })
    }

    /// Opens the queue in `place` so many times, and one that is empty in `empty`. The server of the last time goes on.
    pub(super) fn open(
        &self,
        who: &Candidate,
        filled: &Filled,
        rounds: u64,
        empty: &Path,
        place: &Path,
    ) -> Result<(Opening, Server), Failure> {
        std::fs::create_dir_all(empty)?;
        let mut opening = Opening {
            recipients: filled.recipients,
            address_octets: filled.address_octets,
            ..Opening::default()
        };
        // Twice: the first time it makes its segments.
        for _ in 0..2 {
            let (server, ns) = self.started(who, empty)?;
            (opening.empty_ns, opening.empty) = (ns, server.memory()?);
        }
        for _ in 1..rounds {
            opening.ns.push(self.started(who, place)?.1);
        }
        let (server, ns) = self.started(who, place)?;
        opening.ns.push(ns);
        opening.full = server.memory()?;
        Ok((opening, server))
    }

    /// A server that greets, and how long that took.
    fn started(&self, who: &Candidate, dir: &Path) -> Result<(Server, u64), Failure> {
        let setting = Setting {
            work: Work::Relay,
            dir,
            next_hop: self.sink.address,
            dns: self.dns.address,
            sessions: 40,
            mailboxes: 0,
            access: Access::default(),
        };
        let begun = clock::monotonic_ns();
        let server = Server::start(who, &setting)?;
        Ok((server, clock::monotonic_ns() - begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_for_each_recipient_without_its_address() {
        let memory = |now| Memory { now, peak: 2 * now };
        let opening = Opening {
            recipients: 10,
            address_octets: 200,
            ns: vec![3_000_000_000, 1_000_000_000, 2_000_000_000],
            empty_ns: 10_000_000,
            full: memory(5000),
            empty: memory(3000),
        };
        assert!((opening.per_recipient() - 180.0).abs() < 1e-9);
        assert!(opening.line().starts_with("10 recipients: open in 2.00 s (an empty queue: 0.01 s)"));
    }
}
