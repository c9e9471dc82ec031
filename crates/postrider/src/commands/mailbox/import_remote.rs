//! Mail that is brought in from another server by IMAP: looked through first, then fetched, and begun again where the connection was lost.

use std::{collections::HashSet, path::Path, time::Duration};

use admin::api::{self, Folders, Imported, Known, Made, Sources};
use disk::{Clock, SystemClock};
use net::{Anchors, Connector};
use serde::Serialize;

use super::import::{Line, text};
use crate::{
    cli::MailboxImport,
    client::{Outbound, encoded, get, post},
    commands::{
        password,
        progress::{self, Progress},
    },
    failure::Failure,
    remote::{
        Access, Batch, Connection, Folder, LeftOut, Proof, RemoteError, Url, Wishes, fetch, folders, open,
        plan, same_item, survey,
    },
    terminal::{self, clean, count},
};

/// Messages of a batch.
const MESSAGES_MAX: usize = 256;
/// Octets of a batch, unless one message alone has more.
const OCTETS_MAX: u64 = 16 << 20;
/// Messages that are asked after at a time.
const SOURCES_MAX: usize = 1000;
/// How often the connection may be lost without anything having come of it.
const LOST_MAX: u32 = 6;

/// What became of all.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    #[serde(flatten)]
    whole: Imported,
    /// Told by the server, and not sent: gone meanwhile, or unreadable there.
    not_sent: u64,
    left_out: Vec<Told>,
    /// Mailboxes that the server does not open.
    refused: Vec<Told>,
}

/// Something about a mailbox of the other server.
#[derive(Debug, Serialize)]
struct Told {
    mailbox: String,
    why: String,
}

/// A mailbox, and what of it has yet to come.
struct Work {
    folder: Folder,
    uid_validity: u32,
    /// The last is the next.
    pending: Vec<(u32, u64)>,
}

struct Run<'a> {
    socket: &'a Path,
    login: &'a str,
    access: Access,
    wishes: Wishes,
    works: Option<Vec<Work>>,
    surveyed: usize,
    others: HashSet<Vec<u8>>,
    outcome: Outcome,
    octets: (u64, u64),
    progress: Progress,
    /// Something has come since the connection was lost.
    further: bool,
}

pub(super) async fn import(
    socket: &Path,
    wanted: &MailboxImport,
    url: Url,
    json: bool,
) -> Result<(), Failure> {
    let host = url.to_string();
    let mut run = Run {
        socket,
        login: &wanted.login,
        access: access(wanted, url)?,
        wishes: Wishes { only: wanted.only.clone(), into: wanted.folder.clone(), same_known: false },
        works: None,
        surveyed: 0,
        others: HashSet::new(),
        outcome: Outcome::default(),
        octets: (0, 0),
        progress: Progress::new(json),
        further: false,
    };
    let ended = run.finish(&host).await;
    run.progress.end();
    let outcome = run.outcome;
    if let Err(failure) = ended {
        if outcome.whole.imported > 0 {
            terminal::say(&format!("imported until then: {}", text(&outcome.whole)));
        }
        return Err(failure);
    }
    for Told { mailbox, why } in outcome.left_out.iter().chain(&outcome.refused) {
        terminal::say(&format!("left out: {}: {}", clean(mailbox), clean(why)));
    }
    if json {
        terminal::print_json(&outcome)?;
    } else {
        terminal::print(&text(&outcome.whole))?;
    }
    shortcomings(&outcome)
}

/// What the operator has to look at.
fn shortcomings(outcome: &Outcome) -> Result<(), Failure> {
    if !outcome.refused.is_empty() {
        let mailboxes = if outcome.refused.len() == 1 {
            "a mailbox".to_owned()
        } else {
            format!("{} mailboxes", outcome.refused.len())
        };
        return Err(Failure::new(format!("the server does not let us read {mailboxes}"))
            .hint("see what it said above; all else has come"));
    }
    match outcome.not_sent {
        0 => Ok(()),
        messages => Err(Failure::new(format!("{} did not come", count(messages, "message")))
            .hint("gone meanwhile, or unreadable there; run this again to see which it was")),
    }
}

/// Who logs in there, by what, and whose word is believed for who answers.
fn access(wanted: &MailboxImport, url: Url) -> Result<Access, Failure> {
    let anchors = match &wanted.ca {
        None => Anchors::System,
        Some(path) => {
            let unusable = |why: &dyn std::fmt::Display| {
                Failure::usage(format!("cannot use the authorities in {}: {why}", path.display()))
            };
            let text = std::fs::read(path).map_err(|error| unusable(&crate::config::words(&error)))?;
            Anchors::from_pem(&text).map_err(|error| unusable(&error))?
        }
    };
    let connector = Connector::verifying(&anchors, None::<&str>).map_err(|error| {
        Failure::new(format!("no server can be believed: {error}")).hint("name an authority by --ca FILE")
    })?;
    let proof = match &wanted.token_file {
        Some(path) => Proof::Token(password::from_file(path, "token")?),
        None => Proof::Password(password::of_another(
            wanted.password_file.as_deref(),
            wanted.password_env.as_deref(),
            &url.user,
        )?),
    };
    Ok(Access { url, connector, proof })
}

