//! What a reply, or its absence, means: one table, phase and reply to scope and action (mail-rules 10).

#[cfg(test)]
mod document;

use mail::{Reply, ReplyClass};
use smtp::client::{Failure, FailureKind, Phase};

use crate::{next_hop::Chosen, no_login, too_much};

/// Whom it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This recipient.
    Recipient,
    /// All recipients of this transaction that have not been refused one by one.
    Message,
    /// This connection, and with it every recipient whose fate is open.
    Connection,
    /// We ourselves, as the relay or another host that we chose knows us: the lane rests, whoever's mail it was.
    Account,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Done: the next hop has it.
    Deliver,
    /// Try again later.
    Defer,
    /// Give up.
    Bounce,
    /// Try the next host at once; when there is none, later.
    NextHost,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A reply with exactly this code.
    Code(u16),
    /// A reply of this class.
    Class(ReplyClass),
    /// What is no reply.
    Garbled,
    /// The end of the connection.
    Closed,
    /// Nothing, for too long.
    Silence,
    /// A host without what the session was to have.
    Unfit,
    /// A refusal that says that our login is missed, under whatever code.
    NoLogin,
    /// A refusal that says that we send too much.
    TooMuch,
    /// Anything.
    Any,
}

/// A row: the first one that fits holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The phases in which it holds; none means all.
    pub(crate) phases: &'static [Phase],
    /// What came.
    pub(crate) what: What,
    /// Whom it concerns.
    pub(crate) scope: Scope,
    /// What is done.
    pub(crate) action: Action,
    /// Whether the site gets fewer connections from now on.
    pub(crate) slows: bool,
    /// The reason.
    pub(crate) why: &'static str,
}

const fn row(
    phases: &'static [Phase],
    what: What,
    scope: Scope,
    action: Action,
    slows: bool,
    why: &'static str,
) -> Row {
    Row { phases, what, scope, action, slows, why }
}

use Action::{Bounce, Defer, Deliver, NextHost};
use Phase::{Auth, DataBlock, DataFinal, DataInit, Greeting, Hello, Mail, Quit, Rcpt, StartTls};
use ReplyClass::{Completion, Permanent, Transient};
use Scope::{Account, Connection, Message, Recipient};
use What::{Any, Class, Closed, Code, Garbled, NoLogin, Silence, TooMuch, Unfit};

/// What comes before the table at hosts that we chose ourselves, the relay above all: what they refuse for us is no
/// judgement of the message.
#[rustfmt::skip]
pub(crate) const CHOSEN: &[Row] = &[
    row(&[], Code(530), Account, Defer, false,
        "it wants a login: a fault of our settings, never of the message"),
    row(&[], Code(534), Account, Defer, false,
        "it wants another kind of login"),
    row(&[], Code(535), Account, Defer, false,
        "it does not take our login"),
    row(&[], Code(538), Account, Defer, false,
        "it wants a login and TLS before it"),
    row(&[], NoLogin, Account, Defer, false,
        "it says so under another code"),
    row(&[], TooMuch, Account, Defer, true,
        "it has enough of us for now: all mail waits, and none bounces for it"),
];

