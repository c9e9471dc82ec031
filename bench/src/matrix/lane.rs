//! One server at one work: it stands with its sessions while others are measured, and is idle then.

use super::plan::{Cell, Group};
use crate::Failure;
use crate::args::Generator;
use crate::dns::Dns;
use crate::peak::Peak;
use crate::scenario::{Bench, Figures, Snapshot, Work, figures};
use crate::servers::{Access, Candidate, Server, Setting};
use crate::sink::{Manner, Sink};
use crate::source::{Amount, Entry, Load, Plan, Recipients, Standing};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long opening all sessions may take.
const OPEN_MAX: Duration = Duration::from_mins(1);
/// No message of a round is started after this.
const ROUND_MAX: Duration = Duration::from_secs(20);
/// Recipient domains or mailboxes.
const SPREAD: u64 = 10;

/// A server that stands, with all that stands around it. They end in the order of the fields.
#[derive(Debug)]
pub(super) struct Lane {
    sessions: Standing,
    server: Server,
    sink: Sink,
    _dns: Dns,
    work: Work,
    place: PathBuf,
    /// Messages that it has accepted.
    accepted: u64,
    /// Messages a second, from the last that went through.
    rate: f64,
}

impl Lane {
    /// Starts the server in a directory of its own and opens all sessions.
    pub(super) fn open(who: &Candidate, group: &Group, place: &Path) -> Result<Self, Failure> {
        std::fs::create_dir(place)?;
        let manner = if group.work == Work::Relay { Manner::Accepting } else { Manner::Silent };
        let (sink, dns) = (Sink::start(manner)?, Dns::start()?);
        let setting = Setting {
            work: group.work,
            dir: place,
            next_hop: sink.address,
            dns: dns.address,
            sessions: group.sessions,
            mailboxes: SPREAD,
            access: Access::default(),
        };
        let server = Server::start(who, &setting)?;
        let plan = plan(&server, group.sessions, group.work.recipients(SPREAD));
        let sessions =
            Standing::open(&plan, OPEN_MAX).map_err(|failure| format!("{failure}\n{}", server.log_end()))?;
        Ok(Self {
            sessions,
            server,
            sink,
            _dns: dns,
            work: group.work,
            place: place.to_owned(),
            accepted: 0,
            rate: 0.0,
        })
    }

    /// Sends first a few messages and then a part of a round: what is slow only once is over, and the rate is known.
    pub(super) fn warm_up(&mut self, cell: Cell, round: Duration) -> Result<(), Failure> {
        self.rate = self.pass(cell, cell.warm_up(), Load::Closed)?.per_second;
        self.rate = self.pass(cell, cell.second_warm_up(self.rate, round), Load::Closed)?.per_second;
        Ok(())
    }

    /// One round of about this length. A latency is told at half of the peak.
    pub(super) fn round(&mut self, cell: Cell, length: Duration) -> Result<Figures, Failure> {
        if cell.work == Work::Latency {
            let peak = self.pass(cell, cell.messages(self.rate, length / 2), Load::Closed)?.per_second;
            let per_second = (peak / 2.0).max(1.0);
            return self.pass(cell, cell.messages(per_second, length), Load::Open { per_second });
        }
        let figures = self.pass(cell, cell.messages(self.rate, length), Load::Closed)?;
        self.rate = figures.per_second;
        Ok(figures)
    }

    /// How long a round is likely to take that was to have this length.
    pub(super) fn expected(&self, cell: Cell, length: Duration) -> Duration {
        let messages = u32::try_from(cell.messages(self.rate, length)).unwrap_or(u32::MAX);
        Duration::try_from_secs_f64(f64::from(messages) / self.rate.max(0.1)).unwrap_or(Duration::MAX)
    }

    /// Sends so many messages and waits until they are out and the server rests.
    fn pass(&mut self, cell: Cell, messages: u64, load: Load) -> Result<Figures, Failure> {
        let bench = Bench { work: self.work, sink: &self.sink, server: &self.server };
        bench.settle();
        let before = Snapshot::take(&self.server, Generator::Own);
        let peak = Peak::watch(self.server.group());
        let report = bench.all_accepted(self.sessions.send(
            Amount { messages, size: cell.size },
            load,
            ROUND_MAX,
        )?)?;
        self.accepted += report.accepted;
        let last_out = bench.wait_for(self.accepted)?;
        let wall = last_out.unwrap_or(report.ended_ns).saturating_sub(report.started_ns);
        bench.settle();
        let peak_memory = peak.end();
        let after = Snapshot::take(&self.server, Generator::Own);
        bench.came_out_once(self.accepted)?;
        Ok(Figures { peak_memory, ..figures(&report, wall, &before, &after) })
    }

    /// Ends the sessions and the server, and removes its directory.
    pub(super) fn close(self) -> Result<(), Failure> {
        let Self { sessions, server, sink, place, .. } = self;
        sessions.close()?;
        drop((server, sink));
        Ok(std::fs::remove_dir_all(place)?)
    }
}

fn plan(server: &Server, sessions: u64, recipients: Recipients) -> Plan {
    Plan {
        server: server.address,
        entry: Entry::default(),
        sessions: usize::try_from(sessions).unwrap_or(usize::MAX),
        messages: 0,
        size: 1024,
        load: Load::Closed,
        pipelining: true,
        per_session: None,
        recipients,
        time_limit: Duration::ZERO,
    }
}
