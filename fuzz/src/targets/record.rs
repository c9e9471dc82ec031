//! Payloads of the spool's records: any octets are read or refused, and what was read is written so that it reads the same.
//!
//! The first octet says which.

use mail::QueueId;
use spool::parts::{done_again, envelope_again, outcome_again};

pub(crate) fn run(octets: &[u8]) {
    let Some((kind, payload)) = octets.split_first() else { return };
    let id = QueueId::from_bytes([3; 16]);
    let again = |octets: &[u8]| match kind % 3 {
        0 => envelope_again(id, octets),
        1 => outcome_again(octets),
        _ => Some(done_again(octets)),
    };
    let Some(written) = again(payload) else { return };
    assert_eq!(again(&written).as_ref(), Some(&written), "kind {kind}: what was written reads otherwise");
}