impl Run<'_> {
    async fn finish(&mut self, host: &str) -> Result<(), Failure> {
        let mut lost = 0;
        loop {
            let why = match self.go_on().await {
                Ok(()) => return Ok(()),
                Err(RemoteError::Here(failure)) => return Err(failure),
                Err(RemoteError::Refused(why)) => return Err(Failure::new(format!("{host}: {why}"))),
                Err(RemoteError::Wrong(why)) => {
                    return Err(Failure::new(format!("{host} is not to be understood: {why}")));
                }
                Err(RemoteError::Lost(why)) => why,
            };
            lost = if std::mem::take(&mut self.further) { 1 } else { lost + 1 };
            if lost >= LOST_MAX {
                return Err(Failure::new(format!("the connection to {host} was lost: {why}"))
                    .hint("run the same command again: it goes on where this one ended"));
            }
            let pause = Duration::from_secs(1 << (lost - 1));
            self.progress.end();
            terminal::say(&format!(
                "the connection to {host} was lost: {why}; once more in {} s",
                pause.as_secs()
            ));
            tokio::time::sleep(pause).await;
        }
    }

    async fn go_on(&mut self) -> Result<(), RemoteError> {
        let mut connection = Connection::open(&self.access).await?;
        if self.works.is_none() {
            self.list(&mut connection).await?;
            self.further = true;
        }
        while self.survey_next(&mut connection).await? {
            self.further = true;
        }
        for at in 0..self.works.as_ref().map_or(0, Vec::len) {
            self.fetch_mailbox(&mut connection, at).await?;
        }
        connection.close().await;
        Ok(())
    }

    /// Which mailboxes there are, and to be here.
    async fn list(&mut self, connection: &mut Connection) -> Result<(), RemoteError> {
        self.wishes.same_known = same_item(connection).is_some();
        let (listed, namespaces) = folders(connection).await?;
        // Of somebody who was never here, the mailboxes for sent mail and the like are made now: what there is for the same goes into them.
        let none = Folders { folders: Vec::new() };
        let _: Made = post(self.socket, &super::path(self.login, "/make"), &none).await?;
        let own: api::Mailboxes = get(self.socket, &super::path(self.login, "")).await?;
        let (folders, left_out) = plan(&listed, &namespaces, &own.mailboxes, &self.wishes);
        if let Some(missing) =
            self.wishes.only.iter().find(|only| !folders.iter().any(|folder| folder.is_called(only)))
        {
            let failure = Failure::usage(format!("there is no mailbox `{}` there", clean(missing)));
            return Err(failure
                .hint("write its name as the server does, with its own delimiter between levels")
                .into());
        }
        let wanted = folders.iter().map(|folder| api::Folder {
            name: folder.target.clone(),
            subscribed: folder.subscribed,
            special_use: None,
        });
        let wanted: Vec<api::Folder> = wanted.collect();
        for folders in wanted.chunks(SOURCES_MAX) {
            let _: Made =
                post(self.socket, &super::path(self.login, "/make"), &Folders { folders: folders.to_vec() })
                    .await?;
        }
        let told = |LeftOut { name, why }| Told { mailbox: name, why: why.to_owned() };
        self.outcome.left_out = left_out.into_iter().map(told).collect();
        let work = |folder| Work { folder, uid_validity: 0, pending: Vec::new() };
        self.works = Some(folders.into_iter().map(work).collect());
        Ok(())
    }

    /// Looks through the next mailbox. Whether there was one.
    async fn survey_next(&mut self, connection: &mut Connection) -> Result<bool, RemoteError> {
        let Some(work) = self.works.iter_mut().flatten().nth(self.surveyed) else { return Ok(false) };
        match survey(connection, &work.folder, &mut self.others).await? {
            Ok(held) => {
                work.uid_validity = held.uid_validity;
                let (missing, already) = missing(
                    self.socket,
                    self.login,
                    &source(&self.access.url, work),
                    &work.folder.target,
                    held.messages,
                )
                .await?;
                self.outcome.whole.already += already;
                self.octets.1 += missing.iter().map(|(_, octets)| octets).sum::<u64>();
                work.pending = missing;
                work.pending.reverse();
            }
            Err(why) => self.outcome.refused.push(Told { mailbox: work.folder.name.clone(), why }),
        }
        self.surveyed += 1;
        let all = self.works.as_ref().map_or(0, Vec::len);
        let done = u64::try_from(self.surveyed).unwrap_or(u64::MAX);
        let whole = u64::try_from(all).unwrap_or(u64::MAX);
        self.progress.tell(&progress::bar("look", (done, whole), &format!("{all} mailboxes")), &self.line());
        Ok(true)
    }

    async fn fetch_mailbox(&mut self, connection: &mut Connection, at: usize) -> Result<(), RemoteError> {
        let Some(work) = self.works.iter().flatten().nth(at).filter(|work| !work.pending.is_empty()) else {
            return Ok(());
        };
        let validity = open(connection, &work.folder).await?;
        if validity != work.uid_validity {
            let why = format!(
                "{} is not the mailbox that it was a moment ago; run this again",
                clean(&work.folder.name)
            );
            return Err(RemoteError::Wrong(why));
        }
        while self.fetch_some(connection, at).await? {}
        Ok(())
    }

    /// Fetches a batch of the mailbox that is open. Whether there was one.
    async fn fetch_some(&mut self, connection: &mut Connection, at: usize) -> Result<bool, RemoteError> {
        let Some(work) = self.works.iter_mut().flatten().nth(at) else { return Ok(false) };
        let some = next_batch(&mut work.pending);
        if some.is_empty() {
            return Ok(false);
        }
        let uids: Vec<u32> = some.iter().map(|(uid, _)| *uid).collect();
        let source = source(&self.access.url, work);
        let batch = Batch { folder: &work.folder, source: &source, uids: &uids, now: now() };
        let outbound = Outbound::open(self.socket, &super::path(self.login, "/import")).await?;
        let (came, ended) = fetch(connection, &batch, outbound).await?;
        self.outcome.whole.imported += came.imported.imported;
        self.outcome.whole.already += came.imported.already;
        self.outcome.whole.keywords_left_out += came.imported.keywords_left_out;
        let (here, not_here): (Vec<_>, Vec<_>) =
            some.into_iter().partition(|(uid, _)| came.uids.contains(uid));
        self.further |= !here.is_empty();
        self.octets.0 += here.iter().map(|(_, octets)| octets).sum::<u64>();
        if ended.is_ok() {
            self.outcome.not_sent += u64::try_from(not_here.len()).unwrap_or(u64::MAX);
        } else {
            work.pending.extend(not_here.into_iter().rev());
        }
        let bar = progress::bar("import", self.octets, &count(self.outcome.whole.imported, "message"));
        self.progress.tell(&bar, &self.line());
        ended.map(|()| true)
    }

    fn line(&self) -> Line {
        let Imported { imported, already, .. } = self.outcome.whole;
        Line { read: self.octets.0, all: self.octets.1, imported, already }
    }
}

