//! Mail for addresses of ours that lead elsewhere: it is sent on, as another message in one commit with the end of this one (mail-rules 13).
//!
//! That message has a reverse-path of ours in which its sender is written (SRS), so that the next host's SPF finds us; a report that comes to it is sent on to
//! the sender, and so is ours. Nothing of the content is changed, so that signatures hold; fields are put before it. What was judged to be
//! unwanted is not sent on: it was held when it came in, and goes if somebody releases it.

use std::sync::Arc;

use directory::{Forwarded, Resolution};
use events::{Event, Kind};
use mail::{Address, Client, Envelope, QueueId, Recipient, Reply, ReversePath, Timestamp, Via};
use message::{HeaderSection, write_forwarded};
use spool::{Loaded, SpoolError, Submission, Work};

use crate::{
    list::{self, HEADER_OCTETS_MAX, beginning, patience},
    outcome::{Fate, Finding, Success},
    replies,
    shared::Shared,
    signing::SENDMAIL,
    transaction::recipient,
};

/// The station of mail that is sent on in events and logs.
pub(crate) const STATION: &str = "deliver/forward";
/// The listener of what is sent on.
pub(crate) const LISTENER: &str = "forward";

/// Sends on what is for lists, and for addresses that lead elsewhere. What is left is for mailboxes; none if nothing is.
pub(crate) async fn pass_on(shared: &Arc<Shared>, envelope: &Arc<Envelope>, work: Work) -> Option<Work> {
    let work = list::expand(shared, envelope, work).await?;
    expand(shared, envelope, work).await
}

async fn expand(shared: &Arc<Shared>, envelope: &Arc<Envelope>, mut work: Work) -> Option<Work> {
    let directory = Arc::clone(&shared.live().directory);
    if !directory.leads_elsewhere() {
        return Some(work);
    }
    let mut leaving = Vec::new();
    work.recipients.retain(|number| {
        let to = recipient(envelope, *number);
        match to.map(|to| (to, directory.resolve(&to.forward_path))) {
            Some((to, Resolution::Forwarded(forwarded))) => {
                leaving.push((*number, to, forwarded));
                false
            }
            _ => true,
        }
    });
    for (number, to, forwarded) in leaving {
        let forward = Forward { shared, envelope, number, to, forwarded };
        let (finding, sent) = match forward.send().await {
            Ok(sent) => (forward.sent(&sent), Some(sent)),
            Err(finding) => (finding, None),
        };
        shared.settle_with(STATION, envelope, &[finding], sent.map(|sent| forward.told(sent))).await;
    }
    (!work.recipients.is_empty()).then_some(work)
}

/// One recipient that leads elsewhere.
struct Forward<'a> {
    shared: &'a Arc<Shared>,
    envelope: &'a Envelope,
    number: u32,
    to: &'a Recipient,
    forwarded: Forwarded,
}

