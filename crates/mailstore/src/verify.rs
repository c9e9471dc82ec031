//! Whether what is derived agrees with what it is derived from, and the remedy where it does not.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use message::mime::Parser;
use store::{Sql, Value};

use crate::{
    AccountId, Mailstore, MailstoreError,
    content::{self, PIECE_OCTETS},
    derived::Derived,
    number::{count_at, octets},
    text,
};

/// Something that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, for the operator.
    pub what: String,
    /// Whether [`Mailstore::rebuild`], or what stands beside it, mends it.
    pub derived: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// A statement that gives a row for each thing that is wrong: what it is about, in numbers and names.
struct Check {
    select: &'static str,
    what: &'static str,
    derived: bool,
}

const COUNTED: &str = "LEFT JOIN (SELECT mailbox, count(*) AS n, sum(octets) AS o, sum(flags & 1 = 0) AS u, sum(flags & 8 <> 0) AS d, \
     sum(CASE WHEN flags & 8 <> 0 THEN octets ELSE 0 END) AS x FROM message GROUP BY mailbox) c ON c.mailbox = m.id";

const CHECKS: [Check; 13] = [
    Check {
        select: "SELECT m.name || ' of ' || coalesce(a.name, m.account) FROM mailbox m LEFT JOIN account a ON a.id = m.account COUNTED \
                 WHERE m.account > 0 AND (m.messages <> coalesce(n, 0) OR m.octets <> coalesce(o, 0) OR m.unseen <> coalesce(u, 0) \
                 OR m.deleted <> coalesce(d, 0) OR m.deleted_octets <> coalesce(x, 0))",
        what: "the counts of a mailbox are wrong",
        derived: true,
    },
    Check {
        select: "SELECT a.name FROM account a LEFT JOIN (SELECT account, sum(messages) AS n, sum(octets) AS o FROM mailbox GROUP BY account) m \
                 ON m.account = a.id WHERE a.messages <> coalesce(n, 0) OR a.octets <> coalesce(o, 0)",
        what: "the usage of an account is wrong",
        derived: true,
    },
    Check {
        select: "SELECT e.id || '' FROM email e LEFT JOIN (SELECT email, count(*) AS n FROM message GROUP BY email) c ON c.email = e.id \
                 WHERE e.references_held <> coalesce(n, 0) OR (e.references_held = 0) <> (e.garbage_since IS NOT NULL)",
        what: "it is counted wrongly how many messages have an email",
        derived: true,
    },
    Check {
        select: "SELECT k.id || '' FROM content k LEFT JOIN (SELECT content, count(*) AS n FROM email GROUP BY content) c ON c.content = k.id \
                 WHERE k.hash IS NOT NULL AND \
                 (k.references_held <> coalesce(n, 0) OR (k.references_held = 0) <> (k.garbage_since IS NOT NULL))",
        what: "it is counted wrongly how many emails have a content",
        derived: true,
    },
    Check {
        select: "SELECT m.uid || ' in mailbox ' || m.mailbox FROM message m LEFT JOIN mailbox b ON b.id = m.mailbox \
                 WHERE b.id IS NULL OR m.uid >= b.uid_next OR m.modseq > b.highest_modseq OR m.uid < 1",
        what: "a message is not within the bounds of its mailbox",
        derived: false,
    },
    Check {
        select: "SELECT m.uid || ' in mailbox ' || m.mailbox FROM message m LEFT JOIN email e ON e.id = m.email LEFT JOIN content c ON c.id = e.content \
                 WHERE c.id IS NULL OR m.content <> c.id OR m.octets <> c.octets + length(e.head) OR m.head_octets <> length(e.head)",
        what: "a message does not agree with its content",
        derived: false,
    },
    Check {
        select: "SELECT x.uid_first || ' in mailbox ' || x.mailbox FROM expunged x JOIN message m \
                 ON m.mailbox = x.mailbox AND m.uid BETWEEN x.uid_first AND x.uid_last",
        what: "a message is there that was expunged",
        derived: false,
    },
    Check {
        select: "SELECT x.uid_first || ' in mailbox ' || x.mailbox FROM expunged x LEFT JOIN mailbox b ON b.id = x.mailbox \
                 WHERE b.id IS NULL OR x.modseq > b.highest_modseq OR x.uid_last >= b.uid_next",
        what: "an expunged UID is not within the bounds of its mailbox",
        derived: false,
    },
    Check {
        select: "SELECT b.name || ' of ' || coalesce(a.name, b.account) FROM mailbox b LEFT JOIN account a ON a.id = b.account \
                 WHERE b.account > 0 AND (a.id IS NULL OR b.uid_validity > a.uid_validity_last)",
        what: "the UIDVALIDITY of a mailbox is beyond its account's last",
        derived: false,
    },
    Check {
        select: "SELECT p.id || '' FROM piece p LEFT JOIN content c ON c.id = p.id / 1048576 WHERE c.id IS NULL",
        what: "a piece belongs to no content",
        derived: true,
    },
    Check {
        select: "SELECT s.content || '' FROM structure s LEFT JOIN content c ON c.id = s.content WHERE c.id IS NULL",
        what: "a structure belongs to no content",
        derived: true,
    },
    Check {
        select: "SELECT a.identifier || ' to mailbox ' || a.mailbox FROM acl a LEFT JOIN mailbox b ON b.id = a.mailbox WHERE b.id IS NULL",
        what: "rights belong to no mailbox",
        derived: true,
    },
    Check {
        select: "SELECT d.entry || ' of mailbox ' || d.mailbox FROM metadata d LEFT JOIN mailbox b ON b.id = d.mailbox \
                 LEFT JOIN account a ON a.id = d.account WHERE d.mailbox <> 0 AND b.id IS NULL OR d.account <> 0 AND a.id IS NULL",
        what: "an annotation belongs to no mailbox, or to no account",
        derived: true,
    },
];

