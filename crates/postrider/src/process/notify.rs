//! What a service manager hears: systemd's notifications, as `sd_notify(3)` has them. Without one nothing happens.

use sd_notify::{NotifyState, notify};

/// Mail is served, at the start or again after a reload.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again.
pub(crate) fn reloading() {
    let now = NotifyState::monotonic_usec_now();
    tell(&[Some(NotifyState::Reloading), now.ok()].into_iter().flatten().collect::<Vec<_>>());
}

/// No new sessions; those under way end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
