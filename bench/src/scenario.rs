//! One measurement: one server, one kind of work, one load.

use crate::args::{Generator, LoadOptions};
use crate::dns::Dns;
use crate::peak::Peak;
use crate::secure::{Handshakes, Keys};
use crate::servers::{Access, Candidate, LOCAL_DOMAIN, Server, Setting};
use crate::sink::{Manner, Sink, external};
use crate::source::{self, Entry, Load, Plan, Recipients, Report};
use crate::stats::{self, Latency};
use crate::{Failure, clock, cpu, maildir};
use clap::ValueEnum;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a server is made to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Work {
    /// Accept into the queue; the next hop takes the connection and says nothing, so the mail stays there
    Accept,
    /// Accept at half of its own peak rate, in an open loop: how long from the final dot to 250?
    Latency,
    /// Accept and send on to a sink
    Relay,
    /// Accept and deliver into Maildirs
    Local,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Latency => "latency",
            Self::Relay => "relay",
            Self::Local => "local",
        }
    }

    /// Nothing of it can be delivered while it is measured.
    pub(crate) fn stays_in_the_queue(self) -> bool {
        matches!(self, Self::Accept | Self::Latency)
    }

    pub(crate) fn recipients(self, spread: u64) -> Recipients {
        match self {
            Self::Local => Recipients::new(&format!("user{{}}@{LOCAL_DOMAIN}"), spread),
            _ => Recipients::new("user@d{}.bench.test", spread),
        }
    }
}

/// The figures of one round.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) messages: u64,
    /// Accept: until the last 250. Relay, local: from the first octet in until the last message is out.
    pub(crate) per_second: f64,
    /// CPU of all the server's processes.
    pub(crate) cpu_us: f64,
    pub(crate) dot_to_reply: Option<Latency>,
    pub(crate) due_to_reply: Option<Latency>,
    /// CPU of source, sink, DNS server and this program.
    pub(crate) bench_cpu_us: f64,
    /// The most anonymous memory of the server's processes, in octets, where it can be told.
    pub(crate) peak_memory: Option<u64>,
    /// Share of the machine's CPU that neither the server nor the bench used: kernel threads and strangers.
    pub(crate) others: f64,
    /// With the source.
    pub(crate) handshakes: Handshakes,
    /// With the sink.
    pub(crate) handshakes_out: Handshakes,
}

/// Messages before the figures: below this a fast server is still making segments and opening connections.
const WARM_UP_MIN: u64 = 1000;
/// How long mail may take to come out once the last message went in.
const ARRIVAL_MAX: Duration = Duration::from_mins(1);
/// How long a server may go on working after that.
const SETTLE_MAX: Duration = Duration::from_secs(3);

/// Starts a server in `dir`, warms it up, measures it and stops it.
pub(crate) fn measure(
    who: &Candidate,
    work: Work,
    sessions: u64,
    options: &LoadOptions,
    dir: &Path,
) -> Result<Figures, Failure> {
    let sink = match (work, options.generator) {
        (Work::Relay, Generator::Postfix) => external::start()?,
        (Work::Relay, Generator::Own) if options.tls.tls.is_some() => Sink::securing(Manner::Accepting)?,
        (Work::Relay, Generator::Own) => Sink::start(Manner::Accepting)?,
        _ => Sink::start(Manner::Silent)?,
    };
    let dns = Dns::start()?;
    let keys = Keys::make(dir)?;
    let setting = Setting {
        work,
        dir,
        next_hop: sink.address,
        dns: dns.address,
        sessions,
        mailboxes: options.spread,
        access: Access { tls: options.tls.tls.map(|tls| (tls, &keys)), login: None },
    };
    let server = Server::start(who, &setting)?;
    let bench = Bench { work, sink: &sink, server: &server };
    let plan = plan(work, server.address, sessions, options)?;

    let warm_up = Plan { messages: sessions.saturating_mul(10).max(WARM_UP_MIN), ..plan.clone() };
    let warm = bench.source(&warm_up)?;
    bench.wait_for(warm.accepted)?;
    let (plan, at_peak) = if work == Work::Latency { half_of_peak(&bench, plan)? } else { (plan, 0) };
    bench.settle();

    let before = Snapshot::take(&server, options.generator);
    let out_before = sink.tally.handshakes();
    let peak = Peak::watch(server.group());
    let report = match options.generator {
        Generator::Own => bench.source(&plan)?,
        Generator::Postfix => smtp_source(&plan)?,
    };
    let last_out = bench.wait_for(warm.accepted + at_peak + report.accepted)?;
    let wall_end = last_out.unwrap_or(report.ended_ns);
    bench.settle();
    let after = Snapshot::take(&server, options.generator);
    bench.came_out_once(warm.accepted + at_peak + report.accepted)?;
    let wall = wall_end.saturating_sub(report.started_ns);
    let handshakes_out = sink.tally.handshakes().since(out_before);
    Ok(Figures { peak_memory: peak.end(), handshakes_out, ..figures(&report, wall, &before, &after) })
}

