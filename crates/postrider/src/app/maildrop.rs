//! Takes up what programs of this machine have left in the maildrop (mail-rules 8).
//!
//! A message is committed before its file goes: after a crash between the two it comes twice, and never not at all.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use mail::{Address, Domain, OriginalRecipient, Reply, ReversePath};
use net::Shutdown;
use receive::Receiver;
use rustix::fs::OFlags;
use smtp::{Command, ForwardPath, MailFrom, RcptTo};
use tokio::time::Instant;

use crate::{
    failure::Failure,
    maildrop::{self, DIR_MODE, Facts, User},
};

/// How often the maildrop is looked into.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A message that cannot be taken now is tried again then.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// A file that was begun and never ended goes after this time.
const OPEN_MAX: Duration = Duration::from_hours(24);
/// The commands of a message.
const HEAD_OCTETS_MAX: usize = 4 << 20;
const PIECE_OCTETS: usize = 64 * 1024;

/// The maildrop of a server.
pub(super) struct Maildrop {
    dir: PathBuf,
    domain: Domain,
    trusted: HashSet<u32>,
    message_size_max: u64,
    receiver: Receiver,
    /// Files that could not be taken.
    later: HashMap<PathBuf, Instant>,
}

/// What was taken out of a file.
struct Letter {
    file: File,
    user: User,
    mail: MailFrom,
    recipients: Vec<RcptTo>,
    /// Content that was read with the commands.
    begun: Vec<u8>,
    octets: u64,
    /// Where the content begins.
    head: u64,
}

/// What became of recipients that were not taken.
#[derive(Default)]
struct Outcomes {
    refused: Vec<(RcptTo, Reply)>,
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
    let mode = fs::metadata(&dir).map(|found| found.mode() & 0o7777).map_err(|error| failed(&dir, &error))?;
    if mode != DIR_MODE {
        let permissions = fs::Permissions::from_mode(DIR_MODE);
        fs::set_permissions(&dir, permissions).map_err(|error| failed(&dir, &error))?;
    }
    let path = maildrop::facts_path(data_dir);
    let new = path.with_extension("json.new");
    let text = serde_json::to_string(facts).unwrap_or_default();
    let written = fs::write(&new, text + "\n")
        .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(0o644)))
        .and_then(|()| fs::rename(&new, &path));
    written.map_err(|error| failed(&path, &error))
}

impl Maildrop {
    pub(super) fn new(data_dir: &Path, domain: Domain, facts: &Facts, receiver: Receiver) -> Self {
        Self {
            dir: maildrop::dir(data_dir),
            domain,
            trusted: facts.trusted.iter().copied().collect(),
            message_size_max: facts.message_size_max,
            receiver,
            later: HashMap::new(),
        }
    }

