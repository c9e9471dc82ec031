//! FETCH, STORE, COPY and MOVE (RFC 9051 §6.4.5 to §6.4.8) with what extensions add.

use super::{Command, CommandError, parse::mailbox, search::Page};
use crate::{
    Flag, Sequence,
    mailbox::Mailbox,
    scan::{Scan, Scanned},
};

/// The arguments of FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The set is of UIDs.
    pub uid: bool,
    /// Of which messages.
    pub set: Sequence,
    /// What; each once.
    pub items: Vec<FetchItem>,
    /// `CHANGEDSINCE`: only what has a higher mod-sequence (RFC 7162).
    pub changed_since: Option<u64>,
    /// `VANISHED`: also which UIDs are gone since then (RFC 7162). Only with UIDs and `CHANGEDSINCE`.
    pub vanished: bool,
    /// `PARTIAL`: only these of the set (RFC 9394). Only with UIDs.
    pub page: Option<Page>,
}

/// What FETCH can tell of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FetchItem {
    /// `ENVELOPE`
    Envelope,
    /// `FLAGS`
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822.SIZE`
    Size,
    /// `BODY`: the structure without extension data.
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `UID`
    Uid,
    /// `RFC822` of IMAP4rev1: all of it, and sets `\Seen`.
    Rfc822,
    /// `RFC822.HEADER` of IMAP4rev1.
    Rfc822Header,
    /// `RFC822.TEXT` of IMAP4rev1; sets `\Seen`.
    Rfc822Text,
    /// `BODY[section]<slice>`
    Section {
        /// What.
        section: Section,
        /// `BODY.PEEK`: `\Seen` is not set.
        peek: bool,
        /// Which octets of it.
        slice: Option<Slice>,
    },
    /// `BINARY[part]<slice>`: the part, decoded.
    Binary {
        /// Which part; empty for all.
        part: Vec<u32>,
        /// `BINARY.PEEK`: `\Seen` is not set.
        peek: bool,
        /// Which octets of it.
        slice: Option<Slice>,
    },
    /// `BINARY.SIZE[part]`
    BinarySize(Vec<u32>),
    /// `MODSEQ` (RFC 7162).
    ModSeq,
    /// `EMAILID` (RFC 8474).
    EmailId,
    /// `THREADID` (RFC 8474).
    ThreadId,
    /// `PREVIEW` (RFC 8970).
    Preview {
        /// Only if it costs nothing.
        lazy: bool,
    },
    /// `SAVEDATE` (RFC 8514).
    SaveDate,
}

/// What of a message (RFC 9051 §6.4.5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Section {
    /// The part's number; empty for the message itself.
    pub part: Vec<u32>,
    /// What of it; `None`: its content.
    pub text: Option<SectionText>,
}

/// What of a part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SectionText {
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS` and `HEADER.FIELDS.NOT`
    Fields {
        /// All but these.
        not: bool,
        /// The names as they came.
        names: Vec<Box<str>>,
    },
    /// `TEXT`
    Text,
    /// `MIME`: the header of the part itself. Only with a part.
    Mime,
}

/// `<first.octets>`: a piece of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slice {
    /// The first octet, from 0.
    pub first: u64,
    /// How many at the most; not 0.
    pub octets: u64,
}

impl FetchItem {
    /// Its word, without what stands in brackets.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Envelope => "ENVELOPE",
            Self::Flags => "FLAGS",
            Self::InternalDate => "INTERNALDATE",
            Self::Size => "RFC822.SIZE",
            Self::Body | Self::Section { .. } => "BODY",
            Self::BodyStructure => "BODYSTRUCTURE",
            Self::Uid => "UID",
            Self::Rfc822 => "RFC822",
            Self::Rfc822Header => "RFC822.HEADER",
            Self::Rfc822Text => "RFC822.TEXT",
            Self::Binary { .. } => "BINARY",
            Self::BinarySize(_) => "BINARY.SIZE",
            Self::ModSeq => "MODSEQ",
            Self::EmailId => "EMAILID",
            Self::ThreadId => "THREADID",
            Self::Preview { .. } => "PREVIEW",
            Self::SaveDate => "SAVEDATE",
        }
    }
}

/// The arguments of STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The set is of UIDs.
    pub uid: bool,
    /// Of which messages.
    pub set: Sequence,
    /// `UNCHANGEDSINCE`: not those with a higher mod-sequence (RFC 7162).
    pub unchanged_since: Option<u64>,
    /// What becomes of the flags.
    pub change: StoreChange,
    /// `.SILENT`: the new flags need not be told.
    pub silent: bool,
    /// The flags.
    pub flags: Vec<Flag>,
}

