//! The SMTP machine as a protocol that the driver understands: phases become deadlines.

use std::{sync::Arc, time::Duration};

use limits::Kind;
use mail::TlsSession;
use net::{Meter, Pace, Protocol};
use smtp::server::{Answer, Phase, Question, Session, Step, Tally};

use crate::Config;

/// One session of the SMTP server.
pub(crate) struct Machine {
    session: Session,
    meter: Meter,
    /// Octets that came and are not counted yet.
    octets: u64,
    idle: Pace,
    content: Pace,
    write_timeout: Duration,
    /// The last reply answered QUIT.
    quit: bool,
}

impl Machine {
    pub(crate) fn new(session: Arc<smtp::server::Config>, config: &Config, meter: Meter) -> Self {
        Self {
            session: Session::new(session),
            meter,
            octets: 0,
            idle: Pace::Within(config.idle_timeout),
            content: Pace::Stream {
                idle: config.content_timeout,
                octets_per_second_min: config.content_rate_min,
            },
            write_timeout: config.write_timeout,
            quit: false,
        }
    }

    /// Counts what the client did since it was last awaited. Whether it may go on.
    fn within_rates(&mut self) -> bool {
        let Tally { commands, errors } = self.session.tally();
        // Whether it may send more is asked at the next transaction.
        self.meter.charge(Kind::Octets, std::mem::take(&mut self.octets));
        let commands = self.meter.charge(Kind::Commands, commands.into());
        self.meter.charge(Kind::Errors, errors.into()) && commands
    }
}

impl Protocol for Machine {
    type Question = Question;
    type Answer = Answer;

    fn receive(&mut self, octets: &[u8]) {
        self.octets = self.octets.saturating_add(octets.len() as u64);
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
        if let Step::Read(phase) = &step {
            let in_content = *phase == Phase::Content;
            if !self.within_rates() && !in_content {
                self.session.over_rate();
                step = self.session.step();
            }
        }
        match step {
            Step::Read(Phase::Greeting | Phase::Command) => net::Step::Read(self.idle),
            Step::Read(Phase::Content) => net::Step::Read(self.content),
            Step::Ask(question) => net::Step::Ask(question),
            Step::Secure => net::Step::Secure,
            Step::Close => {
                self.quit = last_line(self.session.output()).starts_with(b"221 ");
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
        self.write_timeout
    }

    /// Behind QUIT nothing comes (RFC 5321 §4.1.1.10), so most sessions end without another wait.
    fn lingers(&self) -> bool {
        !self.quit
    }
}

fn last_line(output: &[u8]) -> &[u8] {
    let output = output.strip_suffix(b"\r\n").unwrap_or(output);
    output.rsplit(|octet| *octet == b'\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_that_did_not_quit_lingers() {
        for (input, lingers) in
            [(&b"NOOP\r\nQUIT\r\n"[..], false), (b"GET / HTTP/1.1\r\n", true), (b"NOOP 221 \r\n", true)]
        {
            let config = Config { errors_max: 1, ..Config::default() };
            let meter = net::Admission::new(9, config.clients()).meter([192, 0, 2, 1].into());
            let spoken = Arc::new(config.machine(smtp::server::Protocol::Smtp));
            let mut machine = Machine::new(spoken, &config, meter);
            assert_eq!(machine.step(), net::Step::Ask(Question::Connected));
            machine.answer(Answer::Proceed);
            machine.receive(input);
            machine.end_of_input();
            assert_eq!(machine.step(), net::Step::Close);
            assert_eq!(machine.lingers(), lingers, "{input:?}");
        }
    }
}
