//! APPEND and REPLACE (RFC 9051 §6.3.12, RFC 3502, RFC 8508): messages go to the mailstore as they come.

use imap::{
    Sequence, SequenceSet,
    command::{MessageHead, Target},
    response::{Code, Response, Status},
    server::{Answer, Incoming},
};
use mailstore::{AccountId, Appended, Flags, FlagsAllowed, MailboxId, NewMessage, Uid, Upload};

use super::{
    acl::no_permission,
    blocking::{read, refusal, unavailable},
    flags,
    messages::REMOVING,
    namespace::Found,
    policy::{Done, Policy},
};

/// Messages of one APPEND (RFC 3502).
const MESSAGES_MAX: usize = 1000;

/// Octets of messages of one APPEND that wait in memory for the others; what is more waits on the disk.
const HELD_OCTETS_MAX: u64 = 16 << 20;

/// The messages of a command, as far as they are here.
pub(super) struct Uploading {
    to: MailboxId,
    /// Whose quota they count with.
    owner: AccountId,
    /// The flags that the client may set there; others are left out (RFC 4314 §4).
    allowed: FlagsAllowed,
    /// What the one message replaces.
    replaces: Option<(MailboxId, Uid)>,
    messages: Vec<NewMessage>,
    octets: u64,
    /// Octets of those that are in memory.
    held: u64,
    under_way: Option<(Upload, About)>,
}

/// What is told about a message.
struct About {
    flags: Flags,
    keywords: Vec<String>,
    internal_date: i64,
}

impl Policy {
    pub(super) async fn message(&mut self, incoming: Incoming) -> Answer {
        match self.begin_message(incoming).await {
            Ok(()) => Answer::Proceed,
            Err(status) => {
                self.upload = None;
                Answer::Refuse(status)
            }
        }
    }

    async fn begin_message(&mut self, incoming: Incoming) -> Result<(), Status> {
        let Incoming { target, head, first } = incoming;
        let (flags, mut keywords) = flags::wanted(&head.flags)?;
        let internal_date = head.date.map_or_else(|| self.now(), |date| date.seconds().saturating_mul(1000));
        if first {
            self.upload = Some(Box::new(self.uploading(target).await?));
        }
        self.has_room(&head).await?;
        let upload = self.shared.mailstore.upload();
        let Some(uploading) = &mut self.upload else { return Err(unavailable()) };
        uploading.octets = uploading.octets.saturating_add(head.literal.octets);
        let flags = uploading.allowed.kept(flags);
        keywords.retain(|_| uploading.allowed.keywords);
        uploading.under_way = Some((upload, About { flags, keywords, internal_date }));
        Ok(())
    }

    async fn uploading(&mut self, target: Target) -> Result<Uploading, Status> {
        let (name, replaced) = match target {
            Target::Append(mailbox) => (mailbox, None),
            Target::Replace { uid, number, mailbox } => (mailbox, Some((uid, number))),
        };
        let Found { mailbox: to, rights, .. } = self.target(&name).await?;
        let replaces = match replaced {
            None => None,
            Some((uid, number)) => {
                if self.heed_rights().await.is_err() {
                    return Err(no_permission());
                }
                let selected = self.writable(REMOVING)?;
                let set = match number {
                    Some(number) => SequenceSet::of([number]),
                    None => SequenceSet::default().and_to_last(u32::MAX),
                };
                let picked = selected.pick(&Sequence::Set(set), uid)?;
                let Some((_, uid)) = picked.iter().last() else {
                    return Err(Status::no("No such message").with(Code::NonExistent));
                };
                Some((selected.id, uid))
            }
        };
        let (allowed, owner, to) = (rights.flags(), to.account, to.id);
        let (messages, under_way) = (Vec::new(), None);
        Ok(Uploading { to, owner, allowed, replaces, messages, octets: 0, held: 0, under_way })
    }

