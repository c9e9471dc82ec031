//! A transaction: from MAIL to the end of data, one reverse-path and the recipients so far.

use std::collections::HashSet;

use mail::{Address, Client, Envelope, QueueId, Recipient, Stream, Timestamp};
use smtp::MailFrom;

use crate::{Service, content::Incoming};

/// What an open transaction knows.
pub(crate) struct Transaction {
    pub(crate) mail: MailFrom,
    /// What the recipients became, in the order given; an address may stand twice.
    pub(crate) addresses: Vec<Address>,
    /// How many recipients were accepted, as the client counts them.
    pub(crate) accepted: usize,
    /// The first recipient as the client wrote it.
    first: Option<Address>,
    /// The content, once it has begun.
    pub(crate) content: Option<Incoming>,
}

impl Transaction {
    pub(crate) fn new(mail: MailFrom) -> Self {
        Self { mail, addresses: Vec::new(), accepted: 0, first: None, content: None }
    }

    /// Adds a recipient, as given (none for bare `postmaster`) and as what it became.
    pub(crate) fn add(&mut self, given: Option<Address>, became: Vec<Address>) {
        if self.accepted == 0 {
            self.first = given;
        }
        self.accepted += 1;
        self.addresses.extend(became);
    }

    /// The recipient for the Received field: only a sole one, and as the client knows it, so that no recipient learns
    /// of another (RFC 5321 §7.2).
    pub(crate) fn sole_recipient(&self) -> Option<&Address> {
        self.first.as_ref().filter(|_| self.accepted == 1)
    }

    /// The envelope under which the spool keeps the message.
    pub(crate) fn envelope(
        self,
        id: QueueId,
        received: Timestamp,
        client: Client,
        service: Service,
    ) -> Envelope {
        Envelope {
            id,
            received,
            client,
            listener: service.name().into(),
            account: None,
            stream: Stream::default(),
            priority: 0,
            deliver_by: None,
            hold_until: None,
            reverse_path: self.mail.reverse_path,
            ret: None,
            envid: None,
            body: self.mail.body,
            smtputf8: self.mail.smtputf8,
            require_tls: false,
            // Until SPF is checked, every origin may hear of a failure.
            may_bounce: true,
            recipients: once_each(self.addresses)
                .into_iter()
                .map(|address| Recipient::new(address, received))
                .collect(),
        }
    }
}

/// Each address once, in the order of its first place: nobody gets a message twice for being in two aliases.
fn once_each(addresses: Vec<Address>) -> Vec<Address> {
    if addresses.len() < 2 {
        return addresses;
    }
    let mut seen = HashSet::with_capacity(addresses.len());
    let first: Vec<bool> = addresses.iter().map(|address| seen.insert(address)).collect();
    addresses.into_iter().zip(first).filter_map(|(address, first)| first.then_some(address)).collect()
}

#[cfg(test)]
mod tests {
    use mail::{Body, ReversePath};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn transaction() -> Transaction {
        let reverse_path = ReversePath::Null;
        Transaction::new(MailFrom { reverse_path, size: None, body: Body::SevenBit, smtputf8: false })
    }

    #[test]
    fn an_address_in_two_aliases_gets_one_copy() {
        let mut transaction = transaction();
        transaction.add(None, addresses(&["b@x.example", "a@x.example"]));
        transaction.add(None, addresses(&["a@x.example", "c@x.example", "b@x.example"]));
        let id = QueueId::from_bytes([0; 16]);
        let envelope = transaction.envelope(id, Timestamp::default(), Client::default(), Service::Smtp);
        let kept: Vec<_> = envelope.recipients.iter().map(|r| r.forward_path.to_string()).collect();
        assert_eq!(kept, ["b@x.example", "a@x.example", "c@x.example"]);
    }

    #[test]
    fn only_a_sole_recipient_is_told_in_the_trace() {
        let given = addresses(&["team@x.example"]);
        let mut transaction = transaction();
        assert_eq!(transaction.sole_recipient(), None);
        transaction.add(given.first().cloned(), addresses(&["a@x.example", "b@x.example"]));
        assert_eq!(transaction.sole_recipient(), given.first());
        transaction.add(None, addresses(&["c@x.example"]));
        assert_eq!(transaction.sole_recipient(), None);
    }
}
