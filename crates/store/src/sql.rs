//! Statements and what they give back, in words of no engine.
//!
//! Parameters are `?1`, `?2`, …, each used in that order first; a statement keeps to what SQLite and PostgreSQL both understand.

use rusqlite::{Connection, params_from_iter, types::ValueRef};

use crate::StoreError;

/// A value of a parameter or a column. Times are milliseconds since 1970, truths 0 and 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Octets.
    Octets(Vec<u8>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(octets: Vec<u8>) -> Self {
        Self::Octets(octets)
    }
}

impl From<&[u8]> for Value {
    fn from(octets: &[u8]) -> Self {
        Self::Octets(octets.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        let value = match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Octets(octets) => ValueRef::Blob(octets),
        };
        Ok(rusqlite::types::ToSqlOutput::Borrowed(value))
    }
}

/// A row that a statement gave.
pub struct Row<'a>(&'a rusqlite::Row<'a>);

impl Row<'_> {
    /// A column that is a text, from 0.
    ///
    /// # Errors
    /// It is not.
    pub fn text(&self, column: usize) -> Result<String, StoreError> {
        self.optional_text(column)?.ok_or(StoreError::Column(column))
    }

    /// A column that is a text or nothing.
    ///
    /// # Errors
    /// It is neither.
    pub fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        self.0.get(column).map_err(|_| StoreError::Column(column))
    }

    /// A column that is a whole number.
    ///
    /// # Errors
    /// It is not.
    pub fn integer(&self, column: usize) -> Result<i64, StoreError> {
        self.0.get(column).map_err(|_| StoreError::Column(column))
    }

    /// A column that is a whole number or nothing.
    ///
    /// # Errors
    /// It is neither.
    pub fn optional_integer(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.0.get(column).map_err(|_| StoreError::Column(column))
    }

    /// A column of octets.
    ///
    /// # Errors
    /// It is not.
    pub fn octets(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        self.0.get(column).map_err(|_| StoreError::Column(column))
    }

    /// A column of octets, as it lies in the row.
    ///
    /// # Errors
    /// It is not.
    pub fn slice(&self, column: usize) -> Result<&[u8], StoreError> {
        let value = self.0.get_ref(column).map_err(|_| StoreError::Column(column))?;
        value.as_blob().map_err(|_| StoreError::Column(column))
    }

    /// A column of octets or nothing, as it lies in the row.
    ///
    /// # Errors
    /// It is neither.
    pub fn optional_slice(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        let value = self.0.get_ref(column).map_err(|_| StoreError::Column(column))?;
        value.as_blob_or_null().map_err(|_| StoreError::Column(column))
    }

    /// A column of just so many octets.
    ///
    /// # Errors
    /// It is not.
    pub fn array<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        self.octets(column)?.try_into().map_err(|_| StoreError::Column(column))
    }
}

/// Carries out statements, in a transaction or on a view of the database that does not change meanwhile.
pub struct Sql<'a>(&'a Connection);

impl<'a> Sql<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self(connection)
    }

    /// Changes something; how many rows.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn execute(&self, statement: &str, parameters: &[Value]) -> Result<usize, StoreError> {
        let mut prepared = self.0.prepare_cached(statement)?;
        Ok(prepared.execute(params_from_iter(parameters))?)
    }

    /// All rows, each as `read` sees it.
    ///
    /// # Errors
    /// See [`StoreError`], and those of `read`.
    pub fn query<T>(
        &self,
        statement: &str,
        parameters: &[Value],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut prepared = self.0.prepare_cached(statement)?;
        let mut rows = prepared.query(params_from_iter(parameters))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(&Row(row))?);
        }
        Ok(all)
    }
}
