//! The envelope: everything about a message in transit that is not its content.

use std::{fmt, net::IpAddr, time::Duration};

use crate::{Address, OriginalRecipient, QueueId, Reply, ReversePath, Timestamp};

/// What the spool keeps of a message beside its content, from the first version of its format on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Our name for the message.
    pub id: QueueId,
    /// When it became ours.
    pub received: Timestamp,
    /// Who gave it to us.
    pub client: Client,
    /// The service that took it, such as `smtp`, `submission` or `dsn` for our own reports.
    pub listener: Box<str>,
    /// The account that sent it, if the client was authenticated.
    pub account: Option<Box<str>>,
    /// Which share of each destination it competes in.
    pub stream: Stream,
    /// MT-PRIORITY (RFC 6710), -9 to 9; 0 is usual.
    pub priority: i8,
    /// DELIVERBY (RFC 2852).
    pub deliver_by: Option<DeliverBy>,
    /// FUTURERELEASE (RFC 4865): not before. Lifetime runs from here.
    pub hold_until: Option<Timestamp>,
    /// Where reports go.
    pub reverse_path: ReversePath,
    /// DSN RET (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// DSN ENVID, decoded from xtext (RFC 3461 §4.4).
    pub envid: Option<Box<str>>,
    /// BODY (RFC 6152, RFC 3030).
    pub body: Body,
    /// SMTPUTF8 was asked for (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// REQUIRETLS was asked for (RFC 8689).
    pub require_tls: bool,
    /// Whether a failed delivery may be reported to the reverse-path: computed at acceptance (never backscatter).
    pub may_bounce: bool,
    /// The recipients; a recipient's number is its place here and never changes.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// A message that a listener has taken and nothing else is said of: from the null reverse-path, 7-bit, of the usual stream and
    /// priority, and with nobody against a report of its failure.
    pub fn new(id: QueueId, received: Timestamp, listener: &str, recipients: Vec<Recipient>) -> Self {
        Self {
            id,
            received,
            client: Client::default(),
            listener: listener.into(),
            account: None,
            stream: Stream::default(),
            priority: 0,
            deliver_by: None,
            hold_until: None,
            reverse_path: ReversePath::Null,
            ret: None,
            envid: None,
            body: Body::default(),
            smtputf8: false,
            require_tls: false,
            may_bounce: true,
            recipients,
        }
    }
}

/// Who the client was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// Its address; none for local origin.
    pub address: Option<IpAddr>,
    /// Its name by reverse DNS, confirmed.
    pub name: Option<Box<str>>,
    /// What it called itself in HELO or EHLO.
    pub hello: Option<Box<str>>,
    /// How it spoke (RFC 3848).
    pub via: Via,
    /// The TLS session, if any.
    pub tls: Option<TlsFacts>,
}

/// The `with` protocol type of the Received field without the letters for TLS and AUTH (RFC 3848, RFC 6531 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// HELO.
    Smtp,
    /// EHLO.
    #[default]
    Esmtp,
    /// LHLO.
    Lmtp,
    /// Made by ourselves.
    Local,
    /// Given by the HTTP API.
    Http,
}

/// What was agreed in the TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// Protocol version, such as `TLSv1.3`.
    pub version: Box<str>,
    /// Cipher suite, by its IANA name.
    pub cipher: Box<str>,
}

/// A TLS session, as the protocol inside of it knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsSession {
    /// What was agreed on.
    pub facts: TlsFacts,
    /// What the two ends of this session know and nobody between them (`tls-exporter`, RFC 9266), if there is such a thing: a login can be
    /// bound to it. Kept nowhere.
    pub exporter: Option<Box<[u8]>>,
    /// What the client has shown to be, to somebody who believes it.
    pub client: Option<Box<ClientCertificate>>,
}

/// A client's certificate that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of it.
    pub fingerprint: [u8; 32],
    /// The mail addresses that it is for, as they stand in it (`rfc822Name`, RFC 5280 §4.2.1.6).
    pub addresses: Vec<Box<str>>,
}

