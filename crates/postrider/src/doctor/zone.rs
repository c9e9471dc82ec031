//! What the DNS shows of a name: by our resolver, and at the zone's own servers, so that an old answer is told from a wrong zone.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use dns::{Answer, DnsError, Lookup, Record, RecordType, Resolve};
use net::resolver::{self, Resolver};

use super::finding::{Finding, listed};

/// Servers of one zone that are asked; real zones have two to six.
const SERVERS_MAX: usize = 6;
/// Labels that are taken off a name to find its zone.
const LABELS_MAX: usize = 10;
/// Seconds for which others may keep a record: as `dns records` prints it.
pub(super) const TTL: u32 = 3600;

/// How the DNS is asked.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    /// As the server itself asks.
    pub resolver: Resolver,
    /// The port of the zones' own servers. Only test networks have another than 53.
    pub port: u16,
}

impl Asking {
    /// By the servers of the configuration, with less patience than mail has.
    ///
    /// # Errors
    /// There is nobody to ask.
    pub(crate) fn new(config: &resolver::Config, port: u16) -> Result<Self, resolver::ResolverError> {
        Ok(Self { resolver: Resolver::new(&impatient(config))?, port })
    }
}

/// Somebody waits before the screen.
fn impatient(config: &resolver::Config) -> resolver::Config {
    resolver::Config {
        timeout: Duration::from_secs(3),
        retries: 1,
        deadline: Duration::from_secs(8),
        ..config.clone()
    }
}

/// What came of a question.
pub(super) type Answered = Result<Answer<Vec<Record>>, DnsError>;

/// The servers of a zone.
#[derive(Debug)]
pub(super) struct Authority {
    /// The zone.
    pub zone: String,
    /// Its servers, as far as they are asked.
    pub servers: Vec<ZoneServer>,
}

/// A server of a zone.
#[derive(Debug)]
pub(super) struct ZoneServer {
    /// Its name.
    pub name: Box<str>,
    /// The version of the zone that it has, or why it does not say.
    pub serial: Result<u32, String>,
    resolver: Option<Resolver>,
}

#[cfg(test)]
impl ZoneServer {
    /// One that nobody asks.
    pub(super) fn of(name: &str, serial: Result<u32, String>) -> Self {
        Self { name: name.into(), serial, resolver: None }
    }
}

impl Authority {
    /// Finds the servers of the zone that a name is in, and asks them for its version.
    ///
    /// # Errors
    /// In words.
    pub(super) async fn find(asking: &Asking, name: &str) -> Result<Self, String> {
        let (zone, names) = zone_of(&asking.resolver, name).await?;
        let mut servers = Vec::new();
        for name in names.into_iter().take(SERVERS_MAX) {
            servers.push(server(asking, &zone, name).await);
        }
        Ok(Self { zone, servers })
    }

    /// What the first server says that says anything. None: none does.
    pub(super) async fn records(&self, name: &str, kind: RecordType) -> Option<Answered> {
        let within =
            name == self.zone || name.strip_suffix(&self.zone).is_some_and(|head| head.ends_with('.'));
        for server in self.servers.iter().filter(|server| within && server.serial.is_ok()) {
            let Some(resolver) = &server.resolver else { continue };
            match resolver.records(name, kind).await {
                // Of another zone below or elsewhere, or silent.
                Err(DnsError::Temporary(_)) => {}
                answered => return Some(answered),
            }
        }
        None
    }
}

/// The zone that a name is in, and the names of its servers.
async fn zone_of(resolver: &Resolver, name: &str) -> Result<(String, Vec<Box<str>>), String> {
    let mut rest = name;
    for _ in 0..LABELS_MAX {
        match resolver.records(rest, RecordType::Ns).await {
            Ok(answer) => {
                let names = answer.records.into_iter().filter_map(|record| match record {
                    Record::Name(name) => Some(name),
                    _ => None,
                });
                return Ok((rest.to_owned(), names.collect()));
            }
            Err(error @ DnsError::Temporary(_)) => return Err(error.to_string()),
            Err(_) => {}
        }
        match rest.split_once('.') {
            Some((_, parent)) => rest = parent,
            None => break,
        }
    }
    Err(format!("nobody names the servers of the zone of {name}"))
}

