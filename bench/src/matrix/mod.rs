//! `bench all`: every work at every number of sessions and size, all servers in turns, within a given time.

mod lane;
mod plan;
mod plots;
mod report;

pub(crate) use plan::{Cell, Group};

use crate::Failure;
use crate::args::{AllOptions, Part, Who};
use crate::idle;
use crate::machine::Machine;
use crate::queue;
use crate::scenario::{Figures, Work};
use crate::servers::{Candidate, Kind};
use lane::Lane;
use report::Report;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A round is at least this long if the server is fast enough, so that chance does not decide.
const ROUND_LEAST: Duration = Duration::from_millis(500);
const ROUND_MOST: Duration = Duration::from_secs(2);
/// What a round costs beside the load: waiting for rest, before and after.
const ROUND_OVERHEAD: Duration = Duration::from_millis(300);
/// What a server takes to warm up, about.
const WARM_UP: Duration = Duration::from_secs(1);
/// Kept for what comes after the cells: idle sessions, and the opening of a queue, which must be filled before.
const IDLE_TIME: Duration = Duration::from_mins(1);
const OPEN_TIME: Duration = Duration::from_mins(2);
/// Times that the queue is opened; the median counts.
const OPENINGS: u64 = 3;

/// What came of one server under one load.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) cell: Cell,
    pub(crate) server: String,
    pub(crate) rounds: Vec<Figures>,
    /// Why there are no figures, or not all.
    pub(crate) failure: Option<String>,
}

pub(crate) fn command(options: &AllOptions) -> Result<ExitCode, Failure> {
    let time = Duration::try_from_secs_f64(if options.quick { 3.0 } else { options.minutes } * 60.0)?;
    let end = Instant::now() + time;
    let candidates = candidates(options)?;
    allow_descriptors();
    let dir = options.place.disk.work_dir()?;
    let machine = Machine::look(dir.path())?;
    say!("{}\n", machine.line());
    let idle_time = kept(options, Part::Idle, IDLE_TIME, time);
    let open_time = if options.quick { Duration::ZERO } else { kept(options, Part::Open, OPEN_TIME, time) };
    let cells_end = end.checked_sub(idle_time + open_time).unwrap_or(end);
    let mut report = Report::new(machine, candidates.iter().map(|who| who.name.clone()).collect());
    let groups = plan::groups(options);
    let mut time = Time { end: cells_end, cells_left: groups.iter().map(|group| group.sizes.len()).sum() };
    for (number, group) in groups.iter().enumerate() {
        let place = dir.path().join(number.to_string());
        std::fs::create_dir(&place)?;
        measure(group, &candidates, options, &mut time, &place, &mut |measured| {
            report.measured.extend(measured);
            keep(options, &report)
        })?;
        remove(&place);
    }
    if !idle_time.is_zero() {
        report.idle = idle::measure(&candidates, options.idle, None, dir.path())?;
        keep(options, &report)?;
    }
    // The others keep a file for each message: to make a million of them is no matter of minutes.
    let ours = candidates.iter().find(|who| who.kind == Kind::Postrider);
    if let Some(who) = ours.filter(|_| !open_time.is_zero()) {
        report.opening = Some(queue::measure_opening(who, options.open, OPENINGS, dir.path())?);
    }
    say!("{}", report.text());
    keep(options, &report)?;
    Ok(ExitCode::SUCCESS)
}

/// What is kept of all the time for a part that is asked for.
fn kept(options: &AllOptions, part: Part, most: Duration, all: Duration) -> Duration {
    let asked = options.parts.is_empty() || options.parts.contains(&part);
    if asked { most.min(all / 6) } else { Duration::ZERO }
}

/// Makes room for the next servers. What cannot be removed now goes with the whole directory at the end: no reason
/// to give up what is still to be measured.
fn remove(place: &Path) {
    if let Err(error) = std::fs::remove_dir_all(place) {
        eprintln!("{}: {error}", place.display());
    }
}

/// Writes what there is so far: who ends the run early has that.
fn keep(options: &AllOptions, report: &Report) -> Result<(), Failure> {
    options.place.results.get().map_or(Ok(()), |results| report.write(results))
}

fn candidates(options: &AllOptions) -> Result<Vec<Candidate>, Failure> {
    let candidate = |who: &Who| match who {
        Who::Postfix => Ok(Candidate::peer(Kind::Postfix)),
        Who::Exim => Ok(Candidate::peer(Kind::Exim)),
        Who::Postrider => Ok(Candidate::postrider("Postrider", options.place.program.find()?)),
    };
    options.servers.iter().map(candidate).collect()
}

/// A descriptor for each session, here and in the servers, which inherit the limit.
fn allow_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Without the right to do so it stays as it is, and too many sessions fail with these words.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// What time there is for the cells that are left.
struct Time {
    end: Instant,
    cells_left: usize,
}

impl Time {
    fn is_up(&self) -> bool {
        Instant::now() >= self.end
    }

    /// The time of the next cell.
    fn next(&mut self) -> Duration {
        let left = u32::try_from(self.cells_left).unwrap_or(u32::MAX).max(1);
        self.cells_left = self.cells_left.saturating_sub(1);
        self.end.saturating_duration_since(Instant::now()) / left
    }
}

