//! Where a session is: what is legal now is what is stored now.

use mail::TlsSession;

use super::{Maildrop, auth::Talk, marks::Marks};
use crate::stuffing::Encoder;

/// How far the client has come (RFC 1939 §3).
#[derive(Debug)]
pub(super) enum Standing {
    /// AUTHORIZATION. The name that USER gave, if PASS may come now.
    Stranger(Option<Box<str>>),
    /// TRANSACTION.
    Client(Box<Open>),
}

/// A maildrop, and what the client wants deleted.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) maildrop: Maildrop,
    pub(super) marks: Marks,
}

/// What the session goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Clear,
    Tls,
}

#[derive(Debug)]
pub(super) enum State {
    /// Nothing was said yet.
    Connected,
    /// The client was told to begin with TLS.
    Securing,
    /// TLS is up, which the policy does not know yet.
    Secured {
        session: Box<TlsSession>,
        /// The client had been greeted before.
        greeted: bool,
    },
    /// Commands are read.
    Commands,
    /// An authentication exchange is under way: responses are read.
    Auth(Box<Talk>),
    /// A question of the mechanism's is with the policy.
    AuthAsked(Box<Talk>),
    /// Messages are listed; this is the next.
    Listing { by: By, next: u32 },
    /// A message is sent.
    Sending(Sending),
    /// A question is with the policy.
    Asked(Asked),
    /// Nothing is read any more.
    Closed,
}

/// What a list tells of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Size,
    UniqueId,
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) number: u32,
    /// Octets of it that have come.
    pub(super) offset: u64,
    pub(super) encoder: Encoder,
}

/// What the answer will be for, and all that is needed to go on.
#[derive(Debug)]
pub(super) enum Asked {
    Connected,
    Secured {
        greeted: bool,
    },
    Open,
    /// LIST or UIDL of one message.
    One {
        by: By,
        number: u32,
    },
    /// A part of a list.
    Some {
        by: By,
        from: u32,
        count: u32,
    },
    /// DELE needs to know how large it is.
    Delete {
        number: u32,
    },
    Octets(Sending),
    Update,
}