/// The table.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    row(&[Greeting, Hello, StartTls, Auth], Code(421), Connection, NextHost, true,
        "RFC 5321 §3.8: this host closes; another may not"),
    row(&[Greeting], Class(Permanent), Connection, NextHost, false,
        "RFC 5321 §3.1, RFC 7504 §3: this host takes no mail (554, 521); it says nothing of the message"),
    row(&[Greeting], Class(Transient), Connection, NextHost, true,
        "this host is not ready"),
    row(&[Hello], Class(Permanent), Connection, NextHost, false,
        "EHLO and then HELO refused: about us or the host, never about the message"),
    row(&[Hello], Class(Transient), Connection, NextHost, true,
        "this host is not ready"),
    row(&[Auth], Class(Transient), Account, Defer, false,
        "RFC 4954 §6: our login not now; all mail waits, and other hosts of the relay would say the same"),
    row(&[Auth], Class(Permanent), Account, Defer, false,
        "RFC 4954 §6: our login is not taken: a fault of our settings, never of the message"),
    row(&[Hello, StartTls, Auth], Unfit, Account, Defer, false,
        "no TLS for the login, or no kind of login that both know: a fault of our settings, never of the message"),
    row(&[], Code(421), Connection, Defer, true,
        "RFC 5321 §3.8: may answer anything; the site has enough of us"),
    row(&[Mail], Class(Transient), Message, Defer, false,
        "RFC 5321 §4.2.1: not now, and the sender or the host is why"),
    row(&[Mail], Class(Permanent), Message, Bounce, false,
        "RFC 5321 §4.2.1: not with this sender, size or form"),
    row(&[Rcpt], Code(552), Recipient, Defer, false,
        "RFC 5321 §4.5.3.1.10: too many recipients, to be treated as 452"),
    row(&[Rcpt], Class(Transient), Recipient, Defer, false,
        "this recipient not now; the others are not touched"),
    row(&[Rcpt], Class(Permanent), Recipient, Bounce, false,
        "this recipient never; the others are not touched"),
    row(&[DataInit], Class(Transient), Message, Defer, false,
        "RFC 5321 §4.3.2: the accepted recipients, not now"),
    row(&[DataInit], Class(Permanent), Message, Bounce, false,
        "RFC 5321 §4.3.2: the accepted recipients, never"),
    row(&[DataBlock], Class(Permanent), Connection, Defer, false,
        "a reply in the midst of content is out of order: it may concern the host, so nothing is given up for it"),
    row(&[DataFinal], Class(Completion), Message, Deliver, false,
        "RFC 5321 §4.2.5: it is theirs now"),
    row(&[DataFinal], Class(Transient), Message, Defer, false,
        "RFC 5321 §4.2.1: not now"),
    row(&[DataFinal], Class(Permanent), Message, Bounce, false,
        "RFC 5321 §4.2.1: this content, never"),
    row(&[DataBlock, DataFinal], Silence, Connection, Defer, true,
        "RFC 1047: they may have it or not; and a host that takes so long has too much to do"),
    row(&[DataFinal], Any, Connection, Defer, false,
        "RFC 1047: they may have it or not; to come twice is better than never"),
    row(&[DataBlock], Any, Connection, Defer, false,
        "cut in the content: the next host would most likely cut too, and the octets are many"),
    row(&[Quit], Any, Connection, Defer, false,
        "nothing depends on the reply to QUIT"),
    row(&[], Garbled, Connection, NextHost, false,
        "not a mail server, or not in its right mind"),
    row(&[], Closed, Connection, NextHost, false,
        "this host went away before it had anything"),
    row(&[], Silence, Connection, NextHost, true,
        "RFC 5321 §4.5.3.2: we waited long enough; and a host that takes so long has too much to do"),
    row(&[], Any, Connection, Defer, false,
        "whatever else: the mail is kept"),
];

/// The row that holds for a reply of a next hop.
pub(crate) fn decide_at(chosen: Chosen, phase: Phase, reply: &Reply) -> &'static Row {
    let code = Code(reply.code());
    let ours = |row: &&Row| match row.what {
        NoLogin => no_login::says_so(phase, reply),
        TooMuch => too_much::says_so(reply),
        _ => row.holds(phase, code),
    };
    // Most replies are of a good end, and most hosts are found by the DNS: neither is looked into.
    let may_be_ours = chosen != Chosen::ByDns && reply.code() >= 400;
    let chosen = may_be_ours.then(|| CHOSEN.iter().find(ours)).flatten();
    chosen.unwrap_or_else(|| decide(phase, code))
}

/// The row that holds, whoever chose the host.
pub(crate) fn decide(phase: Phase, what: What) -> &'static Row {
    const LAST: &Row = &row(&[], Any, Connection, Defer, false, "whatever else: the mail is kept");
    TABLE.iter().find(|row| row.holds(phase, what)).unwrap_or(LAST)
}

