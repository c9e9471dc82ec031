//! The envelope of a message, in the sense of IMAP (RFC 3501 §7.4.2, RFC 9051 §7.5.2).

use super::NString;

/// The envelope. Texts stand as in the message, but for folds; encoded words are not decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// The Date field.
    pub date: NString,
    /// The Subject field.
    pub subject: NString,
    /// The addresses of From.
    pub from: Vec<Address>,
    /// The addresses of Sender; none if there is no such field: [`Self::sender_or_from`].
    pub sender: Vec<Address>,
    /// The addresses of Reply-To; none if there is no such field: [`Self::reply_to_or_from`].
    pub reply_to: Vec<Address>,
    /// The addresses of To.
    pub to: Vec<Address>,
    /// The addresses of Cc.
    pub cc: Vec<Address>,
    /// The addresses of Bcc.
    pub bcc: Vec<Address>,
    /// The In-Reply-To field.
    pub in_reply_to: NString,
    /// The Message-ID field.
    pub message_id: NString,
}

/// An address of an envelope. Without a host it begins a group of that mailbox' name, or, without either, ends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The display name, its quotes removed, its encoded words as they stand.
    pub name: NString,
    /// The source route (RFC 5322 §4.4).
    pub route: NString,
    /// The local part, its quotes removed; of the beginning of a group, its name.
    pub mailbox: NString,
    /// The domain.
    pub host: NString,
}

impl Envelope {
    /// What ENVELOPE tells as the sender: From where there is no Sender (RFC 9051 §7.5.2).
    pub fn sender_or_from(&self) -> &[Address] {
        if self.sender.is_empty() { &self.from } else { &self.sender }
    }

    /// What ENVELOPE tells as Reply-To: From where there is none (RFC 9051 §7.5.2).
    pub fn reply_to_or_from(&self) -> &[Address] {
        if self.reply_to.is_empty() { &self.from } else { &self.reply_to }
    }
}
