//! What an IMAP client sends, with a policy that answers by choice: the same is said whatever the cuts, in whole lines, and a session
//! that has not closed waits for more.

use std::sync::Arc;

use imap::{
    command::Section,
    framing,
    response::{Content, ContentName, FetchValue, Fetched, Response, Status, Stream},
    server::{Answer, Authentication, Config, Limits, Offers, Question, Session, Step},
};
use sasl::Mechanism;

use crate::source::{Source, pieces};

/// After so many questions the policy has no more to tell: it must have an end.
const MORE_MAX: usize = 200;

/// Choices of the policy, one after the other and from the front again.
struct Policy<'a> {
    choices: &'a [u8],
    at: usize,
}

impl Policy<'_> {
    fn choice(&mut self) -> u8 {
        self.at += 1;
        self.choices.get(self.at % self.choices.len().max(1)).copied().unwrap_or(0)
    }

    fn answer(&mut self, question: &Question) -> Answer {
        let choice = self.choice();
        match question {
            // What cannot go on would only be found out again and again.
            Question::Octets { octets_max, .. } => {
                Answer::Octets(vec![choice; usize::from(choice).clamp(50.min(*octets_max), *octets_max)])
            }
            Question::Connected => {
                let mechanisms =
                    [Mechanism::Plain, Mechanism::Login, Mechanism::XOAuth2].into_iter().collect();
                Answer::Greet(Offers { starttls: false, auth: Authentication::By(mechanisms) })
            }
            Question::Auth(_) if choice < 0xf0 => Answer::Auth(Box::new(sasl::server::Answer::Granted)),
            // What stands behind COMPRESS ends a session, or not, by when it comes.
            Question::Task(task) if task.command == imap::Command::Compress => {
                Answer::Refuse(Status::no("No"))
            }
            Question::Task(_) | Question::Next | Question::Commit | Question::IdleEnded => {
                told(choice, self.at < MORE_MAX)
            }
            _ if choice < 0xe0 => Answer::Proceed,
            _ if choice < 0xf8 => Answer::Refuse(Status::no("No")),
            _ => Answer::RefuseAndClose(Status::bye("No")),
        }
    }
}

fn told(choice: u8, more: bool) -> Answer {
    let status = match choice & 7 {
        0 => Status::no("No"),
        1 => Status::bad("Bad"),
        _ => Status::ok("Ok"),
    };
    let content =
        Content::Stream(Stream { reference: 1, octets: u64::from(choice) * 5, binary: choice & 8 == 0 });
    let value = FetchValue::Content { name: ContentName::Section(Section::default()), origin: None, content };
    let fetched = Response::Fetch(Box::new(Fetched { number: 1, values: vec![value, FetchValue::Uid(7)] }));
    match choice >> 4 {
        0..3 if more => Answer::More(vec![Response::Exists(1), fetched]),
        0..6 => Answer::Done { responses: vec![fetched], status },
        _ => Answer::Done { responses: Vec::new(), status },
    }
}

pub(crate) fn run(octets: &[u8]) {
    let mut source = Source(octets);
    let (size, choices) = (source.octet(), source.octets());
    let client = source.0;
    let whole = said(std::iter::once(client), choices);
    let cut = said(pieces(client, size), choices);
    assert!(whole == cut, "{}\n{}", whole.0.escape_ascii(), cut.0.escape_ascii());
    assert!(whole.0.starts_with(b"* OK "));
}

/// What the server says to octets in pieces, and whether it closes.
fn said<'a>(parts: impl Iterator<Item = &'a [u8]>, choices: &[u8]) -> (Vec<u8>, bool) {
    let small = framing::Limits { command_octets_max: 200, discarded_octets_max: 500 };
    let limits = Limits {
        framing: small,
        framing_before_login: framing::Limits { command_octets_max: 100, discarded_octets_max: 200 },
        message_octets_max: 300,
        errors_max: 5,
        commands_before_login_max: 5,
        ..Limits::default()
    };
    let capabilities = ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT"].map(Into::into).to_vec();
    let config = Config { hostname: "a.example".to_owned(), software: "x", capabilities, limits };
    let (mut session, mut policy) = (Session::new(Arc::new(config)), Policy { choices, at: 0 });
    let mut said = Vec::new();
    if !run_on(&mut session, &mut policy, &mut said) {
        return (said, true);
    }
    for part in parts {
        let mut rest = part;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(session.wants()));
            assert!(!now.is_empty(), "waits, and takes nothing");
            session.receive(now);
            rest = later;
            if !run_on(&mut session, &mut policy, &mut said) {
                return (said, true);
            }
        }
    }
    assert!(said.ends_with(b"\r\n"), "half a line");
    (said, false)
}

/// Until it waits for octets; false: it has closed.
fn run_on(session: &mut Session, policy: &mut Policy<'_>, said: &mut Vec<u8>) -> bool {
    for _ in 0..100_000 {
        let step = session.step();
        said.append(session.output());
        match step {
            Step::Read(_) => return true,
            Step::Ask(question) => session.answer(policy.answer(&question)),
            Step::Secure | Step::Compress => panic!("not offered"),
            Step::Close => return false,
        }
    }
    panic!("has no end");
}
