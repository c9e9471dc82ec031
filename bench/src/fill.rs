//! Fills a spool through its own API, as many messages at a time as wait for one sync.

use crate::Failure;
use disk::{Clock as _, OsDisk, OsRandom, SystemClock};
use events::{Event, Kind};
use mail::{Client, Domain, Envelope, QueueId, Recipient, ReversePath, Timestamp};
use spool::{Config, Content, Spool, Submission};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Commits under way at a time.
const TOGETHER: u64 = 512;
/// Different senders.
const SENDERS: u64 = 1000;

/// What to fill a spool with.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    pub(crate) messages: u64,
    /// Recipients of each.
    pub(crate) recipients: u64,
    /// Where they are, in turn.
    pub(crate) domains: Vec<String>,
    /// Octets of the content.
    pub(crate) octets: usize,
    /// How long ago the oldest was accepted: nothing may be so old that it is given up (mail-rules 12).
    pub(crate) oldest: Duration,
    /// When all of it is due, from now on.
    pub(crate) due_in: Duration,
}

/// What a filled spool holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled {
    pub(crate) recipients: u64,
    /// Octets of all recipients' addresses.
    pub(crate) address_octets: u64,
    /// The oldest message.
    pub(crate) first: QueueId,
    /// The hundredth from the end.
    pub(crate) near_end: QueueId,
}

/// What all messages have in common.
#[derive(Debug)]
struct Mail {
    domains: Vec<Domain>,
    bulk: Bulk,
    now: Timestamp,
}