/// The next messages, which are taken off the end.
fn next_batch(pending: &mut Vec<(u32, u64)>) -> Vec<(u32, u64)> {
    let (mut some, mut octets) = (Vec::new(), 0_u64);
    while some.len() < MESSAGES_MAX && octets < OCTETS_MAX {
        let Some(message) = pending.pop() else { break };
        octets = octets.saturating_add(message.1);
        some.push(message);
    }
    some
}

/// What a message is called there for ever, up to its UID (RFC 5092 §9). Not by the port: by which door it is fetched makes it no other.
fn source(url: &Url, work: &Work) -> String {
    let Work { folder, uid_validity, .. } = work;
    let (user, host) = (encoded(&url.user), url.host.to_ascii_lowercase());
    format!("imap://{user}@{host}/{};UIDVALIDITY={uid_validity}/;UID=", encoded(&folder.name))
}

/// Those of messages that were not put in before, and how many were.
async fn missing(
    socket: &Path,
    login: &str,
    source: &str,
    folder: &str,
    messages: Vec<(u32, u64)>,
) -> Result<(Vec<(u32, u64)>, u64), RemoteError> {
    let (mut missing, path) = (Vec::new(), super::path(login, "/imported"));
    let mut already = 0;
    for some in messages.chunks(SOURCES_MAX) {
        let sources = some.iter().map(|(uid, _)| format!("{source}{uid}")).collect();
        let asked = Sources { folder: folder.to_owned(), sources };
        let Known { known } = post(socket, &path, &asked).await?;
        let known = known.into_iter().chain(std::iter::repeat(false));
        for (message, known) in some.iter().zip(known) {
            if known { already += 1 } else { missing.push(*message) }
        }
    }
    Ok((missing, already))
}

fn now() -> i64 {
    i64::try_from(SystemClock.now().as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_by_messages_and_by_octets() {
        let mut pending: Vec<(u32, u64)> = (1..=300).rev().map(|uid| (uid, 10)).collect();
        let some = next_batch(&mut pending);
        assert_eq!((some.len(), some.first().copied(), pending.len()), (MESSAGES_MAX, Some((1, 10)), 44));
        let mut large = vec![(2, 5), (1, u64::MAX)];
        assert_eq!(next_batch(&mut large), [(1, u64::MAX)]);
        assert_eq!(next_batch(&mut large), [(2, 5)]);
        assert!(next_batch(&mut large).is_empty());
    }
}
