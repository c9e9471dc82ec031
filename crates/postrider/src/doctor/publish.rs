//! What has to be changed in the DNS so that it has what is wanted, and what is better left to the operator: a plan, and nothing is done.
//!
//! What is missing is put in. What is there and says something else stays, unless the operator wants it replaced: then only what has the same
//! purpose goes. A TXT record of somebody else is never touched.

use dns::{Lookup, Record, RecordType};
use dns_update::Data as Update;

use crate::dns_records::{self, Data, Purpose, WantedRecord};

use super::zone::{TTL, line};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// What goes.
    pub remove: Vec<dns_update::Record>,
    /// What comes.
    pub add: Vec<dns_update::Record>,
    /// The same as lines of a zone file: with `-` and `+` before them.
    pub lines: Vec<String>,
}

/// What there is to do about a set of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It is there.
    Nothing,
    /// A change.
    Change(Step),
    /// Something else is there: what.
    Left(String),
    /// Nobody says what is there: why.
    Unknown(String),
}

/// Asks the server that takes updates what it has, and plans. Records of other people's zones are passed over: none.
pub(crate) async fn plan(server: &dyn Lookup, wanted: &WantedRecord, replace: bool) -> Option<Plan> {
    if wanted.purpose == Purpose::Reverse {
        return None;
    }
    let kind = kind_of(wanted.kind);
    let live = match server.records(&wanted.name, kind).await {
        Ok(answer) => answer.records,
        Err(error) if error.is_temporary() => return Some(Plan::Unknown(error.to_string())),
        Err(_) => Vec::new(),
    };
    Some(decided(wanted, &live, replace))
}

fn kind_of(kind: dns_records::RecordType) -> RecordType {
    match kind {
        dns_records::RecordType::A => RecordType::A,
        dns_records::RecordType::Aaaa => RecordType::Aaaa,
        dns_records::RecordType::Ptr => RecordType::Ptr,
        dns_records::RecordType::Mx => RecordType::Mx,
        dns_records::RecordType::Txt => RecordType::Txt,
        dns_records::RecordType::Cname => RecordType::Cname,
        dns_records::RecordType::Srv => RecordType::Srv,
        dns_records::RecordType::Tlsa => RecordType::Tlsa,
        dns_records::RecordType::Caa => RecordType::Caa,
    }
}

/// What has the same purpose as what is wanted: of text records only those that begin so.
fn is_rival(wanted: &WantedRecord, live: &Record) -> bool {
    let begins = |start: &[u8]| matches!(live, Record::Text(text) if text.starts_with(start));
    match wanted.purpose {
        Purpose::Spf | Purpose::HeloSpf => begins(b"v=spf1"),
        Purpose::Dmarc => begins(b"v=DMARC1"),
        Purpose::TlsReports => begins(b"v=TLSRPTv1"),
        // One that is added to others does no harm.
        Purpose::Authorities | Purpose::Tlsa => false,
        _ => true,
    }
}

fn decided(wanted: &WantedRecord, live: &[Record], replace: bool) -> Plan {
    let missing: Vec<&Data> =
        wanted.data.iter().filter(|data| !live.iter().any(|live| is_same(data, live))).collect();
    let rivals: Vec<&Record> = live
        .iter()
        .filter(|live| is_rival(wanted, live) && !wanted.data.iter().any(|data| is_same(data, live)))
        .collect();
    // Further mail hosts and addresses are the operator's own affair, as long as ours are among them.
    let complete = missing.is_empty();
    let shared =
        matches!(wanted.purpose, Purpose::MailExchange | Purpose::HostAddress | Purpose::ClientService);
    if complete && (rivals.is_empty() || shared || !replace) {
        return if rivals.is_empty() || shared { Plan::Nothing } else { left(wanted, &rivals) };
    }
    if !rivals.is_empty() && !replace {
        return left(wanted, &rivals);
    }
    let record = |data: Update| dns_update::Record { name: wanted.name.clone(), ttl: TTL, data };
    let remove: Vec<_> = rivals.iter().filter_map(|live| update_of_live(live)).map(record).collect();
    let add: Vec<_> = missing.iter().filter_map(|data| update_of(data)).map(record).collect();
    let word = wanted.kind.word();
    let gone = rivals.iter().map(|live| format!("- {}", line(&wanted.name, word, shown(live))));
    let new = missing.iter().map(|data| format!("+ {}", line(&wanted.name, word, data)));
    Plan::Change(Step { lines: gone.chain(new).collect(), remove, add })
}

