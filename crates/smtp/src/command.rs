//! The commands of RFC 5321 §4.1.1 as values: what the server parses and the client writes.

mod auth;
mod etrn;
mod parse;
mod schedule;
mod xclient;

use std::fmt;

use mail::{Address, Body, Notify, OriginalRecipient, Ret, ReversePath, xtext::encode_xtext};

pub use auth::Auth;
pub(crate) use auth::looks_like_auth;
pub use etrn::Node;
pub use parse::CommandError;
pub(crate) use parse::looks_like_bdat;
pub use schedule::{By, Hold, Schedule};
pub(crate) use xclient::ATTRIBUTES as XCLIENT_ATTRIBUTES;
pub use xclient::{ClientProtocol, Told, Xclient};

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `HELO domain` (RFC 5321 §4.1.1.1). An address literal is taken too.
    Helo(String),
    /// `EHLO domain-or-literal` (RFC 5321 §4.1.1.1).
    Ehlo(String),
    /// `LHLO domain-or-literal`: the EHLO of LMTP (RFC 2033 §4.1).
    Lhlo(String),
    /// `MAIL FROM:` (RFC 5321 §4.1.1.2).
    Mail(Box<MailFrom>),
    /// `RCPT TO:` (RFC 5321 §4.1.1.3).
    Rcpt(Box<RcptTo>),
    /// `DATA` (RFC 5321 §4.1.1.4).
    Data,
    /// `BDAT octets [LAST]` (RFC 3030 §2). So many octets of content follow it at once.
    Bdat {
        /// How many.
        octets: u64,
        /// Whether the message ends with them.
        last: bool,
    },
    /// `RSET` (RFC 5321 §4.1.1.5).
    Rset,
    /// `VRFY string` (RFC 5321 §4.1.1.6).
    Vrfy(String),
    /// `EXPN string` (RFC 5321 §4.1.1.7).
    Expn(String),
    /// `HELP`, its argument ignored (RFC 5321 §4.1.1.8).
    Help,
    /// `NOOP`, its argument ignored (RFC 5321 §4.1.1.9).
    Noop,
    /// `AUTH mechanism [initial-response]` (RFC 4954 §4).
    Auth(Box<Auth>),
    /// `ETRN node` (RFC 1985).
    Etrn(Node),
    /// `XCLIENT` (Postfix): who the client behind a proxy is.
    Xclient(Box<Xclient>),
    /// `STARTTLS` (RFC 3207 §4).
    StartTls,
    /// `QUIT` (RFC 5321 §4.1.1.10).
    Quit,
}

/// The arguments of `MAIL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFrom {
    /// Where reports go.
    pub reverse_path: ReversePath,
    /// `SIZE=`: the octets that the client expects to send (RFC 1870 §6).
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152 §3).
    pub body: Body,
    /// `SMTPUTF8` (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// `RET=` (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// `ENVID=`, decoded (RFC 3461 §4.4).
    pub envid: Option<Box<str>>,
    /// `AUTH=`, decoded: who submitted the message first; null if nobody knows (RFC 4954 §5).
    pub auth: Option<ReversePath>,
    /// When it is to go, and how urgent it is.
    pub schedule: Schedule,
}

/// The arguments of `RCPT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptTo {
    /// Where the message shall go.
    pub forward_path: ForwardPath,
    /// `NOTIFY=`, or what holds without it (RFC 3461 §4.1).
    pub notify: Notify,
    /// `ORCPT=` (RFC 3461 §4.2).
    pub orcpt: Option<OriginalRecipient>,
}

impl MailFrom {
    /// Without parameters.
    pub fn new(reverse_path: ReversePath) -> Self {
        Self {
            reverse_path,
            size: None,
            body: Body::SevenBit,
            smtputf8: false,
            ret: None,
            envid: None,
            auth: None,
            schedule: Schedule::default(),
        }
    }
}

impl RcptTo {
    /// Without parameters.
    pub fn new(forward_path: ForwardPath) -> Self {
        Self { forward_path, notify: Notify::default(), orcpt: None }
    }
}

/// The path of a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain, in any case: the postmaster here (RFC 5321 §4.5.1).
    Postmaster,
    /// An address; a source route before it is dropped (RFC 5321 §3.3, appendix C).
    Address(Address),
}

