//! Whether the index says of each email what it says itself.

use std::collections::HashSet;

use store::Row;

use super::{
    index::TextIndex,
    kept::{self, IndexError},
    runs::{SPACE, is_gap},
    segment::{Segment, numbers},
    units::Units,
};
use crate::{EmailId, Finding, MailboxId, Mailstore, MailstoreError, number::short_at};

/// What is wrong with an index, by reading all of it and of the messages in it.
pub(crate) fn disagreements(mailstore: &Mailstore) -> Result<Vec<Finding>, MailstoreError> {
    let Some(index) = mailstore.index() else { return Ok(Vec::new()) };
    // Nothing is added meanwhile.
    let _one = index.begin();
    let mut findings = Vec::new();
    let mut told = |what: String| findings.push(Finding { what, derived: true });
    let mut known = HashSet::new();
    let lines = match index.look(|sql| Ok(kept::lines(sql, None)?)) {
        Ok(lines) => lines,
        Err(IndexError::None) if !index.is_damaged() => return Ok(findings),
        Err(error) => {
            told(error.to_string());
            return Ok(findings);
        }
    };
    for line in lines {
        match index.look(|sql| kept::segment(sql, line.id, true)) {
            Ok(segment) => {
                known.extend(segment.emails().unwrap_or_default());
                for email in wrong(mailstore, &segment)? {
                    told(format!("the index of texts does not say what email {email} says"));
                }
            }
            Err(error) => told(format!("segment {} of the index of texts: {error}", line.id)),
        }
    }
    missing(mailstore, index, &known)?.into_iter().for_each(told);
    Ok(findings)
}

/// The emails of a segment that are there and say something else.
fn wrong(mailstore: &Mailstore, segment: &Segment) -> Result<Vec<i64>, MailstoreError> {
    let terms: Vec<&[u8]> = segment.terms().collect();
    let mut wrong = Vec::new();
    for entry in segment.entries().unwrap_or_default() {
        let Some(units) = mailstore.look(|sql| Units::of(sql, EmailId(entry.email)))? else { continue };
        let same = |units: &[String], text| told(&terms, text).is_some_and(|told| told == units);
        if !same(&units.header, entry.header) || !same(&units.body, entry.body) {
            wrong.push(entry.email);
        }
    }
    Ok(wrong)
}

/// The units of a text.
pub(super) fn told(terms: &[&[u8]], text: &[u8]) -> Option<Vec<String>> {
    let (mut units, mut unit, mut word) = (Vec::new(), Vec::new(), false);
    for number in numbers(text) {
        let Some(term) = number.checked_sub(1) else {
            units.push(String::from_utf8(std::mem::take(&mut unit)).ok()?);
            word = false;
            continue;
        };
        let term = *terms.get(term)?;
        if word && !is_gap(term) {
            unit.extend_from_slice(SPACE.as_bytes());
        }
        unit.extend_from_slice(term);
        word = !is_gap(term);
    }
    unit.is_empty().then_some(units)
}

/// Messages before the mark of their mailbox that are not known though they could be.
fn missing(
    mailstore: &Mailstore,
    index: &TextIndex,
    known: &HashSet<i64>,
) -> Result<Vec<String>, MailstoreError> {
    let mark = |row: &Row<'_>| Ok((MailboxId(row.integer(0)?), row.integer(1)?));
    let marks = index.look(|sql| Ok(sql.query("SELECT mailbox, uid FROM mark", &[], mark)?));
    let marks = match marks {
        Ok(marks) => marks,
        Err(IndexError::Store(error)) => return Err(error.into()),
        Err(error) => return Ok(vec![error.to_string()]),
    };
    let mut missing = Vec::new();
    for (mailbox, mark) in marks {
        let select = "SELECT uid, email FROM message WHERE mailbox = ?1 AND uid <= ?2 ORDER BY uid";
        let messages = mailstore.look(|sql| {
            let message = |row: &Row<'_>| Ok((short_at(row, 0)?, EmailId(row.integer(1)?)));
            Ok(sql.query(select, &[mailbox.into(), mark.into()], message)?)
        })?;
        for (uid, email) in messages.into_iter().filter(|(_, email)| !known.contains(&email.0)) {
            if mailstore.look(|sql| Units::of(sql, email))?.is_some() {
                missing.push(format!("the index of texts lacks message {uid} in mailbox {mailbox}"));
            }
        }
    }
    Ok(missing)
}
