//! The resources of the API and what each verb does to them.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::State as Shared,
    http::{Method, Uri},
    routing::{get, post},
};
use directory::{Authenticator, People};
use disk::{Clock, Disk};
use events::{Log, Query, Reader};
use mail::Timestamp;
use mailstore::Mailstore;
use net::Shutdown;
use spool::Spool;

use crate::{
    Problem, api, bans, convert, follow, lists, mailboxes, people,
    query::{self, Params, TraceParams},
    queue, signing, stats,
    trace::trace,
};

/// What the API watches and controls.
#[derive(Clone)]
pub struct Control {
    /// The queue.
    pub spool: Spool,
    /// Who exists.
    pub people: Arc<People>,
    /// The mailboxes, if it is here that they are kept.
    pub mailstore: Option<Mailstore>,
    /// What happens.
    pub events: Arc<Log>,
    /// Where the event log is.
    pub events_dir: PathBuf,
    /// How to read it.
    pub disk: Arc<dyn Disk>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// When to stop: streams have no other end.
    pub stop: Shutdown,
    /// Takes the configuration file up, or reports all that is wrong with it. May wait for the disk.
    pub reload: Arc<dyn Fn() -> Result<api::Reloaded, String> + Send + Sync>,
    /// Who may log in.
    pub logins: Authenticator,
    /// How sites fare.
    pub sites: Arc<dyn Fn() -> Vec<api::Site> + Send + Sync>,
    /// How the certificate fares that the server obtains itself, if it does.
    pub certificate: Arc<dyn Fn() -> Option<api::Certificate> + Send + Sync>,
    /// How relays fare.
    pub relays: Arc<dyn Fn() -> Vec<api::Relay> + Send + Sync>,
    /// How the keys fare that mail is signed with.
    pub signing: Arc<dyn Fn() -> api::Signing + Send + Sync>,
    /// Asks for new keys of a domain, or says why there will be none.
    pub rotate: Arc<Rotate>,
    /// What lies in the maildrop.
    pub maildrop: Arc<dyn Fn() -> api::Maildrop + Send + Sync>,
    /// Facts about the server that do not change while it runs.
    pub server: Arc<Server>,
}

/// Asks for new keys of a domain, or says why there will be none.
pub type Rotate = dyn Fn(&str) -> Result<(), String> + Send + Sync;

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

pub(crate) type Answer<T> = Result<Json<T>, Problem>;

/// The whole API.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/queue", get(queue::list))
        // Not ids: those have 26 digits.
        .route("/v1/queue/retry", post(queue::retry))
        .route("/v1/queue/hold", post(queue::hold))
        .route("/v1/queue/release", post(queue::release))
        .route("/v1/queue/bounce", post(queue::bounce))
        .route("/v1/queue/remove", post(queue::remove))
        .route("/v1/queue/stats", get(stats::stats))
        .route("/v1/queue/{id}", get(queue::show))
        .route("/v1/trace", get(trace_events))
        .route("/v1/events", get(follow::events))
        .route("/v1/bans", get(bans::list))
        .route("/v1/bans/lift", post(bans::lift))
        .route("/v1/signing", get(signing::list))
        .route("/v1/signing/rotate", post(signing::rotate))
        .route("/v1/reload", post(reload))
        .merge(people::router())
        .merge(lists::router())
        .merge(mailboxes::router())
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
        certificate: (control.certificate)(),
        maildrop: (control.maildrop)(),
        relays: (control.relays)(),
        unsigned: signing::unsigned((control.signing)()),
    })
}

async fn reload(Shared(control): Shared<Control>) -> Answer<api::Reloaded> {
    let reloaded = tokio::task::spawn_blocking(move || (control.reload)()).await;
    let reloaded = reloaded.map_err(|error| Problem::internal(error.to_string()))?;
    reloaded.map(Json).map_err(Problem::unprocessable)
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
