//! `postrider queue`: what waits, and commands on it.

use std::path::{Path, PathBuf};

use admin::api::{Changed, Message, Page, Recipient};
use hyper::Method;
use mail::{Domain, QueueId};

use crate::{
    cli::{QueueCommand, QueueList, QueueRemove, QueueRetry, QueueShow, StateWord},
    client::{encoded, request},
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
        QueueCommand::Retry(retry) => &retry.place,
        QueueCommand::Remove(remove) => &remove.place,
    };
    let socket: PathBuf = config::control_socket(&place::data_dir(place)?);
    super::run(async {
        match command {
            QueueCommand::List(wanted) => list(&socket, wanted, json).await,
            QueueCommand::Show(wanted) => show(&socket, wanted, json).await,
            QueueCommand::Retry(wanted) => retry(&socket, wanted, json).await,
            QueueCommand::Remove(wanted) => remove(&socket, wanted, json).await,
        }
    })
}

async fn list(socket: &Path, wanted: &QueueList, json: bool) -> Result<(), Failure> {
    let page = pages(socket, wanted).await?;
    if json {
        return terminal::print_json(&page);
    }
    if page.messages.is_empty() {
        return terminal::print("the queue is empty");
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
    loop {
        let page: Page =
            request(socket, Method::GET, &list_path(wanted, left.min(PAGE), all.next_cursor.as_deref()))
                .await?;
        left = left.saturating_sub(u32::try_from(page.messages.len()).unwrap_or(u32::MAX));
        all.messages.extend(page.messages);
        all.next_cursor = page.next_cursor;
        if left == 0 || all.next_cursor.is_none() {
            return Ok(all);
        }
    }
}

fn list_path(wanted: &QueueList, limit: u32, cursor: Option<&str>) -> String {
    let mut path = format!("/v1/queue?limit={limit}");
    let state = wanted.state.map(StateWord::word);
    for (name, value) in [("domain", wanted.domain.as_deref()), ("state", state), ("cursor", cursor)] {
        path.extend(value.map(|value| format!("&{name}={}", encoded(value))));
    }
    path
}

async fn show(socket: &Path, wanted: &QueueShow, json: bool) -> Result<(), Failure> {
    let path = format!("/v1/queue/{}", id(&wanted.id)?);
    let message: Message = request(socket, Method::GET, &path).await?;
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
    if let Some(reply) = &recipient.last_reply {
        let mx = recipient.last_mx.as_deref().map(|mx| format!("{}: ", clean(mx))).unwrap_or_default();
        let reply: Vec<String> = reply.lines().map(clean).collect();
        text.extend(["\n           ", &mx, &reply.join(" / ")]);
    }
    text
}

async fn retry(socket: &Path, wanted: &QueueRetry, json: bool) -> Result<(), Failure> {
    let mut paths = Vec::new();
    for text in &wanted.ids {
        paths.push(format!("/v1/queue/{}/retry", id(text)?));
    }
    if let Some(text) = &wanted.domain {
        let domain = Domain::parse(text)
            .map_err(|error| Failure::usage(format!("`{text}` is not a domain: {error}")))?;
        paths.push(format!("/v1/queue/retry?domain={}", encoded(&domain.to_string())));
    } else if wanted.all {
        paths.push("/v1/queue/retry".to_owned());
    }
    let recipients = change(socket, &Method::POST, &paths).await?.recipients.unwrap_or(0);
    if json {
        return terminal::print_json(&Changed { recipients: Some(recipients), messages: None });
    }
    terminal::print(&format!("{} due now", count(recipients, "recipient")))
}

async fn remove(socket: &Path, wanted: &QueueRemove, json: bool) -> Result<(), Failure> {
    let mut paths = Vec::new();
    for text in &wanted.ids {
        paths.push(format!("/v1/queue/{}", id(text)?));
    }
    let messages = change(socket, &Method::DELETE, &paths).await?.messages.unwrap_or(0);
    if json {
        return terminal::print_json(&Changed { messages: Some(messages), recipients: None });
    }
    terminal::print(&format!("{} removed", count(messages, "message")))
}

/// Does them all, and fails at the first that fails.
async fn change(socket: &Path, method: &Method, paths: &[String]) -> Result<Changed, Failure> {
    let mut all = Changed { messages: Some(0), recipients: Some(0) };
    let add = |sum: &mut Option<u64>, more: Option<u64>| *sum = Some(sum.unwrap_or(0) + more.unwrap_or(0));
    for path in paths {
        let changed: Changed = request(socket, method.clone(), path).await?;
        add(&mut all.messages, changed.messages);
        add(&mut all.recipients, changed.recipients);
    }
    Ok(all)
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
