//! `postrider queue`: what waits, and commands on it.

mod change;
mod progress;
mod stats;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use admin::api::{Message, Page, Recipient, Selection};
use mail::QueueId;

use crate::{
    cli::{QueueCommand, QueueList, QueueShow, Selecting},
    client::{encoded, get},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count, size_text, time},
};

/// How the reply begins that says why a message waits for something here, and not for a host.
const HELD: &str = "held: ";

/// Messages of one request; the server gives no more.
const PAGE: u32 = 1000;

pub(crate) fn run(command: &QueueCommand, json: bool) -> Result<(), Failure> {
    let place = match command {
        QueueCommand::List(list) => &list.place,
        QueueCommand::Show(show) => &show.place,
        QueueCommand::Stats(stats) => &stats.place,
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
            QueueCommand::Stats(wanted) => stats::stats(&socket, wanted, json).await,
            QueueCommand::Retry(wanted) => change::change(&socket, change::RETRY, wanted, json).await,
            QueueCommand::Hold(wanted) => change::change(&socket, change::HOLD, wanted, json).await,
            QueueCommand::Release(wanted) => change::change(&socket, change::RELEASE, wanted, json).await,
            QueueCommand::Bounce(wanted) => change::bounce(&socket, wanted, json).await,
            QueueCommand::Remove(wanted) => {
                change::destroy(&socket, change::REMOVE, wanted, change::command_of(&wanted.change)?, json)
                    .await
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
    for (why, messages) in held(&page) {
        terminal::print(&format!("{}: {}", count(messages, "message"), clean(why)))?;
    }
    let more = page.next_cursor.is_some();
    terminal::print(&format!(
        "{}{}",
        count(page.messages.len() as u64, "message"),
        if more { ", and more: see --limit" } else { "" }
    ))
}

/// Why messages wait for something here, and how many do for each reason.
fn held(page: &Page) -> BTreeMap<&str, u64> {
    let mut all = BTreeMap::new();
    for message in &page.messages {
        let replies = message.recipients.iter().filter_map(|recipient| recipient.last_reply.as_deref());
        let reasons: BTreeSet<&str> =
            replies.filter_map(|reply| reply.find(HELD).and_then(|at| reply.get(at..))).collect();
        for reason in reasons {
            *all.entry(reason).or_default() += 1;
        }
    }
    all
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
    let mut path = format!("/v1/queue?limit={limit}{}", parameters(selection));
    path.extend(cursor.map(|cursor| format!("&cursor={}", encoded(cursor))));
    path
}

/// A selection in a query string, behind other parameters.
fn parameters(selection: &Selection) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: &str| text.extend(["&", name, "=", &encoded(value)]);
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
    text
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
    if message.priority != 0 {
        lines.push(format!("priority   {}", message.priority));
    }
    lines.extend(message.hold_until.as_ref().map(|until| format!("not before {}", time(until))));
    lines.extend(message.deliver_by.as_ref().map(|by| {
        let then = if by.return_then { "then it is returned" } else { "then its sender is told" };
        format!("deliver by {}: {then}", time(&by.at))
    }));
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

/// Ids are checked here: a wrong one is wrong usage, whether a server runs or not.
fn id(text: &str) -> Result<QueueId, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("`{}` is not a queue id: {error}", clean(text))))
}

fn from(message: &Message) -> String {
    message.reverse_path.as_deref().map_or_else(|| "?".to_owned(), |path| format!("<{}>", clean(path)))
}
