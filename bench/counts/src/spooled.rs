//! The core of the spool, as between two syncs.

use std::hint::black_box;

use events::{Event, Kind};
use mail::{Reply, Timestamp};
use spool::{
    Content, Disposition, Finished, RecipientOutcome, Submission,
    parts::{self, Core},
};

use crate::texts::{NOON, accepted, address, content_10k, envelope, id};

/// A message of 10 KiB laid out with its event, checksums included, and taken into the queue.
pub(crate) fn accept(times: u64) {
    accepted_messages(times);
}

/// The same, and then the outcome that ends it, with its event.
pub(crate) fn deliver(times: u64) {
    finish_each(times, Disposition::Delivered);
}

/// The same, but the message is put off.
pub(crate) fn defer(times: u64) {
    finish_each(times, Disposition::Deferred { until: Timestamp::from_millis(NOON.as_millis() + 900_000) });
}

/// An envelope from disk, and written again.
pub(crate) fn read_envelope(times: u64) {
    let Some(recipient) = address("bert@example.org") else { return };
    let octets = parts::envelope(&envelope(recipient));
    for number in 0..times {
        black_box(parts::envelope_again(id(number), black_box(&octets)));
    }
}

fn accepted_messages(times: u64) -> Core {
    let mut core = Core::default();
    let Some(recipient) = address("bert@example.org") else { return core };
    let (envelope, content) = (envelope(recipient), content_10k());
    for number in 0..times {
        let mut envelope = envelope.clone();
        envelope.id = id(number);
        let submission =
            Submission { envelope, content: Content::from(content.clone()), events: vec![accepted()] };
        black_box(core.accept(black_box(submission)));
    }
    core
}

fn finish_each(times: u64, disposition: Disposition) {
    let mut core = accepted_messages(times);
    for number in 0..times {
        let kind = if disposition.is_final() { Kind::Delivered } else { Kind::Deferred };
        let mut outcome = RecipientOutcome::new(0, disposition);
        outcome.reply = Some(Reply::plain(250, "Ok: queued as 4Qx7Yz"));
        let event = Event::new(NOON, id(number), kind, "deliver/remote");
        black_box(core.finish(Finished {
            id: id(number),
            outcomes: vec![outcome],
            events: vec![event],
            reports: Vec::new(),
        }));
    }
}
