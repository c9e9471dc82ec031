//! Responses on their way: what is ready goes to the output at once, streams are asked for piece by piece, and nothing overtakes.

use std::collections::VecDeque;

use super::{Answer, Question, Session, Step, state::State};
use crate::response::{Dialect, Outgoing, Response, Status, Stream, extend_without_nul};

/// About how much of a stream is asked for at once.
const PIECE_OCTETS: usize = 64 * 1024;

/// What was said and is not in the output yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Outgoing>,
    /// How much of the first stream has come.
    offset: u64,
    /// Octets of it are asked for.
    pub(super) asked: bool,
}

impl Session {
    pub(super) fn say(&mut self, octets: Vec<u8>) {
        if self.queue.waiting.is_empty() {
            self.output.extend_from_slice(&octets);
        } else {
            self.queue.waiting.push_back(Outgoing::Octets(octets));
        }
    }

    pub(super) fn say_response(&mut self, response: &Response) {
        if self.queue.waiting.is_empty() {
            // Straight into the output: a message is copied once less.
            let mut parts =
                response.write_behind(std::mem::take(&mut self.output), self.dialect()).into_iter();
            if let Some(Outgoing::Octets(octets)) = parts.next() {
                self.output = octets;
            }
            self.queue.waiting.extend(parts);
            return;
        }
        for part in response.write(self.dialect()) {
            match part {
                Outgoing::Octets(octets) => self.say(octets),
                Outgoing::Stream(stream) => self.queue.waiting.push_back(Outgoing::Stream(stream)),
            }
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        Dialect { utf8: self.enabled.is_utf8() }
    }

    /// Tells what the policy has to tell. RFC 9051 §7.5.1: not of expunged messages while message numbers are in use; if it does
    /// nevertheless, there is no way to go on together.
    pub(super) fn tell_all(&mut self, responses: &[Response], expunges: bool) {
        for response in responses {
            let expunged =
                matches!(response, Response::Expunge(_) | Response::Vanished { earlier: false, .. });
            if expunged && !expunges {
                self.close_with(Status::bye("Internal error").with(crate::response::Code::ServerBug));
                return;
            }
            self.say_response(response);
        }
    }

    /// Moves to the output what can be. The step, if octets have to be asked for.
    pub(super) fn flush(&mut self) -> Option<Step> {
        while let Some(part) = self.queue.waiting.pop_front() {
            match part {
                Outgoing::Octets(octets) => self.output.extend_from_slice(&octets),
                Outgoing::Stream(stream) if self.queue.offset >= stream.octets => self.queue.offset = 0,
                Outgoing::Stream(stream) => {
                    self.queue.waiting.push_front(Outgoing::Stream(stream));
                    self.queue.asked = true;
                    return Some(Step::Ask(Question::Octets {
                        reference: stream.reference,
                        offset: self.queue.offset,
                        octets_max: self.piece_of(stream),
                    }));
                }
            }
        }
        None
    }

    fn piece_of(&self, stream: Stream) -> usize {
        usize::try_from(stream.octets - self.queue.offset).unwrap_or(usize::MAX).min(PIECE_OCTETS)
    }

    /// Takes octets of the first stream.
    pub(super) fn octets_answered(&mut self, answer: Answer) {
        self.queue.asked = false;
        let Some(Outgoing::Stream(stream)) = self.queue.waiting.front().cloned() else { return };
        match answer {
            Answer::Octets(octets) if !octets.is_empty() && octets.len() <= self.piece_of(stream) => {
                self.queue.offset += octets.len() as u64;
                if stream.binary {
                    self.output.extend_from_slice(&octets);
                } else {
                    extend_without_nul(&mut self.output, &octets);
                }
            }
            // Inside of a literal nothing else can be said.
            _ => {
                self.queue = Queue::default();
                self.state = State::Closed;
            }
        }
    }

    pub(super) fn answer_tag(&mut self, tag: &crate::Tag, status: &Status) {
        let octets = status.answer_to(tag, self.dialect());
        self.say(octets);
    }
}
