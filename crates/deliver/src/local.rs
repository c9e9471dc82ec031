//! Final delivery: messages for mailboxes of this machine, filed in batches.

use std::{io, path::PathBuf, sync::Arc};

use directory::{Directory, Resolution};
use disk::Disk;
use mail::{Address, Envelope, Reply, Timestamp};
use mailstore::{Delivery, Mailstore, MailstoreError};
use message::{HeaderSection, write_delivered_to, write_junk_fields, write_return_path};
use spool::{Loaded, Piece, SpoolError, Work};

use crate::{
    blocking,
    content::{Content, Offers, Outgoing},
    forward::pass_on,
    mailbox,
    maildir::{self, Draft},
    on_panic::OnPanic,
    outcome::{Fate, Finding},
    replies,
    shared::Shared,
    site::{Job, Next, Site},
    transaction::recipient,
};

/// The station of final deliveries in events and logs.
pub(crate) const STATION: &str = "deliver/local";
/// Messages filed in one go: their directories are synced once.
const BATCH_MAX: usize = 32;
/// Octets of a batch in memory; a message that is larger is written piece by piece.
const BATCH_OCTETS: usize = 1 << 20;

/// Serves the local lane until there is nothing to do.
pub(crate) async fn run(shared: Arc<Shared>, site: Arc<Site>, lane: Arc<str>) {
    loop {
        {
            let _place = OnPanic(|| replace(&shared, &site, &lane));
            while let Next::Jobs(jobs, freed) = site.next(&lane, 0, BATCH_MAX, false) {
                shared.release(&freed);
                let works: Vec<Work> = jobs.iter().map(|job| job.work.clone()).collect();
                let _in_hand = OnPanic(|| works.iter().for_each(|work| shared.broke_off(work)));
                Batch::default().file_all(&shared, jobs).await;
            }
        }
        if site.leave(&lane).is_none() {
            return;
        }
    }
}

/// The place of a worker that broke off is free for another.
fn replace(shared: &Arc<Shared>, site: &Arc<Site>, lane: &Arc<str>) {
    if let Some(next) = site.leave(lane) {
        // The box ends the circle of types: a worker that starts workers.
        let again: dns::BoxFuture<'static, ()> = Box::pin(run(Arc::clone(shared), Arc::clone(site), next));
        shared.spawn(again);
    }
}

/// Messages on their way into mailboxes.
#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    octets: usize,
}

/// A message and what was found for its recipients so far.
struct Message {
    envelope: Arc<Envelope>,
    findings: Vec<Finding>,
    /// For Maildirs.
    body: Arc<Vec<u8>>,
    /// For the mailstore.
    content: Option<mailstore::Content>,
    filings: Vec<Filing>,
    now: Timestamp,
    /// Until then it waits for room in a full mailbox; none: as for anything else.
    over_quota_until: Option<Timestamp>,
}

/// One copy of one recipient.
#[derive(Clone)]
struct Filing {
    recipient: u32,
    /// The name of the account's directory, which is what the mailstore calls it too.
    account: String,
    /// The detail of the address: perhaps a folder.
    folder: Option<String>,
    /// It is for the folder of junk.
    junk: bool,
    /// Where it is in a Maildir.
    dir: PathBuf,
    name: String,
    /// Return-Path and Delivered-To.
    head: Vec<u8>,
}

/// Why a copy could not be filed: what the operator reads, and what the sender may be told.
struct Unfiled {
    why: String,
    reply: Reply,
    /// There is no room: no fault of anybody here.
    full: bool,
}

impl From<io::Error> for Unfiled {
    fn from(error: io::Error) -> Self {
        Self { why: error.to_string(), reply: maildir::refusal(&error), full: false }
    }
}

impl From<&MailstoreError> for Unfiled {
    fn from(error: &MailstoreError) -> Self {
        let full = matches!(error, MailstoreError::OverQuota);
        Self { why: error.to_string(), reply: mailbox::refusal(error), full }
    }
}

impl Batch {
    async fn file_all(mut self, shared: &Arc<Shared>, jobs: Vec<Job>) {
        for Job { work, .. } in jobs {
            if shared.is_halted() {
                shared.parts.spool.put_back(&work);
                continue;
            }
            let Some(loaded) = shared.load(&work).await else { continue };
            // The box: who passes nothing on holds no room for it.
            let Some(work) = Box::pin(pass_on(shared, &loaded.envelope, work)).await else { continue };
            if let Err(error) = self.add(shared, &work, loaded).await {
                shared.content_unreadable(STATION, &work, &error).await;
            }
            if self.octets >= BATCH_OCTETS {
                std::mem::take(&mut self).file(shared).await;
            }
        }
        self.file(shared).await;
    }

