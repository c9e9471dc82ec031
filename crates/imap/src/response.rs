//! What the server says, as values (RFC 9051 §7), and how it is written: always so that it can be read.

mod code;
mod fetch;
mod found;
mod mailboxes;
mod structure;

use std::borrow::Cow;

pub use code::Code;
pub(crate) use fetch::extend_without_nul;
pub use fetch::{Content, ContentName, FetchValue, Fetched, Stream};
pub use found::{ESearch, Found, ThreadEntry};
pub use mailboxes::{
    Attribute, ListEntry, MetadataEntry, NamespaceEntry, QuotaResource, RightsEntry, StatusValue,
};
pub use structure::{
    Address, BodyStructure, Disposition, Envelope, Extension, Media, NString, Parameters, Part,
};

use crate::{
    Flag, Mailbox, SequenceSet, Tag,
    command::IdFields,
    text::{Side, Text},
};

/// A line of the server that answers no command by itself: `*` before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// `OK`, `NO`, `BAD`, `BYE`, `PREAUTH` (RFC 9051 §7.1).
    Status(Status),
    /// `CAPABILITY` (RFC 9051 §7.2.2).
    Capability(Vec<Box<str>>),
    /// `ENABLED` (RFC 9051 §7.2.1).
    Enabled(Vec<Box<str>>),
    /// `ID` (RFC 2971).
    Id(Option<IdFields>),
    /// `FLAGS` (RFC 9051 §7.3.5).
    Flags(Vec<Flag>),
    /// `LIST` (RFC 9051 §7.3.1).
    List(Box<ListEntry>),
    /// `LSUB` of IMAP4rev1 (RFC 3501 §7.2.3).
    Lsub(Box<ListEntry>),
    /// `STATUS` (RFC 9051 §7.3.3).
    StatusOf {
        /// Of which.
        mailbox: Mailbox,
        /// What about it.
        values: Vec<StatusValue>,
    },
    /// `NAMESPACE` (RFC 9051 §7.3.2).
    Namespace {
        /// The user's own.
        personal: Vec<NamespaceEntry>,
        /// Those of other users.
        others: Vec<NamespaceEntry>,
        /// Those of all.
        shared: Vec<NamespaceEntry>,
    },
    /// `SEARCH` of IMAP4rev1 (RFC 3501 §7.2.5), with the highest mod-sequence if one was looked for (RFC 7162).
    Search(Vec<u32>, Option<u64>),
    /// `SORT` (RFC 5256), in order; as SEARCH.
    Sort(Vec<u32>, Option<u64>),
    /// `ESEARCH` (RFC 9051 §7.3.4).
    ESearch(Box<ESearch>),
    /// `THREAD` (RFC 5256): each message after the one that it answers, one level deeper.
    Thread(Vec<ThreadEntry>),
    /// `EXISTS` (RFC 9051 §7.4.1).
    Exists(u32),
    /// `RECENT` of IMAP4rev1 (RFC 3501 §7.3.2).
    Recent(u32),
    /// `EXPUNGE` (RFC 9051 §7.5.1) of a message number.
    Expunge(u32),
    /// `VANISHED` (RFC 7162).
    Vanished {
        /// `(EARLIER)`: before this session, or asked for; message numbers do not change by it.
        earlier: bool,
        /// The UIDs; not empty.
        uids: SequenceSet,
    },
    /// `FETCH` (RFC 9051 §7.5.2).
    Fetch(Box<Fetched>),
    /// `QUOTA` (RFC 9208).
    Quota {
        /// The quota root.
        root: Box<str>,
        /// Its resources.
        resources: Vec<QuotaResource>,
    },
    /// `QUOTAROOT` (RFC 9208).
    QuotaRoot {
        /// Of which.
        mailbox: Mailbox,
        /// Its roots.
        roots: Vec<Box<str>>,
    },
    /// `ACL` (RFC 4314).
    Acl {
        /// Of which.
        mailbox: Mailbox,
        /// Who may do what.
        entries: Vec<RightsEntry>,
    },
    /// `LISTRIGHTS` (RFC 4314).
    ListRights {
        /// Of which.
        mailbox: Mailbox,
        /// For whom.
        identifier: Box<str>,
        /// What is always granted.
        required: Box<str>,
        /// What can be granted, in groups that go together.
        optional: Vec<Box<str>>,
    },
    /// `MYRIGHTS` (RFC 4314).
    MyRights {
        /// Of which.
        mailbox: Mailbox,
        /// What the user may do.
        rights: Box<str>,
    },
    /// `METADATA` with values (RFC 5464 §4.4.1).
    Metadata {
        /// Of which; `None`: of the server.
        mailbox: Option<Mailbox>,
        /// Names and values, at least one.
        values: Vec<MetadataEntry>,
    },
    /// `METADATA` with names alone: they have changed (RFC 5464 §4.4.2).
    MetadataChanged {
        /// Of which; `None`: of the server.
        mailbox: Option<Mailbox>,
        /// Names, at least one.
        names: Vec<Box<str>>,
    },
}

