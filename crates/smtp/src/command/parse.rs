//! The grammar of command lines (RFC 5321 §4.1.2), by hand: strict where laxness would be ambiguous.

use mail::{
    Address, Body, Domain, Notify, OriginalRecipient, Ret, ReversePath, valid_ehlo_name, xtext::decode_xtext,
};

use super::{
    Command, ForwardPath, MailFrom, RcptTo,
    auth::{parse_auth, submitter},
    etrn::parse_etrn,
    xclient::parse_xclient,
};

/// Why a line is no command that can be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// NUL, a bare CR or LF, or octets that are not UTF-8.
    NotText,
    /// No verb that SMTP knows.
    Unknown,
    /// A verb that is known but not offered here.
    NotImplemented,
    /// Wrong arguments of `BDAT`, or what looks like it: what follows may be content instead of commands.
    Chunk,
    /// An argument is missing, or one too many.
    Arguments,
    /// The name in HELO or EHLO is neither a domain nor an address literal.
    HelloName,
    /// The reverse-path is wrong.
    ReversePath,
    /// The forward-path is wrong.
    ForwardPath,
    /// An unknown parameter, one not offered, or one given twice that is none of DSN's.
    Parameter,
    /// The value of a known parameter is wrong, or a parameter of DSN is given twice.
    ParameterValue,
    /// `ETRN` for what is neither a domain nor a queue.
    Node,
    /// Wrong attributes of `XCLIENT`.
    Xclient,
    /// A UTF-8 reverse-path without the parameter SMTPUTF8 (RFC 6531 §3.4).
    NeedsSmtpUtf8,
}

impl Command {
    /// Parses a command line without its CRLF. White space at its end is tolerated (RFC 5321 §4.1.1).
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        Self::parsed(line).map_err(|error| if looks_like_bdat(line) { CommandError::Chunk } else { error })
    }

    fn parsed(line: &[u8]) -> Result<Self, CommandError> {
        if memchr::memchr3(b'\r', b'\n', 0, line).is_some() {
            return Err(CommandError::NotText);
        }
        let line = std::str::from_utf8(line).map_err(|_| CommandError::NotText)?;
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim_start_matches(' ');
        parse_verb(verb, argument)
    }
}

fn parse_verb(verb: &str, argument: &str) -> Result<Command, CommandError> {
    let is = |name: &str| verb.eq_ignore_ascii_case(name);
    // The order is that of their frequency.
    if is("RCPT") {
        parse_rcpt(argument)
    } else if is("MAIL") {
        parse_mail(argument)
    } else if is("DATA") {
        alone(argument, Command::Data)
    } else if is("EHLO") {
        hello_name(argument).map(Command::Ehlo)
    } else if is("HELO") {
        hello_name(argument).map(Command::Helo)
    } else if is("LHLO") {
        hello_name(argument).map(Command::Lhlo)
    } else if is("QUIT") {
        alone(argument, Command::Quit)
    } else if is("RSET") {
        alone(argument, Command::Rset)
    } else if is("NOOP") {
        Ok(Command::Noop)
    } else if is("HELP") {
        Ok(Command::Help)
    } else if is("VRFY") {
        text(argument).map(Command::Vrfy)
    } else if is("EXPN") {
        text(argument).map(Command::Expn)
    } else if is("BDAT") {
        chunk(argument)
    } else if is("AUTH") {
        parse_auth(argument)
    } else if is("ETRN") {
        parse_etrn(argument)
    } else if is("STARTTLS") {
        // RFC 3207 §4: 501 if there is a parameter.
        alone(argument, Command::StartTls)
    } else if is("XCLIENT") {
        parse_xclient(argument)
    } else if NOT_IMPLEMENTED.into_iter().any(is) {
        Err(CommandError::NotImplemented)
    } else {
        Err(CommandError::Unknown)
    }
}

/// Verbs of RFC 5321 appendix F and of extensions that are not offered: `502` rather than `500` (RFC 5321 §4.2.4).
const NOT_IMPLEMENTED: [&str; 6] = ["ATRN", "BURL", "TURN", "SEND", "SOML", "SAML"];

fn alone(argument: &str, command: Command) -> Result<Command, CommandError> {
    if argument.is_empty() { Ok(command) } else { Err(CommandError::Arguments) }
}

/// Whether a line that is no command, or the beginning of one, may have been meant as BDAT.
pub(crate) fn looks_like_bdat(line: &[u8]) -> bool {
    const LOOKED_AT: usize = 256;
    let verb = line.iter().take(LOOKED_AT).skip_while(|octet| matches!(octet, b' ' | b'\t')).take(4);
    verb.map(u8::to_ascii_uppercase).eq(*b"BDAT")
}

