//! The ready queue of one site: jobs, the workers that take them, and how the site fares.
//!
//! Nothing here waits or does I/O: the lock is held for a few instructions.

mod lane;
mod shunned;
mod state;
mod status;
mod turns;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mail::{Domain, Stream, Timestamp};
use spool::Work;
use tokio::sync::oneshot;

use crate::{
    changes::Changes,
    next_hop::{NextHop, Place},
    pace::{Pace, Round},
};
use lane::Lane;
use state::State;

pub use lane::Suspension;
pub use status::{LaneStatus, Refusal, SiteStatus};

/// How long a site or a lane without work keeps what it learned: longer than any usual time between two attempts.
const MEMORY: Duration = Duration::from_hours(6);

/// Jobs that the only worker of a lane does before it goes to one that has none.
const TURN: u32 = 10;

/// What a ready queue is kept by (mail-rules 9). Sources and streams beyond the first have their place here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SiteKey {
    pub(crate) site: Arc<str>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) stream: Stream,
}

/// Recipients of one message for one lane.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    /// None for final delivery.
    pub(crate) hop: Option<Arc<NextHop>>,
}

/// What a lane can take now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// So many jobs.
    Jobs(usize),
    /// None; the domain is parked and will be given back by a worker.
    Parked,
    /// None before a time.
    Suspended(Suspension),
}

/// What a worker does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Jobs, never none; and domains that may be fed again.
    Jobs(Vec<Job>, Vec<Domain>),
    /// Wait here for a job.
    Idle(oneshot::Receiver<Job>),
    /// Close the connection and ask for another lane.
    Leave,
}

/// Jobs and domains that go back.
#[derive(Debug, Default)]
pub(crate) struct Cleared {
    pub(crate) jobs: Vec<Job>,
    pub(crate) parked: Vec<Domain>,
}

/// The bounds of a site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Workers before it has shown what it bears.
    pub(crate) workers_start: usize,
    /// Workers at most.
    pub(crate) workers_max: usize,
    /// Jobs at most that wait in one lane.
    pub(crate) ready_max: usize,
}

/// The ready queue of one site.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) key: SiteKey,
    ready_max: usize,
    workers_start: usize,
    workers_max: usize,
    changes: Arc<Changes>,
    state: Mutex<State>,
}

