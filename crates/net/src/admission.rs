//! How much a client may do: sessions at once, in all and for each, and rates.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use limits::{Kind, Limits, Rates};
use tokio::time::Instant;

use crate::{Network, Networks};

/// Clients whose rates are remembered at a time, by some 100 octets each.
const CLIENTS_MAX: usize = 65_536;

/// Counts sessions and what clients do in them. Clones count together: the listeners of one service share one.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sessions_max: usize,
    clients: RwLock<Arc<ClientLimits>>,
    counts: Mutex<Counts>,
    rates: Rates<Network>,
    began: Instant,
}

/// Who counts as one client, and what each may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// The IPv4 addresses with so many bits in common are one client.
    pub v4_prefix: u8,
    /// The same for IPv6, where whole /64 networks belong to one machine.
    pub v6_prefix: u8,
    /// For networks that are named: the first that has a client holds.
    pub named: Vec<(Networks, Arc<Limits>)>,
    /// For all others.
    pub others: Arc<Limits>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_network: HashMap<Network, usize>,
}

/// The right to one session. Given back when dropped.
#[derive(Debug)]
pub struct Permit {
    inner: Arc<Inner>,
    network: Network,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No more sessions at all.
    All,
    /// No more sessions from this client: its address, or its /64 in IPv6.
    Client,
    /// It connects too often.
    Rate,
}

/// Counts what the client of one session does. Clones are of the same session.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Metering>);

#[derive(Debug)]
struct Metering {
    inner: Arc<Inner>,
    client: Mutex<(Network, Arc<Limits>)>,
}

impl ClientLimits {
    /// So many sessions for each client, an IPv4 address or a /64 of IPv6, and no rates.
    pub fn of_sessions(sessions: usize) -> Self {
        let others = Arc::new(Limits::of_sessions(sessions));
        Self { v4_prefix: 32, v6_prefix: 64, named: Vec::new(), others }
    }

    /// Who counts as one client with this one.
    fn network(&self, client: IpAddr) -> Network {
        let client = crate::unmapped(client);
        Network::around(client, if client.is_ipv4() { self.v4_prefix } else { self.v6_prefix })
    }

    fn of(&self, client: IpAddr) -> &Arc<Limits> {
        let named = self.named.iter().find(|(networks, _)| networks.contains(client));
        named.map_or(&self.others, |(_, limits)| limits)
    }
}

impl Admission {
    /// At most so many sessions at once in all, and what each client may do.
    pub fn new(sessions_max: usize, clients: ClientLimits) -> Self {
        Self(Arc::new(Inner {
            sessions_max,
            clients: RwLock::new(Arc::new(clients)),
            counts: Mutex::default(),
            rates: Rates::new(CLIENTS_MAX),
            began: Instant::now(),
        }))
    }

    /// Other limits for clients, for sessions that begin from now on.
    pub fn change(&self, clients: ClientLimits) {
        *self.0.clients.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(clients);
    }

    /// Admits one more session of that client.
    pub fn admit(&self, client: IpAddr) -> Result<Permit, Refused> {
        let clients = self.0.clients();
        let (network, limits) = (clients.network(client), clients.of(client));
        {
            let mut counts = self.0.lock();
            if counts.all >= self.0.sessions_max {
                return Err(Refused::All);
            }
            counts.enter(network, limits.sessions)?;
            counts.all += 1;
        }
        // If it is refused now, dropping this gives the place back.
        let permit = Permit { inner: Arc::clone(&self.0), network };
        self.0.connects(network, limits)?;
        Ok(permit)
    }

    /// Counts what a client does from now on.
    pub fn meter(&self, client: IpAddr) -> Meter {
        let client = Mutex::new(self.0.client(client));
        Meter(Arc::new(Metering { inner: Arc::clone(&self.0), client }))
    }

