//! Command lines: which are legal when, and what becomes of them (RFC 5321 §4.1.4).

use mail::{Body, Reply};

use super::{
    Authentication, Protocol, Question, Session, Step, auth,
    lines::LineFault,
    replies,
    state::{After, Asked, Channel, Envelope, Stage, State},
};
use crate::{
    ClientProtocol, Command, CommandError, MailFrom, Node, RcptTo, Told, Xclient, command::looks_like_auth,
};

/// A line as it was understood.
pub(super) enum Line {
    Command(Command),
    Wrong(CommandError),
    Faulty(LineFault),
    /// Another protocol's.
    Foreign,
}

impl Session {
    /// The next line, if it is complete.
    pub(super) fn next_line(&mut self) -> Option<Line> {
        // Behind the rest of a faulty line another begins.
        if let Err(fault) = self.lines.skip_rest()? {
            return Some(Line::Faulty(fault));
        }
        if self.is_foreign_from_its_first_octet() {
            return Some(Line::Foreign);
        }
        // Larger lines than the input buffer holds would never be complete.
        let octets_max = self.config.limits.command_line_octets_max.clamp(512, 32 * 1024);
        // Only AUTH may be longer, where it is offered at all.
        let auth = matches!(self.offers.auth, Authentication::By(_));
        let longest = if auth { octets_max.max(auth::LINE_OCTETS_MAX) } else { octets_max };
        let parsed = self.lines.next(longest, |line| match Command::parse(line) {
            _ if line.len() + 2 > octets_max && !looks_like_auth(line) => Line::Faulty(LineFault::TooLong),
            Ok(command) => Line::Command(command),
            Err(CommandError::Unknown) if is_foreign(line) => Line::Foreign,
            Err(error) => Line::Wrong(error),
        });
        Some(parsed?.unwrap_or_else(Line::Faulty))
    }

    /// Whether a line begins as none of SMTP does. Such a peer may never send all of it: a TLS handshake, or JSON.
    fn is_foreign_from_its_first_octet(&self) -> bool {
        matches!(self.lines.first_octet(), Some(0x16 | b'{'))
    }

    /// Carries a line out. None: the next step follows at once.
    pub(super) fn obey(&mut self, stage: Stage, line: Line) -> Option<Step> {
        match line {
            Line::Command(command) => return self.obey_command(stage, command),
            // One strike: whoever speaks HTTP here wants to make us send what another wrote.
            Line::Foreign => self.close_with(&replies::NOT_SMTP),
            // RFC 3030 §2: content follows BDAT without waiting. It must not be taken for commands, and nobody knows how
            // much it is.
            Line::Wrong(CommandError::Chunk) | Line::Faulty(LineFault::Chunk) => {
                self.close_with(&replies::command_error(CommandError::Chunk));
            }
            Line::Faulty(LineFault::Endless) => self.close_with(&replies::line_fault(LineFault::Endless)),
            Line::Faulty(fault) => self.bad(stage, &replies::line_fault(fault)),
            Line::Wrong(CommandError::Node) if !self.offers.etrn => self.bad(stage, &replies::NO_TURN),
            // Whoever is no proxy learns nothing of its grammar.
            Line::Wrong(CommandError::Xclient) if !self.offers.xclient => self.bad(stage, &replies::NO_PROXY),
            Line::Wrong(error) => self.bad(stage, &replies::command_error(error)),
        }
        None
    }

