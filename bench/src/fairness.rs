//! `bench fairness`: what a destination in trouble costs the mail for all others.

use crate::Failure;
use crate::args::FairnessOptions;
use crate::beside::Beside;
use crate::clock;
use crate::dns::Dns;
use crate::machine::Machine;
use crate::results::{self, SYNC};
use crate::run::work_dir;
use crate::scenario::Work;
use crate::servers::{self, Candidate, Kind, Server, Setting};
use crate::sink::{Manner, Sink};
use crate::source::{self, Load, Plan, Recipients, Report, latency_json};
use crate::stats::{self, Latency};
use crate::table::Table;
use clap::ValueEnum;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Where the hosts of `trouble.test` are; those of all other domains are at 127.0.0.1.
pub(crate) const TROUBLE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const SESSIONS: usize = 20;
/// Octets of the mail for the destination in trouble: what matters is its number.
const TROUBLE_OCTETS: usize = 1024;
/// Idle sessions: with the others, as many as a process may have descriptors for on most machines.
const IDLE: usize = 10_000;
const DEAF: usize = 200;
const HUGE_OCTETS: usize = 40 << 20;
/// How long the load runs.
const LOAD: Duration = Duration::from_secs(10);
/// How long mail may take to come out once the last message went in. What takes longer is late.
const ARRIVAL_MAX: Duration = Duration::from_mins(1);

/// What is the matter with the one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trouble {
    /// Nothing: no mail goes there
    None,
    /// Its host takes connections and never says a word
    Dead,
    /// Its host takes a second for each answer
    Slow,
    /// A hundred thousand messages wait for it, and it takes them all the time, 20 ms for each answer
    Backlog,
    /// Ten thousand domains are dead, a message waits for each
    Domains,
    /// Its host reads 1 KiB a second of messages of 100 KiB
    Trickle,
    /// Mail for others comes over 2,000 sessions
    Busy,
    /// 10,000 sessions beside it are idle
    Idle,
    /// 200 sessions beside it send commands and read no replies
    Deaf,
    /// Messages of 40 MiB for one domain come and go beside it, one every two seconds
    Huge,
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dead => "dead",
            Self::Slow => "slow",
            Self::Backlog => "backlog",
            Self::Domains => "domains",
            Self::Trickle => "trickle",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Deaf => "deaf",
            Self::Huge => "huge",
        }
    }

    /// Messages that wait for it when the load begins.
    fn messages(self, options: &FairnessOptions) -> u64 {
        match self {
            Self::None | Self::Busy | Self::Idle | Self::Deaf | Self::Huge => 0,
            Self::Dead | Self::Slow | Self::Domains => options.messages / 10,
            Self::Trickle => options.messages / 100,
            Self::Backlog => options.messages,
        }
    }

    fn manner(self) -> Manner {
        match self {
            Self::None | Self::Dead | Self::Domains | Self::Busy | Self::Idle | Self::Deaf => Manner::Silent,
            Self::Trickle => Manner::Trickle,
            Self::Huge => Manner::Accepting,
            Self::Slow => Manner::Slow(Duration::from_secs(1)),
            Self::Backlog => Manner::Slow(Duration::from_millis(20)),
        }
    }

    /// Sessions over which the mail for others comes.
    fn sessions(self) -> usize {
        if self == Self::Busy { 2000 } else { SESSIONS }
    }

    /// Sessions that are there beside.
    fn held(self) -> usize {
        match self {
            Self::Idle => IDLE,
            Self::Deaf => DEAF,
            _ => 0,
        }
    }

    /// Postfix has a process for each session: ten thousand do not fit.
    fn is_for(self, who: &Candidate) -> bool {
        self != Self::Idle || who.kind == Kind::Postrider
    }

    /// Who the waiting messages are for, and how large each is.
    fn waiting(self) -> (Recipients, usize) {
        match self {
            Self::Domains => (Recipients::new("some@d{}.trouble.test", 10_000), TROUBLE_OCTETS),
            Self::Trickle => (Recipients::new("some{}@trouble.test", 1000), 100 << 10),
            _ => (Recipients::new("some{}@trouble.test", 1000), TROUBLE_OCTETS),
        }
    }

    /// What goes on beside the mail for others.
    fn beside(self, plan: &Plan) -> io::Result<Beside> {
        match self {
            Self::Idle => Beside::idle(plan.server, IDLE),
            Self::Deaf => Beside::deaf(plan.server, DEAF),
            Self::Huge => Beside::mail(Plan {
                sessions: 2,
                messages: u64::MAX,
                size: HUGE_OCTETS,
                load: Load::Open { per_second: 0.5 },
                recipients: Recipients::new("huge@trouble.test", 1),
                time_limit: LOAD,
                ..plan.clone()
            }),
            _ => Ok(Beside::default()),
        }
    }
}

/// What came of one case.
#[derive(Debug)]
struct Case {
    trouble: Trouble,
    server: String,
    waiting: u64,
    per_second: f64,
    /// From the time that a message was due at the source until its end of data was at the sink, or until the wait for
    /// it was over.
    due_to_sink: Option<Latency>,
    /// Messages for others that had not come out by then.
    late: u64,
}

