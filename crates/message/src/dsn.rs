//! Delivery status notifications: what became of a message, for whom, and why (RFC 3464, RFC 6522, RFC 6533).

use mail::{
    Address, Body, Client, EnhancedStatus, Envelope, QueueId, Recipient, Reply, Stream, Timestamp, Via,
};
use memchr::memmem;

use crate::{Date, FieldText, clean, quoted, write};

mod head;
mod returned;
mod status;
mod text;
mod words;

/// The listener of our own reports: [`Envelope::listener`] of what [`Dsn::envelope`] makes.
pub const DSN_LISTENER: &str = "dsn";

/// Content up to this length is returned whole, unless the sender asked for the header section only. Beyond it the
/// header section is enough to know the message by, even under RET=FULL: a report must not be what fills a mailbox
/// (RFC 3461 §6.2 lets us).
pub const CONTENT_RETURNED_MAX: usize = 64 * 1024;

/// What replies may take in each part of a report, all together, and one of them: a hostile server can say much, and of
/// many recipients. The beginning of each is told in any case.
const REPLIES_OCTETS: usize = 64 * 1024;
const REPLY_OCTETS: std::ops::RangeInclusive<usize> = 200..=8192;

/// A report about some recipients of a message.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Our host name.
    pub reporting_mta: &'a str,
    /// The queue id of the report itself.
    pub id: QueueId,
    /// The date of the report.
    pub at: Timestamp,
    /// The envelope of the message it is about.
    pub envelope: &'a Envelope,
    /// Whom it tells of. All are of one [`Topic`].
    pub recipients: &'a [ReportedRecipient<'a>],
    /// The beginning of the content: its first [`CONTENT_RETURNED_MAX`] octets, or all of it if it is shorter.
    pub content: &'a [u8],
    /// How long the whole content is, in octets.
    pub content_octets: u64,
    /// It goes to the postmaster, who did not send the message: that is a report itself, which its addressee cannot get.
    pub for_postmaster: bool,
}

/// A recipient and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct ReportedRecipient<'a> {
    /// The recipient, as the envelope has it.
    pub recipient: &'a Recipient,
    /// What became of it.
    pub action: Action,
    /// The status to report: of class 5 if it was refused, 4 if it is delayed or the time ran out, 2 otherwise.
    pub status: EnhancedStatus,
    /// The host whose words the reply is; none if the words are our own.
    pub remote_mta: Option<&'a str>,
    /// The reply that decided it, or the last one so far.
    pub reply: Option<&'a Reply>,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
}

/// What became of a recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It was given up.
    Failed(Cause),
    /// It was tried in vain so far, and will be tried until a time.
    Delayed {
        /// When it will be given up.
        until: Timestamp,
    },
    /// It is in the mailbox.
    Delivered,
    /// The next hop has it, but sends no reports of success.
    Relayed,
    /// The address stands for several others, and the message goes on to each of them (RFC 3461 §5.2.7.3).
    Expanded,
}

/// Why a recipient was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A permanent failure.
    Bounced,
    /// Temporary failures until the lifetime was over.
    Expired,
}

/// What a report is about: each has its own, for people read the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Recipients were given up.
    Failure,
    /// Recipients have to wait.
    Delay,
    /// All went well.
    Success,
}

impl Action {
    /// The report that it belongs into.
    pub fn topic(self) -> Topic {
        match self {
            Self::Failed(_) => Topic::Failure,
            Self::Delayed { .. } => Topic::Delay,
            Self::Delivered | Self::Relayed | Self::Expanded => Topic::Success,
        }
    }

    /// Its word in the Action field (RFC 3464 §2.3.3).
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::Delayed { .. } => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

/// A report, ready for the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dsn {
    /// Whom it goes to: the reverse-path of the message.
    pub to: Address,
    /// The message, header section and body. Lines end in CRLF and have at most 998 octets before it.
    pub content: Vec<u8>,
    /// [`Body::EightBitMime`] if the returned message, or an address, has 8-bit octets.
    pub body: Body,
    /// Whether it has header sections in UTF-8, its own among them: so if the address that it goes to has characters
    /// beyond ASCII, for that way takes them (RFC 6533 §4.5).
    pub smtputf8: bool,
    /// Whether REQUIRETLS holds for it as for the message (RFC 8689 §5).
    pub require_tls: bool,
}

