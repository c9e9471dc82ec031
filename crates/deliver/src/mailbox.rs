//! Files messages into the mailstore so that each comes there exactly once.
//!
//! The mailstore remembers the key of each delivery in the transaction that files it. After a crash between that and the spool's completion
//! the delivery is asked for again, and is found to be made.

use mail::{QueueId, Reply};
use mailstore::MailstoreError;
use store::StoreError;

/// By what a delivery is known again. An account that is meant by several addresses of one recipient gets the message once.
pub(crate) fn key(id: QueueId, recipient: u32, account: &str) -> Vec<u8> {
    format!("{id}R{recipient} {account}").into_bytes()
}

/// There was no room for long enough (RFC 3463 §3.3: mailbox full).
pub(crate) const FULL_FOR_GOOD: Reply = Reply::fixed(552, (5, 2, 2), "the mailbox is full");

/// What a failure means: all of them may pass.
pub(crate) fn refusal(error: &MailstoreError) -> Reply {
    match error {
        MailstoreError::OverQuota => Reply::fixed(452, (4, 2, 2), "the mailbox is full"),
        MailstoreError::Store(StoreError::Full) => {
            Reply::fixed(452, (4, 3, 1), "the disk with the mailboxes is full")
        }
        MailstoreError::Store(_) => Reply::fixed(451, (4, 3, 0), "the mailboxes cannot be written"),
        _ => Reply::fixed(451, (4, 2, 0), "the mailbox cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_of_ours_is_for_ever() {
        let all = [
            MailstoreError::OverQuota,
            MailstoreError::Store(StoreError::Full),
            MailstoreError::Store(StoreError::Closed),
            MailstoreError::NoMailbox,
            MailstoreError::Damaged("x".to_owned()),
        ];
        let replies: Vec<_> = all.iter().map(|error| refusal(error).to_string()).collect();
        assert!(replies.iter().all(|reply| reply.starts_with("45")), "{replies:?}");
        assert!(replies[0].contains("4.2.2"), "{replies:?}");
    }
}
