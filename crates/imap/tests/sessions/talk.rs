//! A session with that policy, in memory.

use std::{mem, sync::Arc};

use imap::{
    GrammarLimits, framing,
    server::{Config, Limits, Phase, Question, Session, Step},
};
use mail::TlsFacts;

use crate::policy::Policy;

pub(crate) struct Talk {
    pub(crate) session: Session,
    pub(crate) policy: Policy,
    pub(crate) closed: bool,
    pub(crate) phase: Option<Phase>,
    pub(crate) compressed: bool,
}

pub(crate) fn limits() -> Limits {
    Limits {
        framing: framing::Limits { command_octets_max: 1000, discarded_octets_max: 300_000 },
        framing_before_login: framing::Limits { command_octets_max: 300, discarded_octets_max: 2000 },
        grammar: GrammarLimits::default(),
        message_octets_max: 200_000,
        errors_max: 5,
        commands_before_login_max: 10,
    }
}

impl Talk {
    pub(crate) fn new(policy: Policy) -> Self {
        let config = Config {
            hostname: "mx.example.org".to_owned(),
            software: "Postrider",
            capabilities: ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "NOTIFY"].map(Into::into).to_vec(),
            limits: limits(),
        };
        let session = Session::new(Arc::new(config));
        Self { session, policy, closed: false, phase: None, compressed: false }
    }

    /// Hands octets over and gives back what the server says until it wants more.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Vec<u8> {
        let (mut rest, mut said) = (octets, Vec::new());
        self.run(&mut said);
        while !self.closed && !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.session.wants()));
            assert!(!now.is_empty(), "wants nothing though it reads");
            self.session.receive(now);
            rest = later;
            self.run(&mut said);
        }
        said
    }

    fn run(&mut self, said: &mut Vec<u8>) {
        while !self.closed {
            match self.session.step() {
                Step::Read(phase) => {
                    self.phase = Some(phase);
                    break;
                }
                Step::Ask(question) => {
                    assert!(!matches!(&question, Question::Piece(piece) if piece.len() > 64 * 1024));
                    let answer = self.policy.answer(question);
                    self.session.answer(answer);
                }
                Step::Secure => {
                    self.session.secured(TlsFacts {
                        version: "TLSv1.3".into(),
                        cipher: "TLS_AES_128_GCM_SHA256".into(),
                    });
                }
                Step::Compress => {
                    self.compressed = true;
                    self.session.compressed();
                }
                Step::Close => self.closed = true,
            }
            // A driver sends as it goes: what gathers has a bound.
            assert!(self.session.output().len() < 70_000);
            said.append(self.session.output());
        }
        said.append(&mut mem::take(self.session.output()));
    }
}
