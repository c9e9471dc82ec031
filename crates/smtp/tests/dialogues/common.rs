//! A server session with a scripted policy, in memory.

use std::{mem, sync::Arc};

use mail::{EnhancedStatus, Reply, TlsFacts};
use smtp::{
    ForwardPath,
    server::{Answer, Config, Limits, Phase, Protocol, Question, Session, Step},
};

/// What a test's policy says; `None` is what [`usual`] says.
pub(crate) type Policy = fn(&Question) -> Option<Answer>;

pub(crate) struct Talk {
    pub(crate) session: Session,
    /// The questions, shown, without the content pieces.
    pub(crate) asked: Vec<String>,
    /// Complete contents.
    pub(crate) contents: Vec<Vec<u8>>,
    pub(crate) pieces: Vec<usize>,
    pub(crate) closed: bool,
    pub(crate) phase: Option<Phase>,
    content: Vec<u8>,
    policy: Policy,
}

pub(crate) fn config(limits: Limits) -> Arc<Config> {
    speaking(Protocol::Smtp, limits)
}

fn speaking(protocol: Protocol, limits: Limits) -> Arc<Config> {
    Arc::new(Config { protocol, hostname: "mx.example.org".to_owned(), software: "Postrider", limits })
}

pub(crate) fn reply(code: u16, (class, subject, detail): (u8, u16, u16), text: &'static str) -> Reply {
    Reply::new(code, EnhancedStatus::new(class, subject, detail), text)
}

/// As if a handshake had been made.
pub(crate) fn tls() -> TlsFacts {
    TlsFacts { version: "TLSv1.3".into(), cipher: "TLS_AES_128_GCM_SHA256".into() }
}

/// `nobody` does not exist; all else is taken.
fn usual(question: &Question) -> Answer {
    match question {
        Question::Recipient(rcpt) if matches!(&rcpt.forward_path, ForwardPath::Address(a) if a.local_part() == "nobody") => {
            Answer::Refuse(reply(550, (5, 1, 1), "No such user"))
        }
        Question::EndOfContent { .. } => Answer::Replied(reply(250, (2, 0, 0), "Queued")),
        _ => Answer::Proceed,
    }
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), |_| None)
    }

    pub(crate) fn with(limits: Limits, policy: Policy) -> Self {
        Self {
            session: Session::new(config(limits)),
            asked: Vec::new(),
            contents: Vec::new(),
            pieces: Vec::new(),
            closed: false,
            phase: None,
            content: Vec::new(),
            policy,
        }
    }

    /// As [`Talk::with`], but it is LMTP that is spoken.
    pub(crate) fn lmtp(limits: Limits, policy: Policy) -> Self {
        let session = Session::new(speaking(Protocol::Lmtp, limits));
        Self { session, ..Self::with(limits, policy) }
    }

    /// Greeted, and past EHLO.
    pub(crate) fn hello() -> Self {
        let mut talk = Self::new();
        talk.send("EHLO client.example.net\r\n");
        talk
    }

    /// Hands octets over and gives back what the server says until it wants more.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) -> String {
        let mut rest = octets.as_ref();
        self.run();
        while !self.closed && !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.session.wants()));
            assert!(!now.is_empty(), "wants nothing though it reads");
            self.session.receive(now);
            rest = later;
            self.run();
        }
        String::from_utf8(mem::take(self.session.output())).unwrap()
    }

    pub(crate) fn run(&mut self) {
        while !self.closed {
            match self.session.step() {
                Step::Read(phase) => {
                    self.phase = Some(phase);
                    return;
                }
                Step::Ask(question) => self.ask(question),
                Step::Secure => self.session.secured(tls()),
                Step::Close => self.closed = true,
            }
        }
    }

    fn ask(&mut self, question: Question) {
        let answer = (self.policy)(&question).unwrap_or_else(|| usual(&question));
        match question {
            Question::Content(piece) => {
                self.pieces.push(piece.len());
                self.content.extend(piece);
            }
            Question::EndOfContent { piece, .. } => {
                self.pieces.push(piece.len());
                self.content.extend(piece);
                self.contents.push(mem::take(&mut self.content));
                self.asked.push("end".to_owned());
            }
            Question::Reset => {
                self.content.clear();
                self.asked.push("reset".to_owned());
            }
            Question::Connected => self.asked.push("connected".to_owned()),
            Question::Secured(facts) => self.asked.push(format!("secured by {}", facts.facts.version)),
            Question::Hello { name, extended } => self.asked.push(format!("hello {name} {extended}")),
            Question::Proxied(xclient) => self.asked.push(xclient.to_string()),
            Question::Auth(question) => self.asked.push(format!("auth {question:?}")),
            Question::Authenticated => self.asked.push("authenticated".to_owned()),
            Question::Turn(node) => self.asked.push(format!("turn {node}")),
            Question::Mail(mail) => self.asked.push(mail.to_string()),
            Question::Recipient(rcpt) => self.asked.push(rcpt.to_string()),
            Question::Data => self.asked.push("data".to_owned()),
            Question::Verify(text) => self.asked.push(format!("verify {text}")),
            Question::Expand(text) => self.asked.push(format!("expand {text}")),
        }
        self.session.answer(answer);
    }
}

/// What the client sends, waiting for all replies, and what it gets.
pub(crate) type Script<'a> = &'a [(&'a [u8], &'a str)];

/// Runs a script whole, octet by octet, and with each sending cut in two at every position. `check` looks at the end.
pub(crate) fn at_every_split(limits: Limits, policy: Policy, script: Script<'_>, check: impl Fn(&Talk)) {
    let cuts =
        script.iter().enumerate().flat_map(|(at, (send, _))| (1..send.len()).map(move |cut| (at, cut)));
    for (cut, single) in cuts.map(|cut| (Some(cut), false)).chain([(None, false), (None, true)]) {
        let mut talk = Talk::with(limits, policy);
        for (number, (send, expected)) in script.iter().enumerate() {
            let parts: Vec<&[u8]> = match cut {
                Some((at, cut)) if at == number => vec![&send[..cut], &send[cut..]],
                _ if single && !send.is_empty() => send.chunks(1).collect(),
                _ => vec![send],
            };
            let said: String = parts.into_iter().map(|part| talk.send(part)).collect();
            let shown = String::from_utf8_lossy(send);
            assert_eq!(&said, expected, "to {shown:?}, cut at {cut:?}, by octets: {single}");
        }
        check(&talk);
    }
}

/// A script begins like this.
pub(crate) const GREETING: (&[u8], &str) = (b"", "220 mx.example.org ESMTP Postrider\r\n");
pub(crate) const EHLO: (&[u8], &str) = (
    b"EHLO client.example.net\r\n",
    "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-DSN\r\n\
     250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 LIMITS MAILMAX=10000 RCPTMAX=1000\r\n",
);
pub(crate) const HELO: (&[u8], &str) = (b"HELO client.example.net\r\n", "250 mx.example.org\r\n");
pub(crate) const MAIL: (&[u8], &str) = (b"MAIL FROM:<anna@example.net>\r\n", "250 2.1.0 Sender ok\r\n");
pub(crate) const RCPT: (&[u8], &str) = (b"RCPT TO:<bert@example.org>\r\n", "250 2.1.5 Recipient ok\r\n");
pub(crate) const DATA: (&[u8], &str) = (b"DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n");
