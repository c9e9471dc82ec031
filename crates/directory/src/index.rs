//! What is declared, found by address: local parts without regard to case, domains in their ASCII form.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use mail::{Address, Domain};

use crate::in_ascii;

/// What one address was declared as, by its place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Account(usize),
    Alias(usize),
    List(usize),
}

/// What a domain says of addresses that nobody has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) catch_all: Option<Address>,
    pub(crate) separator: Box<str>,
    pub(crate) place: usize,
}

/// What was found, and the detail behind the separator if it took leaving that out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) place: Place,
    pub(crate) detail: Option<&'a str>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    domains: HashMap<Domain, Rules>,
    places: HashMap<Address, Place>,
    own_addresses: HashSet<IpAddr>,
    /// Domains that a directory elsewhere serves.
    external: HashSet<Domain>,
    first: Option<Domain>,
}

impl Index {
    pub(crate) fn new(own_addresses: Vec<IpAddr>) -> Self {
        Self { own_addresses: own_addresses.into_iter().collect(), ..Self::default() }
    }

    /// `Err`: where the domain was declared first.
    pub(crate) fn add_domain(&mut self, domain: &Domain, rules: Rules) -> Result<(), usize> {
        let domain = self.canonical_domain(domain).into_owned();
        if let Some(first) = self.domains.get(&domain) {
            return Err(first.place);
        }
        self.first.get_or_insert_with(|| domain.clone());
        self.domains.insert(domain, rules);
        Ok(())
    }

    /// A domain that a directory elsewhere serves, declared or not.
    pub(crate) fn add_external(&mut self, domain: &Domain, rules: Rules) {
        // One that is declared has its own rules.
        let _ = self.add_domain(domain, rules);
        let domain = self.canonical_domain(domain).into_owned();
        self.external.insert(domain);
    }

    /// Whether a directory elsewhere serves a domain.
    pub(crate) fn is_external(&self, domain: &Domain) -> bool {
        !self.external.is_empty() && self.external.contains(self.canonical_domain(domain).as_ref())
    }

    /// The spellings by which somebody elsewhere may have an address: itself, and without its detail.
    pub(crate) fn keys(&self, address: &Address) -> Vec<Address> {
        let key = self.key(address);
        let separator = self.domains.get(key.domain()).map(|rules| &*rules.separator).unwrap_or_default();
        let user = split_detail(key.local_part(), separator).map(|(user, _)| user);
        let user = user.and_then(|user| Address::new(user, key.domain().clone()).ok());
        [Some(key), user].into_iter().flatten().collect()
    }

    /// `Err`: what has the address already.
    pub(crate) fn add(&mut self, address: &Address, place: Place) -> Result<(), Place> {
        let key = self.key(address);
        if let Some(first) = self.places.get(&key) {
            return Err(*first);
        }
        self.places.insert(key, place);
        Ok(())
    }

    pub(crate) fn set_catch_all(&mut self, domain: &Domain, address: Address) {
        let domain = self.canonical_domain(domain).into_owned();
        if let Some(rules) = self.domains.get_mut(&domain) {
            rules.catch_all = Some(address);
        }
    }

    pub(crate) fn rules(&self, domain: &Domain) -> Option<&Rules> {
        self.domains.get(self.canonical_domain(domain).as_ref())
    }

    /// The address as declared, else without its detail (RFC 5233 §4).
    pub(crate) fn find<'a>(&self, address: &'a Address) -> Option<Found<'a>> {
        let key = self.key(address);
        if let Some(place) = self.places.get(&key) {
            return Some(Found { place: *place, detail: None });
        }
        let separator = &self.domains.get(key.domain())?.separator;
        let (user, detail) = split_detail(address.local_part(), separator)?;
        let user = Address::new(&user.to_ascii_lowercase(), key.domain().clone()).ok()?;
        self.places.get(&user).map(|place| Found { place: *place, detail: Some(detail) })
    }

    /// Whether two addresses are spellings of the same.
    pub(crate) fn is_same(&self, a: &Address, b: &Address) -> bool {
        self.key(a) == self.key(b)
    }

    /// All domains, in no order.
    pub(crate) fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.domains.keys()
    }

    /// Whether two domains are spellings of the same.
    pub(crate) fn is_same_domain(&self, a: &Domain, b: &Domain) -> bool {
        self.canonical_domain(a) == self.canonical_domain(b)
    }

    /// The spelling by which an address is compared.
    pub(crate) fn key(&self, address: &Address) -> Address {
        let domain = self.canonical_domain(address.domain()).into_owned();
        // RFC 5321 §2.4 leaves the meaning of case to the host of the mailbox, which is us. Lowering ASCII keeps
        // the length, so the address stays valid.
        Address::new(&address.local_part().to_ascii_lowercase(), domain).unwrap_or_else(|_| address.clone())
    }

    /// A-labels for U-labels (RFC 5890 §2.3.2.1), the first domain for an address of our own.
    fn canonical_domain<'a>(&'a self, domain: &'a Domain) -> Cow<'a, Domain> {
        match domain {
            Domain::Name(name) if !name.is_ascii() => {
                in_ascii(domain.clone()).map_or(Cow::Borrowed(domain), Cow::Owned)
            }
            Domain::Literal(address) if self.own_addresses.contains(address) => {
                Cow::Borrowed(self.first.as_ref().unwrap_or(domain))
            }
            _ => Cow::Borrowed(domain),
        }
    }
}

/// `anna+news` is `anna` and `news`. A separator that comes first separates nothing.
fn split_detail<'a>(local: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    local.split_once(separator).filter(|(user, _)| !user.is_empty() && !separator.is_empty())
}

/// `address` with a detail, unless it has one, or would get too long.
pub(crate) fn with_detail(address: &Address, detail: &str, separator: &str) -> Address {
    if separator.is_empty() || split_detail(address.local_part(), separator).is_some() {
        return address.clone();
    }
    let local = format!("{}{separator}{detail}", address.local_part());
    Address::new(&local, address.domain().clone()).unwrap_or_else(|_| address.clone())
}
