//! Literals: parts of commands, and the messages of APPEND and REPLACE on their way to the policy (RFC 9051 §6.3.12, RFC 3502).

use super::{
    Answer, Incoming, Phase, Question, Session, Step, replies,
    state::{Asked, Standing, State, Then, Uploading},
};
use crate::{
    Tag,
    command::{Announcement, Behind, MessageHead, Target, Upload, announcement, behind},
    framing::{Fault, Read},
    response::{Code, Status, continuation},
    scan::Literal,
};

impl Session {
    /// A literal is announced in a command. RFC 9051 §4.3: only who waits for our consent gets it.
    pub(super) fn announced(&mut self, literal: Literal) -> Option<Step> {
        self.state = State::Commands;
        match announcement(self.reader.text(), self.grammar()) {
            Announcement::Part if self.reader.fits(literal) => {
                if literal.synchronising {
                    self.say(continuation("Go on"));
                }
                self.reader.accept_part();
            }
            Announcement::Part if literal.synchronising => {
                let word = self.reader.text().split(|octet| *octet == b' ').next().unwrap_or_default();
                let tag = std::str::from_utf8(word).ok().and_then(Tag::new);
                self.reader.refuse(Fault::TooLong);
                self.bad(tag.as_ref(), &replies::too_long());
            }
            // The answer comes at its end.
            Announcement::Part => self.reader.refuse(Fault::TooLong),
            Announcement::Wrong(rejected) => {
                if let Some(tag) = rejected.tag {
                    self.refuse_literal(tag, literal, replies::command_error(rejected.error));
                }
            }
            Announcement::Message(upload) => return self.begin_upload(*upload),
        }
        None
    }

    /// A command is over with the announcement of a literal, if its client waits; otherwise the literal still has to come.
    fn refuse_literal(&mut self, tag: Tag, literal: Literal, reply: Status) {
        self.reader.refuse(Fault::Refused);
        if literal.synchronising {
            self.conclude(&tag, &reply);
        } else {
            self.state = State::Skipping { tag, reply };
        }
    }

    fn begin_upload(&mut self, upload: Upload) -> Option<Step> {
        let Upload { tag, target, message } = upload;
        self.tally.commands = self.tally.commands.saturating_add(1);
        let fault = match (self.standing, &target) {
            (Standing::Stranger, _) => Some(Status::bad("Log in first")),
            (Standing::Authenticated, Target::Replace { .. }) => Some(Status::bad("Select a mailbox first")),
            _ => self.message_fault(&message),
        };
        if let Some(fault) = fault {
            self.refuse_literal(tag, message.literal, fault);
            return None;
        }
        let uploading = Box::new(Uploading { tag, target, utf8: false, behind: false });
        Some(self.ask_message(uploading, message, true))
    }

    /// What is wrong with a message before it is here.
    fn message_fault(&self, head: &MessageHead) -> Option<Status> {
        if head.literal.octets > self.config.limits.message_octets_max {
            return Some(replies::too_big());
        }
        // RFC 3502 §6.3.11: a client gives up by an empty message.
        if head.literal.octets == 0 {
            return Some(Status::no("Empty message"));
        }
        // RFC 6855 §4.
        let unknown = head.utf8 && !self.enabled.is_utf8();
        unknown.then(|| Status::no("UTF8=ACCEPT is not enabled").with(Code::Cannot))
    }

    fn ask_message(&mut self, mut uploading: Box<Uploading>, head: MessageHead, first: bool) -> Step {
        (uploading.utf8, uploading.behind) = (head.utf8, false);
        let synchronising = head.literal.synchronising;
        let incoming = Incoming { target: uploading.target.clone(), head, first };
        self.ask(Asked::Message { uploading, synchronising }, Question::Message(Box::new(incoming)))
    }

    pub(super) fn message_answered(
        &mut self,
        uploading: Box<Uploading>,
        synchronising: bool,
        answer: Answer,
    ) {
        match answer {
            Answer::Proceed => {
                if synchronising {
                    self.say(continuation("Go on"));
                }
                self.reader.accept_message();
                self.state = State::Uploading(uploading);
            }
            Answer::RefuseAndClose(_) => self.finish_or_close(&uploading.tag, Then::Nothing, answer),
            other => {
                self.reader.refuse(Fault::Refused);
                let (tag, reply) = (uploading.tag, refusal(other));
                if synchronising {
                    self.conclude(&tag, &reply);
                } else {
                    self.state = State::Skipping { tag, reply };
                }
            }
        }
    }

    pub(super) fn piece_answered(&mut self, uploading: Box<Uploading>, answer: Answer) {
        match answer {
            Answer::Proceed => self.state = State::Uploading(uploading),
            Answer::RefuseAndClose(_) => self.finish_or_close(&uploading.tag, Then::Nothing, answer),
            other => {
                self.reader.refuse(Fault::Refused);
                self.state = State::Skipping { tag: uploading.tag, reply: refusal(other) };
            }
        }
    }

    /// Reads a message, or what stands behind it.
    pub(super) fn upload(&mut self, uploading: Box<Uploading>) -> Option<Step> {
        match self.reader.read() {
            Read::Hungry if self.input_ended => Some(Step::Close),
            Read::Hungry => {
                self.state = State::Uploading(uploading);
                Some(Step::Read(Phase::Rest))
            }
            Read::Piece(piece) => Some(self.ask(Asked::Piece(uploading), Question::Piece(piece))),
            Read::LastPiece(piece) => Some(self.ask(Asked::LastPiece(uploading), Question::LastPiece(piece))),
            Read::Command(text) => Some(self.end_upload(*uploading, &text)),
            Read::Literal(literal) => Some(self.next_message(uploading, literal)),
            Read::Faulty { fault: Fault::Endless, .. } => {
                self.close_with(replies::too_long());
                None
            }
            Read::Faulty { .. } => Some(self.abandon(uploading.tag, replies::too_long(), false)),
        }
    }

    fn end_upload(&mut self, uploading: Uploading, text: &[u8]) -> Step {
        match behind(text, uploading.utf8, self.grammar()) {
            Ok(Behind::End) => {
                let replaces = matches!(uploading.target, Target::Replace { .. });
                let expunges = self.standing == Standing::Selected && (replaces || !self.reader.has_input());
                self.ask(Asked::Commit { tag: uploading.tag, expunges }, Question::Commit)
            }
            _ => self.abandon(uploading.tag, Status::bad("Wrong arguments behind a message"), false),
        }
    }

    /// RFC 3502: another message in the same APPEND.
    fn next_message(&mut self, uploading: Box<Uploading>, literal: Literal) -> Step {
        let head = match behind(self.reader.text(), uploading.utf8, self.grammar()) {
            Ok(Behind::Next(head)) if matches!(uploading.target, Target::Append(_)) => Ok(head),
            _ => Err(Status::bad("Wrong arguments behind a message")),
        };
        let checked = head.and_then(|head| self.message_fault(&head).map_or(Ok(head), Err));
        match checked {
            Ok(head) => self.ask_message(uploading, head, false),
            Err(reply) => {
                self.reader.refuse(Fault::Refused);
                self.abandon(uploading.tag, reply, !literal.synchronising)
            }
        }
    }

    fn abandon(&mut self, tag: Tag, reply: Status, skip: bool) -> Step {
        self.ask(Asked::Abandon { tag, reply, skip }, Question::Abandon)
    }
}

/// Why a message is not taken.
fn refusal(answer: Answer) -> Status {
    match answer {
        Answer::Refuse(status) if !status.is_ok() => status,
        _ => replies::local_error(),
    }
}