    /// Before anything is sent. How large one may be the machine knows (RFC 7889 §4); how much all are together is the account's quota's.
    async fn has_room(&self, head: &MessageHead) -> Result<(), Status> {
        let Some(uploading) = &self.upload else { return Err(unavailable()) };
        let account = uploading.owner;
        let octets = uploading.octets.saturating_add(head.literal.octets);
        if uploading.messages.len() >= MESSAGES_MAX {
            return Err(Status::no("Too much for one command").with(Code::Limit));
        }
        let replaces = uploading.replaces.is_some();
        let quota = read(&self.shared.mailstore, move |mailstore| mailstore.quota(account)).await?;
        let over = quota.octets_max.is_some_and(|most| quota.octets.saturating_add(octets) > most);
        // What is replaced makes room that is counted when it is done.
        if over && !replaces {
            return Err(Status::no("Over quota").with(Code::OverQuota));
        }
        Ok(())
    }

    pub(super) async fn piece(&mut self, octets: &[u8]) -> Answer {
        match self.write(octets).await {
            Ok(()) => Answer::Proceed,
            Err(status) => {
                self.upload = None;
                Answer::Refuse(status)
            }
        }
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Status> {
        let under_way = self.upload.as_mut().and_then(|uploading| uploading.under_way.as_mut());
        let Some((upload, _)) = under_way else { return Err(unavailable()) };
        upload.write(octets).await.map_err(|error| refusal(&error))
    }

    pub(super) async fn last_piece(&mut self, octets: &[u8]) -> Answer {
        let ended = match self.write(octets).await {
            Ok(()) => self.end_message().await,
            Err(status) => Err(status),
        };
        match ended {
            Ok(()) => Answer::Proceed,
            Err(status) => {
                self.upload = None;
                Answer::Refuse(status)
            }
        }
    }

    async fn end_message(&mut self) -> Result<(), Status> {
        let Some(uploading) = &mut self.upload else { return Err(unavailable()) };
        let Some((upload, about)) = uploading.under_way.take() else { return Err(unavailable()) };
        let held = uploading.held.saturating_add(upload.held());
        let content = if held > HELD_OCTETS_MAX {
            upload.finish_on_disk().await
        } else {
            uploading.held = held;
            upload.finish().await
        };
        let content = content.map_err(|error| refusal(&error))?;
        let About { flags, keywords, internal_date } = about;
        uploading.messages.push(NewMessage { content, flags, keywords, internal_date });
        Ok(())
    }

    pub(super) async fn commit(&mut self) -> Answer {
        // The machine ends the session where EXPUNGE is told and may not be: it asks with each command but this one.
        self.manner.expunges = false;
        let handled = match self.upload.take() {
            Some(uploading) => self.put(*uploading).await,
            None => Err(unavailable()),
        };
        self.end(handled, false).await
    }

    async fn put(&mut self, uploading: Uploading) -> Result<Done, Status> {
        let Uploading { to, replaces, mut messages, .. } = uploading;
        let now = self.now();
        let Some((from, uid)) = replaces else {
            let appended = self.shared.mailstore.append(to, messages, now).await;
            let appended = appended.map_err(|error| refusal(&error))?;
            self.put_by_itself(to, appended.uids.iter().copied());
            self.messages_are_known(to).await;
            let code = appended_code(&appended);
            return Ok(Done { responses: Vec::new(), status: Status::ok("Appended").with(code) });
        };
        let message = messages.pop().ok_or_else(unavailable)?;
        let replaced = self.shared.mailstore.replace(from, uid, to, message, now).await;
        let replaced = replaced.map_err(|error| refusal(&error))?;
        self.put_by_itself(to, replaced.uids.iter().copied());
        self.messages_are_known(to).await;
        let code = appended_code(&replaced);
        // RFC 8508 §3: where the new one is comes before the old one goes, which this command may tell.
        self.manner.expunges = true;
        self.note_change();
        let mut responses = vec![Response::Status(Status::ok("Replaced").with(code))];
        responses.extend(self.tell_changes().await?);
        Ok(Done { responses, status: Status::ok("Done") })
    }
}

/// RFC 4315 §3.
fn appended_code(appended: &Appended) -> Code {
    Code::AppendUid { validity: appended.uid_validity, uids: SequenceSet::of(appended.uids.iter().copied()) }
}
