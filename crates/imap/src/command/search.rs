//! SEARCH, SORT and THREAD (RFC 9051 §6.4.4, RFC 5256): programs as trees with a bound on their depth and their size.

use std::fmt;

use super::{Command, CommandError};
use crate::{
    Flag, ObjectId, Sequence,
    date::Date,
    scan::{Scan, Scanned, is_astring_char},
};

/// The arguments of SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The result is UIDs.
    pub uid: bool,
    /// `RETURN`: the answer is an ESEARCH with this. `None`: the client did not say.
    pub returns: Option<Returns>,
    /// The character set of the strings; `None`: US-ASCII or UTF-8 (RFC 9051 §6.4.4.4).
    pub charset: Option<Box<str>>,
    /// What is looked for.
    pub key: SearchKey,
}

/// What ESEARCH is to tell (RFC 9051 §6.4.4.1, RFC 9394).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the standard has so many independent options")]
pub struct Returns {
    /// The smallest number found.
    pub min: bool,
    /// The largest.
    pub max: bool,
    /// All. `RETURN ()` means this (RFC 9051 §6.4.4).
    pub all: bool,
    /// How many.
    pub count: bool,
    /// The result is to be kept as `$` (RFC 5182).
    pub save: bool,
    /// A page of the result. Not together with `all`.
    pub page: Option<Page>,
}

/// A page of a result, counted from 1 (RFC 9394).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The one end.
    pub from: u32,
    /// The other.
    pub to: u32,
    /// Counted from the last backwards.
    pub backwards: bool,
}

/// The arguments of SORT (RFC 5256; `RETURN` is of RFC 5267).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The result is UIDs.
    pub uid: bool,
    /// `RETURN`, as with SEARCH.
    pub returns: Option<Returns>,
    /// The most important first; at least one.
    pub criteria: Vec<SortCriterion>,
    /// The character set of the strings.
    pub charset: Box<str>,
    /// What is looked for.
    pub key: SearchKey,
}

/// One criterion of SORT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortCriterion {
    /// The largest first.
    pub reverse: bool,
    /// By what.
    pub key: SortKey,
}

/// By what SORT sorts (RFC 5256 §3, RFC 5957).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// When it came.
    Arrival,
    /// The first address of Cc.
    Cc,
    /// When it was sent.
    Date,
    /// The first address of From, as it is shown.
    DisplayFrom,
    /// The first address of To, as it is shown.
    DisplayTo,
    /// The first address of From.
    From,
    /// Octets.
    Size,
    /// The base subject.
    Subject,
    /// The first address of To.
    To,
}

/// The arguments of THREAD (RFC 5256).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The result is UIDs.
    pub uid: bool,
    /// How.
    pub algorithm: ThreadAlgorithm,
    /// The character set of the strings.
    pub charset: Box<str>,
    /// What is looked for.
    pub key: SearchKey,
}

/// How messages are put together (RFC 5256 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// By subject.
    OrderedSubject,
    /// By References and In-Reply-To.
    References,
}

/// What is looked for. The words that are short for others are written out: `UNSEEN` is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// Every message.
    All,
    /// Those with a flag or keyword.
    Has(Flag),
    /// Those of a set of message numbers.
    Numbers(Sequence),
    /// Those of a set of UIDs.
    Uids(Sequence),
    /// Those that hold a text in a field of addresses or the subject.
    Field(Field, Box<[u8]>),
    /// Those that hold a text in this header field; an empty one: that have the field.
    Header(Box<str>, Box<[u8]>),
    /// Those that hold a text in their body.
    Body(Box<[u8]>),
    /// Those that hold a text in header or body.
    Text(Box<[u8]>),
    /// Those whose date, without regard to time and zone, is so.
    Date(DateKind, When, Date),
    /// Those with more octets.
    Larger(u64),
    /// Those with less octets.
    Smaller(u64),
    /// Those that came at least so many seconds ago (RFC 5032).
    Older(u32),
    /// Those that came at most so many seconds ago (RFC 5032).
    Younger(u32),
    /// Those with this mod-sequence or a higher one (RFC 7162).
    ModSeq {
        /// The change of one flag alone, and for whom.
        entry: Option<(Flag, EntryKind)>,
        /// The least.
        value: u64,
    },
    /// Those with this identity (RFC 8474).
    EmailId(ObjectId),
    /// Those of this thread (RFC 8474).
    ThreadId(ObjectId),
    /// All, if the mailbox knows when messages were saved (RFC 8514).
    SaveDateSupported,
    /// The others.
    Not(Box<Self>),
    /// Those of either.
    Or(Box<Self>, Box<Self>),
    /// Those of all; two or more.
    And(Vec<Self>),
}

