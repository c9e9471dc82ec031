//! Reverse-paths of ours, on the way out and when something has to be reported.

use mail::{Envelope, ReversePath, Timestamp};

use crate::{forward, next_hop::Chosen, shared::Shared, signing::SENDMAIL};

impl Shared {
    /// The reverse-path of mail by an account of ours, signed so that reports of it can be told from forged ones; none if it goes as it is. A relay may take
    /// mail for what it knows as its customer's address, and a store keeps the reverse-path in the mailbox.
    pub(crate) fn signed_reverse_path(
        &self,
        envelope: &Envelope,
        chosen: Chosen,
        now: Timestamp,
    ) -> Option<ReversePath> {
        let paths = self.config.return_paths.as_ref()?;
        let sender = envelope.reverse_path.address()?;
        let is_ours = envelope.account.is_some() || &*envelope.listener == SENDMAIL;
        let goes_to_strangers = matches!(chosen, Chosen::ByDns | Chosen::ByRoute);
        if !is_ours || !goes_to_strangers || !self.live().directory.is_of_account(sender) {
            return None;
        }
        paths.sign(sender, now).map(ReversePath::Address)
    }

    /// The same message, from the sender to whom a report of it goes: of one that was sent on, that is who wrote it. None: as the envelope says.
    pub(crate) fn to_sender(&self, envelope: &Envelope, now: Timestamp) -> Option<Envelope> {
        let paths = self.config.return_paths.as_ref().filter(|_| &*envelope.listener == forward::LISTENER)?;
        let sender = paths.restore(envelope.reverse_path.address()?, now)?.ok()?;
        Some(Envelope { reverse_path: ReversePath::Address(sender), ..envelope.clone() })
    }
}
