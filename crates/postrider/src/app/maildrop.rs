//! Takes up what programs of this machine have left in the maildrop (mail-rules 8).
//!
//! Nothing vanishes: a message is taken, comes back to its sender, waits, or is put aside. Each comes once: before it is committed, with
//! what its sender hears of refused recipients in the same commit, the name of its file tells its queue id. After a crash those who know
//! what is in the queue, or was, tell whether that commit was made.

mod letter;
mod status;

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use mail::{Address, Domain, EnhancedStatus, OriginalRecipient, QueueId, Reply, ReversePath};
use net::Shutdown;
use receive::{LocalMail, Receiver};
use smtp::{Command, ForwardPath, MailFrom, RcptTo};
use tokio::{task::spawn_blocking, time::Instant};

use crate::{
    failure::Failure,
    maildrop::{self, DIR_MODE, Facts, User},
};
use letter::{Found, Letter, PIECE_OCTETS};
pub(super) use status::Counts;

/// How often the maildrop is looked into.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A message that cannot be taken now is tried again then.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Whether a message with this id is in the queue, or was. Blocks.
pub(super) type Remembers = Arc<dyn Fn(QueueId) -> bool + Send + Sync>;

/// The maildrop of a server.
pub(super) struct Maildrop {
    dir: PathBuf,
    aside: PathBuf,
    domain: Domain,
    trusted: Vec<u32>,
    /// Who could not be taken for so long comes back.
    patience: Duration,
    receiver: Receiver,
    remembers: Remembers,
    counts: Arc<Counts>,
    /// Files that could not be taken.
    later: HashMap<PathBuf, Instant>,
    /// Whether the messages of files that name a queue id are in the queue.
    taken: HashMap<PathBuf, bool>,
}

/// What a maildrop needs beside the facts.
pub(super) struct Parts {
    pub(super) domain: Domain,
    pub(super) patience: Duration,
    pub(super) receiver: Receiver,
    pub(super) remembers: Remembers,
    pub(super) counts: Arc<Counts>,
}

/// What becomes of the recipients of a message.
#[derive(Default)]
struct Fates {
    taken: Vec<RcptTo>,
    refused: Vec<(RcptTo, Reply)>,
    /// What one reply covers is one class of recipients (mail-rules 3), and quotas may be used up.
    later: Vec<RcptTo>,
}

/// Makes the maildrop, and tells `sendmail` of it.
pub(super) fn prepare(data_dir: &Path, facts: &Facts) -> Result<(), Failure> {
    let dir = maildrop::dir(data_dir);
    let failed =
        |path: &Path, error: &io::Error| Failure::new(format!("cannot prepare {}: {error}", path.display()));
    fs::create_dir_all(&dir).map_err(|error| failed(&dir, &error))?;
    // Everybody has to get there. What lies beside it is closed to them, each by itself.
    let above = fs::metadata(data_dir).map(|found| found.mode()).map_err(|error| failed(data_dir, &error))?;
    if above & 0o011 != 0o011 {
        let permissions = fs::Permissions::from_mode(above & 0o7777 | 0o011);
        fs::set_permissions(data_dir, permissions).map_err(|error| failed(data_dir, &error))?;
    }
    let aside = maildrop::aside_dir(data_dir);
    fs::create_dir_all(&aside).map_err(|error| failed(&aside, &error))?;
    for (dir, mode) in [(&dir, DIR_MODE), (&aside, 0o700)] {
        let found = fs::metadata(dir).map_err(|error| failed(dir, &error))?.mode() & 0o7777;
        if found != mode {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode))
                .map_err(|error| failed(dir, &error))?;
        }
    }
    tell(data_dir, facts)
}

/// Tells `sendmail` what it has to know.
pub(super) fn tell(data_dir: &Path, facts: &Facts) -> Result<(), Failure> {
    let path = maildrop::facts_path(data_dir);
    let new = path.with_extension("json.new");
    let text = serde_json::to_string(facts).unwrap_or_default();
    let written = fs::write(&new, text + "\n")
        .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(0o644)))
        .and_then(|()| fs::rename(&new, &path));
    written.map_err(|error| Failure::new(format!("cannot prepare {}: {error}", path.display())))
}

