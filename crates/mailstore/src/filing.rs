//! New messages, as clients append them.

use store::{Sql, Value};

use crate::{
    Content, Flags, Keywords, MailboxId, Mailstore, MailstoreError, Uid, UidSet,
    changing::{Changing, Line, Touched},
    number::octets,
    removal, threads,
};

/// A message to append.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its octets.
    pub content: Content,
    /// Its flags.
    pub flags: Flags,
    /// Its keywords.
    pub keywords: Vec<String>,
    /// Its internal date, in milliseconds since 1970 (RFC 9051 §2.3.3).
    pub internal_date: i64,
}

/// Where appended messages are (UIDPLUS, RFC 4315).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox' UIDVALIDITY.
    pub uid_validity: u32,
    /// The UID of each, in their order.
    pub uids: Vec<Uid>,
}

impl Mailstore {
    /// Appends messages: all of them or none (RFC 3502).
    ///
    /// # Errors
    /// There is no such mailbox, or no room in it; see [`MailstoreError`].
    pub async fn append(
        &self,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
        now: i64,
    ) -> Result<Appended, MailstoreError> {
        self.change(move |sql, touched| append(sql, touched, mailbox, &messages, now)).await
    }

    /// Appends a message and removes the one that it replaces, or neither (RFC 8508).
    ///
    /// # Errors
    /// There is no such mailbox or message, or no room; see [`MailstoreError`].
    pub async fn replace(
        &self,
        from: MailboxId,
        uid: Uid,
        to: MailboxId,
        message: NewMessage,
        now: i64,
    ) -> Result<Appended, MailstoreError> {
        self.change(move |sql, touched| {
            // The old one goes first, so that the two together need no room.
            let mut changing = Changing::begin(sql, from)?;
            let gone = removal::remove(sql, &mut changing, &UidSet::single(uid), Flags::none(), now)?;
            if gone.is_empty() {
                return Err(MailstoreError::Gone);
            }
            changing.finish(sql, touched)?;
            append(sql, touched, to, &[message], now)
        })
        .await
    }
}

fn append(
    sql: &Sql<'_>,
    touched: &mut Touched,
    mailbox: MailboxId,
    messages: &[NewMessage],
    now: i64,
) -> Result<Appended, MailstoreError> {
    let mut changing = Changing::begin(sql, mailbox)?;
    let mut keywords = Keywords::default();
    if messages.iter().any(|message| !message.keywords.is_empty()) {
        keywords = Keywords::load(sql, mailbox)?;
    }
    let mut uids = Vec::with_capacity(messages.len());
    for NewMessage { content, flags, keywords: names, internal_date } in messages {
        let bits = keywords.made(sql, mailbox, names)?;
        let marks = Marks { flags: *flags, keywords: bits, internal_date: *internal_date };
        uids.push(file(sql, &mut changing, content, &[], &marks, now)?);
    }
    let uid_validity = changing.finish(sql, touched)?.uid_validity;
    Ok(Appended { uid_validity, uids })
}

/// What a new message has beside its octets.
pub(crate) struct Marks {
    pub(crate) flags: Flags,
    pub(crate) keywords: u64,
    pub(crate) internal_date: i64,
}

/// Files one message; its UID.
pub(crate) fn file(
    sql: &Sql<'_>,
    changing: &mut Changing,
    content: &Content,
    head: &[u8],
    marks: &Marks,
    now: i64,
) -> Result<Uid, MailstoreError> {
    let held = content.hold(sql)?;
    let insert =
        "INSERT INTO email (account, content, references_held, head) VALUES (?1, ?2, 1, ?3) RETURNING id";
    let values = [changing.mailbox.account.into(), held.into(), Value::Octets(head.to_vec())];
    let made = sql.query(insert, &values, |row| Ok(crate::EmailId(row.integer(0)?)))?;
    let email = made.into_iter().next().ok_or(MailstoreError::Gone)?;
    let line = Line {
        flags: marks.flags,
        keywords: marks.keywords,
        email,
        content: held,
        thread: Some(threads::thread_of(sql, changing.mailbox.account, content.message_ids(), email)?),
        octets: content.len() + octets(head.len()),
        head_octets: u32::try_from(head.len()).map_err(|_| MailstoreError::TooMany("octets on top"))?,
        internal_date: marks.internal_date,
        saved_date: now,
    };
    changing.add(sql, &line)
}