impl Mailstore {
    /// Looks for what contradicts itself: in counts, references and bounds, and, by reading all of it, in content and in the index of
    /// texts, if that was opened. What is not indexed yet is no contradiction. Waits for the disk, for
    /// as long as it takes to read all that is stored.
    ///
    /// # Errors
    /// The store failed.
    pub fn verify(&self) -> Result<Vec<Finding>, MailstoreError> {
        let mut findings = Vec::new();
        self.look(|sql| {
            for Check { select, what, derived } in &CHECKS {
                let select = select.replace("COUNTED", COUNTED);
                for about in sql.query(&select, &[], |row| row.text(0))? {
                    findings.push(Finding { what: format!("{what}: {about}"), derived: *derived });
                }
            }
            Ok(())
        })?;
        let mut behind = 0;
        while let Some(content) = self.look(|sql| next_content(sql, behind))? {
            behind = content.id;
            let Some((hash, derived)) = self.look(|sql| read_all(sql, &content))? else { continue };
            let id = content.id;
            if hash != content.hash {
                let what = format!("content {id} is not what it was when it came");
                findings.push(Finding { what, derived: false });
            } else if self.look(|sql| structure(sql, id))? != derived.structure {
                let what = format!("the structure that is kept of content {id} is not that of its octets");
                findings.push(Finding { what, derived: true });
            }
        }
        findings.extend(text::disagreements(self)?);
        Ok(findings)
    }

    /// Makes anew all that is derived: counts and usage, of one account or of all; references and structures, of all.
    ///
    /// # Errors
    /// The store failed.
    pub async fn rebuild(&self, account: Option<AccountId>, now: i64) -> Result<(), MailstoreError> {
        self.change(move |sql, touched| {
            let only = account.map_or(Value::Null, Into::into);
            for statement in REBUILD_MAILBOXES {
                sql.execute(statement, std::slice::from_ref(&only))?;
            }
            for statement in REBUILD_REFERENCES {
                sql.execute(statement, &[now.into()])?;
            }
            for statement in REMOVE_ORPHANS {
                sql.execute(statement, &[])?;
            }
            if let Some(account) = account {
                touched.account(account);
            }
            Ok(())
        })
        .await
    }

    /// Reads all content, and keeps the structure of each that has another one or none. Waits for the disk, for as long as it takes:
    /// not for a thread of a runtime.
    ///
    /// # Errors
    /// The store failed.
    pub fn rebuild_structures(&self) -> Result<(), MailstoreError> {
        let mut behind = 0;
        while let Some(content) = self.look(|sql| next_content(sql, behind))? {
            behind = content.id;
            let Some((_, derived)) = self.look(|sql| read_all(sql, &content))? else { continue };
            if self.look(|sql| structure(sql, content.id))? != derived.structure {
                self.change_later(move |sql| content::insert_structure(sql, content.id, &derived));
            }
        }
        Ok(())
    }
}

