//! SPF records as they stand in the DNS (RFC 7208 §4.5, §5, §6). A record is read as a whole before any of it is used: one mistake makes
//! all of it void.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::macros::Template;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) directives: Vec<Directive>,
    pub(crate) redirect: Option<Template>,
    pub(crate) explanation: Option<Template>,
}

/// A mechanism, and what it means if it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) qualifier: Qualifier,
    pub(crate) mechanism: Mechanism,
    /// As it stands, for those who want to know why.
    pub(crate) text: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mechanism {
    All,
    Include(Template),
    /// The domain at hand, where there is no template.
    A(Option<Template>, Prefixes),
    Mx(Option<Template>, Prefixes),
    Ptr(Option<Template>),
    Network(IpAddr, u8),
    Exists(Template),
}

/// How many bits of addresses are compared: `/24//64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefixes {
    pub(crate) v4: u8,
    pub(crate) v6: u8,
}

/// What is wrong with a record: the term that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake(pub(crate) Box<str>);

/// Whether a TXT record is one of SPF: the version, and then a space or nothing (RFC 7208 §4.5).
pub(crate) fn is_spf(txt: &[u8]) -> bool {
    let Some((version, rest)) = txt.split_at_checked(b"v=spf1".len()) else { return false };
    version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest.first(), None | Some(b' '))
}

impl Record {
    /// Reads a record of this version.
    ///
    /// # Errors
    /// The first term that has a mistake.
    pub(crate) fn parse(txt: &[u8]) -> Result<Self, Mistake> {
        let wrong = |term: &[u8]| Mistake(String::from_utf8_lossy(term).chars().take(80).collect());
        let text = std::str::from_utf8(txt).ok().filter(|text| text.is_ascii()).ok_or_else(|| wrong(txt))?;
        let mut record = Self { directives: Vec::new(), redirect: None, explanation: None };
        for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
            record.take(term).ok_or_else(|| wrong(term.as_bytes()))?;
        }
        Ok(record)
    }

    fn take(&mut self, term: &str) -> Option<()> {
        if let Some((name, value)) = modifier(term) {
            return match name {
                _ if name.eq_ignore_ascii_case("redirect") => {
                    let target = Template::domain(value)?;
                    self.redirect.replace(target).is_none().then_some(())
                }
                _ if name.eq_ignore_ascii_case("exp") => {
                    let target = Template::domain(value)?;
                    self.explanation.replace(target).is_none().then_some(())
                }
                // RFC 7208 §6: unknown modifiers are passed over, but their form has to be right.
                _ => Template::text(value).map(|_| ()),
            };
        }
        let (qualifier, rest) = match term.as_bytes().first() {
            Some(b'+') => (Qualifier::Pass, 1),
            Some(b'-') => (Qualifier::Fail, 1),
            Some(b'~') => (Qualifier::SoftFail, 1),
            Some(b'?') => (Qualifier::Neutral, 1),
            _ => (Qualifier::Pass, 0),
        };
        let mechanism = Mechanism::parse(term.get(rest..)?)?;
        self.directives.push(Directive { qualifier, mechanism, text: term.into() });
        Some(())
    }
}

/// `name=value`, where the name is one (RFC 7208 §12).
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let good = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'));
    good.then_some((name, value))
}

impl Mechanism {
    fn parse(term: &str) -> Option<Self> {
        let end = term.find([':', '/']).unwrap_or(term.len());
        let (name, rest) = term.split_at_checked(end)?;
        let argument = rest.strip_prefix(':');
        match name.to_ascii_lowercase().as_str() {
            "all" => rest.is_empty().then_some(Self::All),
            "include" => Template::domain(argument?).map(Self::Include),
            "exists" => Template::domain(argument?).map(Self::Exists),
            "ptr" if rest.is_empty() => Some(Self::Ptr(None)),
            "ptr" => Template::domain(argument?).map(|domain| Self::Ptr(Some(domain))),
            "a" => target(rest).map(|(domain, prefixes)| Self::A(domain, prefixes)),
            "mx" => target(rest).map(|(domain, prefixes)| Self::Mx(domain, prefixes)),
            "ip4" => network(argument?, 32, |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)),
            "ip6" => network(argument?, 128, |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)),
            _ => None,
        }
    }
}

/// `[:domain][/prefix][//prefix]`.
fn target(rest: &str) -> Option<(Option<Template>, Prefixes)> {
    let mut prefixes = Prefixes { v4: 32, v6: 128 };
    let mut rest = rest;
    if let Some((before, digits)) = prefix_at_end(rest, "//") {
        (prefixes.v6, rest) = (prefix(digits, 128)?, before);
    }
    if let Some((before, digits)) = prefix_at_end(rest, "/") {
        (prefixes.v4, rest) = (prefix(digits, 32)?, before);
    }
    match rest.strip_prefix(':') {
        Some(domain) => Template::domain(domain).map(|domain| (Some(domain), prefixes)),
        None => rest.is_empty().then_some((None, prefixes)),
    }
}