impl From<TlsFacts> for TlsSession {
    fn from(facts: TlsFacts) -> Self {
        Self { facts, exporter: None, client: None }
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { facts, client, .. } = self;
        f.debug_struct("TlsSession").field("facts", facts).field("client", client).finish_non_exhaustive()
    }
}

/// Streams share each destination in weighted fair order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Stream {
    /// Mail that somebody waits for.
    #[default]
    Transactional,
    /// Newsletters and the like.
    Bulk,
}

/// DELIVERBY (RFC 2852 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverBy {
    /// The time after which the mode applies.
    pub deadline: Timestamp,
    /// `R`: return it then; otherwise `N`: notify and go on.
    pub return_then: bool,
    /// `T`: trace was asked for.
    pub trace: bool,
}

/// How much of a message a DSN returns (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// All of it.
    Full,
    /// The header section.
    Headers,
}

/// What the content is made of (RFC 6152 §3, RFC 3030 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// ASCII lines.
    #[default]
    SevenBit,
    /// Lines with any octets but NUL, CR and LF.
    EightBitMime,
    /// Any octets.
    BinaryMime,
}

/// One recipient and how it fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Where the message goes.
    pub forward_path: Address,
    /// When its sender wants to hear (RFC 3461 §4.1).
    pub notify: Notify,
    /// The address as the sender first wrote it (RFC 3461 §4.2).
    pub orcpt: Option<OriginalRecipient>,
    /// A route wished for by name.
    pub route: Option<Box<str>>,
    /// A source address wished for by name.
    pub source: Option<Box<str>>,
    /// The token of its own reverse-path (VERP).
    pub verp: Option<Box<str>>,
    /// Whether it waits for somebody to release it: a message can be on hold for some of its recipients alone.
    pub held: bool,
    /// When the hold began; none if it has been on hold since its receipt.
    pub held_at: Option<Timestamp>,
    /// How long it was on hold before, in all. Its lifetime stood still meanwhile (mail-rules 12).
    pub paused: Duration,
    /// Somebody ordered it to be given up with these words; it is not tried again.
    pub bounce: Option<Box<str>>,
    /// When the next attempt is due.
    pub due: Timestamp,
    /// Attempts made so far.
    pub attempts: u32,
    /// The last reply of a next hop, or our own words in its form.
    pub last_reply: Option<Reply>,
    /// The MX of the last attempt.
    pub last_mx: Option<Box<str>>,
    /// The site of that MX.
    pub last_site: Option<Box<str>>,
    /// The TLS policy of the last attempt.
    pub policy: Option<Box<str>>,
    /// The sender was told that it is late, or need not be: that is settled once.
    pub delay_told: bool,
    /// It was judged to be unwanted when it came in: it is for the recipient's Junk folder, goes to nobody else's mailbox, and no failure of
    /// it is told to its sender (mail-rules 4).
    pub junk: bool,
}

impl Recipient {
    /// A recipient that nobody has tried yet and that is due at once.
    pub fn new(forward_path: Address, due: Timestamp) -> Self {
        Self {
            forward_path,
            notify: Notify::default(),
            orcpt: None,
            route: None,
            source: None,
            verp: None,
            held: false,
            held_at: None,
            paused: Duration::ZERO,
            bounce: None,
            due,
            attempts: 0,
            last_reply: None,
            last_mx: None,
            last_site: None,
            policy: None,
            delay_told: false,
            junk: false,
        }
    }
}

/// NOTIFY (RFC 3461 §4.1). `success`, `failure` and `delay` all false is `NEVER`.
#[expect(clippy::struct_excessive_bools, reason = "the words of the parameter, any of which may be there")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// `SUCCESS`.
    pub success: bool,
    /// `FAILURE`.
    pub failure: bool,
    /// `DELAY`.
    pub delay: bool,
    /// The sender said so: only then is the parameter passed on (RFC 3461 §5.2.1).
    pub given: bool,
}

/// Without NOTIFY the sender hears of failures, and may hear of delays (RFC 3461 §4.1).
impl Default for Notify {
    fn default() -> Self {
        Self { success: false, failure: true, delay: true, given: false }
    }
}