    /// Reads a message and decides where its files go. One too large for memory is filed at once.
    async fn add(&mut self, shared: &Arc<Shared>, work: &Work, loaded: Loaded) -> Result<(), SpoolError> {
        let Loaded { envelope, content } = loaded;
        let size = usize::try_from(content.len()).unwrap_or(usize::MAX);
        let mut content = Content::new(work.id, content);
        let form = match content.form(shared, envelope.body, Offers::MAILBOX).await? {
            Ok(form) => form,
            Err(reply) => {
                self.messages.push(Message::refused(shared, &envelope, work, &reply));
                return Ok(());
            }
        };
        let mut content = content.outgoing(shared, form).await?;
        let Some(first) = content.next().await? else {
            self.messages.push(Message::plan(shared, &envelope, work, &[]));
            return Ok(());
        };
        let mut message = Message::plan(shared, &envelope, work, &first);
        if let Some(mailstore) = &shared.parts.mailstore {
            message.upload(mailstore, first, content).await?;
            self.octets += size.min(BATCH_OCTETS);
            self.messages.push(message);
            return Ok(());
        }
        if size > BATCH_OCTETS {
            return message.file_large(shared, first, content).await;
        }
        let (mut body, mut held) = (Vec::with_capacity(size), false);
        maildir::to_lf(&first, &mut held, &mut body);
        while let Some(piece) = content.next().await? {
            maildir::to_lf(&piece, &mut held, &mut body);
        }
        self.octets += body.len();
        message.body = Arc::new(body);
        self.messages.push(message);
        Ok(())
    }

    /// Writes all files in one blocking call, then settles each message. A mailbox has its copy before the spool
    /// hears of it (mail-rules 13).
    async fn file(self, shared: &Arc<Shared>) {
        if let Some(mailstore) = &shared.parts.mailstore {
            return self.file_in(mailstore, shared).await;
        }
        let plans: Vec<_> = self
            .messages
            .iter()
            .flat_map(|message| {
                message.filings.iter().map(|filing| (filing.clone(), Arc::clone(&message.body)))
            })
            .collect();
        let mut results = if plans.is_empty() {
            Vec::new().into_iter()
        } else {
            let disk = Arc::clone(&shared.parts.disk);
            let count = plans.len();
            blocking(shared, move || write_all(&*disk, &plans))
                .await
                .unwrap_or_else(|| lost(count))
                .into_iter()
        };
        for mut message in self.messages {
            for filing in std::mem::take(&mut message.filings) {
                let result = results.next().unwrap_or_else(|| Err(io::ErrorKind::Other.into()));
                message.filed(filing.recipient, result.map_err(Unfiled::from));
            }
            message.settle(shared).await;
        }
    }

    /// The same into the mailstore: all in one of its commits.
    async fn file_in(self, mailstore: &Mailstore, shared: &Arc<Shared>) {
        let now = shared.now().as_millis().cast_signed();
        let deliveries = self.messages.iter().flat_map(|message| message.deliveries(now)).collect();
        let mut results = mailstore.deliver(deliveries).await.into_iter();
        for mut message in self.messages {
            for filing in std::mem::take(&mut message.filings) {
                let result = results.next().unwrap_or(Err(MailstoreError::Gone));
                message.filed(filing.recipient, result.map(drop).map_err(|error| Unfiled::from(&error)));
            }
            message.settle(shared).await;
        }
    }
}

fn write_all(disk: &dyn Disk, plans: &[(Filing, Arc<Vec<u8>>)]) -> Vec<io::Result<()>> {
    let draft = |(filing, body): &(Filing, Arc<Vec<u8>>)| {
        Draft::begin(disk, &filing.dir, &filing.name)?
            .write_or_discard(disk, &[&in_lines(&filing.head), body])
    };
    let drafts = plans.iter().map(draft).collect();
    maildir::publish(disk, drafts)
}

impl Message {
    fn new(shared: &Shared, envelope: &Arc<Envelope>) -> Self {
        let wait = shared.config.over_quota_wait;
        Self {
            now: shared.now(),
            over_quota_until: wait.map(|wait| envelope.received.after(wait)),
            envelope: Arc::clone(envelope),
            findings: Vec::new(),
            body: Arc::default(),
            content: None,
            filings: Vec::new(),
        }
    }

