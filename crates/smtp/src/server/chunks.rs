//! Chunks (RFC 3030): each is read by its count, wanted or not.

use super::{
    Question, Session, Step,
    content::{Content, patience},
    replies,
    state::{Asked, Envelope, Skip, Spoilt, Stage, State},
};
use crate::Command;

impl Session {
    /// BDAT. Whatever is said about it, its chunk follows, and is read by its count.
    pub(super) fn chunk(&mut self, stage: Stage, octets: u64, last: bool) -> Option<Step> {
        if octets == 0 && !last && self.idle_too_long() {
            self.close_with(&replies::TOO_MANY_ERRORS);
            return None;
        }
        let octets_max = self.config.limits.message_size_max;
        match stage {
            Stage::Envelope(envelope) => return self.first_chunk(&envelope, octets, last),
            Stage::Chunks(mut content) => {
                content.chunk(octets, last);
                self.state = State::Content(content);
            }
            Stage::Spoilt(spoilt) => {
                let patience = spoilt.patience;
                self.state = State::Skip(Skip { left: octets, last, patience, stage: Stage::Spoilt(spoilt) });
            }
            stage => {
                self.state = State::Skip(Skip { left: octets, last, patience: patience(octets_max), stage });
            }
        }
        None
    }

    fn first_chunk(&mut self, envelope: &Envelope, octets: u64, last: bool) -> Option<Step> {
        let octets_max = self.config.limits.message_size_max;
        let expected = envelope.size.unwrap_or(octets);
        let mut content = Box::new(Content::chunks(envelope.binary, Some(expected), octets_max));
        // Refused as a whole: if a later chunk could still begin the message, its beginning would be lost.
        let refusal = match envelope {
            _ if !self.extended => Some(replies::BAD_SEQUENCE),
            Envelope { accepted: 0, refused: 0, .. } => Some(replies::RECIPIENT_FIRST),
            Envelope { accepted: 0, .. } => Some(self.no_valid_recipients()),
            _ => None,
        };
        self.replies_due = self.replies_for(envelope);
        if let Some(refusal) = refusal {
            self.errors = self.errors.saturating_add(u32::from(envelope.refused == 0));
            content.refuse(refusal);
            content.chunk(octets, last);
            self.state = State::Content(content);
            return None;
        }
        content.chunk(octets, last);
        Some(self.ask(Asked::Chunk(content), Question::Data))
    }

    /// A chunk that nobody wanted is read, or we gave up on it.
    pub(super) fn skipped(&mut self, skip: Skip) {
        let Skip { left, last, patience, stage } = skip;
        let given_up = left > 0;
        match stage {
            Stage::Spoilt(spoilt) if given_up => self.close_with(&spoilt.reply),
            _ if given_up => self.close_with(&replies::TOO_LARGE),
            Stage::Spoilt(spoilt) => {
                self.say_often(if last { self.replies_due } else { 1 }, &spoilt.reply);
                let Spoilt { reply, .. } = *spoilt;
                self.state = State::Commands(if last {
                    Stage::READY
                } else {
                    Stage::Spoilt(Box::new(Spoilt { reply, patience }))
                });
            }
            Stage::Refused => self.bad(Stage::Refused, &replies::QUIT_ONLY),
            stage => self.out_of_order(stage, &Command::Bdat { octets: 0, last }),
        }
    }
}
