//! INBOX as it was at the login: a message has the same number to the end of the session.

use mailstore::{EmailId, Mailbox, MailboxId, Mailstore, MailstoreError, Uid, UidSet};
use pop3::server::Listed;

/// Messages whose sizes are asked for at once.
const AT_ONCE: usize = 1000;

/// A message, 8 octets: a session has one for each.
#[derive(Debug, Clone, Copy)]
struct Held {
    uid: Uid,
    /// Messages are not larger: listeners take none.
    octets: u32,
}

/// An INBOX.
#[derive(Debug)]
pub(super) struct Maildrop {
    mailbox: MailboxId,
    uid_validity: u32,
    messages: Vec<Held>,
    octets: u64,
    /// What is being read.
    reading: Option<(Uid, EmailId)>,
}

impl Maildrop {
    /// The INBOX of the account of this name; of an account without mailboxes an empty one. Waits for the disk.
    pub(super) fn open(mailstore: &Mailstore, account: &str) -> Result<Option<Self>, MailstoreError> {
        let Some(account) = mailstore.find_account(account)? else { return Ok(None) };
        let inbox = mailstore.mailbox(account, "INBOX")?.ok_or(MailstoreError::NoMailbox)?;
        Self::of(mailstore, &inbox).map(Some)
    }

    fn of(mailstore: &Mailstore, inbox: &Mailbox) -> Result<Self, MailstoreError> {
        let view = mailstore.view(inbox.id)?;
        let (mut messages, mut octets) = (Vec::with_capacity(view.messages.len()), 0_u64);
        for some in view.messages.chunks(AT_ONCE) {
            let uids: UidSet = some.iter().map(|message| message.uid).collect();
            // What has gone since the first look is not in it.
            for facts in mailstore.facts(inbox.id, &uids)? {
                octets = octets.saturating_add(facts.octets);
                let held = u32::try_from(facts.octets).unwrap_or(u32::MAX);
                messages.push(Held { uid: facts.uid, octets: held });
            }
        }
        let uid_validity = view.mailbox.uid_validity;
        Ok(Self { mailbox: inbox.id, uid_validity, messages, octets, reading: None })
    }

    /// How many, and how large together.
    pub(super) fn size(&self) -> pop3::server::Maildrop {
        let messages = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        pop3::server::Maildrop { messages, octets: self.octets }
    }

    fn held(&self, number: u32) -> Option<Held> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.messages.get(at).copied()
    }

    /// Sizes and unique-ids from a number on.
    pub(super) fn listed(&self, from: u32, count: u32) -> Vec<Listed> {
        let numbers = from..from.saturating_add(count);
        let listed = |held: Held| Listed {
            octets: held.octets.into(),
            unique_id: format!("{}.{}", self.uid_validity, held.uid).into(),
        };
        numbers.filter_map(|number| self.held(number)).map(listed).collect()
    }

    /// What to read for the octets of a message: found already, or by its UID.
    pub(super) fn place(&self, number: u32) -> Option<Place> {
        let uid = self.held(number)?.uid;
        let email = self.reading.filter(|(reading, _)| *reading == uid).map(|(_, email)| email);
        Some(Place { mailbox: self.mailbox, uid, email })
    }

    /// What was found.
    pub(super) fn reads(&mut self, uid: Uid, email: EmailId) {
        self.reading = Some((uid, email));
    }

    /// What is removed with these numbers.
    pub(super) fn uids(&self, numbers: &[u32]) -> (MailboxId, UidSet) {
        let uids = numbers.iter().filter_map(|number| self.held(*number)).map(|held| held.uid);
        (self.mailbox, uids.collect())
    }
}

/// Where octets of a message are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    mailbox: MailboxId,
    pub(super) uid: Uid,
    email: Option<EmailId>,
}

impl Place {
    /// Octets from `offset` on, `most` at the most, and of what. Waits for the disk.
    pub(super) fn read(
        self,
        mailstore: &Mailstore,
        offset: u64,
        most: usize,
    ) -> Result<(EmailId, Vec<u8>), MailstoreError> {
        let email = match self.email {
            // From the beginning, whether it is there is looked up anew.
            Some(email) if offset > 0 => email,
            _ => {
                let facts = mailstore.facts(self.mailbox, &UidSet::single(self.uid))?;
                facts.first().ok_or(MailstoreError::Gone)?.email
            }
        };
        Ok((email, mailstore.read(email, offset, most)?))
    }
}
