//! A whole copy of a database while others write to it, and a look into a copy that nothing changes.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use crate::{Pending, Schema, Store, StoreError, migrate, open};

/// Pages that are copied at a time: some hundred kilobytes.
const PAGES: i32 = 64;
/// Octets that are written before they are synced: a commit of somebody else must not wait for all of a copy.
const SYNCED_OCTETS: u64 = 8 << 20;

impl Store {
    /// Copies a database, as it is when the copy begins, into a new file, which is on stable storage with `Ok`. Whoever writes to it meanwhile does not
    /// wait, but its log grows until the copy is done. `each` is told how many octets are copied, and of how many; it may wait. Works beside a server that
    /// has the database open, and without one. Waits for the disk.
    ///
    /// # Errors
    /// There is none in the file, or none of ours; the new file is there, or cannot be written; see [`StoreError`].
    pub fn copy(from: &Path, to: &Path, mut each: impl FnMut(u64, u64)) -> Result<(), StoreError> {
        let absent =
            || StoreError::Open { path: from.to_owned(), source: std::io::ErrorKind::NotFound.into() };
        let source = open::if_any(from)?.ok_or_else(absent)?;
        // From here on it stays as it is for this connection: it is read in one transaction, which begins with the first look.
        source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
        let size: u32 = source.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let size = u64::from(size);
        let failed = |source| StoreError::Open { path: to.to_owned(), source };
        let file =
            OpenOptions::new().write(true).create_new(true).mode(open::MODE).open(to).map_err(failed)?;
        let mut target = Connection::open_with_flags(
            to,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        // Half a copy is thrown away: it needs no way back.
        target.pragma_update(None, "journal_mode", "off")?;
        target.pragma_update(None, "synchronous", "off")?;
        let backup = Backup::new(&source, &mut target)?;
        let mut synced = 0;
        loop {
            let step = backup.step(PAGES)?;
            let progress = backup.progress();
            let all = u64::try_from(progress.pagecount).unwrap_or_default();
            let left = u64::try_from(progress.remaining).unwrap_or_default();
            let done = all.saturating_sub(left) * size;
            if done.saturating_sub(synced) >= SYNCED_OCTETS {
                file.sync_data().map_err(failed)?;
                synced = done;
            }
            each(done, all * size);
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => return Err(StoreError::Busy),
            }
        }
        drop(backup);
        drop(target);
        rest_in_one_file(to)?;
        file.sync_all().map_err(failed)
    }

    /// Opens a database to look into it: nothing can be changed by it, and no file beside it is made. What is due is not made.
    ///
    /// # Errors
    /// There is none, it is none of ours, newer than this program, or older: then it has to be opened once by [`Store::open`].
    pub fn look_into(path: &Path, schemas: &[Schema]) -> Result<Self, StoreError> {
        match Self::due(path, schemas)?.first() {
            None => Ok(Self::of_readers(path)),
            Some(Pending { owner, number, .. }) => {
                let reason = "it is only looked into".to_owned();
                Err(StoreError::Migration { owner, number: *number, reason })
            }
        }
    }

    /// Which steps are due in a database. Changes nothing, and makes no file.
    ///
    /// # Errors
    /// There is none, it is none of ours, or newer than this program.
    pub fn due(path: &Path, schemas: &[Schema]) -> Result<Vec<Pending>, StoreError> {
        let connection = open::if_any(path)?.ok_or_else(|| StoreError::NotOurs { path: path.to_owned() })?;
        migrate::pending_in(&connection, schemas)
    }

    /// What is wrong with how a database is built, if anything is; the engine says. Reads all of it.
    ///
    /// # Errors
    /// It is no database at all.
    pub fn faults(path: &Path) -> Result<Vec<String>, StoreError> {
        let connection = open::if_any(path)?.ok_or_else(|| StoreError::NotOurs { path: path.to_owned() })?;
        let mut check = connection.prepare("PRAGMA quick_check(10)")?;
        let told = check.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(told.into_iter().filter(|line| line != "ok").collect())
    }
}

/// A copy says of itself that it has a log beside it, as its original: it has none, and whoever reads it should not make one.
fn rest_in_one_file(path: &Path) -> Result<(), StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "journal_mode", "delete")?;
    drop(connection);
    let dir = path.parent().unwrap_or(path);
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| StoreError::Open { path: path.to_owned(), source })
}
