//! Messages are copied, or move (RFC 9051 §6.4.7, RFC 6851). Octets stay where they are.

use store::{Row, Sql, StoreError};

use crate::{
    EmailId, Flags, FlagsAllowed, Keywords, Mailbox, MailboxId, Mailstore, MailstoreError, ModSeq, ThreadId,
    Uid, UidSet,
    changing::{Changing, Line, Touched},
    number::{count_at, short_at},
    parts::Part,
    removal,
    view::some_within,
};

/// Where messages came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The UIDVALIDITY of the mailbox that they came into.
    pub uid_validity: u32,
    /// For each its UID before and now, ascending.
    pub pairs: Vec<(Uid, Uid)>,
    /// The highest mod-sequence of the mailbox that they came from.
    pub modseq: ModSeq,
}

impl Mailstore {
    /// Copies messages, with flags and internal dates; those that are not there not. All or none.
    ///
    /// # Errors
    /// A mailbox is not there, or there is no room; see [`MailstoreError`].
    pub async fn copy(
        &self,
        from: MailboxId,
        uids: UidSet,
        to: MailboxId,
        now: i64,
    ) -> Result<Copied, MailstoreError> {
        self.copy_with(from, uids, to, FlagsAllowed::all(), now).await
    }

    /// Copies messages with those of their flags that the one who copies may set there. As [`Self::copy`] else.
    ///
    /// # Errors
    /// As [`Self::copy`].
    pub async fn copy_with(
        &self,
        from: MailboxId,
        uids: UidSet,
        to: MailboxId,
        allowed: FlagsAllowed,
        now: i64,
    ) -> Result<Copied, MailstoreError> {
        self.change(move |sql, touched| {
            let source = Changing::begin(sql, from)?.mailbox;
            let lines = lines(sql, from, &uids, &mut Part::whole())?;
            let target = Changing::begin(sql, to)?;
            let added = add(sql, touched, &lines, from, target, allowed, now)?;
            let modseq = if from == to { added.modseq } else { source.highest_modseq };
            Ok(Copied { modseq, ..added })
        })
        .await
    }

    /// Moves messages. At each moment each is in one of both. Of many some thousand move at a time (RFC 6851 §3.3: each moves or stays as it is); with an error
    /// those before have moved.
    ///
    /// # Errors
    /// A mailbox is not there, or another account has no room; see [`MailstoreError`].
    pub async fn move_to(
        &self,
        from: MailboxId,
        uids: UidSet,
        to: MailboxId,
        now: i64,
    ) -> Result<Copied, MailstoreError> {
        self.move_with(from, uids, to, FlagsAllowed::all(), now).await
    }

    /// Moves messages with those of their flags that the one who moves them may set there. As [`Self::move_to`] else.
    ///
    /// # Errors
    /// As [`Self::move_to`].
    pub async fn move_with(
        &self,
        from: MailboxId,
        uids: UidSet,
        to: MailboxId,
        allowed: FlagsAllowed,
        now: i64,
    ) -> Result<Copied, MailstoreError> {
        let (mut moved, mut rest) = self.move_some(from, uids, to, allowed, now).await?;
        while !rest.is_empty() {
            let (some, left) = self.move_some(from, rest, to, allowed, now).await?;
            (moved.uid_validity, moved.modseq, rest) = (some.uid_validity, some.modseq, left);
            moved.pairs.extend(some.pairs);
        }
        Ok(moved)
    }

    /// The first of them, and which are left.
    async fn move_some(
        &self,
        from: MailboxId,
        uids: UidSet,
        to: MailboxId,
        allowed: FlagsAllowed,
        now: i64,
    ) -> Result<(Copied, UidSet), MailstoreError> {
        self.change(move |sql, touched| {
            let mut part = Part::of(&Mailbox::by_id(sql, from)?);
            let moved = move_part(sql, touched, &Move { from, uids: &uids, to, allowed, now }, &mut part)?;
            Ok((moved, part.rest(&uids)))
        })
        .await
    }
}

/// What moves where, and with which flags.
pub(crate) struct Move<'a> {
    pub(crate) from: MailboxId,
    pub(crate) uids: &'a UidSet,
    pub(crate) to: MailboxId,
    pub(crate) allowed: FlagsAllowed,
    pub(crate) now: i64,
}