/// A field that SEARCH knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Bcc
    Bcc,
    /// Cc
    Cc,
    /// From
    From,
    /// Subject
    Subject,
    /// To
    To,
}

/// Which date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateKind {
    /// When it came.
    Internal,
    /// What its Date field says.
    Sent,
    /// When it was put into this mailbox (RFC 8514).
    Saved,
}

/// How a date relates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before that day.
    Before,
    /// On that day.
    On,
    /// On that day or later.
    Since,
}

/// For whom a flag is (RFC 7162).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// For the user alone.
    Private,
    /// For all.
    Shared,
    /// Either.
    All,
}

impl SearchKey {
    /// Whether it names messages by their numbers.
    pub(crate) fn names_numbers(&self) -> bool {
        match self {
            Self::Numbers(_) => true,
            Self::Not(key) => key.names_numbers(),
            Self::Or(one, other) => one.names_numbers() || other.names_numbers(),
            Self::And(keys) => keys.iter().any(Self::names_numbers),
            _ => false,
        }
    }
}

impl Page {
    /// `partial-range`: two numbers, or two with a minus (RFC 9394).
    pub(super) fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        let backwards = scan.eat(b'-');
        let from = scan.nz_number()?;
        scan.expect(b':')?;
        if backwards {
            scan.expect(b'-')?;
        }
        Ok(Self { from, to: scan.nz_number()?, backwards })
    }
}

/// As in a command.
impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.backwards { "-" } else { "" };
        write!(f, "{sign}{}:{sign}{}", self.from, self.to)
    }
}

pub(super) fn search(scan: &mut Scan<'_>, uid: bool) -> Scanned<Command> {
    let returns = returns(scan)?;
    let charset = if scan.eat_sp_word("CHARSET") { Some(charset(scan)?) } else { None };
    let key = program(scan)?;
    Ok(Command::Search(Box::new(Search { uid, returns, charset, key })))
}

pub(super) fn sort(scan: &mut Scan<'_>, uid: bool) -> Scanned<Command> {
    let returns = returns(scan)?;
    scan.sp()?;
    let criteria = scan.list(criterion)?;
    let (charset, key) = (charset(scan)?, program(scan)?);
    Ok(Command::Sort(Box::new(Sort { uid, returns, criteria, charset, key })))
}

pub(super) fn thread(scan: &mut Scan<'_>, uid: bool) -> Scanned<Command> {
    scan.sp()?;
    let algorithm = match scan.keyword()?.as_str() {
        "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        "REFERENCES" => ThreadAlgorithm::References,
        _ => return Err(CommandError::Syntax),
    };
    let (charset, key) = (charset(scan)?, program(scan)?);
    Ok(Command::Thread(Box::new(Thread { uid, algorithm, charset, key })))
}

/// `["REVERSE" SP] sort-key`
fn criterion(scan: &mut Scan<'_>) -> Scanned<SortCriterion> {
    let reverse = scan.eat_word("REVERSE");
    if reverse {
        scan.sp()?;
    }
    let key = match scan.keyword()?.as_str() {
        "ARRIVAL" => SortKey::Arrival,
        "CC" => SortKey::Cc,
        "DATE" => SortKey::Date,
        "DISPLAYFROM" => SortKey::DisplayFrom,
        "DISPLAYTO" => SortKey::DisplayTo,
        "FROM" => SortKey::From,
        "SIZE" => SortKey::Size,
        "SUBJECT" => SortKey::Subject,
        "TO" => SortKey::To,
        _ => return Err(CommandError::Syntax),
    };
    Ok(SortCriterion { reverse, key })
}

