//! The policy's answers, and what they lead to.

use super::{
    Answer, Offers, Refusal, Session,
    marks::Marks,
    state::{Asked, Open, Standing, State},
};

impl Session {
    pub(super) fn answered(&mut self, asked: Asked, answer: Answer) {
        match asked {
            Asked::Connected => self.connected(answer),
            Asked::Secured { greeted } => self.secured_answered(answer, greeted),
            Asked::Open => self.opened(answer),
            Asked::One { by, number } => self.one_answered(by, number, answer),
            Asked::Some { by, from, count } => self.some_answered(by, from, count, answer),
            Asked::Delete { number } => self.delete_answered(number, answer),
            Asked::Octets(sending) => self.octets_answered(sending, answer),
            Asked::Update => self.update_answered(answer),
        }
    }

    fn connected(&mut self, answer: Answer) {
        match answer {
            Answer::Refuse(refusal) | Answer::RefuseAndClose(refusal) => return self.close_with(&refusal),
            Answer::Greet(offers) => self.offers = offers,
            _ => {}
        }
        // RFC 1939 §7: a greeting without a timestamp, so that no client tries APOP.
        self.say(&format!("+OK {} {} ready", self.config.hostname, self.config.software));
        self.state = State::Commands;
    }

    /// RFC 2595 §4: as after the greeting, without another one. How often the client has erred is not forgotten.
    fn secured_answered(&mut self, answer: Answer, greeted: bool) {
        match answer {
            Answer::Refuse(refusal) | Answer::RefuseAndClose(refusal) => return self.close_with(&refusal),
            Answer::Greet(offers) => self.offers = offers,
            _ => {}
        }
        self.offers = Offers { stls: false, ..self.offers };
        self.state = if greeted { State::Commands } else { State::Connected };
    }

    fn opened(&mut self, answer: Answer) {
        match answer {
            Answer::Opened(maildrop) => {
                self.standing = Standing::Client(Box::new(Open { maildrop, marks: Marks::default() }));
                self.done(&format!("+OK {} messages, {} octets", maildrop.messages, maildrop.octets));
            }
            other => self.refused_or_closed(other),
        }
    }

    /// An answer that gives nothing.
    pub(super) fn refused_or_closed(&mut self, answer: Answer) {
        match answer {
            Answer::Refuse(refusal) => self.refused(&refusal),
            Answer::RefuseAndClose(refusal) => self.close_with(&refusal),
            // `Proceed` would promise what nobody vouched for.
            _ => self.refused(&Refusal::local_error()),
        }
    }
}
