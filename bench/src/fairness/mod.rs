//! `bench fairness`: what a destination in trouble costs the mail for all others.

mod disk;
mod report;
mod trouble;

pub(crate) use trouble::{DOMAINS, Trouble};

use crate::Failure;
use crate::args::FairnessOptions;
use crate::clock;
use crate::dns::Dns;
use crate::fill::{self, Bulk};
use crate::machine::Machine;
use crate::scenario::Work;
use crate::servers::{Access, Candidate, Kind, Server, Setting};
use crate::sink::{Manner, Sink};
use crate::source::{self, Entry, Load, Plan, Report};
use crate::stats::{self, Latency};
use clap::ValueEnum;
use report::{LEGEND, Run, rows, table, write};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use trouble::TROUBLE_OCTETS;

/// Where the hosts of `trouble.test` are; those of all other domains are at 127.0.0.1.
pub(crate) const TROUBLE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const SESSIONS: usize = 20;
/// How long the load runs.
const LOAD: Duration = Duration::from_secs(10);
/// How long mail may take to come out once the last message went in. What takes longer is late.
const ARRIVAL_MAX: Duration = Duration::from_mins(1);

pub(crate) fn command(options: &FairnessOptions) -> Result<ExitCode, Failure> {
    let postrider = Candidate::postrider("Postrider", options.place.program.find()?);
    let dir = options.place.disk.work_dir()?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let peer = (!options.no_peer).then(|| Candidate::peer(Kind::Postfix));
    let troubles = if options.troubles.is_empty() { Trouble::value_variants() } else { &options.troubles };
    let mut runs = Vec::new();
    for who in peer.into_iter().chain([postrider]) {
        let of_server: Vec<Trouble> =
            troubles.iter().copied().filter(|trouble| trouble.is_for(&who)).collect();
        let cases = with_baselines(&of_server);
        let mut rates = BTreeMap::new();
        for round in 1..=options.rounds {
            for &trouble in &cases {
                let place = dir.path().join(format!("{}-{}", trouble.name(), who.name));
                fs::create_dir(&place)?;
                let rate = rates.entry(trouble.baseline()).or_insert(options.rate);
                let run = measure(&who, trouble, rate, options, &place)?;
                fs::remove_dir_all(&place)?;
                eprintln!("{} beside {}, round {round}: done", who.name, trouble.name());
                if trouble == Trouble::None {
                    runs.push(disk_alone(dir.path(), run.per_second, options.size)?);
                }
                runs.push(run);
            }
        }
    }
    let rows = rows(&runs);
    say!("{}\n{LEGEND}", table(&rows));
    if let Some(results) = options.place.results.get() {
        say!("\nwritten to {}", write(results, &machine, &rows, &runs)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The cases with those that they are compared with, each once and before it is needed.
fn with_baselines(troubles: &[Trouble]) -> Vec<Trouble> {
    let mut all = Vec::new();
    for trouble in troubles.iter().flat_map(|trouble| [trouble.baseline(), *trouble]) {
        if !all.contains(&trouble) {
            all.push(trouble);
        }
    }
    all
}

/// What the disk does with as many octets, as often, and without a server.
fn disk_alone(dir: &Path, per_second: f64, size: usize) -> Result<Run, Failure> {
    let due_to_sink = disk::alone(dir, per_second, size, LOAD)?;
    let server = "disk alone".to_owned();
    Ok(Run { trouble: None, server, waiting: 0, per_second, due_to_sink, late: 0, cpu_us: None })
}

/// Measures one case once. `rate` is what is offered; where it is not known yet it becomes half of this server's peak.
fn measure(
    who: &Candidate,
    trouble: Trouble,
    rate: &mut Option<f64>,
    options: &FairnessOptions,
    dir: &Path,
) -> Result<Run, Failure> {
    let (sink, in_trouble) = sinks(Manner::Recording, trouble.manner())?;
    let dns = Dns::start()?;
    let filled = trouble.filled(options);
    if filled > 0 {
        fill::fill(&dir.join("data"), &backlog(filled))?;
    }
    let setting = Setting {
        work: Work::Relay,
        dir,
        next_hop: sink.address,
        dns: dns.address,
        sessions: (trouble.held() + 2 * trouble.sessions()) as u64,
        mailboxes: 0,
        access: Access::default(),
    };
    let server = Server::start(who, &setting)?;
    let plan = Plan {
        server: server.address,
        entry: Entry::default(),
        sessions: SESSIONS,
        messages: options.warm_up,
        size: options.size,
        load: Load::Closed,
        pipelining: true,
        per_session: None,
        recipients: trouble.warm_up(),
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
    let beside = trouble.beside(&plan)?;
    let (sessions, load) = (trouble.sessions(), Load::Open { per_second });
    let recipients = trouble.others(messages);
    let before = server.cpu_ns();
    let report = accepted(&Plan { sessions, messages, load, recipients, ..plan }, &server)?;
    let refused = beside.end()?;
    if refused > 0 {
        return Err(format!(
            "{refused} messages or slow sessions beside were refused:\n{}",
            server.log_end()
        )
        .into());
    }
    come(&sink, warm.accepted + report.accepted);
    let cpu_us = Some(stats::us_each(server.cpu_ns().saturating_sub(before), report.accepted));
    let (mut delays, late) = delays(&sink, &report, per_second, messages, clock::monotonic_ns());
    let due_to_sink = Latency::of(&mut delays);
    let waiting = (filled + waiting).saturating_sub(in_trouble.tally.messages());
    let server = who.name.clone();
    Ok(Run { trouble: Some(trouble), server, waiting, per_second, due_to_sink, late, cpu_us })
}

/// Messages of the last hour, all due, for the one destination.
fn backlog(messages: u64) -> Bulk {
    Bulk {
        messages,
        recipients: 1,
        domains: vec!["trouble.test".to_owned()],
        octets: TROUBLE_OCTETS,
        oldest: Duration::from_hours(1),
        due_in: Duration::ZERO,
    }
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

/// When a message is due, counted from the first.
#[expect(clippy::cast_precision_loss, reason = "numbers of a run are far below 2^52")]
fn nanoseconds(message: u64, per_second: f64) -> u64 {
    whole(message as f64 * 1e9 / per_second)
}

/// How long each message took, and how many are not there at `end`, which counts as their arrival. The number of a
/// message is in its address, and says when it was due.
fn delays(sink: &Sink, report: &Report, per_second: f64, messages: u64, end: u64) -> (Vec<u64>, u64) {
    let mut arrivals: BTreeMap<u64, u64> = BTreeMap::new();
    for (number, at) in sink.tally.arrivals() {
        arrivals.entry(number).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
    let delay = |number: u64| {
        let due = report.started_ns.saturating_add(nanoseconds(number, per_second));
        arrivals.get(&number).unwrap_or(&end).saturating_sub(due)
    };
    let late = (0..messages).filter(|number| !arrivals.contains_key(number)).count();
    ((0..messages).map(delay).collect(), late as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_comes_behind_the_one_it_is_compared_with() {
        let all = with_baselines(&[Trouble::One, Trouble::Dead, Trouble::None]);
        assert_eq!(all, [Trouble::Many, Trouble::One, Trouble::None, Trouble::Dead]);
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
