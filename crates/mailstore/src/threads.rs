//! Which messages answer each other (THREADID, RFC 8474 §5.2): those of an account that name a message id in common.

use store::Sql;

use crate::{AccountId, EmailId, MailstoreError, ThreadId};

/// The thread of a new email: that of the first message id that is known, or a new one. What is known of it later leads here too.
///
/// Two threads that a late message joins stay two: THREADID of a message never changes (RFC 8474 §5.2).
pub(crate) fn thread_of(
    sql: &Sql<'_>,
    account: AccountId,
    message_ids: &[i64],
    email: EmailId,
) -> Result<ThreadId, MailstoreError> {
    let (mut found, mut new) = (None, Vec::new());
    for id in message_ids {
        let select = "SELECT thread FROM message_id WHERE account = ?1 AND number = ?2";
        let thread = sql.query(select, &[account.into(), (*id).into()], |row| row.integer(0))?;
        match thread.first() {
            Some(thread) => found = found.or(Some(*thread)),
            None => new.push(*id),
        }
    }
    // Emails are numbered once and for all, and threads after the first of them.
    let thread = ThreadId(found.unwrap_or(email.0));
    for id in new {
        let insert = "INSERT INTO message_id (account, number, thread) VALUES (?1, ?2, ?3)";
        sql.execute(insert, &[account.into(), id.into(), thread.into()])?;
    }
    Ok(thread)
}
