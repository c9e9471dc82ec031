//! Messages with their octets, some at a time: from there over here into the mailbox, without ever standing still.

use std::collections::BTreeSet;

use admin::{
    api::{Imported, KnownBy, Letter},
    frames::Frame,
};
use imap::{
    Flag, SequenceSet,
    client::{Body, Condition, Event, Fetched, Response, Word},
};

use super::{Connection, Folder, RemoteError};
use crate::{client::Outbound, terminal::clean};

/// Some messages of the mailbox that is open.
pub(crate) struct Batch<'a> {
    pub(crate) folder: &'a Folder,
    /// What their sources begin with, before the UID.
    pub(crate) source: &'a str,
    pub(crate) uids: &'a [u32],
    /// What they get for a date where none is told, in milliseconds since 1970.
    pub(crate) now: i64,
}

/// What became of a batch, as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) imported: Imported,
    /// Which are kept now.
    pub(crate) uids: BTreeSet<u32>,
    /// How many the server has no octets of.
    pub(crate) without_octets: u64,
}

/// Fetches a batch into the account. What came is told also if not all did, and then why.
pub(crate) async fn fetch(
    connection: &mut Connection,
    batch: &Batch<'_>,
    mut outbound: Outbound,
) -> Result<(Came, Result<(), RemoteError>), RemoteError> {
    let mut passing =
        Passing { batch, wanted: batch.uids.iter().copied().collect(), came: Came::default(), begun: false };
    let ended = passing.all(connection, &mut outbound).await;
    if ended.is_err() && passing.begun {
        // What broke off is nothing; what came before it stays.
        outbound.send(&Frame::Abandoned).await;
    }
    if let Err(RemoteError::Here(_)) = &ended {
        // The server's own answer says it better.
        outbound.answer::<Imported>().await?;
        return ended.map(|()| (Came::default(), Ok(())));
    }
    let Passing { mut came, .. } = passing;
    came.imported = outbound.answer().await?;
    Ok((came, ended))
}

struct Passing<'a> {
    batch: &'a Batch<'a>,
    wanted: BTreeSet<u32>,
    came: Came,
    /// Octets of a message have gone on, and what it is has not.
    begun: bool,
}

impl Passing<'_> {
    async fn all(&mut self, connection: &mut Connection, outbound: &mut Outbound) -> Result<(), RemoteError> {
        let set = SequenceSet::of(self.batch.uids.iter().copied());
        // UID first: a server may tell in the order in which it is asked.
        let command = format!("UID FETCH {set} (UID FLAGS INTERNALDATE BODY.PEEK[])");
        connection.begin(&[Word::Raw(&command)]).await?;
        loop {
            match connection.next_event().await? {
                Event::Piece(piece) => {
                    self.begun = true;
                    self.pass(outbound, Frame::Octets(piece)).await?;
                }
                Event::Response(Response::Fetch(fetched)) => self.message(*fetched, outbound).await?,
                Event::Response(Response::Done { status, .. }) if status.condition == Condition::Ok => {
                    return Ok(());
                }
                // RFC 3501 §6.4.5: some may be gone, and then servers say so. What came came.
                Event::Response(Response::Done { status, .. }) if status.condition == Condition::No => {
                    return Ok(());
                }
                Event::Response(Response::Done { status, .. }) => {
                    return Err(RemoteError::Refused(format!(
                        "messages were refused: {}",
                        clean(&status.text)
                    )));
                }
                Event::Response(Response::Continue(_)) => {
                    return Err(RemoteError::Wrong("it waits for more".to_owned()));
                }
                Event::Response(_) | Event::Hungry => {}
            }
        }
    }

    async fn message(&mut self, fetched: Fetched, outbound: &mut Outbound) -> Result<(), RemoteError> {
        let Some(body) = fetched.body else { return Ok(()) };
        let uid = fetched.uid.filter(|uid| self.wanted.remove(uid));
        let uid =
            uid.ok_or_else(|| RemoteError::Wrong("it sends a message that nobody asked for".to_owned()))?;
        match body {
            Body::Passed(_) => {}
            Body::Whole(octets) => self.pass(outbound, Frame::Octets(octets)).await?,
            Body::Nothing => {
                self.came.without_octets += 1;
                return Ok(());
            }
        }
        let (flags, keywords) = marks(fetched.flags.unwrap_or_default());
        let letter = Letter {
            folder: self.batch.folder.target.clone(),
            source: format!("{}{uid}", self.batch.source),
            known_by: KnownBy::Source,
            flags,
            keywords,
            internal_date: fetched
                .internal_date
                .map_or(self.batch.now, |date| date.seconds().saturating_mul(1000)),
            octets: 0,
        };
        // Texts and numbers alone: it cannot fail.
        self.pass(outbound, Frame::Document(serde_json::to_vec(&letter).unwrap_or_default())).await?;
        self.begun = false;
        self.came.uids.insert(uid);
        Ok(())
    }

    async fn pass(&self, outbound: &mut Outbound, frame: Frame) -> Result<(), RemoteError> {
        if outbound.send(&frame).await {
            return Ok(());
        }
        Err(RemoteError::Here(crate::failure::Failure::new("the server takes no more messages")))
    }
}

/// Flags and keywords that a message can have here.
fn marks(flags: Vec<Flag>) -> (Vec<String>, Vec<String>) {
    let (mut system, mut keywords) = (Vec::new(), Vec::new());
    for flag in flags {
        match flag {
            Flag::Recent | Flag::Extension(_) => {}
            Flag::Keyword(name) => keywords.push(name.into()),
            flag => system.push(flag.to_string()),
        }
    }
    (system, keywords)
}
