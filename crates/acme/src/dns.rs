//! DNS-01 (RFC 8555 §8.4): records that are put into the DNS by dynamic update and taken out again.

mod message;
mod tsig;
mod update;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use disk::{Clock, Random};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{config::DnsUpdate, failure::Failure};
use message::Answer;
pub(crate) use message::is_host;
use update::Change;

/// One exchange with the server.
const WITHIN: Duration = Duration::from_secs(20);

/// A record: the name that is certified, without `*.`, and what its authority looks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) host: String,
    pub(crate) value: String,
}

/// A DNS server that takes our updates.
#[derive(Clone)]
pub(crate) struct DnsServer {
    config: DnsUpdate,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl DnsServer {
    pub(crate) fn new(config: DnsUpdate, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { config, clock, random }
    }

    /// Puts records in, and gives the other servers of the zone time to learn of them.
    pub(crate) async fn add(&self, records: &[Record]) -> Result<(), Failure> {
        self.change(records, Change::Add).await?;
        sleep(self.config.wait).await;
        Ok(())
    }

    /// Takes records out. Others at the same name stay.
    pub(crate) async fn remove(&self, records: &[Record]) -> Result<(), Failure> {
        self.change(records, Change::Remove).await
    }

    async fn change(&self, records: &[Record], change: Change) -> Result<(), Failure> {
        // A name and its wildcard are proved at one name, by two records.
        let mut by_host: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for Record { host, value } in records {
            by_host.entry(host).or_default().push(value);
        }
        for (host, values) in by_host {
            let name = format!("_acme-challenge.{host}");
            let changed = self.change_name(&name, &values, change).await;
            changed.map_err(|failure| {
                failure.when(&format!("DNS server {}, update of {name}", self.config.server))
            })?;
        }
        Ok(())
    }

    async fn change_name(&self, name: &str, values: &[&str], change: Change) -> Result<(), Failure> {
        let zone = match &self.config.zone {
            Some(zone) => zone.clone(),
            None => self.zone_of(name).await?,
        };
        let id = self.id();
        let update = update::message(id, &zone, name, values, change)
            .ok_or_else(|| Failure::new("a name is too long"))?;
        let Some(key) = &self.config.key else {
            let answer = self.exchange(&update).await?;
            return Answer::read(&answer, id).and_then(|answer| answer.is_done()).map_err(Failure::new);
        };
        let now = self.clock.now().as_secs();
        let (signed, mac) =
            tsig::sign(&update, key, now).ok_or_else(|| Failure::new("the key's name is too long"))?;
        let answer = self.exchange(&signed).await?;
        tsig::verify(&answer, id, key, &mac, self.clock.now().as_secs()).map_err(Failure::new)
    }

    /// The zone that a name is in, by the SOA record that the server shows for it.
    async fn zone_of(&self, name: &str) -> Result<String, Failure> {
        let id = self.id();
        let question = update::question(id, name).ok_or_else(|| Failure::new("a name is too long"))?;
        let answer = self.exchange(&question).await?;
        let zone = Answer::read(&answer, id).and_then(|answer| answer.zone());
        zone.map_err(|error| Failure::new(format!("cannot tell its zone: {error}")))
    }

    fn id(&self) -> u16 {
        (self.random.next_u64() & 0xffff) as u16
    }

    /// By TCP: nothing is cut off, and nobody can answer in its place.
    async fn exchange(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let exchanged = timeout(WITHIN, async {
            let mut stream = TcpStream::connect(self.config.server).await?;
            let length =
                u16::try_from(message.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
            let mut answer = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut answer).await?;
            io::Result::Ok(answer)
        });
        let exchanged = exchanged.await.map_err(|_| Failure::new("no answer"))?;
        exchanged.map_err(|error| Failure::new(error.to_string()))
    }
}
