//! The grammar of commands (RFC 9051 §9), by hand: from the verb to the parser of its arguments.

use sasl::Password;

use super::{
    Command, CommandError, Grammar, Rejected, Request, Response, Tag, access, fetch, list, mailboxes, notify,
    search,
};
use crate::{
    Sequence,
    mailbox::Mailbox,
    scan::{Scan, Scanned, utf8},
};

/// RFC 2971 §3.3: not more fields than this.
const ID_FIELDS_MAX: usize = 30;

impl Request {
    /// Parses a command without its last CRLF; its literals stand in it, each behind its announcement and CRLF.
    ///
    /// # Errors
    /// It is none, or one of the [`Upload`](super::Upload)s.
    pub fn parse(text: &[u8], grammar: Grammar) -> Result<Self, Rejected> {
        let mut scan = Scan::new(text, grammar.utf8, grammar.limits);
        let tag = tag(&mut scan)?;
        match command(&mut scan) {
            Ok(command) => Ok(Self { tag, command }),
            Err(error) => Err(Rejected { tag: Some(tag), error }),
        }
    }
}

/// The tag, if there is a valid one.
pub(super) fn tag(scan: &mut Scan<'_>) -> Result<Tag, Rejected> {
    let tag = scan.tag().ok().and_then(Tag::new);
    match (tag, scan.sp()) {
        (Some(tag), Ok(())) => Ok(tag),
        // A tag alone: RFC 9051 §7.1.3 wants a tagged BAD where the tag is known.
        (Some(tag), Err(_)) if scan.rest().is_empty() => {
            Err(Rejected { tag: Some(tag), error: CommandError::Unknown })
        }
        _ => Err(Rejected { tag: None, error: CommandError::Tag }),
    }
}

fn command(scan: &mut Scan<'_>) -> Scanned<Command> {
    let verb = scan.keyword().map_err(|_| CommandError::Unknown)?;
    let command = if verb == "UID" { uid(scan) } else { by_verb(scan, &verb) }?;
    scan.end()?;
    Ok(command)
}

fn by_verb(scan: &mut Scan<'_>, verb: &str) -> Scanned<Command> {
    if let Some(command) = alone(verb) {
        return Ok(command);
    }
    match verb {
        "FETCH" => fetch::fetch(scan, false),
        "STORE" => fetch::store(scan, false),
        "SEARCH" => search::search(scan, false),
        "SORT" => search::sort(scan, false),
        "THREAD" => search::thread(scan, false),
        "COPY" => fetch::copy(scan, false).map(Command::Copy),
        "MOVE" => fetch::copy(scan, false).map(Command::Move),
        "SELECT" => mailboxes::select(scan, false),
        "EXAMINE" => mailboxes::select(scan, true),
        "STATUS" => list::status(scan),
        "LIST" => list::list(scan),
        "LSUB" => list::lsub(scan),
        "CREATE" => mailboxes::create(scan),
        "DELETE" => mailbox(scan).map(Command::Delete),
        "RENAME" => Ok(Command::Rename { from: mailbox(scan)?, to: mailbox(scan)? }),
        "SUBSCRIBE" => mailbox(scan).map(Command::Subscribe),
        "UNSUBSCRIBE" => mailbox(scan).map(Command::Unsubscribe),
        "LOGIN" => login(scan),
        "AUTHENTICATE" => authenticate(scan),
        "ENABLE" => enable(scan),
        "ID" => id(scan),
        "COMPRESS" => compress(scan),
        "NOTIFY" => notify::notify(scan),
        _ => access::by_verb(scan, verb),
    }
}

/// The commands without arguments.
fn alone(verb: &str) -> Option<Command> {
    Some(match verb {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "NAMESPACE" => Command::Namespace,
        "IDLE" => Command::Idle,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge(None),
        _ => return None,
    })
}

/// What works on UIDs instead of message numbers.
fn uid(scan: &mut Scan<'_>) -> Scanned<Command> {
    scan.sp()?;
    match scan.keyword()?.as_str() {
        "FETCH" => fetch::fetch(scan, true),
        "STORE" => fetch::store(scan, true),
        "SEARCH" => search::search(scan, true),
        "SORT" => search::sort(scan, true),
        "THREAD" => search::thread(scan, true),
        "COPY" => fetch::copy(scan, true).map(Command::Copy),
        "MOVE" => fetch::copy(scan, true).map(Command::Move),
        "EXPUNGE" => {
            scan.sp()?;
            Ok(Command::Expunge(Some(Sequence::scan(scan)?)))
        }
        _ => Err(CommandError::Unknown),
    }
}

/// `SP mailbox`.
pub(super) fn mailbox(scan: &mut Scan<'_>) -> Scanned<Mailbox> {
    scan.sp()?;
    Mailbox::scan(scan)
}

fn login(scan: &mut Scan<'_>) -> Scanned<Command> {
    scan.sp()?;
    let user = scan.text()?;
    scan.sp()?;
    let password = Password::new(scan.text()?);
    Ok(Command::Login { user, password })
}

/// The initial response is base 64, or `=` for an empty one (RFC 9051 §6.2.2, RFC 4959).
fn authenticate(scan: &mut Scan<'_>) -> Scanned<Command> {
    scan.sp()?;
    let mechanism = scan.atom()?.into();
    let initial = if scan.eat(b' ') {
        let word = scan.take_while(|octet| octet.is_ascii_graphic());
        let decoded = match word {
            b"" => None,
            b"=" => Some(Vec::new()),
            word => sasl::base64::decode(word),
        };
        Some(decoded.ok_or(CommandError::Base64)?)
    } else {
        None
    };
    Ok(Command::Authenticate { mechanism, initial: initial.map(Response::new) })
}

fn enable(scan: &mut Scan<'_>) -> Scanned<Command> {
    let mut capabilities = Vec::new();
    while scan.eat(b' ') {
        capabilities.push(scan.atom()?.into());
    }
    if capabilities.is_empty() { Err(CommandError::Syntax) } else { Ok(Command::Enable(capabilities)) }
}

fn id(scan: &mut Scan<'_>) -> Scanned<Command> {
    scan.sp()?;
    if scan.eat_word("NIL") {
        return Ok(Command::Id(None));
    }
    let fields = scan.list_or_empty(|scan| {
        let name = utf8(scan.string()?)?;
        scan.sp()?;
        let value = scan.nstring()?.map(utf8).transpose()?;
        Ok((name, value))
    })?;
    if fields.len() > ID_FIELDS_MAX { Err(CommandError::TooComplex) } else { Ok(Command::Id(Some(fields))) }
}

fn compress(scan: &mut Scan<'_>) -> Scanned<Command> {
    scan.sp()?;
    if scan.eat_word("DEFLATE") { Ok(Command::Compress) } else { Err(CommandError::Syntax) }
}
