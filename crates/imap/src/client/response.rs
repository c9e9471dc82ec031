//! What a server says (RFC 9051 §7), as far as it matters to whoever takes mail over.

use crate::{
    DateTime, Flag,
    command::{CommandError, GrammarLimits},
    scan::{Scan, Scanned, is_atom},
};

/// Values in values, in what is stepped over.
const DEPTH_MAX: usize = 64;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// `+`: the server waits for the next part of a command; what it says.
    Continue(String),
    /// A command has ended.
    Done {
        /// Its tag.
        tag: Box<str>,
        /// How.
        status: Status,
    },
    /// Something that is no end of a command. The first is the greeting.
    Told(Status),
    /// What the server can do, in upper case.
    Capability(Vec<Box<str>>),
    /// A mailbox, of LIST or of LSUB.
    Mailbox(Listed),
    /// What is whose (RFC 2342).
    Namespace(Namespaces),
    /// How many messages are in the mailbox.
    Exists(u32),
    /// Something of a message.
    Fetch(Box<Fetched>),
    /// Something else.
    Other,
}

/// How something is or went (RFC 9051 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// In a word.
    pub condition: Condition,
    /// For programs.
    pub code: Option<Code>,
    /// For people, as it came: to be shown only without its control characters.
    pub text: String,
}

/// The word of a [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the words of RFC 9051 §7.1")]
pub enum Condition {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

/// A response code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// `CAPABILITY`
    Capability(Vec<Box<str>>),
    /// `UIDVALIDITY`
    UidValidity(u32),
    /// Another; its first word in upper case.
    Other(Box<str>),
}

/// A mailbox (RFC 9051 §7.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// It is a name that is subscribed to, of LSUB.
    pub subscribed: bool,
    /// Such as `\Noselect`.
    pub attributes: Vec<Box<str>>,
    /// What stands between levels; none: there are no levels.
    pub delimiter: Option<u8>,
    /// The name as it came.
    pub name: Vec<u8>,
}

impl Listed {
    /// Whether it has an attribute.
    pub fn is(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|found| found.eq_ignore_ascii_case(attribute))
    }
}

/// Whose mailboxes begin how (RFC 2342).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// The user's own.
    pub personal: Vec<Namespace>,
    /// Those of other users.
    pub others: Vec<Namespace>,
    /// Nobody's own.
    pub shared: Vec<Namespace>,
}

/// How the names of some mailboxes begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// With this.
    pub prefix: Vec<u8>,
    /// What stands between levels.
    pub delimiter: Option<u8>,
}

/// What is told of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Its number.
    pub number: u32,
    /// Its UID.
    pub uid: Option<u32>,
    /// Its flags and keywords; what cannot be one is left out.
    pub flags: Option<Vec<Flag>>,
    /// Its internal date, if that is one.
    pub internal_date: Option<DateTime>,
    /// How many octets it is said to have.
    pub octets: Option<u64>,
    /// Its octets.
    pub body: Option<Body>,
    /// What is the same of the same message in another mailbox: EMAILID (RFC 8474), or `X-GM-MSGID` of Gmail.
    pub email: Option<Vec<u8>>,
}

/// The octets of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// So many, which came as pieces before this.
    Passed(u64),
    /// These: a few.
    Whole(Vec<u8>),
    /// The server has none.
    Nothing,
}

/// Whether there may be literals in a response that begins so: those for people may end with what looks like one.
pub(super) fn may_hold_literals(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"* ") else { return false };
    let word = rest.split(|octet| *octet == b' ').next().unwrap_or_default();
    !["OK", "NO", "BAD", "BYE", "PREAUTH"].iter().any(|status| word.eq_ignore_ascii_case(status.as_bytes()))
}

