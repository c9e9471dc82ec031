//! One attempt to deliver a message to some of its recipients, whatever hosts it takes.

use std::sync::Arc;

use mail::{Envelope, Reply};
use message::write_junk_fields;
use smtp::{Protocol, client::Capabilities};
use spool::{ContentReader, SpoolError, Work};

use crate::{
    content::{Content, Form, Offers, Outgoing},
    dial::Tour,
    next_hop::{Chosen, NextHop},
    open::Open,
    relay_book::Reserved,
    replies, sealing,
    shared::Shared,
    signing::{Unsigned, signatures},
    site::Site,
    transaction::{in_ascii, recipient},
};

/// What is at work, and how far it is.
pub(crate) struct Attempt {
    pub(crate) work: Work,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) hop: Arc<NextHop>,
    pub(crate) content: Content,
    pub(crate) tour: Tour,
    pub(crate) open: Open,
    /// Room in the budget of a relay, for the transaction that comes next.
    pub(crate) reserved: Option<Reserved>,
}

impl Attempt {
    pub(crate) fn new(
        site: &Site,
        work: Work,
        envelope: Arc<Envelope>,
        hop: Arc<NextHop>,
        content: ContentReader,
    ) -> Self {
        let known = |number: &u32| recipient(&envelope, *number).is_some();
        let recipients = work.recipients.iter().copied().filter(known).collect();
        let open = Open::new(recipients, hop.chosen);
        let content = Content::new(work.id, content);
        Self { work, envelope, hop, content, tour: Tour::new(site), open, reserved: None }
    }

    /// The form in which the chosen recipients get the message from a host, or why they cannot get it there at all:
    /// another host may take it.
    pub(crate) async fn form(
        &mut self,
        shared: &Shared,
        host: &str,
        protocol: Protocol,
        capabilities: &Capabilities,
    ) -> Result<Result<Form, Reply>, SpoolError> {
        // RFC 2852 §4: whoever wants it back after a time does not want it where nobody heeds that. A mail store delivers at once.
        let returns = self.envelope.deliver_by.is_some_and(|by| by.return_then);
        if returns && protocol == Protocol::Smtp && !capabilities.deliver_by {
            return Ok(Err(replies::no_deliver_by(host)));
        }
        // RFC 1870 §4: it need not be asked. What is converted shows its length at its end.
        if capabilities.too_large(self.content.octets()) {
            return Ok(Err(replies::too_large(host, capabilities.size)));
        }
        if !capabilities.smtputf8 && self.needs_smtputf8(shared).await? {
            return Ok(Err(replies::no_smtputf8(host)));
        }
        let form = self.content.form(shared, self.envelope.body, Offers::of(capabilities)).await?;
        Ok(form.map(|form| Form { utf8_paths: capabilities.smtputf8, ..form }))
    }

    /// The message in a form that [`Attempt::form`] gave, signed if it is for us to sign it.
    pub(crate) async fn outgoing(&mut self, shared: &Shared, form: Form) -> Result<Outgoing, Unsigned> {
        let leaves = self.hop.chosen != Chosen::AsStore;
        let (envelope, content) = (&self.envelope, &mut self.content);
        let head = if sealing::is_passed_on(envelope) {
            sealing::fields(shared, envelope, content, form).await?
        } else {
            signatures(shared, envelope, content, form, leaves).await?
        };
        let head = if self.is_junk() { Some(with_junk_fields(head.as_deref())) } else { head };
        Ok(self.content.outgoing(shared, form).await?.headed(head))
    }

    /// Whether it is junk to those who are chosen, for they are all alike in that.
    fn is_junk(&self) -> bool {
        let first = self.open.recipients.first();
        first.and_then(|number| recipient(&self.envelope, *number)).is_some_and(|first| first.junk)
    }

    /// Whether there is anything that SMTPUTF8 is for: a local part or a header section beyond ASCII (RFC 6531 §3.2). Some
    /// clients ask for it with every message; the word alone is no reason to refuse one.
    async fn needs_smtputf8(&mut self, shared: &Shared) -> Result<bool, SpoolError> {
        let Self { envelope, open, .. } = self;
        let recipients = open.recipients.iter().filter_map(|number| recipient(envelope, *number));
        let mut paths = envelope
            .reverse_path
            .address()
            .into_iter()
            .chain(recipients.map(|recipient| &recipient.forward_path));
        if paths.any(|path| in_ascii(path).is_none()) {
            return Ok(true);
        }
        Ok(envelope.smtputf8 && self.content.has_eight_bit_header(shared).await?)
    }
}

/// With the fields that say so, for the filters and rules of the next host.
fn with_junk_fields(head: Option<&[u8]>) -> Arc<[u8]> {
    let mut fields = Vec::new();
    write_junk_fields(&mut fields);
    fields.extend_from_slice(head.unwrap_or_default());
    fields.into()
}
