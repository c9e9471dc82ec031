//! LIST with its options, LSUB and STATUS (RFC 9051 §6.3.9, §6.3.11; RFC 5258, RFC 5819, RFC 6154, RFC 8440).

use super::{Command, CommandError, parse::mailbox};
use crate::{
    mailbox::Mailbox,
    scan::{Scan, Scanned},
};

/// The arguments of LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the standard has so many independent options")]
pub struct List {
    /// `SUBSCRIBED`: only those that are subscribed to, also if they do not exist.
    pub subscribed: bool,
    /// `REMOTE`: those on other servers too.
    pub remote: bool,
    /// `RECURSIVEMATCH`: also those that do not match, but have one below them that does.
    pub recursive: bool,
    /// `SPECIAL-USE`: only those with a special use.
    pub special_use: bool,
    /// Where patterns begin.
    pub reference: Box<str>,
    /// Names with wildcards, at least one. An empty one, alone and without options, asks for the separator.
    pub patterns: Vec<Box<str>>,
    /// Options or several patterns were given: it is the extended form (RFC 5258).
    pub extended: bool,
    /// What is told of each.
    pub returns: ListReturn,
}

/// What LIST is to tell of each mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the standard has so many independent options")]
pub struct ListReturn {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `CHILDREN`
    pub children: bool,
    /// `SPECIAL-USE`
    pub special_use: bool,
    /// `MYRIGHTS`
    pub my_rights: bool,
    /// `STATUS`, with its items.
    pub status: Option<Vec<StatusItem>>,
}

/// What STATUS can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusItem {
    /// Messages.
    Messages,
    /// Messages that no session has seen before; of IMAP4rev1.
    Recent,
    /// The UID that the next message gets at the least.
    UidNext,
    /// The UIDVALIDITY.
    UidValidity,
    /// Messages without `\Seen`.
    Unseen,
    /// The octets of all messages (RFC 8438).
    Size,
    /// Messages with `\Deleted`.
    Deleted,
    /// The octets that expunging would free (RFC 9208).
    DeletedStorage,
    /// The highest mod-sequence (RFC 7162).
    HighestModSeq,
    /// The mailbox's own name that never changes (RFC 8474).
    MailboxId,
    /// The most octets of a message (RFC 7889).
    AppendLimit,
}

impl StatusItem {
    const ALL: [Self; 11] = [
        Self::Messages,
        Self::Recent,
        Self::UidNext,
        Self::UidValidity,
        Self::Unseen,
        Self::Size,
        Self::Deleted,
        Self::DeletedStorage,
        Self::HighestModSeq,
        Self::MailboxId,
        Self::AppendLimit,
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
            Self::Size => "SIZE",
            Self::Deleted => "DELETED",
            Self::DeletedStorage => "DELETED-STORAGE",
            Self::HighestModSeq => "HIGHESTMODSEQ",
            Self::MailboxId => "MAILBOXID",
            Self::AppendLimit => "APPENDLIMIT",
        }
    }

    fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        let name = scan.keyword()?;
        Self::ALL.into_iter().find(|item| item.name() == name).ok_or(CommandError::Syntax)
    }
}

pub(super) fn status(scan: &mut Scan<'_>) -> Scanned<Command> {
    let mailbox = mailbox(scan)?;
    scan.sp()?;
    Ok(Command::Status { mailbox, items: scan.list(StatusItem::scan)? })
}

pub(super) fn lsub(scan: &mut Scan<'_>) -> Scanned<Command> {
    scan.sp()?;
    let reference = Mailbox::scan_reference(scan)?;
    scan.sp()?;
    Ok(Command::Lsub { reference, pattern: Mailbox::scan_pattern(scan)? })
}

pub(super) fn list(scan: &mut Scan<'_>) -> Scanned<Command> {
    let mut list = List {
        subscribed: false,
        remote: false,
        recursive: false,
        special_use: false,
        reference: "".into(),
        patterns: Vec::new(),
        extended: false,
        returns: ListReturn::default(),
    };
    scan.sp()?;
    if scan.peek() == Some(b'(') {
        list.extended = true;
        scan.list_or_empty(|scan| selection(scan, &mut list))?;
        scan.sp()?;
    }
    // RFC 5258 §6: RECURSIVEMATCH alone, or with REMOTE, has nothing to look for.
    if list.recursive && !list.subscribed && !list.special_use {
        return Err(CommandError::Syntax);
    }
    list.reference = Mailbox::scan_reference(scan)?;
    scan.sp()?;
    if scan.peek() == Some(b'(') {
        list.extended = true;
        list.patterns = scan.list(Mailbox::scan_pattern)?;
    } else {
        list.patterns.push(Mailbox::scan_pattern(scan)?);
    }
    if scan.eat_sp_word("RETURN") {
        list.extended = true;
        scan.sp()?;
        scan.list_or_empty(|scan| returned(scan, &mut list.returns))?;
    }
    Ok(Command::List(Box::new(list)))
}

fn selection(scan: &mut Scan<'_>, list: &mut List) -> Scanned<()> {
    match scan.keyword()?.as_str() {
        "SUBSCRIBED" => list.subscribed = true,
        "REMOTE" => list.remote = true,
        "RECURSIVEMATCH" => list.recursive = true,
        "SPECIAL-USE" => list.special_use = true,
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

fn returned(scan: &mut Scan<'_>, returns: &mut ListReturn) -> Scanned<()> {
    match scan.keyword()?.as_str() {
        "SUBSCRIBED" => returns.subscribed = true,
        "CHILDREN" => returns.children = true,
        "SPECIAL-USE" => returns.special_use = true,
        "MYRIGHTS" => returns.my_rights = true,
        "STATUS" if returns.status.is_none() => {
            scan.sp()?;
            returns.status = Some(scan.list(StatusItem::scan)?);
        }
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}
