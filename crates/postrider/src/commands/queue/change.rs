//! The commands that change the queue.

use std::{path::Path, pin::pin};

use admin::api::{Changed, Command, Selection};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{progress, selection};
use crate::{
    cli::{QueueBounce, QueueChange, QueueDestroy},
    client::{ClientError, post},
    commands::progress::Progress,
    failure::Failure,
    terminal::{self, count},
};

/// What a command does, and how it says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verb {
    /// Its resource.
    path: &'static str,
    /// What has become of those it changed.
    done: &'static str,
    /// What becomes of those that are being delivered at this moment.
    active: &'static str,
}

pub(super) const RETRY: Verb = Verb { path: "retry", done: "due now", active: "being tried now already" };
pub(super) const HOLD: Verb = Verb {
    path: "hold",
    done: "put on hold",
    active: "being delivered now, and on hold once that has failed",
};
pub(super) const RELEASE: Verb =
    Verb { path: "release", done: "taken off hold", active: "being delivered now" };
const BOUNCE: Verb = Verb {
    path: "bounce",
    done: "given up",
    active: "being delivered now, and given up once that has failed",
};
pub(super) const REMOVE: Verb =
    Verb { path: "remove", done: "removed", active: "being delivered now, which may still succeed" };

pub(super) async fn change(
    socket: &Path,
    verb: Verb,
    wanted: &QueueChange,
    json: bool,
) -> Result<(), Failure> {
    send(socket, verb, &command_of(wanted)?, json).await
}

/// As [`change`], but what cannot be taken back is asked for first, unless queue ids alone say what is meant.
pub(super) async fn destroy(
    socket: &Path,
    verb: Verb,
    wanted: &QueueDestroy,
    command: Command,
    json: bool,
) -> Result<(), Failure> {
    let by_ids = Selection { ids: Vec::new(), ..command.selection.clone() }.is_everything() && !command.all;
    if !(by_ids || wanted.yes || command.dry_run) {
        let dry = Command { dry_run: true, ..command.clone() };
        let meant = in_parts(socket, verb, dry, json).await?;
        let hint = "say --yes if that is meant, or --dry-run to see only how many it would be";
        let question = format!("{} {}?", verb.path, meant_text(&meant));
        if meant.recipients > 0 && !terminal::confirm(&question, hint)? {
            return Err(Failure::new("nothing was changed"));
        }
    }
    send(socket, verb, &command, json).await
}

pub(super) async fn bounce(socket: &Path, wanted: &QueueBounce, json: bool) -> Result<(), Failure> {
    let command = Command { text: wanted.text.clone(), ..command_of(&wanted.destroy.change)? };
    destroy(socket, BOUNCE, &wanted.destroy, command, json).await
}

async fn send(socket: &Path, verb: Verb, command: &Command, json: bool) -> Result<(), Failure> {
    let changed = in_parts(socket, verb, command.clone(), json).await?;
    if json {
        terminal::print_json(&changed)?;
    } else {
        terminal::print(&changed_text(verb, &changed, command.dry_run))?;
    }
    match changed.unknown.as_slice() {
        [] => Ok(()),
        [id] => Err(Failure::new(format!("no message {id} in the queue"))),
        ids => Err(Failure::new(format!("no messages in the queue: {}", ids.join(", ")))),
    }
}

