//! The addresses of this machine, by which it recognises itself as an MX. Linux tells them in two files of /proc; elsewhere we know none.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// All addresses of all interfaces, loopback included.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let v4 = v4(&read("/proc/net/fib_trie"));
    let mut all: Vec<IpAddr> = v4.into_iter().map(IpAddr::V4).collect();
    all.extend(v6(&read("/proc/net/if_inet6")).into_iter().map(IpAddr::V6));
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

/// `00000000000000000000000000000001 01 80 10 80 lo`: the address in hexadecimal digits comes first.
fn v6(list: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from_bits)
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
    fn ipv6_addresses_are_read_from_their_digits() {
        let list = "00000000000000000000000000000001 01 80 10 80       lo\n20010db8000000000000000000000007 02 40 00 80 eth0\nzz\n";
        assert_eq!(v6(list), [Ipv6Addr::LOCALHOST, "2001:db8::7".parse::<Ipv6Addr>().unwrap()]);
    }
}
