//! What goes over the wire: the documents of the API, for server and clients alike. Times are RFC 3339, durations seconds.

mod lists;
mod mailboxes;
mod people;

use serde::{Deserialize, Serialize};

pub use lists::{List, ListChange, Lists, NewList};
pub use mailboxes::{
    Finding, Findings, Fingerprint, Fingerprints, Folder, Folders, Imported, Known, KnownBy, Letter, Made,
    Mailbox, Mailboxes, Most, Quota, QuotaChange, Sources,
};
pub use people::{
    Account, AccountChange, Accounts, Alias, Aliases, AppPassword, Domain, Domains, Done, MadeAppPassword,
    NewAccount, NewAlias, NewAppPassword, NewDomain, NewPassword, Secret, Source,
};

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
    /// The certificate that the server obtains itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// What programs of the same machine have left.
    #[serde(default)]
    pub maildrop: Maildrop,
    /// Relays that mail for other places goes through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<Relay>,
    /// Domains whose mail cannot be signed as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsigned: Vec<Unsigned>,
}

/// How a relay fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// Its name.
    pub name: String,
    /// Recipients that it took within the last 24 hours.
    pub used: u32,
    /// The most of them; none: no limit is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// When there is room again, if that is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_at: Option<String>,
    /// It has taken nothing since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// What it last had against us, if it has taken nothing since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// It has failed for so long, or so surely, that the postmaster was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alarmed: bool,
}

/// A domain whose mail cannot be signed as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsigned {
    /// The domain.
    pub domain: String,
    /// Why.
    pub why: String,
    /// Whether its mail waits; else it goes without.
    pub held: bool,
}

/// The maildrop in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maildrop {
    /// Files that are not taken yet.
    pub waiting: u64,
    /// Files that are no mail, and were put aside.
    pub aside: u64,
}

/// How a certificate fares that the server obtains itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The names that it is to be for.
    pub names: Vec<String>,
    /// Whether an authority has certified them all; else what is shown is older, or of our own making.
    pub certified: bool,
    /// When the one that is shown expires.
    pub expires_at: String,
    /// When the next one is asked for.
    pub next_attempt_at: String,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How bad that is: `warning`, `error` or `urgent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}

/// An address that is listened on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// What is spoken there.
    pub service: String,
    /// The address with its real port.
    pub address: String,
    /// How connections are put under TLS there: `none`, `starttls` or `implicit`.
    pub tls: String,
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
    /// MT-PRIORITY (RFC 6710), -9 to 9.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub priority: i8,
    /// Its sender wants it held until then (RFC 4865).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<String>,
    /// Its sender wants it delivered by then (RFC 2852).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver_by: Option<DeliverBy>,
    /// Who gave it to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
}

/// By when a message is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverBy {
    /// When.
    pub at: String,
    /// Whether it is returned then; else its sender is told, and it is tried on.
    pub return_then: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_usual(priority: &i8) -> bool {
    *priority == 0
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
    /// The site of that MX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_site: Option<String>,
    /// Since when it is on hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<String>,
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

/// Which recipients are meant: those that are still owed and of which all that is given is true; of a list, one thing has to be true.
/// Without anything: all. In `GET /v1/queue` each of it is a parameter, `ids` being called `id`; any but the ages may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Queue ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Forward-paths: an address, `@example.org`, or a pattern with `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Reverse-paths, in the same forms; `<>` is the null one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// Recipient domains: `example.org`, `.example.org` for what is below it, or a pattern with `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domain: Vec<String>,
    /// Sites that the last attempt spoke to, in the same forms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub site: Vec<String>,
    /// Accepted so many seconds ago, or earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than: Option<u64>,
    /// Accepted so many seconds ago, or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub younger_than: Option<u64>,
    /// Text in the last reply; case does not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reason: Vec<String>,
    /// States.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<State>,
}