/// Gives an order part by part, and tells how far it is. An interrupt waits for the end of a part, so that it can be said what was done;
/// a second one does not.
async fn in_parts(socket: &Path, verb: Verb, mut command: Command, json: bool) -> Result<Changed, Failure> {
    command.in_parts = true;
    let (path, mut progress) = (format!("/v1/queue/{}", verb.path), Progress::new(json));
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Failure::new(format!("cannot listen for interrupts: {error}")))?;
    let (mut whole, mut is_interrupted) = (Changed::default(), false);
    loop {
        let part = next_part(socket, &path, &command, &mut interrupts, &mut is_interrupted).await;
        let Some(part) = part else {
            progress.end();
            return Err(interrupted(verb, &whole, command.dry_run));
        };
        let part = part.inspect_err(|_| progress.end())?;
        command.cursor.clone_from(&part.next_cursor);
        add(&mut whole, part);
        if command.cursor.is_none() || is_interrupted {
            progress.end();
        }
        match command.cursor {
            None => return Ok(whole),
            Some(_) if is_interrupted => return Err(interrupted(verb, &whole, command.dry_run)),
            Some(_) => {
                progress.tell(&progress::bar(verb.path, &whole), &progress::line(&whole));
            }
        }
    }
}

/// What one part did; none if it was interrupted twice.
async fn next_part(
    socket: &Path,
    path: &str,
    command: &Command,
    interrupts: &mut Signal,
    is_interrupted: &mut bool,
) -> Option<Result<Changed, ClientError>> {
    let mut part = pin!(post(socket, path, command));
    loop {
        tokio::select! {
            part = &mut part => return Some(part),
            Some(()) = interrupts.recv() => {
                if *is_interrupted {
                    return None;
                }
                *is_interrupted = true;
            }
        }
    }
}

/// Adds what the next part did.
fn add(whole: &mut Changed, part: Changed) {
    whole.messages += part.messages;
    whole.recipients += part.recipients;
    whole.active += part.active;
    whole.looked_at += part.looked_at;
    whole.unknown.extend(part.unknown);
    (whole.in_queue, whole.next_cursor) = (part.in_queue, part.next_cursor);
}

fn interrupted(verb: Verb, so_far: &Changed, dry_run: bool) -> Failure {
    let done = if dry_run { "meant so far; nothing was changed" } else { verb.done };
    let looked_at = count(so_far.looked_at, "message");
    let failure = Failure::interrupted(format!(
        "interrupted when {looked_at} had been looked at: {} {done}",
        meant_text(so_far)
    ));
    if dry_run {
        failure
    } else {
        failure.hint("what is done stays done; give the same order again to go on")
    }
}

pub(super) fn command_of(wanted: &QueueChange) -> Result<Command, Failure> {
    let selection = selection(&wanted.selecting)?;
    if selection.is_everything() && !wanted.all {
        return Err(Failure::usage("nothing is selected")
            .hint("give queue ids, or marks such as --domain DOMAIN; --all means the whole queue"));
    }
    Ok(Command { selection, all: wanted.all, dry_run: wanted.dry_run, ..Command::default() })
}

fn meant_text(changed: &Changed) -> String {
    format!("{} of {}", count(changed.recipients, "recipient"), count(changed.messages, "message"))
}

fn changed_text(verb: Verb, changed: &Changed, dry_run: bool) -> String {
    let done = if dry_run { "meant; nothing was changed" } else { verb.done };
    let mut text = format!("{} {done}", meant_text(changed));
    if changed.active > 0 {
        let are = if changed.active == 1 { "is" } else { "are" };
        text.extend(["\n", &count(changed.active, "recipient"), " ", are, " ", verb.active]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_order_says_how_far_it_came() {
        let part = |recipients| Changed {
            messages: 1,
            recipients,
            looked_at: 20_000,
            in_queue: 90_000,
            next_cursor: Some("x".to_owned()),
            ..Changed::default()
        };
        let mut whole = Changed::default();
        add(&mut whole, part(2));
        add(&mut whole, part(3));
        let failure = interrupted(HOLD, &whole, false);
        assert_eq!(failure.code(), 130);
        assert_eq!(
            failure.text(false),
            "error: interrupted when 40000 messages had been looked at: 5 recipients of 2 messages put on hold\n\
             hint: what is done stays done; give the same order again to go on"
        );
        assert!(interrupted(REMOVE, &whole, true).text(false).ends_with("meant so far; nothing was changed"));
    }
}
