//! What a server is told of a transaction: the parameters of the extensions that it offers, and no others.

use mail::{Address, Body, Notify, Reply};

use super::{Capabilities, Transaction};
use crate::{Protocol, RcptTo};

impl Transaction {
    /// Without what the server does not offer. What it must have to take the message at all is not among that: ask
    /// [`Transaction::refusal`] before.
    pub(super) fn fitted(mut self, capabilities: &Capabilities) -> Self {
        self.mail.smtputf8 = self.needs_smtputf8();
        if capabilities.size.is_none() {
            self.mail.size = None;
        }
        if self.mail.body == Body::EightBitMime && !capabilities.eight_bit_mime {
            self.mail.body = Body::SevenBit;
        }
        // RFC 2852 §4, RFC 6710 §5. FUTURERELEASE is for submission alone.
        let schedule = &mut self.mail.schedule;
        schedule.hold = None;
        schedule.by = schedule.by.filter(|_| capabilities.deliver_by);
        schedule.priority = schedule.priority.filter(|_| capabilities.priority);
        if !capabilities.dsn {
            // RFC 3461 §5.2.2: none of its parameters may be said.
            (self.mail.ret, self.mail.envid) = (None, None);
            for rcpt in &mut self.recipients {
                (rcpt.notify, rcpt.orcpt) = (Notify::default(), None);
            }
        }
        self
    }

    /// Why the server cannot take the transaction at all, in the words of a reply; it is not asked then.
    pub(super) fn refusal(&self, capabilities: &Capabilities) -> Option<Reply> {
        if self.needs_smtputf8() && !capabilities.smtputf8 {
            // RFC 6531 §3.2, §3.5.
            return Some(Reply::fixed(550, (5, 6, 7), "The next hop does not offer SMTPUTF8"));
        }
        if self.mail.size.is_some_and(|size| capabilities.too_large(size)) {
            // RFC 1870 §4.
            return Some(Reply::fixed(552, (5, 3, 4), "Message exceeds the size that the next hop takes"));
        }
        // RFC 3030 §3: never without, and by BDAT alone.
        let binary = capabilities.binary_mime && capabilities.chunking && self.mail.size.is_some();
        (self.mail.body == Body::BinaryMime && !binary)
            .then_some(const { Reply::fixed(554, (5, 6, 1), "The next hop does not take BINARYMIME") })
    }

    /// The octets of the only chunk (RFC 3030 §2); none: the content goes by DATA.
    ///
    /// A chunk waits for the replies to RCPT, so it costs no round trip more than DATA, which waits for its own. It is
    /// left to DATA where the length is not known, and in LMTP, where a refused BDAT might have one reply or many, unless
    /// there is no other way.
    pub(super) fn chunk(&self, protocol: Protocol, capabilities: &Capabilities) -> Option<u64> {
        let wanted = protocol == Protocol::Smtp || self.mail.body == Body::BinaryMime;
        self.mail.size.filter(|_| capabilities.chunking && wanted)
    }

    fn needs_smtputf8(&self) -> bool {
        self.mail.smtputf8
            || self.mail.reverse_path.address().is_some_and(Address::is_utf8)
            || self.recipients.iter().any(|RcptTo { forward_path, .. }| forward_path.is_utf8())
    }
}
