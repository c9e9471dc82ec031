//! What the queue is made of, recipient by recipient: the ground of statistics.

use std::sync::Arc;

use mail::{Envelope, QueueId, Timestamp};

use crate::{
    RecipientSummary, Selection, Spool, SpoolError,
    selection::{Detail, Look},
    view,
};

/// A message with those of its recipients that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// The message.
    pub id: QueueId,
    /// When it was accepted.
    pub received: Timestamp,
    /// Its envelope, if it was asked for and can be read: each recipient as its last attempt left it.
    pub envelope: Option<Arc<Envelope>>,
    /// The recipients that are meant.
    pub recipients: Vec<RecipientSummary>,
}

/// A part of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// The messages with somebody who is meant.
    pub messages: Vec<Surveyed>,
    /// Look on behind this message; none at the end.
    pub next: Option<QueueId>,
}

impl Spool {
    /// The next part of what a selection takes, behind the message `after`. Envelopes are read from disk: `senders` asks for
    /// all of them, else there are those of messages of which something was tried or ordered.
    ///
    /// # Errors
    /// The spool is closed.
    pub async fn survey(
        &self,
        selection: &Arc<Selection>,
        senders: bool,
        after: Option<QueueId>,
    ) -> Result<Survey, SpoolError> {
        let detail = if senders { Detail::All } else { Detail::Touched };
        let Look { taken, next, .. } = self.look_closely(selection, detail, after).await?;
        let state = self.shared.state();
        let surveyed = taken.into_iter().filter_map(|taken| {
            let message = state.index.get(taken.id)?;
            let mut recipients = view::summary(&state.index, message).recipients;
            recipients.retain(|owed| taken.recipients.binary_search(&owed.recipient).is_ok());
            let (id, received) = (message.id, message.received);
            (!recipients.is_empty()).then_some(Surveyed {
                id,
                received,
                envelope: taken.envelope,
                recipients,
            })
        });
        Ok(Survey { messages: surveyed.collect(), next })
    }
}
