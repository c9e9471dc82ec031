//! A policy for tests: one user, one mailbox of three messages.

use imap::{
    Command, Mailbox, Sequence,
    command::{Section, Target},
    response::{Code, Content, ContentName, FetchValue, Fetched, Response, Status, Stream},
    server::{Answer, Authentication, Incoming, Offers, Question, Task},
};
use sasl::{Mechanism, server as sasl_server};

/// What a stream of the second message holds: more than one piece, with a NUL in it.
pub(crate) fn long_content() -> Vec<u8> {
    let mut content: Vec<u8> = (0..100_000_u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    content[70_000] = 0;
    content
}

#[derive(Default)]
pub(crate) struct Policy {
    /// The questions, shown.
    pub(crate) asked: Vec<String>,
    /// Complete messages.
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) piece: Vec<u8>,
    pub(crate) left: u32,
    pub(crate) starttls: bool,
    pub(crate) clear: bool,
}

impl Policy {
    fn offers(&self) -> Offers {
        let by = Authentication::By([Mechanism::Plain, Mechanism::Login].into_iter().collect());
        Offers { starttls: self.starttls, auth: if self.clear { Authentication::AfterTls } else { by } }
    }

    pub(crate) fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Connected => Answer::Greet(self.offers()),
            Question::Secured(_) => {
                self.asked.push("secured".into());
                self.clear = false;
                Answer::Greet(self.offers())
            }
            Question::Auth(question) => Answer::Auth(Box::new(self.credentials(&question))),
            Question::Task(task) => self.task(&task),
            Question::Next => {
                self.left -= 1;
                let responses = vec![Response::Exists(10 + self.left)];
                if self.left > 0 { Answer::More(responses) } else { done(responses, Status::ok("All told")) }
            }
            Question::Authenticated | Question::Idle => Answer::Proceed,
            Question::IdleEnded => done(vec![Response::Exists(4)], Status::ok("Idled")),
            Question::Message(incoming) => self.message(&incoming),
            Question::Piece(piece) => {
                self.piece.extend(piece);
                if self.piece.starts_with(b"bad") {
                    Answer::Refuse(Status::no("Bad message"))
                } else {
                    Answer::Proceed
                }
            }
            Question::LastPiece(piece) => {
                self.piece.extend(piece);
                let message = std::mem::take(&mut self.piece);
                if message.starts_with(b"bad") {
                    return Answer::Refuse(Status::no("Bad message"));
                }
                self.messages.push(message);
                Answer::Proceed
            }
            Question::Commit => {
                self.asked.push(format!("commit {}", self.messages.len()));
                done(Vec::new(), Status::ok("Appended"))
            }
            Question::Abandon => {
                self.asked.push("abandon".into());
                Answer::Proceed
            }
            Question::Octets { reference, offset, octets_max } => {
                let content = long_content();
                let from = usize::try_from(offset).unwrap();
                // One reference has less than it promised.
                let end = if reference == 9 { 5 } else { content.len() };
                Answer::Octets(content[from.min(end)..end.min(from + octets_max)].to_vec())
            }
        }
    }

    fn credentials(&mut self, question: &sasl_server::Question) -> sasl_server::Answer {
        self.asked.push(format!("auth {question:?}"));
        match question {
            sasl_server::Question::Password { login, password, .. }
                if **login == *"anna" && password.expose() == "tiger" =>
            {
                sasl_server::Answer::Granted
            }
            sasl_server::Question::Password { login, .. } if **login == *"down" => {
                sasl_server::Answer::Unavailable
            }
            _ => sasl_server::Answer::Denied,
        }
    }

    fn message(&mut self, incoming: &Incoming) -> Answer {
        let Incoming { target, head, first } = incoming;
        self.piece.clear();
        if *first {
            self.messages.clear();
        }
        let (what, mailbox) = match target {
            Target::Append(mailbox) => ("append", mailbox),
            Target::Replace { mailbox, .. } => ("replace", mailbox),
        };
        self.asked.push(format!("{what} {} octets to {mailbox}, first: {first}", head.literal.octets));
        if *mailbox == Mailbox::new("nowhere").unwrap() {
            return Answer::Refuse(Status::no("No such mailbox").with(Code::TryCreate));
        }
        Answer::Proceed
    }

    fn task(&mut self, task: &Task) -> Answer {
        let request = imap::Request { tag: task.tag.clone(), command: task.command.clone() };
        let text = String::from_utf8_lossy(&request.to_octets(true)).into_owned();
        let command = text.trim_end().split_once(' ').unwrap().1.to_owned();
        self.asked.push(format!("{command}, expunges: {}", task.expunges));
        match &task.command {
            Command::Select(select) if select.mailbox == Mailbox::inbox() => {
                let responses = vec![Response::Flags(Vec::new()), Response::Exists(3)];
                done(responses, Status::ok("Selected").with(Code::ReadWrite))
            }
            Command::Select(_) => done(Vec::new(), Status::no("No such mailbox").with(Code::NonExistent)),
            Command::Noop if task.expunges => done(vec![Response::Expunge(1)], Status::ok("Done")),
            Command::Expunge(_) => done(vec![Response::Expunge(2), Response::Expunge(2)], Status::ok("Done")),
            // Told against the rule.
            Command::Store(_) => done(vec![Response::Exists(3), Response::Expunge(1)], Status::ok("Done")),
            Command::Check => {
                self.left = 3;
                Answer::More(vec![Response::Exists(20)])
            }
            Command::Fetch(fetch) => done(contents(&fetch.set), Status::ok("Fetched")),
            Command::Namespace => Answer::Refuse(Status::no("Not now").with(Code::Unavailable)),
            Command::GetQuota(_) => Answer::RefuseAndClose(Status::bye("Enough")),
            Command::List(_) => Answer::Proceed,
            _ => done(Vec::new(), Status::ok("Done")),
        }
    }
}

/// Message 1 is short, 2 a long stream, 9 a stream that breaks off.
fn contents(set: &Sequence) -> Vec<Response> {
    let Sequence::Set(set) = set else { return Vec::new() };
    let fetched = |number: u32| {
        let stream = Stream { reference: number.into(), octets: 100_000, binary: false };
        let content = if number == 1 { Content::Here((*b"short").into()) } else { Content::Stream(stream) };
        let name = ContentName::Section(Section::default());
        let values = vec![FetchValue::Content { name, origin: None, content }, FetchValue::Uid(number + 100)];
        Response::Fetch(Box::new(Fetched { number, values }))
    };
    set.ranges(9).into_iter().flatten().map(fetched).collect()
}

fn done(responses: Vec<Response>, status: Status) -> Answer {
    Answer::Done { responses, status }
}
