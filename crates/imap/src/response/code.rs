//! Response codes: what a status means to a program (RFC 9051 §7.1, RFC 5530 and the extensions).

use crate::{Flag, ObjectId, SequenceSet, text::Text};

/// A response code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// Show the text to the user.
    Alert,
    /// There is a mailbox of that name.
    AlreadyExists,
    /// Where appended messages are (RFC 4315).
    AppendUid {
        /// The UIDVALIDITY of the mailbox.
        validity: u32,
        /// Their UIDs.
        uids: SequenceSet,
    },
    /// The credentials are wrong.
    AuthenticationFailed,
    /// The credentials are right, but do not allow to act so.
    AuthorizationFailed,
    /// The character set is unknown; these are known.
    BadCharset(Vec<Box<str>>),
    /// The events are unknown; these are known (RFC 5465).
    BadEvent(Vec<Box<str>>),
    /// It can never be done.
    Cannot,
    /// What the server can.
    Capability(Vec<Box<str>>),
    /// The client did what it should not.
    ClientBug,
    /// The mailbox that was selected is closed (RFC 7162).
    Closed,
    /// Compression is active already (RFC 4978).
    CompressionActive,
    /// A person has to help.
    ContactAdmin,
    /// Where copied messages are (RFC 4315).
    CopyUid {
        /// The UIDVALIDITY of the mailbox that they were copied to.
        validity: u32,
        /// The UIDs that they have where they were.
        from: SequenceSet,
        /// Those that the copies have, in the same order.
        to: SequenceSet,
    },
    /// The mailbox is damaged.
    Corruption,
    /// The account or the password is no longer valid.
    Expired,
    /// Messages are gone that the command named.
    ExpungeIssued,
    /// There are mailboxes below it.
    HasChildren,
    /// The highest mod-sequence (RFC 7162).
    HighestModSeq(u64),
    /// Another session holds what is needed.
    InUse,
    /// A limit of the server's was met.
    Limit,
    /// The identity of a mailbox (RFC 8474).
    MailboxId(ObjectId),
    /// Values were left out; the largest has so many octets (RFC 5464).
    MetadataLongEntries(u32),
    /// A value has more octets than this (RFC 5464).
    MetadataMaxSize(u32),
    /// No more annotations (RFC 5464).
    MetadataTooMany,
    /// No private annotations here (RFC 5464).
    MetadataNoPrivate,
    /// Those that were not changed, for they had changed before (RFC 7162).
    Modified(SequenceSet),
    /// The mailbox has no mod-sequences (RFC 7162).
    NoModSeq,
    /// There is no such thing.
    NonExistent,
    /// It is not allowed.
    NoPerm,
    /// Too much happens to be told (RFC 5465).
    NotificationOverflow,
    /// The result is not kept (RFC 5182).
    NotSaved,
    /// The quota is, or would be, exceeded.
    OverQuota,
    /// A message could not be understood.
    Parse,
    /// The flags that stay.
    PermanentFlags {
        /// Those that there are.
        flags: Vec<Flag>,
        /// `\*`: new keywords can be made.
        new: bool,
    },
    /// Not without TLS.
    PrivacyRequired,
    /// Nothing can be changed.
    ReadOnly,
    /// It can be changed.
    ReadWrite,
    /// A fault of ours.
    ServerBug,
    /// The message is too large (RFC 7889).
    TooBig,
    /// There is no such mailbox, but there could be.
    TryCreate,
    /// The UID that the next message gets at the least.
    UidNext(u32),
    /// UIDs do not stay (RFC 4315).
    UidNotSticky,
    /// The UIDVALIDITY.
    UidValidity(u32),
    /// Something that is needed does not work now.
    Unavailable,
    /// The encoding of a part is unknown (RFC 3516).
    UnknownCte,
    /// The first message without `\Seen`, by its number. IMAP4rev1 has it (RFC 3501 §6.3.1), IMAP4rev2 no longer.
    Unseen(u32),
    /// That special use is not possible (RFC 6154).
    UseAttr,
}

impl Code {
    /// Whether it tells of nothing at all, for which there is no form.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::AppendUid { uids, .. } | Self::Modified(uids) => uids.is_empty(),
            Self::CopyUid { from, to, .. } => from.is_empty() || to.is_empty(),
            _ => false,
        }
    }

    /// With its brackets.
    pub(super) fn write(&self, out: &mut Text) {
        out.raw("[");
        match self {
            Self::AppendUid { validity, uids } => out.show(format_args!("APPENDUID {validity} {uids}")),
            Self::CopyUid { validity, from, to } => {
                out.show(format_args!("COPYUID {validity} {from} {to}"));
            }
            Self::BadCharset(names) => listed(out, "BADCHARSET", names),
            Self::BadEvent(names) => listed(out, "BADEVENT", names),
            Self::Capability(names) => super::words(out, "CAPABILITY", names),
            Self::HighestModSeq(value) => out.show(format_args!("HIGHESTMODSEQ {value}")),
            Self::MailboxId(id) => out.show(format_args!("MAILBOXID ({id})")),
            Self::MetadataLongEntries(octets) => out.show(format_args!("METADATA LONGENTRIES {octets}")),
            Self::MetadataMaxSize(octets) => out.show(format_args!("METADATA MAXSIZE {octets}")),
            Self::Modified(set) => out.show(format_args!("MODIFIED {set}")),
            Self::PermanentFlags { flags, new } => {
                let known = flags.iter().filter(|flag| flag.is_valid()).map(ToString::to_string);
                out.raw("PERMANENTFLAGS ");
                out.list(known.chain(new.then(|| "\\*".to_owned())), |out, name| out.raw(&name));
            }
            Self::UidNext(uid) => out.show(format_args!("UIDNEXT {uid}")),
            Self::Unseen(number) => out.show(format_args!("UNSEEN {number}")),
            Self::UidValidity(value) => out.show(format_args!("UIDVALIDITY {value}")),
            plain => out.raw(plain.word()),
        }
        out.raw("]");
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::Cannot => "CANNOT",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::Corruption => "CORRUPTION",
            Self::Expired => "EXPIRED",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::MetadataTooMany => "METADATA TOOMANY",
            Self::MetadataNoPrivate => "METADATA NOPRIVATE",
            Self::NoModSeq => "NOMODSEQ",
            Self::NonExistent => "NONEXISTENT",
            Self::NoPerm => "NOPERM",
            Self::NotificationOverflow => "NOTIFICATIONOVERFLOW",
            Self::NotSaved => "NOTSAVED",
            Self::OverQuota => "OVERQUOTA",
            Self::Parse => "PARSE",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::TooBig => "TOOBIG",
            Self::TryCreate => "TRYCREATE",
            Self::UidNotSticky => "UIDNOTSTICKY",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::UseAttr => "USEATTR",
            // The others have arguments.
            _ => "SERVERBUG",
        }
    }
}

/// A word, and names in parentheses if there are any.
fn listed(out: &mut Text, word: &str, names: &[Box<str>]) {
    out.raw(word);
    if !names.is_empty() {
        out.sp();
        out.list(names, |out, name| out.astring(name.as_bytes()));
    }
}
