//! One attempt to deliver a message to some of its recipients, whatever hosts it takes.

use std::sync::Arc;

use mail::{Envelope, Reply};
use smtp::client::Capabilities;
use spool::{ContentReader, SpoolError, Work};

use crate::{
    content::{Content, Form, Offers},
    dial::Tour,
    next_hop::NextHop,
    open::Open,
    replies,
    shared::Shared,
    site::Site,
    transaction::recipient,
};

/// What is at work, and how far it is.
pub(crate) struct Attempt {
    pub(crate) work: Work,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) hop: Arc<NextHop>,
    pub(crate) content: Content,
    pub(crate) tour: Tour,
    pub(crate) open: Open,
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
        Self { work, envelope, hop, content, tour: Tour::new(site), open }
    }

    /// The form in which the message goes to a host, or why it cannot go there at all: another host may take it.
    pub(crate) async fn form(
        &mut self,
        shared: &Shared,
        host: &str,
        capabilities: &Capabilities,
    ) -> Result<Result<Form, Reply>, SpoolError> {
        if self.envelope.smtputf8 && !capabilities.smtputf8 {
            return Ok(Err(replies::no_smtputf8(host)));
        }
        self.content.form(shared, self.envelope.body, Offers::of(capabilities)).await
    }
}
