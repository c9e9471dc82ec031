//! Flags and keywords are changed (RFC 9051 §6.4.6), perhaps only where nobody else did (RFC 7162 §3.1.3).

use std::ops::RangeInclusive;

use store::{Row, Sql, StoreError};

use crate::{
    Flags, FlagsAllowed, Keywords, MailboxId, Mailstore, MailstoreError, MessageState, ModSeq, Uid, UidSet,
    changing::Changing,
    number::{count, count_at, short_at},
    parts::Part,
    view::some_within,
};

/// What to do with flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagAction {
    /// Set these.
    Add,
    /// Clear these.
    Remove,
    /// Set these, and clear all others.
    Replace,
    /// The same, but only among those that may be changed; the others stay.
    ReplaceAmong(FlagsAllowed),
}

/// Which flags to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    /// How.
    pub action: FlagAction,
    /// These.
    pub flags: Flags,
    /// And these keywords.
    pub keywords: Vec<String>,
    /// Only of messages that did not change behind this mod-sequence.
    pub unchanged_since: Option<ModSeq>,
}

/// How messages are after a change of flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The mailbox' highest mod-sequence; that of each message that is different now.
    pub modseq: ModSeq,
    /// The mod-sequences of this change, one for each part of it that changed anything.
    pub own: Vec<ModSeq>,
    /// Those that were asked for and are there, as they are now; without the modified ones. Ascending by UID.
    pub messages: Vec<MessageState>,
    /// The mod-sequence that each of them had before.
    pub before: Vec<ModSeq>,
    /// Those that had changed since, and were left alone.
    pub modified: UidSet,
    /// The keywords of the mailbox.
    pub keywords: Keywords,
}

impl Mailstore {
    /// Changes flags of messages; of those that are not there, nothing. A message that has these flags already does not change. Of many messages some thousand
    /// are changed at a time, each time with a mod-sequence of its own; with an error those before are changed.
    ///
    /// # Errors
    /// There is no such mailbox, or no room for a new keyword; see [`MailstoreError`].
    pub async fn store_flags(
        &self,
        mailbox: MailboxId,
        uids: UidSet,
        change: FlagChange,
    ) -> Result<Stored, MailstoreError> {
        let (mut stored, mut rest) = self.store_some(mailbox, uids, change.clone()).await?;
        while !rest.is_empty() {
            let (some, left) = self.store_some(mailbox, rest, change.clone()).await?;
            (stored.modseq, stored.keywords, rest) = (some.modseq, some.keywords, left);
            stored.own.extend(some.own);
            stored.messages.extend(some.messages);
            stored.before.extend(some.before);
            some.modified.ranges().for_each(|range| stored.modified.extend(range));
        }
        Ok(stored)
    }

    /// The first of them, and which are left.
    async fn store_some(
        &self,
        mailbox: MailboxId,
        uids: UidSet,
        change: FlagChange,
    ) -> Result<(Stored, UidSet), MailstoreError> {
        self.change(move |sql, touched| {
            let mut changing = Changing::begin(sql, mailbox)?;
            let (mut part, highest) = (Part::of(&changing.mailbox), changing.mailbox.highest_modseq);
            let mut keywords = Keywords::load(sql, mailbox)?;
            let bits = match change.action {
                FlagAction::Remove => keywords.known(&change.keywords),
                _ => keywords.made(sql, mailbox, &change.keywords)?,
            };
            let (mut messages, mut before, mut modified) = (Vec::new(), Vec::new(), UidSet::default());
            for range in uids.ranges() {
                let lines = lines(sql, mailbox, &range, part.limit())?;
                let more = part.took(lines.len(), lines.last().map(|line| line.state.uid));
                for mut line in lines {
                    if change.unchanged_since.is_some_and(|since| line.state.modseq > since) {
                        modified.insert(line.state.uid);
                        continue;
                    }
                    before.push(line.state.modseq);
                    apply(sql, &mut changing, &change, bits, &mut line)?;
                    messages.push(line.state);
                }
                if !more {
                    break;
                }
            }
            let modseq = changing.finish(sql, touched)?.highest_modseq;
            let own = if modseq > highest { vec![modseq] } else { Vec::new() };
            Ok((Stored { modseq, own, messages, before, modified, keywords }, part.rest(&uids)))
        })
        .await
    }
}

struct FlagLine {
    state: MessageState,
    octets: u64,
}

fn lines(
    sql: &Sql<'_>,
    mailbox: MailboxId,
    range: &RangeInclusive<Uid>,
    most: i64,
) -> Result<Vec<FlagLine>, StoreError> {
    let select = "SELECT uid, flags, modseq, keywords, octets FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid LIMIT ?4";
    let line = |row: &Row<'_>| {
        let state = MessageState {
            uid: short_at(row, 0)?,
            flags: Flags::from_bits(row.integer(1)?),
            modseq: count_at(row, 2)?,
            keywords: row.integer(3)?.cast_unsigned(),
        };
        Ok(FlagLine { state, octets: count_at(row, 4)? })
    };
    sql.query(select, &some_within(mailbox, range, most), line)
}

fn apply(
    sql: &Sql<'_>,
    changing: &mut Changing,
    change: &FlagChange,
    bits: u64,
    line: &mut FlagLine,
) -> Result<(), MailstoreError> {
    let state = &mut line.state;
    let (flags, keywords) = match change.action {
        FlagAction::Add => (state.flags.with(change.flags), state.keywords | bits),
        FlagAction::Remove => (state.flags.without(change.flags), state.keywords & !bits),
        FlagAction::Replace => (change.flags, bits),
        FlagAction::ReplaceAmong(allowed) => (
            state.flags.without(allowed.flags).with(allowed.kept(change.flags)),
            if allowed.keywords { bits } else { state.keywords },
        ),
    };
    if (flags, keywords) == (state.flags, state.keywords) {
        return Ok(());
    }
    let modseq = changing.modseq();
    let update = "UPDATE message SET flags = ?1, keywords = ?2, modseq = ?3 WHERE mailbox = ?4 AND uid = ?5";
    let values = [
        flags.to_value(),
        keywords.cast_signed().into(),
        count(modseq),
        changing.mailbox.id.into(),
        i64::from(state.uid).into(),
    ];
    sql.execute(update, &values)?;
    changing.count_out(state.flags, line.octets);
    changing.count_in(flags, line.octets);
    *state = MessageState { flags, modseq, keywords, ..*state };
    Ok(())
}