/// `SP charset`, an atom or a string.
fn charset(scan: &mut Scan<'_>) -> Scanned<Box<str>> {
    scan.sp()?;
    scan.text()
}

/// `[SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"]`
fn returns(scan: &mut Scan<'_>) -> Scanned<Option<Returns>> {
    if !scan.eat_sp_word("RETURN") {
        return Ok(None);
    }
    scan.sp()?;
    let mut returns = Returns::default();
    scan.list_or_empty(|scan| {
        match scan.keyword()?.as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            "PARTIAL" if returns.page.is_none() => {
                scan.sp()?;
                returns.page = Some(Page::scan(scan)?);
            }
            _ => return Err(CommandError::Syntax),
        }
        Ok(())
    })?;
    // RFC 9394 §3.1.
    if returns.all && returns.page.is_some() {
        return Err(CommandError::Syntax);
    }
    // RFC 9051 §6.4.4: no option is ALL. SAVE alone tells nothing (RFC 5182 §2.1).
    returns.all |= returns == Returns::default();
    Ok(Some(returns))
}

/// `1*(SP search-key)`
fn program(scan: &mut Scan<'_>) -> Scanned<SearchKey> {
    let depth = scan.limits.search_depth_max;
    let mut keys = Vec::new();
    loop {
        scan.sp()?;
        keys.push(key(scan, depth)?);
        if scan.peek() != Some(b' ') {
            return Ok(all_of(keys));
        }
    }
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match (keys.pop(), keys.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            keys.extend(last);
            SearchKey::And(keys)
        }
    }
}

/// One key. Each costs one of the budget, wherever it stands.
fn key(scan: &mut Scan<'_>, depth: usize) -> Scanned<SearchKey> {
    scan.nodes += 1;
    if scan.nodes > scan.limits.search_nodes_max {
        return Err(CommandError::TooComplex);
    }
    let inner = depth.checked_sub(1).ok_or(CommandError::TooComplex)?;
    match scan.peek() {
        Some(b'(') => return scan.list(|scan| key(scan, inner)).map(all_of),
        Some(b'0'..=b'9' | b'*' | b'$') => return Sequence::scan(scan).map(SearchKey::Numbers),
        _ => {}
    }
    match scan.keyword()?.as_str() {
        "NOT" => Ok(SearchKey::Not(Box::new(argument(scan, inner)?))),
        "OR" => Ok(SearchKey::Or(Box::new(argument(scan, inner)?), Box::new(argument(scan, inner)?))),
        word => simple(word).map_or_else(|| with_argument(scan, word), Ok),
    }
}

fn argument(scan: &mut Scan<'_>, depth: usize) -> Scanned<SearchKey> {
    scan.sp()?;
    key(scan, depth)
}

/// The keys without arguments.
fn simple(word: &str) -> Option<SearchKey> {
    let has = |flag| Some(SearchKey::Has(flag));
    let lacks = |flag| Some(SearchKey::Not(Box::new(SearchKey::Has(flag))));
    match word {
        "ALL" => Some(SearchKey::All),
        "ANSWERED" => has(Flag::Answered),
        "DELETED" => has(Flag::Deleted),
        "DRAFT" => has(Flag::Draft),
        "FLAGGED" => has(Flag::Flagged),
        "RECENT" => has(Flag::Recent),
        "SEEN" => has(Flag::Seen),
        "UNANSWERED" => lacks(Flag::Answered),
        "UNDELETED" => lacks(Flag::Deleted),
        "UNDRAFT" => lacks(Flag::Draft),
        "UNFLAGGED" => lacks(Flag::Flagged),
        "UNSEEN" => lacks(Flag::Seen),
        "OLD" => lacks(Flag::Recent),
        // RFC 3501 §6.4.4: `(RECENT UNSEEN)`.
        "NEW" => Some(SearchKey::And(vec![
            SearchKey::Has(Flag::Recent),
            SearchKey::Not(Box::new(SearchKey::Has(Flag::Seen))),
        ])),
        "SAVEDATESUPPORTED" => Some(SearchKey::SaveDateSupported),
        _ => None,
    }
}

