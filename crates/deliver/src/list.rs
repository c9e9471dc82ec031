//! Mailing lists: what is written to one goes to its members, as a message of the list.
//!
//! That message and the completion of the one that was written are one commit of the spool (mail-rules 13), so each is sent on exactly once, whatever
//! breaks off when. It has the list's own reverse-path: what cannot be delivered is for its owners, and not for who wrote (RFC 5321 §3.9.2). Who may
//! write was decided when the message came in, where it can be refused; what shows only in its content to be none for a list is dropped, for a
//! report of it would go to who knows whom (mail-rules 3).

use std::{sync::Arc, time::Duration};

use directory::{List, Posters, Resolution};
use events::{Event, Kind};
use mail::{Client, Envelope, Notify, QueueId, Recipient, Reply, Ret, ReversePath, Stream, Timestamp, Via};
use message::{HeaderSection, ListFields, with_list_as_author, without_list_fields};
use spool::{ContentReader, Loaded, SpoolError, Submission, Work};
use tokio::time::sleep;

use crate::{
    list_author::{Authorship, authorship},
    outcome::{Fate, Finding},
    replies,
    shared::Shared,
};

/// The station of lists in events and logs, and the listener of what they send.
pub(crate) const STATION: &str = "deliver/list";
pub(crate) const LISTENER: &str = "list";
/// A header section is held until it is whole; a submission may have no larger one.
pub(crate) const HEADER_OCTETS_MAX: usize = 128 * 1024;
/// So long a copy waits for memory.
const MEMORY_PATIENCE: Duration = Duration::from_secs(5);

/// Why a message is none for a list.
const LOOP: &str = "this list has sent it before: it is in a loop";
const ANSWER: &str = "it is the answer or report of a program, and none for a list";
const REPORT: &str = "it is from the null reverse-path, and a report is none for a list";

/// Sends on what is for lists. What is left is for mailboxes; none if nothing is.
pub(crate) async fn expand(shared: &Arc<Shared>, envelope: &Arc<Envelope>, mut work: Work) -> Option<Work> {
    let directory = Arc::clone(&shared.live().directory);
    if directory.lists().next().is_none() {
        return Some(work);
    }
    let mut lists = Vec::new();
    work.recipients.retain(|number| {
        let place = usize::try_from(*number).unwrap_or(usize::MAX);
        let recipient = envelope.recipients.get(place);
        match recipient.map(|recipient| directory.resolve(&recipient.forward_path)) {
            Some(Resolution::List(list)) => {
                lists.push((*number, list));
                false
            }
            _ => true,
        }
    });
    for (number, list) in lists {
        let expansion = Expansion { shared, envelope, number, list: &list };
        let (finding, sent) = match expansion.send().await {
            Ok(sent) => (expansion.sent(sent.envelope.id), Some(sent)),
            Err(finding) => (finding, None),
        };
        shared.settle_with(STATION, envelope, &[finding], sent.map(|sent| expansion.told(sent))).await;
    }
    (!work.recipients.is_empty()).then_some(work)
}

/// One recipient that is a list.
struct Expansion<'a> {
    shared: &'a Arc<Shared>,
    envelope: &'a Envelope,
    number: u32,
    list: &'a List,
}

