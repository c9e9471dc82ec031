//! Names as they are compared, kept and asked for.

use std::{fmt::Write, net::IpAddr};

/// Lower case, without the final dot. All names are absolute: nothing is ever searched for.
pub fn normalise(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The name under which an address has its PTR records (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse_name(address: IpAddr) -> String {
    let mut name = String::with_capacity(74);
    // Writing to a String cannot fail.
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            let _ = write!(name, "{d}.{c}.{b}.{a}.in-addr.arpa");
        }
        IpAddr::V6(address) => {
            for octet in address.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
            }
            name.push_str("ip6.arpa");
        }
    }
    name
}

/// Whether a name is special and must not be asked of the public DNS: `localhost` and `invalid` (RFC 6761 §6.3,
/// §6.4), `onion` (RFC 7686 §2), and names below them.
pub fn is_special(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    ["localhost", "invalid", "onion"].iter().any(|special| last.eq_ignore_ascii_case(special))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        for (name, form) in [
            ("Example.ORG.", "example.org"),
            ("example.org", "example.org"),
            (".", ""),
            ("", ""),
            ("BÜCHER.example", "bÜcher.example"),
        ] {
            assert_eq!(normalise(name), form);
        }
    }

    #[test]
    fn addresses_are_named_backwards() {
        assert_eq!(reverse_name("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            reverse_name("2001:db8::1".parse().unwrap()),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }

    #[test]
    fn special_names_are_known_with_what_is_below_them() {
        for (name, special) in [
            ("localhost", true),
            ("a.LocalHost.", true),
            ("x.onion", true),
            ("invalid", true),
            ("localhost.example", false),
            ("notlocalhost", false),
            ("", false),
        ] {
            assert_eq!(is_special(name), special, "{name}");
        }
    }
}
