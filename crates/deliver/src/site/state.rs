//! The lanes of a site and who works in them, in order of turn.

use std::{collections::BTreeMap, sync::Arc};

use mail::Timestamp;
use tokio::sync::oneshot;

use super::{Job, Lane, Refusal, shunned::Shunned, turns::Turns};
use crate::pace::Pace;

/// Lanes, and the workers that they share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) lanes: BTreeMap<Arc<str>, Lane>,
    pub(super) workers: usize,
    /// How many workers the site bears.
    pub(super) pace: Pace,
    pub(super) allowed_since: Timestamp,
    pub(super) last_refusal: Option<Refusal>,
    pub(super) shunned: Shunned,
    /// Lanes that have work and no worker.
    starving: Turns,
    /// Lanes that have work for more workers than they have.
    wanting: Turns,
    /// Lanes with a worker that waits for work.
    idling: Turns,
    pub(super) closed: bool,
    /// When it was last asked it took mail.
    pub(super) takes_mail: bool,
}

impl State {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            lanes: BTreeMap::new(),
            workers: 0,
            pace,
            allowed_since: Timestamp::default(),
            last_refusal: None,
            shunned: Shunned::default(),
            starving: Turns::default(),
            wanting: Turns::default(),
            idling: Turns::default(),
            closed: false,
            takes_mail: false,
        }
    }

    /// A worker waits for work in a lane, and gives way if another lane has work and no worker.
    pub(super) fn idle(&mut self, lane: &Arc<str>) -> Option<oneshot::Receiver<Job>> {
        let (sender, receiver) = oneshot::channel();
        self.lanes.get_mut(lane)?.idle.push(sender);
        self.idling.push(lane);
        Some(receiver)
    }

    /// Ends the wait of the worker that has waited longest in a lane, so that it goes where there is work.
    fn send_away_an_idle_worker(&mut self) {
        let idles = |lane: &Arc<str>| self.lanes.get(lane).is_some_and(|lane| !lane.idle.is_empty());
        let Some(lane) = self.idling.pop(idles) else { return };
        if let Some(entry) = self.lanes.get_mut(&lane) {
            entry.idle.remove(0);
            if !entry.idle.is_empty() {
                self.idling.push(&lane);
            }
        }
    }

    /// Changes how many workers the site bears. Whether it is another number.
    pub(super) fn change_pace(&mut self, now: Timestamp, change: impl FnOnce(&mut Pace)) -> bool {
        let before = self.pace.allowed();
        change(&mut self.pace);
        let changes = self.pace.allowed() != before;
        if changes {
            self.allowed_since = now;
        }
        changes
    }

    /// Counts the workers that a lane still needs and the site still bears.
    pub(super) fn start_workers(&mut self, lane: &Arc<str>) -> usize {
        let spare = if self.closed { 0 } else { self.pace.allowed().saturating_sub(self.workers) };
        let Some(entry) = self.lanes.get_mut(lane) else { return 0 };
        // Workers that are busy connecting count: each will take a job. Who came back from a failure is probed by one.
        let wanted = if entry.failures > 0 { 1usize.saturating_sub(entry.workers) } else { entry.jobs.len() };
        let wanted = if entry.jobs.is_empty() { 0 } else { wanted };
        let start = wanted.min(spare);
        entry.workers += start;
        self.workers += start;
        let starves = entry.starves();
        if start < wanted {
            self.queue_up(lane);
        }
        if starves {
            self.send_away_an_idle_worker();
        }
        start
    }

    /// A lane with work waits for the next worker that is free.
    pub(super) fn queue_up(&mut self, lane: &Arc<str>) {
        match self.lanes.get(lane) {
            Some(entry) if entry.starves() => self.starving.push(lane),
            Some(entry) if entry.wants_worker() => self.wanting.push(lane),
            _ => {}
        }
    }

    pub(super) fn is_starving(&mut self) -> bool {
        let starves = |lane: &Arc<str>| self.lanes.get(lane).is_some_and(Lane::starves);
        self.starving.first(starves).is_some()
    }

    pub(super) fn is_wanting(&mut self) -> bool {
        let wants = |lane: &Arc<str>| self.lanes.get(lane).is_some_and(Lane::wants_worker);
        self.wanting.first(wants).is_some()
    }

    /// A lane that had no worker and has one now, if the site bears it.
    pub(super) fn starving_lane(&mut self) -> Option<Arc<str>> {
        if self.closed || self.workers >= self.pace.allowed() {
            return None;
        }
        let starves = |lane: &Arc<str>| self.lanes.get(lane).is_some_and(Lane::starves);
        let lane = self.starving.pop(starves)?;
        self.send_to(&lane)
    }

    /// The lane that gets a worker which is free, if the site bears it.
    pub(super) fn next_lane(&mut self) -> Option<Arc<str>> {
        if let Some(lane) = self.starving_lane() {
            return Some(lane);
        }
        if self.workers >= self.pace.allowed() {
            return None;
        }
        let wants = |lane: &Arc<str>| self.lanes.get(lane).is_some_and(Lane::wants_worker);
        let lane = self.wanting.pop(wants)?;
        self.send_to(&lane)
    }

    fn send_to(&mut self, lane: &Arc<str>) -> Option<Arc<str>> {
        self.lanes.get_mut(lane)?.workers += 1;
        self.workers += 1;
        // It may have work for more than one.
        self.queue_up(lane);
        Some(Arc::clone(lane))
    }
}