fn plan(
    work: Work,
    server: std::net::SocketAddr,
    sessions: u64,
    options: &LoadOptions,
) -> Result<Plan, Failure> {
    Ok(Plan {
        server,
        entry: Entry::by(options.tls.dialer()?),
        sessions: usize::try_from(sessions).unwrap_or(usize::MAX),
        messages: options.messages,
        size: options.size,
        load: Load::Closed,
        pipelining: !options.no_pipelining,
        per_session: options.per_session,
        recipients: work.recipients(options.spread),
        time_limit: options.time_limit,
    })
}

/// Finds the server's peak in a closed loop, and makes the plan an open loop at half of it (mail-rules: a latency
/// is stated at an offered load, never at saturation). Says also how many messages that took.
fn half_of_peak(bench: &Bench<'_>, plan: Plan) -> Result<(Plan, u64), Failure> {
    bench.settle();
    let peak = bench.source(&plan)?;
    let load = Load::Open { per_second: (peak.per_second() / 2.0).max(1.0) };
    Ok((Plan { load, ..plan }, peak.accepted))
}

/// CPU times at one moment, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot {
    wall: u64,
    server: u64,
    machine: u64,
    /// The bench, all it started, and the server.
    ours: u64,
}

impl Snapshot {
    pub(crate) fn take(server: &Server, generator: Generator) -> Self {
        let cpu_ns = server.cpu_ns();
        let ours = match generator {
            // All of it runs in this process.
            Generator::Own => clock::process_cpu_ns() + cpu_ns,
            Generator::Postfix => cpu::tree_ns(std::process::id()),
        };
        Self { wall: clock::monotonic_ns(), server: cpu_ns, machine: cpu::machine_ns(), ours }
    }
}

pub(crate) fn figures(report: &Report, wall: u64, before: &Snapshot, after: &Snapshot) -> Figures {
    let server = after.server.saturating_sub(before.server);
    let ours = after.ours.saturating_sub(before.ours);
    let machine = after.machine.saturating_sub(before.machine);
    let capacity = (after.wall - before.wall).saturating_mul(
        u64::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1),
    );
    Figures {
        messages: report.accepted,
        per_second: stats::per_second(report.accepted, wall),
        cpu_us: stats::us_each(server, report.accepted),
        dot_to_reply: report.dot_to_reply(),
        due_to_reply: report.due_to_reply(),
        bench_cpu_us: stats::us_each(ours.saturating_sub(server), report.accepted),
        peak_memory: None,
        others: stats::seconds(machine.saturating_sub(ours)) / stats::seconds(capacity).max(1e-9),
        handshakes: report.handshakes,
        handshakes_out: Handshakes::default(),
    }
}

/// What stands around the server.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) work: Work,
    pub(crate) sink: &'a Sink,
    pub(crate) server: &'a Server,
}

