//! The SMTP source: many sessions on one thread, in a closed loop (as fast as replies come) or an open one (at a rate).

mod engine;
mod recipients;
mod replies;
mod report;
mod session;

pub(crate) use recipients::Recipients;
pub(crate) use replies::{Replies, Reply};
pub(crate) use report::{Report, latency as latency_json};

use crate::args::SourceOptions;
use crate::secure::{Dialer, Handshakes};
use crate::{Failure, stats};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What decides when the next message starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// Each session sends its next message when it has the reply to the last one.
    Closed,
    /// Messages start at this many a second, whether or not the server keeps up.
    Open { per_second: f64 },
}

/// What a session does before its first message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// Goes under TLS; `None`: stays in clear.
    pub(crate) tls: Option<Dialer>,
    /// The line that logs in, its CRLF included.
    pub(crate) login: Option<Arc<str>>,
    /// A field that stands before the content of each message, its CRLF included.
    pub(crate) signature: Option<Arc<str>>,
}

impl Entry {
    /// Under TLS, if at all, and without a login.
    pub(crate) fn by(tls: Option<Dialer>) -> Self {
        Self { tls, login: None, signature: None }
    }
}

/// What the source is to send.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) entry: Entry,
    /// Sessions open at a time.
    pub(crate) sessions: usize,
    /// Messages in all.
    pub(crate) messages: u64,
    /// Octets of a message's content.
    pub(crate) size: usize,
    pub(crate) load: Load,
    /// Send MAIL, RCPT and DATA together where the server announces PIPELINING (RFC 2920).
    pub(crate) pipelining: bool,
    /// Messages until a session quits and a new one is opened; `None`: no limit.
    pub(crate) per_session: Option<u64>,
    pub(crate) recipients: Recipients,
    /// No message is started after this time; those under way get `GRACE` more.
    pub(crate) time_limit: Duration,
}

/// How long messages under way may take once no more are started.
const GRACE: Duration = Duration::from_secs(30);
/// Failures after which the source gives up: the figures would mean nothing.
const FAILURES_MAX: u64 = 100;

/// Sends what `plan` says and reports how it went. Fails only when the machine itself refuses (no more descriptors).
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    engine::Engine::new(plan.clone())?.run()
}

/// How much goes through sessions that stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) messages: u64,
    /// Octets of each.
    pub(crate) size: usize,
}

/// Sessions that stand: opening and closing them is no part of what is measured.
#[derive(Debug)]
pub(crate) struct Standing(engine::Engine);

impl Standing {
    /// Opens all sessions of the plan; how much goes through them is said each time.
    pub(crate) fn open(plan: &Plan, limit: Duration) -> Result<Self, Failure> {
        let mut engine = engine::Engine::new(plan.clone())?;
        engine.open(limit)?;
        Ok(Self(engine))
    }

    /// Sends that much; no message is started after `limit`.
    pub(crate) fn send(&mut self, amount: Amount, load: Load, limit: Duration) -> io::Result<Report> {
        self.0.round(amount, load, limit)
    }

    /// Says goodbye in all of them.
    pub(crate) fn close(self) -> io::Result<()> {
        self.0.close()
    }
}

/// `bench source`.
pub(crate) fn command(options: &SourceOptions) -> Result<ExitCode, Failure> {
    let report = run(&options.plan()?)?;
    if options.json {
        say!("{}", report.json());
    } else {
        print(&report);
    }
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    say!(
        "{} accepted in {:.3} s: {:.0}/s; the source itself used {:.1} us CPU a message",
        report.accepted,
        stats::seconds(report.elapsed_ns()),
        report.per_second(),
        stats::us_each(report.cpu_ns, report.accepted),
    );
    let rows = [("final dot to 250", report.dot_to_reply()), ("intended time to 250", report.due_to_reply())];
    for (name, latency) in rows.into_iter().filter_map(|(name, latency)| Some((name, latency?))) {
        let [p50, p99, max] = [latency.p50, latency.p99, latency.max].map(stats::ms);
        say!("{name}: p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms");
    }
    let handshakes = report.handshakes;
    if handshakes != Handshakes::default() {
        say!("handshakes: {} full, {} resumed", handshakes.full, handshakes.resumed);
    }
    if report.failed > 0 {
        say!("{} FAILED (any reply but 2yz, or 354 to DATA, or a lost session):", report.failed);
        for text in &report.failures {
            say!("  {text}");
        }
    }
}

#[cfg(test)]
mod tests;
