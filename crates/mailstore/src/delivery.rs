//! Final delivery: messages from the queue, each exactly once.

use std::sync::Arc;

use store::{Sql, Value};

use crate::{
    Content, Flags, Mailbox, MailboxId, Mailstore, MailstoreError, QuotaWarning, SpecialUse, Uid, account,
    changing::{Changing, Touched},
    filing::{Marks, file},
    mailboxes,
    name::{INBOX, spelling},
};

/// The name of the mailbox for junk that each account is made with.
const JUNK: &str = "Junk";

/// A message for a mailbox.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The name of the account; it is made if it is not there.
    pub account: String,
    /// The mailbox to file into, if there is one of this name in any case and without a special use; else it is INBOX.
    pub folder: Option<String>,
    /// It is junk: whatever the folder, it is for the mailbox of that special use, which is made if the account has none.
    pub junk: bool,
    /// By what this delivery is known again: of the message and the recipient. A second one with the same key changes nothing.
    pub key: Vec<u8>,
    /// Fields to put on top.
    pub head: Vec<u8>,
    /// The content.
    pub content: Content,
    /// When it is, in milliseconds since 1970.
    pub now: i64,
}

/// What became of a delivery. Either way the message is there, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It was filed.
    Filed {
        /// Where.
        mailbox: MailboxId,
        /// As which.
        uid: Uid,
    },
    /// It was filed before; the program did not hear of it.
    Already,
}

impl Mailstore {
    /// Delivers messages, each for itself; in one commit as far as there is room in it. Once it is asked for it is done, whether or not
    /// somebody waits.
    pub async fn deliver(&self, deliveries: Vec<Delivery>) -> Vec<Result<Delivered, MailstoreError>> {
        let whose: Vec<_> =
            deliveries.iter().map(|delivery| (delivery.account.clone(), delivery.now)).collect();
        let asked: Vec<_> = deliveries
            .into_iter()
            .map(|delivery| {
                let warning = Arc::clone(&self.warning);
                self.change(move |sql, touched| deliver(sql, touched, &delivery, warning.get()))
            })
            .collect();
        let mut delivered = Vec::with_capacity(asked.len());
        for (one, (account, now)) in asked.into_iter().zip(whose) {
            let one = one.await;
            if matches!(one, Err(MailstoreError::OverQuota)) {
                self.tell_full(account, now).await;
            }
            delivered.push(one);
        }
        delivered
    }

    /// What was refused was taken back as a whole, so this is a change of its own.
    async fn tell_full(&self, account: String, now: i64) {
        let warning = Arc::clone(&self.warning);
        let told = self.change(move |sql, touched| match warning.get() {
            Some(warning) => warning.refused(sql, touched, &account, now),
            None => Ok(()),
        });
        if let Err(error) = told.await {
            tracing::warn!(station = "mailstore", %error, "nobody is told of a full mailbox");
        }
    }
}

fn deliver(
    sql: &Sql<'_>,
    touched: &mut Touched,
    delivery: &Delivery,
    warning: Option<&QuotaWarning>,
) -> Result<Delivered, MailstoreError> {
    let once = "INSERT INTO delivery (key, delivered) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING";
    if sql.execute(once, &[Value::Octets(delivery.key.clone()), delivery.now.into()])? == 0 {
        return Ok(Delivered::Already);
    }
    let account = account::found_or_made(sql, touched, &delivery.account, delivery.now)?;
    let inbox = || Mailbox::by_name(sql, account, INBOX);
    let mailbox = match &delivery.folder {
        _ if delivery.junk => Some(junk(sql, touched, account, delivery.now)?),
        Some(folder) => in_any_case(sql, account, folder)?.map_or_else(inbox, |found| Ok(Some(found)))?,
        None => inbox()?,
    };
    let mut changing = Changing::of(mailbox.ok_or(MailstoreError::NoMailbox)?);
    let marks = Marks { flags: Flags::none(), keywords: 0, internal_date: delivery.now };
    let uid = file(sql, &mut changing, &delivery.content, &delivery.head, &marks, delivery.now)?;
    let mailbox = changing.finish(sql, touched)?.id;
    if let Some(warning) = warning {
        warning.filed(sql, touched, (account, &delivery.account), delivery.now)?;
    }
    Ok(Delivered::Filed { mailbox, uid })
}

/// Where junk goes: what has the special use, whatever its name; else what has the name; else it is made anew.
fn junk(
    sql: &Sql<'_>,
    touched: &mut Touched,
    account: crate::AccountId,
    now: i64,
) -> Result<Mailbox, MailstoreError> {
    let all = Mailbox::all(sql, account)?;
    if let Some(found) = all.into_iter().find(|mailbox| mailbox.special_use == Some(SpecialUse::Junk)) {
        return Ok(found);
    }
    if let Some(found) = Mailbox::by_name(sql, account, JUNK)? {
        return Ok(found);
    }
    mailboxes::make(sql, touched, account, JUNK, Some(SpecialUse::Junk), now)?;
    Mailbox::by_name(sql, account, JUNK)?.ok_or(MailstoreError::NoMailbox)
}

/// Addresses are mostly written in lower case, folders as people like. Strangers choose the address: what they send is no draft, nothing that
/// was sent from here, and not thrown away unread.
fn in_any_case(
    sql: &Sql<'_>,
    account: crate::AccountId,
    folder: &str,
) -> Result<Option<Mailbox>, MailstoreError> {
    let Ok(folder) = spelling(folder) else { return Ok(None) };
    if let Some(found) = Mailbox::by_name(sql, account, &folder)? {
        return Ok(Some(found).filter(|mailbox| mailbox.special_use.is_none()));
    }
    let folder = folder.to_lowercase();
    let all = Mailbox::all(sql, account)?;
    let mut alike = all.into_iter().filter(|mailbox| mailbox.name.to_lowercase() == folder);
    let only = alike.next().filter(|_| alike.next().is_none());
    Ok(only.filter(|mailbox| mailbox.special_use.is_none()))
}