/// Measures all servers in turns at one work, size after size. All of them stand at the same time; those whose turn it is
/// not are idle. `done` gets what came of each size.
fn measure(
    group: &Group,
    candidates: &[Candidate],
    options: &AllOptions,
    time: &mut Time,
    place: &Path,
    done: &mut dyn FnMut(Vec<Measured>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut turns: Vec<Turn<'_>> = candidates.iter().map(Turn::new).collect();
    for turn in &mut turns {
        if !time.is_up() {
            turn.open(group, &place.join(&turn.who.name));
        }
    }
    let rounds = if options.quick { 1 } else { options.rounds };
    for cell in group.cells() {
        let share = time.next() / u32::try_from(candidates.len()).unwrap_or(1).max(1);
        done(in_turns(&mut turns, cell, rounds, share, time))?;
    }
    turns.into_iter().for_each(Turn::close);
    Ok(())
}

/// One cell, in which each server has this share of time.
fn in_turns(turns: &mut [Turn<'_>], cell: Cell, rounds: u64, share: Duration, time: &Time) -> Vec<Measured> {
    let length = round_length(share, rounds);
    for turn in turns.iter_mut() {
        turn.begin(cell, length, time.is_up());
    }
    for round in 0..rounds {
        for turn in turns.iter_mut() {
            // The first round is made in any case: a server that was started and warmed up shall have a figure.
            if round == 0 || turn.has_time(cell, share, length) {
                turn.round(cell, length);
            }
        }
        turns.reverse();
    }
    if rounds % 2 == 1 {
        turns.reverse();
    }
    turns.iter_mut().map(|turn| turn.end(cell)).collect()
}

fn round_length(share: Duration, rounds: u64) -> Duration {
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX).max(1);
    let each = share.saturating_sub(WARM_UP) / rounds;
    each.saturating_sub(ROUND_OVERHEAD).clamp(ROUND_LEAST, ROUND_MOST)
}

/// A server's part in a group of cells.
struct Turn<'a> {
    who: &'a Candidate,
    lane: Option<Lane>,
    /// In the cell that is under way.
    spent: Duration,
    rounds: Vec<Figures>,
    /// Why there are no more figures.
    failure: Option<String>,
}

impl<'a> Turn<'a> {
    fn new(who: &'a Candidate) -> Self {
        Self { who, lane: None, spent: Duration::ZERO, rounds: Vec::new(), failure: None }
    }

    fn open(&mut self, group: &Group, place: &Path) {
        match Lane::open(self.who, group, place) {
            Ok(lane) => self.lane = Some(lane),
            Err(failure) => {
                self.fail(&format!("{}, {} sessions", group.work.name(), group.sessions), &failure);
            }
        }
    }

    fn begin(&mut self, cell: Cell, length: Duration, time_is_up: bool) {
        if time_is_up && self.failure.is_none() {
            self.lane = None;
            self.failure = Some("time was up".to_owned());
        }
        self.spent = Duration::ZERO;
        self.step(cell, |lane| lane.warm_up(cell, length).map(|()| None));
    }

    fn has_time(&self, cell: Cell, share: Duration, length: Duration) -> bool {
        self.lane.as_ref().is_some_and(|lane| self.spent + lane.expected(cell, length) <= share)
    }

    fn round(&mut self, cell: Cell, length: Duration) {
        self.step(cell, |lane| lane.round(cell, length).map(Some));
    }

    /// Does something that takes time and may fail, if the server still stands.
    fn step(&mut self, cell: Cell, what: impl FnOnce(&mut Lane) -> Result<Option<Figures>, Failure>) {
        let started = Instant::now();
        let Some(lane) = &mut self.lane else { return };
        match what(lane) {
            Ok(Some(figures)) => {
                tell(cell, &self.who.name, self.rounds.len() + 1, &figures);
                self.rounds.push(figures);
            }
            Ok(None) => {}
            Err(failure) => self.fail(&cell.to_string(), &failure),
        }
        self.spent += started.elapsed();
    }

    /// The server takes no part in what is left of the group; whoever reads the table is told why.
    fn fail(&mut self, what: &str, failure: &Failure) {
        eprintln!("{}, {what}: {failure}", self.who.name);
        self.failure = Some(failure.to_string());
        self.lane = None;
    }

    /// The cell is over.
    fn end(&mut self, cell: Cell) -> Measured {
        let rounds = std::mem::take(&mut self.rounds);
        Measured { cell, server: self.who.name.clone(), rounds, failure: self.failure.clone() }
    }

    fn close(self) {
        if let Some(Err(failure)) = self.lane.map(Lane::close) {
            eprintln!("{}: {failure}", self.who.name);
        }
    }
}

fn tell(cell: Cell, server: &str, round: usize, figures: &Figures) {
    let what = if cell.work == Work::Latency { "offered" } else { "done" };
    eprintln!(
        "{server}, {cell}, round {round}: {:.0}/s {what}, {:.0} us CPU a message",
        figures.per_second, figures.cpu_us
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_its_part_of_the_time_within_limits() {
        let ms = Duration::from_millis;
        assert_eq!(round_length(ms(6100), 3), ms(1400));
        assert_eq!(round_length(ms(100), 3), ROUND_LEAST);
        assert_eq!(round_length(ms(60_000), 3), ROUND_MOST);
        assert_eq!(round_length(ms(2500), 1), ms(1200));
    }
}
