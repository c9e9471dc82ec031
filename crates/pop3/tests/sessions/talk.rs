//! A session with that policy, in memory.

use std::sync::Arc;

use mail::{TlsFacts, TlsSession};
use pop3::server::{Config, Limits, Phase, Session, Step};

use crate::policy::Policy;

pub(crate) struct Talk {
    pub(crate) session: Session,
    pub(crate) policy: Policy,
    pub(crate) closed: bool,
    pub(crate) phase: Option<Phase>,
}

impl Talk {
    pub(crate) fn new(policy: Policy) -> Self {
        let limits = Limits {
            command_octets_max: 255,
            discarded_octets_max: 2000,
            errors_max: 5,
            commands_before_login_max: 20,
        };
        let config = Config {
            hostname: "mx.example.org".to_owned(),
            software: "Postrider",
            login_delay_seconds: None,
            limits,
        };
        Self { session: Session::new(Arc::new(config)), policy, closed: false, phase: None }
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
                    let answer = self.policy.answer(question);
                    self.session.answer(answer);
                }
                Step::Secure => {
                    let facts =
                        TlsFacts { version: "TLSv1.3".into(), cipher: "TLS_AES_128_GCM_SHA256".into() };
                    self.session.secured(TlsSession::from(facts));
                }
                Step::Close => self.closed = true,
            }
            // A driver sends as it goes: what gathers has a bound.
            assert!(self.session.output().len() < 140_000);
            said.append(self.session.output());
        }
        said.append(self.session.output());
    }
}
