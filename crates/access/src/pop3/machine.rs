//! The POP3 machine as a protocol that the driver understands: phases become deadlines.

use std::{sync::Arc, time::Duration};

use limits::Kind;
use mail::TlsSession;
use net::{Meter, Pace, Protocol};
use pop3::server::{Answer, Phase, Question, Session, Step, Tally};

use crate::Config;

/// One session of the POP3 server.
pub struct Machine {
    session: Session,
    meter: Meter,
    config: Arc<Config>,
    /// QUIT was answered.
    quit: bool,
}

impl Machine {
    pub(super) fn new(spoken: Arc<pop3::server::Config>, config: Arc<Config>, meter: Meter) -> Self {
        Self { session: Session::new(spoken), meter, config, quit: false }
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
            Step::Read(Phase::Login) => net::Step::Read(Pace::Within(self.config.login_timeout)),
            Step::Read(Phase::Command) => net::Step::Read(Pace::Within(self.config.idle_timeout)),
            Step::Ask(question) => net::Step::Ask(question),
            Step::Secure => net::Step::Secure,
            Step::Close => {
                self.quit = self.session.output().ends_with(b"+OK Bye\r\n");
                net::Step::Close
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.session.answer(answer);
    }

    fn output(&mut self) -> &mut Vec<u8> {
        self.session.output()
    }

    fn write_deadline(&self) -> Duration {
        self.config.write_timeout
    }

    /// Behind QUIT nothing comes, so most sessions end without another wait.
    fn lingers(&self) -> bool {
        !self.quit
    }
}
