//! The DNS and the spells of trouble in the network.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use dns::{Answer, BoxFuture, DnsError, Mx, Resolve};
use testkit::dns::FakeDns;

use crate::{clock::SimClock, slips::Slips};

/// Domains with hosts of their own; `d0` and `d1` have two.
pub(crate) const DOMAINS: [&str; 5] = ["d0.example", "d1.example", "d2.example", "d3.example", "d4.example"];
/// Where reports go.
pub(crate) const SENDERS: &str = "senders.example";
/// A domain that takes no mail, and one that does not exist.
pub(crate) const NULL_MX: &str = "null.example";
pub(crate) const NOWHERE: &str = "nowhere.example";
/// Where the program is that keeps our mailboxes, in some worlds.
pub(crate) const STORE: [u8; 4] = [192, 0, 2, 40];

/// Whether a host of this address may get mail for a domain: by the DNS, by the route of `Settings::Strict`, or as the store.
pub(crate) fn is_host_of(address: &str, domain: &str) -> bool {
    let hosts: &[&str] = match domain {
        "d0.example" => &["192.0.2.10", "192.0.2.20"],
        "d1.example" => &["192.0.2.11", "192.0.2.21"],
        "d2.example" | "d3.example" => &["192.0.2.12"],
        "d4.example" => &["192.0.2.14", "192.0.2.12"],
        SENDERS => &["192.0.2.30"],
        "here.test" => &["192.0.2.40"],
        _ => &[],
    };
    hosts.contains(&address)
}

const ZONES: &str = "
    d0.example MX 10 mx1.d0.example
    d0.example MX 20 mx2.d0.example
    mx1.d0.example A 192.0.2.10
    mx2.d0.example A 192.0.2.20
    d1.example MX 10 mx1.d1.example
    d1.example MX 10 mx2.d1.example
    mx1.d1.example A 192.0.2.11
    mx2.d1.example A 192.0.2.21
    d2.example MX 10 mx.d2.example
    mx.d2.example A 192.0.2.12
    d3.example MX 10 mx.d2.example
    d4.example A 192.0.2.14
    senders.example MX 10 mx.senders.example
    mx.senders.example A 192.0.2.30
    null.example MX 0 .
";

/// Who has trouble, and until when in true milliseconds; over for good once it has cleared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather(Arc<State>);

#[derive(Debug, Default)]
struct State {
    spells: Mutex<BTreeMap<String, u64>>,
    is_clear: AtomicBool,
}

impl Weather {
    /// From now on there is no trouble.
    pub(crate) fn clear(&self) {
        self.0.is_clear.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_clear(&self) -> bool {
        self.0.is_clear.load(Ordering::SeqCst)
    }

    /// Trouble for a name or an address.
    pub(crate) fn trouble(&self, whose: &str, until: u64) {
        self.0.spells.lock().unwrap_or_else(PoisonError::into_inner).insert(whose.to_owned(), until);
    }

    pub(crate) fn is_troubled(&self, whose: &str, now: u64) -> bool {
        let spells = self.0.spells.lock().unwrap_or_else(PoisonError::into_inner);
        !self.is_clear() && spells.get(whose).is_some_and(|until| *until > now)
    }
}

/// The scripted DNS, which fails for names in trouble.
pub(crate) struct SimDns {
    zones: FakeDns,
    weather: Weather,
    clock: Arc<SimClock>,
    slips: Slips,
}

impl SimDns {
    pub(crate) fn new(weather: Weather, clock: Arc<SimClock>, slips: Slips) -> Self {
        Self { zones: FakeDns::new(ZONES), weather, clock, slips }
    }

    fn check(&self, name: &str) -> Result<(), DnsError> {
        self.zones.forget_queries();
        self.slips.pass();
        if self.weather.is_troubled(name, self.clock.elapsed()) {
            return Err(DnsError::temporary("SERVFAIL"));
        }
        Ok(())
    }
}

impl Resolve for SimDns {
    fn mx<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>> {
        Box::pin(async move {
            self.check(name)?;
            self.zones.mx(name).await
        })
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(async move {
            self.check(name)?;
            self.zones.addresses(name).await
        })
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>> {
        self.zones.txt(name)
    }

    fn ptr(&self, address: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>> {
        self.zones.ptr(address)
    }
}
