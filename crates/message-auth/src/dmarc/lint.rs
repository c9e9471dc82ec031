//! What is wrong with a record of DMARC in the eyes of its owner. Receivers read with patience ([`Record::parse`](super::Record::parse)):
//! what they pass over is what its owner wants to know of.

use std::fmt;

use crate::tags::is_white;

/// Tags of RFC 9989.
const KNOWN: [&str; 10] = ["v", "p", "sp", "np", "adkim", "aspf", "psd", "t", "rua", "ruf"];
/// Tags of RFC 7489 §6.3 that are no more.
const OBSOLETE: [&str; 3] = ["pct", "rf", "ri"];

/// Something that is passed over, or not meant so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// It does not begin with `v=DMARC1`.
    Version,
    /// There is no `p`.
    NoPolicy,
    /// Something between two semicolons is not `name=value`.
    Malformed(Box<str>),
    /// A tag stands twice; the first one counts.
    Twice(Box<str>),
    /// A tag has a value that it cannot have.
    Value(Box<str>),
    /// What reports go to is no `mailto:` with an address.
    ReportsTo(Box<str>),
    /// Nobody knows this tag.
    Unknown(Box<str>),
    /// A tag that means nothing any more.
    Obsolete(Box<str>),
}

impl Flaw {
    /// Whether it says something else than was meant; else it merely says nothing.
    pub fn is_serious(&self) -> bool {
        !matches!(self, Self::Unknown(_) | Self::Obsolete(_))
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str("it does not begin with `v=DMARC1;`"),
            Self::NoPolicy => f.write_str("it has no policy, `p=`"),
            Self::Malformed(text) => write!(f, "`{text}` is not of the form name=value"),
            Self::Twice(name) => write!(f, "`{name}=` stands twice, and the first one counts"),
            Self::Value(text) => write!(f, "`{text}` is no value of this tag"),
            Self::ReportsTo(text) => {
                write!(f, "`{text}` is no address for reports, such as mailto:postmaster@example.org")
            }
            Self::Unknown(name) => write!(f, "nobody knows the tag `{name}=`"),
            Self::Obsolete(name) => write!(f, "`{name}=` means nothing any more (RFC 9989)"),
        }
    }
}

/// All that is wrong with a record.
pub fn flaws(txt: &[u8]) -> Vec<Flaw> {
    let text = String::from_utf8_lossy(txt);
    let mut flaws = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut specs = text.split(';').map(|spec| spec.trim_matches(is_white)).peekable();
    let mut first = true;
    while let Some(spec) = specs.next() {
        if spec.is_empty() && specs.peek().is_none() {
            break;
        }
        let Some((name, value)) = spec.split_once('=') else {
            flaws.push(if first { Flaw::Version } else { Flaw::Malformed(shown(spec)) });
            first = false;
            continue;
        };
        let (name, value) = (name.trim_matches(is_white).to_ascii_lowercase(), value.trim_matches(is_white));
        if std::mem::take(&mut first) && (name.as_str(), value) != ("v", "DMARC1") {
            flaws.push(Flaw::Version);
        }
        if seen.contains(&name) {
            flaws.push(Flaw::Twice(shown(&name)));
        } else {
            flaws.extend(judged(&name, value));
            seen.push(name);
        }
    }
    if !seen.iter().any(|name| name == "p") {
        flaws.push(Flaw::NoPolicy);
    }
    flaws
}

/// What is wrong with one tag.
fn judged(name: &str, value: &str) -> Vec<Flaw> {
    let allowed: &[&str] = match name {
        "p" | "sp" | "np" => &["none", "quarantine", "reject"],
        "adkim" | "aspf" => &["r", "s"],
        "psd" => &["y", "n", "u"],
        "t" => &["y", "n"],
        "rua" | "ruf" => return addresses(value),
        "fo" => {
            let good =
                value.split(':').all(|option| ["0", "1", "d", "s"].contains(&option.trim_matches(is_white)));
            return if good { Vec::new() } else { vec![Flaw::Value(shown(&format!("fo={value}")))] };
        }
        _ if OBSOLETE.contains(&name) => return vec![Flaw::Obsolete(shown(name))],
        _ if KNOWN.contains(&name) => return Vec::new(),
        _ => return vec![Flaw::Unknown(shown(name))],
    };
    let good = allowed.iter().any(|known| known.eq_ignore_ascii_case(value));
    if good { Vec::new() } else { vec![Flaw::Value(shown(&format!("{name}={value}")))] }
}

fn addresses(list: &str) -> Vec<Flaw> {
    let bad = |uri: &&str| {
        let address = uri.split_once(':').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("mailto"));
        // An old record may bound the size of a report (RFC 7489 §6.2).
        let address = address.and_then(|(_, rest)| rest.split('!').next());
        address.is_none_or(|address| mail::Address::parse(address).is_err())
    };
    let uris = list.split(',').map(|uri| uri.trim_matches(is_white));
    uris.filter(bad).map(|uri| Flaw::ReportsTo(shown(uri))).collect()
}

/// Text of a stranger, not too much of it.
fn shown(text: &str) -> Box<str> {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_record_has_no_flaws() {
        for txt in [
            "v=DMARC1; p=none",
            "v=DMARC1;p=reject;sp=quarantine;np=reject;adkim=s;aspf=r;fo=1:d:s;psd=n;t=y;",
            "v=DMARC1; p=none; rua=mailto:a@example.org,mailto:b@example.net!10m; ruf=MAILTO:c@example.org",
        ] {
            assert_eq!(flaws(txt.as_bytes()), [], "{txt}");
        }
    }

    #[test]
    fn what_is_passed_over_is_told() {
        for (txt, flaw) in [
            ("p=none; v=DMARC1", Flaw::Version),
            ("v=dmarc1; p=none", Flaw::Version),
            ("v=DMARC1", Flaw::NoPolicy),
            ("v=DMARC1; p=none; sp", Flaw::Malformed("sp".into())),
            ("v=DMARC1; p=none; p=reject", Flaw::Twice("p".into())),
            ("v=DMARC1; p=refuse", Flaw::Value("p=refuse".into())),
            ("v=DMARC1; p=none; adkim=x", Flaw::Value("adkim=x".into())),
            ("v=DMARC1; p=none; fo=2", Flaw::Value("fo=2".into())),
            ("v=DMARC1; p=none; rua=a@example.org", Flaw::ReportsTo("a@example.org".into())),
            ("v=DMARC1; p=none; pct=50", Flaw::Obsolete("pct".into())),
            ("v=DMARC1; p=none; rau=mailto:a@b.org", Flaw::Unknown("rau".into())),
        ] {
            let found = flaws(txt.as_bytes());
            assert!(found.contains(&flaw), "{txt}: {found:?}");
        }
        assert!(!Flaw::Obsolete("pct".into()).is_serious() && Flaw::NoPolicy.is_serious());
    }
}
