//! `bench run`: the servers in turn, round after round, on one machine in one go.

use crate::Failure;
use crate::args::{Generator, LoadOptions, Peer, RunOptions};
use crate::machine::Machine;
use crate::results::{Cell, LEGEND, Results};
use crate::scenario::{self, Work};
use crate::secure::Tls;
use crate::servers::{Candidate, Kind};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn command(options: &RunOptions) -> Result<ExitCode, Failure> {
    let peer = peer(options.peer);
    if peer.is_none() && options.peer_only {
        return Err("--peer none and --peer-only leave nothing to measure".into());
    }
    let base = peer.as_ref().map_or_else(String::new, |peer| peer.name.clone());
    let mut candidates: Vec<Candidate> = peer.into_iter().collect();
    if !options.peer_only {
        candidates.push(Candidate::postrider("Postrider", options.program.find()?));
    }
    let results = in_turns(&options.load, &candidates, base)?;
    say!("{}\n{LEGEND}", results.table());
    if let Some(dir) = options.results.get() {
        say!("\nwritten to {}", results.write(dir)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn peer(peer: Peer) -> Option<Candidate> {
    match peer {
        Peer::Postfix => Some(Candidate::peer(Kind::Postfix)),
        Peer::PostfixHold => Some(Candidate::peer(Kind::PostfixHold)),
        Peer::Exim => Some(Candidate::peer(Kind::Exim)),
        Peer::None => None,
    }
}

/// Measures the candidates in turns, under every load that is asked for. `base`: with whom the others are compared.
pub(crate) fn in_turns(
    options: &LoadOptions,
    candidates: &[Candidate],
    base: String,
) -> Result<Results, Failure> {
    let mut dir = options.disk.work_dir()?;
    if options.keep {
        dir.keep();
        say!("the servers' directories stay in {}", dir.path().display());
    }
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    if machine.forgets() {
        eprintln!(
            "warning: {} keeps nothing, so syncing costs nothing: use --dir on a disk",
            machine.file_system
        );
    }
    let cells = measure_all(options, candidates, dir.path())?;
    Ok(Results { machine, load: load(options, candidates), base, cells })
}

/// Every work at every number of sessions; within it round by round, the servers taking turns at going first, so
/// that what changes on the machine meanwhile meets all of them.
fn measure_all(options: &LoadOptions, candidates: &[Candidate], dir: &Path) -> Result<Vec<Cell>, Failure> {
    let mut cells = Vec::new();
    for work in works(options) {
        for sessions in &options.sessions {
            cells.extend(measure_group(options, candidates, work, *sessions, dir)?);
        }
    }
    Ok(cells)
}

/// One work at one number of sessions, round by round.
pub(crate) fn measure_group(
    options: &LoadOptions,
    candidates: &[Candidate],
    work: Work,
    sessions: u64,
    dir: &Path,
) -> Result<Vec<Cell>, Failure> {
    let cell = |who: &Candidate| Cell { work, sessions, server: who.name.clone(), rounds: Vec::new() };
    let mut group: Vec<(&Candidate, Cell)> = candidates.iter().map(|who| (who, cell(who))).collect();
    for round in 1..=options.rounds {
        for (who, cell) in &mut group {
            let place = dir.join(format!("{}-{sessions}-{}-{round}", work.name(), who.name));
            fs::create_dir(&place)?;
            let figures = scenario::measure(who, work, sessions, options, &place)?;
            if !options.keep {
                fs::remove_dir_all(&place)?;
            }
            eprintln!(
                "{} {}, {sessions} sessions, round {round}: {:.0}/s, {:.0} us CPU a message",
                work.name(),
                who.name,
                figures.per_second,
                figures.cpu_us,
            );
            cell.rounds.push(figures);
        }
        group.reverse();
    }
    if options.rounds % 2 == 1 {
        group.reverse();
    }
    Ok(group.into_iter().map(|(_, cell)| cell).collect())
}

fn works(options: &LoadOptions) -> Vec<Work> {
    if options.works.is_empty() {
        return vec![Work::Accept, Work::Latency, Work::Relay, Work::Local];
    }
    options.works.clone()
}

fn load(options: &LoadOptions, candidates: &[Candidate]) -> String {
    let generator = match options.generator {
        Generator::Own => "own source",
        Generator::Postfix => {
            "smtp-source (one message a session, no pipelining) and, behind relay, smtp-sink"
        }
    };
    let per_session =
        options.per_session.map_or_else(|| "as many as come".to_owned(), |most| most.to_string());
    let holds = candidates.iter().any(|who| who.kind == Kind::PostfixHold);
    let hold = if holds { ", Postfix puts on hold what stays in its queue" } else { "" };
    let tls = match options.tls.tls {
        None => "",
        Some(Tls::Starttls) => ", STARTTLS",
        Some(Tls::Implicit) => ", implicit TLS",
    };
    let pipelining = if options.no_pipelining { "off" } else { "on" };
    format!(
        "{generator}, {} messages of {} octets a round, {} rounds, messages a session: {per_session}, pipelining {pipelining}, \
         {} recipient domains or mailboxes{hold}{tls}",
        options.messages, options.size, options.rounds, options.spread
    )
}
