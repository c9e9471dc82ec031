//! How single values are written: durations, sizes, networks, names. Each parser says what is wrong and what to write.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use limits::Rate;
use mail::Domain;
use net::Network;

/// Why a text is not the value it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub message: String,
    pub hint: Option<String>,
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

const DURATION_UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// A duration such as `90s`, `5m` or `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, Wrong> {
    let wrong = || {
        Wrong::new(format!("`{text}` is not a duration"))
            .hint("write a number and a unit: ms, s, m, h, d or w, such as \"5m\" or \"1h30m\"")
    };
    let (mut rest, mut millis) = (text, 0_u64);
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(wrong)?;
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        millis = number.checked_mul(*factor).and_then(|part| millis.checked_add(part)).ok_or_else(wrong)?;
        rest = after;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(millis)) }
}

/// A size in octets such as `64KiB` or `50MiB`.
pub(crate) fn size(text: &str) -> Result<u64, Wrong> {
    let wrong = || {
        Wrong::new(format!("`{text}` is not a size"))
            .hint("write a number and a unit: B, KiB, MiB, GiB (or KB, MB, GB), such as \"50MiB\"")
    };
    let (number, unit) = split_number(text).ok_or_else(wrong)?;
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    number.checked_mul(*factor).ok_or_else(wrong)
}

const RATE_UNITS: [(&str, Duration); 4] = [
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
    ("d", Duration::from_hours(24)),
];

/// An address by which this machine is reached: one of a host.
pub(crate) fn public_address(text: &str) -> Result<IpAddr, Wrong> {
    let wrong = |what| Wrong::new(format!("`{text}` {what}"));
    let address: IpAddr = text.parse().map_err(|_| {
        wrong("is no IP address").hint("write one such as \"192.0.2.1\" or \"2001:db8::1\", without a port")
    })?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(
            wrong("is not the address of a host").hint("write the one by which others reach this machine")
        );
    }
    Ok(net::unmapped(address))
}

/// A rate such as `600/m`; none at all for `none`.
pub(crate) fn rate(text: &str) -> Result<Option<Rate>, Wrong> {
    let hint = "write a number and a time, s, m, h or d, such as \"600/m\"; or \"none\" for no limit";
    rate_of(text, hint, |count| count.parse().ok())
}

/// A rate of octets such as `1GiB/h`; none at all for `none`.
pub(crate) fn octet_rate(text: &str) -> Result<Option<Rate>, Wrong> {
    let hint = "write a size and a time, s, m, h or d, such as \"1GiB/h\"; or \"none\" for no limit";
    rate_of(text, hint, |count| size(count).ok())
}

fn rate_of(text: &str, hint: &str, count: impl Fn(&str) -> Option<u64>) -> Result<Option<Rate>, Wrong> {
    if text == "none" {
        return Ok(None);
    }
    let read = || {
        let (many, unit) = text.split_once('/')?;
        let (_, per) = RATE_UNITS.into_iter().find(|(name, _)| *name == unit)?;
        // Far below what would overflow, and far above what anybody wants.
        let count = count(many).filter(|count| (1..=1 << 50).contains(count))?;
        Some(Rate { count, per })
    };
    read().map(Some).ok_or_else(|| Wrong::new(format!("`{text}` is not a rate")).hint(hint))
}

/// A rate in the form that [`rate`] reads; `count` writes the number.
pub(crate) fn show_rate(rate: Option<Rate>, count: impl Fn(u64) -> String) -> String {
    let Some(rate) = rate else { return "none".to_owned() };
    let unit = RATE_UNITS.iter().find(|(_, per)| *per == rate.per).map_or("s", |(name, _)| name);
    format!("{}/{unit}", count(rate.count))
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// A duration in the form that [`duration`] reads, shortest first.
pub(crate) fn show_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    // Weeks are read but not shown: "5d" and "14d" are easier to compare.
    for (unit, factor) in DURATION_UNITS.into_iter().skip(1) {
        if millis >= factor {
            text.extend([&(millis / factor).to_string(), unit]);
            millis %= factor;
        }
    }
    text
}

/// A size in the form that [`size`] reads, exact.
pub(crate) fn show_size(octets: u64) -> String {
    let exact = SIZE_UNITS.iter().take(4).find(|(_, factor)| octets > 0 && octets.is_multiple_of(*factor));
    exact.map_or_else(|| format!("{octets}B"), |(unit, factor)| format!("{}{unit}", octets / factor))
}

/// A network whose clients may relay: one so wide that strangers are in it would make an open relay.
pub(crate) fn trusted_network(text: &str) -> Result<Network, Wrong> {
    network(text, "as a trusted network makes an open relay")
}

/// A network whose clients may do what strangers must not.
pub(crate) fn named_network(text: &str) -> Result<Network, Wrong> {
    network(text, "is no network of yours: strangers are in it")
}

fn network(text: &str, too_wide: &str) -> Result<Network, Wrong> {
    let network: Network = text.parse().map_err(|error: net::NetworkError| Wrong::new(error.to_string()))?;
    let shown = network.to_string();
    let narrowest = if shown.contains(':') { 16 } else { 8 };
    // A single address is shown without its prefix.
    let prefix = shown.split_once('/').and_then(|(_, prefix)| prefix.parse::<u8>().ok()).unwrap_or(u8::MAX);
    if prefix < narrowest {
        return Err(Wrong::new(format!("`{text}` {too_wide}"))
            .hint(format!("name your own networks; the prefix must be at least /{narrowest}")));
    }
    Ok(network)
}

