//! Where mail may be told to go, as text: `smtp:HOST:PORT`, `lmtp:HOST:PORT`, `lmtp:unix:PATH`, `mx:DOMAIN`, `mx`.

use std::{
    net::IpAddr,
    path::{Component, Path},
};

use deliver::{Destination, NamedHost, Pattern, Protocol};
use mail::Domain;

use super::value::{self, Wrong};

/// What one text of `to` says.
#[derive(Debug, Clone)]
pub(super) enum One {
    /// All that there is to say.
    Destination(Destination),
    /// One of several hosts.
    Host(Protocol, NamedHost),
}

/// Reads one text.
pub(super) fn destination(text: &str) -> Result<One, Wrong> {
    const FORMS: &str = "write \"smtp:HOST\" or \"smtp:HOST:PORT\", \"lmtp:HOST:PORT\" or \"lmtp:unix:/PATH\" for a mail store, \"mx:DOMAIN\" for the MX of another domain, or \"mx\" for the domain's own";
    match text.split_once(':') {
        None if text == "mx" => Ok(One::Destination(Destination::Mx)),
        Some(("mx", name)) => match Pattern::parse(name) {
            Ok(Pattern::Domain(Domain::Name(name))) => Ok(One::Destination(Destination::MxOf(name))),
            _ => Err(Wrong::new(format!("`{name}` is not a domain")).hint(FORMS)),
        },
        Some(("smtp", rest)) => Ok(One::Host(Protocol::Smtp, host_and_port(rest)?)),
        Some(("lmtp", rest)) => Ok(One::Host(Protocol::Lmtp, store(rest)?)),
        _ => {
            let wrong = Wrong::new(format!("`{text}` does not say how the mail goes there"));
            Err(match host_and_port(text) {
                Ok(host) => wrong.hint(format!("write \"smtp:{host}\"")),
                Err(_) => wrong.hint(FORMS),
            })
        }
    }
}

/// What one text of `local` says.
#[derive(Debug, Clone)]
pub(super) enum Keeper {
    /// This server, in Maildirs.
    Maildir,
    /// This server, in the mailstore.
    Mailstore,
    /// A host that speaks LMTP.
    Store(NamedHost),
}

/// Reads who keeps the mailboxes of our own domains.
pub(super) fn keeper(text: &str) -> Result<Keeper, Wrong> {
    match text.split_once(':') {
        None if text == "maildir" => Ok(Keeper::Maildir),
        None if text == "mailstore" => Ok(Keeper::Mailstore),
        Some(("lmtp", rest)) => Ok(Keeper::Store(store(rest)?)),
        _ => Err(Wrong::new(format!("`{text}` keeps no mailboxes")).hint(
            "write \"maildir\", \"mailstore\", or \"lmtp:HOST:PORT\" or \"lmtp:unix:/PATH\" for a mail store",
        )),
    }
}

/// What speaks LMTP: `HOST:PORT`, or `unix:` and the path of a socket.
fn store(text: &str) -> Result<NamedHost, Wrong> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(path);
    }
    let host = host_and_port(text)?;
    match &host {
        // RFC 2033 §5: a server there would take us for a client of SMTP.
        NamedHost::Name(_, Some(25)) | NamedHost::Address(_, Some(25)) => {
            Err(Wrong::new("LMTP is never spoken on port 25")
                .hint("name the port that the store has for LMTP; 24 is usual"))
        }
        NamedHost::Name(_, None) | NamedHost::Address(_, None) => {
            Err(Wrong::new(format!("`{text}` has no port, and LMTP has no usual one"))
                .hint(format!("name the port that the store has for LMTP, such as \"lmtp:{host}:24\"")))
        }
        _ => Ok(host),
    }
}

/// A socket of this machine. `sockaddr_un(7)` has room for 107 octets and the end.
fn socket(path: &str) -> Result<NamedHost, Wrong> {
    const OCTETS_MAX: usize = 107;
    let wrong = |what: &str| Wrong::new(format!("`{path}` {what}"));
    let is_clean =
        Path::new(path).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.starts_with('/') || !is_clean || path.ends_with('/') || path.contains('\0') {
        return Err(wrong("is no path of a socket")
            .hint("write the whole path, such as \"lmtp:unix:/run/dovecot/lmtp\""));
    }
    if path.len() > OCTETS_MAX {
        return Err(
            wrong("is too long").hint(format!("the path of a socket has at most {OCTETS_MAX} octets"))
        );
    }
    Ok(NamedHost::Unix(path.into()))
}

/// `HOST`, `HOST:PORT`, or the same with an address; one of IPv6 stands in brackets.
fn host_and_port(text: &str) -> Result<NamedHost, Wrong> {
    let wrong = |hint: &str| Err(Wrong::new(format!("`{text}` is not a host")).hint(hint));
    if text.starts_with("unix:") {
        return wrong("a socket of this machine is for LMTP alone: \"lmtp:unix:/PATH\"");
    }
    if text.starts_with("//") {
        return wrong("this is no URL: leave the slashes out");
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return wrong("an IPv6 address stands in brackets, such as \"[2001:db8::1]\"");
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, Some(port)),
            _ => return wrong("a port is a number from 1 to 65535"),
        },
        _ => (text, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bracketed.unwrap_or(host).parse::<IpAddr>() {
        Ok(address) if bracketed.is_some() == address.is_ipv6() => Ok(NamedHost::Address(address, port)),
        // As Postfix writes what is not to be looked up as an MX.
        _ if bracketed.is_some() => {
            wrong("leave the brackets out: a host is looked up by its addresses, never by MX")
        }
        _ => Ok(NamedHost::Name(host_name(host)?, port)),
    }
}

pub(super) fn host_name(text: &str) -> Result<Box<str>, Wrong> {
    match Pattern::parse(text) {
        Ok(Pattern::Domain(Domain::Name(name))) if !value::numeric_top(&name) => Ok(name),
        _ => Err(Wrong::new(format!("`{text}` is not a host")).hint(
            "write a name or an address, such as \"mail.example.net\", \"192.0.2.1\" or \"[2001:db8::1]\"",
        )),
    }
}

/// The relay's port is a key of its own.
pub(super) fn relay_host(text: &str, port: Option<u16>) -> Result<NamedHost, Wrong> {
    if let Ok(address) = text.parse() {
        return Ok(NamedHost::Address(address, port));
    }
    match text.rsplit_once(':') {
        Some((host, digits)) if digits.parse::<u16>().is_ok() => {
            Err(Wrong::new(format!("`{text}` is not a host"))
                .hint(format!("the port is a key of its own: host = \"{host}\", port = {digits}")))
        }
        _ => Ok(NamedHost::Name(host_name(text)?, port)),
    }
}
