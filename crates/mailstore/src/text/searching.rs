//! Which messages of a mailbox have a text, as far as the index knows.

use store::Sql;

use super::{
    find::Pattern,
    kept::{self, IndexError},
};
use crate::{AccountId, MailboxId, Mailstore, MailstoreError, UidSet, number::short_at};

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchedText {
    /// The text, folded as by `message::mime::folded`.
    pub text: String,
    /// Whether it may be in a field of the header, and not only in the texts and the names of parts.
    pub in_header: bool,
}

/// What the index knows of the messages of a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextFound {
    /// The messages that it knows. Of others it says nothing.
    pub indexed: UidSet,
    /// For each text those of them that have it: just these. None: the index cannot tell of such a text.
    pub having: Vec<Option<UidSet>>,
}

/// Emails, ascending, with a bit for each text that they have.
type Emails = Vec<(i64, u64)>;

/// More are not looked for at once.
const TEXTS_MAX: usize = 64;

impl Mailstore {
    /// Which messages of a mailbox have which of some texts. Where the index fails it knows nothing: that is no error. Waits for the
    /// disk.
    ///
    /// # Errors
    /// There is no such mailbox; see [`MailstoreError`].
    pub fn search_texts(
        &self,
        mailbox: MailboxId,
        texts: &[SearchedText],
    ) -> Result<TextFound, MailstoreError> {
        let nothing = || TextFound { indexed: UidSet::default(), having: vec![None; texts.len()] };
        let Some(index) = self.index() else { return Ok(nothing()) };
        let account = self.look(|sql| Ok(crate::Mailbox::by_id(sql, mailbox)?.account))?;
        let patterns: Vec<_> = texts.iter().map(|text| (Pattern::new(&text.text), text.in_header)).collect();
        if patterns.len() > TEXTS_MAX || patterns.iter().all(|(pattern, _)| pattern.is_none()) {
            return Ok(nothing());
        }
        let Ok(emails) = index.look(|sql| emails(sql, account, &patterns)) else { return Ok(nothing()) };
        self.look(|sql| by_uid(sql, mailbox, &emails, &patterns))
    }
}

fn emails(
    sql: &Sql<'_>,
    account: AccountId,
    patterns: &[(Option<Pattern>, bool)],
) -> Result<Emails, IndexError> {
    let reads_texts = patterns.iter().any(|(pattern, _)| pattern.as_ref().is_some_and(Pattern::reads_texts));
    let mut all = Emails::new();
    for line in kept::lines(sql, Some(account))? {
        let segment = kept::segment(sql, line.id, reads_texts)?;
        let first = all.len();
        all.extend(segment.emails().ok_or(IndexError::Damaged)?.into_iter().map(|email| (email, 0)));
        for (place, (pattern, in_header)) in patterns.iter().enumerate() {
            let Some(pattern) = pattern else { continue };
            for found in pattern.find(&segment).ok_or(IndexError::Damaged)? {
                if (found.in_body || *in_header && found.in_header)
                    && let Some((_, bits)) = all.get_mut(first + found.place)
                {
                    *bits |= 1 << place;
                }
            }
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn by_uid(
    sql: &Sql<'_>,
    mailbox: MailboxId,
    emails: &Emails,
    patterns: &[(Option<Pattern>, bool)],
) -> Result<TextFound, MailstoreError> {
    let mut indexed = UidSet::default();
    let mut having: Vec<Option<UidSet>> =
        patterns.iter().map(|(pattern, _)| pattern.as_ref().map(|_| UidSet::default())).collect();
    // Where the next one is likely to be found.
    let mut next = 0;
    let select = "SELECT uid, email FROM message WHERE mailbox = ?1 ORDER BY uid";
    sql.query(select, &[mailbox.into()], |row| {
        let (uid, email) = (short_at(row, 0)?, row.integer(1)?);
        let likely = emails.get(next).is_some_and(|(found, _)| *found == email);
        let at = if likely { Ok(next) } else { emails.binary_search_by_key(&email, |(found, _)| *found) };
        let Some((_, bits)) = at.ok().and_then(|at| emails.get(at)) else { return Ok(()) };
        next = at.map_or(next, |at| at + 1);
        indexed.insert(uid);
        for (place, having) in having.iter_mut().enumerate() {
            if let Some(having) = having
                && bits & (1 << place) != 0
            {
                having.insert(uid);
            }
        }
        Ok(())
    })?;
    Ok(TextFound { indexed, having })
}