pub(crate) fn move_all(
    sql: &Sql<'_>,
    touched: &mut Touched,
    wanted: &Move<'_>,
) -> Result<Copied, MailstoreError> {
    move_part(sql, touched, wanted, &mut Part::whole())
}

fn move_part(
    sql: &Sql<'_>,
    touched: &mut Touched,
    wanted: &Move<'_>,
    part: &mut Part,
) -> Result<Copied, MailstoreError> {
    let Move { from, uids, to, allowed, now } = *wanted;
    let account = Changing::begin(sql, from)?.mailbox.account;
    let mut target = Changing::begin(sql, to)?;
    // In the account as a whole nothing becomes more, though it looks so in between.
    target.may_exceed = target.mailbox.account == account;
    let lines = lines(sql, from, uids, part)?;
    let added = add(sql, touched, &lines, from, target, allowed, now)?;
    let mut changing = Changing::begin(sql, from)?;
    let gone = added.pairs.iter().map(|(before, _)| *before).collect();
    removal::remove(sql, &mut changing, &gone, Flags::none(), now)?;
    let modseq = changing.finish(sql, touched)?.highest_modseq;
    Ok(Copied { modseq, ..added })
}

fn lines(
    sql: &Sql<'_>,
    mailbox: MailboxId,
    uids: &UidSet,
    part: &mut Part,
) -> Result<Vec<(Uid, Line)>, StoreError> {
    let mut lines = Vec::new();
    for range in uids.ranges() {
        let select = "SELECT uid, flags, keywords, email, content, thread, octets, head_octets, internal_date, saved_date \
                      FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid LIMIT ?4";
        let read = sql.query(select, &some_within(mailbox, &range, part.limit()), |row| {
            lines.push((short_at(row, 0)?, line(row)?));
            Ok(())
        })?;
        if !part.took(read.len(), lines.last().map(|(uid, _)| *uid)) {
            break;
        }
    }
    Ok(lines)
}

fn line(row: &Row<'_>) -> Result<Line, StoreError> {
    Ok(Line {
        flags: Flags::from_bits(row.integer(1)?),
        keywords: row.integer(2)?.cast_unsigned(),
        email: EmailId(row.integer(3)?),
        content: row.integer(4)?,
        thread: row.optional_integer(5)?.map(ThreadId),
        octets: count_at(row, 6)?,
        head_octets: short_at(row, 7)?,
        internal_date: row.integer(8)?,
        saved_date: row.integer(9)?,
    })
}

/// Adds messages of one mailbox to another; the mod-sequence is that of the other.
fn add(
    sql: &Sql<'_>,
    touched: &mut Touched,
    lines: &[(Uid, Line)],
    from: MailboxId,
    mut target: Changing,
    allowed: FlagsAllowed,
    now: i64,
) -> Result<Copied, MailstoreError> {
    let mut bits = Bits::between(sql, from, target.mailbox.id)?;
    let mut pairs = Vec::with_capacity(lines.len());
    for (uid, line) in lines {
        let hold =
            "UPDATE email SET references_held = references_held + 1, garbage_since = NULL WHERE id = ?1";
        sql.execute(hold, &[line.email.into()])?;
        let keywords = bits.translated(sql, allowed.kept_keywords(line.keywords))?;
        let flags = allowed.kept(line.flags);
        let new = target.add(sql, &Line { flags, keywords, saved_date: now, ..line.clone() })?;
        pairs.push((*uid, new));
    }
    let mailbox = target.finish(sql, touched)?;
    Ok(Copied { uid_validity: mailbox.uid_validity, pairs, modseq: mailbox.highest_modseq })
}

/// The bits of one mailbox' keywords in another.
struct Bits {
    to: MailboxId,
    source: Keywords,
    target: Keywords,
    /// The last translation: mostly all messages have the same keywords.
    last: (u64, u64),
}

impl Bits {
    fn between(sql: &Sql<'_>, from: MailboxId, to: MailboxId) -> Result<Self, StoreError> {
        let (source, target) = (Keywords::load(sql, from)?, Keywords::load(sql, to)?);
        Ok(Self { to, source, target, last: (0, 0) })
    }

    fn translated(&mut self, sql: &Sql<'_>, bits: u64) -> Result<u64, MailstoreError> {
        if self.last.0 != bits {
            let names: Vec<_> = self.source.names(bits).map(str::to_owned).collect();
            self.last = (bits, self.target.made(sql, self.to, &names)?);
        }
        Ok(self.last.1)
    }
}
