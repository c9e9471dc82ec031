//! What is told of mailboxes: LIST, STATUS, NAMESPACE (RFC 9051 §7.3), quota, rights and annotations.

use std::fmt;

use super::Response;
use crate::{
    Mailbox, ObjectId,
    command::{SpecialUse, StatusItem},
    scan::is_atom,
    text::Text,
};

/// One mailbox in LIST or LSUB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// What it is.
    pub attributes: Vec<Attribute>,
    /// What separates levels in names; `None`: there are none.
    pub separator: Option<char>,
    /// The name. `None` if only the separator was asked for: an empty one is written (RFC 9051 §6.3.9).
    pub mailbox: Option<Mailbox>,
    /// `CHILDINFO`: what RECURSIVEMATCH was asked with, and is true of something below (RFC 5258).
    pub child_info: bool,
    /// `OLDNAME`: the name that it had (RFC 9051 §6.3.9.7).
    pub old_name: Option<Mailbox>,
}

/// What a mailbox is (RFC 9051 §7.3.1, RFC 6154).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// `\NonExistent`
    NonExistent,
    /// `\Noinferiors`
    NoInferiors,
    /// `\Noselect`
    NoSelect,
    /// `\NoAccess`: it can be seen, and that is all (RFC 5465 §3.1).
    NoAccess,
    /// `\HasChildren`
    HasChildren,
    /// `\HasNoChildren`
    HasNoChildren,
    /// `\Marked`
    Marked,
    /// `\Unmarked`
    Unmarked,
    /// `\Subscribed`
    Subscribed,
    /// `\Remote`
    Remote,
    /// Its special use.
    Use(SpecialUse),
}

/// As in LIST.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NonExistent => "\\NonExistent",
            Self::NoInferiors => "\\Noinferiors",
            Self::NoSelect => "\\Noselect",
            Self::NoAccess => "\\NoAccess",
            Self::HasChildren => "\\HasChildren",
            Self::HasNoChildren => "\\HasNoChildren",
            Self::Marked => "\\Marked",
            Self::Unmarked => "\\Unmarked",
            Self::Subscribed => "\\Subscribed",
            Self::Remote => "\\Remote",
            Self::Use(special) => return special.fmt(f),
        })
    }
}

/// One thing that STATUS tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusValue {
    /// Any that is a number.
    Number(StatusItem, u64),
    /// `MAILBOXID` (RFC 8474).
    MailboxId(ObjectId),
    /// `APPENDLIMIT`; `None`: there is no limit (RFC 7889).
    AppendLimit(Option<u32>),
}

/// Where names of a kind begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceEntry {
    /// How they begin.
    pub prefix: Box<str>,
    /// What separates levels.
    pub separator: Option<char>,
}

/// One resource of a quota root (RFC 9208).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaResource {
    /// As `STORAGE`: an atom. What is none is not told.
    pub name: Box<str>,
    /// How much is used.
    pub usage: u64,
    /// How much may be.
    pub limit: u64,
}

/// The rights of one (RFC 4314).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsEntry {
    /// Whose.
    pub identifier: Box<str>,
    /// Letters and digits.
    pub rights: Box<str>,
}

/// An annotation (RFC 5464).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataEntry {
    /// Its name.
    pub name: Box<str>,
    /// Its value; `None`: there is none.
    pub value: Option<Box<[u8]>>,
}

