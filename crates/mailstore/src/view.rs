//! What a session holds of its mailbox, and what it asks for beside.

use store::{Row, Sql, StoreError, Value};

use crate::{
    EmailId, Flags, Keywords, Mailbox, MailboxId, Mailstore, MailstoreError, ModSeq, ThreadId, Uid, UidSet,
    number::{count, count_at, short_at},
};

/// A mailbox as SELECT needs it: all of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// Its keywords.
    pub keywords: Keywords,
    /// Its messages, ascending by UID.
    pub messages: Vec<MessageState>,
}

/// What can change of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageState {
    /// Which.
    pub uid: Uid,
    /// Its flags.
    pub flags: Flags,
    /// When they changed last, or it came.
    pub modseq: ModSeq,
    /// Its keywords, by their bits.
    pub keywords: u64,
}

/// What became different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// Its keywords.
    pub keywords: Keywords,
    /// Messages that are new or have other flags, ascending by UID.
    pub changed: Vec<MessageState>,
    /// UIDs that are no longer there; perhaps more of these than became so just now (RFC 7162 §3.2.10).
    pub vanished: UidSet,
}

/// All that is known of a message without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Which.
    pub uid: Uid,
    /// When its flags changed last, or it came.
    pub modseq: ModSeq,
    /// Its flags.
    pub flags: Flags,
    /// Its keywords, by their bits.
    pub keywords: u64,
    /// By what its octets are read.
    pub email: EmailId,
    /// The messages that it belongs together with.
    pub thread: Option<ThreadId>,
    /// All octets of the message.
    pub octets: u64,
    /// How many of them are fields that final delivery put on top: offsets of the structure count from behind them.
    pub head_octets: u32,
    /// In milliseconds since 1970 (RFC 9051 §2.3.3).
    pub internal_date: i64,
    /// When it came into this mailbox, in milliseconds since 1970 (RFC 8514).
    pub saved_date: i64,
}

impl Mailstore {
    /// A mailbox with its messages. Waits for the disk.
    ///
    /// # Errors
    /// There is none; see [`MailstoreError`].
    pub fn view(&self, mailbox: MailboxId) -> Result<View, MailstoreError> {
        self.look(|sql| {
            let found = Mailbox::by_id(sql, mailbox)?;
            let select = "SELECT uid, flags, modseq, keywords FROM message WHERE mailbox = ?1 ORDER BY uid";
            let mut messages = Vec::with_capacity(usize::try_from(found.messages).unwrap_or(0).min(1 << 20));
            sql.query(select, &[mailbox.into()], |row| {
                messages.push(state(row)?);
                Ok(())
            })?;
            let used = messages.iter().fold(0, |used, state| used | state.keywords);
            let keywords = Keywords::load(sql, mailbox)?.used_by_messages(used);
            Ok(View { mailbox: found, keywords, messages })
        })
    }

