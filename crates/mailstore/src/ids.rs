//! What mailboxes and messages are called among programs (RFC 8474).

use std::fmt;

/// A UID: ascending within a mailbox, never given twice (RFC 9051 §2.3.1.1). Never 0.
pub type Uid = u32;
/// A mod-sequence: each change of a mailbox has a higher one (RFC 7162 §3). Fits 63 bits.
pub type ModSeq = u64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl From<$name> for store::Value {
            fn from(id: $name) -> Self {
                Self::Integer(id.0)
            }
        }
    };
}

id!(
    /// Whose mailboxes.
    AccountId, "A"
);
id!(
    /// A mailbox, whatever it is called: MAILBOXID (RFC 8474 §4). Never used again.
    MailboxId, "M"
);
id!(
    /// What of a message does not change, and what its copies share: EMAILID (RFC 8474 §5.1). Never used again.
    EmailId, "E"
);
id!(
    /// The messages that answer each other: THREADID (RFC 8474 §5.2).
    ThreadId, "T"
);
