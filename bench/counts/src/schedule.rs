//! The schedule: what one turn of the scheduler takes, whatever waits beside it.

use std::{hint::black_box, time::Duration};

use mail::{Address, Domain, Recipient, Timestamp};
use spool::{Disposition, Finished, RecipientOutcome, parts::Core};

use crate::texts::{NOON, address, envelope, id};

/// So many domains share what waits, if there are so many recipients.
const DOMAINS: u64 = 1_000;

pub(crate) fn of_10(times: u64) {
    turns(10, times);
}

pub(crate) fn of_1_000_000(times: u64) {
    turns(1_000_000, times);
}

/// A queue of `waiting` messages for one recipient each; then so many turns: a domain is checked out, its first recipient taken, put
/// off behind all others, and the domain released.
fn turns(waiting: u64, times: u64) {
    let Some(mut core) = queue(waiting) else { return };
    let later = Duration::from_millis(2 * waiting);
    for _ in 0..times {
        let Some(now) = core.next_due() else { return };
        let Some(domain) = core.checkout(now) else { return };
        for work in core.take(&domain, now, 1) {
            let deferred = Disposition::Deferred { until: now.after(later) };
            let outcomes = work.recipients.iter().map(|place| RecipientOutcome::new(*place, deferred));
            let outcomes = outcomes.collect();
            core.finish(Finished { id: work.id, outcomes, events: Vec::new(), reports: Vec::new() });
        }
        core.release(black_box(&domain));
    }
}

/// Messages due one after the other, spread over the domains.
fn queue(waiting: u64) -> Option<Core> {
    let mut core = Core::default();
    let base = address("bert@example.org")?;
    let domains = waiting.min(DOMAINS);
    let addresses: Vec<Address> = (0..domains)
        .filter_map(|number| {
            Address::new(base.local_part(), Domain::parse(&format!("d{number}.example.org")).ok()?).ok()
        })
        .collect();
    let mut envelope = envelope(base);
    for (number, address) in (0..waiting).zip(addresses.iter().cycle()) {
        let due = Timestamp::from_millis(NOON.as_millis() + number);
        (envelope.id, envelope.recipients) = (id(number), vec![Recipient::new(address.clone(), due)]);
        core.insert(&envelope, 10_240);
    }
    Some(core)
}
