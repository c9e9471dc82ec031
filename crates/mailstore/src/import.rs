//! Mail from elsewhere: each message once, however often its import is begun again.

use aws_lc_rs::digest::{Context, SHA256};
use store::{Sql, Value};

use crate::{
    AccountId, Keywords, Mailbox, Mailstore, MailstoreError, NewMessage,
    changing::{Changing, Touched},
    filing::{Marks, file},
    mailboxes,
    name::spelling,
    number::octets,
};

/// A message from elsewhere.
#[derive(Debug, Clone)]
pub struct Import {
    /// The mailbox that it goes to; it is made, and subscribed to, if it is not there.
    pub folder: String,
    /// What it is called where it comes from.
    pub source: Vec<u8>,
    /// What tells that it was put in before.
    pub known_by: KnownBy,
    /// Octets before those of the message, as final delivery puts them there; mostly none.
    pub head: Vec<u8>,
    /// The message.
    pub message: NewMessage,
}

/// What tells that a message from elsewhere was put in before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownBy {
    /// Folder, source and content.
    Content,
    /// Folder and source: where it comes from nothing else is ever called so.
    Source,
    /// Nothing: it is put in whatever was before.
    Nothing,
}

/// What became of messages from elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many were put in.
    pub new: u64,
    /// How many had been put in before; they may be gone again by now.
    pub already: u64,
    /// How many keywords were left out, because the mailbox had no room for them or they are none.
    pub keywords_left_out: u64,
}

impl Mailstore {
    /// Puts messages from elsewhere in: all of them or, with an error, none. One that was put in before is left as it is now.
    ///
    /// # Errors
    /// There is no such account, no room in it, or a folder has no name that a mailbox can have; see [`MailstoreError`].
    pub async fn import(
        &self,
        account: AccountId,
        imports: Vec<Import>,
        now: i64,
    ) -> Result<Imported, MailstoreError> {
        self.change(move |sql, touched| {
            crate::account::quota(sql, account)?;
            let mut imported = Imported::default();
            for one in &imports {
                import(sql, touched, account, one, now, &mut imported)?;
            }
            Ok(imported)
        })
        .await
    }

    /// Which messages from elsewhere that their sources alone tell apart were put in before; they may be gone again by now. Waits for the disk.
    ///
    /// # Errors
    /// There is no such account, or the folder has no name that a mailbox can have; see [`MailstoreError`].
    pub fn imported(
        &self,
        account: AccountId,
        folder: &str,
        sources: &[Vec<u8>],
    ) -> Result<Vec<bool>, MailstoreError> {
        let folder = spelling(folder)?;
        self.look(|sql| {
            crate::account::quota(sql, account)?;
            let is_there = |source: &Vec<u8>| {
                let select = "SELECT 1 FROM imported WHERE account = ?1 AND key = ?2";
                let key = Value::Octets(key(&[folder.as_bytes(), source]));
                Ok(!sql.query(select, &[account.into(), key], |row| row.integer(0))?.is_empty())
            };
            sources.iter().map(is_there).collect()
        })
    }
}

fn import(
    sql: &Sql<'_>,
    touched: &mut Touched,
    account: AccountId,
    import: &Import,
    now: i64,
    imported: &mut Imported,
) -> Result<(), MailstoreError> {
    let folder = spelling(&import.folder)?;
    let NewMessage { content, flags, keywords: names, internal_date } = &import.message;
    let key = match import.known_by {
        KnownBy::Content => Some(key(&[folder.as_bytes(), &import.source, content.sha256()])),
        KnownBy::Source => Some(key(&[folder.as_bytes(), &import.source])),
        KnownBy::Nothing => None,
    };
    if let Some(key) = key {
        let once =
            "INSERT INTO imported (account, key) VALUES (?1, ?2) ON CONFLICT (account, key) DO NOTHING";
        if sql.execute(once, &[account.into(), Value::Octets(key)])? == 0 {
            imported.already += 1;
            return Ok(());
        }
    }
    let mailbox = if let Some(mailbox) = Mailbox::by_name(sql, account, &folder)? {
        mailbox
    } else {
        let made = mailboxes::make(sql, touched, account, &folder, None, now)?;
        mailboxes::subscribe(sql, account, &folder, true)?;
        Mailbox::by_id(sql, made)?
    };
    let mut keywords = 0;
    if !names.is_empty() {
        let mut known = Keywords::load(sql, mailbox.id)?;
        for name in names {
            match known.made(sql, mailbox.id, std::slice::from_ref(name)) {
                Ok(bits) => keywords |= bits,
                Err(MailstoreError::KeywordsFull) => imported.keywords_left_out += 1,
                Err(error) => return Err(error),
            }
        }
    }
    let marks = Marks { flags: *flags, keywords, internal_date: *internal_date };
    let mut changing = Changing::of(mailbox);
    file(sql, &mut changing, content, &import.head, &marks, now)?;
    changing.finish(sql, touched)?;
    imported.new += 1;
    Ok(())
}

/// Which message from elsewhere it is. Lengths stand before what they measure, so that no two read the same.
fn key(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&octets(part.len()).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}