    fn obey_command(&mut self, stage: Stage, command: Command) -> Option<Step> {
        match (stage, command) {
            (_, Command::Quit) => self.close_with(&replies::BYE),
            (stage, Command::Bdat { octets, last }) => return self.chunk(stage, octets, last),
            (Stage::Refused, _) => self.bad(Stage::Refused, &replies::QUIT_ONLY),
            (Stage::Envelope(_) | Stage::Chunks(_), Command::Rset) => {
                self.state = State::Forget(After::ready(replies::OK));
            }
            (Stage::Spoilt(_), Command::Rset) => self.idle(Stage::READY, &replies::OK),
            (stage, Command::Noop | Command::Rset) => self.idle(stage, &replies::OK),
            (stage, Command::Help) => self.idle(stage, &replies::HELP),
            (stage, Command::Helo(name)) if !self.is_lmtp() => return self.hello(stage, name, false),
            (stage, Command::Ehlo(name)) if !self.is_lmtp() => return self.hello(stage, name, true),
            (stage, Command::Lhlo(name)) if self.is_lmtp() => return self.hello(stage, name, true),
            // RFC 2033 §4.1: 500, so that nobody takes one protocol for the other.
            (stage, Command::Helo(_) | Command::Ehlo(_)) => self.bad(stage, &replies::THIS_IS_LMTP),
            (stage, Command::Lhlo(_)) => self.bad(stage, &replies::THIS_IS_NOT_LMTP),
            (stage, Command::Auth(auth)) => self.auth(stage, &auth),
            (stage, Command::Etrn(node)) => return self.turn(stage, node),
            (stage, Command::Xclient(xclient)) => return self.proxied(stage, xclient),
            (stage, Command::StartTls) => self.start_tls(stage),
            (stage, Command::Vrfy(text)) => {
                return self.look(stage, replies::NOT_VERIFIED, Question::Verify(text));
            }
            (stage, Command::Expn(text)) => {
                return self.look(stage, replies::NOT_EXPANDED, Question::Expand(text));
            }
            (Stage::Ready { .. } | Stage::Spoilt(_), Command::Mail(mail)) => return self.mail(mail),
            (Stage::Envelope(envelope), Command::Rcpt(rcpt)) => return self.recipient(envelope, rcpt),
            (Stage::Envelope(envelope), Command::Data) => return self.data(envelope),
            (stage, command) => self.out_of_order(stage, &command),
        }
        None
    }

    /// RFC 5321 §4.1.4: refused, and nothing changes; an open transaction stays open.
    pub(super) fn out_of_order(&mut self, stage: Stage, command: &Command) {
        match (&stage, command) {
            (Stage::Greeted, _) if self.is_lmtp() => self.bad(stage, &replies::LHLO_FIRST),
            (Stage::Greeted, _) => self.bad(stage, &replies::HELLO_FIRST),
            (Stage::Envelope(_) | Stage::Chunks(_), Command::Mail(_)) => {
                self.bad(stage, &replies::NESTED_MAIL);
            }
            (Stage::Ready { after_refusal: true } | Stage::Spoilt(_), _) => {
                self.idle(stage, &replies::MAIL_FIRST);
            }
            (Stage::Ready { .. }, _) => self.bad(stage, &replies::MAIL_FIRST),
            _ => self.bad(stage, &replies::BAD_SEQUENCE),
        }
    }

    fn hello(&mut self, stage: Stage, name: String, extended: bool) -> Option<Step> {
        // RFC 2920 §3.1: EHLO ends its group, for nobody can know yet that pipelining is offered.
        if !self.lines.input.is_empty() {
            self.close_with(&replies::TALKED_TOO_EARLY);
            return None;
        }
        if self.idle_too_long() {
            self.close_with(&replies::TOO_MANY_ERRORS);
            return None;
        }
        Some(self.ask(Asked::Hello { extended, stage }, Question::Hello { name, extended }))
    }

    /// XCLIENT, anywhere but in a transaction. Its answer is a greeting, so the client has to wait for it.
    fn proxied(&mut self, stage: Stage, xclient: Box<Xclient>) -> Option<Step> {
        match stage {
            _ if !self.offers.xclient => self.bad(stage, &replies::NO_PROXY),
            Stage::Greeted | Stage::Ready { .. } if !self.lines.input.is_empty() => {
                self.close_with(&replies::TALKED_TOO_EARLY);
            }
            // Errors are counted anew for each client; who goes on changing clients must have an end nevertheless.
            Stage::Greeted | Stage::Ready { .. } if self.idle_too_long() || self.idle_is_over() => {
                self.close_with(&replies::TOO_MANY_ERRORS);
            }
            Stage::Greeted | Stage::Ready { .. } => {
                let extended = self.is_lmtp() || xclient.protocol != Some(ClientProtocol::Smtp);
                let hello = matches!(xclient.hello, Some(Told::Known(_))).then_some(extended);
                return Some(self.ask(Asked::Proxied { hello, stage }, Question::Proxied(xclient)));
            }
            stage => self.bad(stage, &replies::IN_TRANSACTION),
        }
        None
    }

