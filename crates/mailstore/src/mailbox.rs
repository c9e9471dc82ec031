//! A mailbox as its row says it is.

use store::{Row, Sql, StoreError, Value};

use crate::{
    AccountId, MailboxId, MailstoreError, ModSeq, Uid,
    number::{count_at, short_at},
};

/// What a mailbox is for (RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

impl SpecialUse {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::All, "\\All"),
        (Self::Archive, "\\Archive"),
        (Self::Drafts, "\\Drafts"),
        (Self::Flagged, "\\Flagged"),
        (Self::Junk, "\\Junk"),
        (Self::Sent, "\\Sent"),
        (Self::Trash, "\\Trash"),
    ];

    /// Its attribute, such as `\Sent`.
    pub fn attribute(self) -> &'static str {
        Self::NAMES.into_iter().find(|(special, _)| *special == self).map_or("", |(_, name)| name)
    }

    /// The one of an attribute in any case.
    pub fn parse(attribute: &str) -> Option<Self> {
        let same = |(_, name): &(Self, &str)| name.eq_ignore_ascii_case(attribute);
        Self::NAMES.into_iter().find(same).map(|(special, _)| special)
    }

    pub(crate) fn to_value(special: Option<Self>) -> Value {
        special.map(Self::attribute).into()
    }
}

/// A mailbox and its counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Which.
    pub id: MailboxId,
    /// Whose.
    pub account: AccountId,
    /// Its name, with `/` between levels.
    pub name: String,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// With the name and a UID it says for ever which message is meant.
    pub uid_validity: u32,
    /// The next UID.
    pub uid_next: Uid,
    /// The mod-sequence of the last change; at least 1.
    pub highest_modseq: ModSeq,
    /// UIDs from here on were shown to no session yet (`\Recent`, RFC 3501 §2.3.2).
    pub recent_from: Uid,
    /// Changes up to here may have removed UIDs of which nothing is kept.
    pub(crate) expunged_floor: ModSeq,
    /// How many messages.
    pub messages: u64,
    /// How many of them without `\Seen`.
    pub unseen: u64,
    /// How many of them with `\Deleted`.
    pub deleted: u64,
    /// The octets of all messages.
    pub octets: u64,
    /// The octets of those with `\Deleted`.
    pub deleted_octets: u64,
}

/// What [`Mailbox::read`] reads.
macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, name, special_use, uid_validity, uid_next, highest_modseq, recent_from, expunged_floor, \
             messages, unseen, deleted, octets, deleted_octets FROM mailbox ",
            $rest
        )
    };
}

impl Mailbox {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: MailboxId(row.integer(0)?),
            account: AccountId(row.integer(1)?),
            name: row.text(2)?,
            special_use: row.optional_text(3)?.as_deref().and_then(SpecialUse::parse),
            uid_validity: short_at(row, 4)?,
            uid_next: short_at(row, 5)?,
            highest_modseq: count_at(row, 6)?,
            recent_from: short_at(row, 7)?,
            expunged_floor: count_at(row, 8)?,
            messages: count_at(row, 9)?,
            unseen: count_at(row, 10)?,
            deleted: count_at(row, 11)?,
            octets: count_at(row, 12)?,
            deleted_octets: count_at(row, 13)?,
        })
    }

    pub(crate) fn by_id(sql: &Sql<'_>, id: MailboxId) -> Result<Self, MailstoreError> {
        let found = sql.query(columns!("WHERE id = ?1 AND account > 0"), &[id.into()], Self::read)?;
        found.into_iter().next().ok_or(MailstoreError::NoMailbox)
    }

    pub(crate) fn by_name(
        sql: &Sql<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<Option<Self>, MailstoreError> {
        let statement = columns!("WHERE account = ?1 AND name = ?2");
        Ok(sql.query(statement, &[account.into(), name.into()], Self::read)?.into_iter().next())
    }

    /// In no order.
    pub(crate) fn all(sql: &Sql<'_>, account: AccountId) -> Result<Vec<Self>, MailstoreError> {
        Ok(sql.query(columns!("WHERE account = ?1"), &[account.into()], Self::read)?)
    }
}
