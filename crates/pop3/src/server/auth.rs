//! AUTH (RFC 5034), and USER with PASS (RFC 1939 §7): lines of base 64 between the client and an exchange of SASL, questions between that
//! and the policy.

use std::mem;

use sasl::{
    Mechanism, Password,
    server::{Exchange, Failure, Step as Said},
};

use super::{
    Answer, Authentication, Code, Phase, Question, Refusal, Session, Step,
    lines::Fault,
    state::{Asked, Standing, State},
};

/// Octets of an AUTH command or a response, with CRLF (RFC 5034 §4 wants 255 for the command, which is too short for tokens; 12,288 is what
/// RFC 4954 §4 has for responses).
pub(super) const LINE_OCTETS_MAX: usize = 12_288 + 64;

/// An exchange, and whose turn it is.
#[derive(Debug)]
pub(super) struct Talk {
    exchange: Exchange,
    /// What the exchange said and nobody has heard yet. None: the client's response is due.
    said: Option<Said>,
}

impl Session {
    pub(super) fn user(&mut self, name: Box<str>) {
        match self.offers.auth {
            Authentication::AfterTls => self.bad(&needs_tls()),
            Authentication::By(offered) if !offered.has(Mechanism::Plain) => {
                self.bad(&Refusal::new("USER is not offered"));
            }
            Authentication::By(_) => {
                self.standing = Standing::Stranger(Some(name));
                // RFC 1939 §13: who exists is not told.
                self.done("+OK Now PASS");
            }
        }
    }

    /// USER and PASS are PLAIN in other words, so that a policy has one place to decide.
    pub(super) fn pass(&mut self, password: &Password) {
        let name = match &mut self.standing {
            Standing::Stranger(name) => name.take(),
            Standing::Client(_) => None,
        };
        match name {
            Some(name) => {
                let message = ["", &*name, password.expose()].join("\0");
                self.begin(Exchange::new(Mechanism::Plain, false), Some(message.as_bytes()));
            }
            None => self.bad(&Refusal::new("USER first")),
        }
    }

    pub(super) fn authenticate(&mut self, mechanism: &str, initial: Option<&Password>) {
        let Authentication::By(offered) = self.offers.auth else {
            return self.bad(&needs_tls());
        };
        let Some(mechanism) = Mechanism::parse(mechanism).filter(|mechanism| offered.has(*mechanism)) else {
            return self.bad(&Refusal::new("Mechanism not offered"));
        };
        // RFC 5034 §4: "=" is a response without octets.
        let initial = match initial.map(Password::expose) {
            None => None,
            Some("=") => Some(Vec::new()),
            Some(text) => match sasl::base64::decode(text.as_bytes()) {
                Some(response) => Some(response),
                None => return self.bad(&Refusal::new("Initial response is not base 64")),
            },
        };
        self.begin(Exchange::new(mechanism, offered.has(Mechanism::ScramSha256Plus)), initial.as_deref());
    }

    fn begin(&mut self, mut exchange: Exchange, initial: Option<&[u8]>) {
        let said = Some(exchange.begin(initial));
        self.state = State::Auth(Box::new(Talk { exchange, said }));
    }

    /// Passes on what the exchange said, or takes the client's response.
    pub(super) fn talk(&mut self, mut talk: Box<Talk>) -> Option<Step> {
        match mem::take(&mut talk.said) {
            None => return self.response(talk),
            Some(Said::Challenge(octets)) => {
                self.say(&format!("+ {}", sasl::base64::encode(&octets)));
                self.state = State::Auth(talk);
            }
            Some(Said::Ask(question)) => {
                self.state = State::AuthAsked(talk);
                return Some(Step::Ask(Question::Auth(Box::new(question))));
            }
            Some(Said::Done) => return Some(self.ask(Asked::Open, Question::Open)),
            Some(Said::Failed(failure)) => self.auth_failed(failure),
        }
        None
    }

    /// The client does not learn why, but whether its credentials were the reason (RFC 3206 §5).
    fn auth_failed(&mut self, failure: Failure) {
        match failure {
            Failure::Unavailable => {
                self.refused(&Refusal::new("Cannot check credentials now").with(Code::SysTemp));
            }
            Failure::Malformed => self.bad(&Refusal::new("Response is not one of this mechanism")),
            Failure::Denied | Failure::Scram(_) => {
                self.bad(&Refusal::new("Credentials invalid").with(Code::Auth));
            }
        }
    }

    /// The next line of the client, which is no command.
    fn response(&mut self, mut talk: Box<Talk>) -> Option<Step> {
        if self.stopping {
            self.stopped();
            return None;
        }
        let bounds = self.bounds();
        match self.lines.next(bounds, <[u8]>::to_vec) {
            None if self.input_ended => return Some(Step::Close),
            None => {
                self.state = State::Auth(talk);
                return Some(Step::Read(Phase::Login));
            }
            // RFC 5034 §4: the client gives up.
            Some(Ok(line)) if line == b"*" => self.bad(&Refusal::new("Authentication cancelled")),
            Some(Ok(line)) => match sasl::base64::decode(&line) {
                Some(response) => {
                    talk.said = Some(talk.exchange.respond(&response));
                    self.state = State::Auth(talk);
                }
                None => self.bad(&Refusal::new("Response is not base 64")),
            },
            Some(Err(fault)) => self.faulty(fault),
        }
        None
    }

    /// The answer to an exchange's question, or a limit of the policy's.
    pub(super) fn auth_answered(&mut self, mut talk: Box<Talk>, answer: Answer) {
        match answer {
            Answer::Auth(answer) => {
                talk.said = Some(talk.exchange.answer(*answer));
                self.state = State::Auth(talk);
            }
            Answer::Refuse(refusal) => self.refused(&refusal),
            Answer::RefuseAndClose(refusal) => self.close_with(&refusal),
            _ => self.refused(&Refusal::local_error()),
        }
    }

    pub(super) fn faulty(&mut self, fault: Fault) {
        match fault {
            Fault::BareLf => self.bad(&Refusal::new("Lines end with CR LF")),
            Fault::TooLong => self.bad(&Refusal::new("Line too long")),
            Fault::Endless => self.close_with(&Refusal::new("Line too long")),
        }
    }
}

fn needs_tls() -> Refusal {
    Refusal::new("Not without TLS")
}
