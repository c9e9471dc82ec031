//! `bench queue`: a queue of a million messages: to open it, to look at it, to change it, and what it costs all other mail.

mod depth;
mod fill;
mod orders;
mod report;

use crate::Failure;
use crate::args::QueueOptions;
use crate::dns::Dns;
use crate::fairness;
use crate::machine::Machine;
use crate::run::work_dir;
use crate::scenario::Work;
use crate::servers::{self, Candidate, Server, Setting};
use crate::sink::Manner;
use fill::Filled;
use orders::Orders;
use report::{Opening, Report};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

pub(crate) fn command(options: &QueueOptions) -> Result<ExitCode, Failure> {
    let program = servers::program(options.postrider.as_deref())?;
    let who = Candidate::postrider("Postrider", program.clone());
    let dir = work_dir(options.dir.as_deref())?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let place = dir.path().join("queue");
    let started = Instant::now();
    let filled = fill::fill(&place.join("data"), options.messages, options)?;
    eprintln!("{} messages put in within {:.1} s", options.messages, started.elapsed().as_secs_f64());
    let (opening, steps) = serve(options, &filled, (&who, &program), dir.path(), &place)?;
    std::fs::remove_dir_all(&place)?;
    let depths = depth::measure(options, &who, dir.path())?;
    let report = Report { machine, load: load(options), opening, steps, depths };
    say!("{}", report.text());
    if !options.no_results {
        say!("\nwritten to {}", report.write(&options.results)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the filled spool in the real server, and gives it all orders.
fn serve(
    options: &QueueOptions,
    filled: &Filled,
    (who, postrider): (&Candidate, &Path),
    dir: &Path,
    place: &Path,
) -> Result<(Opening, Vec<orders::Step>), Failure> {
    let (sink, _silent) = fairness::sinks(Manner::Accepting, Manner::Silent)?;
    let dns = Dns::start()?;
    let empty = dir.join("empty");
    std::fs::create_dir_all(&empty)?;
    let setting = |dir| Setting {
        work: Work::Relay,
        dir,
        next_hop: sink.address,
        dns: dns.address,
        sessions: 40,
        mailboxes: 0,
    };
    let mut opening = Opening {
        recipients: filled.recipients,
        address_octets: filled.address_octets,
        ..Opening::default()
    };
    // Twice: the first time it makes its segments.
    for _ in 0..2 {
        let (server, ns) = started(who, &setting(&empty))?;
        (opening.empty_ns, opening.empty) = (ns, server.memory()?);
    }
    for _ in 1..options.rounds {
        let (server, ns) = started(who, &setting(place))?;
        opening.ns.push(ns);
        drop(server);
    }
    let (server, ns) = started(who, &setting(place))?;
    opening.ns.push(ns);
    opening.full = server.memory()?;
    eprintln!("{}", opening.line());
    let (config, socket) = (place.join("postrider.toml"), place.join("data/control.sock"));
    let orders = Orders { server: &server, postrider, config: &config, socket: &socket };
    Ok((opening, orders.all(filled)?))
}

/// A server that greets, and how long that took.
fn started(who: &Candidate, setting: &Setting<'_>) -> Result<(Server, u64), Failure> {
    let begun = crate::clock::monotonic_ns();
    let server = Server::start(who, setting)?;
    Ok((server, crate::clock::monotonic_ns() - begun))
}

fn load(options: &QueueOptions) -> String {
    format!(
        "{} messages of {} octets for {} recipients each in {} domains, all due in 12 h; 200 messages of 10 KiB a second meanwhile",
        options.messages, options.size, options.recipients_per_message, options.domains
    )
}