/// Fills the spool of a data directory that no server has open.
pub(crate) fn fill(data: &Path, bulk: &Bulk) -> Result<Filled, Failure> {
    let mail = Arc::new(Mail::new(bulk)?);
    let messages = bulk.messages;
    let (spool, events) = open(data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let ids = runtime.block_on(commit_all(&spool, &mail))?;
    runtime.block_on(spool.close());
    events.flush();
    let last = ids.len().saturating_sub(100);
    Ok(Filled {
        recipients: messages * bulk.recipients,
        address_octets: (0..messages).map(|number| mail.address_octets(number)).sum(),
        first: ids.first().copied().ok_or("no messages")?,
        near_end: ids.get(last).copied().ok_or("no messages")?,
    })
}

fn open(data: &Path) -> Result<(Spool, Arc<events::Log>), Failure> {
    let (disk, clock) = (Arc::new(OsDisk), Arc::new(SystemClock));
    let config = events::Config::new(data.join("events"));
    let events = Arc::new(events::Log::open(config, disk.clone(), clock.clone())?);
    let config = Config::new(data.join("spool"));
    let (spool, _) = Spool::open(config, disk, clock, Arc::new(OsRandom), Arc::clone(&events))?;
    Ok((spool, events))
}

/// Returns the ids in the order of their age.
async fn commit_all(spool: &Spool, mail: &Arc<Mail>) -> Result<Vec<QueueId>, Failure> {
    let mut under_way = tokio::task::JoinSet::new();
    let local = tokio::task::LocalSet::new();
    let mut ids = Vec::new();
    local
        .run_until(async {
            for lane in 0..TOGETHER.min(mail.bulk.messages) {
                let (spool, mail) = (spool.clone(), Arc::clone(mail));
                under_way.spawn_local(async move { commit_lane(&spool, &mail, lane).await });
            }
            while let Some(done) = under_way.join_next().await {
                ids.extend(done??);
            }
            Ok::<_, Failure>(())
        })
        .await?;
    ids.sort_unstable();
    Ok(ids)
}

/// Commits every message whose number leaves this remainder.
async fn commit_lane(spool: &Spool, mail: &Mail, lane: u64) -> Result<Vec<QueueId>, Failure> {
    let mut ids = Vec::new();
    let mut number = lane;
    while number < mail.bulk.messages {
        ids.push(spool.commit(mail.submission(spool, number)?).await?.id());
        number += TOGETHER;
    }
    Ok(ids)
}

impl Mail {
    fn new(bulk: &Bulk) -> Result<Self, Failure> {
        let domains: Result<Vec<Domain>, _> = bulk.domains.iter().map(|name| Domain::parse(name)).collect();
        let domains = domains.map_err(|error| format!("no domain: {error}"))?;
        Ok(Self { domains, bulk: bulk.clone(), now: SystemClock.now() })
    }

    /// The oldest come first, evenly spread.
    fn received(&self, number: u64) -> Timestamp {
        let oldest = u64::try_from(self.bulk.oldest.as_millis()).unwrap_or(u64::MAX);
        let age = u128::from(oldest) * u128::from(self.bulk.messages - number)
            / u128::from(self.bulk.messages.max(1));
        Timestamp::from_millis(self.now.as_millis() - u64::try_from(age).unwrap_or(oldest))
    }

    fn submission(&self, spool: &Spool, number: u64) -> Result<Submission, Failure> {
        let received = self.received(number);
        let id = spool.new_id(received);
        let sender = format!("sender{}@source.test", number % SENDERS);
        let recipients: Result<Vec<Recipient>, Failure> =
            (0..self.bulk.recipients).map(|which| self.recipient(number, which)).collect();
        let recipients = recipients?;
        let accepted = Event {
            reverse_path: Some(sender.clone()),
            recipients: recipients.iter().map(|one| one.forward_path.to_string()).collect(),
            size: Some(self.bulk.octets as u64),
            ..Event::new(received, id, Kind::Accepted, "receive")
        };
        let envelope = Envelope {
            client: Client { hello: Some("source.test".into()), ..Client::default() },
            reverse_path: ReversePath::Address(sender.parse().map_err(|error| format!("{sender}: {error}"))?),
            ..Envelope::new(id, received, "smtp", recipients)
        };
        Ok(Submission {
            envelope,
            content: Content::from(vec![b'x'; self.bulk.octets]),
            events: vec![accepted],
        })
    }

    fn recipient(&self, number: u64, which: u64) -> Result<Recipient, Failure> {
        let place = number * self.bulk.recipients + which;
        let domain = usize::try_from(place).unwrap_or_default() % self.domains.len();
        let domain = self.domains.get(domain).cloned().ok_or("no domains")?;
        let address = mail::Address::new(&local_part(number, which), domain);
        let address = address.map_err(|error| format!("no address: {error}"))?;
        Ok(Recipient::new(address, self.now.after(self.bulk.due_in)))
    }

    fn address_octets(&self, number: u64) -> u64 {
        let octets =
            |which| self.recipient(number, which).map(|one| one.forward_path.to_string().len() as u64);
        (0..self.bulk.recipients).filter_map(|which| octets(which).ok()).sum()
    }
}

/// `u` and seven digits of the message, so that patterns take one in ten, in a hundred and so on.
fn local_part(number: u64, which: u64) -> String {
    if which == 0 { format!("u{number:07}") } else { format!("u{number:07}+{which}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_spool_opens_with_all_that_was_put_in() {
        let bulk = Bulk {
            messages: 1200,
            recipients: 2,
            domains: (0..3).map(|number| format!("d{number}.trouble.test")).collect(),
            octets: 1024,
            oldest: Duration::from_hours(96),
            due_in: Duration::from_hours(12),
        };
        let dir = tempfile::tempdir().unwrap();
        let filled = fill(dir.path(), &bulk).unwrap();
        assert_eq!(filled.recipients, 2400);
        let (spool, _) = open(dir.path()).unwrap();
        let stats = spool.stats();
        assert_eq!((stats.messages, stats.recipients, stats.queued), (1200, 2400, 2400));
        assert!(spool.next_due().is_some());
        let page = spool.list(&spool::ListFilter { after: Some(filled.near_end), limit: 1000 });
        assert_eq!(page.len(), 99);
        assert_eq!(spool.list(&spool::ListFilter { limit: 1, ..Default::default() })[0].id, filled.first);
    }
}
