//! How a site fares: to be looked at, and to be remembered over a restart (mail-rules 9).

use std::sync::Arc;

use mail::{Reply, Timestamp};

use super::{Lane, MEMORY, Site, State, Suspension, forgotten_by};
use crate::{pace::Pace, retry::REST_MAX};

/// How a site fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteStatus {
    /// Its name.
    pub site: Arc<str>,
    /// Open connections, those under way included.
    pub connections: usize,
    /// How many it may have now.
    pub connections_allowed: usize,
    /// When that number last changed.
    pub allowed_since: Timestamp,
    /// The last time that it had enough of us, or could not be reached.
    pub last_refusal: Option<Refusal>,
    /// Its sets of equal hosts.
    pub lanes: Vec<LaneStatus>,
}

/// How the hosts of a lane fare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// The hosts in their order, and the terms on which sessions with them are held.
    pub hosts: Arc<str>,
    /// Open connections, those under way included.
    pub connections: usize,
    /// Jobs that wait in memory for a connection.
    pub ready: usize,
    /// Domains with more work in the spool, which wait for room among those jobs.
    pub parked: usize,
    /// Rounds in a row in which no host could be reached.
    pub failures: u32,
    /// Nothing is tried before that is over. It may be over already: then the next job is a probe.
    pub suspension: Option<Suspension>,
}

/// A word against us, or silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// What the host said, or our words for its silence.
    pub reply: Reply,
    /// The host.
    pub host: Option<Arc<str>>,
}

impl Site {
    /// How it fares now.
    pub(crate) fn status(&self) -> SiteStatus {
        let state = self.state();
        let mut lanes: Vec<LaneStatus> = state.lanes.iter().map(|(hosts, lane)| lane.status(hosts)).collect();
        lanes.sort_by(|a, b| a.hosts.cmp(&b.hosts));
        SiteStatus {
            site: Arc::clone(&self.key.site),
            connections: state.workers,
            connections_allowed: state.pace.allowed(),
            allowed_since: state.allowed_since,
            last_refusal: state.last_refusal.clone(),
            lanes,
        }
    }

    /// Takes up what an earlier run learned, as far as it is worth anything at `now`. A clock that was set back makes
    /// no rest longer than a rest can be.
    pub(crate) fn restore(&self, status: SiteStatus, now: Timestamp) {
        let longest = now.after(REST_MAX);
        let mut state = self.state();
        if now.since(status.allowed_since) < MEMORY {
            state.pace = Pace::learned(status.connections_allowed, self.workers_max);
            state.allowed_since = status.allowed_since.min(now);
        }
        state.last_refusal =
            status.last_refusal.map(|refusal| Refusal { at: refusal.at.min(now), ..refusal });
        for lane in status.lanes {
            let Some(suspension) = lane.suspension else { continue };
            let suspension = Suspension {
                failed_at: suspension.failed_at.min(now),
                until: suspension.until.min(longest),
                ..suspension
            };
            let failures = lane.failures.max(1);
            let restored = Lane { suspension: Some(suspension), failures, ..Lane::default() };
            if restored.has_lesson_after(forgotten_by(now)) {
                state.lanes.insert(lane.hosts, restored);
            }
        }
    }
}

impl Lane {
    fn status(&self, hosts: &Arc<str>) -> LaneStatus {
        LaneStatus {
            hosts: Arc::clone(hosts),
            connections: self.workers,
            ready: self.jobs.len(),
            parked: self.parked.len(),
            failures: self.failures,
            suspension: self.suspension.clone(),
        }
    }

    /// Until when what it learned was known to hold.
    pub(super) fn lesson(&self) -> Option<Timestamp> {
        self.suspension.as_ref().map(|suspension| suspension.until)
    }

    /// Whether it learned anything that held later than `then`.
    pub(super) fn has_lesson_after(&self, then: Timestamp) -> bool {
        self.lesson().is_some_and(|lesson| lesson > then)
    }
}

impl State {
    /// When the site last learned anything beside its lanes.
    pub(super) fn lesson(&self, usual: usize) -> Option<Timestamp> {
        let pace = (self.pace.allowed() != usual).then_some(self.allowed_since);
        pace.max(self.last_refusal.as_ref().map(|refusal| refusal.at))
    }

    /// Whether that was later than `then`.
    pub(super) fn has_lesson_after(&self, usual: usize, then: Timestamp) -> bool {
        self.lesson(usual).is_some_and(|lesson| lesson > then)
    }
}

impl SiteStatus {
    /// Whether a restart would lose something.
    pub(crate) fn is_worth_keeping(&self, usual: usize) -> bool {
        self.connections_allowed != usual
            || self.last_refusal.is_some()
            || self.lanes.iter().any(|lane| lane.suspension.is_some())
    }
}
