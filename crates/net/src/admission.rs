//! How many sessions there may be: in all, and per client network.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Network;

/// IPv6 clients own whole /64 networks, so that is what counts as one client.
const V6_PREFIX: u8 = 64;

/// Counts sessions. Clones count together: the listeners of one service share one.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sessions_max: usize,
    sessions_per_address_max: usize,
    counts: Mutex<Counts>,
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
}

impl Admission {
    /// At most so many sessions at once, in all and for one client.
    pub fn new(sessions_max: usize, sessions_per_address_max: usize) -> Self {
        Self(Arc::new(Inner { sessions_max, sessions_per_address_max, counts: Mutex::default() }))
    }

    /// Admits one more session of that client.
    pub fn admit(&self, client: IpAddr) -> Result<Permit, Refused> {
        let network = client_network(client);
        let mut counts = self.0.lock();
        if counts.all >= self.0.sessions_max {
            return Err(Refused::All);
        }
        counts.enter(network, self.0.sessions_per_address_max)?;
        counts.all += 1;
        Ok(Permit { inner: Arc::clone(&self.0), network })
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
        let network = client_network(client);
        if network == self.network {
            return Ok(());
        }
        let mut counts = self.inner.lock();
        counts.enter(network, self.inner.sessions_per_address_max)?;
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

fn client_network(client: IpAddr) -> Network {
    match crate::unmapped(client) {
        v4 @ IpAddr::V4(_) => Network::around(v4, 32),
        v6 @ IpAddr::V6(_) => Network::around(v6, V6_PREFIX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_cannot_take_all_places() {
        let admission = Admission::new(3, 2);
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
        let admission = Admission::new(9, 1);
        let _one = admission.admit(ip("2001:db8::1")).unwrap();
        assert_eq!(admission.admit(ip("2001:db8::ffff:2")).unwrap_err(), Refused::Client);
        assert!(admission.admit(ip("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn behind_a_proxy_each_client_has_its_own_count() {
        let admission = Admission::new(9, 2);
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
        let admission = Admission::new(9, 9);
        drop(admission.admit(ip("2001:db8::1")));
        let closed = Admission::new(9, 0);
        assert!(closed.admit(ip("2001:db8::1")).is_err());
        assert_eq!((admission.sessions(), admission.0.lock().by_network.len()), (0, 0));
        assert_eq!(closed.0.lock().by_network.len(), 0);
    }
}