/// ```text
/// bdat-cmd   = "BDAT" SP chunk-size [ SP end-marker ] CR LF
/// chunk-size = 1*DIGIT
/// end-marker = "LAST"
/// ```
///
/// More than 64 bits are an error, not a large number: nobody could count them.
fn chunk(argument: &str) -> Result<Command, CommandError> {
    let (octets, end) = argument.split_once(' ').unwrap_or((argument, ""));
    if !octets.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(CommandError::Chunk);
    }
    let octets = octets.parse().map_err(|_| CommandError::Chunk)?;
    match end.trim_start_matches(' ') {
        "" => Ok(Command::Bdat { octets, last: false }),
        end if end.eq_ignore_ascii_case("LAST") => Ok(Command::Bdat { octets, last: true }),
        _ => Err(CommandError::Chunk),
    }
}

/// RFC 5321 §4.1.4 forbids refusing mail over a wrong name, not over a wrong syntax. Only ASCII: the client cannot
/// know yet whether SMTPUTF8 is offered (RFC 6531 §3.7.1).
fn hello_name(argument: &str) -> Result<String, CommandError> {
    match argument {
        "" => Err(CommandError::Arguments),
        name if name.is_ascii() && valid_ehlo_name(name) => Ok(name.to_owned()),
        _ => Err(CommandError::HelloName),
    }
}

fn text(argument: &str) -> Result<String, CommandError> {
    if argument.is_empty() { Err(CommandError::Arguments) } else { Ok(argument.to_owned()) }
}

/// `mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF`
fn parse_mail(argument: &str) -> Result<Command, CommandError> {
    let path = after_keyword(argument, "FROM:").ok_or(CommandError::Arguments)?;
    let (inner, parameters) = split_path(path).ok_or(CommandError::ReversePath)?;
    let reverse_path = match inner {
        "" => ReversePath::Null,
        inner => ReversePath::Address(address(inner).ok_or(CommandError::ReversePath)?),
    };
    let mut mail = MailFrom::new(reverse_path);
    mail_parameters(&mut mail, parameters)?;
    match mail.reverse_path.address() {
        Some(address) if address.is_utf8() && !mail.smtputf8 => Err(CommandError::NeedsSmtpUtf8),
        _ => Ok(Command::Mail(Box::new(mail))),
    }
}

/// `rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF`
fn parse_rcpt(argument: &str) -> Result<Command, CommandError> {
    let path = after_keyword(argument, "TO:").ok_or(CommandError::Arguments)?;
    let (inner, parameters) = split_path(path).ok_or(CommandError::ForwardPath)?;
    let forward_path = if inner.eq_ignore_ascii_case("postmaster") {
        ForwardPath::Postmaster
    } else {
        ForwardPath::Address(address(inner).ok_or(CommandError::ForwardPath)?)
    };
    let mut rcpt = RcptTo::new(forward_path);
    rcpt_parameters(&mut rcpt, parameters)?;
    Ok(Command::Rcpt(Box::new(rcpt)))
}

/// Takes `FROM:` or `TO:` off the front. A space behind it is against the grammar but clear, and common.
fn after_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = argument.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| rest.trim_start_matches(' '))
}

/// Splits `<…>` from what follows. A `>` inside of a quoted local part does not end the path.
fn split_path(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => {
                let rest = text.get(at + 1..)?;
                let separated = rest.is_empty() || rest.starts_with(' ');
                return separated.then(|| (text.get(..at).unwrap_or_default(), rest));
            }
            _ => {}
        }
    }
    None
}

/// An address, perhaps behind a source route, which is checked and dropped (RFC 5321 appendix C).
///
/// ```text
/// Path  = "<" [ A-d-l ":" ] Mailbox ">"
/// A-d-l = At-domain *( "," At-domain )
/// ```
fn address(inner: &str) -> Option<Address> {
    if !inner.starts_with('@') {
        return Address::parse(inner).ok();
    }
    let (route, mailbox) = inner.split_once(':')?;
    let at_domain = |part: &str| part.strip_prefix('@').is_some_and(|name| Domain::parse(name).is_ok());
    if !route.split(',').all(at_domain) {
        return None;
    }
    Address::parse(mailbox).ok()
}

fn mail_parameters(mail: &mut MailFrom, parameters: &str) -> Result<(), CommandError> {
    let mut body = None;
    for parameter in esmtp_parameters(parameters) {
        let (keyword, value) = parameter?;
        if keyword.eq_ignore_ascii_case("SIZE") && mail.size.is_none() {
            mail.size = Some(size(value.ok_or(CommandError::ParameterValue)?)?);
        } else if keyword.eq_ignore_ascii_case("BODY") && body.is_none() {
            body = Some(body_type(value.ok_or(CommandError::ParameterValue)?)?);
        } else if keyword.eq_ignore_ascii_case("SMTPUTF8") && !mail.smtputf8 {
            mail.smtputf8 = value.is_none().then_some(true).ok_or(CommandError::ParameterValue)?;
        } else if keyword.eq_ignore_ascii_case("RET") {
            once(&mut mail.ret, ret(value.ok_or(CommandError::ParameterValue)?)?)?;
        } else if keyword.eq_ignore_ascii_case("ENVID") {
            once(&mut mail.envid, envid(value.ok_or(CommandError::ParameterValue)?)?)?;
        } else if keyword.eq_ignore_ascii_case("AUTH") && mail.auth.is_none() {
            let value = value.and_then(submitter).ok_or(CommandError::ParameterValue)?;
            mail.auth = Some(value);
        } else {
            match mail.schedule.read(keyword, value) {
                Some(true) => {}
                Some(false) => return Err(CommandError::ParameterValue),
                None => return Err(CommandError::Parameter),
            }
        }
    }
    mail.body = body.unwrap_or_default();
    Ok(())
}

