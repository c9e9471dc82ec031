//! Mailboxes get other names (RFC 9051 §6.3.6).

use store::Sql;

use crate::{
    AccountId, FlagsAllowed, Mailbox, Mailstore, MailstoreError, UidSet,
    changing::Touched,
    mailboxes, metadata,
    name::{INBOX, is_below, spelling},
    number::short_at,
    transfer::{self, Move},
};

impl Mailstore {
    /// Gives a mailbox and those below it other names. Of INBOX all messages move to a new mailbox, and those below stay.
    ///
    /// # Errors
    /// There is none, the new name is taken, is no name, or is below the old one; see [`MailstoreError`].
    pub async fn rename(
        &self,
        account: AccountId,
        from: &str,
        to: &str,
        now: i64,
    ) -> Result<(), MailstoreError> {
        let from = spelling(from).map_err(|_| MailstoreError::NoMailbox)?;
        let to = spelling(to)?;
        if is_below(&to, &from) && from != INBOX {
            return Err(MailstoreError::BadName("it is below the mailbox itself"));
        }
        self.change(move |sql, touched| {
            if Mailbox::by_name(sql, account, &to)?.is_some() {
                return Err(MailstoreError::Exists);
            }
            if from == INBOX {
                return empty_inbox(sql, touched, account, &to, now);
            }
            let mut those = Mailbox::all(sql, account)?;
            those.retain(|mailbox| mailbox.name == from || is_below(&mailbox.name, &from));
            if those.is_empty() {
                return Err(MailstoreError::NoMailbox);
            }
            // Those above first: from `a/b` to `a`, the mailbox `a/b/b` comes to be where `a/b` was.
            those.sort_by_key(|mailbox| mailbox.name.len());
            for mailbox in those {
                let name = format!("{to}{}", mailbox.name.get(from.len()..).unwrap_or_default());
                give_name(sql, touched, &mailbox, &spelling(&name)?, now)?;
            }
            Ok(())
        })
        .await
    }
}

fn empty_inbox(
    sql: &Sql<'_>,
    touched: &mut Touched,
    account: AccountId,
    to: &str,
    now: i64,
) -> Result<(), MailstoreError> {
    let inbox = Mailbox::by_name(sql, account, INBOX)?.ok_or(MailstoreError::NoMailbox)?;
    let made = mailboxes::make(sql, touched, account, to, None, now)?;
    metadata::copy(sql, inbox.id, made)?;
    let (uids, allowed) = (UidSet::all(), FlagsAllowed::all());
    transfer::move_all(sql, touched, &Move { from: inbox.id, uids: &uids, to: made, allowed, now })?;
    Ok(())
}

fn give_name(
    sql: &Sql<'_>,
    touched: &mut Touched,
    mailbox: &Mailbox,
    name: &str,
    now: i64,
) -> Result<(), MailstoreError> {
    let (id, account) = (mailbox.id, mailbox.account);
    if Mailbox::by_name(sql, account, name)?.is_some() {
        return Err(MailstoreError::Exists);
    }
    mailboxes::remember_name(sql, mailbox)?;
    let select = "SELECT uid_validity FROM past_name WHERE account = ?1 AND name = ?2";
    let before = sql.query(select, &[account.into(), name.into()], |row| short_at(row, 0))?;
    // A client that knew the former mailbox of this name must not take this one for it, nor see its UIDVALIDITY go back.
    let stands = before.iter().all(|before| *before <= mailbox.uid_validity);
    let validity =
        if stands { mailbox.uid_validity } else { mailboxes::new_uid_validity(sql, account, now)? };
    let update = "UPDATE mailbox SET name = ?1, uid_validity = ?2 WHERE id = ?3";
    sql.execute(update, &[name.into(), i64::from(validity).into(), id.into()])?;
    touched.mailbox(mailbox);
    Ok(())
}
