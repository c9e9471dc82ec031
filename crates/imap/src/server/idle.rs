//! IDLE (RFC 9051 §6.3.13): the client waits for news until it says DONE.

use super::{
    Phase, Question, Session, Step, replies,
    state::{Asked, State},
};
use crate::Tag;

/// DONE has four; what is longer is something else.
const LINE_OCTETS_MAX: usize = 1024;

impl Session {
    pub(super) fn idle(&mut self, tag: Tag) -> Option<Step> {
        if self.stopping {
            self.stopped();
            return None;
        }
        let done = match self.reader.bare_line(LINE_OCTETS_MAX) {
            None if self.input_ended => return Some(Step::Close),
            None => {
                self.state = State::Idle(tag);
                return Some(Step::Read(Phase::Idle));
            }
            Some(Ok(line)) => line.eq_ignore_ascii_case(b"DONE"),
            Some(Err(_)) => {
                self.close_with(replies::too_long());
                return None;
            }
        };
        Some(self.ask(Asked::IdleEnded { tag, done }, Question::IdleEnded))
    }
}
