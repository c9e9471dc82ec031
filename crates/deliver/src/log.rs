//! One log line for each outcome, with queue id and station.

use spool::Disposition;

use crate::outcome::Verdict;

/// Writes it.
pub(crate) fn outcome(station: &'static str, Verdict { outcome, event, .. }: &Verdict) {
    let recipient = event.recipient.as_deref().unwrap_or_default();
    let mx = event.mx.as_ref().map(|mx| &*mx.host);
    let reply = event.reply.as_deref().unwrap_or_default();
    let id = event.id;
    match outcome.disposition {
        Disposition::Deferred { until } => {
            tracing::info!(queue_id = %id, station, recipient, mx, reply, %until, "deferred");
        }
        Disposition::Delivered => tracing::info!(queue_id = %id, station, recipient, mx, reply, "delivered"),
        Disposition::Bounced => tracing::info!(queue_id = %id, station, recipient, mx, reply, "bounced"),
        Disposition::Expired => tracing::info!(queue_id = %id, station, recipient, mx, reply, "expired"),
        Disposition::Dropped => tracing::info!(queue_id = %id, station, recipient, mx, reply, "dropped"),
    }
}