impl Bench<'_> {
    fn source(&self, plan: &Plan) -> Result<Report, Failure> {
        self.all_accepted(source::run(plan)?)
    }

    /// A message that was not accepted spoils the figures, so it is an error.
    pub(crate) fn all_accepted(&self, report: Report) -> Result<Report, Failure> {
        if report.failed == 0 && report.accepted > 0 {
            return Ok(report);
        }
        let words = report.failures.join("\n  ");
        let log = self.server.log_end();
        Err(format!(
            "{} messages were not accepted:\n  {words}\nthe server's log ends with:\n{log}",
            report.failed
        )
        .into())
    }

    /// Waits until `count` messages have come out; says when the last one did, where they come out at all.
    pub(crate) fn wait_for(&self, count: u64) -> Result<Option<u64>, Failure> {
        let started = Instant::now();
        while started.elapsed() < ARRIVAL_MAX {
            match self.work {
                Work::Accept | Work::Latency => return Ok(None),
                Work::Relay if self.sink.tally.messages() >= count => {
                    return Ok(Some(self.sink.tally.last_ns()));
                }
                Work::Local if maildir::count(&self.server.maildirs) >= count => {
                    return Ok(Some(clock::monotonic_ns()));
                }
                // Looking costs CPU where directories are read, so not too often: at most 1 % of a run of 2 s.
                Work::Relay | Work::Local => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        self.came_out_once(count)?;
        Ok(None)
    }

    /// Messages that came out so far; `None` where they stay in the queue.
    fn came_out(&self) -> Option<u64> {
        match self.work {
            Work::Accept | Work::Latency => None,
            Work::Relay => Some(self.sink.tally.messages()),
            Work::Local => Some(maildir::count(&self.server.maildirs)),
        }
    }

    /// Each message came out, and none twice: a count that is reached by doubles would end the clock too early.
    pub(crate) fn came_out_once(&self, count: u64) -> Result<(), Failure> {
        match self.came_out() {
            Some(came) if came != count => Err(format!(
                "{came} messages came out where {count} went in; the server's log ends with:\n{}",
                self.server.log_end()
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// Waits until the server rests: what it still does for the last messages belongs to them.
    pub(crate) fn settle(&self) {
        const STEP: Duration = Duration::from_millis(100);
        let started = Instant::now();
        let mut before = self.server.cpu_ns();
        while started.elapsed() < SETTLE_MAX {
            std::thread::sleep(STEP);
            let now = self.server.cpu_ns();
            if now.saturating_sub(before) < 1_000_000 {
                return;
            }
            before = now;
        }
    }
}

/// Runs Postfix's smtp-source with the same load; it tells nothing but its exit status.
fn smtp_source(plan: &Plan) -> Result<Report, Failure> {
    let started_ns = clock::monotonic_ns();
    let output = Command::new("smtp-source")
        .args([
            "-s",
            &plan.sessions.to_string(),
            "-m",
            &plan.messages.to_string(),
            "-l",
            &plan.size.to_string(),
        ])
        .args(["-f", "source@source.test", "-t", &plan.recipients.get(0)])
        .arg(format!("{}", plan.server))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start smtp-source: {error}"))?;
    if !output.status.success() {
        return Err(format!("smtp-source failed: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(Report { accepted: plan.messages, started_ns, ended_ns: clock::monotonic_ns(), ..Report::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_the_difference_of_two_snapshots() {
        let before = Snapshot { wall: 0, server: 1_000, machine: 0, ours: 5_000 };
        let after =
            Snapshot { wall: 1_000_000_000, server: 100_001_000, machine: 900_000_000, ours: 150_005_000 };
        let report = Report { accepted: 1000, ..Report::default() };
        let figures = figures(&report, 500_000_000, &before, &after);
        assert!((figures.per_second - 2000.0).abs() < 1e-6);
        assert!((figures.cpu_us - 100.0).abs() < 1e-6);
        assert!((figures.bench_cpu_us - 50.0).abs() < 1e-6);
        let cores = std::thread::available_parallelism().unwrap().get();
        assert!((figures.others * f64::from(u32::try_from(cores).unwrap()) - 0.75).abs() < 1e-6);
    }

    #[test]
    fn each_work_has_recipients_that_exist() {
        assert_eq!(Work::Local.recipients(3).get(4), "user1@local.bench.test");
        assert_eq!(Work::Relay.recipients(3).get(5), "user@d2.bench.test");
    }
}