    /// STARTTLS, between a greeting and a transaction (RFC 3207 §4). What is already here behind it came in clear and may be somebody
    /// else's: it is carried out neither now nor under TLS (CVE-2011-0411), and who sends so is not to be talked to.
    fn start_tls(&mut self, stage: Stage) {
        match stage {
            _ if self.channel == Channel::Tls => self.bad(stage, &replies::SECURE_ALREADY),
            _ if !self.offers.starttls => {
                self.bad(stage, &replies::command_error(CommandError::NotImplemented));
            }
            _ if !self.lines.input.is_empty() => self.close_with(&replies::TALKED_TOO_EARLY),
            Stage::Ready { .. } if self.idle_too_long() => self.close_with(&replies::TOO_MANY_ERRORS),
            Stage::Ready { .. } => {
                self.say(&replies::READY_FOR_TLS);
                self.state = State::Securing;
            }
            Stage::Greeted => self.bad(stage, &replies::HELLO_FIRST),
            stage => self.bad(stage, &replies::IN_TRANSACTION),
        }
    }

    /// ETRN, between a greeting and a transaction (RFC 1985).
    fn turn(&mut self, stage: Stage, node: Node) -> Option<Step> {
        match stage {
            _ if !self.offers.etrn => self.bad(stage, &replies::NO_TURN),
            Stage::Ready { .. } | Stage::Spoilt(_) => {
                return self.look(stage, replies::TURNED, Question::Turn(node));
            }
            Stage::Greeted => self.bad(stage, &replies::HELLO_FIRST),
            stage => self.bad(stage, &replies::IN_TRANSACTION),
        }
        None
    }

    fn look(&mut self, stage: Stage, usual: Reply, question: Question) -> Option<Step> {
        if self.idle_too_long() {
            self.close_with(&replies::TOO_MANY_ERRORS);
            return None;
        }
        Some(self.ask(Asked::Look { usual, stage }, question))
    }

    fn mail(&mut self, mail: Box<MailFrom>) -> Option<Step> {
        if self.transactions >= self.config.limits.transactions_max {
            self.close_with(&replies::TOO_MANY_TRANSACTIONS);
            return None;
        }
        // RFC 5321 §4.1.1.1: HELO asks for a session without extensions. SIZE and 8BITMIME harm nobody there; what promises something
        // to the sender, or changes what may be sent, needs a client that knows of it.
        let promises = mail.ret.is_some() || mail.envid.is_some();
        let unknown = mail.auth.is_some() && !matches!(self.offers.auth, Authentication::By(_));
        let unknown = unknown || !mail.schedule.is_empty() && self.cannot_schedule(&mail);
        if unknown
            || !self.extended
                && (promises || mail.smtputf8 || mail.auth.is_some() || mail.body == Body::BinaryMime)
        {
            let stage = Stage::Ready { after_refusal: true };
            self.bad(stage, &replies::command_error(CommandError::Parameter));
            return None;
        }
        // RFC 1870 §6.1.
        if mail.size.is_some_and(|size| size > self.config.limits.message_size_max) {
            self.say(&replies::TOO_LARGE);
            self.state = State::Commands(Stage::Ready { after_refusal: true });
            return None;
        }
        let (size, smtputf8, binary) = (mail.size, mail.smtputf8, mail.body == Body::BinaryMime);
        let envelope = Envelope { size, smtputf8, binary, accepted: 0, refused: 0 };
        Some(self.ask(Asked::Mail(envelope), Question::Mail(mail)))
    }

    /// Whether a client says when its mail is to go, and that was not offered to it.
    fn cannot_schedule(&self, mail: &MailFrom) -> bool {
        let holds = self.offers.schedule.map(|offered| offered.hold_seconds_max > 0);
        !self.extended || holds.is_none() || mail.schedule.hold.is_some() && holds == Some(false)
    }

