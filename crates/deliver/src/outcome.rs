//! From what an attempt found to what becomes of each recipient: delivered, deferred, bounced, expired.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use events::{Event, Kind, Mx};
use mail::{EnhancedStatus, Envelope, Recipient, Reply, ReversePath, Timestamp};
use message::{Action, Cause, Topic};
use spool::{Disposition, RecipientOutcome};

use crate::{clock_watch::DOUBT, report, retry::RetryPolicy, tls_policy::Protection};

/// Why nobody hears of a failure.
const JUNK: &str = "it cannot be delivered, and its sender is not told, for it is junk";
const FORGED: &str =
    "it cannot be delivered, and its sender is not told, for that address is shown to be forged";

/// What an attempt means for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The next hop or the mailbox has it.
    Delivered,
    /// Not now.
    Deferred,
    /// Never.
    Bounced,
    /// Never, and nobody hears of it.
    Dropped,
}

/// The host that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its name.
    pub(crate) host: Arc<str>,
    /// Its address and port; none if no connection was tried.
    pub(crate) address: Option<SocketAddr>,
    /// Its site.
    pub(crate) site: Arc<str>,
    /// How the session with it is protected.
    pub(crate) protection: Protection,
}

impl Endpoint {
    /// A host without a session.
    pub(crate) fn unreached(host: Arc<str>, address: Option<SocketAddr>, site: Arc<str>) -> Self {
        Self { host, address, site, protection: Protection::default() }
    }
}

/// What a delivery is to who asked for a report of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Success {
    /// The message is in the mailbox.
    Delivered,
    /// It is with a host that does not offer DSN, the end of all reports (RFC 3461 §5.2.2 (b)).
    Relayed,
    /// It is with a host that offers DSN, was told what the sender asked, and owes the report now.
    PassedOn,
}

/// What an attempt found for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub(crate) struct Finding {
    /// The recipient's number.
    pub(crate) recipient: u32,
    /// What it means.
    pub(crate) fate: Fate,
    /// The reply that decided it, or our own words in the form of one.
    pub(crate) reply: Reply,
    /// Whether the words are the host's.
    pub(crate) peer_words: bool,
    /// The host.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    /// What a delivery is to who asked for SUCCESS.
    pub(crate) success: Success,
    /// The host has the message, and does not offer DELIVERBY.
    pub(crate) without_deadline: bool,
    /// What else there is to say of a delivery, for the event log.
    pub(crate) note: Option<&'static str>,
    /// Set when the site rests and nothing was tried for this recipient.
    pub(crate) rested: Option<Rest>,
    /// An operator ordered it; nothing was tried for this recipient.
    pub(crate) ordered: bool,
    /// Nothing could be tried for this recipient, by a fault of this machine.
    pub(crate) stuck: bool,
    /// Its lifetime stands still until the next attempt: a relay's budget is used up, or it does not take our login (mail-rules 10, 12).
    pub(crate) paused: bool,
    /// There is somewhere else to try, at once.
    pub(crate) at_once: bool,
    /// The next attempt is not made before: the site rests from now on, or we do.
    pub(crate) not_before: Option<Timestamp>,
}

/// A site's rest, in which recipients wait without an attempt each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest {
    /// When its hosts were tried in vain.
    pub(crate) failed_at: Timestamp,
    /// Nothing before that time.
    pub(crate) until: Timestamp,
}

impl Finding {
    /// A finding in our own words, without a host.
    pub(crate) fn own(recipient: u32, fate: Fate, reply: Reply) -> Self {
        Self {
            recipient,
            fate,
            reply,
            peer_words: false,
            endpoint: None,
            success: Success::Delivered,
            without_deadline: false,
            note: None,
            rested: None,
            ordered: false,
            stuck: false,
            paused: false,
            at_once: false,
            not_before: None,
        }
    }
}

impl Finding {
    /// Whether there was an attempt for this recipient.
    fn was_tried(&self) -> bool {
        self.rested.is_none() && !self.ordered && !self.stuck
    }

