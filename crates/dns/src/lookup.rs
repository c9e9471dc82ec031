//! Records of any type, as whoever looks after a zone wants to see them.

use std::net::IpAddr;

use crate::{Answer, BoxFuture, DnsError, Mx, Resolve};

/// The most records of one answer to [`Lookup::records`] that are looked at.
pub const RECORDS_MAX: usize = 100;

/// A type of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordType {
    /// An address of IPv4 (RFC 1035 §3.4.1).
    A,
    /// An address of IPv6 (RFC 3596 §2.1).
    Aaaa,
    /// Who may issue certificates (RFC 8659 §4).
    Caa,
    /// Another name of the same (RFC 1035 §3.3.1).
    Cname,
    /// A mail host (RFC 1035 §3.3.9).
    Mx,
    /// A server of the zone (RFC 1035 §3.3.11).
    Ns,
    /// The name of an address (RFC 1035 §3.3.12).
    Ptr,
    /// Where a zone begins (RFC 1035 §3.3.13).
    Soa,
    /// Where a service is (RFC 2782).
    Srv,
    /// Which certificate a service has (RFC 6698 §2.1).
    Tlsa,
    /// Text (RFC 1035 §3.3.14).
    Txt,
}

impl RecordType {
    /// As in a zone file.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Tlsa => "TLSA",
            Self::Txt => "TXT",
        }
    }
}

/// What a record says. Names are in lower case and without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Record {
    /// Of A and AAAA.
    Address(IpAddr),
    /// Of CNAME, NS and PTR.
    Name(Box<str>),
    /// Of MX.
    Mx(Mx),
    /// Of TXT, its strings joined.
    Text(Vec<u8>),
    /// Of CAA.
    Caa {
        /// Who does not understand the tag must not issue.
        critical: bool,
        /// `issue`, `issuewild`, `iodef`, or others.
        tag: Box<str>,
        /// Its value, as it stands.
        value: Vec<u8>,
    },
    /// Of SOA.
    Soa {
        /// The server where the zone is changed.
        primary: Box<str>,
        /// The number of the zone's version.
        serial: u32,
    },
    /// Of SRV.
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// The share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The host; empty for the root: there is no such service.
        target: Box<str>,
    },
    /// Of TLSA.
    Tlsa {
        /// Which certificate of the chain is meant, and whether authorities count.
        usage: u8,
        /// Whether it is about the whole certificate or its key.
        selector: u8,
        /// How it is compared.
        matching: u8,
        /// With what.
        data: Vec<u8>,
    },
}

/// Asks for records of any type. Names are as for [`Resolve`].
pub trait Lookup: Resolve {
    /// The records of one type that a name has, CNAMEs followed, unless it is CNAME that is asked for: at most [`RECORDS_MAX`].
    fn records<'a>(
        &'a self,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Answer<Vec<Record>>, DnsError>>;
}
