//! What reads a query string, for the fuzzer. No interface: it changes with the code behind it.

use axum::{extract::Query, http::Uri};
use mail::Timestamp;

use crate::{
    query::{self, ListParams},
    queue::Pairs,
};

/// What a query string means.
#[derive(Debug)]
pub struct Read {
    /// It names nothing: the whole queue is meant.
    pub is_everything: bool,
}

/// Reads the query string of a list of the queue. The error is what the client is told.
///
/// # Errors
/// It is not as it has to be.
pub fn read_query(text: &str) -> Result<Read, String> {
    // `Uri` leaves a fragment off, which is no part of what is requested (RFC 9110 §7.1): all that follows would be unread.
    if text.contains('#') {
        return Err("a fragment is no part of a query".to_owned());
    }
    let uri: Uri = format!("/v1/queue?{text}").parse().map_err(|_| "no URI".to_owned())?;
    let read = || {
        let pairs: Pairs = query::params(Query::try_from_uri(&uri))?;
        let read = ListParams::read(&pairs)?;
        read.selection.resolve(Timestamp::from_millis(0))?;
        Ok(Read { is_everything: read.selection.is_everything() })
    };
    read().map_err(|problem: crate::Problem| problem.detail.unwrap_or_default())
}
