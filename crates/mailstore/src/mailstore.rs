//! The mailstore as others see it: the database, and who watches it.

use std::{fmt, path::Path};

use store::{Pending, Sql, Store, StoreError};

use crate::{
    AccountId, MailboxId, MailstoreError, SCHEMA, Watch, changing::Touched, upload, watch::Watchers,
};

/// The mailboxes of all accounts. Clones are the same.
#[derive(Clone)]
pub struct Mailstore {
    store: Store,
    watchers: Watchers,
}

impl Mailstore {
    /// Opens the database in a file, or makes it, and brings its tables up to date. What had to be done for that is told. Waits for
    /// the disk: not for a thread of a runtime.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub fn open(path: &Path) -> Result<(Self, Vec<Pending>), MailstoreError> {
        let (store, done) = Store::open(path, &[SCHEMA])?;
        let mailstore = Self { store, watchers: Watchers::default() };
        // Nobody uploads any more what was uploaded before. It is the first change of all, so that none of this life is meant.
        mailstore.change_later(upload::discard_all);
        Ok((mailstore, done))
    }

    /// Makes what was asked for, and then nothing more. Waits for the disk.
    pub fn close(&self) {
        self.store.close();
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

    /// Reads, in one view of the database.
    pub(crate) fn look<T>(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<T, MailstoreError>,
    ) -> Result<T, MailstoreError> {
        self.store.read(|sql| Ok(work(sql)))?
    }

    /// Changes something: all of it or, with an error, nothing. Watchers are told once it stands, whether or not somebody waits for
    /// it. It is asked for by this call, not by the first look at what is returned.
    pub(crate) fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sql<'_>, &mut Touched) -> Result<T, MailstoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, MailstoreError>> + Send {
        let watchers = self.watchers.clone();
        let changed = self.store.change(
            move |sql| {
                let mut touched = Touched::default();
                work(sql, &mut touched).map(|value| (value, touched))
            },
            move |(_, touched): &(T, Touched)| watchers.tell(touched),
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
