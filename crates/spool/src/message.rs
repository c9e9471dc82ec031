//! What goes into the spool and comes out of it.

use std::{sync::Arc, time::Duration};

use events::{Event, Kind};
use mail::{Domain, Envelope, QueueId, Reply, Timestamp};

use crate::content::{Content, ContentReader};

/// A message to be committed.
#[derive(Debug)]
pub struct Submission {
    /// Its envelope; the id is from [`crate::Spool::new_id`].
    pub envelope: Envelope,
    /// Its content.
    pub content: Content,
    /// What is to be told of it, durable with it.
    pub events: Vec<Event>,
}

impl Submission {
    /// A message that we write ourselves, with the event that it is in the queue.
    pub fn own(envelope: Envelope, content: Vec<u8>, station: &'static str) -> Self {
        let reverse_path = envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default();
        let recipients = envelope.recipients.iter().map(|recipient| recipient.forward_path.to_string());
        let accepted = Event {
            reverse_path: Some(reverse_path),
            recipients: recipients.collect(),
            size: Some(content.len() as u64),
            ..Event::new(envelope.received, envelope.id, Kind::Accepted, station)
        };
        Self { envelope, content: Content::from(content), events: vec![accepted] }
    }
}

/// Proof that a message is on stable storage. Only a synced commit makes one: without it there is no `250` to the
/// end of data (RFC 5321 §4.2.5).
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    id: QueueId,
}

impl Receipt {
    pub(crate) fn new(id: QueueId) -> Self {
        Self { id }
    }

    /// The message.
    pub fn id(&self) -> QueueId {
        self.id
    }
}

/// Due recipients of one message, marked in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The message.
    pub id: QueueId,
    /// How urgent it is (RFC 6710).
    pub priority: i8,
    /// The recipients' numbers: their places in the envelope's list.
    pub recipients: Vec<u32>,
}

/// A message read back.
#[derive(Debug)]
pub struct Loaded {
    /// The envelope, each recipient as its last attempt left it.
    pub envelope: Arc<Envelope>,
    /// The content, checked piece by piece.
    pub content: ContentReader,
}

/// What became of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The next hop or the mailbox has it.
    Delivered,
    /// It stays and is due again then.
    Deferred {
        /// When.
        until: Timestamp,
    },
    /// Given up after a permanent failure.
    Bounced,
    /// Given up after its lifetime.
    Expired,
    /// Discarded by policy.
    Dropped,
}

impl Disposition {
    /// Whether nothing remains to be done for the recipient.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Deferred { .. })
    }
}

/// The result of an attempt for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientOutcome {
    /// The recipient's number.
    pub recipient: u32,
    /// What became of it.
    pub disposition: Disposition,
    /// Whether it counts as an attempt: a deferral because a site is suspended does not.
    pub attempted: bool,
    /// The reply that decided it.
    pub reply: Option<Reply>,
    /// The MX that gave it.
    pub mx: Option<Box<str>>,
    /// The site of that MX.
    pub site: Option<Box<str>>,
    /// The TLS policy that held.
    pub policy: Option<Box<str>>,
    /// With this the sender is told that the recipient is late, or it is settled that it need not be. It stays so.
    pub delay_told: bool,
    /// So long its lifetime stands still (mail-rules 12), beside what it did before.
    pub paused: Duration,
}

impl RecipientOutcome {
    /// The outcome of an attempt that spoke to nobody yet.
    pub fn new(recipient: u32, disposition: Disposition) -> Self {
        Self {
            recipient,
            disposition,
            attempted: true,
            reply: None,
            mx: None,
            site: None,
            policy: None,
            delay_told: false,
            paused: Duration::ZERO,
        }
    }
}