fn left(wanted: &WantedRecord, rivals: &[&Record]) -> Plan {
    let lines: Vec<String> =
        rivals.iter().map(|live| line(&wanted.name, wanted.kind.word(), shown(live))).collect();
    Plan::Left(lines.join("\n"))
}

fn shown(live: &Record) -> String {
    match live {
        Record::Address(address) => address.to_string(),
        Record::Name(name) => format!("{name}."),
        Record::Mx(mx) => format!("{} {}.", mx.preference, mx.exchange),
        Record::Text(text) => Data::Txt(String::from_utf8_lossy(text).into_owned()).to_string(),
        Record::Caa { critical, tag, value } => {
            format!("{} {tag} \"{}\"", if *critical { 128 } else { 0 }, String::from_utf8_lossy(value))
        }
        Record::Soa { primary, serial } => format!("{primary}. {serial}"),
        Record::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {target}."),
        Record::Tlsa { usage, selector, matching, data } => {
            let digits: Vec<String> = data.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("{usage} {selector} {matching} {}", digits.concat())
        }
    }
}

fn is_same(wanted: &Data, live: &Record) -> bool {
    match (wanted, live) {
        (Data::A(one), Record::Address(other)) => other == one,
        (Data::Aaaa(one), Record::Address(other)) => other == one,
        (Data::Ptr(one) | Data::Cname(one), Record::Name(other)) => **other == **one,
        // Which preference is the operator's choice.
        (Data::Mx { exchange, .. }, Record::Mx(mx)) => *mx.exchange == **exchange,
        (Data::Txt(text), Record::Text(other)) => text.as_bytes() == other,
        (Data::Srv { port, target, .. }, Record::Srv { port: live_port, target: live_target, .. }) => {
            target.as_deref().unwrap_or_default() == &**live_target && (target.is_none() || port == live_port)
        }
        (Data::Tlsa(digest), Record::Tlsa { usage: 3, selector: 1, matching: 1, data }) => {
            digest[..] == data[..]
        }
        (Data::Caa { tag, value, .. }, Record::Caa { tag: live_tag, value: live_value, .. }) => {
            *tag == &**live_tag && value.as_bytes() == live_value
        }
        _ => false,
    }
}

fn update_of(data: &Data) -> Option<Update> {
    Some(match data {
        Data::A(address) => Update::A(*address),
        Data::Aaaa(address) => Update::Aaaa(*address),
        Data::Ptr(_) => return None,
        Data::Mx { preference, exchange } => Update::Mx { preference: *preference, host: exchange.clone() },
        Data::Txt(text) => Update::Txt(text.clone()),
        Data::Cname(name) => Update::Cname(name.clone()),
        Data::Srv { priority, weight, port, target } => Update::Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: target.clone().unwrap_or_else(|| ".".to_owned()),
        },
        Data::Tlsa(digest) => {
            Update::Tlsa { usage: 3, selector: 1, matching: 1, association: digest.to_vec() }
        }
        Data::Caa { flags, tag, value } => {
            Update::Caa { flags: *flags, tag: (*tag).to_owned(), value: value.clone() }
        }
    })
}