impl Forward<'_> {
    /// The message for the others, not yet on its way; or what becomes of the recipient.
    async fn send(&self) -> Result<Submission, Finding> {
        // It was not released by anybody: the address led to a mailbox when it came in.
        if self.to.junk && self.to.paused.is_zero() {
            return Err(self.own(Fate::Bounced, replies::junk_stays()));
        }
        let spool = &self.shared.parts.spool;
        // It is new mail, and has no claim on what is reserved for completions (mail-rules 14).
        spool.accepts().map_err(|error| self.not_stored(&error))?;
        let unread = |error: SpoolError| {
            tracing::error!(queue_id = %self.envelope.id, station = STATION, %error, "the content of a message cannot be read");
            self.own(Fate::Deferred, replies::unreadable())
        };
        let Loaded { mut content, .. } = spool.load(self.envelope.id).await.map_err(unread)?;
        let beginning = beginning(&mut content).await.map_err(unread)?;
        self.check(&beginning).map_err(|finding| *finding)?;
        let now = self.shared.now();
        let reverse_path = self.reverse_path(now).await.map_err(|finding| *finding)?;
        let id = spool.new_id(now);
        let envelope = self.envelope_for_others(id, now, reverse_path);
        let mut fields = Vec::with_capacity(256);
        let sole = envelope.recipients.first().filter(|_| envelope.recipients.len() == 1);
        write_forwarded(&mut fields, &self.forwarded.by, sole.map(|sole| &sole.forward_path));
        let mut writer = spool.content(id);
        writer.write(fields, patience).await.map_err(|error| self.not_stored(&error))?;
        let mut piece = Some(beginning);
        while let Some(octets) = piece {
            if !octets.is_empty() {
                writer.write(octets, patience).await.map_err(|error| self.not_stored(&error))?;
            }
            piece = content.next().await.map_err(unread)?.map(|piece| piece.to_vec());
        }
        let content = writer.finish().await.map_err(|error| self.not_stored(&error))?;
        Ok(Submission { envelope, content, events: Vec::new() })
    }

    /// The loop guard (RFC 9228).
    fn check(&self, beginning: &[u8]) -> Result<(), Box<Finding>> {
        let header = HeaderSection::read(beginning);
        if header.octets().len() > HEADER_OCTETS_MAX {
            return Err(Box::new(self.own(Fate::Bounced, replies::header_too_large_to_forward())));
        }
        let by = &self.forwarded.by;
        if header.has_delivered_to(by) {
            return Err(Box::new(self.own(Fate::Bounced, replies::mail_loop(by))));
        }
        Ok(())
    }

    /// The sender's own where it is one of ours, who is known: then it is for us that SPF speaks. Else one of ours in its place. A report keeps the null one
    /// (RFC 5321 §4.5.5).
    async fn reverse_path(&self, now: Timestamp) -> Result<ReversePath, Box<Finding>> {
        let Some(sender) = self.envelope.reverse_path.address() else { return Ok(ReversePath::Null) };
        let directory = Arc::clone(&self.shared.live().directory);
        if directory.is_ours(sender) && self.has_known_sender() {
            return Ok(self.envelope.reverse_path.clone());
        }
        let Some(paths) = &self.shared.config.return_paths else {
            tracing::error!(queue_id = %self.envelope.id, station = STATION, "mail cannot be sent on: there is no secret for reverse-paths");
            return Err(Box::new(self.own(Fate::Deferred, replies::no_return_path())));
        };
        let (own, main) = (self.forwarded.by.domain(), directory.postmaster().domain());
        // An address literal is nobody's domain.
        let via = if own.name().is_some() { own } else { main };
        paths.rewrite(sender, via, now).await.map(ReversePath::Address).map_err(|error| {
            tracing::error!(queue_id = %self.envelope.id, station = STATION, %error, "mail cannot be sent on");
            Box::new(self.own(Fate::Deferred, replies::no_return_path()))
        })
    }

    fn has_known_sender(&self) -> bool {
        self.envelope.account.is_some() || &*self.envelope.listener == SENDMAIL
    }

    /// RFC 3461 §5.2.7.2: who sent it is told by whoever delivers it; where several get it (§5.2.7.3), of its success only once, by us.
    fn envelope_for_others(&self, id: QueueId, now: Timestamp, reverse_path: ReversePath) -> Envelope {
        let Envelope { priority, deliver_by, ret, body, smtputf8, require_tls, may_bounce, stream, .. } =
            *self.envelope;
        let recipients: Vec<&Address> = self.others().collect();
        let mut notify = self.to.notify;
        notify.success &= recipients.len() == 1;
        let orcpt = self.to.orcpt.clone();
        let orcpt = orcpt.or_else(|| Some(mail::OriginalRecipient::of(&self.forwarded.by.to_string())));
        let recipient = |to: &&Address| Recipient {
            notify,
            orcpt: orcpt.clone(),
            junk: self.to.junk,
            ..Recipient::new((*to).clone(), now)
        };
        let by_program = &*self.envelope.listener == SENDMAIL;
        Envelope {
            client: Client { via: Via::Local, ..Client::default() },
            account: self.envelope.account.clone(),
            stream,
            priority,
            deliver_by,
            reverse_path,
            ret,
            envid: self.envelope.envid.clone(),
            body,
            smtputf8,
            require_tls,
            may_bounce,
            ..Envelope::new(
                id,
                now,
                if by_program { SENDMAIL } else { LISTENER },
                recipients.iter().map(recipient).collect(),
            )
        }
    }

    /// Whoever is elsewhere, and mailboxes here that the message is not for already: who found the address otherwise than by MAIL and RCPT did not look.
    fn others(&self) -> impl Iterator<Item = &Address> {
        let has = |mailbox: &&Address| self.envelope.recipients.iter().any(|to| to.forward_path == **mailbox);
        let missing = self.forwarded.mailboxes.iter().filter(move |mailbox| !has(mailbox));
        self.forwarded.elsewhere.iter().chain(missing)
    }

    /// The message with what the event log is told of it, and what it is told of the one that it comes from.
    fn told(&self, sent: Submission) -> (Submission, Event) {
        let Submission { envelope, content, .. } = sent;
        let by = self.forwarded.by.to_string();
        let reverse_path = envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default();
        let accepted = Event {
            reverse_path: Some(reverse_path),
            recipients: envelope.recipients.iter().map(|to| to.forward_path.to_string()).collect(),
            size: Some(content.len()),
            account: envelope.account.as_deref().map(str::to_owned),
            reason: Some(format!("sent on by {by}, which got it as {}", self.envelope.id)),
            ..Event::new(envelope.received, envelope.id, Kind::Accepted, STATION)
        };
        let expanded = Event {
            recipient: Some(by),
            report: Some(envelope.id),
            ..Event::new(envelope.received, self.envelope.id, Kind::Expanded, STATION)
        };
        (Submission { envelope, content, events: vec![accepted] }, expanded)
    }

    fn sent(&self, sent: &Submission) -> Finding {
        let recipients = sent.envelope.recipients.len();
        let success = if recipients == 1 { Success::PassedOn } else { Success::Relayed };
        let reply = replies::forwarded(recipients, sent.envelope.id);
        Finding { success, ..Finding::own(self.number, Fate::Delivered, reply) }
    }

    fn not_stored(&self, error: &SpoolError) -> Finding {
        tracing::warn!(queue_id = %self.envelope.id, station = STATION, by = %self.forwarded.by, %error, "a message that is to be sent on has to wait");
        self.own(Fate::Deferred, replies::not_stored_to_forward(error.is_full()))
    }

    fn own(&self, fate: Fate, reply: Reply) -> Finding {
        Finding::own(self.number, fate, reply)
    }
}
