//! Numbers of ours among the 63 bits that a database has.

use store::{Row, StoreError, Value};

/// A count. What does not fit cannot come up: it would need 2^63 octets.
pub(crate) fn count(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A column that is a count.
pub(crate) fn count_at(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    u64::try_from(row.integer(column)?).map_err(|_| StoreError::Column(column))
}

/// A column that is a UID or another number of 32 bits.
pub(crate) fn short_at(row: &Row<'_>, column: usize) -> Result<u32, StoreError> {
    u32::try_from(row.integer(column)?).map_err(|_| StoreError::Column(column))
}

/// A number of octets in memory.
pub(crate) fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// How often something occurred, as one of the signed changes to a count.
pub(crate) fn difference(new: u64, old: u64) -> i64 {
    new.cast_signed().wrapping_sub(old.cast_signed())
}
