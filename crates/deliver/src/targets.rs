//! In which order the addresses of a route are tried.

use std::sync::Arc;

use crate::{
    next_hop::{Host, NextHop, Place},
    tls_policy::Demand,
};

/// One address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The MX that it belongs to.
    pub(crate) host: Arc<str>,
    /// The address.
    pub(crate) place: Place,
    /// How the session must be protected.
    pub(crate) tls: Demand,
}

impl NextHop {
    /// The addresses in the order in which they are tried: better preferences first, hosts of equal preference in
    /// random order (RFC 5321 §5.1), the addresses of a host in random order too, IPv6 and IPv4 in turn. Those that
    /// lately failed (`shunned`) come behind all others.
    ///
    /// Among the first `max`, of which all may be in vain, are both families if there are both: half of the Internet
    /// may be out of reach for a machine, and then the other half must get its chance.
    pub(crate) fn targets(
        &self,
        max: usize,
        mut random: impl FnMut() -> u64,
        shunned: impl Fn(&Place) -> bool,
    ) -> Vec<Target> {
        let mut all = Vec::new();
        for group in self.hosts.chunk_by(|a, b| a.preference == b.preference) {
            let mut group: Vec<&Host> = group.iter().collect();
            shuffle(&mut group, &mut random);
            for host in group {
                all.extend(in_turn(&host.places, &mut random).map(|place| Target {
                    host: Arc::clone(&host.name),
                    place,
                    tls: host.tls.clone(),
                }));
            }
        }
        all.sort_by_key(|target| shunned(&target.place));
        mix(&mut all, max);
        all
    }
}

/// IPv6 first (RFC 6724 §2.1 prefers it where both work), then in turn.
fn in_turn(places: &[Place], random: &mut impl FnMut() -> u64) -> impl Iterator<Item = Place> {
    let (mut v6, mut others): (Vec<Place>, Vec<Place>) = places.iter().cloned().partition(Place::is_v6);
    shuffle(&mut v6, random);
    shuffle(&mut others, random);
    let longer = v6.len().max(others.len());
    (0..longer).flat_map(move |at| [v6.get(at).cloned(), others.get(at).cloned()]).flatten()
}

/// Brings the first address of the other family to the end of the first `max`, if these are of one.
fn mix(all: &mut [Target], max: usize) {
    let Some(first) = all.first().map(|target| target.place.is_v6()) else { return };
    let other = all.iter().position(|target| target.place.is_v6() != first);
    if let Some(other) = other.filter(|other| max > 1 && *other >= max)
        && let Some(moved) = all.get_mut(max - 1..=other)
    {
        moved.rotate_right(1);
    }
}

/// Fisher and Yates. The bias of the remainder is far below what anybody could measure.
fn shuffle<T>(items: &mut [T], random: &mut impl FnMut() -> u64) {
    for end in (1..items.len()).rev() {
        let place = usize::try_from(random() % (end as u64 + 1)).unwrap_or(0);
        items.swap(end, place);
    }
}

#[cfg(test)]
mod tests {
    use dns::Security;

    use super::*;
    use crate::{fixtures, next_hop::Chosen};

    fn hop(hosts: &[(u16, &str, &[&str])]) -> NextHop {
        let hosts = hosts
            .iter()
            .map(|(preference, name, addresses)| Host {
                preference: *preference,
                name: (*name).into(),
                places: addresses.iter().map(|address| place(address)).collect(),
                tls: Demand::Opportunistic,
            })
            .collect();
        NextHop::new("example.org".into(), hosts, fixtures::terms(), Chosen::ByDns, Security::Insecure)
    }

    fn place(address: &str) -> Place {
        Place::Tcp((address.parse::<std::net::IpAddr>().unwrap(), 25).into())
    }

    fn none(_: &Place) -> bool {
        false
    }

    fn names(targets: &[Target]) -> Vec<&str> {
        targets.iter().map(|target| &*target.host).collect()
    }

    fn addresses(targets: &[Target]) -> Vec<String> {
        targets.iter().map(|target| target.place.tcp().unwrap().ip().to_string()).collect()
    }

    #[test]
    fn preference_outranks_chance_and_ties_are_random() {
        let hop = hop(&[(5, "a", &["192.0.2.1"]), (10, "b", &["192.0.2.2"]), (10, "c", &["192.0.2.3"])]);
        let mut orders: Vec<_> = (0..8).map(|seed| names(&hop.targets(5, || seed, none)).join("")).collect();
        orders.sort();
        orders.dedup();
        assert_eq!(orders, ["abc", "acb"]);
    }

    #[test]
    fn families_come_in_turn_with_ipv6_first() {
        let hop = hop(&[(5, "a", &["192.0.2.1", "192.0.2.2", "2001:db8::1"])]);
        let targets = hop.targets(5, || 1, none);
        assert_eq!(addresses(&targets), ["2001:db8::1", "192.0.2.1", "192.0.2.2"]);
    }

    #[test]
    fn both_families_have_their_chance_within_the_budget() {
        let six = ["2001:db8::1", "2001:db8::2", "2001:db8::3"];
        let hop = hop(&[(5, "a", &six), (10, "b", &["192.0.2.1", "192.0.2.2"])]);
        let targets = hop.targets(2, || 1, none);
        assert_eq!(names(&targets), ["a", "b", "a", "a", "b"]);
        assert_eq!(addresses(&targets)[1], "192.0.2.1");
        for max in [0, 1, 4, 9] {
            assert_eq!(names(&hop.targets(max, || 1, none)), ["a", "a", "a", "b", "b"], "{max}");
        }
    }

    #[test]
    fn addresses_that_lately_failed_come_last() {
        let hop = hop(&[(5, "a", &["192.0.2.1", "192.0.2.2"]), (10, "b", &["192.0.2.3", "192.0.2.4"])]);
        let targets = |max, shunned: &[&str]| {
            let shunned: Vec<Place> = shunned.iter().map(|address| place(address)).collect();
            addresses(&hop.targets(max, || 1, |place| shunned.contains(place)))
        };
        let first = ["192.0.2.1", "192.0.2.2"];
        assert_eq!(targets(4, &first), ["192.0.2.3", "192.0.2.4", "192.0.2.1", "192.0.2.2"]);
        assert_eq!(targets(1, &first)[0], "192.0.2.3", "the one that may work has its chance");
        assert_eq!(targets(4, &["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]).len(), 4);
    }
}
