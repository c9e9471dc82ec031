//! Macros: text in SPF records that stands for what is being checked (RFC 7208 §7).

use std::net::IpAddr;

/// Octets of a name that is asked for (RFC 7208 §7.3).
const NAME_OCTETS_MAX: usize = 253;

/// Text with macros in it, whose form is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Macro(Macro),
}

/// `%{` letter, digits, `r`, delimiters `}`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Macro {
    letter: Letter,
    escaped: bool,
    /// The rightmost so many parts; 0: all.
    parts: usize,
    reversed: bool,
    delimiters: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Sender,
    LocalPart,
    SenderDomain,
    Domain,
    Address,
    ValidatedName,
    Version,
    Helo,
    /// The client's address, readable; only in explanations.
    Client,
    /// Our own name; only in explanations.
    Receiver,
    /// Seconds since 1970; only in explanations.
    Time,
}

/// What macros stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) client: IpAddr,
    pub(crate) helo: &'a str,
    pub(crate) local_part: &'a str,
    pub(crate) sender_domain: &'a str,
    /// The domain whose record it is.
    pub(crate) domain: &'a str,
    /// A name of the client that leads back to it, or `unknown`.
    pub(crate) validated: &'a str,
    pub(crate) receiver: &'a str,
    pub(crate) time: u64,
}

impl Template {
    /// A domain-spec: a name, or macros that become one. `None`: it is none.
    pub(crate) fn domain(text: &str) -> Option<Self> {
        let template = Self::parse(text, false)?;
        // RFC 7208 §7.1: it ends with a macro, or with a dot and a label that is no number.
        let ends = match template.0.last()? {
            Part::Macro(_) => true,
            Part::Text(_) => is_top(text),
        };
        ends.then_some(template)
    }

    /// A macro-string. `None`: it has a mistake.
    pub(crate) fn text(text: &str) -> Option<Self> {
        Self::parse(text, false)
    }

    /// An explanation, which may say more, and spaces too (RFC 7208 §6.2).
    pub(crate) fn explanation(text: &str) -> Option<Self> {
        Self::parse(text, true)
    }

    fn parse(text: &str, explains: bool) -> Option<Self> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let taken = match (first, rest.as_bytes().get(1)) {
                ('%', Some(b'%')) => Some(("%", 2)),
                ('%', Some(b'_')) => Some((" ", 2)),
                ('%', Some(b'-')) => Some(("%20", 2)),
                ('%', Some(b'{')) => None,
                ('!'..='~', _) if first != '%' => Some((rest.get(..1)?, 1)),
                (' ', _) if explains => Some((" ", 1)),
                _ => return None,
            };
            if let Some((octets, length)) = taken {
                plain.push_str(octets);
                rest = rest.get(length..)?;
                continue;
            }
            let (body, behind) = rest.get(2..)?.split_once('}')?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain).into()));
            }
            parts.push(Part::Macro(Macro::parse(body, explains)?));
            rest = behind;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Some(Self(parts))
    }

    /// The text, if no macro is in it: then it is the same for all clients.
    pub(crate) fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it needs a name of the client that was looked up.
    pub(crate) fn wants_validated(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Macro(Macro { letter: Letter::ValidatedName, .. })))
    }

    /// What it says.
    pub(crate) fn expand(&self, values: &Values<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Macro(one) => one.push(values, &mut text),
            }
        }
        text
    }

    /// The name it stands for: labels are taken from the left until it is none too long (RFC 7208 §7.3).
    pub(crate) fn name(&self, values: &Values<'_>) -> String {
        let text = self.expand(values);
        let mut name = text.strip_suffix('.').unwrap_or(&text);
        while name.len() > NAME_OCTETS_MAX {
            let Some((_, rest)) = name.split_once('.') else { break };
            name = rest;
        }
        name.to_owned()
    }
}

/// The last label has a letter or a hyphen within, or is a punycode one: no number (RFC 7208 §7.1).
fn is_top(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((_, top)) = text.rsplit_once('.') else { return false };
    let edge = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
    let octets = top.as_bytes();
    edge(octets.first())
        && edge(octets.last())
        && octets.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
        && octets.iter().any(|octet| !octet.is_ascii_digit())
}

impl Macro {
    fn parse(body: &str, explains: bool) -> Option<Self> {
        let first = body.chars().next()?;
        let letter = match first.to_ascii_lowercase() {
            's' => Letter::Sender,
            'l' => Letter::LocalPart,
            'o' => Letter::SenderDomain,
            'd' => Letter::Domain,
            'i' => Letter::Address,
            'p' => Letter::ValidatedName,
            'v' => Letter::Version,
            'h' => Letter::Helo,
            'c' if explains => Letter::Client,
            'r' if explains => Letter::Receiver,
            't' if explains => Letter::Time,
            _ => return None,
        };
        let rest = body.get(1..)?;
        let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at_checked(digits_end)?;
        // RFC 7208 §7.1: zero parts would be a mistake; a number too large means all.
        let parts = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(usize::MAX) };
        if !digits.is_empty() && parts == 0 {
            return None;
        }
        let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
            Some(behind) => (true, behind),
            None => (false, rest),
        };
        let delimiting = delimiters.bytes().all(|octet| b".-+,/_=".contains(&octet));
        delimiting.then(|| Self {
            letter,
            escaped: first.is_ascii_uppercase(),
            parts,
            reversed,
            delimiters: if delimiters.is_empty() { ".".into() } else { delimiters.into() },
        })
    }

    fn push(&self, values: &Values<'_>, to: &mut String) {
        let value = self.letter.value(values);
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.reversed {
            parts.reverse();
        }
        let from = if self.parts == 0 { 0 } else { parts.len().saturating_sub(self.parts) };
        let text = parts.get(from..).unwrap_or_default().join(".");
        if self.escaped { push_escaped(&text, to) } else { to.push_str(&text) }
    }
}