/// What is asked for by `POST /v1/queue/retry`, `hold`, `release`, `bounce` and `remove`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Command {
    /// Whom it concerns.
    pub selection: Selection,
    /// Without any mark in `selection` this must be true: nothing happens to the whole queue by oversight.
    pub all: bool,
    /// Change nothing; say what would be.
    pub dry_run: bool,
    /// Go on for less than a second, and say in `next_cursor` where the next request is to go on. Else the answer comes at the end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_parts: bool,
    /// With `in_parts`: the `next_cursor` of the part before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// `bounce` alone: what senders read as the reason, in printable ASCII.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Messages with a recipient that was changed.
    pub messages: u64,
    /// Recipients that were changed. A dry run counts all that are meant, even those that are as they would be.
    pub recipients: u64,
    /// Recipients meant that are being delivered at this moment. `retry` passes over them; a `hold` or `bounce` takes effect once the attempt
    /// has failed; a `remove` comes too late if the attempt succeeds.
    pub active: u64,
    /// Ids in the selection that no message in the queue has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Messages that were looked at.
    pub looked_at: u64,
    /// Messages in the queue now.
    pub in_queue: u64,
    /// There is more to do: give this as `cursor` to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `GET /v1/queue/stats`: the recipients of a selection, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// What the groups are made by: `domain`, `site`, `state`, `age`, `reason` or `sender`.
    pub by: String,
    /// All together.
    pub total: StatsGroup,
    /// The groups, the largest first; ages in their order.
    pub groups: Vec<StatsGroup>,
    /// Groups that are left out.
    pub more: u64,
}

/// Recipients that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsGroup {
    /// What they have in common.
    pub name: String,
    /// Their messages; one with recipients in several groups counts in each.
    pub messages: u64,
    /// The recipients.
    pub recipients: u64,
    /// Of these, never tried.
    pub queued: u64,
    /// Of these, being delivered now.
    pub active: u64,
    /// Of these, waiting for another attempt.
    pub deferred: u64,
    /// Of these, on hold.
    pub held: u64,
    /// When the oldest message was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<String>,
    /// The most frequent last replies, without what differs from one recipient to the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// By site: how the site fares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
}

/// A last reply, and of how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The reply; `…` stands for addresses, numbers and the like.
    pub text: String,
    /// Recipients.
    pub recipients: u64,
}

/// How a site fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Open connections, those under way included.
    pub connections: u64,
    /// How many it may have now.
    pub connections_allowed: u64,
    /// All its hosts rest until then: nothing is tried before, but by `retry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<String>,
}

/// The answer to `POST /v1/reload`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Settings that were changed: `section.key`, or the section where there can be several.
    pub changed: Vec<String>,
    /// Settings that differ in the file, but need a restart.
    pub needs_restart: Vec<String>,
}

/// `GET /v1/trace?q=`: the events of some messages, message by message, as they stand in the event log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The events.
    pub events: Vec<events::Event>,
}

/// `GET /v1/signing`: the keys that mail is signed with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// Each domain that has keys, or is to have some.
    pub domains: Vec<SigningDomain>,
}

/// The keys of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningDomain {
    /// The domain.
    pub domain: String,
    /// Whether the server makes and keeps its keys.
    pub kept: bool,
    /// Why its mail cannot be signed as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Whether its mail waits for that.
    #[serde(default)]
    pub held: bool,
    /// The keys, the oldest first.
    pub keys: Vec<SigningKey>,
}

/// A key that signs, signed, or is to sign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// Under which name it is published.
    pub selector: String,
    /// `rsa` or `ed25519`; none if it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `made`, `published`, `signing`, `retired`, `removing`; or `by hand`.
    pub state: String,
    /// Since when; none for those that somebody else keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The name of its record.
    pub name: String,
    /// The text of its record; none if the key cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether it signs now.
    pub signs: bool,
    /// What the DNS has: `right`, `missing`, `unknown`, or what is wrong.
    pub record: String,
    /// Why the key is of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// What comes next.
    pub next: String,
    /// Whether somebody has to do that: put the record into the DNS, or take it out.
    pub to_do: bool,
}

/// What `POST /v1/signing/rotate` takes; its answer is what `GET /v1/signing` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// The domain.
    pub domain: String,
}

/// `GET /v1/bans`: who cannot log in now for having failed too often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bans {
    /// Each; those that last longest first.
    pub bans: Vec<Ban>,
}

/// Somebody who cannot log in now: a client with any login, a login from where it never succeeded, or, with both, a login from where it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// An IPv4 address, or an IPv6 network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The login as it was named, which need not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Failures that are not forgiven yet.
    pub failures: u32,
    /// Until when.
    pub until: String,
}

/// What `POST /v1/bans/lift` takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    /// An address, or a login.
    pub who: String,
}

/// The answer to `POST /v1/bans/lift`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// How many entries were forgotten, failures without a ban among them.
    pub lifted: u64,
}