const REBUILD_MAILBOXES: [&str; 2] = [
    "UPDATE mailbox SET \
     messages = (SELECT count(*) FROM message WHERE mailbox = mailbox.id), \
     octets = (SELECT coalesce(sum(octets), 0) FROM message WHERE mailbox = mailbox.id), \
     unseen = (SELECT count(*) FROM message WHERE mailbox = mailbox.id AND flags & 1 = 0), \
     deleted = (SELECT count(*) FROM message WHERE mailbox = mailbox.id AND flags & 8 <> 0), \
     deleted_octets = (SELECT coalesce(sum(octets), 0) FROM message WHERE mailbox = mailbox.id AND flags & 8 <> 0) \
     WHERE account = coalesce(?1, account)",
    "UPDATE account SET messages = (SELECT coalesce(sum(messages), 0) FROM mailbox WHERE account = account.id), \
     octets = (SELECT coalesce(sum(octets), 0) FROM mailbox WHERE account = account.id) WHERE id = coalesce(?1, id)",
];

const REBUILD_REFERENCES: [&str; 4] = [
    "UPDATE email SET references_held = 0, garbage_since = coalesce(garbage_since, ?1) \
     WHERE id NOT IN (SELECT email FROM message)",
    "UPDATE email SET references_held = c.n, garbage_since = NULL \
     FROM (SELECT email, count(*) AS n, ?1 AS t FROM message GROUP BY email) c WHERE c.email = email.id",
    "UPDATE content SET references_held = 0, garbage_since = coalesce(garbage_since, ?1) \
     WHERE hash IS NOT NULL AND id NOT IN (SELECT content FROM email)",
    "UPDATE content SET references_held = c.n, garbage_since = NULL \
     FROM (SELECT content, count(*) AS n, ?1 AS t FROM email GROUP BY content) c WHERE c.content = content.id",
];

const REMOVE_ORPHANS: [&str; 4] = [
    "DELETE FROM piece WHERE id / 1048576 NOT IN (SELECT id FROM content)",
    "DELETE FROM structure WHERE content NOT IN (SELECT id FROM content)",
    "DELETE FROM acl WHERE mailbox NOT IN (SELECT id FROM mailbox)",
    "DELETE FROM metadata WHERE mailbox <> 0 AND mailbox NOT IN (SELECT id FROM mailbox) \
     OR account <> 0 AND account NOT IN (SELECT id FROM account)",
];

struct Kept {
    id: i64,
    hash: Vec<u8>,
    octets: u64,
}

fn next_content(sql: &Sql<'_>, behind: i64) -> Result<Option<Kept>, MailstoreError> {
    let select = "SELECT id, hash, octets FROM content WHERE id > ?1 AND hash IS NOT NULL AND references_held > 0 ORDER BY id LIMIT 1";
    let kept = sql.query(select, &[behind.into()], |row| {
        Ok(Kept { id: row.integer(0)?, hash: row.octets(1)?, octets: count_at(row, 2)? })
    })?;
    Ok(kept.into_iter().next())
}

/// The hash of a content, and what is derived from it. `None`: it was removed since it was found.
fn read_all(sql: &Sql<'_>, content: &Kept) -> Result<Option<(Vec<u8>, Derived)>, MailstoreError> {
    let (mut context, mut parser) = (Context::new(&SHA256), Parser::new());
    let (mut at, mut piece) = (0, Vec::with_capacity(PIECE_OCTETS));
    while at < content.octets {
        let left = usize::try_from(content.octets - at).unwrap_or(usize::MAX).min(PIECE_OCTETS);
        piece.clear();
        match content::read(sql, content.id, at, left, &mut piece) {
            // Removed since it was found, or damaged.
            Err(MailstoreError::Damaged(_)) if is_gone(sql, content.id)? => return Ok(None),
            Err(MailstoreError::Damaged(_)) => break,
            read => read?,
        }
        context.update(&piece);
        parser.push(&piece);
        at += octets(piece.len());
    }
    Ok(Some((context.finish().as_ref().to_vec(), Derived::of(&parser.finish()))))
}

fn structure(sql: &Sql<'_>, content: i64) -> Result<Vec<u8>, MailstoreError> {
    let select = "SELECT octets FROM structure WHERE content = ?1";
    let kept = sql.query(select, &[content.into()], |row| row.octets(0))?;
    Ok(kept.into_iter().next().unwrap_or_default())
}

fn is_gone(sql: &Sql<'_>, content: i64) -> Result<bool, MailstoreError> {
    let select = "SELECT id FROM content WHERE id = ?1";
    Ok(sql.query(select, &[content.into()], |row| row.integer(0))?.is_empty())
}
