//! Mailboxes: messages, UIDs, flags, and what became different since.
//!
//! *Takes* messages from final delivery and from clients, and changes of mailboxes and flags. *Hands on* mailboxes as they are, what
//! changed behind a mod-sequence, and the octets of messages as they came. *Never* gives a UID twice, and never says that something is
//! done before it is on stable storage. Knows nothing of IMAP's or POP3's syntax. The tables are in `docs/design/mailstore.md`.

mod account;
mod acl;
mod changing;
mod content;
mod delivery;
mod derived;
mod error;
mod filing;
mod flag_change;
mod flags;
mod garbage;
mod ids;
mod import;
mod mailbox;
mod mailboxes;
mod mailstore;
mod metadata;
mod name;
mod number;
mod parts;
mod put_back;
mod reader;
mod removal;
mod rename;
mod rights;
mod schema;
mod text;
mod threads;
mod transfer;
mod uid_set;
mod upload;
mod verify;
mod view;
mod warning;
mod watch;

pub use account::Quota;
pub use acl::{ACL_ENTRIES_MAX, ANYONE, AclChange, AclEntry, Visible};
pub use content::Content;
pub use delivery::{Delivered, Delivery};
pub use error::MailstoreError;
pub use filing::{Appended, NewMessage};
pub use flag_change::{FlagAction, FlagChange, Stored};
pub use flags::{Flags, KEYWORDS_MAX, Keywords};
pub use ids::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid};
pub use import::{Import, Imported, KnownBy};
pub use mailbox::{Mailbox, SpecialUse};
pub use mailboxes::MAILBOXES_MAX;
pub use mailstore::Mailstore;
pub use metadata::{ANNOTATION_OCTETS_MAX, ANNOTATIONS_MAX, Annotated, AnnotationChanges};
pub use name::{NAME_OCTETS_MAX, spelling};
pub use put_back::Fingerprint;
pub use reader::Reader;
pub use removal::Vanished;
pub use rights::{FlagsAllowed, Rights};
pub use schema::SCHEMA;
pub use text::{SearchedText, TEXT_SCHEMA, TextFound};
pub use transfer::Copied;
pub use uid_set::UidSet;
pub use upload::Upload;
pub use verify::Finding;
pub use view::{Changes, Facts, MessageState, View};
pub use warning::{QuotaWarning, Warning, Write};
pub use watch::Watch;