/// Whether what follows a text of a response is a message.
pub(super) fn holds_message(text: &[u8]) -> bool {
    const BEFORE: &[u8] = b"BODY[] ";
    let end = text.len().checked_sub(BEFORE.len()).and_then(|at| text.get(at..)).unwrap_or_default();
    let mut words = text.split(|octet| *octet == b' ').skip(1);
    let is_number = words.next().is_some_and(|word| !word.is_empty() && word.iter().all(u8::is_ascii_digit));
    let is_fetch = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"FETCH"));
    is_number && is_fetch && end.eq_ignore_ascii_case(BEFORE)
}

impl Response {
    /// Reads a response without its last CRLF. `message`: so long was the message in the place of whose octets stands NIL. What does not matter may have
    /// any form; `None`: what does has one that it cannot have.
    pub(super) fn parse(text: &[u8], message: Option<u64>) -> Option<Self> {
        let mut scan = Scan::new(text, true, GrammarLimits::default());
        if scan.eat(b'+') {
            scan.eat(b' ');
            return Some(Self::Continue(String::from_utf8_lossy(scan.rest()).into_owned()));
        }
        if !scan.eat(b'*') {
            let tag = scan.tag().ok()?.into();
            scan.sp().ok()?;
            let word = scan.keyword().ok()?;
            let status = status(&mut scan, &word).filter(|status| !is_greeting_or_end(status.condition))?;
            return Some(Self::Done { tag, status });
        }
        scan.sp().ok()?;
        let number = scan.number().ok();
        if number.is_some() {
            scan.sp().ok()?;
        }
        let Ok(word) = scan.keyword() else { return Some(Self::Other) };
        match (number, word.as_str()) {
            (Some(number), "FETCH") => {
                scan.sp().ok()?;
                let fetched = fetched(&mut scan, number, message).ok()?;
                scan.end().ok()?;
                Some(Self::Fetch(Box::new(fetched)))
            }
            (Some(number), "EXISTS") => Some(Self::Exists(number)),
            (Some(_), _) => Some(Self::Other),
            (None, "CAPABILITY") => Some(Self::Capability(capabilities(&mut scan))),
            (None, "LIST") => Some(listed(&mut scan, false).map_or(Self::Other, Self::Mailbox)),
            (None, "LSUB") => Some(listed(&mut scan, true).map_or(Self::Other, Self::Mailbox)),
            (None, "NAMESPACE") => Some(namespaces(&mut scan).map_or(Self::Other, Self::Namespace)),
            (None, word) => Some(status(&mut scan, word).map_or(Self::Other, Self::Told)),
        }
    }
}

fn is_greeting_or_end(condition: Condition) -> bool {
    matches!(condition, Condition::Bye | Condition::PreAuth)
}

/// Behind its word. `None`: it is no status.
fn status(scan: &mut Scan<'_>, word: &str) -> Option<Status> {
    let condition = match word {
        "OK" => Condition::Ok,
        "NO" => Condition::No,
        "BAD" => Condition::Bad,
        "BYE" => Condition::Bye,
        "PREAUTH" => Condition::PreAuth,
        _ => return None,
    };
    scan.eat(b' ');
    let code = if scan.eat(b'[') { code(scan) } else { None };
    let text = String::from_utf8_lossy(scan.rest()).into_owned();
    Some(Status { condition, code, text })
}

/// With all up to its bracket, which no code has within.
fn code(scan: &mut Scan<'_>) -> Option<Code> {
    let name = scan.keyword().ok();
    let code = match name.as_deref() {
        Some("CAPABILITY") => Some(Code::Capability(capabilities(scan))),
        Some("UIDVALIDITY") if scan.eat(b' ') => scan.nz_number().ok().map(Code::UidValidity),
        Some(name) => Some(Code::Other(name.into())),
        None => None,
    };
    scan.take_while(|octet| octet != b']');
    scan.eat(b']');
    scan.eat(b' ');
    code
}

fn capabilities(scan: &mut Scan<'_>) -> Vec<Box<str>> {
    let mut all = Vec::new();
    while scan.eat(b' ') {
        if let Ok(name) = scan.atom() {
            all.push(name.to_ascii_uppercase().into());
        }
    }
    all
}

