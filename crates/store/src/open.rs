//! SQLite in a file: how it is opened, so that what is written stays, and that only we read it.

use std::{
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::StoreError;

/// `Post`: by this an SQLite file says whose it is.
const APPLICATION_ID: i64 = 0x506f_7374;
/// Nobody else has it open but an operator who looks into it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More than one owner of tables has; one is some kilobytes.
const STATEMENTS_KEPT: usize = 128;
/// Pages of each connection that are kept in memory, in KiB: what a large mailbox is listed by fits.
const CACHE_KIB: i64 = 8 << 10;
/// The log goes into the file when it has so many pages: 16 MiB. Each time costs syncs, and pages that are changed again and again go once.
const LOG_PAGES: i64 = 4096;
/// Passwords are in it.
pub(crate) const MODE: u32 = 0o600;

/// What a commit is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// It is on stable storage when it returns.
    Durable,
    /// It will be, in its turn.
    Ordered,
}

impl Commit {
    fn pragma(self) -> &'static str {
        match self {
            Self::Durable => "full",
            Self::Ordered => "normal",
        }
    }
}

/// A connection that may write; the file is made if there is none.
pub(crate) fn writable(path: &Path, commit: Commit) -> Result<Connection, StoreError> {
    make(path).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if !is_ours(&connection, path)? {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    // Write-ahead log: readers and the writer do not wait for each other. NORMAL syncs when the log goes into the file, FULL at each commit.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", commit.pragma())?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    // It reads the file: not before that is known to be ours.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn readable(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

/// A connection that may write, to a database that is there, to try what is taken back.
pub(crate) fn to_try(path: &Path) -> Result<Connection, StoreError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// A connection that only reads, if there is anything in the file.
pub(crate) fn if_any(path: &Path) -> Result<Option<Connection>, StoreError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Open { path: path.to_owned(), source }),
        Ok(_) => {}
    }
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(is_ours(&connection, path)?.then_some(connection))
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    // SQLite reads a name that begins with `file:` as a URI only if it is told to; it is not.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // A plan depends on the statement alone. Without this, statements on tables with partial indexes are planned anew for each value:
    // that was a third of the time of reading messages.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The directories for temporary files are closed to a server in its sandbox.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

/// Carries out what begins and ends transactions: all the time the same, so it is kept prepared.
pub(crate) fn run(connection: &Connection, statement: &str) -> Result<(), StoreError> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}

/// SQLite gives its log and its index the mode that the file has.
fn make(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(MODE).open(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o777 != MODE {
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
    }
    // The name must be as durable as what will be in the file.
    path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
}

/// Whether the file is ours already; false: it is empty, and becomes ours. Another program's stays as it is.
fn is_ours(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let not_ours = || StoreError::NotOurs { path: path.to_owned() };
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(|error| {
            match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => not_ours(),
                _ => error.into(),
            }
        })
    };
    match pragma("application_id")? {
        APPLICATION_ID => Ok(true),
        0 if pragma("page_count")? == 0 => Ok(false),
        _ => Err(not_ours()),
    }
}
