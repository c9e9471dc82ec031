//! Mailboxes with the same messages and the same past everywhere.

use super::client::{Client, Door, Told};
use super::content;
use crate::Failure;

/// Messages of one APPEND (RFC 3502).
const AT_ONCE: u64 = 50;
/// Of so many messages one is new to the reader.
const UNSEEN_EVERY: u64 = 10;
/// What happens behind the reader's back: of so many messages one gets a flag, and of so many one is expunged.
const FLAGGED_EVERY: u64 = 100;
const EXPUNGED_EVERY: u64 = 200;

/// What a client knows that was away: `QRESYNC` (RFC 7162) goes on from there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) uid_validity: u64,
    pub(super) mod_seq: u64,
}

/// Fills INBOX with so many messages, and then changes some: there are as many in the end.
pub(super) fn fill(door: &Door, messages: u64, octets: usize) -> Result<Known, Failure> {
    let mut client = Client::open(door)?;
    append(&mut client, 0..messages, octets)?;
    let selected = client.ask("SELECT INBOX (CONDSTORE)")?;
    let code = |name: &str| selected.code(name).ok_or_else(|| format!("SELECT tells no {name}"));
    let known = Known { uid_validity: code("UIDVALIDITY")?, mod_seq: code("HIGHESTMODSEQ")? };
    let every = |step: u64| -> String {
        let numbers: Vec<String> = (1..=messages / step).map(|number| (number * step).to_string()).collect();
        numbers.join(",")
    };
    if messages >= EXPUNGED_EVERY {
        client.ask(&format!("STORE {} +FLAGS.SILENT (\\Flagged)", every(FLAGGED_EVERY)))?;
        client.ask(&format!("STORE {} +FLAGS.SILENT (\\Deleted)", every(EXPUNGED_EVERY)))?;
        client.ask("EXPUNGE")?;
    }
    let again = messages / EXPUNGED_EVERY;
    // Of those that are gone some had needles; what comes instead must not change what a search finds.
    append(&mut client, 0..again, octets)?;
    let there = client.ask("SELECT INBOX")?.exists;
    client.ask("LOGOUT")?;
    if there == Some(messages) {
        Ok(known)
    } else {
        Err(format!("{there:?} messages instead of {messages}").into())
    }
}

fn append(client: &mut Client, numbers: std::ops::Range<u64>, octets: usize) -> Result<(), Failure> {
    let mut first = numbers.start;
    while first < numbers.end {
        let end = (first + AT_ONCE).min(numbers.end);
        many(client, "INBOX", first..end, octets)?;
        first = end;
    }
    Ok(())
}

/// Appends messages in one command.
pub(super) fn many(
    client: &mut Client,
    mailbox: &str,
    numbers: std::ops::Range<u64>,
    octets: usize,
) -> Result<Told, Failure> {
    Ok(client.send(|tag| {
        let mut command = format!("{tag} APPEND {mailbox}").into_bytes();
        for number in numbers {
            let message = content::message(number, octets);
            let flags = if number.is_multiple_of(UNSEEN_EVERY) { "()" } else { "(\\Seen)" };
            command.extend_from_slice(format!(" {flags} {{{}+}}\r\n", message.len()).as_bytes());
            command.extend_from_slice(&message);
        }
        command.extend_from_slice(b"\r\n");
        command
    })?)
}
