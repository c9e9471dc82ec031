//! Messages of an open maildrop: lists of them and their octets on the way out (RFC 1939 §5), a piece at a time.

use super::{
    Answer, Listed, Maildrop, Question, Refusal, Session, Step,
    state::{Asked, By, Sending, Standing, State},
};

/// Messages that are listed at once.
const LISTED_AT_ONCE: u32 = 256;
/// Octets of a message that are asked for at once.
const PIECE_OCTETS: usize = 64 * 1024;

impl Session {
    /// What is in the maildrop without what is marked as deleted.
    pub(super) fn left(&self) -> Maildrop {
        let Standing::Client(open) = &self.standing else { return Maildrop::default() };
        Maildrop {
            messages: open.maildrop.messages.saturating_sub(open.marks.count()),
            octets: open.maildrop.octets.saturating_sub(open.marks.octets()),
        }
    }

    fn messages(&self) -> u32 {
        match &self.standing {
            Standing::Client(open) => open.maildrop.messages,
            Standing::Stranger(_) => 0,
        }
    }

    fn is_marked(&self, number: u32) -> bool {
        matches!(&self.standing, Standing::Client(open) if open.marks.has(number))
    }

    /// Whether there is such a message; if not, the client is told.
    pub(super) fn is_there(&mut self, number: u32) -> bool {
        let messages = self.messages();
        if !(1..=messages).contains(&number) {
            self.bad(&Refusal::new(format!("No such message; there are {messages}")));
            false
        } else if self.is_marked(number) {
            self.bad(&Refusal::new("Message is marked as deleted"));
            false
        } else {
            true
        }
    }

    pub(super) fn list_one(&mut self, by: By, number: u32) -> Option<Step> {
        let there = self.is_there(number);
        there.then(|| self.ask(Asked::One { by, number }, Question::List { from: number, count: 1 }))
    }

    pub(super) fn list(&mut self, by: By) -> Option<Step> {
        if self.messages() > 0 {
            return Some(self.list_on(by, 1));
        }
        self.say("+OK No messages");
        self.done(".");
        None
    }

    pub(super) fn list_on(&mut self, by: By, from: u32) -> Step {
        let count = (self.messages() - from.min(self.messages()) + 1).min(LISTED_AT_ONCE);
        self.ask(Asked::Some { by, from, count }, Question::List { from, count })
    }

    pub(super) fn one_answered(&mut self, by: By, number: u32, answer: Answer) {
        match self.listed(1, answer) {
            Ok(listed) => {
                if let Some(listed) = listed.first() {
                    self.done(&format!("+OK {}", told(by, number, listed)));
                }
            }
            Err(refused) => self.refused_or_closed(refused),
        }
    }

    pub(super) fn some_answered(&mut self, by: By, from: u32, count: u32, answer: Answer) {
        let listed = match self.listed(count, answer) {
            Ok(listed) => listed,
            Err(refused) if from == 1 => return self.refused_or_closed(refused),
            // In the middle of a list nothing else can be said.
            Err(_) => return self.state = State::Closed,
        };
        if from == 1 {
            self.say(&format!("+OK {} messages", self.left().messages));
        }
        for (number, listed) in (from..).zip(&listed) {
            if !self.is_marked(number) {
                self.say(&told(by, number, listed));
            }
        }
        let next = from.saturating_add(count);
        if next > self.messages() {
            self.done(".");
        } else {
            self.state = State::Listing { by, next };
        }
    }

    pub(super) fn delete_answered(&mut self, number: u32, answer: Answer) {
        match (self.listed(1, answer), &mut self.standing) {
            (Ok(listed), Standing::Client(open)) => {
                open.marks.add(number, listed.first().map_or(0, |listed| listed.octets));
                self.done("+OK Marked as deleted");
            }
            (Ok(_), Standing::Stranger(_)) => self.refused(&Refusal::local_error()),
            (Err(refused), _) => self.refused_or_closed(refused),
        }
    }

    /// What was asked for, or another answer.
    #[expect(clippy::unused_self, reason = "beside the methods that use it")]
    fn listed(&self, count: u32, answer: Answer) -> Result<Vec<Listed>, Answer> {
        match answer {
            Answer::Listed(listed)
                if listed.len() == usize::try_from(count).unwrap_or(usize::MAX)
                    && listed.iter().all(|listed| is_unique_id(&listed.unique_id)) =>
            {
                Ok(listed)
            }
            other => Err(other),
        }
    }

    pub(super) fn send_on(&mut self, sending: Sending) -> Step {
        let question =
            Question::Octets { number: sending.number, offset: sending.offset, octets_max: PIECE_OCTETS };
        self.ask(Asked::Octets(sending), question)
    }

    pub(super) fn octets_answered(&mut self, mut sending: Sending, answer: Answer) {
        let octets = match answer {
            Answer::Octets(octets) if octets.len() <= PIECE_OCTETS => octets,
            other if sending.offset == 0 => return self.refused_or_closed(other),
            // Without the last dot the client knows that this is not all.
            _ => return self.state = State::Closed,
        };
        if sending.offset == 0 {
            self.say("+OK Message follows");
        }
        sending.offset = sending.offset.saturating_add(octets.len() as u64);
        sending.encoder.encode(&octets, &mut self.output);
        if octets.is_empty() || sending.encoder.has_all() {
            sending.encoder.finish(&mut self.output);
            self.errors = 0;
            self.state = State::Commands;
        } else {
            self.state = State::Sending(sending);
        }
    }

    /// RFC 1939 §6: the session ends, however it went.
    pub(super) fn update_answered(&mut self, answer: Answer) {
        match answer {
            Answer::Proceed => {
                self.say("+OK Bye");
                self.state = State::Closed;
            }
            Answer::Refuse(refusal) | Answer::RefuseAndClose(refusal) => self.close_with(&refusal),
            _ => self.close_with(&Refusal::local_error()),
        }
    }
}

fn told(by: By, number: u32, listed: &Listed) -> String {
    match by {
        By::Size => format!("{number} {}", listed.octets),
        By::UniqueId => format!("{number} {}", listed.unique_id),
    }
}

/// RFC 1939 §7.
fn is_unique_id(text: &str) -> bool {
    (1..=70).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
}