impl Command {
    /// Appends the command as it goes over the wire. Controls in a text become `?`, so that no text can forge a line.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = std::io::Write::write_fmt(out, format_args!("{self}\r\n"));
    }
}

/// Without the CRLF.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Helo(name) => with_text(f, "HELO ", name),
            Self::Ehlo(name) => with_text(f, "EHLO ", name),
            Self::Lhlo(name) => with_text(f, "LHLO ", name),
            Self::Mail(mail) => mail.fmt(f),
            Self::Rcpt(rcpt) => rcpt.fmt(f),
            Self::Data => f.write_str("DATA"),
            Self::Bdat { octets, last: false } => write!(f, "BDAT {octets}"),
            Self::Bdat { octets, last: true } => write!(f, "BDAT {octets} LAST"),
            Self::Rset => f.write_str("RSET"),
            Self::Vrfy(text) => with_text(f, "VRFY ", text),
            Self::Expn(text) => with_text(f, "EXPN ", text),
            Self::Help => f.write_str("HELP"),
            Self::Noop => f.write_str("NOOP"),
            Self::Auth(auth) => with_text(f, "", &auth.to_string()),
            Self::Etrn(node) => with_text(f, "ETRN ", &node.to_string()),
            Self::Xclient(xclient) => xclient.fmt(f),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Quit => f.write_str("QUIT"),
        }
    }
}

/// `MAIL FROM:<…>` and its parameters; the defaults are left out.
impl fmt::Display for MailFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MAIL FROM:{}", self.reverse_path)?;
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        match self.body {
            Body::SevenBit => {}
            Body::EightBitMime => f.write_str(" BODY=8BITMIME")?,
            Body::BinaryMime => f.write_str(" BODY=BINARYMIME")?,
        }
        if self.smtputf8 {
            f.write_str(" SMTPUTF8")?;
        }
        match self.ret {
            Some(Ret::Full) => f.write_str(" RET=FULL")?,
            Some(Ret::Headers) => f.write_str(" RET=HDRS")?,
            None => {}
        }
        if let Some(envid) = &self.envid {
            write!(f, " ENVID={}", encode_xtext(envid))?;
        }
        match &self.auth {
            Some(ReversePath::Address(address)) => write!(f, " AUTH={}", encode_xtext(&address.to_string()))?,
            Some(ReversePath::Null) => f.write_str(" AUTH=<>")?,
            None => {}
        }
        self.schedule.fmt(f)
    }
}

/// `RCPT TO:<…>` and its parameters. ORCPT of type `utf-8` keeps its UTF-8 only beside a UTF-8 path, which shows that
/// the server takes SMTPUTF8 (RFC 6533 §3).
impl fmt::Display for RcptTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RCPT TO:{}", self.forward_path)?;
        if self.notify.given {
            write!(f, " NOTIFY={}", NotifyWords(self.notify))?;
        }
        match &self.orcpt {
            Some(orcpt) => write!(f, " ORCPT={}", orcpt.to_parameter(!self.forward_path.is_utf8())),
            None => Ok(()),
        }
    }
}

/// As the parameter has it: `NEVER`, or what is wanted with commas between.
struct NotifyWords(Notify);

impl fmt::Display for NotifyWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Notify { success, failure, delay, .. } = self.0;
        let mut separator = "";
        for (wanted, word) in [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")] {
            if wanted {
                write!(f, "{separator}{word}")?;
                separator = ",";
            }
        }
        if separator.is_empty() { f.write_str("NEVER") } else { Ok(()) }
    }
}

impl ForwardPath {
    /// Whether it needs SMTPUTF8.
    pub fn is_utf8(&self) -> bool {
        matches!(self, Self::Address(address) if address.is_utf8())
    }
}

/// With angle brackets.
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<postmaster>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

fn with_text(f: &mut fmt::Formatter<'_>, verb: &str, text: &str) -> fmt::Result {
    f.write_str(verb)?;
    if text.contains(char::is_control) {
        f.write_str(&text.replace(char::is_control, "?"))
    } else {
        f.write_str(text)
    }
}
