//! A change of many messages in parts, each a transaction: a delivery waits for one of them, and not for all.

use crate::{Mailbox, Uid, UidSet};

/// Messages of a part: some ten milliseconds.
pub(crate) const PART_MESSAGES: usize = 4000;

/// How many messages a transaction may have yet, and where the next one goes on.
#[derive(Debug)]
pub(crate) struct Part {
    left: usize,
    /// Those that come while it goes on are not meant.
    last: Uid,
    next: Option<Uid>,
}

impl Part {
    /// Some messages of a mailbox, as it is before it changes.
    pub(crate) fn of(mailbox: &Mailbox) -> Self {
        Self { left: PART_MESSAGES, last: mailbox.uid_next.saturating_sub(1), next: None }
    }

    /// All, in one transaction.
    pub(crate) fn whole() -> Self {
        Self { left: usize::MAX, last: Uid::MAX, next: None }
    }

    /// The most rows that may be read.
    pub(crate) fn limit(&self) -> i64 {
        i64::try_from(self.left).unwrap_or(i64::MAX)
    }

    /// So many were read, the last of them this one. Whether there may be more in this part.
    pub(crate) fn took(&mut self, rows: usize, last: Option<Uid>) -> bool {
        self.left = self.left.saturating_sub(rows);
        if self.left > 0 {
            return true;
        }
        self.next = last.and_then(|last| last.checked_add(1));
        false
    }

    /// What of the messages is left for the next part; nothing: this was the last.
    pub(crate) fn rest(&self, uids: &UidSet) -> UidSet {
        self.next.map_or_else(UidSet::default, |next| uids.within(&(next..=self.last)))
    }
}
