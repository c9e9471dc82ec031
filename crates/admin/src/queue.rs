//! The queue as a resource: looked at page by page, and changed by commands on a part of it.

use axum::{Json, extract::State as Shared};
use mail::Timestamp;
use spool::{Changed, Selection, Spool, SpoolError};

use crate::{
    Control, Problem, api, convert,
    query::{self, Body, IdPath, ListParams, Params},
    routes::Answer,
};

pub(crate) type Pairs = Vec<(String, String)>;

pub(crate) async fn list(Shared(control): Shared<Control>, params: Params<Pairs>) -> Answer<api::Page> {
    let ListParams { selection, limit, cursor } = ListParams::read(&query::params(params)?)?;
    let selection = selection.resolve(control.clock.now())?;
    let page = control.spool.find(selection, cursor, limit).await.map_err(|error| refusal(&error))?;
    let next_cursor = page.last().filter(|_| page.len() >= limit).map(|last| last.id.to_string());
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

pub(crate) async fn show(Shared(control): Shared<Control>, id: IdPath) -> Answer<api::Message> {
    let shown = control.spool.show(query::id(id)?).await.map_err(|error| refusal(&error))?;
    Ok(Json(convert::message(&shown)))
}

/// What senders read if the operator says nothing else.
const BOUNCE_TEXT: &str = "Given up by the administrator of this server";
/// Longer ones do not fit into the line of a reply (RFC 5321 §4.5.3.1.5).
const BOUNCE_TEXT_OCTETS_MAX: usize = 400;

pub(crate) async fn retry(
    Shared(control): Shared<Control>,
    body: Body<api::Command>,
) -> Answer<api::Changed> {
    let command = without_text(query::body(body)?)?;
    run(control, "retry", &command, async |spool, selection, now| spool.retry(selection, now).await).await
}

pub(crate) async fn hold(Shared(control): Shared<Control>, body: Body<api::Command>) -> Answer<api::Changed> {
    let command = without_text(query::body(body)?)?;
    run(control, "hold", &command, async |spool, selection, now| spool.hold(selection, now).await).await
}

pub(crate) async fn release(
    Shared(control): Shared<Control>,
    body: Body<api::Command>,
) -> Answer<api::Changed> {
    let command = without_text(query::body(body)?)?;
    run(control, "release", &command, async |spool, selection, now| spool.unhold(selection, now).await).await
}

pub(crate) async fn bounce(
    Shared(control): Shared<Control>,
    body: Body<api::Command>,
) -> Answer<api::Changed> {
    let command = query::body(body)?;
    let text = bounce_text(command.text.as_deref())?;
    run(control, "bounce", &command, async |spool, selection, now| spool.bounce(selection, text, now).await)
        .await
}

pub(crate) async fn remove(
    Shared(control): Shared<Control>,
    body: Body<api::Command>,
) -> Answer<api::Changed> {
    let command = without_text(query::body(body)?)?;
    run(control, "remove", &command, async |spool, selection, now| spool.remove(selection, now).await).await
}

fn without_text(command: api::Command) -> Result<api::Command, Problem> {
    match command.text {
        None => Ok(command),
        Some(_) => Err(Problem::bad_request("text: only `bounce` has one, for nobody else is told anything")),
    }
}

/// The reason that goes into reports, where it is part of a header field.
fn bounce_text(text: Option<&str>) -> Result<&str, Problem> {
    let text = text.map_or(BOUNCE_TEXT, str::trim);
    let printable = text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
    if text.is_empty() || !printable || text.len() > BOUNCE_TEXT_OCTETS_MAX {
        let wrong = format!("text: give 1 to {BOUNCE_TEXT_OCTETS_MAX} printable ASCII characters");
        return Err(Problem::bad_request(wrong));
    }
    Ok(text)
}

/// Does to a part of the queue what `act` does, or only counts it.
async fn run(
    control: Control,
    verb: &str,
    command: &api::Command,
    act: impl AsyncFnOnce(&Spool, Selection, Timestamp) -> Result<Changed, SpoolError>,
) -> Answer<api::Changed> {
    query::not_by_oversight(command)?;
    let now = control.clock.now();
    let selection = command.selection.resolve(now)?;
    let unknown = control.spool.unknown(&selection.ids).iter().map(ToString::to_string).collect();
    let changed = if command.dry_run {
        control.spool.count(selection).await
    } else {
        act(&control.spool, selection, now).await
    };
    let changed = changed.map_err(|error| refusal(&error))?;
    if !command.dry_run {
        let Changed { messages, recipients, .. } = changed;
        tracing::info!(
            station = "admin",
            command = verb,
            messages,
            recipients,
            "the queue was changed by hand"
        );
    }
    Ok(Json(convert::changed(changed, unknown)))
}

pub(crate) fn refusal(error: &SpoolError) -> Problem {
    let detail = error.to_string();
    match error {
        SpoolError::Unknown(_) => Problem::not_found(detail),
        SpoolError::Poisoned | SpoolError::Full { .. } | SpoolError::Closed => Problem::unavailable(detail),
        _ => Problem::internal(detail),
    }
}
