//! Which recipients a command means, and how they are found without reading content or stopping the queue.

use std::sync::{Arc, atomic::Ordering};

use mail::{Envelope, QueueId, Recipient, Timestamp};

use crate::{
    Pattern, Spool, SpoolError, State,
    clean::read_current,
    frame::{Class, Frame},
    index::{Entry, Index, Message},
    shared::Shared,
};

/// Messages looked at while the queue stands still, and read back between two looks.
const LOOK: usize = 1000;

/// Recipients that are still owed and of which all that is set here is true; of a list, one thing has to be true.
/// The default takes everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Of these messages.
    pub ids: Vec<QueueId>,
    /// With such a forward-path.
    pub to: Vec<Pattern>,
    /// Of messages with such a reverse-path.
    pub from: Vec<Pattern>,
    /// In such a recipient domain.
    pub domains: Vec<Pattern>,
    /// Last tried at such a site.
    pub sites: Vec<Pattern>,
    /// Of messages accepted at this time or before.
    pub received_until: Option<Timestamp>,
    /// Of messages accepted at this time or after.
    pub received_from: Option<Timestamp>,
    /// Whose last reply has this in it, whatever the case of ASCII letters.
    pub reasons: Vec<String>,
    /// In one of these states.
    pub states: Vec<State>,
}

/// Recipients of a message that a selection takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) id: QueueId,
    pub(crate) recipients: Vec<u32>,
    /// The envelope, if it was read.
    pub(crate) envelope: Option<Arc<Envelope>>,
}

/// Of which messages the envelope is read, though the selection may not need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Of none.
    None,
    /// Of those of which something was tried or ordered.
    Touched,
    /// Of all.
    All,
}

/// What one look found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) taken: Vec<Taken>,
    /// Messages that were looked at.
    pub(crate) looked_at: u64,
    /// Look on behind this message; none at the end.
    pub(crate) next: Option<QueueId>,
}

impl Selection {
    /// All recipients of one message.
    pub fn message(id: QueueId) -> Self {
        Self { ids: vec![id], ..Self::default() }
    }

    /// What memory does not know is read from the envelope.
    fn needs_envelope(&self) -> bool {
        !(self.from.is_empty() && self.sites.is_empty() && self.reasons.is_empty())
    }

    fn takes_message(&self, message: &Message) -> bool {
        message.left > 0
            && self.received_until.is_none_or(|until| message.received <= until)
            && self.received_from.is_none_or(|from| message.received >= from)
    }

    fn takes_entry(&self, index: &Index, entry: &Entry) -> bool {
        let state = || self.states.is_empty() || self.states.contains(&Index::state(entry));
        entry.is_owed() && state() && self.takes_address(index, entry)
    }

    fn takes_address(&self, index: &Index, entry: &Entry) -> bool {
        if self.domains.is_empty() && self.to.is_empty() {
            return true;
        }
        let Some(domain) = index.domain_name(entry.domain) else { return false };
        any(&self.domains, || domain.to_string())
            && any(&self.to, || format!("{}@{domain}", mail::quoted_if_needed(&entry.local)))
    }

    fn takes_envelope(&self, envelope: &Envelope) -> bool {
        any(&self.from, || envelope.reverse_path.address().map(ToString::to_string).unwrap_or_default())
    }

    fn takes_recipient(&self, recipient: &Recipient) -> bool {
        let reply = || recipient.last_reply.as_ref().map(|reply| reply.to_string().to_ascii_lowercase());
        let says =
            |reply: &String| self.reasons.iter().any(|reason| reply.contains(&reason.to_ascii_lowercase()));
        any(&self.sites, || recipient.last_site.as_deref().unwrap_or_default().to_owned())
            && (self.reasons.is_empty() || reply().as_ref().is_some_and(says))
    }

    /// What memory knows of up to [`LOOK`] messages behind `after`.
    fn candidates(&self, index: &Index, after: Option<QueueId>) -> Look {
        let messages: Vec<&Message> = if self.ids.is_empty() {
            index.younger(after).take(LOOK).collect()
        } else {
            let mut ids: Vec<QueueId> =
                self.ids.iter().copied().filter(|id| after.is_none_or(|after| *id > after)).collect();
            ids.sort_unstable();
            ids.dedup();
            ids.into_iter().filter_map(|id| index.get(id)).take(LOOK).collect()
        };
        let next = messages.last().filter(|_| messages.len() == LOOK).map(|message| message.id);
        let looked_at = messages.len() as u64;
        let taken = messages.into_iter().filter(|message| self.takes_message(message)).map(|message| {
            let entries =
                (0..).zip(message.recipients.iter()).filter(|(_, entry)| self.takes_entry(index, entry));
            Taken { id: message.id, recipients: entries.map(|(place, _)| place).collect(), envelope: None }
        });
        Look { taken: taken.filter(|taken| !taken.recipients.is_empty()).collect(), looked_at, next }
    }

