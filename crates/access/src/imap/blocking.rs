//! Reads of the mailstore, on threads where waiting for the disk holds nobody up; and what a client is told where something fails.

use imap::response::{Code, Status};
use mailstore::{Mailstore, MailstoreError};

pub(super) use crate::backend::{Begun, begin};

/// Reads, all of it as it was at one moment.
pub(super) async fn read<T: Send + 'static>(
    mailstore: &Mailstore,
    read: impl FnOnce(&Mailstore) -> Result<T, MailstoreError> + Send + 'static,
) -> Result<T, Status> {
    ended(begin(mailstore, read)).await
}

/// Waits for what was begun.
pub(super) async fn ended<T>(begun: Begun<T>) -> Result<T, Status> {
    match begun.await {
        Ok(result) => result.map_err(|error| refusal(&error)),
        // The runtime stops.
        Err(_) => Err(unavailable()),
    }
}

/// A fault of ours that may pass.
pub(super) fn unavailable() -> Status {
    Status::no("Not now; try again later").with(Code::Unavailable)
}

/// What a client is told.
pub(super) fn refusal(error: &MailstoreError) -> Status {
    match error {
        MailstoreError::NoMailbox => Status::no("No such mailbox").with(Code::NonExistent),
        MailstoreError::Exists => Status::no("There is such a mailbox").with(Code::AlreadyExists),
        MailstoreError::BadName(why) => Status::no(*why).with(Code::Cannot),
        MailstoreError::Inbox => Status::no("INBOX stays").with(Code::Cannot),
        MailstoreError::OverQuota => Status::no("Over quota").with(Code::OverQuota),
        MailstoreError::KeywordsFull => {
            Status::no("The mailbox has as many keywords as it can have").with(Code::Limit)
        }
        MailstoreError::UidsUsedUp => Status::no("The mailbox takes no more messages").with(Code::Limit),
        MailstoreError::TooMany(_) => Status::no("As many as there may be").with(Code::Limit),
        MailstoreError::Gone => Status::no("Messages are gone").with(Code::ExpungeIssued),
        MailstoreError::Damaged(_) => {
            tracing::error!(station = "imap", %error, "a mailbox is damaged");
            Status::no("The mailbox is damaged").with(Code::Corruption)
        }
        MailstoreError::NoAccount | MailstoreError::Store(_) => {
            tracing::error!(station = "imap", %error, "cannot read or change mailboxes");
            unavailable()
        }
    }
}
