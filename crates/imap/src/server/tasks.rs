//! What a policy tells about a command, and how the command ends.

use super::{
    Answer, Session, replies,
    state::{Standing, State, Telling, Then},
};
use crate::{
    Tag,
    response::{Response, Status, StatusKind},
};

impl Session {
    pub(super) fn task_answered(&mut self, tag: Tag, telling: Telling, answer: Answer) {
        match answer {
            Answer::More(responses) => {
                self.state = State::Telling(tag, telling);
                self.tell_all(&responses, telling.expunges);
            }
            Answer::Done { responses, status } => {
                self.state = State::Commands;
                self.tell_all(&responses, telling.expunges);
                if !matches!(self.state, State::Closed) {
                    self.finish(&tag, telling.then, &status);
                }
            }
            other => self.finish_or_close(&tag, telling.then, other),
        }
    }

    /// An answer that tells nothing.
    pub(super) fn finish_or_close(&mut self, tag: &Tag, then: Then, answer: Answer) {
        match answer {
            Answer::Refuse(status) => self.finish(tag, then, &status),
            Answer::RefuseAndClose(status) => {
                self.answer_tag(tag, &Status { kind: StatusKind::No, ..status.clone() });
                self.close_with(status);
            }
            // `Proceed` would promise what nobody vouched for.
            _ => self.finish(tag, then, &replies::local_error()),
        }
    }

    /// The command is over.
    fn finish(&mut self, tag: &Tag, then: Then, status: &Status) {
        let well = status.is_ok();
        match then {
            // RFC 9051 §6.3.2: a SELECT that fails leaves no mailbox selected.
            Then::Select => self.standing = if well { Standing::Selected } else { Standing::Authenticated },
            Then::Close if well => self.standing = Standing::Authenticated,
            Then::Notify { at_once } if well => self.notify = Some(at_once),
            Then::NotifyNone if well => self.notify = None,
            Then::Enable(new) if well => self.say_response(&Response::Enabled(new.names())),
            _ => {}
        }
        self.conclude(tag, status);
        match then {
            Then::Enable(new) if well => self.enabled = self.enabled.and(new),
            Then::Compress if well && matches!(self.state, State::Commands) => self.begin_compression(),
            _ => {}
        }
    }

    /// RFC 4978 §3: the client waits for the answer, so nothing can be here that is compressed already.
    fn begin_compression(&mut self) {
        if self.reader.is_inside() {
            self.close_with(Status::bye("Commands behind COMPRESS"));
        } else {
            self.state = State::Compressing;
        }
    }

    /// The tagged answer. What is BAD counts, and what is OK makes up for it.
    pub(super) fn conclude(&mut self, tag: &Tag, status: &Status) {
        match status.kind {
            StatusKind::Bad => return self.bad(Some(tag), status),
            StatusKind::Ok => self.errors = 0,
            StatusKind::No => {}
            StatusKind::Bye | StatusKind::PreAuth => {
                self.answer_tag(tag, &replies::local_error());
                return self.close_with(status.clone());
            }
        }
        self.answer_tag(tag, status);
        self.state = State::Commands;
    }
}