/// A user or a group of this machine. Whether there is one is asked at the start: a file may be checked elsewhere.
pub(crate) fn account_name(text: &str) -> Result<String, Wrong> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    if text.is_empty() || text.starts_with('-') || !text.chars().all(known) {
        let wrong = Wrong::new(format!("`{text}` is not the name of a user or a group"));
        return Err(wrong.hint("write a name such as \"postrider\"; numbers are not taken"));
    }
    Ok(text.to_owned())
}

/// An address and a port to listen on or to ask.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let wrong = Wrong::new(format!("`{text}` is not an IP address and a port"));
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => wrong.hint(format!("add the port, such as \"{address}:25\"")),
            Ok(IpAddr::V6(address)) => {
                wrong.hint(format!("add brackets and the port, such as \"[{address}]:25\""))
            }
            Err(_) => {
                wrong.hint("write it as in \"0.0.0.0:25\" or \"[::]:25\"; names are not looked up here")
            }
        }
    })
}

/// The address of a DNS server; port 53 unless it says otherwise.
pub(crate) fn dns_server(text: &str) -> Result<SocketAddr, Wrong> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, 53));
    }
    text.parse().map_err(|_| {
        Wrong::new(format!("`{text}` is not the address of a DNS server"))
            .hint("write an IP address with or without a port, such as \"127.0.0.53:53\"")
    })
}

/// Our own name: fully qualified and ASCII, for it goes into greetings, EHLO and Received fields
/// (RFC 5321 §2.3.5, §4.1.1.1).
pub(crate) fn hostname(text: &str) -> Result<String, Wrong> {
    const HINT: &str = "use the name under which DNS knows this machine, such as \"mail.example.org\"";
    let no_fqdn = || Wrong::new(format!("`{text}` is not a fully qualified host name")).hint(HINT);
    if let Some(short) = text.strip_suffix('.') {
        return Err(Wrong::new(format!("`{text}` ends in a dot")).hint(format!("write \"{short}\"")));
    }
    match Domain::parse(text) {
        Ok(Domain::Name(name)) if !name.is_ascii() => {
            Err(Wrong::new(format!("`{text}` is not ASCII")).hint("write the name in its xn-- form"))
        }
        Ok(Domain::Name(name)) if name.len() <= 253 && name.contains('.') && !numeric_top(&name) => {
            Ok(name.into())
        }
        _ => Err(no_fqdn()),
    }
}

/// Whether the last label is a number, as in an address that is none.
pub(crate) fn numeric_top(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, millis, shown) in [
            ("0s", 0, "0s"),
            ("250ms", 250, "250ms"),
            ("90s", 90_000, "1m30s"),
            ("5m", 300_000, "5m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("5d", 432_000_000, "5d"),
            ("2w", 1_209_600_000, "14d"),
        ] {
            let read = duration(text).unwrap();
            assert_eq!((read.as_millis(), show_duration(read).as_str()), (millis, shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "5M",
            "5m5",
            "1.5h",
            "5min",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, octets, shown) in [
            ("0B", 0, "0B"),
            ("1KiB", 1024, "1KiB"),
            ("50MiB", 52_428_800, "50MiB"),
            ("1536KiB", 1_572_864, "1536KiB"),
            ("10MB", 10_000_000, "10000000B"),
            ("1TiB", 1 << 40, "1TiB"),
        ] {
            let read = size(text).unwrap();
            assert_eq!((read, show_size(read).as_str()), (octets, shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "5", "MiB", "5 MiB", "5mib", "-1B", "1.5GiB", "18446744073709551615KiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_trusted_network_is_never_the_world() {
        for text in ["0.0.0.0/0", "::/0", "0.0.0.0/1", "2000::/3"] {
            assert!(trusted_network(text).unwrap_err().message.contains("open relay"), "{text}");
        }
        for text in ["10.0.0.0/8", "127.0.0.1", "127.0.0.1/32", "::1", "2001:db8::/32"] {
            assert!(trusted_network(text).is_ok(), "{text}");
        }
        assert!(trusted_network("192.0.2.1/24").is_err());
    }

    #[test]
    fn a_hostname_is_fully_qualified() {
        assert_eq!(hostname("Mail.Example.ORG").as_deref(), Ok("mail.example.org"));
        for text in [
            "",
            "localhost",
            "mail.example.org.",
            "192.0.2.1",
            "[192.0.2.1]",
            "bücher.example",
            "a..b",
            "a b.example",
        ] {
            assert!(hostname(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(millis in 0..10_000_000_000_u64, octets: u64) {
            prop_assert_eq!(duration(&show_duration(Duration::from_millis(millis))), Ok(Duration::from_millis(millis)));
            prop_assert_eq!(size(&show_size(octets)), Ok(octets));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (duration(&text), size(&text), trusted_network(&text), hostname(&text), socket_address(&text));
        }
    }
}
