//! In which order the addresses of a route are tried.

use std::{net::IpAddr, sync::Arc};

use crate::route::{MxHost, MxRoute};

/// One address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The MX that it belongs to.
    pub(crate) host: Arc<str>,
    /// The address.
    pub(crate) address: IpAddr,
}

impl MxRoute {
    /// The addresses to try, at most `max`: better preferences first, hosts of equal preference in random order
    /// (RFC 5321 §5.1), the addresses of a host in random order too, IPv6 and IPv4 in turn.
    ///
    /// Where `max` cuts, both families stay in the list if they were there: half of the Internet may be out of
    /// reach for a machine, and then the other half must get its chance.
    pub(crate) fn targets(&self, max: usize, mut random: impl FnMut() -> u64) -> Vec<Target> {
        let mut all = Vec::new();
        for group in self.hosts.chunk_by(|a, b| a.preference == b.preference) {
            let mut group: Vec<&MxHost> = group.iter().collect();
            shuffle(&mut group, &mut random);
            for host in group {
                all.extend(
                    in_turn(&host.addresses, &mut random)
                        .map(|address| Target { host: Arc::clone(&host.name), address }),
                );
            }
        }
        cut(all, max.max(1))
    }
}

/// IPv6 first (RFC 6724 §2.1 prefers it where both work), then in turn.
fn in_turn(addresses: &[IpAddr], random: &mut impl FnMut() -> u64) -> impl Iterator<Item = IpAddr> {
    let (mut v6, mut v4): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv6());
    shuffle(&mut v6, random);
    shuffle(&mut v4, random);
    let longer = v6.len().max(v4.len());
    (0..longer).flat_map(move |place| [v6.get(place).copied(), v4.get(place).copied()]).flatten()
}

fn cut(mut all: Vec<Target>, max: usize) -> Vec<Target> {
    let rest = all.split_off(max.min(all.len()));
    if max > 1
        && let Some(first) = all.first().map(|target| target.address.is_ipv6())
        && all.iter().all(|target| target.address.is_ipv6() == first)
        && let Some(other) = rest.into_iter().find(|target| target.address.is_ipv6() != first)
        && let Some(last) = all.last_mut()
    {
        *last = other;
    }
    all
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

    fn route(hosts: &[(u16, &str, &[&str])]) -> MxRoute {
        MxRoute {
            site: "example.org".into(),
            lane: "example.org".into(),
            hosts: hosts
                .iter()
                .map(|(preference, name, addresses)| MxHost {
                    preference: *preference,
                    name: (*name).into(),
                    addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
                })
                .collect(),
            security: Security::Insecure,
        }
    }

    fn names(targets: &[Target]) -> Vec<&str> {
        targets.iter().map(|target| &*target.host).collect()
    }

    fn addresses(targets: &[Target]) -> Vec<String> {
        targets.iter().map(|target| target.address.to_string()).collect()
    }

    #[test]
    fn preference_outranks_chance_and_ties_are_random() {
        let route = route(&[(5, "a", &["192.0.2.1"]), (10, "b", &["192.0.2.2"]), (10, "c", &["192.0.2.3"])]);
        let mut orders: Vec<_> = (0..8).map(|seed| names(&route.targets(5, || seed)).join("")).collect();
        orders.sort();
        orders.dedup();
        assert_eq!(orders, ["abc", "acb"]);
    }

    #[test]
    fn families_come_in_turn_with_ipv6_first() {
        let route = route(&[(5, "a", &["192.0.2.1", "192.0.2.2", "2001:db8::1"])]);
        let targets = route.targets(5, || 1);
        assert_eq!(addresses(&targets), ["2001:db8::1", "192.0.2.1", "192.0.2.2"]);
    }

    #[test]
    fn the_cut_keeps_both_families() {
        let six = ["2001:db8::1", "2001:db8::2", "2001:db8::3"];
        let route = route(&[(5, "a", &six), (10, "b", &["192.0.2.1", "192.0.2.2"])]);
        let targets = route.targets(2, || 1);
        assert_eq!(names(&targets), ["a", "b"]);
        assert_eq!(addresses(&targets)[1], "192.0.2.1");
        assert_eq!(route.targets(0, || 1).len(), 1);
    }
}