    fn recipient(&mut self, mut envelope: Envelope, rcpt: Box<RcptTo>) -> Option<Step> {
        if rcpt.forward_path.is_utf8() && !envelope.smtputf8 {
            envelope.refused += 1;
            self.bad(Stage::Envelope(envelope), &replies::RCPT_NEEDS_SMTPUTF8);
            return None;
        }
        if !self.extended && (rcpt.notify.given || rcpt.orcpt.is_some()) {
            envelope.refused += 1;
            self.bad(Stage::Envelope(envelope), &replies::command_error(CommandError::Parameter));
            return None;
        }
        // RFC 5321 §4.5.3.1.10: 452, so that the client sends the rest in another transaction.
        if envelope.accepted >= self.config.limits.recipients_max {
            envelope.refused += 1;
            self.say(&replies::TOO_MANY_RECIPIENTS);
            self.state = State::Commands(Stage::Envelope(envelope));
            return None;
        }
        Some(self.ask(Asked::Recipient(envelope), Question::Recipient(rcpt)))
    }

    fn data(&mut self, envelope: Envelope) -> Option<Step> {
        // RFC 2920 §3.1: DATA ends its group. What is already here was sent blindly, so it may as well be commands:
        // it is carried out neither as these nor as content. Postfix does the same since 3.9.
        if !self.lines.input.is_empty() {
            self.close_with(&replies::TALKED_TOO_EARLY);
            return None;
        }
        // RFC 3030 §3.
        if envelope.binary {
            self.bad(Stage::Envelope(envelope), &replies::BINARY_BY_DATA);
            return None;
        }
        if envelope.accepted == 0 {
            // RFC 5321 §3.3, RFC 2920 §3.1: who pipelined DATA behind recipients that were refused did no wrong.
            if envelope.refused == 0 {
                self.bad(Stage::Envelope(envelope), &replies::RECIPIENT_FIRST);
            } else {
                self.say(&self.no_valid_recipients());
                self.state = State::Commands(Stage::Envelope(envelope));
            }
            return None;
        }
        Some(self.ask(Asked::Data(envelope), Question::Data))
    }

    pub(super) fn is_lmtp(&self) -> bool {
        self.config.protocol == Protocol::Lmtp
    }

    /// RFC 2033 §4.2: after the end of a message a reply for each recipient that was accepted, also for the same one twice.
    pub(super) fn replies_for(&self, envelope: &Envelope) -> usize {
        if self.is_lmtp() { envelope.accepted.max(1) } else { 1 }
    }

    /// RFC 2033 §4.2 wants 503 here.
    pub(super) fn no_valid_recipients(&self) -> Reply {
        if self.is_lmtp() { replies::NO_VALID_RECIPIENTS_LMTP } else { replies::NO_VALID_RECIPIENTS }
    }

    /// A bad command: counted, and refused.
    pub(super) fn bad(&mut self, stage: Stage, reply: &Reply) {
        self.erred();
        self.refused_or_over(stage, reply);
    }

    /// A command that does no work: counted.
    fn idle(&mut self, stage: Stage, reply: &Reply) {
        if self.idle_too_long() {
            self.close_with(&replies::TOO_MANY_ERRORS);
        } else {
            self.say(reply);
            self.state = State::Commands(stage);
        }
    }

    /// Counts a command that does no work. Whether errors are now too many.
    pub(super) fn idle_too_long(&mut self) -> bool {
        self.idle = self.idle.saturating_add(1);
        if self.idle_is_over() {
            self.erred();
        }
        self.errors >= self.config.limits.errors_max
    }

    fn erred(&mut self) {
        self.errors = self.errors.saturating_add(1);
        self.tally.errors = self.tally.errors.saturating_add(1);
    }

    fn idle_is_over(&self) -> bool {
        self.idle > self.config.limits.idle_commands_max
    }

    fn refused_or_over(&mut self, stage: Stage, reply: &Reply) {
        if self.errors >= self.config.limits.errors_max {
            self.close_with(&replies::TOO_MANY_ERRORS);
            return;
        }
        self.say(reply);
        self.state = State::Commands(match stage {
            Stage::Ready { .. } => Stage::Ready { after_refusal: true },
            stage => stage,
        });
    }
}

/// What browsers, proxies and scripts say first, in the verb's place.
const FOREIGN_VERBS: [&[u8]; 10] =
    [b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"PRI"];

fn is_foreign(line: &[u8]) -> bool {
    let verb = line.split(|octet| *octet == b' ').next().unwrap_or_default();
    FOREIGN_VERBS.into_iter().any(|foreign| verb.eq_ignore_ascii_case(foreign))
}
