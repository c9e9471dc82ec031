//! AUTHENTICATE and LOGIN (RFC 9051 §6.2.2, §6.2.3): lines of base 64 between the client and an exchange of SASL, questions between
//! that and the policy.

use std::mem;

use sasl::{
    Mechanism, Password,
    server::{Exchange, Failure, Step as Said},
};

use super::{
    Authentication, Phase, Question, Session, Step, replies,
    state::{Asked, State},
};
use crate::{
    Tag,
    command::Response,
    response::{Code, Status, challenge},
};

/// Octets of a response (RFC 4954 §4, for want of a number for IMAP).
const LINE_OCTETS_MAX: usize = 12_288;

/// An exchange, and whose turn it is.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) tag: Tag,
    pub(super) exchange: Exchange,
    /// What the exchange said and nobody has heard yet. None: the client's response is due.
    pub(super) said: Option<Said>,
}

impl Session {
    pub(super) fn authenticate(&mut self, tag: Tag, mechanism: &str, initial: Option<&Response>) {
        let Authentication::By(offered) = self.offers.auth else {
            return self.bad(Some(&tag), &replies::needs_tls());
        };
        let Some(mechanism) = Mechanism::parse(mechanism).filter(|mechanism| offered.has(*mechanism)) else {
            return self.bad(Some(&tag), &Status::no("Mechanism not offered").with(Code::Cannot));
        };
        let exchange = Exchange::new(mechanism, offered.has(Mechanism::ScramSha256Plus));
        self.begin(tag, exchange, initial.map(Response::expose));
    }

    /// LOGIN is PLAIN in other words, so that a policy has one place to decide.
    pub(super) fn login(&mut self, tag: Tag, user: &str, password: &Password) {
        match self.offers.auth {
            Authentication::By(offered) if offered.has(Mechanism::Plain) => {
                let message = ["", user, password.expose()].join("\0");
                self.begin(tag, Exchange::new(Mechanism::Plain, false), Some(message.as_bytes()));
            }
            Authentication::By(_) => {
                self.bad(Some(&tag), &Status::no("LOGIN is disabled").with(Code::Cannot));
            }
            Authentication::AfterTls => self.bad(Some(&tag), &replies::needs_tls()),
        }
    }

    fn begin(&mut self, tag: Tag, mut exchange: Exchange, initial: Option<&[u8]>) {
        let said = Some(exchange.begin(initial));
        self.state = State::Auth(Box::new(Talk { tag, exchange, said }));
    }

    /// Passes on what the exchange said, or takes the client's response.
    pub(super) fn talk(&mut self, mut talk: Box<Talk>) -> Option<Step> {
        match mem::take(&mut talk.said) {
            None => return self.response(talk),
            Some(Said::Challenge(octets)) => {
                self.say(challenge(&octets));
                self.state = State::Auth(talk);
            }
            Some(Said::Ask(question)) => {
                self.state = State::AuthAsked(talk);
                return Some(Step::Ask(Question::Auth(Box::new(question))));
            }
            Some(Said::Done) => {
                return Some(self.ask(Asked::Authenticated(talk.tag), Question::Authenticated));
            }
            Some(Said::Failed(failure)) => self.auth_failed(&talk.tag, failure),
        }
        None
    }

    /// RFC 9051 §11.7: the client does not learn why.
    fn auth_failed(&mut self, tag: &Tag, failure: Failure) {
        match failure {
            Failure::Unavailable => {
                self.done(tag, &Status::no("Cannot check credentials now").with(Code::Unavailable));
            }
            Failure::Malformed => self.bad(Some(tag), &Status::bad("Response is not one of this mechanism")),
            Failure::Denied | Failure::Scram(_) => {
                self.bad(Some(tag), &Status::no("Credentials invalid").with(Code::AuthenticationFailed));
            }
        }
    }

    /// The next line of the client, which is no command.
    fn response(&mut self, mut talk: Box<Talk>) -> Option<Step> {
        if self.stopping {
            self.stopped();
            return None;
        }
        match self.reader.bare_line(LINE_OCTETS_MAX) {
            None if self.input_ended => return Some(Step::Close),
            None => {
                self.state = State::Auth(talk);
                return Some(Step::Read(Phase::Login));
            }
            // RFC 9051 §6.2.2: BAD, whatever the mechanism.
            Some(Ok(line)) if line == b"*" => {
                self.bad(Some(&talk.tag), &Status::bad("Authentication cancelled"));
            }
            Some(Ok(line)) => match sasl::base64::decode(&line) {
                Some(response) => {
                    talk.said = Some(talk.exchange.respond(&response));
                    self.state = State::Auth(talk);
                }
                None => self.bad(Some(&talk.tag), &Status::bad("Response is not base 64")),
            },
            Some(Err(_)) => self.close_with(replies::too_long()),
        }
        None
    }
}
