//! The commands that change the queue.

use std::path::Path;

use admin::api::{Changed, Command, Selection};

use super::selection;
use crate::{
    cli::{QueueBounce, QueueChange, QueueDestroy},
    client::post,
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
        let meant: Changed = post(socket, &format!("/v1/queue/{}", verb.path), &dry).await?;
        if meant.recipients > 0 && !terminal::confirm(&format!("{} {}?", verb.path, meant_text(&meant)))? {
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
    let changed: Changed = post(socket, &format!("/v1/queue/{}", verb.path), command).await?;
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

pub(super) fn command_of(wanted: &QueueChange) -> Result<Command, Failure> {
    let selection = selection(&wanted.selecting)?;
    if selection.is_everything() && !wanted.all {
        return Err(Failure::usage("nothing is selected")
            .hint("give queue ids, or marks such as --domain DOMAIN; --all means the whole queue"));
    }
    Ok(Command { selection, all: wanted.all, dry_run: wanted.dry_run, text: None })
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
