//! Tells that the server is ready, and in `dev` one line per message.

use std::{
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use admin::api::Listener;
use events::{Event, Kind};
use serde_json::json;

use crate::{commands::trace::sentence, failure::Failure, terminal};

/// Lines that wait for a slow terminal; what is beyond is not shown. The event log has it.
const LINES_MAX: usize = 10_000;

/// Who watches standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// A service manager: there is the log.
    Log,
    /// A program: a line of JSON when ready, then one for each event.
    Program,
    /// Somebody who tries things out.
    Developer { colours: bool },
}

/// What there is to tell.
pub(super) struct Ready<'a> {
    pub version: &'a str,
    pub pid: u32,
    pub listeners: &'a [Listener],
    pub data_dir: &'a Path,
    /// Where Maildirs are, if mail is filed into some.
    pub maildir: Option<&'a Path>,
    /// Whose mailbox holds all mail, if one does.
    pub mailbox: Option<&'a str>,
    /// What a client has to trust to believe our certificate.
    pub authority: Option<&'a Path>,
}

/// Says that mail is served now.
pub(super) fn ready(audience: Audience, ready: &Ready<'_>) -> Result<(), Failure> {
    match audience {
        Audience::Log => Ok(()),
        Audience::Program => terminal::print_json_line(&json!({
            "ready": true, "version": ready.version, "pid": ready.pid, "listeners": ready.listeners,
            "data_dir": ready.data_dir, "maildir": ready.maildir, "mailbox": ready.mailbox, "authority": ready.authority,
        })),
        Audience::Developer { colours } => terminal::print(&banner(ready, colours)),
    }
}

/// What is told of those who ask for a login: service, kind of TLS, and the words for both.
const LOGINS: [(&str, &str, &str, &str); 6] = [
    ("submission", "starttls", "login", "with STARTTLS"),
    ("submission", "implicit", "login", "under TLS"),
    ("imap", "starttls", "IMAP ", "in clear or with STARTTLS"),
    ("imap", "implicit", "IMAP ", "under TLS"),
    ("pop3", "starttls", "POP3 ", "in clear or with STLS"),
    ("pop3", "implicit", "POP3 ", "under TLS"),
];