    /// The keywords of a mailbox. Waits for the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn keywords(&self, mailbox: MailboxId) -> Result<Keywords, MailstoreError> {
        self.look(|sql| Ok(Keywords::load(sql, mailbox)?))
    }

    /// What became different behind a mod-sequence. Waits for the disk.
    ///
    /// # Errors
    /// There is no such mailbox, or no longer; see [`MailstoreError`].
    pub fn changes(&self, mailbox: MailboxId, since: ModSeq) -> Result<Changes, MailstoreError> {
        self.look(|sql| {
            let found = Mailbox::by_id(sql, mailbox)?;
            let select =
                "SELECT uid, flags, modseq, keywords FROM message WHERE mailbox = ?1 AND modseq > ?2";
            let mut changed = sql.query(select, &[mailbox.into(), count(since)], state)?;
            changed.sort_unstable_by_key(|message| message.uid);
            let vanished = if since < found.expunged_floor {
                all_missing(sql, &found)?
            } else {
                let select = "SELECT uid_first, uid_last FROM expunged WHERE mailbox = ?1 AND modseq > ?2";
                let range = |row: &Row<'_>| Ok(short_at(row, 0)?..=short_at(row, 1)?);
                sql.query(select, &[mailbox.into(), count(since)], range)?.into_iter().collect()
            };
            Ok(Changes { mailbox: found, keywords: Keywords::load(sql, mailbox)?, changed, vanished })
        })
    }

    /// What is known of messages, ascending by UID; of those that are not there, nothing. Ask for some hundreds at a time. Waits for
    /// the disk.
    ///
    /// # Errors
    /// The store failed.
    pub fn facts(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Vec<Facts>, MailstoreError> {
        self.look(|sql| {
            let mut all = Vec::new();
            for range in uids.ranges() {
                let select = "SELECT uid, modseq, flags, keywords, email, thread, octets, head_octets, internal_date, saved_date \
                              FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid";
                sql.query(select, &within(mailbox, &range), |row| {
                    all.push(facts(row)?);
                    Ok(())
                })?;
            }
            Ok(all)
        })
    }

    /// What is known of messages, each with the structure of its content: empty if none is kept. As [`Self::facts`] else.
    ///
    /// # Errors
    /// The store failed.
    pub fn listing(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        mut each: impl FnMut(Facts, &[u8]),
    ) -> Result<(), MailstoreError> {
        self.look(|sql| {
            for range in uids.ranges() {
                let select = "SELECT m.uid, m.modseq, m.flags, m.keywords, m.email, m.thread, m.octets, m.head_octets, \
                              m.internal_date, m.saved_date, s.octets FROM message m LEFT JOIN structure s ON s.content = m.content \
                              WHERE m.mailbox = ?1 AND m.uid BETWEEN ?2 AND ?3 ORDER BY m.uid";
                sql.query(select, &within(mailbox, &range), |row| {
                    each(facts(row)?, row.optional_slice(10)?.unwrap_or_default());
                    Ok(())
                })?;
            }
            Ok(())
        })
    }
}

pub(crate) fn within(mailbox: MailboxId, range: &std::ops::RangeInclusive<Uid>) -> [Value; 3] {
    [mailbox.into(), i64::from(*range.start()).into(), i64::from(*range.end()).into()]
}

/// The same with how many at most.
pub(crate) fn some_within(
    mailbox: MailboxId,
    range: &std::ops::RangeInclusive<Uid>,
    most: i64,
) -> [Value; 4] {
    let [mailbox, first, last] = within(mailbox, range);
    [mailbox, first, last, most.into()]
}

fn state(row: &Row<'_>) -> Result<MessageState, StoreError> {
    Ok(MessageState {
        uid: short_at(row, 0)?,
        flags: Flags::from_bits(row.integer(1)?),
        modseq: count_at(row, 2)?,
        keywords: row.integer(3)?.cast_unsigned(),
    })
}

fn facts(row: &Row<'_>) -> Result<Facts, StoreError> {
    Ok(Facts {
        uid: short_at(row, 0)?,
        modseq: count_at(row, 1)?,
        flags: Flags::from_bits(row.integer(2)?),
        keywords: row.integer(3)?.cast_unsigned(),
        email: EmailId(row.integer(4)?),
        thread: row.optional_integer(5)?.map(ThreadId),
        octets: count_at(row, 6)?,
        head_octets: short_at(row, 7)?,
        internal_date: row.integer(8)?,
        saved_date: row.integer(9)?,
    })
}

/// All UIDs that were given and are not there.
fn all_missing(sql: &Sql<'_>, mailbox: &Mailbox) -> Result<UidSet, MailstoreError> {
    let select = "SELECT uid FROM message WHERE mailbox = ?1 ORDER BY uid";
    let (mut missing, mut next) = (Vec::new(), 1);
    sql.query(select, &[mailbox.id.into()], |row| {
        let uid = short_at(row, 0)?;
        if next < uid {
            missing.push(next..=uid - 1);
        }
        next = uid.saturating_add(1);
        Ok(())
    })?;
    if next < mailbox.uid_next {
        missing.push(next..=mailbox.uid_next - 1);
    }
    Ok(missing.into_iter().collect())
}
