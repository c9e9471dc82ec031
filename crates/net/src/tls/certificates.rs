//! The certificates of the server, which may change while it runs.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::Identity;

/// Chooses by the name that the client asks for (SNI, RFC 6066 §3). Clones are the same store: a handshake that begins after
/// [`replace`](Self::replace) sees what is new, and sessions under way go on as they are.
///
/// There are those that somebody else keeps, and behind them those that were [obtained](Self::replace_obtained) while the server runs, as ACME
/// does: each kind is replaced without the other.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Arc<RwLock<Kinds>>);

#[derive(Debug, Default)]
struct Kinds {
    given: Vec<Identity>,
    obtained: Vec<Identity>,
    /// Of both.
    table: Arc<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// In the order given.
    all: Vec<Arc<CertifiedKey>>,
    /// Those for a name, in the order given: perhaps one with an elliptic curve and one with RSA.
    by_name: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// With these; the first one is for clients that name no host, or one that is not ours.
    pub fn new(identities: &[Identity]) -> Self {
        let certificates = Self::default();
        certificates.replace(identities);
        certificates
    }

    /// From now on these and no others, but for what was obtained.
    pub fn replace(&self, identities: &[Identity]) {
        let mut kinds = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kinds.given = identities.to_vec();
        kinds.sort_out();
    }

    /// From now on these in the place of all that were obtained before. They come behind those that somebody else keeps.
    pub fn replace_obtained(&self, identities: &[Identity]) {
        let mut kinds = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kinds.obtained = identities.to_vec();
        kinds.sort_out();
    }

    /// Those that somebody else keeps.
    pub fn given(&self) -> Vec<Identity> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).given.clone()
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).table)
    }
}

impl Kinds {
    fn sort_out(&mut self) {
        let mut table = Table::default();
        for identity in self.given.iter().chain(&self.obtained) {
            table.all.push(Arc::clone(&identity.certified));
            for name in identity.names() {
                table.by_name.entry(name.clone()).or_default().push(Arc::clone(&identity.certified));
            }
        }
        self.table = Arc::new(table);
    }
}

impl Table {
    /// Those for a host by its own name, else by a wildcard, else all. A server of mail that does not know the name answers all the same
    /// (RFC 7672 §8.1): few clients look, and those that do refuse by themselves.
    fn for_host(&self, host: Option<&str>) -> &[Arc<CertifiedKey>] {
        let own = host.and_then(|host| {
            let host = host.to_ascii_lowercase();
            let wild =
                || host.split_once('.').and_then(|(_, parent)| self.by_name.get(&*format!("*.{parent}")));
            self.by_name.get(&*host).or_else(wild)
        });
        own.unwrap_or(&self.all)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table();
        let fitting = table.for_host(hello.server_name());
        let usable =
            |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(hello.signature_schemes()).is_some();
        // If the client can check none of them, the handshake says so.
        fitting.iter().find(usable).or(fitting.first()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::identity::tests::identity;

    #[test]
    fn a_host_has_its_own_certificate_and_a_stranger_the_first() {
        let identities =
            [identity(&["mx.example.org"]), identity(&["*.example.net"]), identity(&["a.example.net"])];
        let certificates = Certificates::new(&identities);
        let table = certificates.table();
        let place = |host: Option<&str>| {
            let chosen = &table.for_host(host)[0];
            identities.iter().position(|identity| Arc::ptr_eq(&identity.certified, chosen)).unwrap()
        };
        assert_eq!([None, Some("elsewhere.example"), Some("localhost")].map(place), [0, 0, 0]);
        assert_eq!(
            [Some("MX.example.org"), Some("b.example.net"), Some("a.example.net")].map(place),
            [0, 1, 2]
        );
        certificates.replace(&identities[2..]);
        assert!(Arc::ptr_eq(&certificates.table().for_host(None)[0], &identities[2].certified));
    }

    #[test]
    fn what_was_obtained_and_what_is_given_come_and_go_without_each_other() {
        let [given, obtained] =
            [identity(&["mx.example.org"]), identity(&["mx.example.org", "mx.example.net"])];
        let certificates = Certificates::default();
        let first = |host| certificates.table().for_host(host).first().cloned();
        let is =
            |host, identity: &Identity| first(host).is_some_and(|it| Arc::ptr_eq(&it, &identity.certified));
        certificates.replace_obtained(std::slice::from_ref(&obtained));
        assert!(is(None, &obtained));
        certificates.replace(std::slice::from_ref(&given));
        assert!(
            is(None, &given) && is(Some("mx.example.org"), &given) && is(Some("mx.example.net"), &obtained)
        );
        assert_eq!(certificates.given(), std::slice::from_ref(&given));
        certificates.replace(&[]);
        assert!(is(Some("mx.example.org"), &obtained));
        certificates.replace_obtained(&[]);
        assert!(first(None).is_none());
    }

    #[test]
    fn without_certificates_there_is_nothing_to_show() {
        assert!(Certificates::default().table().for_host(Some("mx.example.org")).is_empty());
    }
}
