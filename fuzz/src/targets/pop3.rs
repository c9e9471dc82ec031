//! What a POP3 client sends, with a policy that answers by choice: the same is said whatever the cuts, in whole lines, and a session that
//! has not closed waits for more.

use std::sync::Arc;

use pop3::server::{
    Answer, Authentication, Config, Limits, Listed, Maildrop, Offers, Question, Refusal, Session, Step,
};
use sasl::Mechanism;

use crate::source::{Source, pieces};

/// Choices of the policy, one after the other and from the front again.
struct Policy<'a> {
    choices: &'a [u8],
    at: usize,
    deleted: Vec<u32>,
}

impl Policy<'_> {
    fn choice(&mut self) -> u8 {
        self.at += 1;
        self.choices.get(self.at % self.choices.len().max(1)).copied().unwrap_or(0)
    }

    fn answer(&mut self, question: Question) -> Answer {
        let choice = self.choice();
        match (question, choice) {
            (Question::Update(numbers), choice) => {
                assert!(!numbers.is_empty() && numbers.is_sorted(), "{numbers:?}");
                assert!(self.deleted.is_empty(), "deleted twice");
                self.deleted = numbers;
                if choice < 0x80 { Answer::Proceed } else { Answer::Refuse(Refusal::new("No")) }
            }
            (_, 0xf8..) => Answer::RefuseAndClose(Refusal::new("No\r\n+OK")),
            (_, 0xf0..) => Answer::Refuse(Refusal::new("No")),
            (_, 0xec..) => Answer::Proceed,
            (Question::Connected, _) => {
                let mechanisms =
                    [Mechanism::Plain, Mechanism::Login, Mechanism::XOAuth2].into_iter().collect();
                Answer::Greet(Offers { stls: false, auth: Authentication::By(mechanisms) })
            }
            (Question::Auth(_), _) => Answer::Auth(Box::new(sasl::server::Answer::Granted)),
            (Question::Open, choice) => {
                Answer::Opened(Maildrop { messages: u32::from(choice) * 2, octets: u64::from(choice) })
            }
            (Question::List { from, count }, _) => Answer::Listed(
                (from..from + count)
                    .map(|number| Listed { octets: 9, unique_id: number.to_string().into() })
                    .collect(),
            ),
            (Question::Octets { offset, .. }, choice) => match offset {
                // It has an end.
                300.. => Answer::Octets(Vec::new()),
                _ => Answer::Octets([b"\r\n.", &[choice; 30][..]].concat()),
            },
            (Question::Secured(_), _) => panic!("not offered"),
        }
    }
}

pub(crate) fn run(octets: &[u8]) {
    let mut source = Source(octets);
    let (size, choices) = (source.octet(), source.octets());
    let client = source.0;
    let whole = said(std::iter::once(client), choices);
    let cut = said(pieces(client, size), choices);
    assert!(whole == cut, "{}\n{}", whole.0.escape_ascii(), cut.0.escape_ascii());
    assert!(whole.0.starts_with(b"+OK ") || whole.0.starts_with(b"-ERR "));
}

/// What the server says to octets in pieces, what it deleted, and whether it closes.
fn said<'a>(parts: impl Iterator<Item = &'a [u8]>, choices: &[u8]) -> (Vec<u8>, Vec<u32>, bool) {
    let limits = Limits {
        command_octets_max: 255,
        discarded_octets_max: 300,
        errors_max: 5,
        commands_before_login_max: 7,
    };
    let config =
        Config { hostname: "a.example".to_owned(), software: "x", login_delay_seconds: Some(1), limits };
    let (mut session, mut policy) =
        (Session::new(Arc::new(config)), Policy { choices, at: 0, deleted: Vec::new() });
    let mut said = Vec::new();
    if !run_on(&mut session, &mut policy, &mut said) {
        return (said, policy.deleted, true);
    }
    for part in parts {
        let mut rest = part;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(session.wants()));
            assert!(!now.is_empty(), "waits, and takes nothing");
            session.receive(now);
            rest = later;
            if !run_on(&mut session, &mut policy, &mut said) {
                return (said, policy.deleted, true);
            }
        }
    }
    (said, policy.deleted, false)
}

/// Until it waits for octets; false: it has closed.
fn run_on(session: &mut Session, policy: &mut Policy<'_>, said: &mut Vec<u8>) -> bool {
    for _ in 0..100_000 {
        let step = session.step();
        said.append(session.output());
        match step {
            Step::Read(_) => {
                assert!(said.ends_with(b"\r\n"), "half a line");
                return true;
            }
            Step::Ask(question) => {
                let answer = policy.answer(question);
                session.answer(answer);
            }
            Step::Secure => panic!("not offered"),
            Step::Close => return false,
        }
    }
    panic!("has no end");
}
