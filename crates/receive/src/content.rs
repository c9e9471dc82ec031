//! Content on its way into the spool: our fields first, then the client's octets as they came.

use std::sync::Arc;

use mail::{Body, Client, QueueId, Reply, Timestamp};
use message::{CONTENT_RETURNED_MAX, HeaderSection, Received, write_date_field, write_message_id_field};
use spool::{Content, ContentWriter, Spool};

use crate::{Config, policy::Origin, rules::Seen, storing::Storing, transaction::Transaction, verdict::Hops};

/// The longest Message-ID that events keep, in octets.
const MESSAGE_ID_OCTETS_MAX: usize = 998;

/// Content that is coming in.
pub(crate) struct Incoming {
    pub(crate) id: QueueId,
    pub(crate) message_id: Option<String>,
    /// Whether an octet over 127 has come.
    eight_bit: bool,
    writer: ContentWriter,
    storing: Arc<Storing>,
    hops: Hops,
    seen: Seen,
    /// The beginning of the content as it is kept, if a report returns it.
    beginning: Option<Vec<u8>>,
}

/// What the fields that we prepend are made from.
pub(crate) struct Trace<'a> {
    pub(crate) config: &'a Config,
    pub(crate) client: &'a Client,
    pub(crate) origin: Origin,
    pub(crate) now: Timestamp,
}

impl Incoming {
    /// Begins with the first piece of content, which is looked at but not taken yet. The fields that we prepend go in
    /// a piece of their own, so that the client's octets are never copied.
    pub(crate) async fn begin(
        spool: &Spool,
        storing: Arc<Storing>,
        trace: Trace<'_>,
        transaction: &Transaction,
        first: &[u8],
    ) -> Result<Self, Reply> {
        let id = spool.new_id(trace.now);
        let section = HeaderSection::read(first);
        let facts = section.facts();
        let mut fields = Vec::with_capacity(512);
        trace.received(transaction, id).write_to(&mut fields);
        let mut message_id = facts.message_id.map(|field| field.text(MESSAGE_ID_OCTETS_MAX));
        // Absent is only what a whole header section does not have.
        if trace.origin.completes() && section.is_complete() {
            if !facts.date {
                write_date_field(&mut fields, trace.now);
            }
            if facts.message_id.is_none() {
                write_message_id_field(&mut fields, &id.to_string(), &trace.config.hostname);
                message_id = Some(message::message_id(&id.to_string(), &trace.config.hostname));
            }
        }
        let hops = Hops::begin(&section, facts.received, first);
        let mut writer = spool.content(id);
        let beginning = (!transaction.expanded.is_empty()).then(|| fields.clone());
        writer.write(fields).await.map_err(|error| storing.failed(&error))?;
        Ok(Self {
            id,
            message_id,
            eight_bit: false,
            writer,
            storing,
            hops,
            beginning,
            seen: Seen::new(transaction.asks_header(&trace.config.rules)),
        })
    }

    /// Takes a piece; `begun` says that [`begin`](Self::begin) has looked at it.
    pub(crate) async fn write(
        &mut self,
        piece: Vec<u8>,
        begun: bool,
        received_max: usize,
    ) -> Result<(), Reply> {
        if !begun {
            self.hops.read(&piece);
        }
        self.eight_bit = self.eight_bit || !piece.is_ascii();
        self.hops.verdict(received_max)?;
        self.seen.read(&piece)?;
        if piece.is_empty() {
            return Ok(());
        }
        if let Some(beginning) = &mut self.beginning {
            let room = CONTENT_RETURNED_MAX.saturating_sub(beginning.len()).min(piece.len());
            beginning.extend(piece.get(..room).unwrap_or_default());
        }
        self.writer.write(piece).await.map_err(|error| self.storing.failed(&error))
    }

    /// What rules look at, once all of it is here.
    pub(crate) fn seen(&mut self) -> &Seen {
        self.seen.end();
        &self.seen
    }

    /// What the content is made of: at least what it was declared to be. Many clients send 8-bit content without a word, and
    /// a next hop without 8BITMIME must not get it as it is (RFC 6152 §3).
    pub(crate) fn body(&self, declared: Body) -> Body {
        if self.eight_bit && declared == Body::SevenBit { Body::EightBitMime } else { declared }
    }

    /// The beginning of the content as it is kept, if it was asked for.
    pub(crate) fn take_beginning(&mut self) -> Option<Vec<u8>> {
        self.beginning.take()
    }

    /// The whole content.
    pub(crate) async fn finish(self) -> Result<Content, Reply> {
        self.writer.finish().await.map_err(|error| self.storing.failed(&error))
    }
}

impl<'a> Trace<'a> {
    /// RFC 5321 §4.4: every server that takes a message puts a Received field before it.
    fn received(&self, transaction: &'a Transaction, id: QueueId) -> Received<'a> {
        Received {
            client: self.client,
            authenticated: self.origin.authenticated,
            by: &self.config.hostname,
            smtputf8: transaction.mail.smtputf8,
            id,
            recipient: transaction.sole_recipient(),
            at: self.now,
        }
    }
}