    /// Sessions now.
    pub fn sessions(&self) -> usize {
        self.0.lock().all
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing is left half done under this lock.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clients(&self) -> Arc<ClientLimits> {
        Arc::clone(&self.clients.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn client(&self, client: IpAddr) -> (Network, Arc<Limits>) {
        let clients = self.clients();
        (clients.network(client), Arc::clone(clients.of(client)))
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn connects(&self, network: Network, limits: &Limits) -> Result<(), Refused> {
        let may = self.rates.spend(&network, limits, Kind::Connections, 1, self.now());
        if may { Ok(()) } else { Err(Refused::Rate) }
    }
}

impl Counts {
    /// Counts a session of a client that may have so many.
    fn enter(&mut self, network: Network, max: usize) -> Result<(), Refused> {
        let own = self.by_network.get(&network).copied().unwrap_or(0);
        if own >= max {
            return Err(Refused::Client);
        }
        self.by_network.insert(network, own + 1);
        Ok(())
    }

    fn leave(&mut self, network: Network) {
        if let Some(own) = self.by_network.get_mut(&network) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

impl Permit {
    /// From here on it counts as a session of that client: of the one behind a proxy. Refused, it stays as it was.
    pub fn pass_to(&mut self, client: IpAddr) -> Result<(), Refused> {
        let (network, limits) = self.inner.client(client);
        if network == self.network {
            return Ok(());
        }
        self.inner.connects(network, &limits)?;
        let mut counts = self.inner.lock();
        counts.enter(network, limits.sessions)?;
        counts.leave(self.network);
        self.network = network;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.inner.lock();
        counts.all = counts.all.saturating_sub(1);
        counts.leave(self.network);
    }
}

impl Meter {
    /// Takes so many, if the client has them left.
    pub fn spend(&self, kind: Kind, many: u64) -> bool {
        let (network, limits) = self.client();
        self.0.inner.rates.spend(&network, &limits, kind, many, self.0.inner.now())
    }

    /// Takes so many for what has happened already. Whether the client has some left.
    pub fn charge(&self, kind: Kind, many: u64) -> bool {
        let (network, limits) = self.client();
        limits.rate(kind).is_none()
            || self.0.inner.rates.charge(&network, &limits, kind, many, self.0.inner.now())
    }

    /// From here on it is another client: the one behind a proxy.
    pub fn pass_to(&self, client: IpAddr) {
        *self.lock() = self.0.inner.client(client);
    }

    fn client(&self) -> (Network, Arc<Limits>) {
        let client = self.lock();
        (client.0, Arc::clone(&client.1))
    }

    fn lock(&self) -> MutexGuard<'_, (Network, Arc<Limits>)> {
        self.0.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use limits::Rate;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn limited(sessions: usize, per_client: usize) -> Admission {
        Admission::new(sessions, ClientLimits::of_sessions(per_client))
    }

    fn rate(count: u64) -> Rate {
        Rate { count, per: Duration::from_mins(1) }
    }

    #[test]
    fn one_client_cannot_take_all_places() {
        let admission = limited(3, 2);
        let first = admission.admit(ip("192.0.2.1")).unwrap();
        let _second = admission.admit(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(
            admission.admit(ip("192.0.2.1")).unwrap_err(),
            Refused::Client,
            "a mapped address is the same client"
        );
        let _other = admission.admit(ip("192.0.2.2")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.3")).unwrap_err(), Refused::All);
        drop(first);
        assert!(admission.admit(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn an_ipv6_client_is_its_64() {
        let admission = limited(9, 1);
        let _one = admission.admit(ip("2001:db8::1")).unwrap();
        assert_eq!(admission.admit(ip("2001:db8::ffff:2")).unwrap_err(), Refused::Client);
        assert!(admission.admit(ip("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn behind_a_proxy_each_client_has_its_own_count() {
        let admission = limited(9, 2);
        let mut proxied = admission.admit(ip("192.0.2.1")).unwrap();
        let mut second = admission.admit(ip("192.0.2.1")).unwrap();
        proxied.pass_to(ip("203.0.113.1")).unwrap();
        proxied.pass_to(ip("203.0.113.1")).unwrap();
        second.pass_to(ip("203.0.113.1")).unwrap();
        let mut third = admission.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(third.pass_to(ip("203.0.113.1")), Err(Refused::Client));
        assert_eq!(admission.sessions(), 3);
        drop((proxied, second));
        assert_eq!(admission.0.lock().by_network.len(), 1, "the third is still the proxy's");
        assert_eq!(third.pass_to(ip("203.0.113.1")), Ok(()));
        drop(third);
        assert_eq!((admission.sessions(), admission.0.lock().by_network.len()), (0, 0));
    }

    #[test]
    fn nothing_is_kept_of_clients_that_left() {
        let admission = limited(9, 9);
        drop(admission.admit(ip("2001:db8::1")));
        let closed = limited(9, 0);
        assert!(closed.admit(ip("2001:db8::1")).is_err());
        assert_eq!((admission.sessions(), admission.0.lock().by_network.len()), (0, 0));
        assert_eq!(closed.0.lock().by_network.len(), 0);
    }

    #[test]
    fn networks_that_are_named_have_limits_of_their_own_and_addresses_count_together_by_their_prefix() {
        let named = Arc::new(Limits::of_sessions(3).with(Kind::Connections, None));
        let clients = ClientLimits {
            v4_prefix: 24,
            v6_prefix: 48,
            named: vec![(Networks::parse(["192.0.2.0/28", "2001:db8::/64"]).unwrap(), named)],
            others: Arc::new(Limits::of_sessions(1)),
        };
        let admission = Admission::new(99, clients);
        let _first = admission.admit(ip("192.0.2.200")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.201")).unwrap_err(), Refused::Client);
        let _named =
            (admission.admit(ip("192.0.2.1")).unwrap(), admission.admit(ip("::ffff:192.0.2.2")).unwrap());
        assert_eq!(admission.admit(ip("192.0.2.3")).unwrap_err(), Refused::Client);
        let _v6 = admission.admit(ip("2001:db8:0:1::1")).unwrap();
        assert_eq!(admission.admit(ip("2001:db8:0:2::1")).unwrap_err(), Refused::Client);
        admission.change(ClientLimits::of_sessions(9));
        assert!(admission.admit(ip("192.0.2.201")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_too_often_is_refused_until_a_while_has_passed() {
        let others = Arc::new(Limits::of_sessions(9).with(Kind::Connections, Some(rate(2))));
        let admission = Admission::new(99, ClientLimits { others, ..ClientLimits::of_sessions(9) });
        let (client, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert!(admission.admit(client).is_ok() && admission.admit(client).is_ok());
        assert_eq!(admission.admit(client).unwrap_err(), Refused::Rate);
        assert_eq!(admission.sessions(), 0, "what was refused holds no place");
        let mut proxied = admission.admit(other).unwrap();
        assert_eq!(proxied.pass_to(client), Err(Refused::Rate), "behind a proxy too");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(proxied.pass_to(client), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_metered_for_the_client_behind_its_proxy() {
        let others = Arc::new(Limits::of_sessions(9).with(Kind::Messages, Some(rate(1))));
        let admission = Admission::new(99, ClientLimits { others, ..ClientLimits::of_sessions(9) });
        let meter = admission.meter(ip("192.0.2.1"));
        assert!(meter.spend(Kind::Messages, 1) && !meter.clone().spend(Kind::Messages, 1));
        meter.pass_to(ip("192.0.2.2"));
        assert!(meter.charge(Kind::Messages, 1) && !meter.charge(Kind::Messages, 1));
        assert!(!admission.meter(ip("192.0.2.1")).spend(Kind::Messages, 1), "what was done is not forgotten");
    }
}