impl Expansion<'_> {
    /// The message for the members, not yet on its way; or what becomes of the recipient.
    async fn send(&self) -> Result<Submission, Finding> {
        // What came in by itself is judged where it came in; but reports and the like do not come in.
        if self.envelope.reverse_path.is_null() {
            return Err(self.dropped(REPORT));
        }
        if !self.shared.live().directory.may_post(self.list, &self.envelope.reverse_path) {
            return Err(self.own(Fate::Bounced, replies::no_poster()));
        }
        if self.list.members().is_empty() {
            return Err(self.own(Fate::Bounced, replies::no_members()));
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
        let fields = self.fields(&beginning).map_err(|finding| *finding)?;
        let rewritten = match authorship(self.shared, self.envelope, &HeaderSection::read(&beginning)).await {
            Authorship::Kept => without_list_fields(&beginning),
            Authorship::Replaced => {
                with_list_as_author(&without_list_fields(&beginning), self.list.address(), self.list.title())
            }
            Authorship::Unknown => return Err(self.own(Fate::Deferred, replies::author_unknown())),
        };
        let now = self.shared.now();
        let id = spool.new_id(now);
        let mut writer = spool.content(id);
        let mut piece = Some(rewritten);
        writer.write(fields, patience).await.map_err(|error| self.not_stored(&error))?;
        while let Some(octets) = piece {
            if !octets.is_empty() {
                writer.write(octets, patience).await.map_err(|error| self.not_stored(&error))?;
            }
            piece = content.next().await.map_err(unread)?.map(|piece| piece.to_vec());
        }
        let content = writer.finish().await.map_err(|error| self.not_stored(&error))?;
        Ok(Submission { envelope: self.envelope_for_members(id, now), content, events: Vec::new() })
    }

    /// The list's fields, unless the header section says that the message is none for it.
    fn fields(&self, beginning: &[u8]) -> Result<Vec<u8>, Box<Finding>> {
        let (header, list) = (HeaderSection::read(beginning), self.list);
        if header.octets().len() > HEADER_OCTETS_MAX {
            return Err(Box::new(self.own(Fate::Bounced, replies::header_too_large())));
        }
        let id = list.id();
        if header.has_list_id(&id) || header.has_delivered_to(list.address()) {
            return Err(Box::new(self.dropped(LOOP)));
        }
        if header.is_answer() {
            return Err(Box::new(self.dropped(ANSWER)));
        }
        let fields = ListFields {
            id: &id,
            title: list.title(),
            address: list.address(),
            takes_posts: list.posters() != Posters::Owners,
            request: list.request(),
            owner: list.owner(),
        };
        let mut out = Vec::with_capacity(1024);
        fields.write_to(&mut out);
        Ok(out)
    }

    /// RFC 3461 §5.2.7.1 (b): nothing of what the sender asked for goes on. The owners hear of failures, with the header section.
    fn envelope_for_members(&self, id: QueueId, now: Timestamp) -> Envelope {
        let notify = Notify { success: false, failure: true, delay: false, given: true };
        let recipient = |member: &mail::Address| Recipient { notify, ..Recipient::new(member.clone(), now) };
        let Envelope { body, smtputf8, require_tls, .. } = *self.envelope;
        Envelope {
            client: Client { via: Via::Local, ..Client::default() },
            // Whose From was checked is signed in its name as it goes out.
            account: self.envelope.account.clone(),
            stream: Stream::Bulk,
            reverse_path: ReversePath::Address(self.list.bounces().clone()),
            ret: Some(Ret::Headers),
            body,
            smtputf8,
            require_tls,
            ..Envelope::new(id, now, LISTENER, self.list.members().iter().map(recipient).collect())
        }
    }

    /// The message with what the event log is told of it, and what it is told of the one that was written.
    fn told(&self, sent: Submission) -> (Submission, Event) {
        let Submission { envelope, content, .. } = sent;
        let list = self.list.address().to_string();
        let reverse_path = envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default();
        let accepted = Event {
            reverse_path: Some(reverse_path),
            recipients: envelope.recipients.iter().map(|to| to.forward_path.to_string()).collect(),
            size: Some(content.len()),
            reason: Some(format!("written to the list {list} as {}", self.envelope.id)),
            ..Event::new(envelope.received, envelope.id, Kind::Accepted, STATION)
        };
        let expanded = Event {
            recipient: Some(list),
            report: Some(envelope.id),
            ..Event::new(envelope.received, self.envelope.id, Kind::Expanded, STATION)
        };
        (Submission { envelope, content, events: vec![accepted] }, expanded)
    }

    fn sent(&self, id: QueueId) -> Finding {
        self.own(Fate::Delivered, replies::sent_on(self.list.members().len(), id))
    }

    fn dropped(&self, why: &'static str) -> Finding {
        Finding { note: Some(why), ..self.own(Fate::Dropped, replies::not_for_a_list()) }
    }

    fn not_stored(&self, error: &SpoolError) -> Finding {
        tracing::warn!(queue_id = %self.envelope.id, station = STATION, list = %self.list.address(), %error, "a message for a list has to wait");
        self.own(Fate::Deferred, replies::not_stored(error.is_full()))
    }

    fn own(&self, fate: Fate, reply: Reply) -> Finding {
        Finding::own(self.number, fate, reply)
    }
}

/// As much as holds the header section, if it is not too large.
pub(crate) async fn beginning(content: &mut ContentReader) -> Result<Vec<u8>, SpoolError> {
    let mut beginning = Vec::new();
    while let Some(piece) = content.next().await? {
        beginning.extend_from_slice(&piece);
        if HeaderSection::read(&beginning).is_complete() || beginning.len() > 2 * HEADER_OCTETS_MAX {
            break;
        }
    }
    Ok(beginning)
}

pub(crate) async fn patience() {
    sleep(MEMORY_PATIENCE).await;
}
