//! The event loop of the source: hands messages to sessions and notes what becomes of them.

use super::replies::Reply;
use super::session::{Session, Stage, UnderWay};
use super::{Amount, Entry, FAILURES_MAX, GRACE, Load, Plan, Report};
use crate::Failure;
use crate::clock::{monotonic_ns, thread_cpu_ns};
use crate::content::Content;
use crate::dial;
use crate::poller::{Interest, Poller, Ready};
use crate::wire::Wire;
use std::io;
use std::time::Duration;

/// How long the loop sleeps at most, so that it sees its time limit.
const SLEEP_MAX: Duration = Duration::from_millis(200);
const READ_OCTETS: usize = 16 * 1024;
/// Sessions that are opened at a time where all are to stand before the first message.
const OPENING_MAX: usize = 50;
/// How long goodbyes may take.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// What one round of the loop works on.
#[derive(Debug)]
struct Events {
    ready: Vec<Ready>,
    buffer: Vec<u8>,
}

impl Events {
    fn new() -> Self {
        Self { ready: Vec::new(), buffer: vec![0; READ_OCTETS] }
    }
}

/// All sessions of one run. A slot keeps its number when its session is replaced.
#[derive(Debug)]
pub(super) struct Engine {
    plan: Plan,
    poller: Poller,
    slots: Vec<Option<Session>>,
    /// Slots whose session waits for work (open loop).
    idle: Vec<usize>,
    content: Content,
    report: Report,
    /// Messages handed to sessions.
    issued: u64,
    /// Sessions in `slots`.
    open: usize,
    /// Messages handed out and not answered.
    under_way: usize,
    /// Sessions are kept when there is nothing to send, until [`Engine::close`].
    standing: bool,
    /// Open loop: when message 0 is due; `None` until every session is greeted.
    due_from_ns: Option<u64>,
    stop_issuing_ns: u64,
    command: Vec<u8>,
}

impl Engine {
    pub(super) fn new(plan: Plan) -> io::Result<Self> {
        Ok(Self {
            content: content(plan.size, &plan.entry)?,
            plan,
            poller: Poller::new()?,
            slots: Vec::new(),
            idle: Vec::new(),
            report: Report::default(),
            issued: 0,
            open: 0,
            under_way: 0,
            standing: false,
            due_from_ns: None,
            stop_issuing_ns: 0,
            command: Vec::new(),
        })
    }

    pub(super) fn run(mut self) -> io::Result<Report> {
        let cpu = thread_cpu_ns();
        let started = monotonic_ns();
        self.report.started_ns = started;
        self.report.ended_ns = started;
        self.stop_issuing_ns = started.saturating_add(nanoseconds(self.plan.time_limit));
        let give_up = self.stop_issuing_ns.saturating_add(nanoseconds(GRACE));
        for slot in 0..self.plan.sessions {
            self.slots.push(None);
            self.connect(slot)?;
        }
        let mut events = Events::new();
        while self.open > 0 && monotonic_ns() < give_up {
            self.step(&mut events)?;
        }
        self.count_unfinished();
        self.report.cpu_ns = thread_cpu_ns() - cpu;
        Ok(self.report)
    }

    /// One round of the loop.
    fn step(&mut self, events: &mut Events) -> io::Result<()> {
        let sleep = self.issue_due();
        self.poller.wait(sleep, &mut events.ready)?;
        for event in &events.ready {
            self.go_on(*event, &mut events.buffer)?;
        }
        Ok(())
    }

    /// Opens all sessions and keeps them; none sends until [`Engine::round`]. Fails where not all are greeted in time.
    pub(super) fn open(&mut self, limit: Duration) -> Result<(), Failure> {
        self.standing = true;
        self.plan.messages = 0;
        let end = monotonic_ns().saturating_add(nanoseconds(limit));
        let mut events = Events::new();
        while self.idle.len() < self.plan.sessions {
            // Few at a time: more than a listener's backlog would wait for the client's next try, a second later.
            while self.slots.len() < self.plan.sessions && self.open - self.idle.len() < OPENING_MAX {
                self.slots.push(None);
                self.connect(self.slots.len() - 1)?;
            }
            self.step(&mut events)?;
            if self.report.failed > 0 || monotonic_ns() > end {
                let (stand, all) = (self.idle.len(), self.plan.sessions);
                let words = self.report.failures.first().map_or("time was up", String::as_str);
                return Err(format!("{stand} of {all} sessions were opened: {words}").into());
            }
        }
        Ok(())
    }

