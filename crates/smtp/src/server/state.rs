//! Where a session is: what is legal now is what is stored now.

use mail::{Reply, TlsSession};

use super::{auth::Talk, content::Content};

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
    /// Commands are read.
    Commands(Stage),
    /// Content is read.
    Content(Box<Content>),
    /// AUTH is under way: responses are read.
    Auth(Box<Talk>),
    /// A question of the mechanism's is with the policy.
    AuthAsked(Box<Talk>),
    /// A chunk that nobody wants is read, so that it is not taken for commands.
    Skip(Skip),
    /// A transaction has to be forgotten before this is said.
    Forget(After),
    /// A question is with the policy.
    Asked(Asked),
    /// Nothing is read any more.
    Closed,
}

/// What the session goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Clear,
    Tls,
}

/// What the client has shown of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet.
    Stranger,
    /// Who it is: AUTH has succeeded.
    Authenticated,
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
    /// A transaction of which chunks have come, but not the last (RFC 3030 §2).
    Chunks(Box<Content>),
    /// A transaction of which a chunk was refused. It is forgotten, but more of its chunks may be on their way.
    Spoilt(Box<Spoilt>),
}

/// What the machine remembers of a transaction; the rest is with the policy.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) size: Option<u64>,
    pub(super) smtputf8: bool,
    /// BODY=BINARYMIME.
    pub(super) binary: bool,
    pub(super) accepted: usize,
    pub(super) refused: usize,
}

/// What is left of a transaction of which a chunk was refused.
#[derive(Debug)]
pub(super) struct Spoilt {
    /// Said again to each of its chunks: a client may look at the last reply only, and must not take a fault of ours for
    /// a refusal.
    pub(super) reply: Reply,
    /// Octets of it that may yet be discarded.
    pub(super) patience: u64,
}

/// A chunk on its way to nowhere.
#[derive(Debug)]
pub(super) struct Skip {
    pub(super) left: u64,
    pub(super) last: bool,
    /// Octets that may yet be discarded before we give up on the client.
    pub(super) patience: u64,
    pub(super) stage: Stage,
}

/// What the answer will be for, and all that is needed to go on.
#[derive(Debug)]
pub(super) enum Asked {
    Connected,
    /// `greeted`: the client had been greeted before.
    Secured {
        greeted: bool,
    },
    Hello {
        extended: bool,
        stage: Stage,
    },
    /// `hello`: the proxy told its client's greeting, and whether that was EHLO.
    Proxied {
        hello: Option<bool>,
        stage: Stage,
    },
    /// Whether AUTH may end so.
    Authenticated,
    Mail(Envelope),
    Recipient(Envelope),
    Data(Envelope),
    Chunk(Box<Content>),
    Content(Box<Content>),
    EndOfContent,
    Reset(After),
    Look {
        usual: Reply,
        stage: Stage,
    },
}

/// What happens once a transaction is forgotten.
#[derive(Debug)]
pub(super) struct After {
    pub(super) reply: Reply,
    pub(super) times: usize,
    pub(super) close: bool,
    pub(super) stage: Stage,
}

impl After {
    pub(super) fn ready(reply: Reply) -> Self {
        Self { reply, times: 1, close: false, stage: Stage::READY }
    }
}

impl Stage {
    pub(super) const READY: Self = Self::Ready { after_refusal: false };
}
