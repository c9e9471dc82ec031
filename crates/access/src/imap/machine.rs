//! The IMAP machine as a protocol that the driver understands: phases become deadlines.

use std::{sync::Arc, time::Duration};

use imap::server::{Answer, Phase, Question, Session, Step, Tally};
use limits::Kind;
use mail::TlsSession;
use net::{Meter, Pace, Protocol};

use crate::Config;

/// Octets per second, below which a message that comes in is cut off.
const RATE_MIN: u32 = 500;

/// One session of the IMAP server.
pub struct Machine {
    session: Session,
    meter: Meter,
    config: Arc<Config>,
}

impl Machine {
    pub(super) fn new(spoken: Arc<imap::server::Config>, config: Arc<Config>, meter: Meter) -> Self {
        Self { session: Session::new(spoken), meter, config }
    }

    fn pace(&self, phase: Phase) -> Pace {
        match phase {
            Phase::Login => Pace::Within(self.config.login_timeout),
            Phase::Command | Phase::Idle => Pace::Within(self.config.idle_timeout),
            Phase::Rest => Pace::Stream { idle: self.config.rest_timeout, octets_per_second_min: RATE_MIN },
        }
    }
}

impl Protocol for Machine {
    type Question = Question;
    type Answer = Answer;

    fn receive(&mut self, octets: &[u8]) {
        self.session.receive(octets);
    }

    fn wants(&self) -> usize {
        self.session.wants()
    }

    fn end_of_input(&mut self) {
        self.session.end_of_input();
    }

    fn timed_out(&mut self) {
        self.session.timed_out();
    }

    fn shut_down(&mut self) {
        self.session.shut_down();
    }

    fn secured(&mut self, session: TlsSession) {
        self.session.secured(session);
    }

    fn compressed(&mut self) {
        self.session.compressed();
    }

    fn step(&mut self) -> net::Step<Question> {
        let mut step = self.session.step();
        if matches!(step, Step::Read(_)) {
            let Tally { commands, errors } = self.session.tally();
            let commands = self.meter.charge(Kind::Commands, commands.into());
            if !self.meter.charge(Kind::Errors, errors.into()) || !commands {
                self.session.over_rate();
                step = self.session.step();
            }
        }
        match step {
            Step::Read(phase) => net::Step::Read(self.pace(phase)),
            Step::Ask(question) => net::Step::Ask(question),
            Step::Secure => net::Step::Secure,
            Step::Compress => net::Step::Compress,
            Step::Close => net::Step::Close,
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.session.answer(answer);
    }

    fn listens(&self) -> bool {
        self.session.listens().is_some()
    }

    fn tell(&mut self, news: Answer) {
        match news {
            Answer::More(news) => self.session.tell(&news),
            Answer::RefuseAndClose(why) => self.session.end(why),
            _ => {}
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        self.session.output()
    }

    fn write_deadline(&self) -> Duration {
        self.config.write_timeout
    }
}
