//! What goes over the wire: the documents of the API, for server and clients alike. Times are RFC 3339, durations seconds.

use serde::{Deserialize, Serialize};

/// `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The server's process id.
    pub pid: u32,
    /// Its name towards peers.
    pub hostname: String,
    /// When it started.
    pub started_at: String,
    /// What listens where.
    pub listeners: Vec<Listener>,
    /// What is in the queue.
    pub queue: Totals,
}

/// An address that is listened on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// What is spoken there.
    pub service: String,
    /// The address with its real port.
    pub address: String,
}

/// The queue in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Messages with recipients that are still owed.
    pub messages: u64,
    /// Recipients that are still owed.
    pub recipients: u64,
    /// Of these, never tried.
    pub queued: u64,
    /// Of these, being delivered now.
    pub active: u64,
    /// Of these, waiting for another attempt.
    pub deferred: u64,
    /// Messages on hold.
    pub held_messages: u64,
    /// When the oldest message was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// Octets of content owed.
    pub content_octets: u64,
    /// Whether there is too little room for new mail.
    pub full: bool,
    /// Whether a write or sync failed: nothing is accepted or delivered until a restart.
    pub poisoned: bool,
}

/// `GET /v1/queue`: messages by age, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// Give this as `cursor` to read on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `GET /v1/queue/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The queue id.
    pub id: String,
    /// When it became ours.
    pub received_at: String,
    /// The reverse-path without angle brackets, empty for reports; absent if the message cannot be read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_path: Option<String>,
    /// The content's size in octets.
    pub size: u64,
    /// Whether it is on hold.
    pub held: bool,
    /// Recipients that are still owed.
    pub recipients: Vec<Recipient>,
    /// Who gave it to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
}

/// Who gave us a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The IP address; absent for what we made ourselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What it called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello: Option<String>,
    /// The service that took it.
    pub listener: String,
}

/// A recipient and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The forward-path.
    pub address: String,
    /// What it waits for.
    pub state: State,
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next attempt is due.
    pub due: String,
    /// The last reply of a next hop, or our own words in its form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reply: Option<String>,
    /// The MX of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_mx: Option<String>,
}

/// What a recipient waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// For its first attempt.
    Queued,
    /// An attempt is under way.
    Active,
    /// For another attempt.
    Deferred,
    /// For somebody to release it.
    Held,
}

impl State {
    /// Its word in documents and tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Active => "active",
            Self::Deferred => "deferred",
            Self::Held => "held",
        }
    }
}

/// The answer to `POST …/retry` (recipients) and `DELETE` (messages): how many were concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// Recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<u64>,
}

/// `GET /v1/trace?q=`: the events of some messages, message by message, as they stand in the event log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The events.
    pub events: Vec<events::Event>,
}
