//! Quota, rights and annotations: RFC 9208, RFC 4314 and RFC 5464.

use super::{Command, CommandError, parse::mailbox};
use crate::{
    mailbox::Mailbox,
    scan::{Scan, Scanned},
};

/// The arguments of SETQUOTA (RFC 9208).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetQuota {
    /// The quota root.
    pub root: Box<str>,
    /// The limits, each with its resource in capitals. Those of STORAGE are KiB.
    pub limits: Vec<(Box<str>, u64)>,
}

/// The arguments of SETACL (RFC 4314).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAcl {
    /// Where.
    pub mailbox: Mailbox,
    /// Whose rights.
    pub identifier: Box<str>,
    /// What becomes of them.
    pub change: RightsChange,
    /// Letters in lower case and digits, perhaps none.
    pub rights: Box<str>,
}

/// What SETACL does with its rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RightsChange {
    /// They and no others.
    Replace,
    /// `+`
    Add,
    /// `-`
    Remove,
}

/// The arguments of GETMETADATA (RFC 5464).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMetadata {
    /// Of which mailbox; `None`: of the server.
    pub mailbox: Option<Mailbox>,
    /// `MAXSIZE`: no values with more octets.
    pub octets_max: Option<u32>,
    /// `DEPTH`: how many levels below the entries too; `None` is `infinity`.
    pub depth: Option<u8>,
    /// The names, at least one.
    pub entries: Vec<Box<str>>,
}

/// Names of annotations and their values (RFC 5464).
pub type MetadataEntries = Vec<(Box<str>, Option<Box<[u8]>>)>;

/// The arguments of SETMETADATA (RFC 5464).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMetadata {
    /// Of which mailbox; `None`: of the server.
    pub mailbox: Option<Mailbox>,
    /// Names and values, at least one. `None` removes the entry.
    pub entries: MetadataEntries,
}

pub(super) fn by_verb(scan: &mut Scan<'_>, verb: &str) -> Scanned<Command> {
    match verb {
        "GETQUOTA" => root(scan).map(Command::GetQuota),
        "GETQUOTAROOT" => mailbox(scan).map(Command::GetQuotaRoot),
        "SETQUOTA" => set_quota(scan),
        "SETACL" => set_acl(scan),
        "DELETEACL" => Ok(Command::DeleteAcl { mailbox: mailbox(scan)?, identifier: identifier(scan)? }),
        "GETACL" => mailbox(scan).map(Command::GetAcl),
        "LISTRIGHTS" => Ok(Command::ListRights { mailbox: mailbox(scan)?, identifier: identifier(scan)? }),
        "MYRIGHTS" => mailbox(scan).map(Command::MyRights),
        "GETMETADATA" => get_metadata(scan),
        "SETMETADATA" => set_metadata(scan),
        _ => Err(CommandError::Unknown),
    }
}

fn root(scan: &mut Scan<'_>) -> Scanned<Box<str>> {
    scan.sp()?;
    scan.text()
}

fn set_quota(scan: &mut Scan<'_>) -> Scanned<Command> {
    let root = root(scan)?;
    scan.sp()?;
    let limits = scan.list_or_empty(|scan| {
        let resource = scan.atom()?.to_ascii_uppercase();
        scan.sp()?;
        Ok((resource.into(), scan.number64()?))
    })?;
    Ok(Command::SetQuota(SetQuota { root, limits }))
}

fn identifier(scan: &mut Scan<'_>) -> Scanned<Box<str>> {
    scan.sp()?;
    scan.text()
}

fn set_acl(scan: &mut Scan<'_>) -> Scanned<Command> {
    let (mailbox, identifier) = (mailbox(scan)?, identifier(scan)?);
    scan.sp()?;
    let text = scan.text()?;
    let (change, rights) = match text.as_bytes().first() {
        Some(b'+') => (RightsChange::Add, text.get(1..)),
        Some(b'-') => (RightsChange::Remove, text.get(1..)),
        _ => (RightsChange::Replace, Some(&*text)),
    };
    let letters = |text: &&str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rights = rights.filter(letters).ok_or(CommandError::Syntax)?.into();
    Ok(Command::SetAcl(Box::new(SetAcl { mailbox, identifier, change, rights })))
}

/// The options stand before the mailbox in the grammar of RFC 5464 §5, and behind it in the examples of RFC 5464 §4.2.1: both are
/// taken.
fn get_metadata(scan: &mut Scan<'_>) -> Scanned<Command> {
    let mut get = GetMetadata { mailbox: None, octets_max: None, depth: Some(0), entries: Vec::new() };
    scan.sp()?;
    let before = scan.peek() == Some(b'(');
    if before {
        scan.list(|scan| option(scan, &mut get))?;
        scan.sp()?;
    }
    get.mailbox = Mailbox::scan_or_server(scan)?;
    scan.sp()?;
    let named_like_entry = scan.rest().get(1).is_some_and(|octet| !octet.is_ascii_alphabetic());
    if !before && scan.peek() == Some(b'(') && !named_like_entry {
        scan.list(|scan| option(scan, &mut get))?;
        scan.sp()?;
    }
    get.entries = if scan.peek() == Some(b'(') { scan.list(entry)? } else { vec![entry(scan)?] };
    Ok(Command::GetMetadata(Box::new(get)))
}

fn option(scan: &mut Scan<'_>, get: &mut GetMetadata) -> Scanned<()> {
    let word = scan.keyword()?;
    scan.sp()?;
    match word.as_str() {
        "MAXSIZE" => get.octets_max = Some(scan.number()?),
        "DEPTH" => {
            get.depth = match scan.keyword()?.as_str() {
                "0" => Some(0),
                "1" => Some(1),
                "INFINITY" => None,
                _ => return Err(CommandError::Syntax),
            }
        }
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

/// A path, without wildcards (RFC 5464 §3.2).
fn entry(scan: &mut Scan<'_>) -> Scanned<Box<str>> {
    let name = scan.text()?;
    let valid = name.starts_with('/')
        && !name.ends_with('/')
        && !name.contains("//")
        && name.bytes().all(|b| (b' '..=b'~').contains(&b) && !matches!(b, b'*' | b'%'));
    if valid { Ok(name) } else { Err(CommandError::Syntax) }
}

fn set_metadata(scan: &mut Scan<'_>) -> Scanned<Command> {
    scan.sp()?;
    let mailbox = Mailbox::scan_or_server(scan)?;
    scan.sp()?;
    let entries = scan.list(|scan| {
        let name = entry(scan)?;
        scan.sp()?;
        Ok((name, scan.nstring8()?.map(Vec::into_boxed_slice)))
    })?;
    Ok(Command::SetMetadata(Box::new(SetMetadata { mailbox, entries })))
}
