//! The machine's own replies. None repeats what the client sent: a reply that echoes its input can be made to say
//! something in another protocol (ALPACA).

use mail::{EnhancedStatus, Reply};

use super::{Authentication, Config, Limits, Offers, Protocol, Scheduling, lines::LineFault};
use crate::{CommandError, command::XCLIENT_ATTRIBUTES, framing::Fault};

pub(super) const OK: Reply = Reply::fixed(250, (2, 0, 0), "Ok");
pub(super) const SENDER_OK: Reply = Reply::fixed(250, (2, 1, 0), "Sender ok");
pub(super) const RECIPIENT_OK: Reply = Reply::fixed(250, (2, 1, 5), "Recipient ok");
pub(super) const AUTHENTICATED: Reply = Reply::fixed(235, (2, 7, 0), "Authentication successful");
pub(super) const BYE: Reply = Reply::fixed(221, (2, 0, 0), "Bye");
pub(super) const HELP: Reply =
    Reply::fixed(214, (2, 0, 0), "HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT\nSee RFC 5321");
// RFC 5321 §3.5.3: 252 where we would take mail for the address and let delivery decide.
pub(super) const NOT_VERIFIED: Reply =
    Reply::fixed(252, (2, 0, 0), "Cannot verify, but will accept mail and attempt delivery");
pub(super) const NOT_EXPANDED: Reply = Reply::fixed(502, (5, 5, 1), "Lists are not expanded here");

pub(super) const SHUTTING_DOWN: Reply = Reply::fixed(421, (4, 3, 2), "Service is shutting down");
pub(super) const TIMED_OUT: Reply = Reply::fixed(421, (4, 4, 2), "Timeout, closing");
pub(super) const TOO_MANY_ERRORS: Reply = Reply::fixed(421, (4, 7, 0), "Too many errors, closing");
pub(super) const TOO_OFTEN: Reply =
    Reply::fixed(421, (4, 7, 0), "Too many commands or errors from your address; try again later");
pub(super) const TOO_MANY_TRANSACTIONS: Reply =
    Reply::fixed(421, (4, 7, 0), "Too many messages, connect again");
// What the policy must not say, whatever it meant: the client keeps its copy.
pub(super) const LOCAL_ERROR: Reply = Reply::fixed(451, (4, 3, 0), "Local error in processing");
pub(super) const TOO_MANY_RECIPIENTS: Reply = Reply::fixed(452, (4, 5, 3), "Too many recipients");

pub(super) const BAD_SEQUENCE: Reply = Reply::fixed(503, (5, 5, 1), "Bad sequence of commands");
pub(super) const HELLO_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "Send HELO or EHLO first");
pub(super) const LHLO_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "Send LHLO first");
pub(super) const THIS_IS_LMTP: Reply = Reply::fixed(500, (5, 5, 1), "This is LMTP: send LHLO");
pub(super) const THIS_IS_NOT_LMTP: Reply = Reply::fixed(500, (5, 5, 1), "This is not LMTP: send EHLO");
pub(super) const NESTED_MAIL: Reply = Reply::fixed(503, (5, 5, 1), "A transaction is already open");
// RFC 1985 has 4yz for this, so the enhanced code is of class 4 too.
pub(super) const NO_TURN: Reply = Reply::fixed(459, (4, 7, 0), "Not allowed");
pub(super) const TURNED: Reply = Reply::fixed(250, (2, 0, 0), "Queuing started");
// What Postfix says to both.
pub(super) const NO_PROXY: Reply = Reply::fixed(550, (5, 7, 0), "Insufficient authorization");
pub(super) const IN_TRANSACTION: Reply = Reply::fixed(503, (5, 5, 1), "Mail transaction in progress");
pub(super) const READY_FOR_TLS: Reply = Reply::fixed(220, (2, 0, 0), "Ready to start TLS");
pub(super) const SECURE_ALREADY: Reply = Reply::fixed(503, (5, 5, 1), "TLS is up already");
pub(super) const NOT_IMPLEMENTED: Reply = Reply::fixed(502, (5, 5, 1), "Command not implemented");
// RFC 4954 §4, §6; 538 is from RFC 2554, and still the one word for it.
pub(super) const NEEDS_TLS: Reply = Reply::fixed(538, (5, 7, 11), "Send STARTTLS first");
pub(super) const EHLO_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "Send EHLO first");
pub(super) const AUTHENTICATED_ALREADY: Reply = Reply::fixed(503, (5, 5, 1), "Already authenticated");
pub(super) const UNKNOWN_MECHANISM: Reply = Reply::fixed(504, (5, 5, 4), "Mechanism not offered");
pub(super) const NOT_BASE64: Reply = Reply::fixed(501, (5, 5, 2), "Response is not base 64");
pub(super) const NOT_OF_MECHANISM: Reply =
    Reply::fixed(501, (5, 5, 2), "Response is not one of this mechanism");
