//! The one thread that writes: many changes, each its own, in one commit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{Sql, StoreError, open};

/// So many changes share a commit at most: none waits for ever for the first of them.
const BATCH_MAX: usize = 1000;

/// A change that waits. It is called once to change something, and then told once how the commit went.
pub(crate) trait Change: Send {
    /// Within a savepoint of its own. `Err`: it is undone.
    fn make(&mut self, sql: &Sql<'_>) -> Result<(), StoreError>;
    /// What became of the commit.
    fn committed(self: Box<Self>, result: Result<(), StoreError>);
}

/// A change made by a closure, with somebody who waits for its result, and with what follows when it stands.
struct Asked<T, E, F, H> {
    work: Option<F>,
    then: H,
    made: Option<Result<T, E>>,
    tell: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F, H> Change for Asked<T, E, F, H>
where
    T: Send,
    E: From<StoreError> + Send,
    F: FnOnce(&Sql<'_>) -> Result<T, E> + Send,
    H: FnOnce(&T) + Send,
{
    fn make(&mut self, sql: &Sql<'_>) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Err(StoreError::Closed) };
        // A mistake in one change must not take the thread, and all that come later, with it.
        let made = catch_unwind(AssertUnwindSafe(|| work(sql)));
        let made = made.unwrap_or_else(|_| Err(StoreError::Engine("a change broke off".to_owned()).into()));
        let result = if made.is_ok() { Ok(()) } else { Err(StoreError::Closed) };
        self.made = Some(made);
        result
    }

    fn committed(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { then, made, tell, .. } = *self;
        let made = made.unwrap_or_else(|| Err(StoreError::Closed.into()));
        let outcome = made.and_then(|value| result.map(|()| value).map_err(E::from));
        if let Ok(value) = &outcome {
            // As above.
            let _ = catch_unwind(AssertUnwindSafe(|| then(value)));
        }
        // Whoever asked may be gone: the change stands nevertheless.
        let _ = tell.send(outcome);
    }
}

/// A change of any shape.
pub(crate) type AnyChange = Box<dyn Change>;

/// A change, and where its result comes.
pub(crate) fn asked<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    work: impl FnOnce(&Sql<'_>) -> Result<T, E> + Send + 'static,
    then: impl FnOnce(&T) + Send + 'static,
) -> (AnyChange, oneshot::Receiver<Result<T, E>>) {
    let (tell, told) = oneshot::channel();
    (Box::new(Asked { work: Some(work), then, made: None, tell }), told)
}

/// Starts the thread. It ends when nobody can ask any more.
pub(crate) fn start(connection: Connection) -> std::io::Result<(Sender<AnyChange>, thread::JoinHandle<()>)> {
    let (give, take) = channel();
    let thread = thread::Builder::new().name("store".to_owned()).spawn(move || run(&connection, &take))?;
    Ok((give, thread))
}

fn run(connection: &Connection, changes: &Receiver<AnyChange>) {
    while let Ok(first) = changes.recv() {
        let mut batch = vec![first];
        batch.extend(changes.try_iter().take(BATCH_MAX - 1));
        commit(connection, batch);
    }
}

fn commit(connection: &Connection, mut batch: Vec<AnyChange>) {
    let committed = open::run(connection, "BEGIN IMMEDIATE").and_then(|()| {
        if let [alone] = batch.as_mut_slice() {
            // What fails takes nothing else with it.
            let made = alone.make(&Sql::new(connection));
            return open::run(connection, if made.is_ok() { "COMMIT" } else { "ROLLBACK" });
        }
        for change in &mut batch {
            make(connection, change.as_mut())?;
        }
        open::run(connection, "COMMIT")
    });
    if let Err(error) = &committed {
        tracing::error!(station = "store", %error, changes = batch.len(), "nothing was changed");
        if !connection.is_autocommit() {
            // If that fails too, the next `BEGIN` does, and says so.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    let failed = committed.err();
    for change in batch {
        change.committed(failed.as_ref().map_or(Ok(()), |error| Err(again(error))));
    }
}

/// One change, undone alone if it fails. `Err`: the transaction as a whole can go no further.
fn make(connection: &Connection, change: &mut dyn Change) -> Result<(), StoreError> {
    open::run(connection, "SAVEPOINT change")?;
    if change.make(&Sql::new(connection)).is_err() {
        open::run(connection, "ROLLBACK TO change")?;
    }
    open::run(connection, "RELEASE change")
}

/// The same to each of those that waited for it.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        StoreError::Busy => StoreError::Busy,
        other => StoreError::Engine(other.to_string()),
    }
}