impl Maildrop {
    pub(super) fn new(data_dir: &Path, facts: &Facts, parts: Parts) -> Self {
        let Parts { domain, patience, receiver, remembers, counts } = parts;
        Self {
            dir: maildrop::dir(data_dir),
            aside: maildrop::aside_dir(data_dir),
            domain,
            trusted: facts.trusted.clone(),
            patience,
            receiver,
            remembers,
            counts,
            later: HashMap::new(),
            taken: HashMap::new(),
        }
    }

    /// Takes up mail until it is told to stop.
    pub(super) async fn run(mut self, mut stop: Shutdown) -> Result<(), String> {
        loop {
            self.look().await;
            tokio::select! {
                () = stop.requested() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Takes what can be taken now.
    async fn look(&mut self) {
        let (dir, aside) = (self.dir.clone(), self.aside.clone());
        let listed = spawn_blocking(move || (list(&dir), list(&aside))).await;
        let Ok((Ok(paths), aside)) = listed else { return };
        self.counts.set(paths.len(), aside.unwrap_or_default().len());
        let now = Instant::now();
        self.later.retain(|_, until| *until > now);
        self.taken.retain(|path, _| paths.contains(path));
        // The rest of a file belongs to it.
        let is_rest = |path: &Path| maildrop::whole_of(path).is_some_and(|whole| paths.contains(&whole));
        for path in paths.iter().filter(|path| !is_rest(path)) {
            if !self.later.contains_key(path) {
                self.take(path.clone()).await;
            }
        }
    }

    async fn take(&mut self, path: PathBuf) {
        if self.is_taken(&path).await {
            return self.finish(path).await;
        }
        let opening = path.clone();
        match spawn_blocking(move || letter::open(&opening)).await {
            Ok(Ok(Found::Letter(letter))) => {
                let path = self.pass_on(path, *letter).await;
                if self.taken.get(&path).copied().unwrap_or_default() {
                    self.finish(path).await;
                } else {
                    self.again(path);
                }
            }
            Ok(Ok(Found::Unfinished | Found::Nothing)) => {}
            Ok(Ok(Found::Abandoned)) => {
                tracing::warn!(station = "sendmail", path = %path.display(), "it was never ended: it is removed");
                let _ = fs::remove_file(&path);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                self.put_aside(path, &error).await;
            }
            Ok(Err(error)) => {
                tracing::warn!(station = "sendmail", path = %path.display(), %error, "cannot be read");
                self.again(path);
            }
            Err(_) => self.again(path),
        }
    }

    fn again(&mut self, path: PathBuf) {
        self.later.insert(path, Instant::now() + AGAIN_AFTER);
    }

    /// Whether the message of a file is in the queue already, or was. Of what was marked before this start, others know.
    async fn is_taken(&mut self, path: &Path) -> bool {
        let Some(id) = maildrop::id_of(path) else { return false };
        if let Some(taken) = self.taken.get(path) {
            return *taken;
        }
        let remembers = Arc::clone(&self.remembers);
        let taken = spawn_blocking(move || remembers(id)).await.unwrap_or_default();
        tracing::info!(station = "sendmail", queue_id = %id, taken, "left over from the last run");
        self.taken.insert(path.to_owned(), taken);
        taken
    }

    /// The message is in the queue: what is left of its file is the rest.
    async fn finish(&mut self, path: PathBuf) {
        let (dir, finishing) = (self.dir.clone(), path.clone());
        let finished = spawn_blocking(move || finish(&dir, &finishing)).await;
        match finished.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => {}
            Err(error) => {
                tracing::error!(station = "sendmail", path = %path.display(), %error, "cannot be removed");
                self.again(path);
            }
        }
    }

    async fn put_aside(&mut self, path: PathBuf, why: &io::Error) {
        let (aside, from) = (self.aside.clone(), path.clone());
        let put = spawn_blocking(move || maildrop::put_aside(&aside, &from)).await;
        match put.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(to) => {
                tracing::error!(station = "sendmail", path = %path.display(), to = %to.display(), error = %why, "no mail: put aside");
            }
            Err(error) => {
                tracing::error!(station = "sendmail", path = %path.display(), %error, "no mail, and cannot be put aside: {why}");
                self.later.insert(path, Instant::now() + Duration::from_hours(1));
            }
        }
    }

    /// Returns where the file is then, and has noted whether its message is in the queue.
    async fn pass_on(&mut self, path: PathBuf, mut letter: Letter) -> PathBuf {
        self.hold_to_sender(&letter.user, &mut letter.mail);
        let (id, begun) = (self.receiver.new_id(), std::mem::take(&mut letter.begun));
        let mut local = self.receiver.local(&letter.user.name, id);
        let mut fates = self.address(&mut local, &letter).await;
        if !fates.taken.is_empty()
            && let Err(reply) = feed(&mut local, &letter.file, begun.clone()).await
        {
            self.not_taken(&mut fates, reply, &letter);
        }
        if fates.taken.is_empty() && fates.refused.is_empty() {
            return path;
        }
        let marked = maildrop::marked(&self.dir, letter.user.uid, id);
        if let Err(error) = self.mark(path.clone(), marked.clone(), &letter, &fates.later).await {
            tracing::warn!(station = "sendmail", path = %path.display(), %error, "not taken now");
            return path;
        }
        self.taken.insert(marked.clone(), false);
        let committed = self.commit(local, id, &letter, &begun, fates).await;
        self.taken.insert(marked.clone(), committed);
        marked
    }

    /// The message and what its sender hears of those who do not get it: one commit. Whether it was made.
    async fn commit(
        &self,
        mut local: LocalMail,
        id: QueueId,
        letter: &Letter,
        beginning: &[u8],
        mut fates: Fates,
    ) -> bool {
        let user = &letter.user.name;
        for (rcpt, reply) in &fates.refused {
            tracing::info!(station = "sendmail", queue_id = %id, user, recipient = %rcpt.forward_path, %reply, "refused");
        }
        if !fates.taken.is_empty() {
            if !fates.refused.is_empty() {
                local.refuse(letter.refusal(&fates.refused, beginning));
            }
            let Err(reply) = local.end().await else { return true };
            let transient = fates.later.len();
            self.not_taken(&mut fates, reply, letter);
            if fates.later.len() > transient {
                return false;
            }
        }
        let reported = self.receiver.report_refused(id, letter.refusal(&fates.refused, beginning)).await;
        if let Err(error) = &reported {
            tracing::warn!(station = "sendmail", queue_id = %id, user, %error, "not taken now");
        }
        reported.is_ok()
    }

    /// Names the file by the queue id of its message, and writes what is to stay of it: both are on stable storage when this returns.
    async fn mark(&self, from: PathBuf, to: PathBuf, letter: &Letter, later: &[RcptTo]) -> io::Result<()> {
        let mut commands = Vec::new();
        Command::Mail(Box::new(letter.mail.clone())).write_to(&mut commands);
        for rcpt in later {
            Command::Rcpt(Box::new(rcpt.clone())).write_to(&mut commands);
        }
        Command::Data.write_to(&mut commands);
        let (dir, head, mut file) = (self.dir.clone(), letter.head, letter.file.try_clone()?);
        let rest = (!later.is_empty()).then(|| maildrop::rest_of(&to));
        let mark = move || {
            // Left by an attempt that came to nothing.
            let _ = fs::remove_file(maildrop::rest_of(&from));
            if let Some(rest) = &rest {
                maildrop::prepare(rest, |rest| {
                    rest.write_all(&commands)?;
                    file.seek(SeekFrom::Start(head))?;
                    io::copy(&mut file, rest).map(drop)
                })?;
            }
            let renamed = fs::rename(&from, &to).and_then(|()| File::open(&dir)?.sync_all());
            if renamed.is_err()
                && let Some(rest) = &rest
            {
                let _ = fs::remove_file(rest);
            }
            renamed
        };
        spawn_blocking(mark).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Who is not trusted sends as itself: what its file says otherwise was not written by our `sendmail`.
    fn hold_to_sender(&self, user: &User, mail: &mut MailFrom) {
        let own = Address::new(&user.name, self.domain.clone()).ok();
        let is_own = mail.reverse_path.address().is_none_or(|address| own.as_ref() == Some(address));
        if !is_own && !self.trusted.contains(&user.uid) {
            tracing::warn!(
                station = "sendmail",
                user = user.name,
                "sends as somebody else; its own address is used"
            );
            mail.reverse_path = own.map_or(ReversePath::Null, ReversePath::Address);
        }
    }

    /// Begins the message: the sender, then its recipients.
    async fn address(&self, local: &mut LocalMail, letter: &Letter) -> Fates {
        let mut fates = Fates::default();
        // It may have been less than the maximum when `sendmail` took it.
        let begun = if letter.octets > self.receiver.message_size_max() {
            Err(TOO_LARGE)
        } else {
            local.mail(letter.mail.clone()).await
        };
        if let Err(reply) = begun {
            fates.taken.clone_from(&letter.recipients);
            self.not_taken(&mut fates, reply, letter);
            return fates;
        }
        for rcpt in &letter.recipients {
            let mut answer = local.recipient(rcpt.clone()).await;
            if answer.as_ref().is_err_and(|reply| is_unknown(reply) && self.is_user(rcpt)) {
                answer = local.recipient(to_postmaster(rcpt)).await;
            }
            match answer.map_err(|reply| self.in_time(reply, letter)) {
                Ok(()) => fates.taken.push(rcpt.clone()),
                Err(None) => fates.later.push(rcpt.clone()),
                Err(Some(reply)) => fates.refused.push((rcpt.clone(), reply)),
            }
        }
        fates
    }

    /// Those who were to be taken are not.
    fn not_taken(&self, fates: &mut Fates, reply: Reply, letter: &Letter) {
        let taken = std::mem::take(&mut fates.taken);
        match self.in_time(reply, letter) {
            Some(reply) => fates.refused.extend(taken.into_iter().map(|rcpt| (rcpt, reply.clone()))),
            None => fates.later.extend(taken),
        }
    }

    /// The reply that refuses for good, if it does: so does one that asks to come again once the message has done so for long
    /// (RFC 3463 §3.5: delivery time expired).
    fn in_time(&self, reply: Reply, letter: &Letter) -> Option<Reply> {
        if !reply.is_transient() {
            return Some(reply);
        }
        tracing::info!(station = "sendmail", user = letter.user.name, %reply, "not taken now");
        let text = format!("Not taken in time: {}", reply.text());
        (letter.age > self.patience).then(|| Reply::new(554, EnhancedStatus::new(5, 4, 7), text))
    }

    /// Whether a recipient is a user of this machine.
    fn is_user(&self, rcpt: &RcptTo) -> bool {
        let ForwardPath::Address(address) = &rcpt.forward_path else { return false };
        *address.domain() == self.domain
            && maildrop::users().iter().any(|user| user.name == address.local_part())
    }
}

/// Hands the content over, all but its end.
async fn feed(local: &mut LocalMail, file: &File, mut piece: Vec<u8>) -> Result<(), Reply> {
    loop {
        if !piece.is_empty() {
            local.content(std::mem::take(&mut piece)).await?;
        }
        let mut source = file.try_clone().map_err(|_| UNREADABLE)?;
        let read = spawn_blocking(move || read_piece(&mut source)).await;
        piece = read.ok().and_then(Result::ok).ok_or(UNREADABLE)?;
        if piece.is_empty() {
            return Ok(());
        }
    }
}

fn finish(dir: &Path, path: &Path) -> io::Result<()> {
    let server = rustix::process::getuid().as_raw();
    maildrop::publish(dir, &maildrop::rest_of(path), maildrop::sender_of(path, server, server))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

const UNREADABLE: Reply = Reply::fixed(451, (4, 3, 0), "The message cannot be read from the maildrop");
const TOO_LARGE: Reply = Reply::fixed(552, (5, 3, 4), "Message exceeds the maximum size");

/// `550 5.1.1`: there is no such mailbox.
fn is_unknown(reply: &Reply) -> bool {
    reply.enhanced().is_some_and(|status| (status.class, status.subject, status.detail) == (5, 1, 1))
}

/// What programs write to users without a mailbox must not vanish: whoever runs the machine gets it.
fn to_postmaster(rcpt: &RcptTo) -> RcptTo {
    let orcpt = OriginalRecipient::of(rcpt.forward_path.to_string().trim_matches(['<', '>']));
    RcptTo { orcpt: Some(orcpt), forward_path: ForwardPath::Postmaster, ..rcpt.clone() }
}

fn read_piece(file: &mut File) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE_OCTETS);
    file.take(PIECE_OCTETS as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

/// The files, the oldest first.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) {
            found.push((modified, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests;
