//! DNS-01 (RFC 8555 §8.4): records that are put into the DNS by dynamic update and taken out again.

use dns_update::{Change, Data, Server};

use crate::failure::Failure;

/// Short, for the record is needed for seconds; resolvers of an authority go by it.
const TTL: u32 = 60;

/// A record: the name that is certified, without `*.`, and what its authority looks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) host: String,
    pub(crate) value: String,
}

/// Puts records in, and gives the other servers of the zone time to learn of them.
pub(crate) async fn add(server: &Server, records: &[Record]) -> Result<(), Failure> {
    change(server, records, Change::Add).await?;
    server.settle().await;
    Ok(())
}

/// Takes records out. Others at the same name stay.
pub(crate) async fn remove(server: &Server, records: &[Record]) -> Result<(), Failure> {
    change(server, records, Change::Remove).await
}

async fn change(server: &Server, records: &[Record], change: Change) -> Result<(), Failure> {
    let mut changed = Vec::new();
    for Record { host, value } in records {
        let name = server.followed(format!("_acme-challenge.{host}")).await;
        // A name and its wildcard are proved at one name, by two records.
        changed.push(dns_update::Record { name, ttl: TTL, data: Data::Txt(value.clone()) });
    }
    server.change(&changed, change).await.map_err(|error| Failure::new(error.to_string()))
}
