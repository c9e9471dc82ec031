//! Mail of a backup that is not in the running server is put back into it, by the way that imports go.

use std::{collections::HashMap, path::Path};

use admin::{
    api::{self, Fingerprints, Folders, Imported, KnownBy, Letter, Made},
    frames::Frame,
};
use mailstore::{EmailId, Fingerprint, Mailbox, Mailstore, MailstoreError, SpecialUse, Uid, UidSet};
use serde::Serialize;

use super::{Scratch, Told, shown};
use crate::{
    backup,
    cli::Restore,
    client::{Outbound, encoded, get, messages, post},
    commands::progress::{self, Progress},
    config,
    failure::Failure,
    place,
    terminal::{self, clean, count},
};

/// Messages of a part: it is answered once they are kept.
const MESSAGES_MAX: usize = 256;
/// Octets of a part, unless one message alone has more.
const OCTETS_MAX: u64 = 16 << 20;
/// Octets of a message that are read at a time.
const PIECE_OCTETS: usize = 64 * 1024;

/// What became of all.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    restored: u64,
    /// Those that were there.
    there: u64,
    /// Mailboxes that were made.
    mailboxes: u64,
    keywords_left_out: u64,
}

/// One line for programs.
#[derive(Debug, Serialize)]
struct Line {
    looked_at: u64,
    all: u64,
    restored: u64,
}

/// Where it is put back.
struct Target<'a> {
    socket: &'a Path,
    login: &'a str,
}

pub(super) fn put_back(wanted: &Restore, login: &str, json: bool) -> Result<(), Failure> {
    let socket = config::control_socket(&place::data_dir(&wanted.place)?);
    let scratch = Scratch::new()?;
    let mut told = Told::new("verify", json);
    let mut read = 0;
    let all = backup::Manifest::read(&wanted.backup)?;
    let all = all.entry(backup::MAILBOXES).map_or(0, |entry| entry.octets);
    let opened = backup::open_mailboxes(&wanted.backup, &scratch.0, |octets| {
        read += octets;
        told.tell(read, all);
    });
    told.progress.end();
    let mailstore = opened?;
    let target = Target { socket: &socket, login };
    let done = crate::commands::run(target.all(&mailstore, wanted, json));
    mailstore.close();
    let outcome = done?;
    if json { terminal::print_json(&outcome) } else { terminal::print(&text(&outcome)) }
}

