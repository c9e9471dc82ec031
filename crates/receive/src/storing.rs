//! That mail cannot be stored: what the client hears, and what the operator reads.

use std::sync::Arc;

use disk::Clock;
use mail::Reply;
use net::Complaint;
use spool::SpoolError;

use crate::reception::STATION;

const FULL: Reply = Reply::fixed(452, (4, 3, 1), "Insufficient system storage");
pub(crate) const NOT_STORED: Reply = Reply::fixed(451, (4, 3, 0), "Not stored; try again later");

/// How storing goes, for all sessions together: a full disk is one thing to tell, not one for each message that is refused.
pub(crate) struct Storing {
    clock: Arc<dyn Clock>,
    complaint: Complaint,
}

impl Storing {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, complaint: Complaint::default() }
    }

    /// A message was not stored, or cannot be. The reply for its client, 4yz, so that it keeps its copy and tries again; the operator
    /// gets the whole truth.
    pub(crate) fn failed(&self, error: &SpoolError) -> Reply {
        if let Some(messages) = self.complaint.happened(self.clock.now()) {
            tracing::error!(
                station = STATION, %error, messages, "mail is not stored: its clients are told to try again"
            );
        }
        if error.is_full() { FULL } else { NOT_STORED }
    }

    /// A message was stored.
    pub(crate) fn succeeded(&self) {
        if let Some(messages) = self.complaint.went_well(self.clock.now()) {
            tracing::warn!(station = STATION, refused = messages, "mail is stored again");
        }
    }
}
