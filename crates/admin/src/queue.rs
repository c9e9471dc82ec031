//! The queue as a resource: looked at page by page, and changed by commands on a part of it.

use std::sync::Arc;

use axum::{Json, extract::State as Shared};
use spool::{Changed, Order, SpoolError};

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

/// Messages looked at for one part of an order: that takes well below a second, so that whoever gave it hears how far it is.
const PART: u64 = 20_000;
/// What senders read if the operator says nothing else.
const BOUNCE_TEXT: &str = "Given up by the administrator of this server";
/// Longer ones do not fit into the line of a reply (RFC 5321 §4.5.3.1.5).
const BOUNCE_TEXT_OCTETS_MAX: usize = 400;

pub(crate) async fn retry(control: Shared<Control>, body: Body<api::Command>) -> Answer<api::Changed> {
    run(control, Order::Retry, &without_text(query::body(body)?)?).await
}

pub(crate) async fn hold(control: Shared<Control>, body: Body<api::Command>) -> Answer<api::Changed> {
    run(control, Order::Hold, &without_text(query::body(body)?)?).await
}

pub(crate) async fn release(control: Shared<Control>, body: Body<api::Command>) -> Answer<api::Changed> {
    run(control, Order::Release, &without_text(query::body(body)?)?).await
}

pub(crate) async fn bounce(control: Shared<Control>, body: Body<api::Command>) -> Answer<api::Changed> {
    let command = query::body(body)?;
    let text = bounce_text(command.text.as_deref())?;
    run(control, Order::Bounce(text.into()), &command).await
}

pub(crate) async fn remove(control: Shared<Control>, body: Body<api::Command>) -> Answer<api::Changed> {
    run(control, Order::Remove, &without_text(query::body(body)?)?).await
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

/// Carries an order out, or only counts whom it means: on the next part, if that is asked for, or to the end.
async fn run(Shared(control): Shared<Control>, order: Order, command: &api::Command) -> Answer<api::Changed> {
    query::not_by_oversight(command)?;
    let now = control.clock.now();
    // All parts mean the same: ages are counted back from the time of the first.
    let (after, begun) =
        query::next_part(command)?.map_or((None, now), |(after, begun)| (Some(after), begun));
    let selection = Arc::new(command.selection.resolve(begun)?);
    let spool = &control.spool;
    // Of those that an earlier part has removed nobody need hear that they are gone.
    let unknown = if after.is_none() { spool.unknown(&selection.ids) } else { Vec::new() };
    let verb = word(&order);
    let order = if command.dry_run { Order::Count } else { order };
    let messages = if command.in_parts { PART } else { u64::MAX };
    let part = spool.carry_out(&order, &selection, now, after, messages).await;
    let part = part.map_err(|error| refusal(&error))?;
    if !command.dry_run && (part.changed.recipients > 0 || !command.in_parts) {
        let Changed { messages, recipients, .. } = part.changed;
        tracing::info!(
            station = "admin",
            command = verb,
            messages,
            recipients,
            "the queue was changed by hand"
        );
    }
    Ok(Json(convert::changed(&part, spool.messages(), &unknown, begun)))
}

fn word(order: &Order) -> &'static str {
    match order {
        Order::Count => "count",
        Order::Retry => "retry",
        Order::Hold => "hold",
        Order::Release => "release",
        Order::Bounce(_) => "bounce",
        Order::Remove => "remove",
    }
}

pub(crate) fn refusal(error: &SpoolError) -> Problem {
    let detail = error.to_string();
    match error {
        SpoolError::Unknown(_) => Problem::not_found(detail),
        SpoolError::Poisoned | SpoolError::Full { .. } | SpoolError::Closed => Problem::unavailable(detail),
        _ => Problem::internal(detail),
    }
}