/// `SP "(" attributes ")" SP delimiter SP name`, and what an extension puts behind.
fn listed(scan: &mut Scan<'_>, subscribed: bool) -> Scanned<Listed> {
    scan.sp()?;
    let attributes = words(scan)?;
    scan.sp()?;
    let delimiter = delimiter(scan)?;
    scan.sp()?;
    let name = scan.astring()?;
    Ok(Listed { subscribed, attributes, delimiter, name })
}

/// Words in parentheses, of any octets but spaces and parentheses.
fn words(scan: &mut Scan<'_>) -> Scanned<Vec<Box<str>>> {
    scan.expect(b'(')?;
    let mut all = Vec::new();
    while !scan.eat(b')') {
        let word = scan.take_while(|octet| !matches!(octet, b' ' | b'(' | b')'));
        if !word.is_empty() {
            all.push(String::from_utf8_lossy(word).into());
        } else if !scan.eat(b' ') {
            return Err(CommandError::Syntax);
        }
    }
    Ok(all)
}

fn delimiter(scan: &mut Scan<'_>) -> Scanned<Option<u8>> {
    match scan.nstring()?.as_deref() {
        None => Ok(None),
        Some([octet]) => Ok(Some(*octet)),
        Some(_) => Err(CommandError::Syntax),
    }
}

fn namespaces(scan: &mut Scan<'_>) -> Scanned<Namespaces> {
    let mut kind = || {
        scan.sp()?;
        let mut all = Vec::new();
        if scan.eat_word("NIL") {
            return Ok(all);
        }
        scan.expect(b'(')?;
        while !scan.eat(b')') {
            scan.expect(b'(')?;
            let prefix = scan.string()?;
            scan.sp()?;
            all.push(Namespace { prefix, delimiter: delimiter(scan)? });
            while !scan.eat(b')') {
                scan.sp()?;
                step_over(scan, 0)?;
            }
            scan.eat(b' ');
        }
        Ok(all)
    };
    Ok(Namespaces { personal: kind()?, others: kind()?, shared: kind()? })
}

fn fetched(scan: &mut Scan<'_>, number: u32, message: Option<u64>) -> Scanned<Fetched> {
    let mut fetched = Fetched { number, ..Fetched::default() };
    scan.expect(b'(')?;
    while !scan.eat(b')') {
        let name = item_name(scan)?;
        scan.sp()?;
        match name.as_str() {
            "UID" => fetched.uid = Some(scan.nz_number()?),
            "FLAGS" => fetched.flags = Some(words(scan)?.iter().filter_map(|word| flag(word)).collect()),
            "INTERNALDATE" => fetched.internal_date = date(&scan.nstring()?.unwrap_or_default()),
            "RFC822.SIZE" => fetched.octets = Some(scan.number64()?),
            "X-GM-MSGID" => fetched.email = Some(scan.atom()?.as_bytes().to_vec()),
            "EMAILID" => fetched.email = email_id(scan)?,
            // Twice: nobody knows which it is.
            "BODY[]" if fetched.body.is_some() => return Err(CommandError::Syntax),
            "BODY[]" => {
                fetched.body = Some(match (scan.nstring8()?, message) {
                    (None, Some(octets)) => Body::Passed(octets),
                    (None, None) => Body::Nothing,
                    (Some(octets), None) => Body::Whole(octets),
                    (Some(_), Some(_)) => return Err(CommandError::Syntax),
                });
            }
            _ => step_over(scan, 0)?,
        }
        if !scan.eat(b' ') && scan.peek() != Some(b')') {
            return Err(CommandError::Syntax);
        }
    }
    // A message that passed through somewhere else.
    if message.is_some() && !matches!(fetched.body, Some(Body::Passed(_))) {
        return Err(CommandError::Syntax);
    }
    Ok(fetched)
}