/// A status with its code and its text (RFC 9051 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub kind: StatusKind,
    /// For programs.
    pub code: Option<Code>,
    /// For people.
    pub text: Cow<'static, str>,
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    /// Well.
    Ok,
    /// It failed.
    No,
    /// It was wrong.
    Bad,
    /// The session ends.
    Bye,
    /// The session begins, and the client is known already.
    PreAuth,
}

/// What goes out, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Octets.
    Octets(Vec<u8>),
    /// The octets of a literal that were announced, and are held by whoever made the response.
    Stream(Stream),
}

/// How responses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialect {
    /// The client reads UTF-8 in quotes, mailbox names and texts: it has enabled IMAP4rev2 or UTF8=ACCEPT.
    pub utf8: bool,
}

impl Status {
    /// `OK`
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: StatusKind::Ok, code: None, text: text.into() }
    }

    /// `NO`
    pub fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: StatusKind::No, code: None, text: text.into() }
    }

    /// `BAD`
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: StatusKind::Bad, code: None, text: text.into() }
    }

    /// `BYE`
    pub fn bye(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: StatusKind::Bye, code: None, text: text.into() }
    }

    /// With this code.
    #[must_use]
    pub fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Whether it is `OK`.
    pub fn is_ok(&self) -> bool {
        self.kind == StatusKind::Ok
    }

    /// As the answer to a command, with its CRLF.
    pub fn answer_to(&self, tag: &Tag, dialect: Dialect) -> Vec<u8> {
        let mut out = Text::new(Side::Server, dialect.utf8);
        out.show(tag);
        out.sp();
        self.write(&mut out);
        out.raw("\r\n");
        out.octets
    }

    fn write(&self, out: &mut Text) {
        out.raw(match self.kind {
            StatusKind::Ok => "OK ",
            StatusKind::No => "NO ",
            StatusKind::Bad => "BAD ",
            StatusKind::Bye => "BYE ",
            StatusKind::PreAuth => "PREAUTH ",
        });
        let code = self.code.as_ref().filter(|code| !code.is_empty());
        if let Some(code) = code {
            code.write(out);
            out.sp();
        }
        out.words(&self.text, code.is_none());
    }
}

impl Response {
    /// Whether it tells of nothing at all, for which there is no form.
    fn is_empty(&self) -> bool {
        match self {
            Self::Fetch(fetched) => fetched.values.is_empty(),
            Self::Vanished { uids, .. } => uids.is_empty(),
            Self::Metadata { values, .. } => values.is_empty(),
            Self::MetadataChanged { names, .. } => names.is_empty(),
            _ => false,
        }
    }

    /// With its CRLF. Without streams it is one run of octets; nothing, if it tells of nothing.
    pub fn write(&self, dialect: Dialect) -> Vec<Outgoing> {
        if self.is_empty() { Vec::new() } else { self.write_behind(Vec::new(), dialect) }
    }

    /// The same in one run with octets that go before: they are the first of what is given back.
    pub(crate) fn write_behind(&self, before: Vec<u8>, dialect: Dialect) -> Vec<Outgoing> {
        if self.is_empty() {
            return vec![Outgoing::Octets(before)];
        }
        let mut out = Text::behind(before, Side::Server, dialect.utf8);
        out.raw("* ");
        match self {
            Self::Status(status) => status.write(&mut out),
            Self::Capability(names) => words(&mut out, "CAPABILITY", names),
            Self::Enabled(names) => words(&mut out, "ENABLED", names),
            Self::Id(fields) => {
                out.raw("ID ");
                out.id(fields.as_ref());
            }
            Self::Flags(flags) => {
                out.raw("FLAGS ");
                out.flags(flags);
            }
            Self::Exists(count) => out.show(format_args!("{count} EXISTS")),
            Self::Recent(count) => out.show(format_args!("{count} RECENT")),
            Self::Expunge(number) => out.show(format_args!("{number} EXPUNGE")),
            Self::Vanished { earlier, uids } => {
                out.show(format_args!("VANISHED {}{uids}", if *earlier { "(EARLIER) " } else { "" }));
            }
            Self::Search(numbers, mod_seq) => found::write_numbers(&mut out, "SEARCH", numbers, *mod_seq),
            Self::Sort(numbers, mod_seq) => found::write_numbers(&mut out, "SORT", numbers, *mod_seq),
            Self::ESearch(found) => found.write(&mut out),
            Self::Thread(entries) => found::write_threads(&mut out, entries),
            Self::Fetch(fetched) => fetched.write(&mut out),
            of_mailboxes => mailboxes::write(&mut out, of_mailboxes),
        }
        out.raw("\r\n");
        out.outgoing()
    }
}

/// A word and more behind it.
fn words(out: &mut Text, word: &str, more: &[Box<str>]) {
    out.raw(word);
    for word in more {
        out.sp();
        out.raw(word);
    }
}

/// `+` and a text for people: the client may go on (RFC 9051 §7.6).
pub fn continuation(text: &str) -> Vec<u8> {
    let mut out = Text::new(Side::Server, false);
    out.raw("+ ");
    out.words(text, true);
    out.raw("\r\n");
    out.octets
}

/// `+` and a challenge of an authentication exchange (RFC 9051 §6.2.2).
pub fn challenge(octets: &[u8]) -> Vec<u8> {
    format!("+ {}\r\n", sasl::base64::encode(octets)).into_bytes()
}