impl Letter {
    fn value(self, values: &Values<'_>) -> String {
        match self {
            Self::Sender => format!("{}@{}", values.local_part, values.sender_domain),
            Self::LocalPart => values.local_part.to_owned(),
            Self::SenderDomain => values.sender_domain.to_owned(),
            Self::Domain => values.domain.to_owned(),
            Self::Address => dotted(values.client),
            Self::ValidatedName => values.validated.to_owned(),
            Self::Version => if values.client.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            Self::Helo => values.helo.to_owned(),
            Self::Client => values.client.to_string(),
            Self::Receiver => values.receiver.to_owned(),
            Self::Time => values.time.to_string(),
        }
    }
}

/// RFC 7208 §7.3: an IPv6 address as nibbles with dots between them.
fn dotted(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            let digits: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            digits.join(".")
        }
    }
}

/// As in a URL: all but unreserved characters (RFC 3986 §2.3).
fn push_escaped(text: &str, to: &mut String) {
    use std::fmt::Write as _;
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            to.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(to, "%{octet:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(client: &str) -> Values<'_> {
        Values {
            client: client.parse().unwrap(),
            helo: "mx.example.org",
            local_part: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            validated: "mx.example.org",
            receiver: "here.example",
            time: 1_000,
        }
    }

    /// The examples of RFC 7208 §7.4.
    #[test]
    fn macros_say_what_the_rfc_shows() {
        for (template, client, text) in [
            ("%{s}", "192.0.2.3", "strong-bad@email.example.com"),
            ("%{o}", "192.0.2.3", "email.example.com"),
            ("%{d4}", "192.0.2.3", "email.example.com"),
            ("%{d3}", "192.0.2.3", "email.example.com"),
            ("%{d2}", "192.0.2.3", "example.com"),
            ("%{d1}", "192.0.2.3", "com"),
            ("%{dr}", "192.0.2.3", "com.example.email"),
            ("%{d2r}", "192.0.2.3", "example.email"),
            ("%{l}", "192.0.2.3", "strong-bad"),
            ("%{l-}", "192.0.2.3", "strong.bad"),
            ("%{lr}", "192.0.2.3", "strong-bad"),
            ("%{lr-}", "192.0.2.3", "bad.strong"),
            ("%{l1r-}", "192.0.2.3", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "192.0.2.3", "bad.strong.lp._spf.example.com"),
            (
                "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
                "192.0.2.3",
                "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
            ),
            ("%{d2}.trusted-domains.example.net", "192.0.2.3", "example.com.trusted-domains.example.net"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                "2001:db8::cb01",
                "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
            ),
            ("%{S}%%%_%-", "192.0.2.3", "strong-bad%40email.example.com% %20"),
        ] {
            assert_eq!(Template::text(template).unwrap().expand(&values(client)), text, "{template}");
        }
    }

    #[test]
    fn explanations_may_say_more() {
        let template = Template::explanation("%{c} at %{t} from %{r}, see %{h}").unwrap();
        assert_eq!(template.expand(&values("::1")), "::1 at 1000 from here.example, see mx.example.org");
        for template in ["%{c}", "%{r}", "%{t}", "a b"] {
            assert_eq!(Template::text(template), None);
        }
    }

    #[test]
    fn forms_that_are_wrong_are_refused() {
        for template in ["%", "%a", "%{}", "%{x}", "%{d0}", "%{d", "%{dx}", "%{d.r}", "\t", "ü"] {
            assert_eq!(Template::text(template), None, "{template}");
        }
        for name in ["x", "x.1", "x.-a", "x.a-", "", ".", "x.", "a.b/c"] {
            assert_eq!(Template::domain(name), None, "{name}");
        }
        for name in ["x.y", "x.y.", "%{d}", "a%{d}", "x.xn--p1ai", "_spf.x.org", "1.2a"] {
            assert!(Template::domain(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_too_long_lose_labels_on_the_left() {
        let long = format!("{}.example.org", ["abcdefghi"; 40].join("."));
        let name = Template::domain(&long).unwrap().name(&values("::1"));
        assert!(name.len() <= 253 && name.len() > 240, "{}", name.len());
        assert!(long.ends_with(&name) && name.starts_with("abcdefghi."));
    }
}
