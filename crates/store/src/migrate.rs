//! Tables change by numbered steps that only go forward.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use crate::{StoreError, open};

/// The tables of one crate, by all the steps that made them.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Whose tables.
    pub owner: &'static str,
    /// The steps; the first is number 1. A step that has been released is never changed.
    pub migrations: &'static [Migration],
}

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// What it does, in few words.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// A step that has yet to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Whose tables.
    pub owner: &'static str,
    /// Its number.
    pub number: u32,
    /// What it does.
    pub name: &'static str,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (\
    owner TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (owner, number))";

/// Makes all steps that are due, in one transaction: either all of them, or none. Which they were.
pub(crate) fn migrate(connection: &mut Connection, schemas: &[Schema]) -> Result<Vec<Pending>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made = make(&transaction, schemas)?;
    transaction.commit()?;
    Ok(made)
}

/// What [`migrate`] would do: made where there is anything to do, and taken back, so that a step that fails does so now. Nobody else
/// can write meanwhile. Without a file it is tried in memory.
pub(crate) fn pending(path: &Path, schemas: &[Schema]) -> Result<Vec<Pending>, StoreError> {
    let Some(connection) = open::if_any(path)? else {
        return make(&Connection::open_in_memory()?, schemas);
    };
    if due(&connection, schemas)?.is_empty() {
        return Ok(Vec::new());
    }
    let mut connection = open::to_try(path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made = make(&transaction, schemas)?;
    transaction.rollback()?;
    Ok(made)
}

/// What is due in a database that is there.
pub(crate) fn pending_in(connection: &Connection, schemas: &[Schema]) -> Result<Vec<Pending>, StoreError> {
    Ok(due(connection, schemas)?.into_iter().map(|(_, pending)| pending).collect())
}

fn make(connection: &Connection, schemas: &[Schema]) -> Result<Vec<Pending>, StoreError> {
    connection.execute_batch(TABLE)?;
    let due = due(connection, schemas)?;
    for (migration, Pending { owner, number, name }) in &due {
        let failed = |error: rusqlite::Error| StoreError::Migration {
            owner,
            number: *number,
            reason: error.to_string(),
        };
        connection.execute_batch(migration.sql).map_err(failed)?;
        let done = "INSERT INTO migration (owner, number, name) VALUES (?1, ?2, ?3)";
        connection.execute(done, params![owner, number, name]).map_err(failed)?;
    }
    Ok(due.into_iter().map(|(_, pending)| pending).collect())
}

fn due(connection: &Connection, schemas: &[Schema]) -> Result<Vec<(Migration, Pending)>, StoreError> {
    let made = versions(connection)?;
    // Tables of somebody whom this program does not know are of a newer one as well.
    let known = |owner: &str| {
        let schema = schemas.iter().find(|schema| schema.owner == owner);
        schema.map_or(0, |schema| u32::try_from(schema.migrations.len()).unwrap_or(u32::MAX))
    };
    if let Some((owner, found)) = made.iter().find(|(owner, found)| *found > known(owner)) {
        let path = connection.path().map(Path::new).and_then(Path::file_name);
        let file =
            path.map_or_else(|| "this database".to_owned(), |name| name.to_string_lossy().into_owned());
        return Err(StoreError::Newer { file, owner: owner.clone(), found: *found, known: known(owner) });
    }
    let found = |owner: &str| made.iter().find(|(made, _)| made == owner).map_or(0, |(_, found)| *found);
    Ok(schemas.iter().flat_map(|schema| steps(schema, found(schema.owner))).collect())
}

/// The steps of a schema behind a version.
fn steps(schema: &Schema, version: u32) -> impl Iterator<Item = (Migration, Pending)> {
    let owner = schema.owner;
    let numbered =
        (1_u32..).zip(schema.migrations.iter().copied()).skip_while(move |(number, _)| *number <= version);
    numbered.map(move |(number, migration)| (migration, Pending { owner, number, name: migration.name }))
}

/// The newest step of each owner that was made.
fn versions(connection: &Connection) -> Result<Vec<(String, u32)>, StoreError> {
    if !connection.table_exists(None, "migration")? {
        return Ok(Vec::new());
    }
    let mut newest =
        connection.prepare("SELECT owner, max(number) FROM migration GROUP BY owner ORDER BY owner")?;
    let versions = newest.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(versions.collect::<Result<_, _>>()?)
}
