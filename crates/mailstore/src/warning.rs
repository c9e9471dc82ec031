//! Warnings of a quota that is nearly used up: a message into the mailbox itself, in the transaction of the delivery that made it so.

use std::fmt;

use store::Sql;

use crate::{
    AccountId, Content, Flags, Mailbox, Mailstore, MailstoreError, Quota,
    account::{self, Told},
    changing::{Changing, Touched},
    filing::{Marks, file},
    name::INBOX,
};

/// What there is to warn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning<'a> {
    /// The name of the account.
    pub account: &'a str,
    /// What it holds, and may hold.
    pub quota: Quota,
    /// Mail was refused already, and waits for room.
    pub full: bool,
    /// When it is, in milliseconds since 1970.
    pub now: i64,
}

/// When and how somebody is warned.
pub struct QuotaWarning {
    /// From which share of the quota on, in hundredths.
    pub percent: u8,
    /// Writes the message.
    pub write: Box<Write>,
}

/// Writes a message.
pub type Write = dyn Fn(&Warning<'_>) -> Vec<u8> + Send + Sync;

impl fmt::Debug for QuotaWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuotaWarning({} %)", self.percent)
    }
}

impl Quota {
    /// How much of it is used, in hundredths, of whatever is scarcer; none if nothing is limited.
    pub fn percent(&self) -> Option<u64> {
        let share =
            |used: u64, most: Option<u64>| Some(used.saturating_mul(100).checked_div(most?).unwrap_or(100));
        share(self.octets, self.octets_max).max(share(self.messages, self.messages_max))
    }
}

impl Mailstore {
    /// Has those warned to whom mail is delivered. Only the first call counts.
    pub fn warn_of_quotas(&self, warning: QuotaWarning) {
        // Set once, when all parts are there.
        let _ = self.warning.set(warning);
    }
}

impl QuotaWarning {
    /// After a delivery: once when it has become so much, and again when it has been less meanwhile.
    pub(crate) fn filed(
        &self,
        sql: &Sql<'_>,
        touched: &mut Touched,
        (account, name): (AccountId, &str),
        now: i64,
    ) -> Result<(), MailstoreError> {
        let quota = account::quota(sql, account)?;
        if quota.percent().is_none_or(|percent| percent < self.percent.into()) {
            return Ok(());
        }
        let told = account::told(sql, account)?;
        if told.warned > 0 {
            return Ok(());
        }
        account::set_told(sql, account, &Told { warned: self.percent.into(), ..told })?;
        self.file(sql, touched, account, &Warning { account: name, quota, full: false, now })
    }

    /// When there was no room: once, and again when something has gone meanwhile.
    pub(crate) fn refused(
        &self,
        sql: &Sql<'_>,
        touched: &mut Touched,
        name: &str,
        now: i64,
    ) -> Result<(), MailstoreError> {
        let account = account::found(sql, name)?.ok_or(MailstoreError::NoAccount)?;
        let (quota, told) = (account::quota(sql, account)?, account::told(sql, account)?);
        if told.full {
            return Ok(());
        }
        account::set_told(sql, account, &Told { full: true, ..told })?;
        self.file(sql, touched, account, &Warning { account: name, quota, full: true, now })
    }

    /// It counts as any message does, but is never refused.
    fn file(
        &self,
        sql: &Sql<'_>,
        touched: &mut Touched,
        account: AccountId,
        warning: &Warning<'_>,
    ) -> Result<(), MailstoreError> {
        let inbox = Mailbox::by_name(sql, account, INBOX)?.ok_or(MailstoreError::NoMailbox)?;
        let mut changing = Changing::of(inbox);
        changing.may_exceed = true;
        let marks = Marks { flags: Flags::none(), keywords: 0, internal_date: warning.now };
        let content = Content::new((self.write)(warning));
        file(sql, &mut changing, &content, b"Return-Path: <>\r\n", &marks, warning.now)?;
        changing.finish(sql, touched)?;
        Ok(())
    }
}
