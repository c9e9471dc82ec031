//! The addresses of this machine, by which it recognises itself as an MX. Linux tells them in two files of /proc; elsewhere we know none.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The kernel's flags of an address that is temporary (RFC 8981), not checked to be unique yet or found not to be, or deprecated.
const PASSING: u8 = 0x01 | 0x08 | 0x20 | 0x40;

/// All addresses of all interfaces, loopback included.
pub(super) fn addresses() -> Vec<IpAddr> {
    of_interfaces(|_| true)
}

/// The same without those of IPv6 that come and go, which no record of the DNS should name.
pub(crate) fn lasting_addresses() -> Vec<IpAddr> {
    of_interfaces(|flags| flags & PASSING == 0)
}

fn of_interfaces(wanted: impl Fn(u8) -> bool) -> Vec<IpAddr> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let v4 = v4(&read("/proc/net/fib_trie"));
    let mut all: Vec<IpAddr> = v4.into_iter().map(IpAddr::V4).collect();
    all.extend(v6(&read("/proc/net/if_inet6"), wanted).into_iter().map(IpAddr::V6));
    all.sort_unstable();
    all.dedup();
    all
}

/// The routing trie has each address on a line of its own, `|-- 192.0.2.1`, before one that says what it is, `/32 host LOCAL`.
fn v4(trie: &str) -> Vec<Ipv4Addr> {
    let mut last = None;
    let mut found = Vec::new();
    for line in trie.lines() {
        match line.trim_start_matches([' ', '|', '+', '-']) {
            leaf if leaf.trim() == "/32 host LOCAL" => found.extend(last),
            leaf => last = leaf.trim().parse::<Ipv4Addr>().ok().or(last),
        }
    }
    found
}

/// `00000000000000000000000000000001 01 80 10 80 lo`: the address in hexadecimal digits comes first, its flags are the fifth.
fn v6(list: &str, wanted: impl Fn(u8) -> bool) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let digits = words.next().filter(|digits| digits.len() == 32)?;
        let flags = words.nth(3).and_then(|flags| u8::from_str_radix(flags, 16).ok()).unwrap_or_default();
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from_bits).filter(|_| wanted(flags))
    };
    list.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_told_from_routes_and_broadcasts() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 127.0.0.0/8 2 0 2\n        \
                    |-- 127.0.0.1\n           /32 host LOCAL\n        |-- 127.255.255.255\n           /32 link BROADCAST\n     \
                    |-- 192.0.2.7\n        /32 host LOCAL\n     |-- 192.0.2.0\n        /24 link UNICAST\n";
        assert_eq!(v4(trie), [Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 7)]);
        assert!(v4("garbage\n/32 host LOCAL\n").is_empty());
    }

    #[test]
    fn temporary_and_deprecated_addresses_are_told_from_lasting_ones() {
        let list = "20010db8000000000000000000000007 02 40 00 80 eth0\n20010db8000000000000000000000008 02 40 00 01 eth0\n\
                    20010db8000000000000000000000009 02 40 00 20 eth0\n";
        assert_eq!(v6(list, |flags| flags & PASSING == 0), ["2001:db8::7".parse::<Ipv6Addr>().unwrap()]);
    }

    #[test]
    fn ipv6_addresses_are_read_from_their_digits() {
        let list = "00000000000000000000000000000001 01 80 10 80       lo\n20010db8000000000000000000000007 02 40 00 80 eth0\nzz\n";
        assert_eq!(v6(list, |_| true), [Ipv6Addr::LOCALHOST, "2001:db8::7".parse::<Ipv6Addr>().unwrap()]);
    }
}
