//! Where a session is: what is legal now is what is stored now.

use mail::TlsSession;

use super::{Enabled, auth::Talk};
use crate::{Tag, command::Target, response::Status};

/// How far the client has come (RFC 9051 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Stranger,
    Authenticated,
    Selected,
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
        tls: TlsSession,
        /// The client had been greeted before.
        greeted: bool,
    },
    /// The client was told that compression begins.
    Compressing,
    /// Commands are read.
    Commands,
    /// A command has failed, and comes to its end: then this is said.
    Skipping { tag: Tag, reply: Status },
    /// An authentication exchange is under way: responses are read.
    Auth(Box<Talk>),
    /// A question of the mechanism's is with the policy.
    AuthAsked(Box<Talk>),
    /// IDLE: DONE is awaited.
    Idle(Tag),
    /// A message is read, or what stands behind it.
    Uploading(Box<Uploading>),
    /// The policy has more to tell.
    Telling(Tag, Telling),
    /// A question is with the policy.
    Asked(Asked),
    /// Nothing is read any more.
    Closed,
}

/// A command that brings messages.
#[derive(Debug)]
pub(super) struct Uploading {
    pub(super) tag: Tag,
    pub(super) target: Target,
    /// The message is one with `UTF8 (`.
    pub(super) utf8: bool,
    /// The message is here; the rest of the line is due.
    pub(super) behind: bool,
}

/// What a task may tell, and what its success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) expunges: bool,
    pub(super) then: Then,
}

/// What follows when a task is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// A mailbox is selected if it went well, and none if not.
    Select,
    /// No mailbox is selected if it went well.
    Close,
    /// Compression begins if it went well.
    Compress,
    /// This is enabled if it went well.
    Enable(Enabled),
    /// From here on the client hears of events; `at_once`: of expunged messages too.
    Notify {
        at_once: bool,
    },
    /// It does not any more.
    NotifyNone,
}

/// What the answer will be for, and all that is needed to go on.
#[derive(Debug)]
pub(super) enum Asked {
    Connected,
    Secured {
        greeted: bool,
    },
    /// Whether the exchange may end so.
    Authenticated(Tag),
    Task(Tag, Telling),
    Idle(Tag),
    /// `done`: the line was DONE.
    IdleEnded {
        tag: Tag,
        done: bool,
    },
    /// `synchronising`: the client waits.
    Message {
        uploading: Box<Uploading>,
        synchronising: bool,
    },
    Piece(Box<Uploading>),
    LastPiece(Box<Uploading>),
    /// `expunges`: the command replaces a message, or nothing is here that could name one by number.
    Commit {
        tag: Tag,
        expunges: bool,
    },
    /// `skip`: the command has not come to its end.
    Abandon {
        tag: Tag,
        reply: Status,
        skip: bool,
    },
}