impl Site {
    pub(crate) fn new(key: SiteKey, limits: Limits, changes: Arc<Changes>) -> Self {
        let workers_max = limits.workers_max.max(1);
        let workers_start = limits.workers_start.clamp(1, workers_max);
        let state = State::new(Pace::new(workers_start, workers_max));
        let ready_max = limits.ready_max.max(1);
        Self { key, ready_max, workers_start, workers_max, changes, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics with the lock held; if it did, the counts would still be the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much a lane can take; if it is full, `domain` is parked in the same breath.
    pub(crate) fn room_or_park(&self, lane: &Arc<str>, domain: &Domain, now: Timestamp) -> Room {
        let mut state = self.state();
        let lane = state.lanes.entry(Arc::clone(lane)).or_default();
        if let Some(suspension) = lane.rests_at(now) {
            return Room::Suspended(suspension.clone());
        }
        lane.room_or_park(domain, self.ready_max).map_or(Room::Parked, Room::Jobs)
    }

    /// Adds jobs. Returns how many workers the caller must start for the lane; they are counted already.
    pub(crate) fn push(&self, lane: &Arc<str>, jobs: Vec<Job>) -> usize {
        let mut state = self.state();
        let entry = state.lanes.entry(Arc::clone(lane)).or_default();
        for job in jobs {
            if let Some(job) = entry.hand_over(job) {
                entry.queue(job);
            }
        }
        state.start_workers(lane)
    }

    /// What a worker of a lane does next, after it has `done` so many jobs there. `batch` is the most jobs it takes at
    /// once; it idles only if it may.
    ///
    /// A lane in which nobody works gets a worker of a lane that has several, or the only one after some jobs.
    pub(crate) fn next(&self, lane: &Arc<str>, done: u32, batch: usize, may_idle: bool) -> Next {
        let mut state = self.state();
        if state.closed || state.workers > state.pace.allowed() {
            return Next::Leave;
        }
        let is_full = state.workers >= state.pace.allowed();
        let (starving, wanting) = (is_full && state.is_starving(), is_full && state.is_wanting());
        let Some(entry) = state.lanes.get_mut(lane) else { return Next::Leave };
        if !entry.jobs.is_empty() {
            if starving && (entry.workers > 1 || done >= TURN) {
                return Next::Leave;
            }
            let take = batch.clamp(1, entry.jobs.len());
            let jobs = entry.jobs.drain(..take).collect();
            return Next::Jobs(jobs, entry.invite(self.ready_max));
        }
        if starving || wanting || !may_idle {
            return Next::Leave;
        }
        state.idle(lane).map_or(Next::Leave, Next::Idle)
    }

    /// A worker leaves its lane. If a lane has work and the site bears it, the worker goes on there.
    pub(crate) fn leave(&self, lane: &Arc<str>) -> Option<Arc<str>> {
        let mut state = self.state();
        state.workers = state.workers.saturating_sub(1);
        if let Some(entry) = state.lanes.get_mut(lane) {
            entry.workers = entry.workers.saturating_sub(1);
            entry.idle.retain(|sender| !sender.is_closed());
        }
        if state.closed {
            return None;
        }
        state.queue_up(lane);
        state.next_lane()
    }

    /// A transaction went well: the lane's hosts are there, and the site may get one worker more if work waits.
    /// Returns the lanes for which the caller must start a worker each.
    pub(crate) fn succeeded(&self, lane: &Arc<str>, now: Timestamp) -> Vec<Arc<str>> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.takes_mail = true;
        let Some(entry) = state.lanes.get_mut(lane) else { return Vec::new() };
        if entry.failures > 0 {
            (entry.failures, entry.suspension) = (0, None);
            self.changes.soon();
            state.shunned.relent(now);
        }
        let has_work = !entry.jobs.is_empty();
        if (has_work || state.is_starving()) && state.change_pace(now, Pace::succeeded) {
            self.changes.later();
        }
        let mut lanes = Vec::new();
        while let Some(other) = state.starving_lane() {
            lanes.push(other);
        }
        let own = state.start_workers(lane);
        lanes.extend(std::iter::repeat_n(lane, own).cloned());
        lanes
    }

    /// Whether it took mail when it was last asked.
    pub(crate) fn takes_mail(&self) -> bool {
        self.state().takes_mail
    }

    /// To be asked when an attempt begins, and told should the site have enough of it.
    pub(crate) fn round(&self) -> Round {
        self.state().pace.round()
    }

    /// The site has enough of us; so it said to an attempt that was begun in `round`.
    pub(crate) fn slowed(&self, round: Round, refusal: Refusal) {
        let mut state = self.state();
        let workers = state.workers;
        state.change_pace(refusal.at, |pace| pace.refused(round, workers));
        state.last_refusal = Some(refusal);
        self.changes.soon();
    }

    /// No host of the lane could be reached. `interval` says how long to rest after so many failures in a row.
    /// What waited is handed out to be deferred. `paused`: it is our account that rests, and not the hosts.
    pub(crate) fn suspend(
        &self,
        lane: &Arc<str>,
        refusal: Refusal,
        paused: bool,
        interval: impl FnOnce(u32) -> Duration,
    ) -> (Suspension, Cleared) {
        let now = refusal.at;
        let mut state = self.state();
        state.last_refusal = Some(refusal.clone());
        state.takes_mail = false;
        let Refusal { reply, host, .. } = refusal;
        let entry = state.lanes.entry(Arc::clone(lane)).or_default();
        // Workers that fail together are one failure.
        let suspension = entry.rests_at(now).cloned().unwrap_or_else(|| {
            entry.failures = entry.failures.saturating_add(1);
            let until = now.after(interval(entry.failures));
            Suspension { failed_at: now, until, reply, host, paused }
        });
        entry.suspension = Some(suspension.clone());
        let (jobs, parked) = entry.clear();
        let cleared = Cleared { jobs, parked };
        state.shunned.keep_until(suspension.until.after(MEMORY));
        self.changes.soon();
        (suspension, cleared)
    }

    /// A lane rests until then, for a reason that is none of its hosts': a budget is used up. What waited is handed out to be deferred.
    pub(crate) fn pause(&self, lane: &Arc<str>, suspension: Suspension) -> (Suspension, Cleared) {
        let mut state = self.state();
        let entry = state.lanes.entry(Arc::clone(lane)).or_default();
        let suspension = entry.rests_at(suspension.failed_at).cloned().unwrap_or(suspension);
        entry.suspension = Some(suspension.clone());
        let (jobs, parked) = entry.clear();
        self.changes.soon();
        (suspension, Cleared { jobs, parked })
    }

    /// Rests no more: somebody wants to know at once whether the hosts are back. One worker will probe.
    pub(crate) fn wake(&self) {
        for lane in self.state().lanes.values_mut() {
            if lane.suspension.take().is_some() {
                self.changes.soon();
            }
        }
    }

    /// The same for the hosts of one lane.
    pub(crate) fn wake_lane(&self, lane: &Arc<str>) {
        if self.state().lanes.get_mut(lane).is_some_and(|lane| lane.suspension.take().is_some()) {
            self.changes.soon();
        }
    }

    /// An address could not be reached; for a while it is tried after the others.
    pub(crate) fn shun(&self, place: Place, now: Timestamp) {
        self.state().shunned.add(place, now);
    }

    /// An address was reached.
    pub(crate) fn forgive(&self, place: &Place) {
        self.state().shunned.forgive(place);
    }

    /// Whether an address is to be tried after the others.
    pub(crate) fn is_shunned(&self, place: &Place, now: Timestamp) -> bool {
        self.state().shunned.has(place, now)
    }

    /// Stops: idle workers leave, nothing is handed out any more. Returns what waited.
    pub(crate) fn close(&self) -> Cleared {
        let mut state = self.state();
        state.closed = true;
        let mut cleared = Cleared::default();
        for lane in state.lanes.values_mut() {
            let (mut jobs, mut parked) = lane.clear();
            cleared.jobs.append(&mut jobs);
            cleared.parked.append(&mut parked);
            lane.idle.clear();
        }
        cleared
    }

    /// Forgets lanes without work or a lesson that held later than `then`. Whether the site may be forgotten too.
    pub(crate) fn prune(&self, now: Timestamp, then: Timestamp) -> bool {
        let mut state = self.state();
        state.shunned.prune(now);
        let before = state.lanes.len();
        state.lanes.retain(|_, lane| {
            lane.workers > 0
                || !lane.jobs.is_empty()
                || !lane.parked.is_empty()
                || lane.has_lesson_after(then)
        });
        let forget =
            state.lanes.is_empty() && state.workers == 0 && !state.has_lesson_after(self.workers_start, then);
        if forget || state.lanes.len() < before {
            self.changes.later();
        }
        forget
    }

    /// When it learned what it knows, lane by lane.
    pub(crate) fn lessons(&self, lessons: &mut Vec<Timestamp>) {
        let state = self.state();
        lessons.extend(state.lesson(self.workers_start));
        lessons.extend(state.lanes.values().filter_map(Lane::lesson));
    }
}

/// What was learned by then is forgotten at `now`, however little there is.
pub(crate) fn forgotten_by(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(
        now.as_millis().saturating_sub(u64::try_from(MEMORY.as_millis()).unwrap_or(u64::MAX)),
    )
}

#[cfg(test)]
#[path = "site_tests.rs"]
mod tests;
