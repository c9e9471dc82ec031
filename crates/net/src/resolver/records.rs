//! Records of any type, for whoever looks after a zone.

use std::net::IpAddr;

use dns::{Answer, BoxFuture, DnsError, Lookup, Mx, RECORDS_MAX, Record, RecordType};
use hickory_resolver::proto::rr::{Name, RData, RecordType as Kind};

use super::Resolver;

impl Lookup for Resolver {
    fn records<'a>(
        &'a self,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Answer<Vec<Record>>, DnsError>> {
        let wanted = match kind {
            RecordType::A => Kind::A,
            RecordType::Aaaa => Kind::AAAA,
            RecordType::Caa => Kind::CAA,
            RecordType::Cname => Kind::CNAME,
            RecordType::Mx => Kind::MX,
            RecordType::Ns => Kind::NS,
            RecordType::Ptr => Kind::PTR,
            RecordType::Soa => Kind::SOA,
            RecordType::Srv => Kind::SRV,
            RecordType::Tlsa => Kind::TLSA,
            RecordType::Txt => Kind::TXT,
        };
        Box::pin(self.ask(name, wanted, RECORDS_MAX, move |data| {
            // The CNAMEs on the way are no answer.
            (data.record_type() == wanted).then(|| record(data))?
        }))
    }
}

fn record(data: &RData) -> Option<Record> {
    Some(match data {
        RData::A(address) => Record::Address(IpAddr::V4(address.0)),
        RData::AAAA(address) => Record::Address(IpAddr::V6(address.0)),
        RData::CNAME(name) => Record::Name(text(&name.0)),
        RData::NS(name) => Record::Name(text(&name.0)),
        RData::PTR(name) => Record::Name(text(&name.0)),
        RData::MX(mx) => Record::Mx(Mx::new(mx.preference, &mx.exchange.to_ascii())),
        RData::TXT(txt) => Record::Text(txt.txt_data.concat()),
        RData::CAA(caa) => Record::Caa {
            critical: caa.issuer_critical,
            tag: caa.tag.to_ascii_lowercase().into(),
            value: caa.value.clone(),
        },
        RData::SOA(soa) => Record::Soa { primary: text(&soa.mname), serial: soa.serial },
        RData::SRV(srv) => Record::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: text(&srv.target),
        },
        RData::TLSA(tlsa) => Record::Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        },
        _ => return None,
    })
}

fn text(name: &Name) -> Box<str> {
    dns::normalise(&name.to_ascii()).into()
}