/// The results of an attempt, with the reports they cause: all of it is one atomic commit.
#[derive(Debug)]
pub struct Finished {
    /// The message.
    pub id: QueueId,
    /// Its recipients' outcomes.
    pub outcomes: Vec<RecipientOutcome>,
    /// What is to be told.
    pub events: Vec<Event>,
    /// New messages that stand or fall with the outcomes: DSNs.
    pub reports: Vec<Submission>,
}

/// The state of a recipient that is still owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for its first attempt.
    Queued,
    /// Waits for another attempt.
    Deferred,
    /// Being delivered now.
    InFlight,
    /// On hold.
    Held,
}

/// A page of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Only messages younger than this one (ids sort by age): the last id of the page before.
    pub after: Option<QueueId>,
    /// At most so many; 0 means 100.
    pub limit: usize,
}

/// What a command did, or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// Messages with a recipient that was changed.
    pub messages: u64,
    /// Recipients that were changed.
    pub recipients: u64,
    /// Recipients that are meant and are being delivered at this moment. Whether they count as changed, and what that means, each command
    /// says.
    pub in_flight: u64,
}

/// A message in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The message.
    pub id: QueueId,
    /// When it was accepted.
    pub received: Timestamp,
    /// Octets of content.
    pub size: u64,
    /// Whether it is on hold, or a recipient of it is.
    pub held: bool,
    /// MT-PRIORITY.
    pub priority: i8,
    /// The recipients still owed.
    pub recipients: Vec<RecipientSummary>,
}

/// A recipient in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientSummary {
    /// Its number.
    pub recipient: u32,
    /// Its forward-path.
    pub forward_path: String,
    /// Its state.
    pub state: State,
    /// When its next attempt is due.
    pub due: Timestamp,
    /// Attempts made so far.
    pub attempts: u32,
}

/// All that is known of a message in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The envelope, each recipient (done ones too) as its last attempt left it.
    pub envelope: Arc<Envelope>,
    /// The recipients still owed.
    pub summary: Summary,
}

/// The queue in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Messages with a recipient still owed.
    pub messages: u64,
    /// Recipients still owed.
    pub recipients: u64,
    /// Recipients that were never tried.
    pub queued: u64,
    /// Recipients that wait for another attempt.
    pub deferred: u64,
    /// Recipients being delivered now.
    pub in_flight: u64,
    /// Messages on hold, whole or for a recipient.
    pub held: u64,
    /// When the oldest message was accepted.
    pub oldest: Option<Timestamp>,
    /// Octets of content owed.
    pub content_octets: u64,
    /// Segments with something in them.
    pub segments: u64,
    /// Segments kept for reuse.
    pub segments_spare: u64,
    /// Commits waiting for a sync.
    pub commits_waiting: u64,
    /// Batches synced in this run.
    pub batches: u64,
    /// The last LSN that is on stable storage.
    pub synced_lsn: u64,
    /// Whether a write or sync failed: nothing is accepted or delivered.
    pub poisoned: bool,
    /// Whether there is too little room for new mail.
    pub full: bool,
}

/// A domain of the queue in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainStats {
    /// The domain.
    pub domain: Domain,
    /// Recipients still owed.
    pub recipients: u64,
    /// Of these, being delivered now.
    pub in_flight: u64,
    /// When its next attempt is due.
    pub next_due: Option<Timestamp>,
}

/// What opening the spool found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// Messages in the queue.
    pub messages: u64,
    /// Recipients still owed.
    pub recipients: u64,
    /// Segments read.
    pub segments: u64,
    /// Octets cut behind the last sync: the trace of a crash, no loss.
    pub torn_octets: u64,
    /// Damage to what was synced: mail may be lost. To be told loudly.
    pub damage: Vec<String>,
    /// Files of content whose message never was committed; removed.
    pub orphans: u64,
    /// What the file system does not promise. To be told: never on a network.
    pub caveat: Option<disk::Caveat>,
    /// The machine that used the spool before this one, as [`crate::Config::host`] named it. To be told: it may do so still.
    pub taken_from: Option<String>,
}
