//! The mailstore as others see it: the database, and who watches it.

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use store::{Pending, Snapshot, Sql, Store, StoreError};

use crate::{
    AccountId, Mailbox, MailboxId, MailstoreError, QuotaWarning, SCHEMA, Uid, Watch, changing::Touched,
    text::TextIndex, upload, watch::Watchers,
};

/// Mailboxes of which it is noted what sessions were told of. What is noted beyond that is forgotten.
const TOLD_MAX: usize = 100_000;

/// The mailboxes of all accounts. Clones are the same.
#[derive(Clone)]
pub struct Mailstore {
    store: Store,
    watchers: Watchers,
    /// What sessions were told of while they had a mailbox selected, beyond what its row says: the first UID behind that. Not worth a
    /// commit: what is forgotten is recent once more, as RFC 3501 §2.3.2 asks where nobody knows.
    told: Arc<Mutex<HashMap<MailboxId, Uid>>>,
    index: Arc<OnceLock<TextIndex>>,
    /// Who is warned of a quota that is nearly used up, and how.
    pub(crate) warning: Arc<OnceLock<QuotaWarning>>,
    /// What is looked at, if it is not the database as it is now.
    snapshot: Option<Arc<Snapshot>>,
}

impl Mailstore {
    /// Opens the database in a file, or makes it, and brings its tables up to date. What had to be done for that is told. Waits for
    /// the disk: not for a thread of a runtime.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub fn open(path: &Path) -> Result<(Self, Vec<Pending>), MailstoreError> {
        let (store, done) = Store::open(path, &[SCHEMA])?;
        let mailstore = Self::over(store);
        // Nobody uploads any more what was uploaded before. It is the first change of all, so that none of this life is meant.
        mailstore.change_later(upload::discard_all);
        Ok((mailstore, done))
    }

    /// Opens a copy to look into it: nothing can be changed, and no file is made. Waits for the disk.
    ///
    /// # Errors
    /// See [`Store::look_into`].
    pub fn look_into(path: &Path) -> Result<Self, MailstoreError> {
        let store = Store::look_into(path, &[SCHEMA])?;
        Ok(Self::over(store))
    }

    fn over(store: Store) -> Self {
        Self {
            store,
            watchers: Watchers::default(),
            told: Arc::default(),
            index: Arc::default(),
            warning: Arc::default(),
            snapshot: None,
        }
    }

    /// Makes what was asked for, and then nothing more. Waits for the disk.
    pub fn close(&self) {
        self.store.close();
        if let Some(index) = self.index.get() {
            index.close();
        }
    }

    /// The index of texts, if it was opened.
    pub(crate) fn index(&self) -> Option<&TextIndex> {
        self.index.get()
    }

    /// Takes an index that was opened, unless there is one.
    pub(crate) fn take_index(&self, index: TextIndex) {
        if let Err(index) = self.index.set(index) {
            index.close();
        }
    }

    /// Notes that a session that may change a mailbox was told of all messages before this UID: to those that come later they are not recent
    /// (RFC 3501 §2.3.2).
    pub fn note_told(&self, mailbox: MailboxId, before: Uid) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        let known = told.entry(mailbox).or_default();
        *known = before.max(*known);
    }

    /// The first UID of messages that no session was told of.
    pub fn recent_from(&self, mailbox: &Mailbox) -> Uid {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&mailbox.id).copied().unwrap_or_default().max(mailbox.recent_from)
    }

    /// As it was noted last; the row of the mailbox says it from here on.
    pub(crate) fn forget_told(&self, mailbox: MailboxId) -> Uid {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.remove(&mailbox).unwrap_or_default()
    }

    /// Wakes when messages of a mailbox came, went or changed.
    pub fn watch(&self, mailbox: MailboxId) -> Watch {
        self.watchers.watch_mailbox(mailbox)
    }

    /// Wakes when any mailbox of an account came, went or changed, or its messages did.
    pub fn watch_account(&self, account: AccountId) -> Watch {
        self.watchers.watch_account(account)
    }

    /// Wakes when the access list of any mailbox changed.
    pub fn watch_sharing(&self) -> Watch {
        self.watchers.watch_sharing()
    }

    /// The same, but all that is read by it is of one moment, and costs less by that: that of the first read. For many reads in a row, not
    /// to be kept: the log of the database grows meanwhile.
    ///
    /// # Errors
    /// The store failed.
    pub fn snapshot(&self) -> Result<Self, MailstoreError> {
        Ok(Self { snapshot: Some(Arc::new(self.store.snapshot()?)), ..self.clone() })
    }

    /// Reads, in one view of the database.
    pub(crate) fn look<T>(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<T, MailstoreError>,
    ) -> Result<T, MailstoreError> {
        match &self.snapshot {
            Some(snapshot) => snapshot.read(|sql| Ok(work(sql)))?,
            None => self.store.read(|sql| Ok(work(sql)))?,
        }
    }

    /// Changes something: all of it or, with an error, nothing. Watchers are told once it stands, whether or not somebody waits for
    /// it. It is asked for by this call, not by the first look at what is returned.
    pub(crate) fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sql<'_>, &mut Touched) -> Result<T, MailstoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, MailstoreError>> + Send {
        let (watchers, index) = (self.watchers.clone(), Arc::clone(&self.index));
        let changed = self.store.change(
            move |sql| {
                let mut touched = Touched::default();
                work(sql, &mut touched).map(|value| (value, touched))
            },
            move |(_, touched): &(T, Touched)| {
                watchers.tell(touched);
                if let Some(index) = index.get() {
                    index.touch(touched);
                }
            },
        );
        async move { changed.await.map(|(value, _)| value) }
    }

    /// Changes something that nobody waits for.
    pub(crate) fn change_later(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<(), StoreError> + Send + 'static,
    ) {
        // Asked for by the call; what becomes of it is in the log of the store.
        drop(self.store.change(work, |()| ()));
    }
}

impl fmt::Debug for Mailstore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailstore({:?})", self.store)
    }
}