    /// Sends that many messages through the sessions that stand; starts none after `limit`.
    pub(super) fn round(&mut self, amount: Amount, load: Load, limit: Duration) -> io::Result<Report> {
        if amount.size != self.plan.size {
            self.plan.size = amount.size;
            self.content = content(amount.size, &self.plan.entry)?;
        }
        let (cpu, started) = (thread_cpu_ns(), monotonic_ns());
        self.report = Report { started_ns: started, ended_ns: started, ..Report::default() };
        (self.issued, self.plan.messages, self.plan.load) = (0, amount.messages, load);
        self.due_from_ns = Some(started);
        self.stop_issuing_ns = started.saturating_add(nanoseconds(limit));
        let give_up = self.stop_issuing_ns.saturating_add(nanoseconds(GRACE));
        if load == Load::Closed {
            let idle = std::mem::take(&mut self.idle);
            for slot in idle {
                self.rest(slot);
            }
        }
        let mut events = Events::new();
        while (self.under_way > 0 || self.wants_more()) && self.open > 0 && monotonic_ns() < give_up {
            self.step(&mut events)?;
        }
        if self.under_way > 0 {
            self.count_unfinished();
        }
        self.report.cpu_ns = thread_cpu_ns() - cpu;
        Ok(std::mem::take(&mut self.report))
    }

    /// Says goodbye in all sessions.
    pub(super) fn close(mut self) -> io::Result<()> {
        (self.standing, self.plan.messages) = (false, 0);
        let idle = std::mem::take(&mut self.idle);
        for slot in idle {
            self.quit(slot);
        }
        let give_up = monotonic_ns().saturating_add(nanoseconds(CLOSE_MAX));
        let mut events = Events::new();
        while self.open > 0 && monotonic_ns() < give_up {
            self.step(&mut events)?;
        }
        Ok(())
    }