/// What is taken out has to be named as it stands. None: it cannot be, so the operator has to.
fn update_of_live(live: &Record) -> Option<Update> {
    Some(match live {
        Record::Address(std::net::IpAddr::V4(address)) => Update::A(*address),
        Record::Address(std::net::IpAddr::V6(address)) => Update::Aaaa(*address),
        Record::Name(name) => Update::Cname(name.to_string()),
        Record::Mx(mx) => Update::Mx {
            preference: mx.preference,
            host: if mx.is_root() { ".".to_owned() } else { mx.exchange.to_string() },
        },
        Record::Text(text) => Update::Txt(String::from_utf8(text.clone()).ok()?),
        Record::Srv { priority, weight, port, target } => Update::Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: if target.is_empty() { ".".to_owned() } else { target.to_string() },
        },
        Record::Caa { .. } | Record::Tlsa { .. } | Record::Soa { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use dns::Mx;

    use super::*;
    use crate::dns_records::Need;

    fn wanted(purpose: Purpose, data: Data) -> WantedRecord {
        let (name, kind) = ("example.org".to_owned(), data.kind());
        WantedRecord { name, kind, data: vec![data], purpose, why: String::new(), need: Need::Needed }
    }

    fn text(text: &str) -> Record {
        Record::Text(text.as_bytes().to_vec())
    }

    /// Lines of a change, or what was decided instead.
    fn told(plan: &Plan) -> String {
        match plan {
            Plan::Change(step) => {
                assert_eq!(step.lines.len(), step.remove.len() + step.add.len());
                step.lines.join("; ")
            }
            Plan::Nothing => "nothing".to_owned(),
            Plan::Left(what) => format!("left: {what}"),
            Plan::Unknown(why) => format!("unknown: {why}"),
        }
    }

    #[test]
    fn what_is_missing_comes_and_what_differs_stays_unless_told() {
        const ADD: &str = "+ example.org. 3600 IN TXT \"v=spf1 mx -all\"";
        const OLD: &str = "example.org. 3600 IN TXT \"v=spf1 a -all\"";
        let spf = || wanted(Purpose::Spf, Data::Txt("v=spf1 mx -all".into()));
        let mx =
            || wanted(Purpose::MailExchange, Data::Mx { preference: 10, exchange: "mx.example.org".into() });
        let key = || wanted(Purpose::Dkim, Data::Txt("v=DKIM1; p=new".into()));
        let caa =
            || wanted(Purpose::Authorities, Data::Caa { flags: 0, tag: "issue", value: "ca.example".into() });
        let host = |name: &str| Record::Mx(Mx::new(10, name));
        let note = || text("a=note");
        let both = format!("- {OLD}; {ADD}");
        let left = format!("left: {OLD}");
        for (wanted, live, replace, expected) in [
            (spf(), vec![], false, ADD),
            (spf(), vec![note()], true, ADD),
            (spf(), vec![text("v=spf1 mx -all"), note()], true, "nothing"),
            (spf(), vec![text("v=spf1 a -all"), note()], false, left.as_str()),
            (spf(), vec![text("v=spf1 a -all"), note()], true, both.as_str()),
            (spf(), vec![text("v=spf1 a -all"), text("v=spf1 mx -all")], true, &format!("- {OLD}")),
            (mx(), vec![], false, "+ example.org. 3600 IN MX 10 mx.example.org."),
            (mx(), vec![host("mx.example.org"), host("backup.example.net")], true, "nothing"),
            (mx(), vec![host("old.example.net")], false, "left: example.org. 3600 IN MX 10 old.example.net."),
            (
                mx(),
                vec![host(".")],
                true,
                "- example.org. 3600 IN MX 10 .; + example.org. 3600 IN MX 10 mx.example.org.",
            ),
            (
                key(),
                vec![text("v=DKIM1; p=old")],
                true,
                "- example.org. 3600 IN TXT \"v=DKIM1; p=old\"; + example.org. 3600 IN TXT \"v=DKIM1; p=new\"",
            ),
            (
                caa(),
                vec![Record::Caa { critical: false, tag: "issue".into(), value: b"other.example".to_vec() }],
                false,
                "+ example.org. 3600 IN CAA 0 issue \"ca.example\"",
            ),
        ] {
            assert_eq!(told(&decided(&wanted, &live, replace)), expected, "{wanted:?} {live:?}");
        }
    }
}
