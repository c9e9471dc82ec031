//! The commands of IMAP4rev2, IMAP4rev1 and their extensions as values: what the server parses and a client writes.

mod access;
mod fetch;
mod list;
mod mailboxes;
mod notify;
mod parse;
mod search;
mod upload;
mod write;

use std::fmt;

use sasl::Password;

pub use access::{GetMetadata, MetadataEntries, RightsChange, SetAcl, SetMetadata, SetQuota};
pub use fetch::{Copy, Fetch, FetchItem, Section, SectionText, Slice, Store, StoreChange};
pub use list::{List, ListReturn, StatusItem};
pub use mailboxes::{Create, Qresync, Select, SpecialUse};
pub use notify::{Event, EventGroup, Mailboxes, Notify};
pub use search::{
    DateKind, EntryKind, Field, Page, Returns, Search, SearchKey, Sort, SortCriterion, SortKey, Thread,
    ThreadAlgorithm, When,
};
pub use upload::{Announcement, Behind, MessageHead, Target, Upload, announcement, behind};
pub(crate) use write::section as write_section;

/// The word that a client puts before a command, and the server before its answer (RFC 9051 §2.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// None: no tag may look so.
    pub fn new(text: &str) -> Option<Self> {
        let valid = !text.is_empty() && text.bytes().all(|b| b != b'+' && crate::scan::is_astring_char(b));
        valid.then(|| Self(text.into()))
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a client says in an authentication exchange, decoded. No log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Response(Box<[u8]>);

impl Response {
    /// Wraps octets.
    pub fn new(octets: impl Into<Box<[u8]>>) -> Self {
        Self(octets.into())
    }

    /// The octets: only for the exchange.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Response(..)")
    }
}

/// A command and its tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Comes back with the answer.
    pub tag: Tag,
    /// What is to be done.
    pub command: Command,
}

/// Names and values by which a program says what it is (RFC 2971).
pub type IdFields = Vec<(Box<str>, Option<Box<str>>)>;

/// What a client wants. APPEND and REPLACE are [`Upload`]s: their messages are never held as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `CAPABILITY` (RFC 9051 §6.1.1).
    Capability,
    /// `NOOP` (RFC 9051 §6.1.2).
    Noop,
    /// `LOGOUT` (RFC 9051 §6.1.3).
    Logout,
    /// `ID` (RFC 2971); `None` is NIL.
    Id(Option<IdFields>),
    /// `STARTTLS` (RFC 9051 §6.2.1).
    StartTls,
    /// `AUTHENTICATE mechanism [initial-response]` (RFC 9051 §6.2.2).
    Authenticate {
        /// The mechanism as it was named.
        mechanism: Box<str>,
        /// The initial response, decoded.
        initial: Option<Response>,
    },
    /// `LOGIN userid password` (RFC 9051 §6.2.3).
    Login {
        /// Who.
        user: Box<str>,
        /// By what.
        password: Password,
    },
    /// `ENABLE 1*(SP capability)` (RFC 9051 §6.3.1).
    Enable(Vec<Box<str>>),
    /// `SELECT` and `EXAMINE` (RFC 9051 §6.3.2, §6.3.3).
    Select(Box<Select>),
    /// `CREATE` (RFC 9051 §6.3.4).
    Create(Create),
    /// `DELETE` (RFC 9051 §6.3.5).
    Delete(crate::Mailbox),
    /// `RENAME` (RFC 9051 §6.3.6).
    Rename {
        /// The name that it has.
        from: crate::Mailbox,
        /// The name that it gets.
        to: crate::Mailbox,
    },
    /// `SUBSCRIBE` (RFC 9051 §6.3.7).
    Subscribe(crate::Mailbox),
    /// `UNSUBSCRIBE` (RFC 9051 §6.3.8).
    Unsubscribe(crate::Mailbox),
    /// `LIST` (RFC 9051 §6.3.9, RFC 5258).
    List(Box<List>),
    /// `LSUB` of IMAP4rev1 (RFC 3501 §6.3.9).
    Lsub {
        /// Where the pattern begins.
        reference: Box<str>,
        /// A name with wildcards.
        pattern: Box<str>,
    },
    /// `NAMESPACE` (RFC 9051 §6.3.10).
    Namespace,
    /// `STATUS` (RFC 9051 §6.3.11).
    Status {
        /// Of which.
        mailbox: crate::Mailbox,
        /// What about it.
        items: Vec<StatusItem>,
    },
    /// `IDLE` (RFC 9051 §6.3.13). `DONE` ends it.
    Idle,
    /// `GETQUOTA` (RFC 9208) of a quota root.
    GetQuota(Box<str>),
    /// `GETQUOTAROOT` (RFC 9208).
    GetQuotaRoot(crate::Mailbox),
    /// `SETQUOTA` (RFC 9208).
    SetQuota(SetQuota),
    /// `SETACL` (RFC 4314).
    SetAcl(Box<SetAcl>),
    /// `DELETEACL` (RFC 4314).
    DeleteAcl {
        /// Where.
        mailbox: crate::Mailbox,
        /// Whose rights.
        identifier: Box<str>,
    },
    /// `GETACL` (RFC 4314).
    GetAcl(crate::Mailbox),
    /// `LISTRIGHTS` (RFC 4314).
    ListRights {
        /// Where.
        mailbox: crate::Mailbox,
        /// Whose rights.
        identifier: Box<str>,
    },
    /// `MYRIGHTS` (RFC 4314).
    MyRights(crate::Mailbox),
    /// `GETMETADATA` (RFC 5464).
    GetMetadata(Box<GetMetadata>),
    /// `SETMETADATA` (RFC 5464).
    SetMetadata(Box<SetMetadata>),
    /// `NOTIFY` (RFC 5465).
    Notify(Notify),
    /// `COMPRESS DEFLATE` (RFC 4978).
    Compress,
    /// `CHECK` of IMAP4rev1 (RFC 3501 §6.4.1).
    Check,
    /// `CLOSE` (RFC 9051 §6.4.1).
    Close,
    /// `UNSELECT` (RFC 9051 §6.4.2).
    Unselect,
    /// `EXPUNGE` (RFC 9051 §6.4.3), or `UID EXPUNGE` with its set (RFC 9051 §6.4.9).
    Expunge(Option<crate::Sequence>),
    /// `SEARCH` (RFC 9051 §6.4.4).
    Search(Box<Search>),
    /// `SORT` (RFC 5256).
    Sort(Box<Sort>),
    /// `THREAD` (RFC 5256).
    Thread(Box<Thread>),
    /// `FETCH` (RFC 9051 §6.4.5).
    Fetch(Box<Fetch>),
    /// `STORE` (RFC 9051 §6.4.6).
    Store(Box<Store>),
    /// `COPY` (RFC 9051 §6.4.7).
    Copy(Box<Copy>),
    /// `MOVE` (RFC 9051 §6.4.8).
    Move(Box<Copy>),
}

