//! Messages that go out.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    extract::State as Shared,
    http::header,
    response::{IntoResponse, Response},
};
use http_body_util::channel::Channel;
use mailstore::{Facts, Keywords, Mailbox, MailstoreError, UidSet};
use serde::Deserialize;
use tokio::runtime::Handle;

use super::{Owner, Segment, look};
use crate::{
    Control, Problem, api,
    frames::Frame,
    query::{self, Params},
};

/// Frames that wait for a slow client.
const FRAMES_MAX: usize = 16;
/// Messages that are looked up at a time.
const MESSAGES_MAX: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportParams {
    folder: String,
}

/// All messages of a mailbox, as it is now.
pub(super) async fn export(
    Shared(control): Shared<Control>,
    login: Segment,
    params: Params<ExportParams>,
) -> Result<Response, Problem> {
    let ExportParams { folder } = query::params(params)?;
    let owner = Owner::find(&control, login)?;
    let finder = owner.clone();
    let mailbox = look(move || {
        let account = finder.found()?.ok_or(MailstoreError::NoMailbox)?;
        finder.mailstore.mailbox(account, &folder)?.ok_or(MailstoreError::NoMailbox)
    });
    let mailbox = mailbox.await?;
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(FRAMES_MAX);
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut send = |frame: Frame| {
            let sent = handle.block_on(sender.send_data(frame.encode().into()));
            sent.map_err(|_| Ended::ClientGone)
        };
        match tell(&owner, &mailbox, &mut send) {
            Ok(()) => drop(send(Frame::Finished)),
            Err(Ended::Failed(error)) => {
                tracing::error!(station = "admin", %error, "cannot export a mailbox");
                drop(send(Frame::Failed(error.to_string())));
            }
            Err(Ended::ClientGone) => {}
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::new(body)).into_response())
}

/// Why no more is told.
enum Ended {
    ClientGone,
    Failed(MailstoreError),
}

impl From<MailstoreError> for Ended {
    fn from(error: MailstoreError) -> Self {
        Self::Failed(error)
    }
}

fn tell(
    owner: &Owner,
    mailbox: &Mailbox,
    send: &mut impl FnMut(Frame) -> Result<(), Ended>,
) -> Result<(), Ended> {
    let view = owner.mailstore.view(mailbox.id)?;
    let uids: Vec<_> = view.messages.iter().map(|message| message.uid).collect();
    for some in uids.chunks(MESSAGES_MAX) {
        let some: UidSet = some.iter().copied().collect();
        for facts in owner.mailstore.facts(mailbox.id, &some)? {
            let mut reader = match owner.mailstore.reader(facts.email) {
                // Removed since it was listed.
                Err(MailstoreError::Gone) => continue,
                reader => reader?,
            };
            send(Frame::Document(document(&letter(mailbox, &view.keywords, &facts))))?;
            while let Some(piece) = reader.next_piece()? {
                send(Frame::Octets(piece))?;
            }
            send(Frame::End)?;
        }
    }
    Ok(())
}

fn letter(mailbox: &Mailbox, keywords: &Keywords, facts: &Facts) -> api::Letter {
    api::Letter {
        folder: mailbox.name.clone(),
        source: format!("{}U{}V{}", mailbox.id, facts.uid, mailbox.uid_validity),
        flags: facts.flags.names().map(str::to_owned).collect(),
        keywords: keywords.names(facts.keywords).map(str::to_owned).collect(),
        internal_date: facts.internal_date,
        octets: facts.octets,
    }
}

fn document(letter: &api::Letter) -> Vec<u8> {
    // Texts and numbers alone: it cannot fail.
    serde_json::to_vec(letter).unwrap_or_default()
}
