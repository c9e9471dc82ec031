//! The policy's answers, and what they lead to.

use super::{
    Answer, Offers, Session, replies,
    state::{Asked, Standing, State, Telling, Then},
};
use crate::{
    Tag,
    response::{Code, Response, Status, StatusKind, continuation},
};

impl Session {
    pub(super) fn answered(&mut self, asked: Asked, answer: Answer) {
        match asked {
            Asked::Connected => self.connected(answer),
            Asked::Secured { greeted } => self.secured_answered(answer, greeted),
            Asked::Authenticated(tag) => self.authenticated(&tag, answer),
            Asked::Task(tag, telling) => self.task_answered(tag, telling, answer),
            Asked::Idle(tag) => match answer {
                Answer::Proceed | Answer::Greet(_) => {
                    self.say(continuation("Idling"));
                    self.state = State::Idle(tag);
                }
                other => self.finish_or_close(&tag, Then::Nothing, other),
            },
            Asked::IdleEnded { tag, done } => self.idle_ended(tag, done, answer),
            Asked::Message { uploading, synchronising } => {
                self.message_answered(uploading, synchronising, answer);
            }
            Asked::Piece(uploading) => self.piece_answered(uploading, answer),
            Asked::LastPiece(mut uploading) => {
                uploading.behind = true;
                self.piece_answered(uploading, answer);
            }
            Asked::Commit { tag, expunges } => {
                self.task_answered(tag, Telling { expunges, then: Then::Nothing }, answer);
            }
            Asked::Abandon { tag, reply, skip: true } => self.state = State::Skipping { tag, reply },
            Asked::Abandon { tag, reply, skip: false } => self.conclude(&tag, &reply),
        }
    }

    /// RFC 9051 §7.1: OK, with what the server can; or BYE.
    fn connected(&mut self, answer: Answer) {
        match answer {
            Answer::Refuse(status) | Answer::RefuseAndClose(status) => return self.close_with(status),
            Answer::Greet(offers) => self.offers = offers,
            _ => {}
        }
        let text = format!("{} {} ready", self.config.hostname, self.config.software);
        let greeting = Status::ok(text).with(Code::Capability(self.capabilities()));
        self.say_response(&Response::Status(greeting));
        self.state = State::Commands;
    }

    /// RFC 9051 §6.2.1: as after the greeting, without another one. How often the client has erred is not forgotten.
    fn secured_answered(&mut self, answer: Answer, greeted: bool) {
        match answer {
            Answer::Refuse(status) | Answer::RefuseAndClose(status) => return self.close_with(status),
            Answer::Greet(offers) => self.offers = offers,
            _ => {}
        }
        self.offers = Offers { starttls: false, ..self.offers };
        self.state = if greeted { State::Commands } else { State::Connected };
    }

    fn authenticated(&mut self, tag: &Tag, answer: Answer) {
        match answer {
            Answer::Proceed | Answer::Greet(_) => {
                self.standing = Standing::Authenticated;
                self.errors = 0;
                self.reader.set_limits(self.config.limits.framing);
                // RFC 9051 §7.1: so that the client need not ask.
                self.done(tag, &Status::ok("Logged in").with(Code::Capability(self.capabilities())));
            }
            Answer::Refuse(status) => self.bad(Some(tag), &Status { kind: StatusKind::No, ..status }),
            other => self.finish_or_close(tag, Then::Nothing, other),
        }
    }

    fn idle_ended(&mut self, tag: Tag, done: bool, answer: Answer) {
        let answer = match answer {
            Answer::Done { responses, .. } if !done => {
                Answer::Done { responses, status: Status::bad("DONE was expected") }
            }
            answer => answer,
        };
        self.task_answered(tag, Telling { expunges: true, then: Then::Nothing }, answer);
    }

    /// The answer to an exchange's question, or a limit of the policy's.
    pub(super) fn auth_answered(&mut self, mut talk: Box<super::auth::Talk>, answer: Answer) {
        match answer {
            Answer::Auth(answer) => {
                talk.said = Some(talk.exchange.answer(*answer));
                self.state = State::Auth(talk);
            }
            Answer::Refuse(status) => self.bad(Some(&talk.tag), &Status { kind: StatusKind::No, ..status }),
            Answer::RefuseAndClose(_) => self.finish_or_close(&talk.tag, Then::Nothing, answer),
            _ => self.done(&talk.tag, &replies::local_error()),
        }
    }
}