/// Digits at the end, behind this mark. A slash may also stand within a macro, where no digits follow it to the end.
fn prefix_at_end<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (before, digits) = text.rsplit_once(mark)?;
    let digital = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    // One slash of two belongs to the other form.
    (digital && !(mark == "/" && before.ends_with('/'))).then_some((before, digits))
}

/// RFC 7208 §12: no leading zero, but 0 itself.
fn prefix(digits: &str, most: u8) -> Option<u8> {
    let plain = digits == "0" || !digits.starts_with('0');
    digits.parse().ok().filter(|bits| plain && *bits <= most)
}

fn network(argument: &str, bits: u8, address: impl Fn(&str) -> Option<IpAddr>) -> Option<Mechanism> {
    match argument.split_once('/') {
        Some((text, digits)) => {
            let digital = digits.bytes().all(|octet| octet.is_ascii_digit());
            Some(Mechanism::Network(address(text)?, prefix(digits, bits).filter(|_| digital)?))
        }
        None => Some(Mechanism::Network(address(argument)?, bits)),
    }
}

/// Whether an address is in a network. One of the other kind never is.
pub(crate) fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let mask = |width: u32| u128::MAX.checked_shl(width.saturating_sub(bits.into())).unwrap_or(0);
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()) ^ u128::from(b.to_bits())) & mask(32) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()) & mask(128) == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_from_other_text() {
        for (txt, is) in [
            ("v=spf1", true),
            ("V=SPF1 -all", true),
            ("v=spf10", false),
            ("v=spf1\t-all", false),
            (" v=spf1", false),
            ("", false),
            ("spf2.0/pra", false),
        ] {
            assert_eq!(is_spf(txt.as_bytes()), is, "{txt}");
        }
    }

    #[test]
    fn terms_are_read() {
        let record = Record::parse(
            b"v=spf1 a mx:example.org/24//64 ip4:192.0.2.0/24 ip6:2001:db8::/32 ?ptr ~exists:%{i}.x.org  \
              include:y.org A/8 mx//0 redirect=z.org exp=e.org new=1%% -ALL",
        )
        .unwrap();
        let kinds: Vec<&str> = record.directives.iter().map(|directive| &*directive.text).collect();
        assert_eq!(
            kinds,
            [
                "a",
                "mx:example.org/24//64",
                "ip4:192.0.2.0/24",
                "ip6:2001:db8::/32",
                "?ptr",
                "~exists:%{i}.x.org",
                "include:y.org",
                "A/8",
                "mx//0",
                "-ALL"
            ]
        );
        assert!(record.redirect.is_some() && record.explanation.is_some());
        let prefixes = |number: usize| match &record.directives[number].mechanism {
            Mechanism::A(_, prefixes) | Mechanism::Mx(_, prefixes) => (prefixes.v4, prefixes.v6),
            other => panic!("{other:?}"),
        };
        assert_eq!((prefixes(0), prefixes(1)), ((32, 128), (24, 64)));
        assert_eq!((prefixes(7), prefixes(8)), ((8, 128), (32, 0)));
    }

    #[test]
    fn mistakes_make_a_record_void() {
        for term in [
            "all:x.org",
            "include",
            "include:",
            "exists",
            "a:",
            "a:x.org/33",
            "a/032",
            "a//129",
            "a/",
            "mx:x.org//",
            "ip4:192.0.2",
            "ip4",
            "ip4:1.2.3.4/",
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4/+8",
            "ip6:1.2.3.4",
            "ip6:::1/129",
            "foo",
            "foo:bar",
            "-",
            "--all",
            "redirect=",
            "redirect=x.org redirect=y.org",
            "exp=x.org exp=x.org",
            "new=%",
            "new=%{z}",
            "1=2",
            "a\tb",
            "ptr/24",
            "a:x",
        ] {
            let txt = format!("v=spf1 {term}");
            assert!(Record::parse(txt.as_bytes()).is_err(), "{term}");
        }
        assert!(Record::parse("v=spf1 a:ü.org".as_bytes()).is_err());
    }

    #[test]
    fn addresses_are_compared_by_their_first_bits() {
        for (address, network, bits, is) in [
            ("192.0.2.1", "192.0.2.0", 24, true),
            ("192.0.3.1", "192.0.2.0", 24, false),
            ("192.0.3.1", "0.0.0.0", 0, true),
            ("192.0.2.1", "192.0.2.1", 32, true),
            ("2001:db8::1", "2001:db8::", 32, true),
            ("2001:db9::1", "2001:db8::", 32, false),
            ("::1", "::", 0, true),
            ("::1", "0.0.0.0", 0, false),
        ] {
            assert_eq!(is_in(address.parse().unwrap(), network.parse().unwrap(), bits), is);
        }
    }
}