pub(super) const RESPONSE_TOO_LONG: Reply = Reply::fixed(500, (5, 5, 6), "Response too long");
pub(super) const CANCELLED: Reply = Reply::fixed(501, (5, 7, 0), "Authentication cancelled");
pub(super) const BAD_CREDENTIALS: Reply = Reply::fixed(535, (5, 7, 8), "Authentication credentials invalid");
pub(super) const NO_ANSWER_NOW: Reply = Reply::fixed(454, (4, 7, 0), "Temporary authentication failure");
pub(super) const MAIL_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "Send MAIL first");
pub(super) const RECIPIENT_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "Send RCPT first");
pub(super) const BINARY_BY_DATA: Reply =
    Reply::fixed(503, (5, 5, 1), "BODY=BINARYMIME needs BDAT instead of DATA");
pub(super) const QUIT_ONLY: Reply = Reply::fixed(503, (5, 5, 1), "Only QUIT is accepted here");
pub(super) const TOO_LARGE: Reply = Reply::fixed(552, (5, 3, 4), "Message exceeds the maximum size");
// RFC 6531 §3.5: 550 to MAIL, 553 to RCPT.
pub(super) const MAIL_NEEDS_SMTPUTF8: Reply =
    Reply::fixed(550, (5, 6, 7), "Address needs SMTPUTF8, which was not asked for");
pub(super) const RCPT_NEEDS_SMTPUTF8: Reply =
    Reply::fixed(553, (5, 6, 7), "Address needs SMTPUTF8, which was not asked for");
pub(super) const BARE_LINE_END: Reply =
    Reply::fixed(550, (5, 6, 0), "Message contains a bare CR or LF; lines must end in CRLF");
pub(super) const NUL: Reply = Reply::fixed(550, (5, 6, 0), "Message contains a NUL octet");
pub(super) const NO_VALID_RECIPIENTS: Reply = Reply::fixed(554, (5, 5, 1), "No valid recipients");
pub(super) const NO_VALID_RECIPIENTS_LMTP: Reply = Reply::fixed(503, (5, 5, 1), "No valid recipients");
pub(super) const TALKED_TOO_EARLY: Reply = Reply::fixed(554, (5, 5, 1), "Client sent before it was its turn");
pub(super) const NOT_SMTP: Reply = Reply::fixed(554, (5, 5, 1), "This is SMTP");

/// `220` (RFC 5321 §4.2): no enhanced status code in a greeting (RFC 2034 §4).
pub(super) fn greeting(config: &Config) -> Reply {
    let protocol = match config.protocol {
        Protocol::Smtp => "ESMTP",
        Protocol::Lmtp => "LMTP",
    };
    Reply::plain(220, format!("{} {protocol} {}", config.hostname, config.software))
}

/// The reply to HELO (RFC 5321 §4.1.1.1).
pub(super) fn hello(config: &Config) -> Reply {
    Reply::plain(250, config.hostname.clone())
}

