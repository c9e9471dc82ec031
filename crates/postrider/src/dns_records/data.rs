//! What a record says, and how a zone file says it.

use std::{
    fmt::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
};

/// Octets of one string of a TXT record (RFC 1035 §3.3.14).
const STRING_OCTETS_MAX: usize = 255;

/// The types there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RecordType {
    A,
    Aaaa,
    Ptr,
    Mx,
    Txt,
    Cname,
    Srv,
    Tlsa,
    Caa,
}

impl RecordType {
    /// As a zone file writes it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Ptr => "PTR",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Cname => "CNAME",
            Self::Srv => "SRV",
            Self::Tlsa => "TLSA",
            Self::Caa => "CAA",
        }
    }
}

/// What a record says. Names are absolute, in lower case, without the final dot. `Display` writes it as a zone file has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Ptr(String),
    Mx {
        preference: u16,
        exchange: String,
    },
    /// The whole text, however many strings it takes.
    Txt(String),
    Cname(String),
    /// No target: there is no such service here.
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: Option<String>,
    },
    /// By SHA-256 of a public key: usage 3, selector 1, matching type 1 (RFC 7671 §5.1).
    Tlsa([u8; 32]),
    Caa {
        flags: u8,
        tag: &'static str,
        value: String,
    },
}

impl Data {
    /// Its type.
    pub(crate) const fn kind(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Mx { .. } => RecordType::Mx,
            Self::Txt(_) => RecordType::Txt,
            Self::Cname(_) => RecordType::Cname,
            Self::Srv { .. } => RecordType::Srv,
            Self::Tlsa(_) => RecordType::Tlsa,
            Self::Caa { .. } => RecordType::Caa,
        }
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Ptr(name) | Self::Cname(name) => write!(f, "{name}."),
            Self::Mx { preference, exchange } => write!(f, "{preference} {exchange}."),
            Self::Txt(text) => f.write_str(&strings(text)),
            Self::Srv { priority, weight, port, target } => {
                write!(f, "{priority} {weight} {port} {}.", target.as_deref().unwrap_or_default())
            }
            Self::Tlsa(digest) => {
                f.write_str("3 1 1 ")?;
                digest.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
            Self::Caa { flags, tag, value } => write!(f, "{flags} {tag} {}", quoted(value.as_bytes())),
        }
    }
}

/// A text in strings that are none too long; several stand in parentheses, which any program that reads zone files joins.
fn strings(text: &str) -> String {
    let parts: Vec<String> = text.as_bytes().chunks(STRING_OCTETS_MAX).map(quoted).collect();
    match parts.as_slice() {
        [] => "\"\"".to_owned(),
        [one] => one.clone(),
        several => format!("( {} )", several.join(" ")),
    }
}

/// A string in quotes; what would end it or is not printable is escaped (RFC 1035 §5.1).
fn quoted(octets: &[u8]) -> String {
    let mut text = String::from("\"");
    for octet in octets {
        // Writing to a String cannot fail.
        let _ = match octet {
            b'"' | b'\\' => write!(text, "\\{}", char::from(*octet)),
            b' '..=b'~' => write!(text, "{}", char::from(*octet)),
            other => write!(text, "\\{other:03}"),
        };
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_split() {
        for (text, shown) in [
            ("v=spf1 mx -all", "\"v=spf1 mx -all\""),
            ("", "\"\""),
            ("a \"b\" \\c", "\"a \\\"b\\\" \\\\c\""),
            ("\u{fc}\n", "\"\\195\\188\\010\""),
        ] {
            assert_eq!(Data::Txt(text.to_owned()).to_string(), shown);
        }
        let long = Data::Txt("x".repeat(300)).to_string();
        let lengths: Vec<usize> = long.split('"').skip(1).step_by(2).map(str::len).collect();
        assert_eq!(lengths, [255, 45]);
        assert!(long.starts_with("( \"x") && long.ends_with("x\" )"), "{long}");
    }

    #[test]
    fn each_type_is_written_as_a_zone_file_has_it() {
        let name = || "mail.example.org".to_owned();
        let srv = |target| Data::Srv { priority: 0, weight: 1, port: 993, target };
        for (data, shown) in [
            (Data::A(Ipv4Addr::new(192, 0, 2, 1)), "A 192.0.2.1"),
            (Data::Aaaa(Ipv6Addr::LOCALHOST), "AAAA ::1"),
            (Data::Mx { preference: 10, exchange: name() }, "MX 10 mail.example.org."),
            (Data::Cname(name()), "CNAME mail.example.org."),
            (Data::Ptr(name()), "PTR mail.example.org."),
            (srv(Some(name())), "SRV 0 1 993 mail.example.org."),
            (srv(None), "SRV 0 1 993 ."),
            (Data::Caa { flags: 0, tag: "issue", value: "ca.test".into() }, "CAA 0 issue \"ca.test\""),
            (Data::Tlsa([0xab; 32]), &format!("TLSA 3 1 1 {}", "ab".repeat(32))),
        ] {
            assert_eq!(format!("{} {data}", data.kind().word()), shown);
        }
    }
}
