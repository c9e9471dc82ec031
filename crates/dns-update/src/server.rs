//! Records that are put into the DNS by dynamic update and taken out again.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use disk::{Clock, Random};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    config::Config,
    message::{Answer, CNAME, SOA},
    record::Record,
    tsig,
    update::{self, Change},
};

/// One exchange with the server.
const WITHIN: Duration = Duration::from_secs(20);
/// The same with a resolver, of which there may be another.
const RESOLVED_WITHIN: Duration = Duration::from_secs(5);
/// The longest way from a name to where its records are.
const ALIASES_MAX: usize = 8;
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Why an update was not made, or whether it was is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A DNS server that takes our updates.
#[derive(Clone)]
pub struct Server {
    config: Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Server {
    /// A server that is spoken to by these settings. The clock is for signatures, chance for numbers of messages.
    pub fn new(config: Config, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { config, clock, random }
    }

    /// Makes a change, and returns as soon as the server has made it. The records of one name are changed at once or not at all; names one
    /// after the other.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses, or a name is none. Names before the one that is told about are changed.
    pub async fn change(&self, records: &[Record], change: Change) -> Result<(), Error> {
        let mut by_name: BTreeMap<&str, Vec<Record>> = BTreeMap::new();
        for record in records {
            by_name.entry(&record.name).or_default().push(record.clone());
        }
        for (name, records) in by_name {
            let changed = self.change_name(name, &records, change).await;
            changed.map_err(|Error(why)| {
                Error(format!("DNS server {}, update of {name}: {why}", self.config.server))
            })?;
        }
        Ok(())
    }

    /// Gives the other servers of the zone the time that the settings say to learn of a change.
    pub async fn settle(&self) {
        sleep(self.config.wait).await;
    }

    async fn change_name(&self, name: &str, records: &[Record], change: Change) -> Result<(), Error> {
        // An alias may lead out of the zone that was named.
        let zone = match self.config.zone.as_ref().filter(|zone| is_in(name, zone)) {
            Some(zone) => zone.clone(),
            None => self.zone_of(name).await?,
        };
        let id = self.id();
        let update =
            update::message(id, &zone, records, change).ok_or_else(|| Error::new("a name is too long"))?;
        let Some(key) = &self.config.key else {
            let answer = self.exchange(&update).await?;
            return Answer::read(&answer, id).and_then(|answer| answer.is_done()).map_err(Error);
        };
        let now = self.clock.now().as_secs();
        let (signed, mac) =
            tsig::sign(&update, key, now).ok_or_else(|| Error::new("the key's name is too long"))?;
        let answer = self.exchange(&signed).await?;
        tsig::verify(&answer, id, key, &mac, self.clock.now().as_secs()).map_err(Error)
    }

    /// The zone that a name is in, by the SOA record that the server shows for it.
    async fn zone_of(&self, name: &str) -> Result<String, Error> {
        let id = self.id();
        let question = update::question(id, name, SOA).ok_or_else(|| Error::new("a name is too long"))?;
        let answer = self.exchange(&question).await?;
        let zone = Answer::read(&answer, id).and_then(|answer| answer.zone());
        zone.map_err(|error| Error::new(format!("cannot tell its zone: {error}")))
    }

    /// Where the records of a name have to be: whoever asks for them follows aliases (RFC 1034 §3.6.2).
    pub async fn followed(&self, mut name: String) -> String {
        for _ in 0..ALIASES_MAX {
            match self.alias(&name).await {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }

    /// Where a name leads as the world sees it, or, where no resolver says, as the server itself has it.
    async fn alias(&self, name: &str) -> Option<String> {
        let named = &self.config.resolvers;
        let resolvers = if named.is_empty() { of_system() } else { named.clone() };
        for server in resolvers.into_iter().chain([self.config.server]) {
            let id = self.id();
            let question = update::question(id, name, CNAME)?;
            let Ok(answer) = exchange(server, &question, RESOLVED_WITHIN).await else { continue };
            match Answer::read(&answer, id).and_then(|answer| answer.alias(name)) {
                Ok(alias) => return alias,
                Err(error) => {
                    tracing::debug!(station = "dns/update", %server, name, error, "no word of an alias");
                }
            }
        }
        None
    }

    fn id(&self) -> u16 {
        (self.random.next_u64() & 0xffff) as u16
    }

    async fn exchange(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        exchange(self.config.server, message, WITHIN).await
    }
}

/// By TCP: nothing is cut off, and nobody can answer in its place.
async fn exchange(server: SocketAddr, message: &[u8], within: Duration) -> Result<Vec<u8>, Error> {
    let exchanged = timeout(within, async {
        let mut stream = TcpStream::connect(server).await?;
        let length =
            u16::try_from(message.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        io::Result::Ok(answer)
    });
    let exchanged = exchanged.await.map_err(|_| Error::new("no answer"))?;
    exchanged.map_err(|error| Error::new(error.to_string()))
}

/// Whether a name is that of a zone, or below it.
fn is_in(name: &str, zone: &str) -> bool {
    let zone = zone.strip_suffix('.').unwrap_or(zone);
    let above = name.len().checked_sub(zone.len()).and_then(|at| name.split_at_checked(at));
    above.is_some_and(|(above, rest)| {
        rest.eq_ignore_ascii_case(zone) && (above.is_empty() || above.ends_with('.'))
    })
}

fn of_system() -> Vec<SocketAddr> {
    parse_resolv_conf(&fs::read_to_string(RESOLV_CONF).unwrap_or_default())
}

/// resolv.conf(5).
fn parse_resolv_conf(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let address: IpAddr = line.strip_prefix("nameserver")?.trim().parse().ok()?;
        Some(SocketAddr::from((address, 53)))
    };
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_its_zone_and_in_no_other() {
        for (name, zone, expected) in [
            ("_acme-challenge.mx.example.org", "example.org", true),
            ("a.Example.org", "example.ORG.", true),
            ("example.org", "example.org", true),
            ("a.badexample.org", "example.org", false),
            ("org", "example.org", false),
        ] {
            assert_eq!(is_in(name, zone), expected, "{name} {zone}");
        }
    }

    #[test]
    fn the_resolvers_of_the_system_are_read() {
        let text =
            "# by hand\nnameserver 192.0.2.53\nsearch example.org\nnameserver\t2001:db8::53\nnameserver x\n";
        let found: Vec<String> = parse_resolv_conf(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.53:53", "[2001:db8::53]:53"]);
    }
}
