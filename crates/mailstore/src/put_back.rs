//! After a loss: mailboxes from a copy that take no number twice, and what of a copy is not there.

use store::{Sql, Value};

use crate::{
    EmailId, Mailbox, MailboxId, Mailstore, MailstoreError, Uid, changing::Touched, mailboxes,
    number::short_at,
};

/// So many identifiers are passed over: the server that is gone cannot have given as many since its copy was made.
const IDS_PASSED_OVER: i64 = 1 << 32;

/// By what a message is known again in a copy of its mailbox, whatever numbers it has there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The SHA-256 of its content.
    pub hash: Vec<u8>,
    /// How long what final delivery put before it is.
    pub head_octets: u32,
    /// Its internal date.
    pub internal_date: i64,
}

impl Mailstore {
    /// Makes a copy from earlier the mailboxes of now: each gets a UIDVALIDITY that it never had, and so does each that is made later, for the server that
    /// is gone may have given UIDs since the copy was made. Identifiers that it may have given are passed over.
    ///
    /// # Errors
    /// The store failed.
    pub async fn renumber(&self, now: i64) -> Result<(), MailstoreError> {
        self.change(move |sql, touched| {
            let accounts = sql.query("SELECT id FROM account ORDER BY id", &[], |row| row.integer(0))?;
            for account in accounts {
                for mailbox in Mailbox::all(sql, crate::AccountId(account))? {
                    renumber(sql, touched, &mailbox, now)?;
                }
            }
            for (table, statement) in PASS_OVER {
                // What a restore before this one passed over left no row: SQLite's own word for the highest counts too.
                let last = format!(
                    "SELECT coalesce(max(id), 0) FROM {table} UNION ALL SELECT seq FROM sqlite_sequence WHERE name = '{table}'"
                );
                let last = sql.query(&last, &[], |row| row.integer(0))?.into_iter().max().unwrap_or_default();
                let id = Value::Integer(last.saturating_add(IDS_PASSED_OVER));
                sql.execute(statement, std::slice::from_ref(&id))?;
                sql.execute(&format!("DELETE FROM {table} WHERE id = ?1"), &[id])?;
            }
            Ok(())
        })
        .await
    }

    /// Each message of a mailbox, with its fingerprint and email. Waits for the disk.
    ///
    /// # Errors
    /// There is no such mailbox; see [`MailstoreError`].
    pub fn fingerprints(
        &self,
        mailbox: MailboxId,
    ) -> Result<Vec<(Uid, Fingerprint, EmailId)>, MailstoreError> {
        self.look(|sql| {
            Mailbox::by_id(sql, mailbox)?;
            let select = "SELECT m.uid, c.hash, m.head_octets, m.internal_date, m.email FROM message m \
                          JOIN content c ON c.id = m.content WHERE m.mailbox = ?1 ORDER BY m.uid";
            Ok(sql.query(select, &[mailbox.into()], |row| {
                let fingerprint = Fingerprint {
                    hash: row.octets(1)?,
                    head_octets: short_at(row, 2)?,
                    internal_date: row.integer(3)?,
                };
                Ok((short_at(row, 0)?, fingerprint, EmailId(row.integer(4)?)))
            })?)
        })
    }
}

/// A row with an identifier, which is gone at once: those that come by themselves are greater than any that was.
const PASS_OVER: [(&str, &str); 4] = [
    (
        "account",
        "INSERT INTO account (id, name, uid_validity_last, octets, messages) VALUES (?1, '', 0, 0, 0)",
    ),
    (
        "mailbox",
        "INSERT INTO mailbox (id, account, name, uid_validity, uid_next, highest_modseq, expunged_floor, recent_from, messages, unseen, \
         deleted, octets, deleted_octets) VALUES (?1, 0, '', 1, 1, 1, 0, 1, 0, 0, 0, 0, 0)",
    ),
    ("email", "INSERT INTO email (id, account, content, references_held, head) VALUES (?1, 0, 0, 0, '')"),
    ("content", "INSERT INTO content (id, octets, references_held) VALUES (?1, 0, 0)"),
];

fn renumber(sql: &Sql<'_>, touched: &mut Touched, mailbox: &Mailbox, now: i64) -> Result<(), MailstoreError> {
    mailboxes::remember_name(sql, mailbox)?;
    let validity = mailboxes::new_uid_validity(sql, mailbox.account, now)?;
    let update = "UPDATE mailbox SET uid_validity = ?1 WHERE id = ?2";
    sql.execute(update, &[i64::from(validity).into(), mailbox.id.into()])?;
    touched.mailbox(mailbox);
    Ok(())
}