/// The reply to EHLO (RFC 5321 §4.1.1.1), and to LHLO.
pub(super) fn extended_hello(config: &Config, offers: Offers) -> Reply {
    let hostname = &config.hostname;
    let size = config.limits.message_size_max;
    let limits = limits(&config.limits);
    let keywords = format!(
        "PIPELINING\nSIZE {size}\n8BITMIME\nDSN\nENHANCEDSTATUSCODES\nSMTPUTF8\nCHUNKING\nBINARYMIME\nLIMITS {limits}"
    );
    let starttls = if offers.starttls { "\nSTARTTLS" } else { "" };
    let etrn = if offers.etrn { "\nETRN" } else { "" };
    let xclient = if offers.xclient { format!("\nXCLIENT {XCLIENT_ATTRIBUTES}") } else { String::new() };
    let schedule = offers.schedule.map(schedule).unwrap_or_default();
    let auth = match offers.auth {
        Authentication::By(mechanisms) => format!("\nAUTH {mechanisms}"),
        Authentication::AfterTls | Authentication::Unknown => String::new(),
    };
    Reply::plain(250, format!("{hostname}\n{keywords}{starttls}{schedule}{auth}{etrn}{xclient}"))
}

/// RFC 4865 §4, RFC 2852 §3 (without a least time, for there is none), RFC 6710 §3.
fn schedule(Scheduling { hold_seconds_max, hold_until_max }: Scheduling) -> String {
    let hold = if hold_seconds_max == 0 {
        String::new()
    } else {
        format!("\nFUTURERELEASE {hold_seconds_max} {hold_until_max}")
    };
    format!("{hold}\nDELIVERBY\nMT-PRIORITY")
}

/// What RFC 9422 §3 has words for: transactions of a session and recipients of a transaction, six digits at most.
fn limits(limits: &Limits) -> String {
    const MAX: usize = 999_999;
    let transactions = usize::try_from(limits.transactions_max).map_or(MAX, |max| max.min(MAX));
    format!("MAILMAX={transactions} RCPTMAX={}", limits.recipients_max.min(MAX))
}

/// A chunk is here (RFC 3030 §2). The count is a number that we have parsed, so it repeats nothing.
pub(super) fn chunk(octets: u64) -> Reply {
    Reply::new(250, EnhancedStatus::new(2, 0, 0), format!("{octets} octets received"))
}

pub(super) fn line_fault(fault: LineFault) -> Reply {
    match fault {
        LineFault::TooLong => Reply::fixed(500, (5, 5, 2), "Line too long"),
        LineFault::BareLf => Reply::fixed(500, (5, 5, 2), "Lines must end in CRLF"),
        LineFault::Chunk => command_error(CommandError::Chunk),
        LineFault::Endless => TOO_MANY_ERRORS,
    }
}

pub(super) fn command_error(error: CommandError) -> Reply {
    let (code, enhanced, text) = match error {
        CommandError::NotText => (500, (5, 5, 2), "Invalid octet in command line"),
        CommandError::Unknown => (500, (5, 5, 1), "Command not recognized"),
        CommandError::NotImplemented => (502, (5, 5, 1), "Command not implemented"),
        CommandError::Arguments | CommandError::Chunk | CommandError::Xclient => {
            (501, (5, 5, 4), "Wrong arguments")
        }
        CommandError::HelloName => (501, (5, 5, 4), "Invalid domain or address literal"),
        CommandError::Node => (501, (5, 5, 4), "Invalid node"),
        CommandError::ReversePath => (501, (5, 1, 7), "Invalid reverse-path"),
        CommandError::ForwardPath => (501, (5, 1, 3), "Invalid forward-path"),
        CommandError::Parameter => (555, (5, 5, 4), "Parameter not recognized, or given twice"),
        CommandError::ParameterValue => (501, (5, 5, 4), "Invalid parameter"),
        CommandError::NeedsSmtpUtf8 => return MAIL_NEEDS_SMTPUTF8,
    };
    Reply::fixed(code, enhanced, text)
}

pub(super) fn fault(fault: Fault) -> Reply {
    match fault {
        Fault::BareLineEnd => BARE_LINE_END,
        Fault::Nul => NUL,
    }
}