/// Whether a refusal of MAIL or RCPT may be one of the parameters of DSN. RFC 3461 §5.1 forbids that, but some hosts
/// announce what they do not understand: 555, or 501 and 504 (RFC 5321 §4.1.1.11, §4.2.2) unless the status names
/// something else, such as the address.
pub(crate) fn refuses_parameters(phase: Phase, reply: &Reply) -> bool {
    matches!(phase, Mail | Rcpt)
        && matches!(reply.code(), 501 | 504 | 555)
        && reply.enhanced().is_none_or(|status| matches!(status.subject, 0 | 5))
}

/// Whether a session failed because the host does not know BDAT, although it announced CHUNKING: it took the content for
/// commands and has nothing of it. After a final dot these codes are the reply to it, and no failure of the session.
pub(crate) fn refuses_chunks(failure: &Failure) -> bool {
    failure.phase == DataFinal
        && matches!(&failure.kind, FailureKind::Reply(reply) if matches!(reply.code(), 500 | 502))
}

impl Row {
    /// Whether the site gets fewer connections after a reply that this row decides: by the row, or by what the reply
    /// says of itself.
    pub(crate) fn slows_after(&self, reply: &Reply) -> bool {
        self.slows || too_much::says_so(reply)
    }

    fn holds(&self, phase: Phase, what: What) -> bool {
        let fits = match (self.what, what) {
            (Class(class), Code(code)) => class_of(code) == class,
            (Any, _) => true,
            (own, what) => own == what,
        };
        fits && (self.phases.is_empty() || self.phases.contains(&phase))
    }
}

/// As [`mail::Reply::class`]: what is out of range counts as permanent.
fn class_of(code: u16) -> ReplyClass {
    match code / 100 {
        2 => Completion,
        3 => ReplyClass::Intermediate,
        4 => Transient,
        _ => Permanent,
    }
}

