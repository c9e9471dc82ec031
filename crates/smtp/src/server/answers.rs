//! The policy's answers, and what they lead to.

use mail::{Reply, ReplyClass};

use super::{
    Answer, Offers, Session,
    content::Content,
    replies,
    state::{After, Asked, Envelope, Stage, Standing, State},
};
use crate::framing::BareLineEnds;

/// An answer brought down to what matters.
enum Verdict {
    /// Go on, perhaps with other words than the usual ones.
    Yes(Option<Reply>),
    No {
        reply: Reply,
        close: bool,
    },
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Proceed | Answer::Normalise | Answer::Greet(_) | Answer::Auth(_) => Self::Yes(None),
            Answer::Replied(reply) if reply.is_completion() => Self::Yes(Some(reply)),
            Answer::Refuse(reply) | Answer::Replied(reply) => Self::no(reply, false),
            Answer::RefuseAndClose(reply) => Self::no(reply, true),
        }
    }
}

impl Verdict {
    fn no(reply: Reply, close: bool) -> Self {
        // RFC 5321 §3.8: 421 says that the channel closes, so it does.
        let close = close || reply.code() == 421;
        match reply.class() {
            ReplyClass::Transient | ReplyClass::Permanent => Self::No { reply, close },
            ReplyClass::Completion | ReplyClass::Intermediate => {
                Self::No { reply: replies::LOCAL_ERROR, close }
            }
        }
    }
}

impl Session {
    pub(super) fn answered(&mut self, asked: Asked, answer: Answer) {
        let bare = if answer == Answer::Normalise { BareLineEnds::Normalise } else { BareLineEnds::Refuse };
        let offered = if let Answer::Greet(offers) = answer { Some(offers) } else { None };
        let offers = offered.unwrap_or_default();
        let verdict = Verdict::from(answer);
        match asked {
            Asked::Connected => self.connected(verdict, offers),
            Asked::Secured { greeted } => self.secured_answered(verdict, offered, greeted),
            Asked::Proxied { hello, stage } => self.proxied_answered(verdict, offers, hello, stage),
            Asked::Authenticated => match verdict {
                Verdict::Yes(_) => self.authenticated(),
                Verdict::No { reply, close } => self.say_and(&reply, close, Stage::READY),
            },
            Asked::Hello { extended, stage } => self.hello_answered(verdict, extended, stage),
            Asked::Mail(envelope) => self.mail_answered(verdict, envelope),
            Asked::Recipient(envelope) => self.recipient_answered(verdict, envelope),
            Asked::Data(envelope) => self.data_answered(verdict, envelope, bare),
            Asked::Chunk(content) => self.chunk_answered(verdict, content, bare),
            Asked::Content(content) => self.content_answered(verdict, content),
            Asked::EndOfContent => self.end_answered(verdict),
            Asked::Reset(After { reply, times, close, stage }) => {
                self.say_often(times, &reply);
                self.state = if close { State::Closed } else { State::Commands(stage) };
            }
            Asked::Look { usual, stage } => match verdict {
                Verdict::Yes(words) => self.say_and(&words.unwrap_or(usual), false, stage),
                Verdict::No { reply, close } => self.say_and(&reply, close, stage),
            },
        }
    }

    fn say_and(&mut self, reply: &Reply, close: bool, stage: Stage) {
        self.say(reply);
        self.state = if close { State::Closed } else { State::Commands(stage) };
    }

    fn connected(&mut self, verdict: Verdict, offers: Offers) {
        match verdict {
            // RFC 5321 §3.1, §4.3.1: the client waits for the greeting.
            Verdict::Yes(_) if !self.lines.input.is_empty() => self.close_with(&replies::TALKED_TOO_EARLY),
            Verdict::Yes(_) => {
                self.offers = offers;
                let greeting = replies::greeting(&self.config);
                self.say_and(&greeting, false, Stage::Greeted);
            }
            Verdict::No { reply, close } => self.say_and(&reply, close, Stage::Refused),
        }
    }

    /// RFC 3207 §4.2: as after the greeting, without another one. How often the client has erred is not forgotten.
    fn secured_answered(&mut self, verdict: Verdict, offered: Option<Offers>, greeted: bool) {
        self.offers = Offers { starttls: false, ..offered.unwrap_or(self.offers) };
        (self.extended, self.standing) = (false, Standing::Stranger);
        match verdict {
            Verdict::No { reply, .. } => self.close_with(&reply),
            Verdict::Yes(_) if greeted => self.state = State::Commands(Stage::Greeted),
            Verdict::Yes(_) => self.state = State::Connected,
        }
    }

