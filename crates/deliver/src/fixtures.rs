//! What the unit tests of this crate share.

use mail::{Address, Envelope, QueueId, Recipient, ReversePath, Timestamp};
use smtp::Protocol;

use crate::next_hop::{Credential, Terms};

/// The usual terms of a session.
pub(crate) fn terms() -> Terms {
    Terms { protocol: Protocol::Smtp, source: None, hello: "mx.example".into(), credential: Credential::None }
}

/// An envelope from `otto@example.net`, received at the second 1000, due at once.
pub(crate) fn envelope(recipients: &[&str]) -> Envelope {
    let received = Timestamp::from_millis(1_000_000);
    let recipient = |address: &&str| Recipient::new(Address::parse(address).unwrap(), received);
    let recipients = recipients.iter().map(recipient).collect();
    Envelope {
        reverse_path: ReversePath::Address(Address::parse("otto@example.net").unwrap()),
        ..Envelope::new(QueueId::new(received, 0, 7), received, "smtp", recipients)
    }
}
