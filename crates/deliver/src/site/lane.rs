//! Jobs for equal hosts, and how these fare.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::Arc,
};

use mail::{Domain, Reply, Timestamp};
use tokio::sync::oneshot;

use super::Job;

/// The hosts of a lane could not be reached, or want nothing of us: nothing is tried until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// When the last attempt failed.
    pub failed_at: Timestamp,
    /// When the next may be made.
    pub until: Timestamp,
    /// What the host said, or our words for its silence.
    pub reply: Reply,
    /// The host.
    pub host: Option<Arc<str>>,
    /// It is our account that rests: lifetimes stand still meanwhile (mail-rules 12).
    pub paused: bool,
}

/// Jobs for equal hosts; they share connections.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) jobs: VecDeque<Job>,
    /// Domains that wait for room, the first to come first.
    pub(super) parked: VecDeque<Domain>,
    /// Domains that may come again: there is room for a share of each.
    pub(super) invited: HashSet<Domain>,
    pub(super) idle: Vec<oneshot::Sender<Job>>,
    pub(super) workers: usize,
    pub(super) suspension: Option<Suspension>,
    /// Rounds in a row in which no host could be reached.
    pub(super) failures: u32,
}

impl Lane {
    /// Gives a job to the worker that became idle last, so that connections in surplus age and close.
    pub(super) fn hand_over(&mut self, mut job: Job) -> Option<Job> {
        while let Some(sender) = self.idle.pop() {
            match sender.send(job) {
                Ok(()) => return None,
                Err(back) => job = back,
            }
        }
        Some(job)
    }

    /// Lets a job wait: behind those that are as urgent as it is (RFC 6710 §5), before those that are less.
    pub(super) fn queue(&mut self, job: Job) {
        let place = self.jobs.iter().rposition(|other| other.work.priority >= job.work.priority);
        self.jobs.insert(place.map_or(0, |place| place + 1), job);
    }

    /// How many jobs of a domain the lane takes now. None: the domain is parked.
    ///
    /// A domain alone may have all the room. As soon as there are others they take turns, an eighth of the room at a
    /// time: a backlog of a hundred thousand messages does not keep the one message of another domain waiting.
    pub(super) fn room_or_park(&mut self, domain: &Domain, ready_max: usize) -> Option<usize> {
        let room = ready_max.saturating_sub(self.jobs.len());
        let invited = self.invited.remove(domain);
        let others = !self.parked.is_empty() || !self.invited.is_empty();
        // With jobs there is a worker that will invite; without, nobody would.
        if room == 0 || others && !invited && !self.jobs.is_empty() {
            self.parked.push_back(domain.clone());
            return None;
        }
        Some(if others { room.min(share(ready_max)) } else { room })
    }

    /// Domains that may come again, after jobs were taken.
    pub(super) fn invite(&mut self, ready_max: usize) -> Vec<Domain> {
        let shares = if self.jobs.is_empty() {
            // All, for nobody will come by again; and who was invited and did not come had nothing more.
            self.invited.clear();
            self.parked.len()
        } else if self.jobs.len() > ready_max / 2 {
            0
        } else {
            let room = ready_max.saturating_sub(self.jobs.len());
            (room / share(ready_max)).saturating_sub(self.invited.len()).min(self.parked.len())
        };
        let invited: Vec<Domain> = self.parked.drain(..shares).collect();
        self.invited.extend(invited.iter().cloned());
        invited
    }

    /// Gives up all that waits.
    pub(super) fn clear(&mut self) -> (Vec<Job>, Vec<Domain>) {
        self.invited.clear();
        (mem::take(&mut self.jobs).into(), mem::take(&mut self.parked).into())
    }

    /// Whether it has work and nobody to do it.
    pub(super) fn starves(&self) -> bool {
        !self.jobs.is_empty() && self.workers == 0
    }

    pub(super) fn wants_worker(&self) -> bool {
        !self.jobs.is_empty() && (self.failures == 0 || self.workers == 0)
    }

    pub(super) fn rests_at(&self, now: Timestamp) -> Option<&Suspension> {
        self.suspension.as_ref().filter(|suspension| suspension.until > now)
    }
}

/// The jobs of a domain in one turn.
fn share(ready_max: usize) -> usize {
    (ready_max / 8).max(1)
}