pub(crate) fn command(options: &FairnessOptions) -> Result<ExitCode, Failure> {
    let postrider = Candidate::postrider("Postrider", servers::program(options.postrider.as_deref())?);
    let dir = work_dir(options.dir.as_deref())?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let peer = (!options.no_peer).then(|| Candidate::peer(Kind::Postfix));
    let troubles = if options.troubles.is_empty() { Trouble::value_variants() } else { &options.troubles };
    let mut cases = Vec::new();
    for who in peer.into_iter().chain([postrider]) {
        let mut rate = options.rate;
        for trouble in troubles.iter().filter(|trouble| trouble.is_for(&who)) {
            let place = dir.path().join(format!("{}-{}", trouble.name(), who.name));
            fs::create_dir(&place)?;
            let case = measure(&who, *trouble, &mut rate, options, &place)?;
            fs::remove_dir_all(&place)?;
            eprintln!("{} beside {}: done", who.name, trouble.name());
            cases.push(case);
        }
    }
    say!("{}\n{LEGEND}", table(&cases));
    if !options.no_results {
        say!("\nwritten to {}", write(&options.results, &machine, &cases)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs one case. `rate` is what is offered; where it is not known yet it becomes half of this server's peak.
fn measure(
    who: &Candidate,
    trouble: Trouble,
    rate: &mut Option<f64>,
    options: &FairnessOptions,
    dir: &Path,
) -> Result<Case, Failure> {
    let (sink, in_trouble) = sinks(Manner::Recording, trouble.manner())?;
    let dns = Dns::start()?;
    let setting = Setting {
        work: Work::Relay,
        dir,
        next_hop: sink.address,
        dns: dns.address,
        sessions: (trouble.held() + 2 * trouble.sessions()) as u64,
        mailboxes: 0,
    };
    let server = Server::start(who, &setting)?;
    let plan = Plan {
        server: server.address,
        sessions: SESSIONS,
        messages: options.warm_up,
        size: options.size,
        load: Load::Closed,
        pipelining: true,
        per_session: None,
        recipients: Recipients::new("warm@others.bench.test", 1),
        time_limit: Duration::from_mins(3),
    };
    let warm = accepted(&plan, &server)?;
    wait_for(&sink, warm.accepted, &server)?;
    let per_second = *rate.get_or_insert(relay_peak(&warm, &sink) / 2.0);
    let waiting = trouble.messages(options);
    if waiting > 0 {
        let (recipients, size) = trouble.waiting();
        accepted(&Plan { messages: waiting, size, recipients, ..plan.clone() }, &server)?;
    }
    let messages = whole(per_second * LOAD.as_secs_f64());
    let recipients = Recipients::new("m{}@others.bench.test", messages);
    let beside = trouble.beside(&plan)?;
    let (sessions, load) = (trouble.sessions(), Load::Open { per_second });
    let report = accepted(&Plan { sessions, messages, load, recipients, ..plan }, &server)?;
    let refused = beside.end()?;
    if refused > 0 {
        return Err(format!("{refused} messages beside were refused:\n{}", server.log_end()).into());
    }
    come(&sink, warm.accepted + report.accepted);
    let (mut delays, late) = delays(&sink, &report, per_second, messages, clock::monotonic_ns());
    let waiting = waiting.saturating_sub(in_trouble.tally.messages());
    Ok(Case {
        trouble,
        server: who.name.clone(),
        waiting,
        per_second,
        due_to_sink: Latency::of(&mut delays),
        late,
    })
}

/// A sink for all others and one for the destination in trouble, at the same port of two addresses.
pub(crate) fn sinks(others: Manner, trouble: Manner) -> Result<(Sink, Sink), Failure> {
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        let sink = Sink::start(others)?;
        if let Ok(other) = Sink::start_at((TROUBLE, sink.address.port()).into(), trouble) {
            return Ok((sink, other));
        }
    }
    Err("no port is free at both addresses".into())
}

fn accepted(plan: &Plan, server: &Server) -> Result<Report, Failure> {
    let report = source::run(plan)?;
    if report.failed == 0 && report.accepted == plan.messages {
        return Ok(report);
    }
    let words = report.failures.join("\n  ");
    let log = server.log_end();
    Err(format!("{} of {} messages were accepted:\n  {words}\n{log}", report.accepted, plan.messages).into())
}

fn wait_for(sink: &Sink, count: u64, server: &Server) -> Result<(), Failure> {
    if come(sink, count) {
        return Ok(());
    }
    let came = sink.tally.messages();
    Err(format!("{came} of {count} messages came out:\n{}", server.log_end()).into())
}

/// Waits for so many messages; whether they came.
fn come(sink: &Sink, count: u64) -> bool {
    let started = Instant::now();
    while sink.tally.messages() < count {
        if started.elapsed() > ARRIVAL_MAX {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn relay_peak(warm: &Report, sink: &Sink) -> f64 {
    stats::per_second(warm.accepted, sink.tally.last_ns().saturating_sub(warm.started_ns)).max(2.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some ten thousands at most")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// How long each message took, and how many are not there at `end`, which counts as their arrival. The number of a
/// message is in its address, and says when it was due.
#[expect(clippy::cast_precision_loss, reason = "numbers of a run are far below 2^52")]
fn delays(sink: &Sink, report: &Report, per_second: f64, messages: u64, end: u64) -> (Vec<u64>, u64) {
    let mut arrivals: BTreeMap<u64, u64> = BTreeMap::new();
    for (number, at) in sink.tally.arrivals() {
        arrivals.entry(number).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
    let delay = |number: u64| {
        let due = report.started_ns.saturating_add(whole(number as f64 * 1e9 / per_second));
        arrivals.get(&number).unwrap_or(&end).saturating_sub(due)
    };
    let late = (0..messages).filter(|number| !arrivals.contains_key(number)).count();
    ((0..messages).map(delay).collect(), late as u64)
}

const LEGEND: &str = "\
Mail for others is offered evenly at the same rate in all cases of a server: half of what it relays at its peak. p50, p99, max: \
from the time a message was due at the source to its end of data at the sink. x: how many times the p99 without trouble. waiting: \
messages that still wait for the destination in trouble when the last of the others has arrived. late: messages for others that had \
not arrived a minute after the last was offered; their delays are what they had waited by then.";

fn table(cases: &[Case]) -> String {
    let head = ["trouble", "server", "offered/s", "p50 ms", "p99 ms", "max ms", "x", "waiting", "late"];
    let mut table = Table::new(2, &head);
    for case in cases {
        let ms = |part: fn(&Latency) -> u64| {
            case.due_to_sink.as_ref().map_or("-".to_owned(), |it| format!("{:.1}", stats::ms(part(it))))
        };
        table.row(vec![
            case.trouble.name().to_owned(),
            case.server.clone(),
            format!("{:.0}", case.per_second),
            ms(|it| it.p50),
            ms(|it| it.p99),
            ms(|it| it.max),
            times_worse(cases, case).map_or("-".to_owned(), |times| format!("{times:.1}")),
            case.waiting.to_string(),
            case.late.to_string(),
        ]);
    }
    table.render()
}

fn times_worse(cases: &[Case], case: &Case) -> Option<f64> {
    let alone = cases.iter().find(|other| other.server == case.server && other.trouble == Trouble::None)?;
    (case.trouble != Trouble::None)
        .then_some(stats::ms(case.due_to_sink?.p99) / stats::ms(alone.due_to_sink?.p99))
}

fn write(dir: &Path, machine: &Machine, cases: &[Case]) -> Result<std::path::PathBuf, Failure> {
    let rows: Vec<_> = cases
        .iter()
        .map(|case| {
            json!({
                "trouble": case.trouble.name(), "server": case.server, "offered_per_second": case.per_second,
                "due_to_sink_ns": latency_json(case.due_to_sink), "waiting": case.waiting,
                "late": case.late,
            })
        })
        .collect();
    let json = json!({ "machine": machine.json(), "sync": SYNC, "fairness": rows });
    let markdown = format!(
        "# Fairness, measured on {}, commit {}\n\n{}.\n\nSync: {SYNC}.\n\n{}\n{LEGEND}\n",
        machine.date,
        machine.commit,
        machine.line(),
        table(cases)
    );
    results::write_files(dir, &format!("fairness-{}-{}", machine.date, machine.commit), &markdown, &json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(trouble: Trouble, p99_ms: u64) -> Case {
        let due_to_sink = Some(Latency { p50: 1_000_000, p99: p99_ms * 1_000_000, max: 90_000_000 });
        Case { trouble, server: "Postrider".to_owned(), waiting: 7, per_second: 1500.0, due_to_sink, late: 2 }
    }

    #[test]
    fn each_case_is_compared_with_the_one_without_trouble() {
        let text = table(&[case(Trouble::None, 4), case(Trouble::Dead, 6)]);
        let rows: Vec<Vec<&str>> =
            text.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(rows[0][1..10], ["none", "Postrider", "1500", "1.0", "4.0", "90.0", "-", "7", "2"]);
        assert_eq!(rows[1][1..10], ["dead", "Postrider", "1500", "1.0", "6.0", "90.0", "1.5", "7", "2"]);
    }

    #[test]
    fn a_delay_counts_from_the_time_a_message_was_due() {
        let sink = Sink::start(Manner::Recording).unwrap();
        sink.tally.arrived(0, 1_000);
        sink.tally.arrived(2, 2_000_000_500);
        sink.tally.arrived(1, 1_000_000_700);
        sink.tally.arrived(1, 3_000_000_000);
        let report = Report { started_ns: 500, ..Report::default() };
        assert_eq!(delays(&sink, &report, 1.0, 3, 9_000_000_000), (vec![500, 200, 0], 0));
        let with_one_missing = (vec![500, 200, 0, 5_999_999_500], 1);
        assert_eq!(delays(&sink, &report, 1.0, 4, 9_000_000_000), with_one_missing);
    }
}
