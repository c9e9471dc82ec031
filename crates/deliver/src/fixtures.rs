//! What the unit tests of this crate share.

use mail::{Address, Body, Client, Envelope, QueueId, Recipient, ReversePath, Stream, Timestamp};
use smtp::Protocol;

use crate::{
    next_hop::{Credential, Terms},
    tls_policy::TlsPolicy,
};

/// The usual terms of a session.
pub(crate) fn terms() -> Terms {
    Terms {
        protocol: Protocol::Smtp,
        source: None,
        hello: "mx.example".into(),
        tls: TlsPolicy::Opportunistic,
        credential: Credential::None,
    }
}

/// An envelope from `otto@example.net`, received at the second 1000, due at once.
pub(crate) fn envelope(recipients: &[&str]) -> Envelope {
    let received = Timestamp::from_millis(1_000_000);
    Envelope {
        id: QueueId::new(received, 0, 7),
        received,
        client: Client::default(),
        listener: "smtp".into(),
        account: None,
        stream: Stream::default(),
        priority: 0,
        deliver_by: None,
        hold_until: None,
        reverse_path: ReversePath::Address(Address::parse("otto@example.net").unwrap()),
        ret: None,
        envid: None,
        body: Body::default(),
        smtputf8: false,
        require_tls: false,
        may_bounce: true,
        recipients: recipients
            .iter()
            .map(|address| Recipient::new(Address::parse(address).unwrap(), received))
            .collect(),
    }
}
