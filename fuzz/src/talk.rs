//! A session of the server in memory, with a policy that answers by the choices it was given.

use std::{mem, sync::Arc};

use mail::{EnhancedStatus, Reply, TlsFacts};
use smtp::{
    Protocol,
    server::{Answer, Authentication, Config, Limits, Offers, Question, Session, Step},
};

/// A session, what it asked and what it took.
pub(crate) struct Talk {
    session: Session,
    /// One for each question, in turn and again from the start; 0 is what is usual.
    choices: Vec<u8>,
    asked: usize,
    /// What the questions were, without pieces of content.
    pub(crate) questions: Vec<String>,
    /// Contents that were taken whole.
    pub(crate) contents: Vec<Vec<u8>>,
    pub(crate) closed: bool,
    content: Vec<u8>,
}

impl Talk {
    pub(crate) fn new(protocol: Protocol, limits: Limits, choices: &[u8]) -> Self {
        let config =
            Config { protocol, hostname: "mx.example.org".to_owned(), software: "Postrider", limits };
        Self {
            session: Session::new(Arc::new(config)),
            choices: choices.to_vec(),
            asked: 0,
            questions: Vec::new(),
            contents: Vec::new(),
            closed: false,
            content: Vec::new(),
        }
    }

    /// Hands octets over; what the server says to them.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut rest = octets;
        self.run();
        while !self.closed && !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.session.wants()));
            assert!(!now.is_empty(), "it reads and wants nothing");
            self.session.receive(now);
            rest = later;
            self.run();
        }
        mem::take(self.session.output())
    }

    /// The client closes; what the server says to that.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.session.end_of_input();
        self.run();
        mem::take(self.session.output())
    }

    fn run(&mut self) {
        while !self.closed {
            match self.session.step() {
                Step::Read(_) => return,
                Step::Ask(question) => self.ask(question),
                Step::Secure => self.session.secured(tls()),
                Step::Close => self.closed = true,
            }
        }
    }

    fn ask(&mut self, question: Question) {
        let choice = self.choices.get(self.asked % self.choices.len().max(1)).copied().unwrap_or(0);
        // Content comes in as many pieces as it comes: no choice may depend on that.
        self.asked += usize::from(!matches!(question, Question::Content(_)));
        let answer = answer(choice, &question);
        match question {
            Question::Content(piece) => self.content.extend(piece),
            Question::EndOfContent { piece, repaired } => {
                self.content.extend(piece);
                self.contents.push(mem::take(&mut self.content));
                self.questions.push(format!("end {repaired}"));
            }
            Question::Reset => {
                self.content.clear();
                self.questions.push("reset".to_owned());
            }
            other => self.questions.push(format!("{other:?}")),
        }
        self.session.answer(answer);
    }
}

fn answer(choice: u8, question: &Question) -> Answer {
    let reply = |code: u16, text: &'static str| {
        let class = u8::try_from(code / 100).unwrap_or(5);
        Reply::new(code, EnhancedStatus::new(class, 0, 0), text)
    };
    if matches!(question, Question::Content(_)) {
        // Never refused half-way: where a piece ends depends on the cuts.
        return Answer::Proceed;
    }
    match (question, choice % 8) {
        (Question::Connected | Question::Proxied(_), 0..=5) => Answer::Greet(Offers {
            xclient: choice & 8 != 0,
            etrn: choice & 16 != 0,
            starttls: choice & 32 != 0,
            auth: auth(choice),
            schedule: Some(smtp::server::Scheduling {
                hold_seconds_max: 60,
                hold_until_max: mail::Timestamp::default(),
            }),
        }),
        (Question::Auth(question), 0..=6) => Answer::Auth(Box::new(granted(question, choice % 8 < 3))),
        (Question::EndOfContent { .. }, 0..=4) => Answer::Replied(reply(250, "Queued")),
        (Question::Data, 1..=2) => Answer::Normalise,
        (_, 0..=3) => Answer::Proceed,
        (_, 4) => Answer::Refuse(reply(451, "Not now")),
        (_, 5) => Answer::Refuse(reply(550, "No")),
        (_, 6) => Answer::Replied(reply(250, "As you like\nand more")),
        (_, _) => Answer::RefuseAndClose(reply(421, "Enough")),
    }
}

/// As if a handshake had been made.
fn tls() -> TlsFacts {
    TlsFacts { version: "TLSv1.3".into(), cipher: "TLS_AES_128_GCM_SHA256".into() }
}

fn auth(choice: u8) -> Authentication {
    match choice & 0xc0 {
        0 => Authentication::Unknown,
        0x80 => Authentication::AfterTls,
        _ => Authentication::By(sasl::Mechanism::ALL.into_iter().collect()),
    }
}

fn granted(question: &sasl::server::Question, granted: bool) -> sasl::server::Answer {
    use sasl::server::{Answer, Question, ScramFacts};
    let keys =
        || sasl::ScramKeys { salt: [1].into(), iterations: 4096, stored_key: [2; 32], server_key: [3; 32] };
    match question {
        Question::Keys { .. } => Answer::Scram(Box::new(ScramFacts {
            keys: keys(),
            others: Vec::new(),
            nonce: "n".into(),
            binding: Some([4].into()),
        })),
        _ if granted => Answer::Granted,
        _ => Answer::Denied,
    }
}

/// Fails unless all of `said` is whole replies (RFC 5321 §4.2); returns how many.
pub(crate) fn count_replies(said: &[u8]) -> usize {
    let said = std::str::from_utf8(said).expect("replies are text");
    assert!(said.is_empty() || said.ends_with("\r\n"), "a reply is not whole: {said:?}");
    let mut count = 0;
    for line in said.split_terminator("\r\n") {
        let octets = line.as_bytes();
        assert!(octets.len() > 3 && octets[..3].iter().all(u8::is_ascii_digit), "no reply: {line:?}");
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        assert!(octets.len() <= 510, "RFC 5321 §4.5.3.1.5: {line:?}");
        match octets[3] {
            b' ' => count += 1,
            b'-' => {}
            _ => panic!("no reply: {line:?}"),
        }
    }
    count
}