fn banner(ready: &Ready<'_>, colours: bool) -> String {
    let (bold, plain) = if colours { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let at = |service: &str, tls: &str| {
        let wanted = |listener: &&Listener| listener.service == service && listener.tls == tls;
        let wanted = ready.listeners.iter().filter(wanted);
        wanted.map(|listener| listener.address.as_str()).collect::<Vec<_>>().join(", ")
    };
    let open = at("dev", "none");
    let first = open.split(", ").next().unwrap_or_default();
    let logins = LOGINS
        .map(|(service, tls, word, manner)| match at(service, tls) {
            addresses if addresses.is_empty() => String::new(),
            addresses => format!("  {word}  {bold}{addresses}{plain}  {manner}, any user and password\n"),
        })
        .concat();
    let authority = ready.authority.filter(|_| !logins.is_empty()).map(|authority| {
        format!("  trust  {bold}{}{plain}  for TLS; made for this machine alone\n", authority.display())
    });
    let authority = authority.unwrap_or_default();
    let (dir, mailbox) = (ready.data_dir.display(), ready.mailbox.unwrap_or_default());
    let imap = at("imap", "starttls");
    let read = match imap.split(", ").next().filter(|imap| !imap.is_empty()) {
        Some(imap) => {
            format!("curl -u any:word 'imap://{imap}/INBOX;MAILINDEX=1'   or any program that reads mail")
        }
        None => format!("postrider mailbox export {mailbox} --dir {dir} --format mbox --to NEW-DIRECTORY"),
    };
    format!(
        "{bold}Postrider {}{plain}, for development\n\n  \
         SMTP   {bold}{open}{plain}  takes any mail from anybody who can reach it\n{logins}{authority}  \
         mail   {bold}{dir}{plain}  holds every message; who logs in sees them all; nothing leaves this machine\n  \
         try    swaks --server {first} --from me@example.com --to anna@example.org\n  \
         or     printf 'Subject: Hello\\n\\nHello!\\n' | curl -T - smtp://{first} --mail-from me@example.com --mail-rcpt anna@example.org\n  \
         read   {read}\n  \
         stop   Ctrl-C\n",
        ready.version,
    )
}

/// A subscriber of the event log that prints. It must never make the log wait, so the terminal gets a thread of its own.
pub(super) fn subscriber(audience: Audience) -> Option<events::Subscriber> {
    let lines = match audience {
        Audience::Log => return None,
        Audience::Program | Audience::Developer { .. } => printer()?,
    };
    Some(Box::new(move |line| {
        let text = match audience {
            Audience::Program => str::from_utf8(line).ok().map(str::to_owned),
            _ => Event::from_line(line).as_ref().and_then(line_of),
        };
        // Ended only when the printer is gone, not when it is slow.
        text.is_none_or(|text| {
            !matches!(lines.try_send(text), Err(std::sync::mpsc::TrySendError::Disconnected(_)))
        })
    }))
}

fn printer() -> Option<SyncSender<String>> {
    let (sender, receiver) = sync_channel::<String>(LINES_MAX);
    let print = move || {
        for line in receiver {
            if terminal::print(&line).is_err() {
                return;
            }
        }
    };
    // Without it the server works as well.
    thread::Builder::new().name("announce".into()).spawn(print).ok().map(|_| sender)
}

/// A message's line in `dev`: that it came. Where it went is the banner's second line; only what failed is worth another.
fn line_of(event: &Event) -> Option<String> {
    let at = event.at.to_string();
    let time = at.get(11..19).unwrap_or_default();
    let filed = matches!(event.kind, Kind::Delivered);
    (!filed).then(|| format!("{time}  {}  {}", event.id, sentence(event)))
}

#[cfg(test)]
mod tests {
    use mail::{QueueId, Timestamp};

    use super::*;

    fn ready(listeners: &[Listener]) -> Ready<'_> {
        let (data_dir, authority) = (Path::new("/tmp/dev"), Some(Path::new("/tmp/dev/tls/ca.pem")));
        let mailbox = Some("dev@postrider.localhost");
        Ready { version: "0.1.0", pid: 1, listeners, data_dir, maildir: None, mailbox, authority }
    }

    #[test]
    fn the_banner_tells_all_that_is_needed() {
        let listener = |service: &str, address: &str, tls: &str| Listener {
            service: service.into(),
            address: address.into(),
            tls: tls.into(),
        };
        let listeners = [
            listener("dev", "127.0.0.1:2525", "none"),
            listener("dev", "[::1]:2525", "none"),
            listener("submission", "127.0.0.1:2587", "starttls"),
            listener("submission", "127.0.0.1:2465", "implicit"),
            listener("imap", "127.0.0.1:2143", "starttls"),
            listener("imap", "[::1]:2143", "starttls"),
            listener("imap", "127.0.0.1:2993", "implicit"),
            listener("pop3", "127.0.0.1:2110", "starttls"),
            listener("pop3", "127.0.0.1:2995", "implicit"),
        ];
        let text = banner(&ready(&listeners), false);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn without_imap_the_banner_names_another_way_to_the_mail() {
        let listeners =
            [Listener { service: "dev".into(), address: "127.0.0.1:9".into(), tls: "none".into() }];
        let text = banner(&ready(&listeners), false);
        assert!(
            text.contains("\n  read   postrider mailbox export dev@postrider.localhost --dir /tmp/dev "),
            "{text}"
        );
        assert!(!text.contains("IMAP") && !text.contains("trust"), "{text}");
    }

    #[test]
    fn a_message_is_one_line() {
        let at = Timestamp::from_millis(1_795_456_934_000);
        let mut event = Event::new(at, QueueId::new(at, 0, 1), Kind::Accepted, "receive");
        event.reverse_path = Some("me@example.com".into());
        event.recipients = vec!["anna@example.org".into(), "bert@example.org".into()];
        event.size = Some(10_342);
        let line = line_of(&event).unwrap();
        assert!(line.starts_with("18:02:14  "), "{line}");
        assert!(
            line.ends_with(
                "accepted from <me@example.com> to <anna@example.org>, <bert@example.org>, 10.0 KiB"
            ),
            "{line}"
        );
        event.kind = Kind::Delivered;
        assert_eq!(line_of(&event), None);
    }
}
