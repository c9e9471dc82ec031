//! What can go wrong with mailboxes.

use store::StoreError;

/// Why something cannot be read or changed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum MailstoreError {
    /// The database failed: a fault of ours, and it may pass.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such account.
    #[error("no such account")]
    NoAccount,
    /// There is no such mailbox, or no longer.
    #[error("no such mailbox")]
    NoMailbox,
    /// There is a mailbox of this name.
    #[error("a mailbox of this name exists")]
    Exists,
    /// This is no name for a mailbox.
    #[error("not a name for a mailbox: {0}")]
    BadName(&'static str),
    /// INBOX cannot be deleted.
    #[error("INBOX cannot be deleted")]
    Inbox,
    /// The account's quota would be exceeded.
    #[error("the account is over its quota")]
    OverQuota,
    /// The mailbox has as many keywords as it can have.
    #[error("the mailbox has as many keywords as it can have")]
    KeywordsFull,
    /// All UIDs of this mailbox were used.
    #[error("all UIDs of the mailbox were used")]
    UidsUsedUp,
    /// There are as many of these as there may be.
    #[error("as many {0} as there may be")]
    TooMany(&'static str),
    /// What was asked for is no longer there.
    #[error("the message is gone")]
    Gone,
    /// What is stored contradicts itself.
    #[error("the mailboxes are damaged: {0}")]
    Damaged(String),
}