/// What STORE does with its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreChange {
    /// `FLAGS`: they and no others.
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// The arguments of COPY and MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The set is of UIDs.
    pub uid: bool,
    /// Which messages.
    pub set: Sequence,
    /// Where to.
    pub mailbox: Mailbox,
}

pub(super) fn copy(scan: &mut Scan<'_>, uid: bool) -> Scanned<Box<Copy>> {
    scan.sp()?;
    let set = Sequence::scan(scan)?;
    Ok(Box::new(Copy { uid, set, mailbox: mailbox(scan)? }))
}

pub(super) fn store(scan: &mut Scan<'_>, uid: bool) -> Scanned<Command> {
    scan.sp()?;
    let set = Sequence::scan(scan)?;
    scan.sp()?;
    let mut unchanged_since = None;
    if scan.peek() == Some(b'(') {
        scan.list(|scan| {
            if unchanged_since.is_some() || scan.keyword()? != "UNCHANGEDSINCE" {
                return Err(CommandError::Syntax);
            }
            scan.sp()?;
            unchanged_since = Some(scan.number64()?);
            Ok(())
        })?;
        scan.sp()?;
    }
    let change = if scan.eat(b'+') {
        StoreChange::Add
    } else if scan.eat(b'-') {
        StoreChange::Remove
    } else {
        StoreChange::Replace
    };
    let silent = match scan.keyword()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(CommandError::Syntax),
    };
    scan.sp()?;
    let flags = if scan.peek() == Some(b'(') { scan.list_or_empty(Flag::scan)? } else { bare_flags(scan)? };
    Ok(Command::Store(Box::new(Store { uid, set, unchanged_since, change, silent, flags })))
}

fn bare_flags(scan: &mut Scan<'_>) -> Scanned<Vec<Flag>> {
    let mut flags = vec![Flag::scan(scan)?];
    while scan.eat(b' ') {
        flags.push(Flag::scan(scan)?);
        if flags.len() > scan.limits.list_items_max {
            return Err(CommandError::TooComplex);
        }
    }
    Ok(flags)
}

pub(super) fn fetch(scan: &mut Scan<'_>, uid: bool) -> Scanned<Command> {
    scan.sp()?;
    let set = Sequence::scan(scan)?;
    scan.sp()?;
    let mut fetch = Fetch { uid, set, items: items(scan)?, changed_since: None, vanished: false, page: None };
    if scan.eat(b' ') {
        scan.list(|scan| modifier(scan, &mut fetch))?;
    }
    // RFC 7162 §3.2.6, RFC 9394 §3.3.
    let wants_uids = fetch.vanished || fetch.page.is_some();
    if wants_uids && !uid || fetch.vanished && fetch.changed_since.is_none() {
        return Err(CommandError::Syntax);
    }
    Ok(Command::Fetch(Box::new(fetch)))
}

