//! Content on its way into the spool: our fields first, then the client's octets as they came, of strangers without fields that only we may write.

use std::{sync::Arc, time::Duration};

use directory::{Directory, Login};
use mail::{Body, Client, QueueId, Reply, Timestamp};
use message::{CONTENT_RETURNED_MAX, HeaderSection, Received, write_date_field, write_message_id_field};
use spool::{Content, ContentWriter, Spool};
use tokio::{task::coop::consume_budget, time::sleep};

use crate::{
    Config,
    checks::{Checks, Found, ROOM},
    policy::Origin,
    rules::{Results, Seen},
    storing::Storing,
    submission::{Edited, Editor},
    transaction::Transaction,
    verdict::Hops,
};

/// The longest Message-ID that events keep, in octets.
const MESSAGE_ID_OCTETS_MAX: usize = 998;
/// How long a client is left waiting for memory: a moment of many large messages passes, and refused they would all come again.
const MEMORY_PATIENCE: Duration = Duration::from_secs(5);

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
    /// Holds the header section of a submission until it is whole.
    editor: Option<Editor>,
    /// Who answers for it, if that is checked.
    checks: Option<Box<Checks>>,
    /// The beginning of the content as it is kept, if a report returns it.
    beginning: Option<Vec<u8>>,
}

/// What the fields that we prepend are made from.
pub(crate) struct Trace<'a> {
    pub(crate) config: &'a Config,
    pub(crate) client: &'a Client,
    pub(crate) origin: Origin,
    pub(crate) login: Option<&'a Login>,
    pub(crate) directory: &'a Arc<Directory>,
    pub(crate) now: Timestamp,
    /// The id, where it was chosen before.
    pub(crate) id: Option<QueueId>,
    /// Whether it is checked who answers for it.
    pub(crate) verifies: bool,
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
        let id = trace.id.unwrap_or_else(|| spool.new_id(trace.now));
        let section = HeaderSection::read(first);
        let facts = section.facts();
        let mut fields = Vec::with_capacity(512);
        trace.received(transaction, id).write_to(&mut fields);
        let mut message_id = facts.message_id.map(|field| field.text(MESSAGE_ID_OCTETS_MAX));
        // Absent is only what a whole header section does not have.
        let editor = trace.editor(transaction, id);
        if editor.is_none() && trace.origin.completes() && section.is_complete() {
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
        let checks = trace.checks();
        if checks.is_some() {
            writer.leave_room(ROOM);
        }
        let beginning = (!transaction.expanded.is_empty()).then(|| fields.clone());
        writer.write(fields, patience).await.map_err(|error| storing.failed(&error))?;
        Ok(Self {
            id,
            message_id,
            eight_bit: false,
            writer,
            storing,
            hops,
            editor,
            checks,
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
        if let Some(checks) = &mut self.checks {
            // Boxed: idle sessions must not hold room for it.
            let kept = Box::pin(checks.read(piece)).await?;
            // It was digested, and others may have waited for their turn.
            consume_budget().await;
            return self.keep(kept).await;
        }
        let edited = match &mut self.editor {
            None => return self.keep(piece).await,
            Some(editor) => editor.read(piece)?,
        };
        match edited {
            // Boxed: idle sessions must not hold room for it.
            Some(edited) => Box::pin(self.keep_edited(edited)).await,
            None => Ok(()),
        }
    }

    /// There is no more content.
    pub(crate) async fn end(&mut self) -> Result<(), Reply> {
        self.seen.end();
        if let Some(checks) = &mut self.checks {
            let kept = checks.end().await?;
            return self.keep(kept).await;
        }
        match &mut self.editor {
            Some(editor) => {
                let edited = editor.end()?;
                self.keep_edited(edited).await
            }
            None => Ok(()),
        }
    }

    async fn keep_edited(&mut self, Edited { fields, octets, message_id }: Edited) -> Result<(), Reply> {
        self.editor = None;
        self.message_id = message_id.or(self.message_id.take());
        self.keep(fields).await?;
        self.keep(octets).await
    }

    async fn keep(&mut self, piece: Vec<u8>) -> Result<(), Reply> {
        if piece.is_empty() {
            return Ok(());
        }
        if let Some(beginning) = &mut self.beginning {
            let room = CONTENT_RETURNED_MAX.saturating_sub(beginning.len()).min(piece.len());
            beginning.extend(piece.get(..room).unwrap_or_default());
        }
        let written = self.writer.write(piece, patience).await;
        written.map_err(|error| self.storing.failed(&error))
    }

    /// What is to be checked of it, once all of it is here.
    pub(crate) fn take_checks(&mut self) -> Option<Box<Checks>> {
        self.checks.take()
    }

    /// Puts what was found before it.
    pub(crate) async fn tell(&mut self, found: &Found) -> Result<(), Reply> {
        let told = self.writer.fill_room(|octets| found.field(octets)).await;
        told.map_err(|error| self.storing.failed(&error))
    }

    /// The checks have come to their end.
    pub(crate) fn judged(&mut self, results: Results) {
        self.seen.judged(results);
    }

    /// What rules look at, once all of it is here.
    pub(crate) fn seen(&self) -> &Seen {
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

async fn patience() {
    sleep(MEMORY_PATIENCE).await;
}

impl<'a> Trace<'a> {
    fn checks(&self) -> Option<Box<Checks>> {
        self.verifies.then(|| Box::new(Checks::new(&self.config.hostname, self.now.as_millis() / 1000)))
    }

    fn editor(&self, transaction: &Transaction, id: QueueId) -> Option<Editor> {
        self.origin.submits().then(|| Editor {
            directory: Arc::clone(self.directory),
            login: self.login.cloned(),
            smtputf8: transaction.mail.smtputf8,
            now: self.now,
            id,
            hostname: self.config.hostname.clone(),
            so_far: Vec::new(),
        })
    }

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