/// How complex a command may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrammarLimits {
    /// Ranges in one set of numbers.
    pub set_ranges_max: usize,
    /// Items of one list in parentheses.
    pub list_items_max: usize,
    /// Keys in one search program.
    pub search_nodes_max: usize,
    /// How deep search keys nest.
    pub search_depth_max: usize,
}

impl Default for GrammarLimits {
    fn default() -> Self {
        Self { set_ranges_max: 10_000, list_items_max: 1000, search_nodes_max: 1000, search_depth_max: 32 }
    }
}

/// How commands are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grammar {
    /// Mailbox names are UTF-8 (RFC 9051 §5.1, RFC 6855) instead of modified UTF-7 (RFC 3501 §5.1.3).
    pub utf8: bool,
    /// How complex a command may be.
    pub limits: GrammarLimits,
}

/// Why a line is no command that can be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// It does not begin with a tag.
    Tag,
    /// No command that this server knows.
    Unknown,
    /// The arguments are not as the grammar has them.
    Syntax,
    /// More parts, or more deeply nested ones, than [`GrammarLimits`] allow.
    TooComplex,
    /// A mailbox name that cannot be one, or is not encoded as this session has it.
    MailboxName,
    /// The initial response of AUTHENTICATE is not base 64.
    Base64,
    /// A special use that is none (RFC 6154).
    UseAttribute,
    /// The content of a literal is missing.
    Incomplete,
}

/// For the client.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tag => "Line without a valid tag",
            Self::Unknown => "Unknown command",
            Self::Syntax => "Wrong arguments",
            Self::TooComplex => "Command has too many parts",
            Self::MailboxName => "Not a valid mailbox name",
            Self::Base64 => "Response is not base 64",
            Self::UseAttribute => "Unknown special use",
            Self::Incomplete => "Literal without its octets",
        })
    }
}

/// A line that is no command, with the tag to answer to if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The tag.
    pub tag: Option<Tag>,
    /// Why.
    pub error: CommandError,
}