fn with_argument(scan: &mut Scan<'_>, word: &str) -> Scanned<SearchKey> {
    scan.sp()?;
    let field = |scan: &mut Scan<'_>, field| Ok(SearchKey::Field(field, string(scan)?));
    match word {
        "BCC" => field(scan, Field::Bcc),
        "CC" => field(scan, Field::Cc),
        "FROM" => field(scan, Field::From),
        "SUBJECT" => field(scan, Field::Subject),
        "TO" => field(scan, Field::To),
        "BODY" => Ok(SearchKey::Body(string(scan)?)),
        "TEXT" => Ok(SearchKey::Text(string(scan)?)),
        "HEADER" => {
            let name = scan.text()?;
            scan.sp()?;
            Ok(SearchKey::Header(name, string(scan)?))
        }
        "KEYWORD" => keyword(scan).map(SearchKey::Has),
        "UNKEYWORD" => Ok(SearchKey::Not(Box::new(SearchKey::Has(keyword(scan)?)))),
        "LARGER" => scan.number64().map(SearchKey::Larger),
        "SMALLER" => scan.number64().map(SearchKey::Smaller),
        "OLDER" => scan.nz_number().map(SearchKey::Older),
        "YOUNGER" => scan.nz_number().map(SearchKey::Younger),
        "UID" => Sequence::scan(scan).map(SearchKey::Uids),
        "MODSEQ" => mod_seq(scan),
        "EMAILID" => ObjectId::scan(scan).map(SearchKey::EmailId),
        "THREADID" => ObjectId::scan(scan).map(SearchKey::ThreadId),
        word => {
            let (kind, when) = dated(word).ok_or(CommandError::Syntax)?;
            Ok(SearchKey::Date(kind, when, Date::scan(scan)?))
        }
    }
}

fn dated(word: &str) -> Option<(DateKind, When)> {
    let (kind, word) = if let Some(rest) = word.strip_prefix("SENT") {
        (DateKind::Sent, rest)
    } else if let Some(rest) = word.strip_prefix("SAVED") {
        (DateKind::Saved, rest)
    } else {
        (DateKind::Internal, word)
    };
    let when = match word {
        "BEFORE" => When::Before,
        "ON" => When::On,
        "SINCE" => When::Since,
        _ => return None,
    };
    Some((kind, when))
}

fn string(scan: &mut Scan<'_>) -> Scanned<Box<[u8]>> {
    scan.atom_or_string(is_astring_char).map(Vec::into_boxed_slice)
}

fn keyword(scan: &mut Scan<'_>) -> Scanned<Flag> {
    scan.atom().map(|name| Flag::Keyword(name.into()))
}

/// `[SP entry-name SP entry-type-req] SP mod-sequence-valzer`, the first space being taken.
fn mod_seq(scan: &mut Scan<'_>) -> Scanned<SearchKey> {
    let entry = if scan.peek() == Some(b'"') {
        let name = crate::scan::utf8(scan.string()?)?;
        let name = name.strip_prefix("/flags/").ok_or(CommandError::Syntax)?;
        let mut inner = Scan::new(name.as_bytes(), scan.utf8, scan.limits);
        let flag = Flag::scan(&mut inner)?;
        inner.end()?;
        scan.sp()?;
        let kind = match scan.keyword()?.as_str() {
            "PRIV" => EntryKind::Private,
            "SHARED" => EntryKind::Shared,
            "ALL" => EntryKind::All,
            _ => return Err(CommandError::Syntax),
        };
        scan.sp()?;
        Some((flag, kind))
    } else {
        None
    };
    Ok(SearchKey::ModSeq { entry, value: scan.number64()? })
}