    /// Another client begins: what the last one did is not held against it. But who goes on like that does no work.
    fn proxied_answered(&mut self, verdict: Verdict, offers: Offers, hello: Option<bool>, stage: Stage) {
        match verdict {
            Verdict::Yes(_) => {
                self.offers = offers;
                (self.errors, self.transactions) = (0, 0);
                (self.extended, self.standing) = (hello.unwrap_or(false), Standing::Stranger);
                let stage = if hello.is_some() { Stage::READY } else { Stage::Greeted };
                let greeting = replies::greeting(&self.config);
                self.say_and(&greeting, false, stage);
            }
            Verdict::No { reply, close } => self.say_and(&reply, close, stage),
        }
    }

    fn hello_answered(&mut self, verdict: Verdict, extended: bool, stage: Stage) {
        match (verdict, stage) {
            // RFC 5321 §4.1.4: after a refused EHLO all is as before.
            (Verdict::No { reply, close }, stage) => self.say_and(&reply, close, stage),
            (Verdict::Yes(_), stage) => {
                self.extended = extended;
                let reply = if extended {
                    replies::extended_hello(&self.config, self.offers_now())
                } else {
                    replies::hello(&self.config)
                };
                match stage {
                    Stage::Envelope(_) | Stage::Chunks(_) => self.state = State::Forget(After::ready(reply)),
                    _ => self.say_and(&reply, false, Stage::READY),
                }
            }
        }
    }

    fn mail_answered(&mut self, verdict: Verdict, envelope: Envelope) {
        match verdict {
            Verdict::Yes(words) => {
                self.transactions = self.transactions.saturating_add(1);
                self.say_and(&words.unwrap_or(replies::SENDER_OK), false, Stage::Envelope(envelope));
            }
            Verdict::No { reply, close } => {
                self.say_and(&reply, close, Stage::Ready { after_refusal: true });
            }
        }
    }

    fn recipient_answered(&mut self, verdict: Verdict, mut envelope: Envelope) {
        match verdict {
            Verdict::Yes(words) => {
                envelope.accepted += 1;
                self.say_and(&words.unwrap_or(replies::RECIPIENT_OK), false, Stage::Envelope(envelope));
            }
            Verdict::No { reply, close } => {
                envelope.refused += 1;
                self.say_and(&reply, close, Stage::Envelope(envelope));
            }
        }
    }

    fn data_answered(&mut self, verdict: Verdict, envelope: Envelope, bare: BareLineEnds) {
        match verdict {
            Verdict::Yes(_) if !self.lines.input.is_empty() => self.close_with(&replies::TALKED_TOO_EARLY),
            Verdict::Yes(_) => {
                self.say(&Reply::plain(354, "End data with <CR><LF>.<CR><LF>"));
                self.replies_due = self.replies_for(&envelope);
                let octets_max = self.config.limits.message_size_max;
                self.state = State::Content(Box::new(Content::data(bare, envelope.size, octets_max)));
            }
            Verdict::No { reply, close } => self.say_and(&reply, close, Stage::Envelope(envelope)),
        }
    }

    /// The first chunk: unlike DATA, it is on its way whatever we say.
    fn chunk_answered(&mut self, verdict: Verdict, mut content: Box<Content>, bare: BareLineEnds) {
        content.set_bare(bare);
        self.content_answered(verdict, content);
    }

    fn content_answered(&mut self, verdict: Verdict, mut content: Box<Content>) {
        match verdict {
            Verdict::Yes(_) => self.state = State::Content(content),
            // 421 waits for the end of data like any other refusal, or the client would not see it.
            Verdict::No { reply, close } if !close || reply.code() == 421 => {
                content.refuse(reply);
                self.state = State::Content(content);
            }
            Verdict::No { reply, .. } => self.close_with(&reply),
        }
    }

    /// RFC 5321 §4.1.1.4: whatever the reply, the transaction is over.
    fn end_answered(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Yes(Some(reply)) => {
                (self.errors, self.idle) = (0, 0);
                self.ended(&reply, false);
            }
            Verdict::Yes(None) => self.ended(&replies::LOCAL_ERROR, false),
            Verdict::No { reply, close } => self.ended(&reply, close),
        }
    }

    fn ended(&mut self, reply: &Reply, close: bool) {
        self.say_often(self.replies_due, reply);
        self.state = if close { State::Closed } else { State::Commands(Stage::READY) };
    }
}