    /// mail-rules 11: a site's rest outranks the retry list. Who waited for it without an attempt is due at its end.
    fn outranked(&self, next: Timestamp, now: Timestamp) -> Timestamp {
        match self.rested {
            _ if self.at_once => now,
            Some(rest) => rest.until,
            None => self.not_before.map_or(next, |until| until.max(next)),
        }
    }
}

/// What a finding is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    /// The message.
    pub(crate) envelope: &'a Envelope,
    /// Where it happened, for events and logs.
    pub(crate) station: &'static str,
    /// The time.
    pub(crate) now: Timestamp,
    /// Whether it is beyond doubt, so that lifetimes may end by it and delays be told (mail-rules 12).
    pub(crate) may_expire: bool,
    /// Retry list and lifetimes.
    pub(crate) retry: &'a RetryPolicy,
}

/// What becomes of a recipient, and what is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// For the spool.
    pub(crate) outcome: RecipientOutcome,
    /// For the event log.
    pub(crate) event: Event,
    /// Set when the sender is to hear that the recipient is late: so long it will be tried.
    pub(crate) late_until: Option<Timestamp>,
}

impl Circumstances<'_> {
    /// Decides. `random` spreads the next attempt. None if the message has no such recipient.
    pub(crate) fn judge(&self, finding: &Finding, random: u64) -> Option<Verdict> {
        let place = usize::try_from(finding.recipient).ok()?;
        let recipient = self.envelope.recipients.get(place)?;
        let mut disposition = self.disposition(finding, recipient, random);
        let unheard = self.unheard(recipient).filter(|_| cause(disposition).is_some());
        if unheard.is_some() {
            disposition = Disposition::Dropped;
        }
        let is_late = matches!(disposition, Disposition::Deferred { .. })
            && !finding.paused
            && self.late_at(recipient).is_some_and(|late_at| late_at <= self.now);
        let outcome = RecipientOutcome {
            recipient: finding.recipient,
            disposition,
            attempted: finding.was_tried(),
            reply: Some(finding.reply.clone()),
            mx: finding.endpoint.as_ref().map(|endpoint| (*endpoint.host).into()),
            site: finding.endpoint.as_ref().map(|endpoint| (*endpoint.site).into()),
            policy: None,
            delay_told: is_late,
            paused: match disposition {
                Disposition::Deferred { until } if finding.paused => until.since(self.now),
                _ => Duration::ZERO,
            },
        };
        let late_until = is_late.then(|| self.expires_at(recipient));
        let mut event = self.event(finding, recipient, disposition);
        if let Some(why) = unheard {
            let reason = event.reason.take().map(|reason| format!("{reason}; ")).unwrap_or_default();
            event.reason = Some(format!("{reason}{why}"));
        }
        Some(Verdict { outcome, event, late_until })
    }

    /// mail-rules 4: why a failure is told to nobody though there is a sender. It is on record as dropped then, with this reason.
    fn unheard(&self, recipient: &Recipient) -> Option<&'static str> {
        match self.envelope {
            Envelope { reverse_path: ReversePath::Null, .. } => None,
            _ if recipient.junk => Some(JUNK),
            Envelope { may_bounce: false, .. } => Some(FORGED),
            _ => None,
        }
    }

    /// When the sender is to hear that a recipient is late (RFC 3461 §5.2.5); none if it is not, or if that is settled.
    fn late_at(&self, recipient: &Recipient) -> Option<Timestamp> {
        let is_open = !recipient.delay_told && report::is_told(self.envelope, recipient, Topic::Delay);
        self.retry.late_at(self.envelope, recipient).filter(|_| is_open && self.may_expire)
    }

    /// When a recipient's lifetime is over. By a clock that is in doubt none is over soon.
    fn expires_at(&self, recipient: &Recipient) -> Timestamp {
        let expires_at = self.retry.expires_at(self.envelope, recipient);
        if self.may_expire { expires_at } else { expires_at.max(self.now.after(DOUBT)) }
    }

    fn disposition(&self, finding: &Finding, recipient: &Recipient, random: u64) -> Disposition {
        match finding.fate {
            Fate::Delivered => Disposition::Delivered,
            Fate::Bounced => Disposition::Bounced,
            Fate::Dropped => Disposition::Dropped,
            Fate::Deferred => {
                let expires_at = self.expires_at(recipient);
                // mail-rules 12: never expires without one more attempt. The vain attempt that put the site to rest
                // was made for all who wait for it, but only those whose time was over by then had their last one. Where there is
                // somewhere else to try, that was not the last one either.
                let attempted_at = finding.rested.map_or(self.now, |rest| rest.failed_at);
                let is_over =
                    attempted_at >= expires_at && !finding.stuck && !finding.paused && !finding.at_once;
                let attempt = recipient.attempts + u32::from(finding.was_tried());
                match self.retry.next_attempt(attempt.max(1), self.now, expires_at, random) {
                    _ if is_over => Disposition::Expired,
                    Some(next) => {
                        // Nobody hears of a delay without one more attempt, or long after it was due.
                        let late_at = self.late_at(recipient);
                        let late_at = late_at.filter(|late_at| *late_at > self.now && !finding.paused);
                        let next = late_at.map_or(next, |late_at| late_at.min(next));
                        Disposition::Deferred { until: finding.outranked(next, self.now) }
                    }
                    None => Disposition::Deferred { until: finding.outranked(self.now, self.now) },
                }
            }
        }
    }

    fn event(&self, finding: &Finding, recipient: &Recipient, disposition: Disposition) -> Event {
        let kind = match disposition {
            Disposition::Delivered => Kind::Delivered,
            Disposition::Deferred { .. } => Kind::Deferred,
            Disposition::Bounced => Kind::Bounced,
            Disposition::Expired => Kind::Expired,
            Disposition::Dropped => Kind::Dropped,
        };
        let mut event = Event::new(self.now, self.envelope.id, kind, self.station);
        event.reverse_path =
            Some(self.envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default());
        event.recipient = Some(recipient.forward_path.to_string());
        if let Some(endpoint) = &finding.endpoint {
            let address = endpoint.address.map(|address| address.to_string());
            event.mx = Some(Mx { host: endpoint.host.to_string(), address });
            event.site = Some(endpoint.site.to_string());
            event.tls = endpoint.protection.told();
        }
        event.reply = Some(finding.reply.to_string());
        if let Disposition::Deferred { until } = disposition {
            event.next_due = Some(until);
        }
        if finding.rested.is_some() && finding.paused {
            event.reason = Some(
                "the relay takes no mail of ours now; nothing was tried, and the lifetime stands still"
                    .to_owned(),
            );
        } else if finding.rested.is_some() {
            event.reason = Some(
                "the site rests, because it could not be reached or has enough of us; nothing was tried"
                    .to_owned(),
            );
        } else if finding.ordered {
            event.reason = Some("an operator gave it up".to_owned());
        } else if finding.stuck {
            event.reason = Some("nothing was tried, for want of something here".to_owned());
        } else {
            event.attempt = Some(recipient.attempts + 1);
            event.reason = finding.note.map(str::to_owned);
        }
        event
    }
}

/// Why a disposition is reported to the sender, if it is a failure.
pub(crate) fn cause(disposition: Disposition) -> Option<Cause> {
    match disposition {
        Disposition::Bounced => Some(Cause::Bounced),
        Disposition::Expired => Some(Cause::Expired),
        Disposition::Delivered | Disposition::Deferred { .. } | Disposition::Dropped => None,
    }
}

/// The status that a DSN reports (RFC 3464 §2.3.4): the reply's own if it is one of the right class.
pub(crate) fn status(action: Action, reply: &Reply) -> EnhancedStatus {
    let class = match action {
        // RFC 3463 §3.5: delivery time expired.
        Action::Failed(Cause::Expired) => return EnhancedStatus::new(4, 4, 7),
        Action::Failed(Cause::Bounced) => 5,
        Action::Delayed { .. } => 4,
        Action::Delivered | Action::Relayed | Action::Expanded => 2,
    };
    reply.enhanced().filter(|status| status.class == class).unwrap_or(EnhancedStatus::new(class, 0, 0))
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