impl Dsn {
    /// The envelope under which it goes on its way (RFC 3461 §6.1): from the null reverse-path, and without a report
    /// of its own.
    pub fn envelope(&self, id: QueueId, at: Timestamp, stream: Stream) -> Envelope {
        Envelope {
            client: Client { via: Via::Local, ..Client::default() },
            stream,
            body: self.body,
            smtputf8: self.smtputf8,
            require_tls: self.require_tls,
            may_bounce: false,
            ..Envelope::new(id, at, DSN_LISTENER, vec![Recipient::new(self.to.clone(), at)])
        }
    }
}

/// A body part: its own header fields, an empty line, and what follows, without the line end before a boundary.
type Part = Vec<u8>;

impl Report<'_> {
    /// Writes the report. `None`: the reverse-path is null, for a report never causes another one (RFC 5321 §6.1),
    /// or there are no recipients to report.
    pub fn build(&self) -> Option<Dsn> {
        let to = self.envelope.reverse_path.address()?;
        let topic = self.recipients.first()?.action.topic();
        let utf8 = to.is_utf8();
        let returned = returned::Returned::of(self, topic, utf8);
        let status = status::Status::of(self, utf8);
        let eight_bit = returned.eight_bit() || status.eight_bit();
        let parts = [text::part(self, topic, &returned), status.part(), returned.part(topic)];
        let boundary = self.boundary(&parts);
        let mut content = Vec::with_capacity(2048 + parts.iter().map(Vec::len).sum::<usize>());
        self.write_header(&mut content, to, topic, &boundary, eight_bit);
        content.extend_from_slice(b"\r\nThis is a report in MIME format, as RFC 3464 describes it.\r\n");
        for part in &parts {
            for piece in [b"\r\n--".as_slice(), boundary.as_bytes(), b"\r\n", part] {
                content.extend_from_slice(piece);
            }
        }
        for piece in [b"\r\n--".as_slice(), boundary.as_bytes(), b"--\r\n"] {
            content.extend_from_slice(piece);
        }
        let body = if content.is_ascii() { Body::SevenBit } else { Body::EightBitMime };
        let require_tls = self.envelope.require_tls;
        Some(Dsn { to: to.clone(), content, body, smtputf8: utf8, require_tls })
    }

    /// What it says of its recipients, each word once ([`Action::word`]).
    pub fn actions(&self) -> Vec<&'static str> {
        let mut words = Vec::new();
        for word in self.recipients.iter().map(|reported| reported.action.word()) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words
    }

    /// A boundary that occurs in no part (RFC 2046 §5.1.1): made sure of, for whoever sends mail may guess ours.
    fn boundary(&self, parts: &[Part]) -> String {
        let base = format!("=_{}", self.id);
        let mut boundary = base.clone();
        let mut number = 0_u32;
        while parts.iter().any(|part| memmem::find(part, boundary.as_bytes()).is_some()) {
            number += 1;
            boundary = format!("{base}.{number}.");
        }
        boundary
    }

    /// How many octets of each reply are told.
    fn reply_room(&self) -> usize {
        let fair = REPLIES_OCTETS / self.recipients.len().max(1);
        fair.clamp(*REPLY_OCTETS.start(), *REPLY_OCTETS.end())
    }

    /// As it may be written into any field.
    fn host(&self) -> std::borrow::Cow<'_, str> {
        clean::host(self.reporting_mta, false)
    }
}

/// Appends the header fields of a part and the empty line.
fn begin_part(fields: &[(&'static str, &str)]) -> Part {
    let mut part = Part::new();
    for (name, value) in fields {
        write::begin(&mut part, name).words(&FieldText::ascii(value)).end();
    }
    part.extend_from_slice(b"\r\n");
    part
}

fn date(at: Timestamp) -> String {
    Date(at).to_string()
}

#[cfg(test)]
mod tests;
