//! What nothing refers to any more is removed, some of it at a time, so that no delivery waits long behind it.

use store::Sql;

use crate::{EmailId, Mailstore, MailstoreError, content, number::count_at, removal};

/// How long octets stay after the last message that has them: for whoever is reading them.
const STAYS_MS: i64 = 60 * 60 * 1000;
/// How long a delivery is known again at least.
const KEYS_STAY_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// So much at a time.
const ROWS_MAX: i64 = 500;
const OCTETS_MAX: u64 = 8 << 20;

impl Mailstore {
    /// Removes some of what nothing refers to any more. Whether there is more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn collect_garbage(&self, now: i64) -> Result<bool, MailstoreError> {
        self.change(move |sql, _| {
            let more = [removal::purge_abandoned(sql, ROWS_MAX)?, emails(sql, now)?, contents(sql)?];
            Ok(more.contains(&true))
        })
        .await
    }

    /// Forgets some deliveries of long ago, after which none can be known again. A message that is still in the queue, on hold for months perhaps, may be
    /// delivered again: `owed_since` is when the oldest such was accepted, in milliseconds since 1970, and what was delivered since then stays known. Whether there are more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_deliveries(&self, now: i64, owed_since: Option<i64>) -> Result<bool, MailstoreError> {
        let before = now.saturating_sub(KEYS_STAY_MS).min(owed_since.unwrap_or(i64::MAX));
        self.change(move |sql, _| keys(sql, before)).await
    }
}

fn emails(sql: &Sql<'_>, now: i64) -> Result<bool, MailstoreError> {
    let select = "SELECT id, content FROM email WHERE garbage_since <= ?1 ORDER BY garbage_since LIMIT ?2";
    let emails = sql.query(select, &[(now - STAYS_MS).into(), ROWS_MAX.into()], |row| {
        Ok((EmailId(row.integer(0)?), row.integer(1)?))
    })?;
    for (email, content) in &emails {
        sql.execute("DELETE FROM email WHERE id = ?1", &[(*email).into()])?;
        let update = "UPDATE content SET references_held = references_held - 1, \
                      garbage_since = CASE WHEN references_held = 1 THEN ?1 ELSE NULL END WHERE id = ?2";
        sql.execute(update, &[now.into(), (*content).into()])?;
    }
    Ok(i64::try_from(emails.len()) == Ok(ROWS_MAX))
}

fn contents(sql: &Sql<'_>) -> Result<bool, MailstoreError> {
    let select =
        "SELECT id, octets FROM content WHERE garbage_since IS NOT NULL ORDER BY garbage_since LIMIT ?1";
    let contents = sql.query(select, &[ROWS_MAX.into()], |row| Ok((row.integer(0)?, count_at(row, 1)?)))?;
    let (mut removed, mut freed) = (0, 0_u64);
    for (content, octets) in &contents {
        if freed >= OCTETS_MAX {
            return Ok(true);
        }
        content::remove(sql, *content)?;
        removed += 1;
        freed += octets;
    }
    Ok(removed == ROWS_MAX)
}

fn keys(sql: &Sql<'_>, before: i64) -> Result<bool, MailstoreError> {
    let delete = "DELETE FROM delivery WHERE key IN \
                  (SELECT key FROM delivery WHERE delivered < ?1 ORDER BY delivered LIMIT ?2)";
    let removed = sql.execute(delete, &[before.into(), ROWS_MAX.into()])?;
    Ok(i64::try_from(removed) == Ok(ROWS_MAX))
}