    /// Looks at the next part of the queue. Reads envelopes where it must: to be run where the disk may be waited for.
    fn look(&self, shared: &Arc<Shared>, detail: Detail, after: Option<QueueId>) -> Look {
        let (mut look, wanted) = {
            let state = shared.state();
            let look = self.candidates(&state.index, after);
            let wanted = |taken: &Taken| match detail {
                _ if self.needs_envelope() => true,
                Detail::None => false,
                Detail::Touched => state.index.get(taken.id).is_some_and(|message| !message.is_untouched()),
                Detail::All => true,
            };
            let wanted: Vec<bool> = look.taken.iter().map(wanted).collect();
            (look, wanted)
        };
        let mut wanted = wanted.into_iter();
        look.taken.retain_mut(|taken| !wanted.next().unwrap_or(false) || self.takes_read(shared, taken));
        look
    }

    /// Reads a message's envelope, and whether it is meant by what stands there.
    fn takes_read(&self, shared: &Arc<Shared>, taken: &mut Taken) -> bool {
        match envelope(shared, taken.id) {
            Ok(envelope) => {
                let takes = |place: &u32| {
                    envelope.recipients.get(*place as usize).is_some_and(|r| self.takes_recipient(r))
                };
                taken.recipients.retain(takes);
                let is_meant = self.takes_envelope(&envelope) && !taken.recipients.is_empty();
                taken.envelope = Some(envelope);
                is_meant
            }
            // Done meanwhile.
            Err(SpoolError::Unknown(_)) => false,
            // One damaged message must not hide the others.
            Err(error) => {
                tracing::warn!(queue_id = %taken.id, %error, "cannot read a message back to see whether it is meant");
                !self.needs_envelope()
            }
        }
    }
}

impl Spool {
    /// The next part of what a selection takes, behind the message `after`. Neither the queue nor the runtime waits for the disk.
    pub(crate) async fn look(
        &self,
        selection: &Arc<Selection>,
        after: Option<QueueId>,
    ) -> Result<Look, SpoolError> {
        self.look_closely(selection, Detail::None, after).await
    }

    /// The same with envelopes.
    pub(crate) async fn look_closely(
        &self,
        selection: &Arc<Selection>,
        detail: Detail,
        after: Option<QueueId>,
    ) -> Result<Look, SpoolError> {
        let reads = detail != Detail::None || selection.needs_envelope();
        if after.is_none() && reads && !self.shared.stalled.load(Ordering::SeqCst) {
            // Replies of attempts that ended a moment ago are not on disk yet. If they cannot be written, what was before is looked at.
            let _ = self.append(Frame::new(Class::Completion)).await;
        }
        let (shared, selection) = (Arc::clone(&self.shared), Arc::clone(selection));
        self.shared.io.run(move || Ok(selection.look(&shared, detail, after))).await
    }
}

/// Whether one of the patterns matches, or there is none. The text is only made if it is needed.
fn any(patterns: &[Pattern], text: impl FnOnce() -> String) -> bool {
    if patterns.is_empty() {
        return true;
    }
    let text = text();
    patterns.iter().any(|pattern| pattern.matches(&text))
}

/// A message's envelope as it stands now, without its content.
pub(crate) fn envelope(shared: &Arc<Shared>, id: QueueId) -> Result<Arc<Envelope>, SpoolError> {
    let unreadable = |source| SpoolError::Read { path: shared.dir(), source };
    // A message may move while it is read: then its new place is read.
    for _ in 0..3 {
        let (locs, content) = {
            let state = shared.state();
            let message = state.index.get(id).ok_or(SpoolError::Unknown(id))?;
            if let Some(fresh) = state.fresh(id).filter(|_| message.is_untouched()) {
                return Ok(Arc::clone(&fresh.envelope));
            }
            (message.locs().collect::<Vec<_>>(), message.content())
        };
        if let Some(current) = read_current(shared, id, &locs, content).map_err(unreadable)? {
            return Ok(Arc::new(current.stored.envelope));
        }
    }
    Err(SpoolError::Damaged { id, what: "envelope" })
}