pub(super) fn write(out: &mut Text, response: &Response) {
    match response {
        Response::List(entry) => write_list(out, "LIST ", entry),
        Response::Lsub(entry) => write_list(out, "LSUB ", entry),
        Response::StatusOf { mailbox, values } => {
            named(out, "STATUS", mailbox);
            out.sp();
            out.list(values, write_status);
        }
        Response::Namespace { personal, others, shared } => {
            out.raw("NAMESPACE ");
            out.spaced([personal, others, shared], |out, entries| write_namespace(out, entries));
        }
        Response::Quota { root, resources } => {
            strings(out, "QUOTA", [&**root]);
            out.sp();
            let known = resources.iter().filter(|of| is_atom(&of.name));
            out.list(known, |out, of| out.show(format_args!("{} {} {}", of.name, of.usage, of.limit)));
        }
        Response::QuotaRoot { mailbox, roots } => {
            named(out, "QUOTAROOT", mailbox);
            strings(out, "", roots.iter().map(|root| &**root));
        }
        Response::Acl { mailbox, entries } => {
            named(out, "ACL", mailbox);
            strings(out, "", entries.iter().flat_map(|entry| [&*entry.identifier, &*entry.rights]));
        }
        Response::ListRights { mailbox, identifier, required, optional } => {
            named(out, "LISTRIGHTS", mailbox);
            strings(out, "", [&**identifier, &**required]);
            strings(out, "", optional.iter().map(|rights| &**rights));
        }
        Response::MyRights { mailbox, rights } => {
            named(out, "MYRIGHTS", mailbox);
            strings(out, "", [&**rights]);
        }
        Response::Metadata { mailbox, values } => {
            out.raw("METADATA ");
            out.name(mailbox.as_ref().map_or("", Mailbox::as_str));
            out.sp();
            out.list(values, |out, entry| {
                out.astring(entry.name.as_bytes());
                out.sp();
                out.nstring8(entry.value.as_deref());
            });
        }
        Response::MetadataChanged { mailbox, names } => {
            out.raw("METADATA ");
            out.name(mailbox.as_ref().map_or("", Mailbox::as_str));
            strings(out, "", names.iter().map(|name| &**name));
        }
        _ => {}
    }
}

fn named(out: &mut Text, word: &str, mailbox: &Mailbox) {
    out.raw(word);
    out.sp();
    out.mailbox(mailbox);
}

fn strings<'a>(out: &mut Text, word: &str, strings: impl IntoIterator<Item = &'a str>) {
    out.raw(word);
    for text in strings {
        out.sp();
        out.astring(text.as_bytes());
    }
}

fn write_list(out: &mut Text, word: &str, entry: &ListEntry) {
    out.raw(word);
    out.list(&entry.attributes, Text::show);
    out.sp();
    write_separator(out, entry.separator);
    out.sp();
    out.name(entry.mailbox.as_ref().map_or("", Mailbox::as_str));
    if entry.child_info || entry.old_name.is_some() {
        out.raw(" (");
        if entry.child_info {
            out.raw("\"CHILDINFO\" (\"SUBSCRIBED\")");
        }
        if let Some(old) = &entry.old_name {
            out.raw(if entry.child_info { " " } else { "" });
            out.raw("\"OLDNAME\" (");
            out.mailbox(old);
            out.raw(")");
        }
        out.raw(")");
    }
}

/// `DQUOTE QUOTED-CHAR DQUOTE / nil`. One that is no ASCII is as good as none.
fn write_separator(out: &mut Text, separator: Option<char>) {
    match separator.filter(|c| (' '..='~').contains(c)) {
        Some(c) => out.string(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.raw("NIL"),
    }
}

fn write_status(out: &mut Text, value: &StatusValue) {
    match value {
        StatusValue::Number(item, number) => out.show(format_args!("{} {number}", item.name())),
        StatusValue::MailboxId(id) => out.show(format_args!("MAILBOXID ({id})")),
        StatusValue::AppendLimit(Some(octets)) => out.show(format_args!("APPENDLIMIT {octets}")),
        StatusValue::AppendLimit(None) => out.raw("APPENDLIMIT NIL"),
    }
}

/// `nil / "(" 1*namespace-descr ")"`, without spaces between.
fn write_namespace(out: &mut Text, entries: &[NamespaceEntry]) {
    if entries.is_empty() {
        out.raw("NIL");
        return;
    }
    out.raw("(");
    for entry in entries {
        out.raw("(");
        let prefix = if out.utf8 { String::from(&*entry.prefix) } else { crate::utf7::encode(&entry.prefix) };
        out.string(prefix.as_bytes());
        out.sp();
        write_separator(out, entry.separator);
        out.raw(")");
    }
    out.raw(")");
}
