//! `postrider queue`: what waits, and commands on it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use admin::api::{Changed, Command, Message, Page, Recipient, Selection};
use mail::QueueId;

use crate::{
    cli::{QueueBounce, QueueChange, QueueCommand, QueueDestroy, QueueList, QueueShow, Selecting},
    client::{encoded, get, post},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count, size_text},
};

/// Messages of one request; the server gives no more.
const PAGE: u32 = 1000;

pub(crate) fn run(command: &QueueCommand, json: bool) -> Result<(), Failure> {
    let place = match command {
        QueueCommand::List(list) => &list.place,
        QueueCommand::Show(show) => &show.place,
        QueueCommand::Retry(change) | QueueCommand::Hold(change) | QueueCommand::Release(change) => {
            &change.place
        }
        QueueCommand::Bounce(bounce) => &bounce.destroy.change.place,
        QueueCommand::Remove(destroy) => &destroy.change.place,
    };
    let socket: PathBuf = config::control_socket(&place::data_dir(place)?);
    super::run(async {
        match command {
            QueueCommand::List(wanted) => list(&socket, wanted, json).await,
            QueueCommand::Show(wanted) => show(&socket, wanted, json).await,
            QueueCommand::Retry(wanted) => change(&socket, RETRY, wanted, json).await,
            QueueCommand::Hold(wanted) => change(&socket, HOLD, wanted, json).await,
            QueueCommand::Release(wanted) => change(&socket, RELEASE, wanted, json).await,
            QueueCommand::Bounce(wanted) => bounce(&socket, wanted, json).await,
            QueueCommand::Remove(wanted) => {
                destroy(&socket, REMOVE, wanted, command_of(&wanted.change)?, json).await
            }
        }
    })
}

async fn list(socket: &Path, wanted: &QueueList, json: bool) -> Result<(), Failure> {
    let page = pages(socket, wanted).await?;
    if json {
        return terminal::print_json(&page);
    }
    if page.messages.is_empty() {
        let everything = selection(&wanted.selecting)?.is_everything();
        return terminal::print(if everything {
            "the queue is empty"
        } else {
            "nothing in the queue is like that"
        });
    }
    let mut table =
        terminal::table(&["QUEUE ID", "RECEIVED", "SIZE", "FROM", "TO", "STATE", "TRIES", "NEXT"]);
    for message in &page.messages {
        let mut head =
            [message.id.clone(), time(&message.received_at), size_text(message.size), from(message)];
        for recipient in &message.recipients {
            let [id, received, size, reverse_path] = std::mem::take(&mut head);
            let (to, tries) = (clean(&recipient.address), recipient.attempts.to_string());
            let state = recipient.state.word().to_owned();
            table.add_row([id, received, size, reverse_path, to, state, tries, time(&recipient.due)]);
        }
    }
    terminal::print(&terminal::table_text(&table))?;
    let more = page.next_cursor.is_some();
    terminal::print(&format!(
        "{}{}",
        count(page.messages.len() as u64, "message"),
        if more { ", and more: see --limit" } else { "" }
    ))
}

async fn pages(socket: &Path, wanted: &QueueList) -> Result<Page, Failure> {
    let mut all = Page::default();
    let mut left = wanted.limit;
    let selection = selection(&wanted.selecting)?;
    loop {
        let page: Page =
            get(socket, &list_path(&selection, left.min(PAGE), all.next_cursor.as_deref())).await?;
        left = left.saturating_sub(u32::try_from(page.messages.len()).unwrap_or(u32::MAX));
        all.messages.extend(page.messages);
        all.next_cursor = page.next_cursor;
        if left == 0 || all.next_cursor.is_none() {
            return Ok(all);
        }
    }
}

fn list_path(selection: &Selection, limit: u32, cursor: Option<&str>) -> String {
    let mut path = format!("/v1/queue?limit={limit}");
    let mut add = |name: &str, value: &str| path.extend(["&", name, "=", &encoded(value)]);
    for (name, values) in [
        ("id", &selection.ids),
        ("to", &selection.to),
        ("from", &selection.from),
        ("domain", &selection.domain),
        ("site", &selection.site),
        ("reason", &selection.reason),
    ] {
        for value in values {
            add(name, value);
        }
    }
    for state in &selection.state {
        add("state", state.word());
    }
    for (name, age) in [("older_than", selection.older_than), ("younger_than", selection.younger_than)] {
        if let Some(seconds) = age {
            add(name, &seconds.to_string());
        }
    }
    if let Some(cursor) = cursor {
        add("cursor", cursor);
    }
    path
}