/// The name of an item, in upper case, with the section that it may have.
fn item_name(scan: &mut Scan<'_>) -> Scanned<String> {
    let plain = |octet: u8| !matches!(octet, b' ' | b'(' | b')' | b'[');
    let mut name = scan.take_while(plain).to_vec();
    if scan.eat(b'[') {
        name.push(b'[');
        name.extend_from_slice(scan.take_while(|octet| octet != b']'));
        scan.expect(b']')?;
        name.push(b']');
        name.extend_from_slice(scan.take_while(plain));
    }
    let name = String::from_utf8(name).ok().filter(|name| !name.is_empty());
    name.map(|name| name.to_ascii_uppercase()).ok_or(CommandError::Syntax)
}

fn flag(word: &str) -> Option<Flag> {
    match word.strip_prefix('\\') {
        Some(name) => is_atom(name).then(|| Flag::system(name)),
        None => is_atom(word).then(|| Flag::Keyword(word.into())),
    }
}

/// What stood in quotes.
fn date(text: &[u8]) -> Option<DateTime> {
    let quoted = [b"\"", text, b"\""].concat();
    let mut scan = Scan::new(&quoted, true, GrammarLimits::default());
    let date = DateTime::scan(&mut scan).ok()?;
    scan.end().is_ok().then_some(date)
}

/// `"(" id ")"`, or NIL.
fn email_id(scan: &mut Scan<'_>) -> Scanned<Option<Vec<u8>>> {
    if scan.eat_word("NIL") {
        return Ok(None);
    }
    scan.expect(b'(')?;
    let id = scan.atom()?.as_bytes().to_vec();
    scan.expect(b')')?;
    Ok(Some(id))
}

