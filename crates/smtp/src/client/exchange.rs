//! One transaction up to the reply to DATA: which commands are out, and what was answered (RFC 5321 §3.3).

use std::io::Write;

use mail::{Reply, ReplyClass};

use super::{Capabilities, Outcome, Phase, Transaction};
use crate::{MailFrom, Protocol, RcptTo};

/// Commands that may be out unanswered. It bounds the replies that can pile up while we still write, so that two
/// sides with full buffers cannot wait for each other (RFC 2920 §3.1).
const PIPELINED_MAX: usize = 64;

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Exchange {
    mail: MailFrom,
    recipients: Vec<RcptTo>,
    /// The octets of the content if it goes as one chunk; else it goes by DATA.
    chunk: Option<u64>,
    /// An earlier transaction has to be forgotten first.
    reset: bool,
    window: usize,
    sent: usize,
    answered: usize,
    mail_refused: bool,
    /// Recipients that the server took.
    accepted: usize,
    /// For each recipient: the reply that decided, if there is one yet.
    decided: Vec<Option<(Phase, Reply)>>,
}

/// The commands of an exchange in their order.
enum Verb {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
}

/// What a reply leads to.
pub(super) enum Turn {
    /// More replies are awaited.
    Wait,
    /// Send the content, by DATA or as a chunk of so many octets.
    SendContent { chunk: Option<u64> },
    /// The server wants content though it took no recipient: end it at once (RFC 2920 §3.1).
    SendNothing,
    /// The transaction is over. `open`: the server still has it open.
    Over { open: bool },
    /// A reply that cannot be one to this command.
    Garbled,
    /// A reply after which the server's state is unknown.
    Unusable(Reply),
}

impl Exchange {
    pub(super) fn new(
        protocol: Protocol,
        transaction: Transaction,
        capabilities: &Capabilities,
        reset: bool,
    ) -> Self {
        let chunk = transaction.chunk(protocol, capabilities);
        let Transaction { mail, recipients } = transaction.fitted(capabilities);
        let decided = vec![None; recipients.len()];
        let window = if capabilities.pipelining { PIPELINED_MAX } else { 1 };
        let (sent, answered, accepted) = (0, 0, 0);
        Self {
            mail,
            recipients,
            chunk,
            reset,
            window,
            sent,
            answered,
            mail_refused: false,
            accepted,
            decided,
        }
    }

    /// Writes as many commands as may be out.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        while self.sent - self.answered < self.window && !self.mail_refused {
            // Writing to a Vec cannot fail.
            let _ = match self.verb(self.sent) {
                Some(Verb::Rset) => out.write_all(b"RSET\r\n"),
                Some(Verb::Mail) => write!(out, "{}\r\n", self.mail),
                Some(Verb::Rcpt(number)) => match self.recipients.get(number) {
                    Some(rcpt) => write!(out, "{rcpt}\r\n"),
                    None => return,
                },
                Some(Verb::Data) if !self.all_refused() => out.write_all(b"DATA\r\n"),
                Some(Verb::Data) | None => return,
            };
            self.sent += 1;
        }
    }

    /// Whether no command is out.
    pub(super) fn all_answered(&self) -> bool {
        self.answered == self.sent
    }

    /// Whether the content goes as one chunk.
    pub(super) fn is_chunk(&self) -> bool {
        self.chunk.is_some()
    }

    /// What the next reply is about.
    pub(super) fn phase(&self) -> Phase {
        match self.verb(self.answered) {
            Some(Verb::Rset | Verb::Mail) => Phase::Mail,
            Some(Verb::Rcpt(..)) => Phase::Rcpt,
            Some(Verb::Data) | None => Phase::DataInit,
        }
    }

    /// The reply to the oldest command that is out.
    pub(super) fn reply(&mut self, reply: Reply) -> Turn {
        let verb = self.verb(self.answered);
        self.answered += 1;
        match (verb, reply.class()) {
            (None, _) | (Some(Verb::Rset | Verb::Mail | Verb::Rcpt(..)), ReplyClass::Intermediate) => {
                return Turn::Garbled;
            }
            (Some(Verb::Rset | Verb::Mail), ReplyClass::Completion) => {}
            (Some(Verb::Rset), _) => return Turn::Unusable(reply),
            (Some(Verb::Mail), _) => {
                self.mail_refused = true;
                self.decide(Phase::Mail, &reply);
            }
            (Some(Verb::Rcpt(number)), _) => self.recipient(number, reply),
            (Some(Verb::Data), ReplyClass::Intermediate) if self.accepted > 0 => {
                return Turn::SendContent { chunk: None };
            }
            (Some(Verb::Data), ReplyClass::Intermediate) => return Turn::SendNothing,
            (Some(Verb::Data), ReplyClass::Completion) => return Turn::Garbled,
            (Some(Verb::Data), _) => self.decide(Phase::DataInit, &reply),
        }
        let all_sent = self.mail_refused || self.verb(self.sent).is_none() || self.all_refused();
        if self.all_answered() && all_sent {
            return match self.chunk {
                Some(_) if self.accepted > 0 && !self.mail_refused => Turn::SendContent { chunk: self.chunk },
                _ => Turn::Over { open: !self.mail_refused },
            };
        }
        Turn::Wait
    }

    /// A reply to the end of data: that of all recipients that were taken; in LMTP only that of the next one, in the
    /// order of RCPT (RFC 2033 §4.2). Whether it was the last.
    pub(super) fn final_reply(&mut self, protocol: Protocol, reply: &Reply) -> bool {
        let answered = match protocol {
            Protocol::Smtp => usize::MAX,
            Protocol::Lmtp => 1,
        };
        for decided in self.decided.iter_mut().filter(|decided| decided.is_none()).take(answered) {
            *decided = Some((Phase::DataFinal, reply.clone()));
        }
        self.decided.iter().all(Option::is_some)
    }

    pub(super) fn into_outcome(self) -> Outcome {
        Outcome { recipients: self.decided.into_iter().flatten().collect() }
    }

    pub(super) fn into_decided(self) -> Vec<Option<(Phase, Reply)>> {
        self.decided
    }

    fn verb(&self, number: usize) -> Option<Verb> {
        let before_recipients = usize::from(self.reset) + 1;
        match number.checked_sub(before_recipients) {
            None if self.reset && number == 0 => Some(Verb::Rset),
            None => Some(Verb::Mail),
            Some(number) if number < self.recipients.len() => Some(Verb::Rcpt(number)),
            Some(number) => (number == self.recipients.len() && self.chunk.is_none()).then_some(Verb::Data),
        }
    }

    /// Whether every recipient was answered, and none taken.
    fn all_refused(&self) -> bool {
        self.accepted == 0 && self.decided.iter().all(Option::is_some)
    }

    /// RFC 5321 §3.3, §3.4: 250 and 251 take the recipient; so does any other 2yz.
    fn recipient(&mut self, number: usize, reply: Reply) {
        match self.decided.get_mut(number) {
            Some(None) if reply.is_completion() => self.accepted += 1,
            Some(decided @ None) => *decided = Some((Phase::Rcpt, reply)),
            // MAIL was refused: what a server says to RCPT then does not count.
            _ => {}
        }
    }

    /// For all recipients that have no refusal of their own.
    fn decide(&mut self, phase: Phase, reply: &Reply) {
        for decided in self.decided.iter_mut().filter(|decided| decided.is_none()) {
            *decided = Some((phase, reply.clone()));
        }
    }
}
