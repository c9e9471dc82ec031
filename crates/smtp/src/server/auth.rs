//! AUTH (RFC 4954): lines of base 64 between the client and an exchange of SASL, questions between that and the policy.

use std::mem;

use mail::Reply;
use sasl::{
    Mechanism, Mechanisms, Password, base64,
    server::{Exchange, Failure, Step as Said},
};

use super::{
    Answer, Authentication, Offers, Phase, Question, Session, Step,
    lines::LineFault,
    replies,
    state::{Asked, Stage, Standing, State},
};
use crate::command::Auth;

/// Octets of a response, and of the command with one, CRLF included (RFC 4954 §4).
pub(super) const LINE_OCTETS_MAX: usize = 12_288;

/// An exchange, and whose turn it is.
#[derive(Debug)]
pub(super) struct Talk {
    exchange: Exchange,
    /// What the exchange said and nobody has heard yet. None: the client's response is due.
    said: Option<Said>,
}

impl Session {
    /// AUTH, after EHLO and outside of a transaction; only once.
    pub(super) fn auth(&mut self, stage: Stage, auth: &Auth) {
        let offered = match self.offers.auth {
            Authentication::By(mechanisms) => mechanisms,
            Authentication::AfterTls => return self.bad(stage, &replies::NEEDS_TLS),
            Authentication::Unknown => return self.bad(stage, &replies::NOT_IMPLEMENTED),
        };
        match stage {
            Stage::Greeted => self.bad(stage, &replies::HELLO_FIRST),
            Stage::Ready { .. } if !self.extended => self.bad(stage, &replies::EHLO_FIRST),
            Stage::Ready { .. } if self.standing == Standing::Authenticated => {
                self.bad(stage, &replies::AUTHENTICATED_ALREADY);
            }
            Stage::Ready { .. } => self.begin_auth(offered, auth),
            stage => self.bad(stage, &replies::IN_TRANSACTION),
        }
    }

    fn begin_auth(&mut self, offered: Mechanisms, auth: &Auth) {
        let mechanism = Mechanism::parse(&auth.mechanism).filter(|mechanism| offered.has(*mechanism));
        let Some(mechanism) = mechanism else { return self.bad(Stage::READY, &replies::UNKNOWN_MECHANISM) };
        let initial = match auth.initial.as_ref().map(Password::expose) {
            None => None,
            Some("=") => Some(Vec::new()),
            Some(text) => match base64::decode(text.as_bytes()) {
                Some(response) => Some(response),
                None => return self.bad(Stage::READY, &replies::NOT_BASE64),
            },
        };
        let mut exchange = Exchange::new(mechanism, offered.has(Mechanism::ScramSha256Plus));
        let said = Some(exchange.begin(initial.as_deref()));
        self.state = State::Auth(Box::new(Talk { exchange, said }));
    }

    /// Passes on what the exchange said, or takes the client's response.
    pub(super) fn talk(&mut self, mut talk: Box<Talk>) -> Option<Step> {
        match mem::take(&mut talk.said) {
            None => return self.response(talk),
            Some(Said::Challenge(challenge)) => {
                self.say(&Reply::plain(334, base64::encode(&challenge)));
                self.state = State::Auth(talk);
            }
            Some(Said::Ask(question)) => {
                self.state = State::AuthAsked(talk);
                return Some(Step::Ask(Question::Auth(Box::new(question))));
            }
            Some(Said::Done) => return Some(self.ask(Asked::Authenticated, Question::Authenticated)),
            Some(Said::Failed(Failure::Unavailable)) => self.end_auth(&replies::NO_ANSWER_NOW),
            Some(Said::Failed(Failure::Malformed)) => self.bad(Stage::READY, &replies::NOT_OF_MECHANISM),
            Some(Said::Failed(Failure::Denied | Failure::Scram(_))) => {
                self.bad(Stage::READY, &replies::BAD_CREDENTIALS);
            }
        }
        None
    }

    fn end_auth(&mut self, reply: &Reply) {
        self.say(reply);
        self.state = State::Commands(Stage::READY);
    }

    /// The next line of the client, which is no command.
    fn response(&mut self, mut talk: Box<Talk>) -> Option<Step> {
        if self.stopping {
            self.close_with(&replies::SHUTTING_DOWN);
            return None;
        }
        match self.lines.next(LINE_OCTETS_MAX, read_response) {
            None if self.input_ended => return Some(Step::Close),
            None => {
                self.state = State::Auth(talk);
                return Some(Step::Read(Phase::Command));
            }
            Some(Ok(Response::Octets(response))) => {
                talk.said = Some(talk.exchange.respond(&response));
                self.state = State::Auth(talk);
            }
            Some(Ok(Response::Cancelled)) => self.bad(Stage::READY, &replies::CANCELLED),
            Some(Ok(Response::NotBase64)) => self.bad(Stage::READY, &replies::NOT_BASE64),
            Some(Err(LineFault::TooLong)) => self.bad(Stage::READY, &replies::RESPONSE_TOO_LONG),
            Some(Err(LineFault::BareLf)) => {
                self.bad(Stage::READY, &replies::line_fault(LineFault::BareLf));
            }
            // Nobody knows where the next line begins.
            Some(Err(LineFault::Chunk | LineFault::Endless)) => self.close_with(&replies::RESPONSE_TOO_LONG),
        }
        None
    }

    pub(super) fn auth_answered(&mut self, mut talk: Box<Talk>, answer: Answer) {
        if let Answer::Auth(answer) = answer {
            talk.said = Some(talk.exchange.answer(*answer));
            self.state = State::Auth(talk);
            return;
        }
        // A limit of the policy's, or an answer to another question.
        match answer {
            Answer::RefuseAndClose(reply) => self.close_with(&reply),
            Answer::Refuse(reply) if reply.code() == 421 => self.close_with(&reply),
            Answer::Refuse(reply) => self.bad(Stage::READY, &reply),
            _ => self.end_auth(&replies::NO_ANSWER_NOW),
        }
    }

    /// RFC 4954 §4: from here on AUTH is refused.
    pub(super) fn authenticated(&mut self) {
        self.standing = Standing::Authenticated;
        self.end_auth(&replies::AUTHENTICATED);
    }

    /// What EHLO tells: AUTH no more once it has been used.
    pub(super) fn offers_now(&self) -> Offers {
        let auth = match self.standing {
            Standing::Stranger => self.offers.auth,
            Standing::Authenticated => Authentication::Unknown,
        };
        Offers { auth, ..self.offers }
    }
}

enum Response {
    Octets(Vec<u8>),
    /// `*` (RFC 4954 §4).
    Cancelled,
    NotBase64,
}

fn read_response(line: &[u8]) -> Response {
    match line {
        b"*" => Response::Cancelled,
        line => base64::decode(line).map_or(Response::NotBase64, Response::Octets),
    }
}