/// A value of any form.
fn step_over(scan: &mut Scan<'_>, depth: usize) -> Scanned<()> {
    if depth > DEPTH_MAX {
        return Err(CommandError::TooComplex);
    }
    match scan.peek() {
        Some(b'"' | b'{') => scan.string().map(|_| ()),
        Some(b'~') => scan.nstring8().map(|_| ()),
        Some(b'(') => {
            scan.expect(b'(')?;
            while !scan.eat(b')') {
                // Parts of a body structure have no spaces between them (RFC 9051 §9, `body-type-mpart`).
                if !scan.eat(b' ') {
                    step_over(scan, depth + 1)?;
                }
            }
            Ok(())
        }
        _ if scan.take_while(|octet| !matches!(octet, b' ' | b'(' | b')' | b'"')).is_empty() => {
            Err(CommandError::Syntax)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Response {
        Response::parse(text.as_bytes(), None).unwrap()
    }

    fn told(condition: Condition, code: Option<Code>, text: &str) -> Response {
        Response::Told(Status { condition, code, text: text.to_owned() })
    }

    #[test]
    fn a_status_has_a_code_or_none() {
        let other = |name: &str| Some(Code::Other(name.into()));
        let caps = Some(Code::Capability(vec!["IMAP4REV1".into(), "AUTH=PLAIN".into()]));
        for (text, response) in [
            (
                "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Dovecot ready.",
                told(Condition::Ok, caps, "Dovecot ready."),
            ),
            (
                "* ok [UIDVALIDITY 1] UIDs valid",
                told(Condition::Ok, Some(Code::UidValidity(1)), "UIDs valid"),
            ),
            ("* OK [UIDVALIDITY 0] x", told(Condition::Ok, None, "x")),
            (
                "* OK [PERMANENTFLAGS (\\Seen \\*)] x [y]",
                told(Condition::Ok, other("PERMANENTFLAGS"), "x [y]"),
            ),
            ("* BYE", told(Condition::Bye, None, "")),
            ("* PREAUTH hello", told(Condition::PreAuth, None, "hello")),
            ("* NO [ALERT] {5}", told(Condition::No, other("ALERT"), "{5}")),
            ("* 3 EXISTS", Response::Exists(3)),
            ("* 3 RECENT", Response::Other),
            ("* SEARCH 1 2 3", Response::Other),
            ("* )(", Response::Other),
            ("+ ", Response::Continue(String::new())),
            ("+", Response::Continue(String::new())),
            ("+ eyJ4IjoxfQ==", Response::Continue("eyJ4IjoxfQ==".to_owned())),
        ] {
            assert_eq!(parse(text), response, "{text}");
        }
        let done =
            Status { condition: Condition::No, code: other("AUTHENTICATIONFAILED"), text: "no".into() };
        assert_eq!(
            parse("a1 NO [AUTHENTICATIONFAILED] no"),
            Response::Done { tag: "a1".into(), status: done }
        );
        assert_eq!(Response::parse(b"a1 BYE", None), None);
    }

    #[test]
    fn mailboxes_of_many_servers_are_read() {
        let mailbox = |subscribed, attributes: &[&str], delimiter, name: &str| {
            Response::Mailbox(Listed {
                subscribed,
                attributes: attributes.iter().map(|attribute| (*attribute).into()).collect(),
                delimiter,
                name: name.as_bytes().to_vec(),
            })
        };
        for (text, response) in [
            (
                "* LIST (\\HasNoChildren \\Sent) \".\" INBOX.Sent",
                mailbox(false, &["\\HasNoChildren", "\\Sent"], Some(b'.'), "INBOX.Sent"),
            ),
            ("* LSUB () \"/\" \"a b\"", mailbox(true, &[], Some(b'/'), "a b")),
            ("* LIST () NIL x", mailbox(false, &[], None, "x")),
            ("* LIST () \"\\\\\" {3}\r\na\"b", mailbox(false, &[], Some(b'\\'), "a\"b")),
            (
                "* LIST (\\Subscribed) \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))",
                mailbox(false, &["\\Subscribed"], Some(b'/'), "a"),
            ),
            ("* LIST (\\x", Response::Other),
            ("* LIST () \"ab\" x", Response::Other),
        ] {
            assert_eq!(parse(text), response, "{text}");
        }
        let space = |prefix: &str| Namespace { prefix: prefix.as_bytes().to_vec(), delimiter: Some(b'.') };
        let all = Namespaces {
            personal: vec![space("INBOX.")],
            others: vec![space("user.")],
            shared: vec![space("a."), space("b.")],
        };
        let text = "* NAMESPACE ((\"INBOX.\" \".\")) ((\"user.\" \".\" \"X\" (\"a\" \"b\"))) ((\"a.\" \".\")(\"b.\" \".\"))";
        assert_eq!(parse(text), Response::Namespace(all));
        assert_eq!(parse("* NAMESPACE NIL NIL NIL"), Response::Namespace(Namespaces::default()));
    }

    #[test]
    fn what_matters_of_a_message_is_read_and_the_rest_stepped_over() {
        let text = "* 12 fetch (x-gm-msgid 1278455344230334865 MODSEQ (624140003) FLAGS (\\Seen $Forwarded \\* Ä) UID 5 \
                    INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[HEADER.FIELDS (FROM TO)]<0> {2}\r\n)( RFC822.SIZE 4286 \
                    BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" NIL)(\"A\" (NIL \"x\") 3) \"MIXED\") ENVELOPE NIL)";
        let fetched = Fetched {
            number: 12,
            uid: Some(5),
            flags: Some(vec![Flag::Seen, Flag::Keyword("$Forwarded".into())]),
            internal_date: DateTime::new(837_596_665, -420),
            octets: Some(4286),
            body: None,
            email: Some(b"1278455344230334865".to_vec()),
        };
        assert_eq!(parse(text), Response::Fetch(Box::new(fetched)));
        let odd = Fetched { number: 1, email: Some(b"E7".to_vec()), ..Fetched::default() };
        assert_eq!(
            parse("* 1 FETCH (INTERNALDATE \"yesterday\" EMAILID (E7) )"),
            Response::Fetch(Box::new(odd))
        );
        let deep = format!("* 1 FETCH (X {}{})", "(".repeat(200), ")".repeat(200));
        for text in ["* 1 FETCH (UID)", "* 1 FETCH (UID 1", "* 1 FETCH (UID 1) x", "* 1 FETCH", &deep] {
            assert_eq!(Response::parse(text.as_bytes(), None), None, "{text}");
        }
    }
}
