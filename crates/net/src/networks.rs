//! Networks in CIDR notation (RFC 4632 §3.1): who is trusted is judged by address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::unmapped;

/// One network, such as `192.0.2.0/24`, `2001:db8::/32` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash.
    #[error("`{0}` is no IP address: write a network as 192.0.2.0/24 or 2001:db8::/32")]
    Address(Box<str>),
    /// The part behind the slash.
    #[error("`{text}` has no prefix length from 0 to {max} behind the slash")]
    Prefix {
        /// What was given.
        text: Box<str>,
        /// The longest prefix of that family.
        max: u8,
    },
    /// Bits behind the prefix: most likely a typing error, and guessing could trust too many.
    #[error("`{text}` has bits set behind its prefix: did you mean {meant}?")]
    HostBits {
        /// What was given.
        text: Box<str>,
        /// The network that it lies in.
        meant: Network,
    },
}

impl Network {
    /// Whether the address lies in it. A v4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(unmapped(address), self.prefix) == Some(self.address)
    }

    /// Whether every address of the other lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// The network of that prefix length around an address, or the address alone if the length is too long for it.
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        let address = unmapped(address);
        match masked(address, prefix) {
            Some(network) => Self { address: network, prefix },
            None => Self { address, prefix: bits(address) },
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address(address.into()))?;
        let wrong = || NetworkError::Prefix { text: text.into(), max: bits(address) };
        let prefix = match prefix {
            None => bits(address),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| wrong())?
            }
            Some(_) => return Err(wrong()),
        };
        let network = masked(address, prefix).ok_or_else(wrong)?;
        let network = Self { address: network, prefix };
        if network.address != address {
            return Err(NetworkError::HostBits { text: text.into(), meant: network });
        }
        // `::ffff:192.0.2.0/120` is 192.0.2.0/24, since such clients count as IPv4.
        match (unmapped(address), prefix.checked_sub(96)) {
            (mapped @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => {
                Ok(Self { address: mapped, prefix })
            }
            _ => Ok(network),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A list of networks. The empty list trusts nobody, loopback included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Parses each text; the first wrong one is the error.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, NetworkError> {
        texts.into_iter().map(|text| text.as_ref().parse()).collect()
    }

    /// This machine: `127.0.0.0/8` and `::1`.
    pub fn loopback() -> Self {
        let v6 = Network::around(Ipv6Addr::LOCALHOST.into(), 128);
        Self(vec![Network::around(Ipv4Addr::LOCALHOST.into(), 8), v6])
    }

    /// Whether any of them has the address. `0.0.0.0` and `::` stand for no address, so no network has them.
    pub fn contains(&self, address: IpAddr) -> bool {
        !unmapped(address).is_unspecified() && self.0.iter().any(|network| network.contains(address))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with all bits behind the prefix cleared; none if the prefix is longer than the address.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let cleared = u32::from(bits(address).checked_sub(prefix)?);
    Some(match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(cleared).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(cleared).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_in_its_networks_only() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("192.0.2.0/24", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("::ffff:192.0.2.0/120", "192.0.2.1", "::ffff:192.0.3.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} has {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} lacks {outside}");
        }
    }

    #[test]
    fn a_network_covers_what_lies_in_it() {
        for (wide, narrow, covers) in [
            ("192.0.2.0/24", "192.0.2.0/24", true),
            ("192.0.2.0/24", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.0/24", false),
            ("192.0.2.0/24", "192.0.3.0/25", false),
            ("0.0.0.0/0", "::/0", false),
            ("2001:db8::/32", "2001:db8:1::/48", true),
        ] {
            let (wide, narrow): (Network, Network) = (wide.parse().unwrap(), narrow.parse().unwrap());
            assert_eq!(wide.covers(&narrow), covers, "{wide} {narrow}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, error) in [
            ("localhost", "`localhost` is no IP address: write a network as 192.0.2.0/24 or 2001:db8::/32"),
            ("192.0.2.0/33", "`192.0.2.0/33` has no prefix length from 0 to 32 behind the slash"),
            ("::/129", "`::/129` has no prefix length from 0 to 128 behind the slash"),
            ("192.0.2.0/+8", "`192.0.2.0/+8` has no prefix length from 0 to 32 behind the slash"),
            ("192.0.2.0/", "`192.0.2.0/` has no prefix length from 0 to 32 behind the slash"),
            ("192.0.2.1/24", "`192.0.2.1/24` has bits set behind its prefix: did you mean 192.0.2.0/24?"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap_err().to_string(), error);
        }
        assert!(Networks::parse(["127.0.0.0/8", "x"]).is_err());
        let zero = Networks::parse(["0.0.0.0/8", "::/16"]).unwrap();
        assert!(!zero.contains("0.0.0.0".parse().unwrap()) && !zero.contains("::".parse().unwrap()));
        assert!(
            !Networks::default().contains("127.0.0.1".parse().unwrap()),
            "loopback is not trusted unless named"
        );
    }
}