async fn server(asking: &Asking, zone: &str, name: Box<str>) -> ZoneServer {
    let addresses = match asking.resolver.addresses(&name).await {
        Ok(answer) => answer.records,
        Err(error) => return ZoneServer { name, serial: Err(error.to_string()), resolver: None },
    };
    let servers = addresses.into_iter().map(|address| SocketAddr::new(address, asking.port)).collect();
    let config = resolver::Config { servers, ..impatient(&resolver::Config::default()) };
    let resolver = match Resolver::new(&config) {
        Ok(resolver) => resolver,
        Err(error) => return ZoneServer { name, serial: Err(error.to_string()), resolver: None },
    };
    let serial = match resolver.records(zone, RecordType::Soa).await {
        Ok(answer) => match answer.records.first() {
            Some(Record::Soa { serial, .. }) => Ok(*serial),
            _ => Err("it shows no SOA record".to_owned()),
        },
        Err(error) => Err(error.to_string()),
    };
    ZoneServer { name, serial, resolver: Some(resolver) }
}

/// A set of records as both sides show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Where it stands.
    pub name: String,
    /// Its type.
    pub kind: RecordType,
    /// What our resolver says.
    pub resolved: Answered,
    /// What the zone's own servers say; none: they were not asked, or did not answer.
    pub at_zone: Option<Answered>,
}

impl Seen {
    /// Asks both.
    pub(super) async fn look(
        asking: &Asking,
        authority: Option<&Authority>,
        name: &str,
        kind: RecordType,
    ) -> Self {
        let at_zone = async {
            match authority {
                Some(authority) => authority.records(name, kind).await,
                None => None,
            }
        };
        let (resolved, at_zone) = tokio::join!(asking.resolver.records(name, kind), at_zone);
        Self { name: name.to_owned(), kind, resolved, at_zone }
    }

    /// What holds, or will once what others keep is too old: the word of the zone itself, if there is one.
    ///
    /// # Errors
    /// Nobody answered; why.
    pub(super) fn records(&self) -> Result<&[Record], &DnsError> {
        let answered = self.at_zone.as_ref().unwrap_or(&self.resolved);
        match answered {
            Ok(answer) => Ok(&answer.records),
            Err(DnsError::NoSuchName | DnsError::NoRecords) => Ok(&[]),
            Err(error) => Err(error),
        }
    }

    /// The texts of TXT records.
    ///
    /// # Errors
    /// As [`Seen::records`].
    pub(super) fn texts(&self) -> Result<Vec<&[u8]>, &DnsError> {
        let records = self.records()?.iter();
        Ok(records.filter_map(text).collect())
    }

    /// What is to be said if the resolver says something else than the zone.
    pub(super) fn difference(&self, check: &'static str) -> Option<Finding> {
        let at_zone = self.at_zone.as_ref()?;
        let (name, kind) = (&self.name, self.kind.word());
        if let Err(DnsError::Temporary(why)) = &self.resolved {
            let text = format!("the zone has {kind} of {name}, but our resolver gets no answer: {why}");
            return Some(Finding::warning(check, text).todo(
                "look whether the zone's DNSSEC signatures are right and its servers answer all the world:\n\
                 https://dnsviz.net/ shows it",
            ));
        }
        if set(at_zone) == set(&self.resolved) {
            return None;
        }
        let ttl = self.resolved.as_ref().map_or(Duration::from_hours(1), |answer| answer.ttl);
        let text = format!(
            "{kind} of {name} was changed: others may see what was there before for up to {}",
            for_people(ttl)
        );
        Some(Finding::advice(check, text).todo("wait, then check again"))
    }
}

