//! Many looks at one moment of the database: what they cost beside the looking is paid once.

use std::{
    fmt,
    sync::{Mutex, PoisonError, TryLockError},
};

use rusqlite::Connection;

use crate::{Sql, Store, StoreError, open};

/// The database as it was when it was first looked at. It keeps the log from being taken up behind it: not for long.
pub struct Snapshot {
    store: Store,
    /// None only while it is dropped.
    connection: Mutex<Option<Connection>>,
}

impl Snapshot {
    pub(crate) fn begin(connection: Connection, store: Store) -> Result<Self, StoreError> {
        open::run(&connection, "BEGIN")?;
        Ok(Self { store, connection: Mutex::new(Some(connection)) })
    }

    /// Looks at something. Waits for the disk: not for a thread that serves mail.
    ///
    /// # Errors
    /// Those of `work`, and see [`StoreError`].
    pub fn read<T>(&self, work: impl FnOnce(&Sql<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let connection = match self.connection.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody looks already, perhaps the one who asks: it does not wait for itself, and sees what is there now.
            Err(TryLockError::WouldBlock) => return self.store.snapshot()?.read(work),
        };
        work(&Sql::new(connection.as_ref().ok_or(StoreError::Closed)?))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // One that cannot end its transaction is closed.
        if let Some(connection) = connection.filter(|connection| open::run(connection, "COMMIT").is_ok()) {
            self.store.put_back(connection);
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({:?})", self.store)
    }
}
