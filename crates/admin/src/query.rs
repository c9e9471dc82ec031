//! Query strings and bodies, read strictly: a misspelt parameter is an error, for it would otherwise mean "everything".

use axum::{
    Json,
    extract::{
        Path, Query,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
};
use mail::{QueueId, Timestamp};
use serde::Deserialize;

use crate::{Problem, api, select};

/// Messages of a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 100;
/// The most messages of a page: each is read back from the spool.
const LIMIT_MAX: usize = 1000;

/// What a handler gets of a query string.
pub(crate) type Params<T> = Result<Query<T>, QueryRejection>;
/// What a handler gets of a body.
pub(crate) type Body<T> = Result<Json<T>, JsonRejection>;
/// What a handler gets of an id in the path.
pub(crate) type IdPath = Result<Path<String>, PathRejection>;

/// `GET /v1/queue`: the parameters of a selection, and these.
#[derive(Debug)]
pub(crate) struct ListParams {
    pub(crate) selection: api::Selection,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<QueueId>,
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
    select::id(&text)
}

/// The document in the body, or what is wrong with it.
pub(crate) fn body<T>(body: Body<T>) -> Result<T, Problem> {
    body.map(|Json(document)| document).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

/// Whether the whole queue is meant, and said to be.
pub(crate) fn not_by_oversight(command: &api::Command) -> Result<(), Problem> {
    match (command.selection.is_everything(), command.all) {
        (true, false) => Err(Problem::bad_request("say what is meant: a selection, or `all`")),
        (false, true) => Err(Problem::bad_request("`all` and a selection contradict each other")),
        _ => Ok(()),
    }
}

/// Behind which message a command goes on, and when its first part was asked for.
pub(crate) fn next_part(command: &api::Command) -> Result<Option<(QueueId, Timestamp)>, Problem> {
    let Some(given) = &command.cursor else { return Ok(None) };
    let read = || {
        let (after, begun) = given.split_once('.')?;
        Some((after.parse().ok()?, Timestamp::from_millis(begun.parse().ok()?)))
    };
    match read() {
        Some(next) if command.in_parts => Ok(Some(next)),
        Some(_) => Err(Problem::bad_request("cursor: only with `in_parts`")),
        None => Err(no_cursor(given)),
    }
}

impl ListParams {
    /// Reads the pairs of a query string.
    pub(crate) fn read(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let mut read = Self { selection: api::Selection::default(), limit: LIMIT_DEFAULT, cursor: None };
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => read.limit = limit(value, LIMIT_MAX)?,
                "cursor" => read.cursor = Some(cursor(value)?),
                _ if read.selection.take(name, value)? => {}
                _ => return Err(Problem::bad_request(format!("there is no parameter `{name}`"))),
            }
        }
        Ok(read)
    }
}

/// A number of things to tell.
pub(crate) fn limit(text: &str, max: usize) -> Result<usize, Problem> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| Problem::bad_request(format!("limit: `{text}` is not a number from 1 to {max}")))
}

fn cursor(text: &str) -> Result<QueueId, Problem> {
    text.parse().map_err(|_| no_cursor(text))
}

fn no_cursor(text: &str) -> Problem {
    Problem::bad_request(format!("cursor: `{text}` is not from a `next_cursor`"))
}