    /// Takes up mail until it is told to stop.
    pub(super) async fn run(mut self, mut stop: Shutdown) -> Result<(), String> {
        loop {
            let (dir, now) = (self.dir.clone(), Instant::now());
            self.later.retain(|_, until| *until > now);
            let listed = tokio::task::spawn_blocking(move || list(&dir)).await;
            for path in listed.map_err(|error| error.to_string())?.unwrap_or_default() {
                if !self.later.contains_key(&path) {
                    self.take(path).await;
                }
            }
            tokio::select! {
                () = stop.requested() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn take(&mut self, path: PathBuf) {
        let opening = path.clone();
        let size_max = self.message_size_max;
        let opened = tokio::task::spawn_blocking(move || open(&opening, size_max)).await;
        let done = match opened {
            Ok(Ok(Some(letter))) => self.pass_on(letter).await,
            // It is not whole yet.
            Ok(Ok(None)) => return,
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(station = "sendmail", path = %path.display(), %error, "no mail: it is removed");
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(station = "sendmail", path = %path.display(), %error, "cannot be read");
                false
            }
            Err(_) => false,
        };
        let removed = !done || fs::remove_file(&path).is_ok();
        if !done || !removed {
            self.later.insert(path, Instant::now() + AGAIN_AFTER);
        }
    }

    /// Whether the file has done its work.
    async fn pass_on(&self, letter: Letter) -> bool {
        let Letter { mut file, user, mut mail, recipients, begun, octets, head } = letter;
        self.hold_to_sender(&user, &mut mail);
        let beginning = begun.clone();
        let mut outcomes = Outcomes::default();
        let outcome = self.feed(&user, &mail, &recipients, (&mut file, begun), &mut outcomes).await;
        let Outcomes { mut refused, mut later } = outcomes;
        match outcome {
            Ok(()) => {}
            Err(reply) if reply.is_transient() => {
                tracing::info!(station = "sendmail", user = user.name, %reply, "not taken now");
                return false;
            }
            // Nobody gets it.
            Err(reply) => {
                tracing::info!(station = "sendmail", user = user.name, %reply, "refused");
                refused = recipients.into_iter().map(|rcpt| (rcpt, reply.clone())).collect();
                later.clear();
            }
        }
        if !refused.is_empty()
            && self.receiver.report_refused(&mail, &refused, &beginning, octets).await.is_err()
        {
            return false;
        }
        later.is_empty() || self.leave_rest(&user, mail, &later, (file, head)).await
    }

    /// Leaves the message for those who are to come in a transaction of their own: what one reply covers is one class of recipients
    /// (mail-rules 3), and quotas may be used up.
    async fn leave_rest(
        &self,
        user: &User,
        mail: MailFrom,
        later: &[RcptTo],
        (mut file, head): (File, u64),
    ) -> bool {
        let (dir, uid) = (self.dir.clone(), user.uid);
        let mut commands = Vec::new();
        Command::Mail(Box::new(mail)).write_to(&mut commands);
        for rcpt in later {
            Command::Rcpt(Box::new(rcpt.clone())).write_to(&mut commands);
        }
        Command::Data.write_to(&mut commands);
        let leave = move || {
            maildrop::leave_for(&dir, uid, |rest| {
                rest.write_all(&commands)?;
                file.seek(SeekFrom::Start(head))?;
                io::copy(&mut file, rest).map(drop)
            })
        };
        tokio::task::spawn_blocking(leave).await.is_ok_and(|left| left.is_ok())
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

    async fn feed(
        &self,
        user: &User,
        mail: &MailFrom,
        recipients: &[RcptTo],
        (file, mut piece): (&mut File, Vec<u8>),
        outcomes: &mut Outcomes,
    ) -> Result<(), Reply> {
        let mut local = self.receiver.local(&user.name);
        local.mail(mail.clone()).await?;
        let (mut taken, mut last) = (false, None);
        for rcpt in recipients {
            let mut answer = local.recipient(rcpt.clone()).await;
            if answer.as_ref().is_err_and(|reply| is_unknown(reply) && self.is_user(rcpt)) {
                answer = local.recipient(to_postmaster(rcpt)).await;
            }
            match answer {
                Err(reply) if reply.is_transient() => {
                    outcomes.later.push(rcpt.clone());
                    last = Some(reply);
                }
                Err(reply) => outcomes.refused.push((rcpt.clone(), reply)),
                Ok(()) => taken = true,
            }
        }
        if !taken {
            // Nobody is taken now: all of it waits, unless all are refused for good.
            return last.map_or(Ok(()), Err);
        }
        loop {
            if !piece.is_empty() {
                local.content(std::mem::take(&mut piece)).await?;
            }
            let mut source = file.try_clone().map_err(|_| UNREADABLE)?;
            let read = tokio::task::spawn_blocking(move || read_piece(&mut source)).await;
            piece = read.ok().and_then(Result::ok).ok_or(UNREADABLE)?;
            if piece.is_empty() {
                return local.end().await.map(drop);
            }
        }
    }

    /// Whether a recipient is a user of this machine.
    fn is_user(&self, rcpt: &RcptTo) -> bool {
        let ForwardPath::Address(address) = &rcpt.forward_path else { return false };
        *address.domain() == self.domain
            && maildrop::users().iter().any(|user| user.name == address.local_part())
    }
}

const UNREADABLE: Reply = Reply::fixed(451, (4, 3, 0), "The message cannot be read from the maildrop");

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

/// Opens a file and reads its commands. `None`: it is not whole.
///
/// Anybody may make anything here: links, pipes, files that are somebody else's by another name. Only plain files with one name are read.
fn open(path: &Path, size_max: u64) -> io::Result<Option<Letter>> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(wrong("no plain file"));
    }
    if !maildrop::is_whole(metadata.mode()) {
        let age = metadata.modified()?.elapsed().unwrap_or_default();
        return if age > OPEN_MAX { Err(wrong("it was never ended")) } else { Ok(None) };
    }
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let mut file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(wrong("it has several names"));
    }
    if metadata.len() > size_max.saturating_add(HEAD_OCTETS_MAX as u64) {
        return Err(wrong("it exceeds the maximum size of a message"));
    }
    let (mail, recipients, begun, head) = read_head(&mut file)?;
    let octets = metadata.len().saturating_sub(head);
    let server = rustix::process::getuid().as_raw();
    let user = maildrop::user(maildrop::sender_of(path, metadata.uid(), server));
    Ok(Some(Letter { file, user, mail, recipients, begun, octets, head }))
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// The commands, the content behind them as far as it was read, and how many octets the commands take.
fn read_head(file: &mut impl Read) -> io::Result<(MailFrom, Vec<RcptTo>, Vec<u8>, u64)> {
    let (mut octets, mut at) = (Vec::new(), 0);
    let (mut mail, mut recipients) = (None, Vec::new());
    loop {
        let line = loop {
            let rest = octets.get(at..).unwrap_or_default();
            if let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
                break rest.get(..end).unwrap_or_default().to_vec();
            }
            let mut piece = vec![0; PIECE_OCTETS];
            let read = file.read(&mut piece)?;
            if read == 0 || octets.len() > HEAD_OCTETS_MAX {
                return Err(wrong("its commands have no end"));
            }
            octets.extend_from_slice(piece.get(..read).unwrap_or_default());
        };
        at += line.len() + 2;
        match (Command::parse(&line), &mail) {
            (Ok(Command::Mail(command)), None) => mail = Some(*command),
            (Ok(Command::Rcpt(rcpt)), Some(_)) => recipients.push(*rcpt),
            (Ok(Command::Data), Some(command)) if !recipients.is_empty() => {
                let begun = octets.split_off(at);
                return Ok((command.clone(), recipients, begun, at as u64));
            }
            _ => return Err(wrong("its commands are none")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn commands_are_read_whatever_the_reads() {
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let some = self.0.len().min(3);
                let (now, later) = self.0.split_at(some);
                into[..some].copy_from_slice(now);
                self.0 = later;
                Ok(some)
            }
        }
        let letter =
            b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f> NOTIFY=NEVER\r\nDATA\r\nSubject: x\r\n";
        let (mail, recipients, mut begun, head) = read_head(&mut Slow(letter)).unwrap();
        assert_eq!((mail.reverse_path.to_string().as_str(), recipients.len()), ("<a@b>", 2));
        assert!(!recipients[1].notify.failure);
        begun.extend_from_slice(&letter[usize::try_from(head).unwrap() + begun.len()..]);
        assert_eq!(begun, b"Subject: x\r\n");
        for wrong in [
            "",
            "RCPT TO:<a@b>\r\n",
            "MAIL FROM:<>\r\nDATA\r\n",
            "MAIL FROM:<>\r\nMAIL FROM:<>\r\n",
            "hello\r\n",
        ] {
            let error = read_head(&mut wrong.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{wrong}");
        }
    }

    #[test]
    fn nothing_but_a_plain_whole_file_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let letter: &[u8] = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n";
        maildrop::leave(dir.path(), &[letter]).unwrap();
        let path = list(dir.path()).unwrap().remove(0);
        let kind =
            |path: &Path| open(path, 1000).map(|letter| letter.is_some()).map_err(|error| error.kind());
        assert_eq!(kind(&path), Ok(true));
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(kind(&link), Err(io::ErrorKind::InvalidData));
        fs::hard_link(&path, dir.path().join("second")).unwrap();
        assert_eq!(kind(&path), Err(io::ErrorKind::InvalidData));
        fs::remove_file(dir.path().join("second")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(kind(&path), Ok(false), "it may be being written");
    }
}