async fn show(socket: &Path, wanted: &QueueShow, json: bool) -> Result<(), Failure> {
    let path = format!("/v1/queue/{}", id(&wanted.id)?);
    let message: Message = get(socket, &path).await?;
    if json {
        return terminal::print_json(&message);
    }
    let mut lines = vec![
        format!("queue id   {}", message.id),
        format!("received   {}", time(&message.received_at)),
        format!("from       {}", from(&message)),
        format!("size       {}", size_text(message.size)),
    ];
    if let Some(client) = &message.client {
        let address = client.address.as_deref().unwrap_or("this server");
        let hello = client.hello.as_deref().map(|hello| format!(" ({})", clean(hello))).unwrap_or_default();
        lines.push(format!("client     {address}{hello} by {}", clean(&client.listener)));
    }
    lines.extend(message.recipients.iter().map(recipient_text));
    terminal::print(&lines.join("\n"))
}

fn recipient_text(recipient: &Recipient) -> String {
    let next = format!(
        "{}, {} so far, next {}",
        recipient.state.word(),
        count(recipient.attempts.into(), "attempt"),
        time(&recipient.due)
    );
    let mut text = format!("to         {}: {next}", clean(&recipient.address));
    if let Some(since) = &recipient.held_since {
        text.extend([", on hold since ", &time(since)]);
    }
    if let Some(reply) = &recipient.last_reply {
        let mx = recipient.last_mx.as_deref().map(|mx| format!("{}: ", clean(mx))).unwrap_or_default();
        let reply: Vec<String> = reply.lines().map(clean).collect();
        text.extend(["\n           ", &mx, &reply.join(" / ")]);
    }
    text
}

/// What a command does, and how it says so.
#[derive(Debug, Clone, Copy)]
struct Verb {
    /// Its resource.
    path: &'static str,
    /// What has become of those it changed.
    done: &'static str,
    /// What becomes of those that are being delivered at this moment.
    active: &'static str,
}

const RETRY: Verb = Verb { path: "retry", done: "due now", active: "being tried now already" };
const HOLD: Verb = Verb {
    path: "hold",
    done: "put on hold",
    active: "being delivered now, and on hold once that has failed",
};
const RELEASE: Verb = Verb { path: "release", done: "taken off hold", active: "being delivered now" };
const BOUNCE: Verb = Verb {
    path: "bounce",
    done: "given up",
    active: "being delivered now, and given up once that has failed",
};
const REMOVE: Verb =
    Verb { path: "remove", done: "removed", active: "being delivered now, which may still succeed" };

async fn change(socket: &Path, verb: Verb, wanted: &QueueChange, json: bool) -> Result<(), Failure> {
    send(socket, verb, &command_of(wanted)?, json).await
}

/// As [`change`], but what cannot be taken back is asked for first, unless queue ids alone say what is meant.
async fn destroy(
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

async fn bounce(socket: &Path, wanted: &QueueBounce, json: bool) -> Result<(), Failure> {
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

fn command_of(wanted: &QueueChange) -> Result<Command, Failure> {
    let selection = selection(&wanted.selecting)?;
    if selection.is_everything() && !wanted.all {
        return Err(Failure::usage("nothing is selected")
            .hint("give queue ids, or marks such as --domain DOMAIN; --all means the whole queue"));
    }
    Ok(Command { selection, all: wanted.all, dry_run: wanted.dry_run, text: None })
}

fn selection(wanted: &Selecting) -> Result<Selection, Failure> {
    let seconds = |age: Duration| age.as_secs();
    Ok(Selection {
        ids: wanted.ids.iter().map(|text| Ok(id(text)?.to_string())).collect::<Result<_, Failure>>()?,
        to: wanted.to.clone(),
        from: wanted.from.clone(),
        domain: wanted.domain.clone(),
        site: wanted.site.clone(),
        older_than: wanted.older_than.map(seconds),
        younger_than: wanted.younger_than.map(seconds),
        reason: wanted.reason.clone(),
        state: wanted.state.iter().map(|word| (*word).into()).collect(),
    })
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

/// Ids are checked here: a wrong one is wrong usage, whether a server runs or not.
fn id(text: &str) -> Result<QueueId, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("`{}` is not a queue id: {error}", clean(text))))
}

fn from(message: &Message) -> String {
    message.reverse_path.as_deref().map_or_else(|| "?".to_owned(), |path| format!("<{}>", clean(path)))
}

/// A time to the second.
fn time(text: &str) -> String {
    let cut = text.split_once('.').map_or(text, |(seconds, _)| seconds);
    clean(cut).replace('T', " ")
}
