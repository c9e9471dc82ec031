//! Messages that go out.

use std::{convert::Infallible, time::Duration};

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
/// What is said to who waits for more, when there is none because the server stops.
const STOPPING: &str = "the server stops; run this again, into another directory, when it is there again";
/// How long a stop waits for a client to hear of it.
const STOPPING_WITHIN: Duration = Duration::from_secs(1);
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
    stream(&control, login, params, tell).await
}

/// By what each message of a mailbox is known again, as they are now.
pub(super) async fn fingerprints(
    Shared(control): Shared<Control>,
    login: Segment,
    params: Params<ExportParams>,
) -> Result<Response, Problem> {
    stream(&control, login, params, tell_fingerprints).await
}

type Send<'a> = &'a mut dyn FnMut(Frame) -> Result<(), Ended>;

/// Frames about a mailbox, as they are made.
async fn stream(
    control: &Control,
    login: Segment,
    params: Params<ExportParams>,
    tell: fn(&Owner, &Mailbox, Send<'_>) -> Result<(), Ended>,
) -> Result<Response, Problem> {
    let ExportParams { folder } = query::params(params)?;
    let owner = Owner::find(control, login)?;
    let finder = owner.clone();
    let mailbox = look(move || {
        let account = finder.found()?.ok_or(MailstoreError::NoMailbox)?;
        finder.mailstore.mailbox(account, &folder)?.ok_or(MailstoreError::NoMailbox)
    });
    let mailbox = mailbox.await?;
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(FRAMES_MAX);
    let (handle, mut stop) = (Handle::current(), control.stop.clone());
    tokio::task::spawn_blocking(move || {
        let mut send = |frame: Frame| {
            handle.block_on(async {
                tokio::select! {
                    biased;
                    () = stop.requested() => Err(Ended::Stopping),
                    sent = sender.send_data(frame.encode().into()) => sent.map_err(|_| Ended::ClientGone),
                }
            })
        };
        match tell(&owner, &mailbox, &mut send) {
            Ok(()) => drop(send(Frame::Finished)),
            Err(Ended::Failed(error)) => {
                tracing::error!(station = "admin", %error, "cannot export a mailbox");
                drop(send(Frame::Failed(error.to_string())));
            }
            Err(Ended::Stopping) => {
                // A client that does not hear it sees that the end is missing.
                let told = sender.send_data(Frame::Failed(STOPPING.to_owned()).encode().into());
                drop(handle.block_on(async { tokio::time::timeout(STOPPING_WITHIN, told).await }));
            }
            Err(Ended::ClientGone) => {}
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::new(body)).into_response())
}

/// Why no more is told.
enum Ended {
    ClientGone,
    Stopping,
    Failed(MailstoreError),
}

impl From<MailstoreError> for Ended {
    fn from(error: MailstoreError) -> Self {
        Self::Failed(error)
    }
}

fn tell(owner: &Owner, mailbox: &Mailbox, send: Send<'_>) -> Result<(), Ended> {
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

fn tell_fingerprints(owner: &Owner, mailbox: &Mailbox, send: Send<'_>) -> Result<(), Ended> {
    for some in owner.mailstore.fingerprints(mailbox.id)?.chunks(MESSAGES_MAX) {
        let fingerprints = some.iter().map(|(_, fingerprint, _)| api::Fingerprint {
            hash: digits(&fingerprint.hash),
            head_octets: fingerprint.head_octets,
            internal_date: fingerprint.internal_date,
        });
        let told = api::Fingerprints { fingerprints: fingerprints.collect() };
        send(Frame::Document(serde_json::to_vec(&told).unwrap_or_default()))?;
    }
    Ok(())
}

/// In hexadecimal digits.
fn digits(octets: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

fn letter(mailbox: &Mailbox, keywords: &Keywords, facts: &Facts) -> api::Letter {
    api::Letter {
        folder: mailbox.name.clone(),
        source: format!("{}U{}V{}", mailbox.id, facts.uid, mailbox.uid_validity),
        known_by: api::KnownBy::Content,
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
