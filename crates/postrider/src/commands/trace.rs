//! `postrider trace`: a message's way, told from the event log.

use std::{path::Path, sync::Arc};

use admin::api::Trace as Document;
use events::{Auth, Event, Kind, Query, Reader};
use mail::QueueId;

use crate::{
    cli::Trace,
    client::{ClientError, encoded, get},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, size_text},
};

pub(crate) fn run(wanted: &Trace, json: bool) -> Result<(), Failure> {
    let dir = place::data_dir(&wanted.place)?;
    let what = wanted.what.trim();
    if what.is_empty() {
        return Err(Failure::usage("nothing to trace").hint("give a queue id, an address or a Message-ID"));
    }
    let events = find(&dir, what)?;
    if events.is_empty() {
        let failure = Failure::new(format!("no message found for `{}` on {}", clean(what), dir.display()));
        return Err(failure.hint("another server can be named with --config FILE or --dir DIR"));
    }
    if json {
        return events.iter().try_for_each(terminal::print_json_line);
    }
    terminal::print(&story(&events))
}

/// Asks the server, for it knows best; without one reads what it left.
fn find(dir: &Path, what: &str) -> Result<Vec<Event>, Failure> {
    let path = format!("/v1/trace?q={}", encoded(what));
    let socket = config::control_socket(dir);
    let answer = super::run(async { Ok(get::<Document>(&socket, &path).await) })?;
    match answer {
        Ok(document) => Ok(document.events),
        Err(ClientError::Failed(failure)) => Err(failure),
        Err(ClientError::NotRunning(failure)) => {
            let events = config::events_dir(dir);
            if !events.is_dir() {
                return Err(failure);
            }
            let reader = Reader::new(events, Arc::new(disk::OsDisk));
            admin::trace(&reader, &Query::guess(what)).map_err(Failure::new)
        }
    }
}

/// Each message under a heading, each event on a line.
fn story(events: &[Event]) -> String {
    let mut lines = Vec::new();
    let mut current: Option<QueueId> = None;
    for event in events {
        if current != Some(event.id) {
            lines.extend(current.map(|_| String::new()));
            lines.push(event.id.to_string());
            current = Some(event.id);
        }
        lines.push(format!("  {}  {:<15} {}", time(event), clean(&event.station), sentence(event)));
    }
    lines.join("\n")
}

pub(crate) fn time(event: &Event) -> String {
    event.at.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

/// What happened, in words; shared with `postrider dev`.
pub(crate) fn sentence(event: &Event) -> String {
    let mut text = kind_word(event.kind).to_owned();
    let tls = event.tls.as_ref();
    let over = tls.and_then(|tls| tls.protocol.as_ref()).map(|protocol| format!(" over {protocol}"));
    let over = over.unwrap_or_default();
    let mut add = |label: &str, value: Option<String>| {
        text.extend(value.into_iter().flat_map(|value| [label.to_owned(), clean(&value)]));
    };
    add(" (", (!event.actions.is_empty()).then(|| event.actions.join(", ") + ")"));
    add(" from ", event.reverse_path.as_ref().map(|path| format!("<{path}>")));
    add(if event.kind == Kind::Deferred { " for " } else { " to " }, recipients(event));
    add(", given as ", addresses(event.original_recipients.iter()));
    add(", ", event.size.map(size_text));
    add(", client ", event.client.as_ref().map(|client| format!("{client}{over}")));
    add(", account ", event.account.clone());
    add(", ", event.message_id.clone());
    add(
        " via ",
        event.mx.as_ref().map(|mx| match &mx.address {
            Some(address) => format!("{} [{address}]{over}", mx.host),
            None => format!("{}{over}", mx.host),
        }),
    );
    add(" as message ", event.report.map(|report| report.to_string()));
    add(": ", event.reply.as_ref().map(|reply| reply.lines().collect::<Vec<_>>().join(" / ")));
    add("; ", event.reason.clone());
    // Why nothing was sent is in the reply.
    let went = event.kind != Kind::Deferred && event.kind != Kind::Expired;
    add("; in clear, though TLS is offered: ", tls.filter(|_| went).and_then(|tls| tls.failure.clone()));
    add("; so ", event.auth.as_deref().map(decided));
    add("; by rule ", event.rule.clone());
    add(
        "; attempt ",
        event.attempt.filter(|_| event.kind == Kind::Deferred).map(|attempt| attempt.to_string()),
    );
    add(", next ", event.next_due.map(|due| due.to_string()));
    text
}

/// What was decided about a message that was checked.
fn decided(auth: &Auth) -> String {
    let word = match auth.disposition.as_str() {
        "accept" => "accepted",
        "junk" => "junk",
        "hold" => "held",
        "reject" => "refused",
        other => other,
    };
    let why = auth.why.as_ref().map(|why| format!(", for {why}")).unwrap_or_default();
    let overridden = match auth.overridden.as_deref() {
        Some("trusted_forwarder") => ", for a trusted sealer says that it was its author's",
        Some("mailing_list") => ", though DMARC asks for refusal, for it comes from a mailing list",
        Some("local_policy") => ", for a rule decides",
        _ => "",
    };
    format!("{word}{why}{overridden}")
}

fn recipients(event: &Event) -> Option<String> {
    addresses(event.recipient.iter().chain(&event.recipients))
}

/// All addresses, or of many the first few.
fn addresses<'a>(all: impl Iterator<Item = &'a String>) -> Option<String> {
    const SHOWN: usize = 3;
    let all: Vec<&String> = all.collect();
    let shown: Vec<String> = all.iter().take(SHOWN).map(|to| format!("<{to}>")).collect();
    let more = all.len().saturating_sub(SHOWN);
    match more {
        _ if all.is_empty() => None,
        0 => Some(shown.join(", ")),
        _ => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Accepted => "accepted",
        Kind::Checked => "checked",
        Kind::Deferred => "deferred",
        Kind::Delivered => "delivered",
        Kind::Bounced => "bounced",
        Kind::Expired => "expired",
        Kind::Dropped => "dropped",
        Kind::Expanded => "sent on",
        Kind::Dsn => "report sent",
        Kind::Removed => "removed by the operator",
        Kind::DiscardedReport => "report discarded",
        Kind::Refused => "refused",
        Kind::Junk => "marked as junk",
        Kind::Held => "put on hold",
        Kind::Released => "taken off hold",
        Kind::Damaged => "damaged in the spool",
        Kind::Unknown => "something that this version does not know",
    }
}

#[cfg(test)]
mod tests {
    use events::{Mx, Tls};
    use mail::Timestamp;

    use super::*;

    #[test]
    fn how_a_session_was_protected_is_told() {
        let at = Timestamp::from_millis(1_795_456_934_000);
        let mut event = Event::new(at, QueueId::new(at, 0, 1), Kind::Delivered, "deliver/remote");
        event.mx = Some(Mx { host: "mx.example.org".into(), address: Some("192.0.2.1:25".into()) });
        let tls = |protocol: Option<&str>, failure: Option<&str>| Tls {
            protocol: protocol.map(str::to_owned),
            failure: failure.map(str::to_owned),
            ..Tls::default()
        };
        event.tls = Some(tls(Some("TLSv1.3"), None));
        assert_eq!(sentence(&event), "delivered via mx.example.org [192.0.2.1:25] over TLSv1.3");
        event.tls = Some(tls(None, Some("the host closed at STARTTLS")));
        assert_eq!(
            sentence(&event),
            "delivered via mx.example.org [192.0.2.1:25]; in clear, though TLS is offered: the host closed at STARTTLS"
        );
    }
}
