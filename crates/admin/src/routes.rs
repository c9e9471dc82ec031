//! The resources of the API and what each verb does to them.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::State as Shared,
    http::{Method, Uri},
    routing::{get, post},
};
use disk::{Clock, Disk};
use events::{Query, Reader};
use mail::Timestamp;
use spool::{Selection, Spool, SpoolError};

use crate::{
    Problem, api, convert,
    query::{self, IdPath, ListParams, Params, RetryParams, TraceParams},
    trace::trace,
};

/// What the API watches and controls.
#[derive(Clone)]
pub struct Control {
    /// The queue.
    pub spool: Spool,
    /// Where the event log is.
    pub events_dir: PathBuf,
    /// How to read it.
    pub disk: Arc<dyn Disk>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Facts about the server that do not change while it runs.
    pub server: Arc<Server>,
}

/// Facts about the running server.
#[derive(Debug, Clone)]
pub struct Server {
    /// The program's version.
    pub version: &'static str,
    /// Its process id.
    pub pid: u32,
    /// Our name towards peers.
    pub hostname: String,
    /// When it started.
    pub started: Timestamp,
    /// What listens where.
    pub listeners: Vec<api::Listener>,
}

type Answer<T> = Result<Json<T>, Problem>;

/// The whole API.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/queue", get(list))
        // Not an id: those have 26 digits.
        .route("/v1/queue/retry", post(retry_many))
        .route("/v1/queue/{id}", get(show).delete(remove))
        .route("/v1/queue/{id}/retry", post(retry_one))
        .route("/v1/trace", get(trace_events))
        .fallback(no_resource)
        .method_not_allowed_fallback(no_method)
        .with_state(control)
}

async fn no_resource(uri: Uri) -> Problem {
    Problem::not_found(format!("there is no resource {}", uri.path()))
}

async fn no_method(method: Method, uri: Uri) -> Problem {
    Problem::method_not_allowed(format!("{} does not know {method}", uri.path()))
}

async fn status(Shared(control): Shared<Control>) -> Json<api::Status> {
    let Server { version, pid, hostname, started, listeners } = control.server.as_ref();
    Json(api::Status {
        version: (*version).to_owned(),
        pid: *pid,
        hostname: hostname.clone(),
        started_at: started.to_string(),
        listeners: listeners.clone(),
        queue: convert::totals(&control.spool.stats()),
    })
}

async fn list(Shared(control): Shared<Control>, params: Params<ListParams>) -> Answer<api::Page> {
    let filter = query::params(params)?.filter()?;
    let page = control.spool.list(&filter);
    let next_cursor = page.last().filter(|_| page.len() >= filter.limit).map(|last| last.id.to_string());
    let mut messages = Vec::with_capacity(page.len());
    for summary in page {
        match control.spool.show(summary.id).await {
            Ok(shown) => messages.push(convert::message(&shown)),
            // Done since it was listed.
            Err(SpoolError::Unknown(_)) => {}
            // One damaged message must not hide the others.
            Err(error) => {
                tracing::warn!(queue_id = %summary.id, %error, station = "admin", "cannot read a message back");
                messages.push(convert::summary(&summary));
            }
        }
    }
    Ok(Json(api::Page { messages, next_cursor }))
}

async fn show(Shared(control): Shared<Control>, id: IdPath) -> Answer<api::Message> {
    let shown = control.spool.show(query::id(id)?).await.map_err(|error| refusal(&error))?;
    Ok(Json(convert::message(&shown)))
}

async fn retry_one(Shared(control): Shared<Control>, id: IdPath) -> Answer<api::Changed> {
    let id = query::id(id)?;
    let recipients = control.spool.retry(&Selection::Message(id), control.clock.now());
    if recipients == 0 {
        // Nothing waits: it may be under way, or unknown.
        control.spool.show(id).await.map_err(|error| refusal(&error))?;
    }
    Ok(Json(api::Changed { recipients: Some(recipients as u64), messages: None }))
}

async fn retry_many(Shared(control): Shared<Control>, params: Params<RetryParams>) -> Answer<api::Changed> {
    let domain = query::params(params)?.domain.as_deref().map(query::domain).transpose()?;
    let selection = domain.map_or(Selection::All, Selection::Domain);
    let recipients = control.spool.retry(&selection, control.clock.now());
    Ok(Json(api::Changed { recipients: Some(recipients as u64), messages: None }))
}

async fn remove(Shared(control): Shared<Control>, id: IdPath) -> Answer<api::Changed> {
    let id = query::id(id)?;
    let removed = control.spool.remove(&Selection::Message(id), control.clock.now()).await;
    let messages = removed.map_err(|error| refusal(&error))?;
    if messages == 0 {
        // Either it is gone, or what remains of it is being delivered this moment.
        control.spool.show(id).await.map_err(|error| refusal(&error))?;
        return Err(Problem::conflict(format!("message {id} is being delivered; try again in a moment")));
    }
    tracing::info!(queue_id = %id, station = "admin", "removed");
    Ok(Json(api::Changed { messages: Some(messages as u64), recipients: None }))
}

async fn trace_events(Shared(control): Shared<Control>, params: Params<TraceParams>) -> Answer<api::Trace> {
    let wanted = query::params(params)?.q.filter(|text| !text.trim().is_empty());
    let wanted =
        wanted.ok_or_else(|| Problem::bad_request("q: give a queue id, an address or a Message-ID"))?;
    let reader = Reader::new(control.events_dir, control.disk);
    // The log may be large and on a slow disk: not on a thread that serves mail.
    let found = tokio::task::spawn_blocking(move || trace(&reader, &Query::guess(&wanted)));
    let found = found.await.map_err(|error| Problem::internal(error.to_string()))?;
    let events = found.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Json(api::Trace { events }))
}

fn refusal(error: &SpoolError) -> Problem {
    let detail = error.to_string();
    match error {
        SpoolError::Unknown(_) => Problem::not_found(detail),
        SpoolError::Poisoned | SpoolError::Full { .. } | SpoolError::Closed => Problem::unavailable(detail),
        _ => Problem::internal(detail),
    }
}