impl Target<'_> {
    async fn all(&self, mailstore: &Mailstore, wanted: &Restore, json: bool) -> Result<Outcome, Failure> {
        let name = directory::spelling(self.login);
        let account = mailstore.find_account(&name).map_err(|error| unread(&error))?.ok_or_else(|| {
            Failure::usage(format!("there is no mail of {} in {}", clean(self.login), shown(&wanted.backup)))
        })?;
        let mut mailboxes = mailstore.mailboxes(account).map_err(|error| unread(&error))?;
        if let Some(only) = &wanted.mailbox {
            let only = mailstore::spelling(only).unwrap_or_default();
            mailboxes.retain(|mailbox| mailbox.name == only);
            if mailboxes.is_empty() {
                return Err(Failure::usage(format!(
                    "there was no such mailbox when {} was made",
                    shown(&wanted.backup)
                )));
            }
        }
        let subscribed = mailstore.subscriptions(account).map_err(|error| unread(&error))?;
        let there: api::Mailboxes = get(self.socket, &self.path("")).await?;
        let mut outcome = Outcome::default();
        let (mut progress, mut looked_at) = (Progress::new(json), 0);
        let all = mailboxes.iter().map(|mailbox| mailbox.messages).sum();
        for mailbox in &mailboxes {
            outcome.mailboxes += self.make(mailbox, &subscribed, &there).await?;
            let missing = self.missing(mailstore, mailbox).await?;
            outcome.there += mailbox.messages.saturating_sub(missing.len() as u64);
            for some in missing.chunks(MESSAGES_MAX) {
                let mut rest = some;
                while !rest.is_empty() {
                    let (sent, Imported { imported, keywords_left_out, .. }) =
                        self.send(mailstore, mailbox, rest).await?;
                    outcome.restored += imported;
                    outcome.keywords_left_out += keywords_left_out;
                    rest = rest.get(sent.max(1)..).unwrap_or_default();
                    let looked_at = looked_at + outcome.restored;
                    let bar = progress::bar(
                        "restore",
                        (looked_at.min(all), all),
                        &count(outcome.restored, "message"),
                    );
                    progress.tell(&bar, &Line { looked_at, all, restored: outcome.restored });
                }
            }
            looked_at += mailbox.messages.saturating_sub(missing.len() as u64);
        }
        progress.end();
        Ok(outcome)
    }

    /// Makes the mailbox if it is not there, for what it was for unless another one is for that now.
    async fn make(
        &self,
        mailbox: &Mailbox,
        subscribed: &[String],
        there: &api::Mailboxes,
    ) -> Result<u64, Failure> {
        let special = mailbox.special_use.map(SpecialUse::attribute);
        let taken =
            |special: &&str| there.mailboxes.iter().any(|one| one.special_use.as_deref() == Some(*special));
        let folder = api::Folder {
            name: mailbox.name.clone(),
            subscribed: subscribed.contains(&mailbox.name),
            special_use: special.filter(|special| !taken(special)).map(str::to_owned),
        };
        let Made { made } =
            post(self.socket, &self.path("/make"), &Folders { folders: vec![folder] }).await?;
        Ok(made)
    }

    /// What of a mailbox is not there. A message that is there twice in the backup, and once now, is missing once.
    async fn missing(
        &self,
        mailstore: &Mailstore,
        mailbox: &Mailbox,
    ) -> Result<Vec<(Uid, EmailId)>, Failure> {
        let mut there: HashMap<Fingerprint, u64> = HashMap::new();
        let path = self.path(&format!("/fingerprints?folder={}", encoded(&mailbox.name)));
        messages(self.socket, &path, |frame| {
            if let Frame::Document(document) = frame {
                let some: Fingerprints = serde_json::from_slice(&document).map_err(|error| {
                    Failure::new(format!("cannot understand the server's answer: {error}"))
                })?;
                for api::Fingerprint { hash, head_octets, internal_date } in some.fingerprints {
                    *there
                        .entry(Fingerprint { hash: octets_of(&hash), head_octets, internal_date })
                        .or_default() += 1;
                }
            }
            Ok(())
        })
        .await?;
        let mut missing = Vec::new();
        for (uid, fingerprint, email) in mailstore.fingerprints(mailbox.id).map_err(|error| unread(&error))? {
            match there.get_mut(&fingerprint) {
                Some(left) if *left > 0 => *left -= 1,
                _ => missing.push((uid, email)),
            }
        }
        Ok(missing)
    }

    /// Sends some messages, at least one; how many.
    async fn send(
        &self,
        mailstore: &Mailstore,
        mailbox: &Mailbox,
        some: &[(Uid, EmailId)],
    ) -> Result<(usize, Imported), Failure> {
        let uids: UidSet = some.iter().map(|(uid, _)| *uid).collect();
        let keywords = mailstore.view(mailbox.id).map_err(|error| unread(&error))?.keywords;
        let mut outbound = Outbound::open(self.socket, &self.path("/import")).await?;
        let (mut sent, mut octets) = (0, 0);
        for facts in mailstore.facts(mailbox.id, &uids).map_err(|error| unread(&error))? {
            let head = usize::try_from(facts.head_octets).unwrap_or(usize::MAX);
            if head > 0 {
                let head = mailstore.read(facts.email, 0, head).map_err(|error| unread(&error))?;
                outbound.send(&Frame::Head(head)).await;
            }
            let mut at = u64::from(facts.head_octets);
            while at < facts.octets {
                let piece = mailstore.read(facts.email, at, PIECE_OCTETS).map_err(|error| unread(&error))?;
                at += piece.len() as u64;
                octets += piece.len() as u64;
                if piece.is_empty() || !outbound.send(&Frame::Octets(piece)).await {
                    break;
                }
            }
            let letter = Letter {
                folder: mailbox.name.clone(),
                source: format!("{}U{}V{}", mailbox.id, facts.uid, mailbox.uid_validity),
                known_by: KnownBy::Nothing,
                flags: facts.flags.names().map(str::to_owned).collect(),
                keywords: keywords.names(facts.keywords).map(str::to_owned).collect(),
                internal_date: facts.internal_date,
                octets: 0,
            };
            sent += 1;
            // Texts and numbers alone: it cannot fail. What a server that hears no more has against it is in its answer.
            let heard =
                outbound.send(&Frame::Document(serde_json::to_vec(&letter).unwrap_or_default())).await;
            if !heard || octets >= OCTETS_MAX {
                break;
            }
        }
        Ok((sent, outbound.answer().await?))
    }

    fn path(&self, more: &str) -> String {
        format!("/v1/accounts/{}/mailboxes{more}", encoded(self.login))
    }
}

fn unread(error: &MailstoreError) -> Failure {
    Failure::new(format!("cannot read the backup: {error}"))
}

/// Out of hexadecimal digits.
fn octets_of(digits: &str) -> Vec<u8> {
    let pair =
        |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    digits.as_bytes().chunks(2).filter_map(pair).collect()
}

fn text(outcome: &Outcome) -> String {
    let Outcome { restored, there, mailboxes, keywords_left_out } = *outcome;
    let mut parts = vec![format!("{} restored", count(restored, "message"))];
    match mailboxes {
        0 => {}
        1 => parts.push("1 mailbox made".to_owned()),
        number => parts.push(format!("{number} mailboxes made")),
    }
    if there > 0 {
        parts.push(format!("{there} there already"));
    }
    if keywords_left_out > 0 {
        parts.push(format!("{} left out for want of room", count(keywords_left_out, "keyword")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_back_from_their_digits() {
        assert_eq!(octets_of("00ff1a"), [0, 255, 26]);
    }
}
