//! `bench run`: the servers in turn, round after round, on one machine in one go.

use crate::Failure;
use crate::args::{Generator, Peer, RunOptions};
use crate::machine::Machine;
use crate::results::{Cell, LEGEND, Results};
use crate::scenario::{self, Work};
use crate::servers::{self, Kind};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn command(options: &RunOptions) -> Result<ExitCode, Failure> {
    let servers = servers(options)?;
    let postrider =
        if options.peer_only { PathBuf::new() } else { servers::program(options.postrider.as_deref())? };
    let mut dir = work_dir(options.dir.as_deref())?;
    if options.keep {
        dir.disable_cleanup(true);
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
    let cells = measure_all(options, &servers, &postrider, dir.path())?;
    let results = Results { machine, load: load(options), cells };
    say!("{}\n{LEGEND}", results.table());
    if !options.no_results {
        say!("\nwritten to {}", results.write(&options.results)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn servers(options: &RunOptions) -> Result<Vec<Kind>, Failure> {
    match (options.peer, options.peer_only) {
        (Peer::Postfix | Peer::PostfixHold, false) => Ok(vec![Kind::Postfix, Kind::Postrider]),
        (Peer::Postfix | Peer::PostfixHold, true) => Ok(vec![Kind::Postfix]),
        (Peer::None, false) => Ok(vec![Kind::Postrider]),
        (Peer::None, true) => Err("--peer none and --peer-only leave nothing to measure".into()),
    }
}

/// A directory for the spools, open to the servers' own users.
pub(crate) fn work_dir(parent: Option<&Path>) -> Result<tempfile::TempDir, Failure> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    let dir = tempfile::Builder::new().prefix("postrider-bench-").tempdir_in(parent)?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

/// Every work at every number of sessions; within it round by round, the servers taking turns at going first, so
/// that what changes on the machine meanwhile meets all of them.
fn measure_all(
    options: &RunOptions,
    servers: &[Kind],
    postrider: &Path,
    dir: &Path,
) -> Result<Vec<Cell>, Failure> {
    let mut cells = Vec::new();
    for work in works(options) {
        for sessions in &options.sessions {
            let mut group: Vec<Cell> = servers
                .iter()
                .map(|server| Cell { work, sessions: *sessions, server: *server, rounds: Vec::new() })
                .collect();
            for round in 1..=options.rounds {
                for cell in &mut group {
                    let place = format!("{}-{sessions}-{}-{round}", work.name(), cell.server.name());
                    let place = dir.join(place);
                    fs::create_dir(&place)?;
                    let figures =
                        scenario::measure(cell.server, work, *sessions, options, postrider, &place)?;
                    if !options.keep {
                        fs::remove_dir_all(&place)?;
                    }
                    eprintln!(
                        "{} {}, {sessions} sessions, round {round}: {:.0}/s, {:.0} us CPU a message",
                        work.name(),
                        cell.server.name(),
                        figures.per_second,
                        figures.cpu_us,
                    );
                    cell.rounds.push(figures);
                }
                group.reverse();
            }
            group.sort_by_key(|cell| cell.server);
            cells.extend(group);
        }
    }
    Ok(cells)
}

fn works(options: &RunOptions) -> Vec<Work> {
    if options.works.is_empty() {
        return vec![Work::Accept, Work::Latency, Work::Relay, Work::Local];
    }
    options.works.clone()
}

fn load(options: &RunOptions) -> String {
    let generator = match options.generator {
        Generator::Own => "own source",
        Generator::Postfix => {
            "smtp-source (one message a session, no pipelining) and, behind relay, smtp-sink"
        }
    };
    let per_session =
        options.per_session.map_or_else(|| "as many as come".to_owned(), |most| most.to_string());
    let hold =
        if options.peer == Peer::PostfixHold { ", Postfix puts on hold what stays in its queue" } else { "" };
    let pipelining = if options.no_pipelining { "off" } else { "on" };
    format!(
        "{generator}, {} messages of {} octets a round, {} rounds, messages a session: {per_session}, pipelining {pipelining}, \
         {} recipient domains or mailboxes{hold}",
        options.messages, options.size, options.rounds, options.spread
    )
}
