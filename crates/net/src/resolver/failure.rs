//! What a failed lookup means: that there is nothing, or that nobody knows.

use dns::DnsError;
use hickory_resolver::{
    net::{DnsError as Said, NetError, NoRecords},
    proto::{dnssec::Proof, op::ResponseCode, rr::Name},
};

/// A failure, or a question whose answer decides what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    Clear(DnsError),
    /// "No records" without an SOA: true, or a chain of CNAMEs that stopped at this name.
    PerhapsCname(Name),
}

impl Failure {
    /// Only NXDOMAIN and an honest "no records" say anything about a name. All else is somebody's trouble that may
    /// pass: the mail waits.
    pub(super) fn of(error: &NetError) -> Self {
        match error {
            NetError::Dns(Said::NoRecordsFound(none)) => Self::nothing_found(none),
            NetError::Dns(Said::ResponseCode(code)) => temporary(*code),
            // Nothing proves that there is nothing, where nothing has to: the zone is not signed, or by what nobody reads any more.
            NetError::Dns(Said::Nsec { response, proof: Proof::Insecure, .. }) => {
                match response.response_code {
                    ResponseCode::NXDomain => Self::Clear(DnsError::NoSuchName),
                    ResponseCode::NoError => Self::Clear(DnsError::NoRecords),
                    code => temporary(code),
                }
            }
            NetError::Dns(Said::DnssecBogus | Said::Nsec { .. }) => {
                Self::Clear(DnsError::temporary("DNSSEC validation failed"))
            }
            NetError::Timeout => Self::Clear(DnsError::temporary("timeout")),
            other => Self::Clear(DnsError::temporary(other.to_string())),
        }
    }

    fn nothing_found(none: &NoRecords) -> Self {
        match none.response_code {
            ResponseCode::NXDomain => Self::Clear(DnsError::NoSuchName),
            // RFC 2308 §2.2: NS records without an SOA are a referral, so the server is not recursive.
            ResponseCode::NoError if none.soa.is_none() && none.ns.is_some() => Self::Clear(
                DnsError::temporary("a referral instead of an answer: the server is not recursive"),
            ),
            ResponseCode::NoError if none.soa.is_none() => Self::PerhapsCname(none.query.name().clone()),
            ResponseCode::NoError => Self::Clear(DnsError::NoRecords),
            code => temporary(code),
        }
    }
}

fn temporary(code: ResponseCode) -> Failure {
    let name = match code {
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::NotImp => "NOTIMP",
        other => return Failure::Clear(DnsError::temporary(format!("reply code {}", u16::from(other)))),
    };
    Failure::Clear(DnsError::temporary(name))
}
