//! The file of the index: opened, thrown away, and made again.

use std::{
    collections::BTreeSet,
    fs, io,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use store::{Sql, Store, StoreError};
use tokio::sync::Notify;

use super::{
    kept::IndexError,
    tables::{TEXT_SCHEMA, rule},
};
use crate::{MailboxId, changing::Touched};

/// The index of texts of a mailstore.
pub(crate) struct TextIndex {
    path: PathBuf,
    /// None: it could not be opened, or is closed.
    store: Mutex<Option<Store>>,
    due: Mutex<Due>,
    wake: Notify,
    /// Something in it is not what was written: the next that indexes throws it away.
    damaged: AtomicBool,
    /// Held by whoever adds segments, or puts them together.
    indexing: Mutex<()>,
}

/// Mailboxes that may have messages which are not in the index, in turn.
#[derive(Debug, Default)]
struct Due {
    mailboxes: BTreeSet<MailboxId>,
    last: Option<MailboxId>,
}

impl Due {
    fn next(&mut self) -> Option<MailboxId> {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next =
            self.mailboxes.range((behind, Bound::Unbounded)).next().or(self.mailboxes.first()).copied()?;
        self.mailboxes.remove(&next);
        self.last = Some(next);
        Some(next)
    }
}

impl TextIndex {
    /// Opens the index in a file, or makes it; one that cannot be used, or that `is_ours` denies, is thrown away first.
    pub(crate) fn open(
        path: &Path,
        is_ours: impl FnOnce(&Sql<'_>) -> Result<bool, IndexError>,
    ) -> Result<Self, StoreError> {
        let usable = |store: &Store| {
            let known = store.read(|sql| {
                let ours = sql.query("SELECT name FROM rule", &[], |row| row.text(0))? == [rule()];
                Ok(if ours { is_ours(sql) } else { Ok(false) })
            });
            matches!(known, Ok(Ok(true)))
        };
        let store = match Store::open_derived(path, &[TEXT_SCHEMA]) {
            Ok((store, made)) if made.is_empty() && usable(&store) => store,
            Ok((store, made)) => {
                if made.is_empty() {
                    tracing::warn!(station = "mailstore", path = %path.display(), "the index of texts is not of these mailboxes, or of another version: it is made anew");
                }
                store.close();
                made_anew(path)?
            }
            Err(error @ (StoreError::Open { .. } | StoreError::Full | StoreError::Busy)) => {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(station = "mailstore", path = %path.display(), %error, "the index of texts cannot be read: it is made anew");
                made_anew(path)?
            }
        };
        Ok(Self {
            path: path.to_owned(),
            store: Mutex::new(Some(store)),
            due: Mutex::default(),
            wake: Notify::new(),
            damaged: AtomicBool::new(false),
            indexing: Mutex::new(()),
        })
    }

    /// Throws it away and begins anew. All mailboxes are due then.
    pub(crate) fn discard(&self) -> Result<(), StoreError> {
        // If that fails it is tried again.
        self.damaged.store(true, Ordering::Release);
        let mut store = lock(&self.store);
        if let Some(store) = store.take() {
            store.close();
        }
        *store = Some(made_anew(&self.path)?);
        self.damaged.store(false, Ordering::Release);
        Ok(())
    }

    pub(crate) fn close(&self) {
        if let Some(store) = lock(&self.store).take() {
            store.close();
        }
    }

    pub(super) fn store(&self) -> Result<Store, IndexError> {
        if self.is_damaged() {
            return Err(IndexError::None);
        }
        lock(&self.store).clone().ok_or(IndexError::None)
    }

    /// Reads, in one view of the index.
    pub(super) fn look<T>(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        self.told(self.store()?.read(|sql| Ok(work(sql))).map_err(IndexError::from).flatten())
    }

    /// Changes something: all of it or nothing. Waits for it.
    pub(super) fn change(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), IndexError> {
        self.told(self.store()?.write_and_wait(work).map_err(IndexError::from))
    }

    /// Remembers what is wrong with it.
    fn told<T>(&self, result: Result<T, IndexError>) -> Result<T, IndexError> {
        if let Err(IndexError::Damaged | IndexError::Store(StoreError::Engine(_) | StoreError::Column(_))) =
            &result
            && !self.damaged.swap(true, Ordering::AcqRel)
        {
            tracing::warn!(station = "mailstore", path = %self.path.display(), "the index of texts is damaged: it is made anew");
            self.wake.notify_one();
        }
        result
    }

    /// It turned out that something in it is not what was written.
    pub(super) fn damage(&self) -> IndexError {
        self.told::<()>(Err(IndexError::Damaged)).err().unwrap_or(IndexError::Damaged)
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    pub(super) fn begin(&self) -> MutexGuard<'_, ()> {
        lock(&self.indexing)
    }

    /// These mailboxes changed.
    pub(crate) fn touch(&self, touched: &Touched) {
        if !touched.mailboxes.is_empty() {
            lock(&self.due).mailboxes.extend(touched.mailboxes.iter().copied());
            self.wake.notify_one();
        }
    }

    pub(super) fn due(&self, mailboxes: impl IntoIterator<Item = MailboxId>) {
        lock(&self.due).mailboxes.extend(mailboxes);
        self.wake.notify_one();
    }

    pub(super) fn next_due(&self) -> Option<MailboxId> {
        lock(&self.due).next()
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_damaged() || !lock(&self.due).mailboxes.is_empty()
    }

    /// Waits until something may have to be indexed.
    pub(super) async fn wait(&self) {
        while !self.is_due() {
            self.wake.notified().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn made_anew(path: &Path) -> Result<Store, StoreError> {
    remove(path).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    let (store, _) = Store::open_derived(path, &[TEXT_SCHEMA])?;
    store.write_and_wait(|sql| {
        sql.execute("INSERT INTO rule (name) VALUES (?1)", &[rule().as_str().into()])
    })?;
    Ok(store)
}

/// Removes the file of an index, with its log.
fn remove(path: &Path) -> io::Result<()> {
    for behind in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(behind);
        match fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
