//! A mailbox while it is changed: its row is read once, and written once.

use store::{Sql, Value};

use crate::{
    AccountId, EmailId, Flags, Mailbox, MailboxId, MailstoreError, ModSeq, ThreadId, Uid, account,
    number::{count, difference},
};

/// Which mailboxes became different, and whose: their watchers are told once it stands.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) mailboxes: Vec<MailboxId>,
    pub(crate) accounts: Vec<AccountId>,
    /// Somebody may do something else than before.
    pub(crate) sharing: bool,
}

impl Touched {
    pub(crate) fn account(&mut self, account: AccountId) {
        if !self.accounts.contains(&account) {
            self.accounts.push(account);
        }
    }

    pub(crate) fn mailbox(&mut self, mailbox: &Mailbox) {
        if !self.mailboxes.contains(&mailbox.id) {
            self.mailboxes.push(mailbox.id);
        }
        self.account(mailbox.account);
    }

    /// Who may do what with a mailbox changed.
    pub(crate) fn sharing(&mut self, mailbox: &Mailbox) {
        self.mailbox(mailbox);
        self.sharing = true;
    }
}

/// What a row of a message says beside its UID and mod-sequence.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) flags: Flags,
    pub(crate) keywords: u64,
    pub(crate) email: EmailId,
    pub(crate) content: i64,
    pub(crate) thread: Option<ThreadId>,
    pub(crate) octets: u64,
    pub(crate) head_octets: u32,
    pub(crate) internal_date: i64,
    pub(crate) saved_date: i64,
}

/// A mailbox with a change under way. All that the change touches gets one mod-sequence.
pub(crate) struct Changing {
    pub(crate) mailbox: Mailbox,
    before: Mailbox,
    changed: bool,
    /// The account may come over its quota.
    pub(crate) may_exceed: bool,
}

impl Changing {
    pub(crate) fn begin(sql: &Sql<'_>, id: MailboxId) -> Result<Self, MailstoreError> {
        Ok(Self::of(Mailbox::by_id(sql, id)?))
    }

    pub(crate) fn of(mailbox: Mailbox) -> Self {
        Self { before: mailbox.clone(), mailbox, changed: false, may_exceed: false }
    }

    /// The mod-sequence of this change.
    pub(crate) fn modseq(&mut self) -> ModSeq {
        self.changed = true;
        self.mailbox.highest_modseq = self.before.highest_modseq + 1;
        self.mailbox.highest_modseq
    }

    /// Counts a message with these flags in.
    pub(crate) fn count_in(&mut self, flags: Flags, octets: u64) {
        let mailbox = &mut self.mailbox;
        mailbox.messages += 1;
        mailbox.octets += octets;
        mailbox.unseen += u64::from(!flags.contains(Flags::SEEN));
        if flags.contains(Flags::DELETED) {
            mailbox.deleted += 1;
            mailbox.deleted_octets += octets;
        }
    }

    /// Counts a message with these flags out. Counts that were wrong do not go below nothing; `verify` finds them.
    pub(crate) fn count_out(&mut self, flags: Flags, octets: u64) {
        let mailbox = &mut self.mailbox;
        mailbox.messages = mailbox.messages.saturating_sub(1);
        mailbox.octets = mailbox.octets.saturating_sub(octets);
        mailbox.unseen = mailbox.unseen.saturating_sub(u64::from(!flags.contains(Flags::SEEN)));
        if flags.contains(Flags::DELETED) {
            mailbox.deleted = mailbox.deleted.saturating_sub(1);
            mailbox.deleted_octets = mailbox.deleted_octets.saturating_sub(octets);
        }
    }

    /// Adds a message; its UID.
    pub(crate) fn add(&mut self, sql: &Sql<'_>, line: &Line) -> Result<Uid, MailstoreError> {
        let (uid, modseq) = (self.mailbox.uid_next, self.modseq());
        self.mailbox.uid_next = uid.checked_add(1).ok_or(MailstoreError::UidsUsedUp)?;
        let insert = "INSERT INTO message (mailbox, uid, modseq, flags, keywords, email, content, thread, octets, head_octets, \
                      internal_date, saved_date) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let values = [
            self.mailbox.id.into(),
            i64::from(uid).into(),
            count(modseq),
            line.flags.to_value(),
            line.keywords.cast_signed().into(),
            line.email.into(),
            line.content.into(),
            line.thread.map_or(Value::Null, Into::into),
            count(line.octets),
            i64::from(line.head_octets).into(),
            line.internal_date.into(),
            line.saved_date.into(),
        ];
        sql.execute(insert, &values)?;
        self.count_in(line.flags, line.octets);
        Ok(uid)
    }

    /// Writes the row, and counts what the account holds.
    pub(crate) fn finish(self, sql: &Sql<'_>, touched: &mut Touched) -> Result<Mailbox, MailstoreError> {
        let Self { mailbox, before, changed, may_exceed } = self;
        if !changed {
            return Ok(mailbox);
        }
        let update = "UPDATE mailbox SET uid_next = ?1, highest_modseq = ?2, messages = ?3, unseen = ?4, deleted = ?5, \
                      octets = ?6, deleted_octets = ?7 WHERE id = ?8";
        let values = [
            i64::from(mailbox.uid_next).into(),
            count(mailbox.highest_modseq),
            count(mailbox.messages),
            count(mailbox.unseen),
            count(mailbox.deleted),
            count(mailbox.octets),
            count(mailbox.deleted_octets),
            mailbox.id.into(),
        ];
        sql.execute(update, &values)?;
        let octets = difference(mailbox.octets, before.octets);
        let messages = difference(mailbox.messages, before.messages);
        match account::count_usage(sql, mailbox.account, octets, messages) {
            Err(MailstoreError::OverQuota) if may_exceed => {}
            counted => counted?,
        }
        touched.mailbox(&mailbox);
        Ok(mailbox)
    }
}
