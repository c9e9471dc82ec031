//! The store as others see it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    Pending, Schema, Snapshot, Sql, StoreError, migrate,
    open::{self, Commit},
    writer::{self, AnyChange},
};

/// Connections that wait for the next reader; more are made when more read at once, and closed again.
const IDLE_READERS_MAX: usize = 4;

/// The database. Clones are the same.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// None once it is closed.
    changes: Mutex<Option<Sender<AnyChange>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens the database in a file, or makes it, and brings its tables up to date. What had to be done for that is told.
    ///
    /// # Errors
    /// It cannot be opened, is not ours, or is newer than this program; see [`StoreError`]. Nothing is changed then.
    pub fn open(path: &Path, schemas: &[Schema]) -> Result<(Self, Vec<Pending>), StoreError> {
        Self::start(path, schemas, Commit::Durable)
    }

    /// As [`Store::open`], for what can be made again: a change that was told as made may be gone after a power cut, with all that came
    /// after it. No change waits for the disk, and none is there in part.
    ///
    /// # Errors
    /// As there.
    pub fn open_derived(path: &Path, schemas: &[Schema]) -> Result<(Self, Vec<Pending>), StoreError> {
        Self::start(path, schemas, Commit::Ordered)
    }

    fn start(path: &Path, schemas: &[Schema], commit: Commit) -> Result<(Self, Vec<Pending>), StoreError> {
        let mut connection = open::writable(path, commit)?;
        let done = migrate::migrate(&mut connection, schemas)?;
        let started = writer::start(connection);
        let (changes, thread) =
            started.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        let inner = Inner {
            path: path.to_owned(),
            changes: Mutex::new(Some(changes)),
            writer: Mutex::new(Some(thread)),
            readers: Mutex::default(),
        };
        Ok((Self(Arc::new(inner)), done))
    }

    /// One that nobody can write to.
    pub(crate) fn of_readers(path: &Path) -> Self {
        Self(Arc::new(Inner {
            path: path.to_owned(),
            changes: Mutex::default(),
            writer: Mutex::default(),
            readers: Mutex::default(),
        }))
    }

    /// What [`Store::open`] would do to the tables, tried and taken back: makes no file, and leaves one as it is.
    ///
    /// # Errors
    /// As there.
    pub fn pending(path: &Path, schemas: &[Schema]) -> Result<Vec<Pending>, StoreError> {
        migrate::pending(path, schemas)
    }

    /// Changes something: all of it or, with an error, nothing. With `Ok` it is on stable storage. Changes that are asked for at the
    /// same time share a commit, in the order in which they were asked for, and each sees what those before it did.
    ///
    /// # Errors
    /// Those of `work`, and see [`StoreError`].
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(work, |_| ())?.await.unwrap_or(Err(StoreError::Closed))
    }

    /// As [`Store::write`]. Waits for the disk: not for a thread of a runtime, and before there is one.
    ///
    /// # Errors
    /// As there.
    pub fn write_and_wait<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(work, |_| ())?.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// As [`Store::write`], with errors of the caller's own, and with `then`, which the writer calls when the change is on stable
    /// storage, also when nobody waits for it any more. It is asked for by the call, not by the first look at what is returned: several in a row
    /// keep their order, and share a commit.
    pub fn change<T, E, W, H>(
        &self,
        work: W,
        then: H,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, W, H>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: FnOnce(&Sql<'_>) -> Result<T, E> + Send + 'static,
        H: FnOnce(&T) + Send + 'static,
    {
        let asked = self.ask(work, then);
        async move { asked?.await.unwrap_or_else(|_| Err(StoreError::Closed.into())) }
    }

    fn ask<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<T, E> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, E>>, StoreError> {
        let (change, told) = writer::asked(work, then);
        let changes = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = changes.as_ref().ok_or(StoreError::Closed)?;
        changes.send(change).map_err(|_| StoreError::Closed)?;
        Ok(told)
    }

    /// Looks at something, as it was when the first statement began. Waits for the disk: not for a thread that serves mail.
    ///
    /// # Errors
    /// Those of `work`, and see [`StoreError`].
    pub fn read<T>(&self, work: impl FnOnce(&Sql<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.snapshot()?.read(work)
    }

    /// Looks at one moment, however often: the one of the first look.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let idle = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| open::readable(&self.0.path), Ok)?;
        Snapshot::begin(connection, self.clone())
    }

    /// Takes a connection back that has read.
    pub(crate) fn put_back(&self, connection: Connection) {
        let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS_MAX {
            readers.push(connection);
        }
    }

    /// Makes what was asked for, and then nothing more. Waits for the disk.
    pub fn close(&self) {
        let clear = || self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // The last to close puts all of the log into the database and removes it, and who only reads cannot: readers go first, for the
        // writer ends as soon as nobody can ask it any more.
        clear();
        drop(self.0.changes.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!(station = "store", "the thread that writes broke off");
        }
        clear();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.0.path.display())
    }
}
