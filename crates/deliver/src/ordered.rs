//! Recipients that an operator has ordered to be given up: they go the way of all failures, reports included, without an attempt.

use std::sync::Arc;

use mail::{EnhancedStatus, Envelope, Reply};
use spool::{SpoolError, Work};

use crate::{
    on_panic::OnPanic,
    outcome::{Fate, Finding},
    shared::Shared,
};

/// The station in events and logs: somebody decided it there.
const STATION: &str = "admin";
/// Orders taken up at a time.
const TAKE_MAX: usize = 64;

/// Takes orders up until the server stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        while !shared.is_halted() {
            let works = shared.parts.spool.take_bounces(TAKE_MAX);
            if works.is_empty() {
                break;
            }
            let _in_hand = OnPanic(|| broke_off(&shared, &works));
            for work in &works {
                give_up(&shared, work).await;
            }
        }
        if shared.unless_stopped(shared.parts.spool.bounces_ordered()).await.is_none() {
            return;
        }
    }
}

/// A panic: the orders in hand are taken back, for they would break the next one who takes them up, and somebody else takes up the others.
fn broke_off(shared: &Arc<Shared>, works: &[Work]) {
    for work in works {
        let work = shared.parts.spool.still_in_flight(work);
        if !work.recipients.is_empty() {
            tracing::error!(queue_id = %work.id, station = STATION,
                "giving up broke off by a fault of ours: the message stays; `postrider queue remove` takes it out");
            shared.parts.spool.revoke_bounce(&work);
        }
    }
    shared.spawn(boxed_run(shared));
}

/// The box ends the circle of types.
fn boxed_run(shared: &Arc<Shared>) -> dns::BoxFuture<'static, ()> {
    Box::pin(run(Arc::clone(shared)))
}

async fn give_up(shared: &Shared, work: &Work) {
    match shared.parts.spool.load(work.id).await {
        Ok(loaded) => {
            let findings: Vec<Finding> =
                work.recipients.iter().filter_map(|number| finding(&loaded.envelope, *number)).collect();
            shared.settle(STATION, &loaded.envelope, &findings).await;
        }
        // Removed in the meantime, or the server stops: the order stands.
        Err(SpoolError::Unknown(_) | SpoolError::Closed | SpoolError::Poisoned) => {
            shared.parts.spool.put_back(work);
        }
        Err(error) => {
            tracing::error!(queue_id = %work.id, station = STATION, %error,
                "cannot read a message that is to be given up, so nobody can be told: it stays; `postrider queue remove` takes it out");
            shared.parts.spool.revoke_bounce(work);
        }
    }
}

fn finding(envelope: &Envelope, number: u32) -> Option<Finding> {
    let recipient = envelope.recipients.get(usize::try_from(number).ok()?)?;
    let reply = reply(recipient.bounce.as_deref()?);
    Some(Finding { ordered: true, ..Finding::own(number, Fate::Bounced, reply) })
}

/// The reply that an order's words make. A permanent status code before them is taken as that.
fn reply(words: &str) -> Reply {
    let status = |word: &str| word.parse::<EnhancedStatus>().ok().filter(|_| word.starts_with("5."));
    match words.split_once(' ').and_then(|(first, rest)| Some((status(first)?, rest))) {
        Some((status, rest)) => Reply::new(550, status, rest.to_owned()),
        // RFC 3463 §3.8: refused by policy, here that of whoever runs the server.
        None => Reply::new(550, EnhancedStatus::new(5, 7, 1), words.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_bring_their_own_status() {
        let all = ["no more", "5.3.0 damaged", "4.3.0 later", "5.3.0"].map(|words| reply(words).to_string());
        assert_eq!(
            all,
            ["550 5.7.1 no more", "550 5.3.0 damaged", "550 5.7.1 4.3.0 later", "550 5.7.1 5.3.0"]
        );
    }
}