fn modifier(scan: &mut Scan<'_>, fetch: &mut Fetch) -> Scanned<()> {
    match scan.keyword()?.as_str() {
        "CHANGEDSINCE" if fetch.changed_since.is_none() => {
            scan.sp()?;
            fetch.changed_since = Some(scan.nz_number64()?);
        }
        "VANISHED" if !fetch.vanished => fetch.vanished = true,
        "PARTIAL" if fetch.page.is_none() => {
            scan.sp()?;
            fetch.page = Some(Page::scan(scan)?);
        }
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

/// One item, several in parentheses, or a macro. What is asked for twice is told once.
fn items(scan: &mut Scan<'_>) -> Scanned<Vec<FetchItem>> {
    if scan.peek() == Some(b'(') {
        return item_list(scan);
    }
    let fast = [FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
    if scan.eat_word("FAST") {
        return Ok(fast.to_vec());
    }
    if scan.eat_word("ALL") {
        return Ok(fast.into_iter().chain([FetchItem::Envelope]).collect());
    }
    if scan.eat_word("FULL") {
        return Ok(fast.into_iter().chain([FetchItem::Envelope, FetchItem::Body]).collect());
    }
    Ok(vec![item(scan)?])
}

/// `"(" fetch-att *(SP fetch-att) ")"`
pub(super) fn item_list(scan: &mut Scan<'_>) -> Scanned<Vec<FetchItem>> {
    let mut items: Vec<FetchItem> = Vec::new();
    scan.list(|scan| {
        let item = item(scan)?;
        if !items.contains(&item) {
            items.push(item);
        }
        // Each may cost a reading of the message.
        if items.len() > FETCH_ITEMS_MAX { Err(CommandError::TooComplex) } else { Ok(()) }
    })?;
    Ok(items)
}

const FETCH_ITEMS_MAX: usize = 200;

fn item(scan: &mut Scan<'_>) -> Scanned<FetchItem> {
    Ok(match scan.keyword()?.as_str() {
        "ENVELOPE" => FetchItem::Envelope,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822.SIZE" => FetchItem::Size,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "UID" => FetchItem::Uid,
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        "BODY" if scan.peek() != Some(b'[') => FetchItem::Body,
        "BODY" => body(scan, false)?,
        "BODY.PEEK" => body(scan, true)?,
        "BINARY" => binary(scan, false)?,
        "BINARY.PEEK" => binary(scan, true)?,
        "BINARY.SIZE" => FetchItem::BinarySize(binary_part(scan)?),
        "MODSEQ" => FetchItem::ModSeq,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        "PREVIEW" => FetchItem::Preview { lazy: lazy(scan)? },
        "SAVEDATE" => FetchItem::SaveDate,
        _ => return Err(CommandError::Syntax),
    })
}

/// `[SP "(" preview-mod *(SP preview-mod) ")"]` (RFC 8970).
fn lazy(scan: &mut Scan<'_>) -> Scanned<bool> {
    if !scan.eat_sp(b'(') {
        return Ok(false);
    }
    if !scan.eat_word("LAZY") {
        return Err(CommandError::Syntax);
    }
    scan.expect(b')')?;
    Ok(true)
}

fn body(scan: &mut Scan<'_>, peek: bool) -> Scanned<FetchItem> {
    let section = section(scan)?;
    Ok(FetchItem::Section { section, peek, slice: slice(scan)? })
}

fn binary(scan: &mut Scan<'_>, peek: bool) -> Scanned<FetchItem> {
    let part = binary_part(scan)?;
    Ok(FetchItem::Binary { part, peek, slice: slice(scan)? })
}

/// `"[" [section-part] "]"`
fn binary_part(scan: &mut Scan<'_>) -> Scanned<Vec<u32>> {
    scan.expect(b'[')?;
    if scan.eat(b']') {
        return Ok(Vec::new());
    }
    let mut part = vec![scan.nz_number()?];
    while scan.eat(b'.') {
        push_part(scan, &mut part)?;
    }
    scan.expect(b']')?;
    Ok(part)
}

fn push_part(scan: &mut Scan<'_>, part: &mut Vec<u32>) -> Scanned<()> {
    if part.len() >= PART_DEPTH_MAX {
        return Err(CommandError::TooComplex);
    }
    part.push(scan.nz_number()?);
    Ok(())
}

/// No message nests deeper.
const PART_DEPTH_MAX: usize = 100;

/// `"[" [section-spec] "]"`
fn section(scan: &mut Scan<'_>) -> Scanned<Section> {
    scan.expect(b'[')?;
    let mut section = Section::default();
    let mut named = scan.peek() != Some(b']');
    while scan.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        push_part(scan, &mut section.part)?;
        named = scan.eat(b'.');
        if !named {
            break;
        }
    }
    if named {
        section.text = Some(section_text(scan, !section.part.is_empty())?);
    }
    scan.expect(b']')?;
    Ok(section)
}

fn section_text(scan: &mut Scan<'_>, of_part: bool) -> Scanned<SectionText> {
    Ok(match scan.keyword()?.as_str() {
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if of_part => SectionText::Mime,
        "HEADER.FIELDS" => SectionText::Fields { not: false, names: names(scan)? },
        "HEADER.FIELDS.NOT" => SectionText::Fields { not: true, names: names(scan)? },
        _ => return Err(CommandError::Syntax),
    })
}

/// `SP "(" header-fld-name *(SP header-fld-name) ")"`
fn names(scan: &mut Scan<'_>) -> Scanned<Vec<Box<str>>> {
    scan.sp()?;
    scan.list(Scan::text)
}

/// `["<" number64 "." nz-number64 ">"]`
fn slice(scan: &mut Scan<'_>) -> Scanned<Option<Slice>> {
    if !scan.eat(b'<') {
        return Ok(None);
    }
    let first = scan.number64()?;
    scan.expect(b'.')?;
    let octets = scan.nz_number64()?;
    scan.expect(b'>')?;
    Ok(Some(Slice { first, octets }))
}
