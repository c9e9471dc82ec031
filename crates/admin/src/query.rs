//! Query strings, read strictly: a misspelt parameter is an error, for it would otherwise mean "everything".

use axum::extract::{
    Path, Query,
    rejection::{PathRejection, QueryRejection},
};
use mail::{Domain, QueueId};
use serde::Deserialize;
use spool::{ListFilter, State};

use crate::Problem;

/// Messages of a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 100;
/// The most messages of a page: each is read back from the spool.
const LIMIT_MAX: usize = 1000;

/// What a handler gets of a query string.
pub(crate) type Params<T> = Result<Query<T>, QueryRejection>;
/// What a handler gets of an id in the path.
pub(crate) type IdPath = Result<Path<String>, PathRejection>;

/// `GET /v1/queue`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    limit: Option<String>,
    cursor: Option<String>,
    domain: Option<String>,
    state: Option<String>,
}

/// `POST /v1/queue/retry`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryParams {
    pub(crate) domain: Option<String>,
}

/// `GET /v1/trace`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TraceParams {
    pub(crate) q: Option<String>,
}

/// The parameters, or what is wrong with them.
pub(crate) fn params<T>(params: Params<T>) -> Result<T, Problem> {
    params.map(|Query(params)| params).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

/// The queue id in the path.
pub(crate) fn id(path: IdPath) -> Result<QueueId, Problem> {
    let Path(text) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    text.parse().map_err(|error| Problem::bad_request(format!("`{text}` is not a queue id: {error}")))
}

/// A domain that a parameter names.
pub(crate) fn domain(text: &str) -> Result<Domain, Problem> {
    Domain::parse(text).map_err(|error| Problem::bad_request(format!("domain: `{text}`: {error}")))
}

impl ListParams {
    /// What to ask the spool for.
    pub(crate) fn filter(&self) -> Result<ListFilter, Problem> {
        Ok(ListFilter {
            state: self.state.as_deref().map(state).transpose()?,
            domain: self.domain.as_deref().map(domain).transpose()?,
            after: self.cursor.as_deref().map(cursor).transpose()?,
            limit: self.limit.as_deref().map_or(Ok(LIMIT_DEFAULT), limit)?,
        })
    }
}

fn limit(text: &str) -> Result<usize, Problem> {
    let number = text.parse().ok().filter(|number| (1..=LIMIT_MAX).contains(number));
    number
        .ok_or_else(|| Problem::bad_request(format!("limit: `{text}` is not a number from 1 to {LIMIT_MAX}")))
}

fn cursor(text: &str) -> Result<QueueId, Problem> {
    text.parse().map_err(|_| Problem::bad_request(format!("cursor: `{text}` is not from a `next_cursor`")))
}

fn state(text: &str) -> Result<State, Problem> {
    match text {
        "queued" => Ok(State::Queued),
        "active" => Ok(State::InFlight),
        "deferred" => Ok(State::Deferred),
        "held" => Ok(State::Held),
        _ => Err(Problem::bad_request(format!("state: `{text}` is none of queued, active, deferred, held"))),
    }
}