fn rcpt_parameters(rcpt: &mut RcptTo, parameters: &str) -> Result<(), CommandError> {
    let mut notified = None;
    for parameter in esmtp_parameters(parameters) {
        let (keyword, value) = parameter?;
        if keyword.eq_ignore_ascii_case("NOTIFY") {
            once(&mut notified, notify(value.ok_or(CommandError::ParameterValue)?)?)?;
        } else if keyword.eq_ignore_ascii_case("ORCPT") {
            once(&mut rcpt.orcpt, orcpt(value.ok_or(CommandError::ParameterValue)?)?)?;
        } else {
            return Err(CommandError::Parameter);
        }
    }
    rcpt.notify = notified.unwrap_or_default();
    Ok(())
}

/// RFC 3461 §5.1: 501 for a parameter of DSN that is given twice.
fn once<T>(given: &mut Option<T>, value: T) -> Result<(), CommandError> {
    if given.replace(value).is_none() { Ok(()) } else { Err(CommandError::ParameterValue) }
}

/// `ret-value = "FULL" / "HDRS"` (RFC 3461 §4.3).
fn ret(value: &str) -> Result<Ret, CommandError> {
    if value.eq_ignore_ascii_case("FULL") {
        Ok(Ret::Full)
    } else if value.eq_ignore_ascii_case("HDRS") {
        Ok(Ret::Headers)
    } else {
        Err(CommandError::ParameterValue)
    }
}

/// RFC 3461 §4.4: at most 100 characters, encoded.
fn envid(value: &str) -> Result<Box<str>, CommandError> {
    const OCTETS_MAX: usize = 100;
    let decoded = (value.len() <= OCTETS_MAX).then(|| decode_xtext(value)).flatten();
    decoded.map(Into::into).ok_or(CommandError::ParameterValue)
}

/// RFC 3461 §4.2: at most 500 characters, encoded.
fn orcpt(value: &str) -> Result<OriginalRecipient, CommandError> {
    const OCTETS_MAX: usize = 500;
    let read = (value.len() <= OCTETS_MAX).then(|| OriginalRecipient::from_parameter(value)).flatten();
    read.ok_or(CommandError::ParameterValue)
}

/// ```text
/// notify-esmtp-value  = "NEVER" / ( notify-list-element *( "," notify-list-element ) )
/// notify-list-element = "SUCCESS" / "FAILURE" / "DELAY"
/// ```
/// (RFC 3461 §4.1.) `NEVER` stands alone. A word given twice says nothing new and does no harm.
fn notify(value: &str) -> Result<Notify, CommandError> {
    let mut notify = Notify { success: false, failure: false, delay: false, given: true };
    if value.eq_ignore_ascii_case("NEVER") {
        return Ok(notify);
    }
    for word in value.split(',') {
        if word.eq_ignore_ascii_case("SUCCESS") {
            notify.success = true;
        } else if word.eq_ignore_ascii_case("FAILURE") {
            notify.failure = true;
        } else if word.eq_ignore_ascii_case("DELAY") {
            notify.delay = true;
        } else {
            return Err(CommandError::ParameterValue);
        }
    }
    Ok(notify)
}

/// The parameters one by one.
///
/// ```text
/// esmtp-param   = esmtp-keyword ["=" esmtp-value]
/// esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
/// esmtp-value   = 1*(%d33-60 / %d62-126 / UTF8-non-ascii)
/// ```
pub(super) fn esmtp_parameters(
    text: &str,
) -> impl Iterator<Item = Result<(&str, Option<&str>), CommandError>> {
    text.split(' ').filter(|parameter| !parameter.is_empty()).map(|parameter| {
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (parameter, None),
        };
        let keyword_ok = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
            && keyword.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let value_ok = value
            .is_none_or(|value| !value.is_empty() && !value.contains(|c: char| c == '=' || c.is_control()));
        if keyword_ok && value_ok { Ok((keyword, value)) } else { Err(CommandError::ParameterValue) }
    })
}

/// `size-value = 1*20DIGIT` (RFC 1870 §6). Twenty digits may exceed 64 bits; that much is too much anyway.
fn size(value: &str) -> Result<u64, CommandError> {
    if value.len() > 20 || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CommandError::ParameterValue);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

/// `body-value = "7BIT" / "8BITMIME" / "BINARYMIME"` (RFC 3030 §3).
fn body_type(value: &str) -> Result<Body, CommandError> {
    if value.eq_ignore_ascii_case("7BIT") {
        Ok(Body::SevenBit)
    } else if value.eq_ignore_ascii_case("8BITMIME") {
        Ok(Body::EightBitMime)
    } else if value.eq_ignore_ascii_case("BINARYMIME") {
        Ok(Body::BinaryMime)
    } else {
        Err(CommandError::ParameterValue)
    }
}