impl From<&FailureKind> for What {
    fn from(kind: &FailureKind) -> Self {
        match kind {
            FailureKind::Reply(reply) => Code(reply.code()),
            FailureKind::Garbled(_) => Garbled,
            FailureKind::Closed => Closed,
            FailureKind::Unfit(_) => Unfit,
            FailureKind::TimedOut => Silence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 10] =
        [Greeting, Hello, StartTls, Auth, Mail, Rcpt, DataInit, DataBlock, DataFinal, Quit];

    /// Each row by a case that only it decides.
    #[test]
    fn every_row_of_the_table_decides_its_case() {
        #[rustfmt::skip]
        let cases = [
            (Greeting,  Code(421), Connection, NextHost, true),
            (Greeting,  Code(554), Connection, NextHost, false),
            (Greeting,  Code(450), Connection, NextHost, true),
            (Hello,     Code(550), Connection, NextHost, false),
            (Hello,     Code(451), Connection, NextHost, true),
            (Auth,      Code(454), Account,    Defer,    false),
            (Auth,      Code(535), Account,    Defer,    false),
            (Hello,     Unfit,     Account,    Defer,    false),
            (Rcpt,      Code(421), Connection, Defer,    true),
            (Mail,      Code(451), Message,    Defer,    false),
            (Mail,      Code(553), Message,    Bounce,   false),
            (Rcpt,      Code(552), Recipient,  Defer,    false),
            (Rcpt,      Code(450), Recipient,  Defer,    false),
            (Rcpt,      Code(550), Recipient,  Bounce,   false),
            (DataInit,  Code(451), Message,    Defer,    false),
            (DataInit,  Code(554), Message,    Bounce,   false),
            (DataBlock, Code(554), Connection, Defer,    false),
            (DataFinal, Code(250), Message,    Deliver,  false),
            (DataFinal, Code(452), Message,    Defer,    false),
            (DataFinal, Code(554), Message,    Bounce,   false),
            (DataFinal, Silence,   Connection, Defer,    true),
            (DataFinal, Closed,    Connection, Defer,    false),
            (DataBlock, Closed,    Connection, Defer,    false),
            (Quit,      Closed,    Connection, Defer,    false),
            (Mail,      Garbled,   Connection, NextHost, false),
            (Rcpt,      Closed,    Connection, NextHost, false),
            (Greeting,  Silence,   Connection, NextHost, true),
            (Mail,      Code(354), Connection, Defer,    false),
        ];
        assert_eq!(cases.len(), TABLE.len(), "a row without its case");
        for ((phase, what, scope, action, slows), row) in cases.into_iter().zip(TABLE) {
            assert_eq!(decide(phase, what), row, "{phase:?} {what:?} is decided by another row");
            assert_eq!((row.scope, row.action, row.slows), (scope, action, slows), "{phase:?} {what:?}");
        }
    }

    #[test]
    fn what_a_host_that_we_chose_refuses_for_us_bounces_nothing() {
        let other = [(Rcpt, Reply::fixed(550, (5, 1, 1), "Unknown"), Bounce)];
        let ours = [
            (530, (5, 7, 0), "Authentication required"),
            (534, (5, 7, 9), "Another mechanism"),
            (535, (5, 7, 8), "Bad login"),
            (538, (5, 7, 11), "Encryption first"),
            (550, (5, 1, 0), "Authentication required"),
            (550, (5, 4, 5), "Daily sending quota exceeded"),
        ];
        assert_eq!(ours.len(), CHOSEN.len(), "a row without its case");
        for ((code, status, text), row) in ours.into_iter().zip(CHOSEN) {
            let reply = Reply::fixed(code, status, text);
            for chosen in [Chosen::ByRoute, Chosen::AsRelay, Chosen::AsStore] {
                assert_eq!(decide_at(chosen, Mail, &reply), row, "{code}");
            }
            assert_eq!((row.scope, row.action), (Account, Defer));
            assert_eq!(decide_at(Chosen::ByDns, Mail, &reply).action, Bounce, "{code}: a stranger means it");
        }
        for (phase, reply, action) in other {
            assert_eq!(decide_at(Chosen::AsRelay, phase, &reply).action, action, "{reply}");
        }
    }

    #[test]
    fn a_reply_that_says_too_much_slows_the_site_and_decides_as_ever() {
        for (code, text, slows) in [
            (450, "Too many connections from you", true),
            (550, "Rate limit exceeded", true),
            (450, "Greylisted", false),
            (550, "Unknown", false),
        ] {
            let reply = Reply::plain(code, text);
            let row = decide_at(Chosen::ByDns, Mail, &reply);
            assert_eq!(row, decide(Mail, Code(code)), "{text}");
            assert_eq!(row.slows_after(&reply), slows, "{text}");
        }
    }

    #[test]
    fn only_a_5yz_about_the_message_or_a_recipient_gives_anything_up() {
        for phase in PHASES {
            for what in [Garbled, Closed, Silence, Code(421), Code(450), Code(250), Code(354)] {
                assert_ne!(decide(phase, what).action, Bounce, "{phase:?} {what:?}");
            }
            let bounces = decide(phase, Code(550)).action == Bounce;
            assert_eq!(bounces, matches!(phase, Mail | Rcpt | DataInit | DataFinal), "{phase:?}");
        }
    }

    #[test]
    fn a_refusal_of_parameters_is_told_from_one_of_the_address() {
        let refused = |phase, code, status| {
            let reply = match status {
                Some((subject, detail)) => Reply::fixed(code, (5, subject, detail), "No"),
                None => Reply::plain(code, "No"),
            };
            refuses_parameters(phase, &reply)
        };
        for code in [501, 504, 555] {
            assert!(refused(Rcpt, code, None) && refused(Mail, code, Some((5, 4))), "{code}");
            assert!(!refused(Rcpt, code, Some((1, 3))) && !refused(DataFinal, code, None), "{code}");
        }
        assert!(!refused(Rcpt, 550, None) && !refused(Mail, 553, Some((5, 4))));
    }

    #[test]
    fn only_a_2yz_to_the_final_dot_is_a_delivery() {
        for phase in PHASES {
            for code in 200..=599 {
                let delivered = decide(phase, Code(code)).action == Deliver;
                assert_eq!(delivered, phase == DataFinal && code / 100 == 2, "{phase:?} {code}");
            }
        }
    }
}
