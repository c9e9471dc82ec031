//! Fills a spool through its own API, as many messages at a time as wait for one sync.

use crate::Failure;
use crate::args::QueueShape;
use disk::{Clock as _, OsDisk, OsRandom, SystemClock};
use events::{Event, Kind};
use mail::{Body, Client, Domain, Envelope, QueueId, Recipient, ReversePath, Stream, Timestamp};
use spool::{Config, Content, Spool, Submission};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Commits under way at a time.
const TOGETHER: u64 = 512;
/// How long ago the oldest message was accepted: nothing may be so old that it is given up (mail-rules 12).
const OLDEST: Duration = Duration::from_hours(96);
/// When all of it is due: nothing is tried while it is measured unless an order says so.
const DUE_IN: Duration = Duration::from_hours(12);
/// Different senders.
const SENDERS: u64 = 1000;

/// What a filled spool holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filled {
    pub(super) recipients: u64,
    /// Octets of all recipients' addresses.
    pub(super) address_octets: u64,
    /// The oldest message.
    pub(super) first: QueueId,
    /// The hundredth from the end.
    pub(super) near_end: QueueId,
}

/// What all messages have in common.
#[derive(Debug)]
struct Mail {
    domains: Vec<Domain>,
    recipients: u64,
    octets: usize,
    messages: u64,
    now: Timestamp,
}

/// Fills the spool of a data directory that no server has open.
pub(super) fn fill(data: &Path, messages: u64, shape: &QueueShape) -> Result<Filled, Failure> {
    let mail = Arc::new(Mail::new(messages, shape)?);
    let (spool, events) = open(data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let ids = runtime.block_on(commit_all(&spool, &mail))?;
    runtime.block_on(spool.close());
    events.flush();
    let last = ids.len().saturating_sub(100);
    Ok(Filled {
        recipients: messages * mail.recipients,
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
            for lane in 0..TOGETHER.min(mail.messages) {
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
    while number < mail.messages {
        ids.push(spool.commit(mail.submission(spool, number)?).await?.id());
        number += TOGETHER;
    }
    Ok(ids)
}

impl Mail {
    fn new(messages: u64, shape: &QueueShape) -> Result<Self, Failure> {
        let name = |number| Domain::parse(&format!("d{number}.trouble.test"));
        let domains: Result<Vec<Domain>, _> = (0..shape.domains).map(name).collect();
        Ok(Self {
            domains: domains.map_err(|error| format!("no domain: {error}"))?,
            recipients: shape.recipients_per_message,
            octets: shape.size,
            messages,
            now: SystemClock.now(),
        })
    }

    /// The oldest come first, evenly spread.
    fn received(&self, number: u64) -> Timestamp {
        let oldest = u64::try_from(OLDEST.as_millis()).unwrap_or(u64::MAX);
        let age = oldest / self.messages.max(1) * (self.messages - number);
        Timestamp::from_millis(self.now.as_millis() - age)
    }

    fn submission(&self, spool: &Spool, number: u64) -> Result<Submission, Failure> {
        let received = self.received(number);
        let id = spool.new_id(received);
        let sender = format!("sender{}@source.test", number % SENDERS);
        let recipients: Result<Vec<Recipient>, Failure> =
            (0..self.recipients).map(|which| self.recipient(number, which)).collect();
        let recipients = recipients?;
        let accepted = Event {
            reverse_path: Some(sender.clone()),
            recipients: recipients.iter().map(|one| one.forward_path.to_string()).collect(),
            size: Some(self.octets as u64),
            ..Event::new(received, id, Kind::Accepted, "receive")
        };
        let envelope = Envelope {
            id,
            received,
            client: Client { hello: Some("source.test".into()), ..Client::default() },
            listener: "smtp".into(),
            account: None,
            stream: Stream::Transactional,
            priority: 0,
            deliver_by: None,
            hold_until: None,
            reverse_path: ReversePath::Address(sender.parse().map_err(|error| format!("{sender}: {error}"))?),
            ret: None,
            envid: None,
            body: Body::SevenBit,
            smtputf8: false,
            require_tls: false,
            may_bounce: true,
            recipients,
        };
        Ok(Submission { envelope, content: Content::from(vec![b'x'; self.octets]), events: vec![accepted] })
    }

    fn recipient(&self, number: u64, which: u64) -> Result<Recipient, Failure> {
        let place = number * self.recipients + which;
        let domain = usize::try_from(place).unwrap_or_default() % self.domains.len();
        let domain = self.domains.get(domain).cloned().ok_or("no domains")?;
        let address = mail::Address::new(&local_part(number, which), domain);
        let address = address.map_err(|error| format!("no address: {error}"))?;
        Ok(Recipient::new(address, self.now.after(DUE_IN)))
    }

    fn address_octets(&self, number: u64) -> u64 {
        let octets =
            |which| self.recipient(number, which).map(|one| one.forward_path.to_string().len() as u64);
        (0..self.recipients).filter_map(|which| octets(which).ok()).sum()
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
        let shape = QueueShape { recipients_per_message: 2, domains: 3, ..QueueShape::default() };
        let dir = tempfile::tempdir().unwrap();
        let filled = fill(dir.path(), 1200, &shape).unwrap();
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
