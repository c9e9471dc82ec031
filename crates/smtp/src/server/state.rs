//! Where a session is: what is legal now is what is stored now.

use mail::Reply;

use super::content::Content;

#[derive(Debug)]
pub(super) enum State {
    /// Nothing was said yet.
    Connected,
    /// Commands are read.
    Commands(Stage),
    /// Content is read.
    Content(Box<Content>),
    /// A transaction has to be forgotten before this is said.
    Forget(After),
    /// A question is with the policy.
    Asked(Asked),
    /// Nothing is read any more.
    Closed,
}

/// What commands may come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Only QUIT: the greeting was a refusal (RFC 5321 §3.1).
    Refused,
    /// No HELO or EHLO yet (RFC 5321 §4.1.4).
    Greeted,
    /// No transaction.
    Ready {
        /// The last command was refused. If it was MAIL, then the RCPT and DATA that were pipelined with it are no
        /// fault of the client's (RFC 2920 §3.1).
        after_refusal: bool,
    },
    /// A transaction.
    Envelope(Envelope),
}

/// What the machine remembers of a transaction; the rest is with the policy.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) size: Option<u64>,
    pub(super) smtputf8: bool,
    pub(super) accepted: usize,
    pub(super) refused: usize,
}

/// What the answer will be for, and all that is needed to go on.
#[derive(Debug)]
pub(super) enum Asked {
    Connected,
    Hello { extended: bool, stage: Stage },
    Mail { size: Option<u64>, smtputf8: bool },
    Recipient(Envelope),
    Data(Envelope),
    Content(Box<Content>),
    EndOfContent,
    Reset(After),
    Look { usual: Reply, stage: Stage },
}

/// What happens once a transaction is forgotten.
#[derive(Debug)]
pub(super) struct After {
    pub(super) reply: Reply,
    pub(super) close: bool,
}

impl Stage {
    pub(super) const READY: Self = Self::Ready { after_refusal: false };
}