    /// None of its mailboxes can hold it.
    fn refused(shared: &Shared, envelope: &Arc<Envelope>, work: &Work, reply: &Reply) -> Self {
        let mut message = Self::new(shared, envelope);
        work.recipients.iter().for_each(|number| message.refuse(*number, Fate::Bounced, reply.clone()));
        message
    }

    /// Looks each recipient up. `beginning` has the header section, for the loop guard.
    fn plan(shared: &Shared, envelope: &Arc<Envelope>, work: &Work, beginning: &[u8]) -> Self {
        let mut message = Self::new(shared, envelope);
        let (header, live) = (HeaderSection::read(beginning), shared.live());
        for number in &work.recipients {
            let place = usize::try_from(*number).unwrap_or(usize::MAX);
            let Some(recipient) = envelope.recipients.get(place) else { continue };
            match live.directory.resolve(&recipient.forward_path) {
                // What led elsewhere, or was a list, a moment ago was passed on.
                Resolution::NotLocal | Resolution::List(_) | Resolution::Forwarded(_) => {
                    message.refuse(*number, Fate::Deferred, replies::not_local());
                }
                Resolution::Unsure => message.refuse(*number, Fate::Deferred, replies::unsure()),
                Resolution::Unknown => message.refuse(*number, Fate::Bounced, replies::no_mailbox()),
                Resolution::Mailboxes(addresses) => {
                    message.plan_files(shared, &live.directory, *number, &addresses, &header);
                }
            }
        }
        message
    }

    fn plan_files(
        &mut self,
        shared: &Shared,
        directory: &Directory,
        number: u32,
        addresses: &[Address],
        header: &HeaderSection<'_>,
    ) {
        // RFC 9228: it came through this mailbox before. Checked for all of an alias before any is filed.
        if let Some(address) = addresses.iter().find(|address| header.has_delivered_to(address)) {
            return self.refuse(number, Fate::Bounced, replies::mail_loop(address));
        }
        let name = maildir::file_name(&self.envelope, number, &shared.config.hostname);
        let junk = recipient(&self.envelope, number).is_some_and(|recipient| recipient.junk);
        let before = self.filings.len();
        for address in addresses {
            let Some(account) = directory.account(address) else { continue };
            let dir = shared.config.maildir_root.join(account.directory_name());
            let dir = if junk { dir.join(maildir::JUNK) } else { dir };
            // Two addresses of one account are one mailbox, and the file there has one name.
            if self.filings.iter().skip(before).any(|filing| filing.dir == dir) {
                continue;
            }
            self.filings.push(Filing {
                recipient: number,
                account: account.directory_name().to_owned(),
                folder: directory.detail(address).map(str::to_owned),
                junk,
                dir,
                name: name.clone(),
                head: head(&self.envelope, address, junk),
            });
        }
        if self.filings.len() == before {
            self.refuse(number, Fate::Bounced, replies::no_mailbox());
        }
    }

    fn refuse(&mut self, recipient: u32, fate: Fate, reply: Reply) {
        self.findings.push(Finding::own(recipient, fate, reply));
    }

    /// Takes in the result of one file. A recipient of several (an alias) is delivered when all are there; until then
    /// all are filed again, each replacing its former self.
    fn filed(&mut self, recipient: u32, result: Result<(), Unfiled>) {
        let (fate, reply) = match result {
            Ok(()) => (Fate::Delivered, replies::filed()),
            Err(Unfiled { reply, full: true, .. }) => {
                let id = self.envelope.id;
                tracing::debug!(queue_id = %id, station = STATION, "a mailbox is full");
                // RFC 5321 §4.5.4.1: for a while it may still become less full.
                if self.over_quota_until.is_some_and(|until| until <= self.now) {
                    (Fate::Bounced, mailbox::FULL_FOR_GOOD)
                } else {
                    (Fate::Deferred, reply)
                }
            }
            Err(Unfiled { why, reply, .. }) => {
                tracing::error!(queue_id = %self.envelope.id, station = STATION, error = why, "a mailbox cannot be written");
                (Fate::Deferred, reply)
            }
        };
        match self.findings.iter_mut().find(|finding| finding.recipient == recipient) {
            Some(finding) if fate != Fate::Delivered && finding.fate != Fate::Deferred => {
                *finding = Finding::own(recipient, fate, reply);
            }
            Some(_) => {}
            None => self.findings.push(Finding::own(recipient, fate, reply)),
        }
    }