fn text(record: &Record) -> Option<&[u8]> {
    match record {
        Record::Text(text) => Some(text),
        _ => None,
    }
}

/// In no order.
fn set(answered: &Answered) -> BTreeSet<&Record> {
    answered.iter().flat_map(|answer| &answer.records).collect()
}

/// `45 seconds`, `5 minutes`, `3 hours`, `2 days`: rounded up, for people.
pub(super) fn for_people(time: Duration) -> String {
    let seconds = time.as_secs();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds.div_ceil(60), "minute"),
        7200..172_800 => (seconds.div_ceil(3600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    crate::terminal::count(number, unit)
}

/// A line of a zone file.
pub(super) fn line(name: &str, kind: &str, data: impl std::fmt::Display) -> String {
    format!("{name}. {TTL} IN {kind} {data}")
}

/// A TXT record as a line of a zone file.
pub(super) fn text_line(name: &str, text: &str) -> String {
    line(name, "TXT", crate::dns_records::Data::Txt(text.to_owned()))
}

/// A finding for what nobody answered.
pub(super) fn unanswered(check: &'static str, what: &str, error: &DnsError) -> Finding {
    Finding::unknown(check, format!("{what} could not be asked for: {error}"))
}

/// Addresses for a sentence.
pub(super) fn addresses(list: &[IpAddr]) -> String {
    listed(list)
}

#[cfg(test)]
pub(super) mod tests {
    use dns::Mx;

    use super::*;
    use crate::doctor::{Level, finding::tests::says};

    /// Records as resolver and zone both show them.
    pub(crate) fn seen(name: &str, kind: RecordType, records: Vec<Record>) -> Seen {
        let resolved = if records.is_empty() {
            Err(DnsError::NoRecords)
        } else {
            Ok(Answer::insecure(records, Duration::from_mins(5)))
        };
        Seen { name: name.to_owned(), kind, at_zone: Some(resolved.clone()), resolved }
    }

    /// TXT records.
    pub(crate) fn texts(name: &str, texts: &[&str]) -> Seen {
        let records = texts.iter().map(|text| Record::Text(text.as_bytes().to_vec())).collect();
        seen(name, RecordType::Txt, records)
    }

    /// Nobody answered.
    pub(crate) fn silent(name: &str, kind: RecordType) -> Seen {
        Seen { name: name.to_owned(), kind, resolved: Err(DnsError::temporary("SERVFAIL")), at_zone: None }
    }

    #[test]
    fn an_old_answer_is_told_from_a_wrong_zone() {
        let mx = |host| vec![Record::Mx(Mx::new(10, host))];
        let mut both = seen("example.org", RecordType::Mx, mx("new.example.org"));
        assert_eq!(both.difference("mx"), None);
        both.resolved = Ok(Answer::insecure(mx("old.example.org"), Duration::from_mins(50)));
        assert_eq!(both.records().unwrap(), mx("new.example.org"));
        says(
            &[both.difference("mx").unwrap()],
            Level::Advice,
            &["MX of example.org was changed", "50 minutes"],
        );
        both.resolved = Err(DnsError::NoSuchName);
        says(&[both.difference("mx").unwrap()], Level::Advice, &["60 minutes"]);
        both.resolved = Err(DnsError::temporary("SERVFAIL"));
        says(&[both.difference("mx").unwrap()], Level::Warning, &["SERVFAIL", "DNSSEC"]);
        both.at_zone = None;
        assert_eq!(both.difference("mx"), None);
        assert!(both.records().is_err());
    }

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        let told =
            [0, 119, 121, 3600, 7200, 90_000, 172_801].map(|secs| for_people(Duration::from_secs(secs)));
        assert_eq!(
            told,
            ["0 seconds", "119 seconds", "3 minutes", "60 minutes", "2 hours", "25 hours", "3 days"]
        );
    }
}
