//! The books that clients, peers and mailboxes keep: what the server is judged by.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use mail::QueueId;

use crate::{reports::Told, settings::Ruled};

/// All books.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Books>);

/// What was sent, and what came of it as seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// By token.
    pub(crate) sent: BTreeMap<String, Sent>,
    /// What hosts have taken, by recipient.
    pub(crate) taken: BTreeMap<String, Vec<Taken>>,
    /// What senders were told, by the recipient that it is about: `failed`, `delayed`, and so on.
    pub(crate) told: BTreeMap<String, Vec<Told>>,
    /// The replies of hosts, each with a text of its own, and to whom each was said; none: to all of a session.
    pub(crate) said: BTreeMap<String, Option<Vec<String>>>,
    /// Those who were given up by hand.
    pub(crate) given_up: BTreeSet<String>,
    /// The messages of which the event log has told.
    pub(crate) tokens: BTreeMap<QueueId, String>,
    /// What a disk that lied about syncs has lost.
    pub(crate) lost: Lost,
    /// Those for whom a host has said so much that nobody can tell what it has done.
    pub(crate) misled: BTreeSet<String>,
    /// The last LSN that each run of the server has found.
    pub(crate) found: Vec<u64>,
    /// How each run of the server ended.
    pub(crate) endings: Vec<Ending>,
    /// When tasks of the server have panicked, with the run.
    pub(crate) slips: Vec<(usize, u64)>,
    /// What its machine does in this run.
    pub(crate) machine: Machine,
    /// What must not be, whoever saw it.
    pub(crate) wrongs: Vec<(String, String)>,
}

/// A message as its client sent it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// None: the null reverse-path.
    pub(crate) sender: Option<String>,
    pub(crate) recipients: Vec<Addressee>,
    pub(crate) content: Vec<u8>,
    /// ENVID, if it was given.
    pub(crate) envid: Option<String>,
    /// RET, if it was given.
    pub(crate) ret: Option<&'static str>,
    pub(crate) answer: Answer,
}

/// What a lie about syncs has cost.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// The messages that the lie covered.
    pub(crate) tokens: BTreeSet<String>,
    /// The spool may have damage that was not repaired.
    pub(crate) unrepaired: bool,
}

/// A recipient as the client named it.
#[derive(Debug, Clone)]
pub(crate) struct Addressee {
    pub(crate) address: String,
    /// The value of NOTIFY, if it was given.
    pub(crate) notify: Option<&'static str>,
    /// RCPT was answered with 250.
    pub(crate) accepted: bool,
    /// What a rule that was in force does with it.
    pub(crate) ruled: Option<Ruled>,
}

/// The answer to the end of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The end of data was never sent.
    NotSent,
    /// It was, and nothing came back.
    Silence,
    /// 4yz or 5yz.
    Refused(u16),
    /// 250.
    Receipt,
}

/// A message that a host has taken for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) at: u64,
    pub(crate) life: usize,
    /// When the server was told so; none if it is in doubt.
    pub(crate) told: Option<u64>,
    /// The host takes over the duty to report.
    pub(crate) dsn: bool,
}

/// How a run of the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    /// What became known until then was written down, but for the window; none if all of it was.
    pub(crate) forgets_from: Option<u64>,
}

/// What the machine does in a run of the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// A sync or a write failed in this or an earlier run: what was refused for it may come back.
    pub(crate) failed: bool,
    /// When the spool could write no more.
    pub(crate) poisoned_at: Option<u64>,
    /// Since when there is no room, so that completions may have to wait.
    pub(crate) full_since: Option<u64>,
}

impl Ledger {
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// A run has ended.
    pub(crate) fn ended(&mut self, at: u64, clean: bool) {
        let Machine { failed, poisoned_at, full_since } = self.machine;
        let forgets_from = [poisoned_at, full_since, (!clean).then_some(at)].into_iter().flatten().min();
        self.endings.push(Ending { forgets_from });
        self.machine = Machine { failed, poisoned_at: None, full_since };
    }

    /// The run in which an event came to be, by its LSN.
    pub(crate) fn run_of(&self, lsn: u64) -> usize {
        self.found.iter().filter(|found| **found < lsn).count()
    }

    /// What is wrong with content that somebody got for a recipient, if it is not a report.
    pub(crate) fn sent_content_differs(&self, recipient: &str, content: &[u8]) -> Option<(String, String)> {
        let token = token_of(recipient)?;
        let sent = self.sent.get(&token)?;
        let is_addressee = sent.recipients.iter().any(|addressee| addressee.address == recipient);
        let differs = is_addressee && !content.ends_with(&sent.content);
        differs.then(|| (token, format!("the content for {recipient} is not what was sent")))
    }
}

/// The token of a message in an address of it: `m17.` of `m17.r0@d1.example`.
pub(crate) fn token_of(text: &str) -> Option<String> {
    let begin = text.char_indices().map(|(at, _)| at).find(|at| is_token(&text[*at..]))?;
    let digits: String = text[begin + 1..].chars().take_while(char::is_ascii_digit).collect();
    Some(format!("m{digits}."))
}

fn is_token(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('m') else { return false };
    let digits = rest.chars().take_while(char::is_ascii_digit).count();
    digits > 0 && rest[digits..].starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_any_address_of_its_message() {
        assert_eq!(token_of("m17.r0@d1.example").unwrap(), "m17.");
        assert_eq!(token_of("anna+m3.r1@here.test").unwrap(), "m3.");
        assert_eq!(token_of("postmaster@here.test"), None);
    }
}