    /// Hands the octets to the mailstore. That it cannot take them defers all who were to get them.
    async fn upload(
        &mut self,
        mailstore: &Mailstore,
        first: Piece,
        mut content: Outgoing,
    ) -> Result<(), SpoolError> {
        let (mut upload, mut piece, mut taken) = (mailstore.upload(), Some(first), Ok(()));
        while let Some(octets) = piece
            && !self.filings.is_empty()
            && taken.is_ok()
        {
            taken = upload.write(&octets).await;
            piece = content.next().await?;
        }
        let finished = match taken {
            Ok(()) => upload.finish().await,
            Err(error) => Err(error),
        };
        match finished {
            Ok(content) => self.content = Some(content),
            Err(error) => {
                for filing in std::mem::take(&mut self.filings) {
                    self.filed(filing.recipient, Err(Unfiled::from(&error)));
                }
            }
        }
        Ok(())
    }

    /// What the mailstore is to file.
    fn deliveries(&self, now: i64) -> Vec<Delivery> {
        let content = self.content.clone().unwrap_or_else(|| mailstore::Content::new(Vec::new()));
        let delivery = |filing: &Filing| Delivery {
            account: filing.account.clone(),
            folder: filing.folder.clone(),
            junk: filing.junk,
            key: mailbox::key(self.envelope.id, filing.recipient, &filing.account),
            head: filing.head.clone(),
            content: content.clone(),
            now,
        };
        self.filings.iter().map(delivery).collect()
    }

    /// Files a message piece by piece, into all its mailboxes at once.
    async fn file_large(
        mut self,
        shared: &Arc<Shared>,
        first: Piece,
        mut content: Outgoing,
    ) -> Result<(), SpoolError> {
        let mut drafts = Vec::with_capacity(self.filings.len());
        for filing in &self.filings {
            let (disk, filing) = (Arc::clone(&shared.parts.disk), filing.clone());
            drafts.push(
                blocking_io(shared, move || {
                    Draft::begin(&*disk, &filing.dir, &filing.name)?
                        .write_or_discard(&*disk, &[&in_lines(&filing.head)])
                })
                .await,
            );
        }
        let (mut piece, mut held) = (Some(first), false);
        while let Some(octets) = piece {
            let mut lines = Vec::new();
            maildir::to_lf(&octets, &mut held, &mut lines);
            let lines = Arc::new(lines);
            for draft in &mut drafts {
                let taken = std::mem::replace(draft, Err(io::ErrorKind::Other.into()));
                let (lines, disk) = (Arc::clone(&lines), Arc::clone(&shared.parts.disk));
                *draft = match taken {
                    Ok(taken) => blocking_io(shared, move || taken.write_or_discard(&*disk, &[&lines])).await,
                    failed => failed,
                };
            }
            piece = content.next().await?;
        }
        let disk = Arc::clone(&shared.parts.disk);
        let count = drafts.len();
        let results =
            blocking(shared, move || maildir::publish(&*disk, drafts)).await.unwrap_or_else(|| lost(count));
        for (filing, result) in std::mem::take(&mut self.filings).into_iter().zip(results) {
            self.filed(filing.recipient, result.map_err(Unfiled::from));
        }
        self.settle(shared).await;
        Ok(())
    }

    async fn settle(self, shared: &Shared) {
        shared.settle(STATION, &self.envelope, &self.findings).await;
    }
}

/// The fields that final delivery adds on top (RFC 5321 §4.4 for Return-Path, RFC 9228 for Delivered-To).
fn head(envelope: &Envelope, address: &Address, junk: bool) -> Vec<u8> {
    let mut fields = Vec::with_capacity(128);
    write_return_path(&mut fields, &envelope.reverse_path);
    write_delivered_to(&mut fields, address);
    if junk {
        write_junk_fields(&mut fields);
    }
    fields
}

/// Fields as they stand in a Maildir.
fn in_lines(fields: &[u8]) -> Vec<u8> {
    let (mut lines, mut held) = (Vec::with_capacity(fields.len()), false);
    maildir::to_lf(fields, &mut held, &mut lines);
    lines
}

async fn blocking_io<T: Send + 'static>(
    shared: &Shared,
    what: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    blocking(shared, what).await.unwrap_or_else(|| Err(io::ErrorKind::Other.into()))
}

async fn blocking<T: Send + 'static>(
    shared: &Shared,
    what: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    blocking::run(&*shared.parts.blocking, what).await
}

fn lost(count: usize) -> Vec<io::Result<()>> {
    (0..count).map(|_| Err(io::ErrorKind::Other.into())).collect()
}
