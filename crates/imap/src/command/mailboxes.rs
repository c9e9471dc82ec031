//! SELECT, EXAMINE and CREATE with their parameters (RFC 9051 §6.3.2 to §6.3.4, RFC 7162, RFC 6154).

use std::fmt;

use super::{Command, CommandError, parse::mailbox};
use crate::{
    SequenceSet,
    mailbox::Mailbox,
    scan::{Scan, Scanned},
};

/// The arguments of SELECT and EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// Which.
    pub mailbox: Mailbox,
    /// EXAMINE: nothing is changed.
    pub read_only: bool,
    /// `CONDSTORE`: from here on the client is told mod-sequences (RFC 7162).
    pub condstore: bool,
    /// `QRESYNC`: what the client knows of the mailbox (RFC 7162).
    pub qresync: Option<Qresync>,
}

/// What a client knows of a mailbox from an earlier session (RFC 7162).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qresync {
    /// The UIDVALIDITY that it was told.
    pub uid_validity: u32,
    /// The mod-sequence up to which it knows all.
    pub mod_seq: u64,
    /// The UIDs that it knows, if it says so.
    pub known_uids: Option<SequenceSet>,
    /// Some message numbers and the UIDs that they had, in the same order.
    pub matched: Option<(SequenceSet, SequenceSet)>,
}

/// The arguments of CREATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// The new name.
    pub mailbox: Mailbox,
    /// What it is to be used for (RFC 6154).
    pub special_use: Vec<SpecialUse>,
}

/// What a mailbox is used for (RFC 6154, RFC 8457).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Important`
    Important,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    const ALL: [Self; 8] = [
        Self::All,
        Self::Archive,
        Self::Drafts,
        Self::Flagged,
        Self::Important,
        Self::Junk,
        Self::Sent,
        Self::Trash,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Archive => "Archive",
            Self::Drafts => "Drafts",
            Self::Flagged => "Flagged",
            Self::Important => "Important",
            Self::Junk => "Junk",
            Self::Sent => "Sent",
            Self::Trash => "Trash",
        }
    }

    fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        scan.expect(b'\\')?;
        let name = scan.atom()?;
        let found = Self::ALL.into_iter().find(|special| special.name().eq_ignore_ascii_case(name));
        found.ok_or(CommandError::UseAttribute)
    }
}

/// As in a command.
impl fmt::Display for SpecialUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\\{}", self.name())
    }
}

pub(super) fn select(scan: &mut Scan<'_>, read_only: bool) -> Scanned<Command> {
    let mut select = Select { mailbox: mailbox(scan)?, read_only, condstore: false, qresync: None };
    if scan.eat(b' ') {
        scan.list(|scan| parameter(scan, &mut select))?;
    }
    Ok(Command::Select(Box::new(select)))
}

fn parameter(scan: &mut Scan<'_>, select: &mut Select) -> Scanned<()> {
    match scan.keyword()?.as_str() {
        "CONDSTORE" if !select.condstore => select.condstore = true,
        "QRESYNC" if select.qresync.is_none() => select.qresync = Some(qresync(scan)?),
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

/// `"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
fn qresync(scan: &mut Scan<'_>) -> Scanned<Qresync> {
    scan.sp()?;
    scan.expect(b'(')?;
    let uid_validity = scan.nz_number()?;
    scan.sp()?;
    let mut known = Qresync { uid_validity, mod_seq: scan.nz_number64()?, known_uids: None, matched: None };
    let mut more = scan.eat(b' ');
    if more && scan.peek() != Some(b'(') {
        known.known_uids = Some(SequenceSet::scan_known(scan)?);
        more = scan.eat(b' ');
    }
    if more {
        scan.expect(b'(')?;
        let numbers = SequenceSet::scan_known(scan)?;
        scan.sp()?;
        let uids = SequenceSet::scan_known(scan)?;
        scan.expect(b')')?;
        // RFC 7162 §3.2.5.2: they match one by one.
        if numbers.count() != uids.count() {
            return Err(CommandError::Syntax);
        }
        known.matched = Some((numbers, uids));
    }
    scan.expect(b')')?;
    Ok(known)
}

pub(super) fn create(scan: &mut Scan<'_>) -> Scanned<Command> {
    let mut create = Create { mailbox: mailbox(scan)?, special_use: Vec::new() };
    if scan.eat(b' ') {
        let mut given = false;
        scan.list(|scan| {
            if given || scan.keyword()? != "USE" {
                return Err(CommandError::Syntax);
            }
            given = true;
            scan.sp()?;
            create.special_use = scan.list_or_empty(SpecialUse::scan)?;
            Ok(())
        })?;
    }
    Ok(Command::Create(create))
}