    /// Opens a session for `slot`. Only a refusal by this machine is an error.
    fn connect(&mut self, slot: usize) -> io::Result<()> {
        let mut wire = Wire::new(dial::at_once(self.plan.server)?);
        let mut interest = Interest::Read;
        if let Some(dialer) = self.plan.entry.tls.as_ref().filter(|dialer| dialer.implicit()) {
            // There is no room before the connection stands.
            wire.secure(dialer.connection()?)?;
            interest = Interest::ReadAndWrite;
        }
        self.poller.add(wire.socket(), token(slot), interest)?;
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(Session::new(wire));
            self.open += 1;
        }
        Ok(())
    }

    fn wants_more(&self) -> bool {
        self.issued < self.plan.messages
            && self.report.failed < FAILURES_MAX
            && monotonic_ns() < self.stop_issuing_ns
    }

    /// Open loop: starts what is due. Says how long there is nothing to do.
    fn issue_due(&mut self) -> Duration {
        let Load::Open { per_second } = self.plan.load else { return SLEEP_MAX };
        while let Some(slot) = self.idle.last().copied() {
            if !self.wants_more() && self.standing {
                break;
            }
            if !self.wants_more() {
                // Nothing is left: the sessions say goodbye.
                self.idle.pop();
                self.quit(slot);
                continue;
            }
            let Some(from) = self.due_from_ns else { break };
            let due = from.saturating_add(nanoseconds(due_after(self.issued, per_second)));
            let now = monotonic_ns();
            if due > now {
                return Duration::from_nanos(due - now).min(SLEEP_MAX);
            }
            self.idle.pop();
            self.begin(slot, due);
        }
        SLEEP_MAX
    }

    /// A socket can go on.
    fn go_on(&mut self, event: Ready, buffer: &mut [u8]) -> io::Result<()> {
        let Ok(slot) = usize::try_from(event.token) else { return Ok(()) };
        if event.writable {
            self.flush(slot);
        }
        if !event.readable {
            return Ok(());
        }
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        match session.read(buffer) {
            Ok(true) => {}
            Ok(false) => return self.end(slot, "the server closed the session"),
            Err(error) => {
                let what =
                    if session.stage == Stage::Greeting { "cannot connect" } else { "the session was lost" };
                return self.end(slot, &format!("{what}: {error}"));
            }
        }
        while let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            let Some(reply) = session.next_reply() else { break };
            self.replied(slot, &reply)?;
        }
        Ok(())
    }

    /// One reply has come: the next step of the dialogue.
    fn replied(&mut self, slot: usize, reply: &Reply) -> io::Result<()> {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        let stage = session.stage;
        if !stage.accepts(reply.code) {
            let words = if reply.text.is_empty() { reply.code.to_string() } else { reply.text.clone() };
            return self.end(slot, &format!("{words} (reply to {stage:?})"));
        }
        match stage {
            Stage::Greeting => {
                session.stage = Stage::Hello;
                self.send(slot, b"EHLO source.test\r\n");
            }
            Stage::Hello => {
                session.pipelining = reply.pipelining && self.plan.pipelining;
                self.enter(slot);
            }
            Stage::StartTls => {
                if let Some(dialer) = &self.plan.entry.tls {
                    session.wire.secure(dialer.connection()?)?;
                }
                session.stage = Stage::Hello;
                self.send(slot, b"EHLO source.test\r\n");
            }
            Stage::Login => self.rest(slot),
            // A pipelining session has written the next command already.
            Stage::Mail => {
                session.stage = Stage::Recipient;
                if !session.pipelining {
                    self.send_recipient(slot);
                }
            }
            Stage::Recipient => {
                session.stage = Stage::Data;
                if !session.pipelining {
                    self.send(slot, b"DATA\r\n");
                }
            }
            Stage::Data => self.send_content(slot),
            Stage::EndOfData => self.accepted(slot),
            Stage::Idle => return self.end(slot, "a reply that nobody waited for"),
            Stage::Quit => return self.end(slot, ""),
        }
        Ok(())
    }

    /// EHLO was answered: what else has to be done before the first message?
    fn enter(&mut self, slot: usize) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if self.plan.entry.tls.is_some() && !session.wire.is_secure() {
            session.stage = Stage::StartTls;
            return self.send(slot, b"STARTTLS\r\n");
        }
        if let Some(resumed) = session.wire.resumed() {
            self.report.handshakes.count(resumed);
        }
        let Some(login) = self.plan.entry.login.clone() else { return self.rest(slot) };
        session.stage = Stage::Login;
        self.send(slot, login.as_bytes());
    }

    /// No message is under way in this session: the next one, or the end.
    fn rest(&mut self, slot: usize) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        session.stage = Stage::Idle;
        let worn_out = self.plan.per_session.is_some_and(|most| session.accepted >= most);
        let more = self.wants_more();
        if worn_out || !(more || self.standing) {
            self.quit(slot);
        } else if more && self.plan.load == Load::Closed {
            self.begin(slot, monotonic_ns());
        } else {
            self.idle.push(slot);
            if !self.standing && self.due_from_ns.is_none() && self.idle.len() == self.open {
                // All sessions stand: the clock of the open loop starts, opening them is not in the figures.
                let now = monotonic_ns();
                self.due_from_ns = Some(now);
                self.report.started_ns = now;
            }
        }
    }

    /// Hands the next message to an idle session.
    fn begin(&mut self, slot: usize, due_ns: u64) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let number = self.issued;
        self.issued += 1;
        self.under_way += 1;
        session.message = Some(UnderWay { number, due_ns, dot_ns: 0 });
        session.stage = Stage::Mail;
        let pipelining = session.pipelining;
        let mut command = std::mem::take(&mut self.command);
        command.clear();
        command.extend_from_slice(b"MAIL FROM:<source@source.test>\r\n");
        if pipelining {
            self.write_recipient(number, &mut command);
            command.extend_from_slice(b"DATA\r\n");
        }
        self.send(slot, &command);
        self.command = command;
    }

    fn write_recipient(&self, number: u64, command: &mut Vec<u8>) {
        command.extend_from_slice(b"RCPT TO:<");
        self.plan.recipients.write(number, command);
        command.extend_from_slice(b">\r\n");
    }

    fn send_recipient(&mut self, slot: usize) {
        let message = self.slots.get(slot).and_then(Option::as_ref).and_then(|session| session.message);
        let mut command = std::mem::take(&mut self.command);
        command.clear();
        self.write_recipient(message.unwrap_or_default().number, &mut command);
        self.send(slot, &command);
        self.command = command;
    }

    fn send_content(&mut self, slot: usize) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let Some(message) = session.message.as_mut() else { return };
        self.content.set_number(message.number);
        session.stage = Stage::EndOfData;
        message.dot_ns = monotonic_ns();
        let written = session.write_content(&self.content);
        self.sent(slot, &written);
    }

    fn accepted(&mut self, slot: usize) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        session.accepted += 1;
        let now = monotonic_ns();
        if let Some(message) = session.message.take() {
            self.under_way -= 1;
            self.report.accepted += 1;
            self.report.ended_ns = now;
            self.report.dot_to_reply.push(now.saturating_sub(message.dot_ns));
            if self.plan.load != Load::Closed {
                self.report.due_to_reply.push(now.saturating_sub(message.due_ns));
            }
        }
        self.rest(slot);
    }

    fn quit(&mut self, slot: usize) {
        if let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            session.stage = Stage::Quit;
            self.send(slot, b"QUIT\r\n");
        }
    }

    fn send(&mut self, slot: usize, octets: &[u8]) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let written = session.write(octets);
        self.sent(slot, &written);
    }

    fn flush(&mut self, slot: usize) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let written = session.flush(&self.content);
        if matches!(written, Ok(true)) {
            if let Some(message) = session.message.as_mut().filter(|_| session.stage == Stage::EndOfData) {
                message.dot_ns = monotonic_ns();
            }
            drop(self.poller.change(session.wire.socket(), token(slot), Interest::Read));
        } else {
            self.sent(slot, &written);
        }
    }

    /// After a write: wait for room if some is left. A failed write shows up as an end of input as well.
    fn sent(&self, slot: usize, written: &io::Result<bool>) {
        let Some(session) = self.slots.get(slot).and_then(Option::as_ref) else { return };
        if matches!(written, Ok(false)) {
            drop(self.poller.change(session.wire.socket(), token(slot), Interest::ReadAndWrite));
        }
    }

    /// The session is over, for a reason that is a failure unless it had quit; opens another one if there is work.
    fn end(&mut self, slot: usize, words: &str) -> io::Result<()> {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::take) else { return Ok(()) };
        self.open -= 1;
        self.idle.retain(|idle| *idle != slot);
        self.under_way -= usize::from(session.message.is_some());
        if session.stage != Stage::Quit {
            self.report.fail(words);
        }
        drop(session);
        if self.wants_more() { self.connect(slot) } else { Ok(()) }
    }

    /// Messages without a reply when time was up.
    fn count_unfinished(&mut self) {
        let over = |stage| stage == Stage::Quit || (self.standing && stage == Stage::Idle);
        for session in self.slots.iter().flatten().filter(|session| !over(session.stage)) {
            self.report.fail(&format!("no reply to {:?} when time was up", session.stage));
        }
    }
}

fn content(size: usize, entry: &Entry) -> io::Result<Content> {
    let too_small =
        || io::Error::new(io::ErrorKind::InvalidInput, "the size is below that of a header section");
    let content = Content::new(size).ok_or_else(too_small)?;
    Ok(match &entry.signature {
        Some(field) => content.below(field),
        None => content,
    })
}

/// When message `number` is due, from the start.
#[expect(clippy::cast_precision_loss, reason = "message numbers are far below 2^52")]
fn due_after(number: u64, per_second: f64) -> Duration {
    Duration::try_from_secs_f64(number as f64 / per_second).unwrap_or(Duration::MAX)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn token(slot: usize) -> u64 {
    u64::try_from(slot).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_an_open_loop_are_due_at_even_intervals() {
        assert_eq!(due_after(0, 400.0), Duration::ZERO);
        assert_eq!(due_after(1, 400.0), Duration::from_micros(2500));
        assert_eq!(due_after(4000, 400.0), Duration::from_secs(10));
    }
}
