//! Who waits for changes of a mailbox, or of any mailbox of an account.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{AccountId, MailboxId, changing::Touched};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Watched {
    Mailbox(MailboxId),
    Account(AccountId),
    Sharing,
}

type Channels = Arc<Mutex<HashMap<Watched, watch::Sender<()>>>>;

/// All who wait. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers(Channels);

impl Watchers {
    pub(crate) fn watch_mailbox(&self, mailbox: MailboxId) -> Watch {
        self.watch(Watched::Mailbox(mailbox))
    }

    pub(crate) fn watch_account(&self, account: AccountId) -> Watch {
        self.watch(Watched::Account(account))
    }

    pub(crate) fn watch_sharing(&self) -> Watch {
        self.watch(Watched::Sharing)
    }

    fn watch(&self, what: Watched) -> Watch {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = channels.entry(what).or_insert_with(|| watch::Sender::new(()));
        Watch { told: Some(sender.subscribe()), what, channels: Arc::clone(&self.0) }
    }

    /// Wakes who waits for these.
    pub(crate) fn tell(&self, touched: &Touched) {
        let channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mailboxes = touched.mailboxes.iter().map(|mailbox| Watched::Mailbox(*mailbox));
        let accounts = touched.accounts.iter().map(|account| Watched::Account(*account));
        let sharing = touched.sharing.then_some(Watched::Sharing);
        for sender in mailboxes.chain(accounts).chain(sharing).filter_map(|what| channels.get(&what)) {
            sender.send_replace(());
        }
    }
}

/// Waits for changes. All that one and the same is watched by share what it costs.
pub struct Watch {
    /// None only while it is dropped.
    told: Option<watch::Receiver<()>>,
    what: Watched,
    channels: Channels,
}

impl Watch {
    /// Waits until something changed since the watch began, or since it last said so. May be broken off.
    pub async fn changed(&mut self) {
        let closed = match &mut self.told {
            Some(told) => told.changed().await.is_err(),
            None => true,
        };
        // The sender stays as long as there is a receiver.
        if closed {
            std::future::pending::<()>().await;
        }
    }

    /// Whether something changed since the watch began, or since it last said so.
    pub fn has_changed(&mut self) -> bool {
        let Some(told) = &mut self.told else { return false };
        let changed = told.has_changed().unwrap_or(false);
        told.mark_unchanged();
        changed
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        self.told = None;
        if let Entry::Occupied(entry) = channels.entry(self.what)
            && entry.get().receiver_count() == 0
        {
            entry.remove();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({:?})", self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_watches_is_told_of_what_it_watches_and_leaves_nothing() {
        let watchers = Watchers::default();
        let mut one = watchers.watch_mailbox(MailboxId(1));
        let mut too = watchers.watch_mailbox(MailboxId(1));
        let mut other = watchers.watch_mailbox(MailboxId(2));
        let mut account = watchers.watch_account(AccountId(1));
        let mut sharing = watchers.watch_sharing();
        watchers.tell(&Touched {
            mailboxes: vec![MailboxId(1)],
            accounts: vec![AccountId(1)],
            sharing: true,
        });
        one.changed().await;
        account.changed().await;
        sharing.changed().await;
        assert!(too.has_changed() && !too.has_changed());
        assert!(!one.has_changed() && !other.has_changed());
        assert_eq!(watchers.0.lock().unwrap().len(), 4, "what is the same is shared");
        drop(one);
        assert_eq!(watchers.0.lock().unwrap().len(), 4);
        drop((too, other, account, sharing));
        assert!(watchers.0.lock().unwrap().is_empty());
        assert!(size_of::<Watch>() <= 64);
    }
}
