//! Jobs for equal hosts, and how these fare.

use std::collections::VecDeque;

use mail::{Domain, Reply, Timestamp};
use std::sync::Arc;
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
}

/// Jobs for equal hosts; they share connections.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) jobs: VecDeque<Job>,
    pub(super) parked: Vec<Domain>,
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

    pub(super) fn wants_worker(&self) -> bool {
        !self.jobs.is_empty() && (self.failures == 0 || self.workers == 0)
    }

    pub(super) fn rests_at(&self, now: Timestamp) -> Option<&Suspension> {
        self.suspension.as_ref().filter(|suspension| suspension.until > now)
    }
}
