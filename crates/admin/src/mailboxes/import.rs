//! Messages that come in.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State as Shared,
};
use http_body_util::BodyExt;
use mailstore::{
    AccountId, Content, Flags, Import, KnownBy, Mailstore, MailstoreError, NewMessage, SpecialUse, Upload,
};

use super::{Owner, Segment, look, now, refusal};
use crate::{
    Control, Problem, api,
    frames::{Frame, Frames},
    query,
    routes::Answer,
};

/// Messages of one commit.
const MESSAGES_MAX: usize = 256;
/// Octets of one commit, about: those of a message that are beyond a MiB wait on the disk.
const OCTETS_MAX: u64 = 8 << 20;

/// Takes all messages of a body. After an error the rest is read and not kept: a client that still sends would not hear of the error.
pub(super) async fn import(
    Shared(control): Shared<Control>,
    login: Segment,
    mut body: Body,
) -> Answer<api::Imported> {
    let mut stop = control.stop.clone();
    let taken = take(&control, login, &mut body).await;
    while taken.is_err() && !stop.is_requested() {
        tokio::select! {
            part = body.frame() => if !matches!(part, Some(Ok(_))) { break },
            () = stop.requested() => {}
        }
    }
    let taken = taken?;
    tracing::info!(
        station = "admin",
        imported = taken.imported,
        already = taken.already,
        "messages were imported by hand"
    );
    Ok(Json(taken))
}

async fn take(control: &Control, login: Segment, body: &mut Body) -> Result<api::Imported, Problem> {
    let owner = Owner::find(control, login)?;
    let account = owner.made(now(control)).await?;
    let mut intake = Intake::new(owner.mailstore, account, now(control));
    let (mut frames, mut stop) = (Frames::default(), control.stop.clone());
    loop {
        // Whoever sends may wait for a server elsewhere.
        let part = tokio::select! {
            part = body.frame() => part,
            () = stop.requested() => {
                intake.commit().await?;
                return Err(Problem::unavailable("the server stops").hint("run this again when it is there again"));
            }
        };
        let Some(part) = part else { break };
        let part = part.map_err(|error| Problem::bad_request(error.to_string()))?;
        frames.push(part.data_ref().map(Bytes::as_ref).unwrap_or_default());
        while let Some(frame) =
            frames.next_frame().map_err(|error| Problem::bad_request(error.to_string()))?
        {
            intake.take(frame).await?;
        }
    }
    if !frames.is_at_end() || intake.upload.is_some() {
        return Err(Problem::bad_request("the body ends within a message"));
    }
    intake.commit().await?;
    Ok(intake.done)
}

/// Which messages were put in before, so that they need not be sent.
pub(super) async fn imported(
    Shared(control): Shared<Control>,
    login: Segment,
    body: query::Body<api::Sources>,
) -> Answer<api::Known> {
    let (owner, api::Sources { folder, sources }) = (Owner::find(&control, login)?, query::body(body)?);
    let sources: Vec<Vec<u8>> = sources.into_iter().map(String::into_bytes).collect();
    let known = look(move || match owner.found()? {
        Some(account) => owner.mailstore.imported(account, &folder, &sources),
        None => Ok(vec![false; sources.len()]),
    });
    Ok(Json(api::Known { known: known.await? }))
}

/// Makes mailboxes that are not there, for folders without messages too.
pub(super) async fn make(
    Shared(control): Shared<Control>,
    login: Segment,
    body: query::Body<api::Folders>,
) -> Answer<api::Made> {
    let (owner, api::Folders { folders }) = (Owner::find(&control, login)?, query::body(body)?);
    let (now, mut made) = (now(&control), 0);
    let account = owner.made(now).await?;
    for api::Folder { name, subscribed, special_use } in folders {
        let special_use = special_use.as_deref().and_then(SpecialUse::parse);
        match owner.mailstore.create(account, &name, special_use, now).await {
            Ok(_) => made += 1,
            Err(MailstoreError::Exists) => continue,
            Err(error) => return Err(refusal(&error)),
        }
        if subscribed {
            let subscribed = owner.mailstore.subscribe(account, &name, true).await;
            subscribed.map_err(|error| refusal(&error))?;
        }
    }
    Ok(Json(api::Made { made }))
}

/// What came and is not put in yet.
struct Intake {
    mailstore: Mailstore,
    account: AccountId,
    now: i64,
    upload: Option<Upload>,
    /// What stands before the octets of the next message.
    head: Vec<u8>,
    waiting: Vec<Import>,
    octets: u64,
    done: api::Imported,
}

impl Intake {
    fn new(mailstore: Mailstore, account: AccountId, now: i64) -> Self {
        let done = api::Imported::default();
        Self { mailstore, account, now, upload: None, head: Vec::new(), waiting: Vec::new(), octets: 0, done }
    }

    async fn take(&mut self, frame: Frame) -> Result<(), Problem> {
        match frame {
            Frame::Octets(octets) => {
                let upload = self.upload.get_or_insert_with(|| self.mailstore.upload());
                upload.write(&octets).await.map_err(|error| refusal(&error))
            }
            Frame::Document(document) => {
                let letter = serde_json::from_slice(&document);
                let letter: api::Letter =
                    letter.map_err(|error| Problem::bad_request(format!("a message's document: {error}")))?;
                let content = match self.upload.take() {
                    Some(upload) => upload.finish().await.map_err(|error| refusal(&error))?,
                    None => Content::new(Vec::new()),
                };
                self.octets += content.len();
                self.waiting.push(new_message(letter, std::mem::take(&mut self.head), content)?);
                if self.waiting.len() >= MESSAGES_MAX || self.octets >= OCTETS_MAX {
                    self.commit().await?;
                }
                Ok(())
            }
            Frame::Head(octets) => {
                self.head = octets;
                Ok(())
            }
            Frame::Abandoned => {
                (self.upload, self.head) = (None, Vec::new());
                Ok(())
            }
            Frame::End | Frame::Finished | Frame::Failed(_) => {
                Err(Problem::bad_request("an import is made of octets and documents"))
            }
        }
    }

    async fn commit(&mut self) -> Result<(), Problem> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.octets = 0;
        let imports = std::mem::take(&mut self.waiting);
        let imported = self.mailstore.import(self.account, imports, self.now).await;
        let imported = imported.map_err(|error| refusal(&error))?;
        self.done.imported += imported.new;
        self.done.already += imported.already;
        self.done.keywords_left_out += imported.keywords_left_out;
        Ok(())
    }
}

fn new_message(letter: api::Letter, head: Vec<u8>, content: Content) -> Result<Import, Problem> {
    let api::Letter { folder, source, known_by, flags: names, keywords, internal_date, .. } = letter;
    let mut flags = Flags::none();
    for name in &names {
        let unknown = || Problem::bad_request(format!("there is no flag `{name}`"));
        flags = flags.with(Flags::parse(name).ok_or_else(unknown)?);
    }
    let message = NewMessage { content, flags, keywords, internal_date };
    let known_by = match known_by {
        api::KnownBy::Content => KnownBy::Content,
        api::KnownBy::Source => KnownBy::Source,
        api::KnownBy::Nothing => KnownBy::Nothing,
    };
    Ok(Import { folder, source: source.into_bytes(), known_by, head, message })
}
