//! A maildrop with a real spool, stopped before its commits.

use std::{os::unix::fs::symlink, pin::pin};

use directory::{AccountConfig, Authenticator, Directory, DomainConfig};
use disk::{OsDisk, OsRandom, SystemClock};
use events::{Event, Kind, Log, Order, Query, Reader};
use receive::Quotas;
use spool::{Committer, Due, Spool};

use super::*;

/// A server with the mailbox `ben`, whose commits wait to be turned.
struct World {
    data: tempfile::TempDir,
    receiver: Receiver,
    spool: Spool,
    committer: Committer,
    events: Arc<Log>,
    facts: Facts,
}

impl World {
    fn new(change: impl FnOnce(&mut receive::Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (disk, clock) = (Arc::new(OsDisk), Arc::new(SystemClock));
        let events = events::Config::new(data.path().join("events"));
        let events = Arc::new(Log::open(events, disk.clone(), clock.clone()).unwrap());
        let config = spool::Config::small(data.path().join("spool"));
        let (spool, committer, _) =
            Spool::open_inline(config, disk, clock.clone(), Arc::new(OsRandom), Arc::clone(&events)).unwrap();
        let people = directory::Config {
            domains: vec![DomainConfig { name: "here.test".into(), ..DomainConfig::default() }],
            accounts: vec![AccountConfig { login: "ben@here.test".into(), ..AccountConfig::default() }],
            ..directory::Config::default()
        };
        let directory = Arc::new(Directory::new(people).unwrap());
        let mut config = receive::Config { hostname: "mx.here.test".into(), ..receive::Config::default() };
        change(&mut config);
        let nobody = Authenticator::new(Arc::clone(&directory), &[0; 32]);
        let receiver = Receiver::new(config, spool.clone(), directory, nobody, clock);
        let trusted = vec![rustix::process::getuid().as_raw()];
        let facts = Facts { domain: "here.test".into(), message_size_max: 0, trusted };
        prepare(data.path(), &facts).unwrap();
        Self { data, receiver, spool, committer, events, facts }
    }

    /// The maildrop as a start finds it.
    fn maildrop(&self, patience: Duration) -> Maildrop {
        let spool = self.spool.clone();
        let parts = Parts {
            domain: Domain::parse("here.test").unwrap(),
            patience,
            receiver: self.receiver.clone(),
            remembers: Arc::new(move |id| spool.unknown(&[id]).is_empty()),
            counts: Arc::default(),
        };
        Maildrop::new(self.data.path(), &self.facts, parts)
    }

    /// Looks once; `at_commit` sees things as they are before each commit.
    async fn look(&mut self, maildrop: &mut Maildrop, mut at_commit: impl FnMut()) {
        let mut looking = pin!(maildrop.look());
        loop {
            self.committer.due();
            tokio::select! {
                biased;
                () = &mut looking => break,
                () = self.committer.changed() => {
                    if self.committer.due() == Due::Now {
                        at_commit();
                    }
                    self.committer.turn();
                }
            }
        }
    }

    fn leave(&self, recipients: &[&str], content: &str) {
        let recipients: Vec<String> = recipients.iter().map(|to| format!("RCPT TO:<{to}>\r\n")).collect();
        let letter = format!("MAIL FROM:<root@here.test>\r\n{}DATA\r\n{content}", recipients.concat());
        maildrop::leave(&maildrop::dir(self.data.path()), &[letter.as_bytes()]).unwrap();
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = list(&maildrop::dir(self.data.path())).unwrap();
        paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
    }

    fn events(&self, kind: Kind) -> Vec<Event> {
        self.events.flush();
        let reader = Reader::new(self.data.path().join("events"), Arc::new(OsDisk));
        let all = reader.search(&Query::All, Order::OldestFirst, 1000).unwrap();
        all.into_iter().filter(|event| event.kind == kind).collect()
    }
}

const CONTENT: &str = "From: root@here.test\r\nSubject: x\r\n\r\nx\r\n";
const DAY: Duration = Duration::from_hours(24);

/// Puts files back as they were, as a crash leaves them.
fn restore(files: &[(PathBuf, Vec<u8>)]) {
    for (path, octets) in files {
        fs::write(path, octets).unwrap();
        let mode = if maildrop::whole_of(path).is_some() { 0o600 } else { 0o640 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[tokio::test]
async fn a_message_and_what_its_sender_hears_of_the_others_are_one_commit() {
    let mut world = World::new(|_| {});
    world.leave(&["ben@here.test", "nobody-here@here.test"], CONTENT);
    let (mut maildrop, mut commits) = (world.maildrop(DAY), 0);
    world.look(&mut maildrop, || commits += 1).await;
    assert_eq!((commits, world.spool.messages(), world.files().len()), (1, 2, 0));
    let (bounced, reports) = (world.events(Kind::Bounced), world.events(Kind::Dsn));
    assert_eq!(bounced[0].reply.as_deref(), Some("550 5.1.1 No such mailbox here"));
    assert_eq!((bounced[0].id, bounced.len()), (reports[0].id, 1));
    assert_eq!(world.events(Kind::Accepted)[0].id, reports[0].id);
}

#[tokio::test]
async fn after_a_crash_at_any_moment_a_message_comes_once_and_so_does_its_rest() {
    let quotas = Quotas { recipients_per_hour: 1, ..Quotas::default() };
    let mut world = World::new(|config| config.quotas = quotas);
    world.leave(&["nobody-here@here.test", "ben@here.test", "postmaster@here.test"], CONTENT);
    let mut maildrop = world.maildrop(DAY);
    let dir = maildrop::dir(world.data.path());
    let mut before = Vec::new();
    let snapshot = || {
        before =
            list(&dir).unwrap().into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    };
    world.look(&mut maildrop, snapshot).await;
    assert_eq!(before.len(), 2, "the file and its rest: {before:?}");
    let is_rest = |files: &[(PathBuf, Vec<u8>)]| {
        let [(path, text)] = files else { return false };
        let text = String::from_utf8_lossy(text);
        text.contains("RCPT TO:<postmaster@here.test>\r\nDATA\r\n") && maildrop::id_of(path).is_none()
    };
    assert!(is_rest(&world.files()));
    // It died before the file was removed; or cannot remove it, and tries again.
    for mut maildrop in [world.maildrop(DAY), maildrop] {
        world.files().iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
        restore(&before);
        world.look(&mut maildrop, || panic!("it comes twice")).await;
        assert!(is_rest(&world.files()), "{:?}", world.files());
    }
    // It died before the commit.
    world.files().iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
    let mut other = World::new(|config| config.quotas = quotas);
    let dir = maildrop::dir(other.data.path());
    let moved: Vec<_> =
        before.iter().map(|(path, octets)| (dir.join(path.file_name().unwrap()), octets.clone())).collect();
    restore(&moved);
    let mut maildrop = other.maildrop(DAY);
    other.look(&mut maildrop, || {}).await;
    assert!(is_rest(&other.files()), "{:?}", other.files());
    assert_eq!((other.spool.messages(), other.events(Kind::Accepted).len()), (2, 2));
}

#[tokio::test]
async fn what_has_become_too_large_comes_back() {
    let mut world = World::new(|config| config.message_size_max = 100);
    world.leave(&["ben@here.test"], &format!("{CONTENT}{}", "x\r\n".repeat(2_000_000)));
    let mut maildrop = world.maildrop(DAY);
    world.look(&mut maildrop, || {}).await;
    assert_eq!((world.spool.messages(), world.files().len()), (1, 0));
    assert_eq!(
        world.events(Kind::Bounced)[0].reply.as_deref(),
        Some("552 5.3.4 Message exceeds the maximum size")
    );
    assert_eq!(world.events(Kind::Dsn)[0].recipient.as_deref(), Some("root@here.test"));
}

#[tokio::test]
async fn who_cannot_be_taken_for_long_comes_back() {
    let quotas = Quotas { recipients_per_hour: 1, ..Quotas::default() };
    let mut world = World::new(|config| config.quotas = quotas);
    world.leave(&["ben@here.test", "postmaster@here.test"], CONTENT);
    let mut maildrop = world.maildrop(Duration::ZERO);
    world.look(&mut maildrop, || {}).await;
    assert_eq!(world.files().len(), 0);
    let reply = world.events(Kind::Bounced)[0].reply.clone().unwrap();
    assert!(reply.starts_with("554 5.4.7 Not taken in time: This login has sent as much"), "{reply}");
}

/// Whether it is told or not, what was refused is on record.
#[tokio::test]
async fn nobody_is_told_of_mail_from_nobody_but_the_log() {
    let mut world = World::new(|_| {});
    let letter = format!("MAIL FROM:<>\r\nRCPT TO:<nobody-here@here.test>\r\nDATA\r\n{CONTENT}");
    maildrop::leave(&maildrop::dir(world.data.path()), &[letter.as_bytes()]).unwrap();
    let mut maildrop = world.maildrop(DAY);
    world.look(&mut maildrop, || {}).await;
    assert_eq!((world.spool.messages(), world.files().len()), (0, 0));
    assert_eq!(world.events(Kind::Bounced).len(), 1);
    assert!(world.events(Kind::Dsn).is_empty());
}

#[tokio::test]
async fn what_is_no_mail_is_put_aside_and_not_thrown_away() {
    let mut world = World::new(|_| {});
    let dir = maildrop::dir(world.data.path());
    maildrop::leave(&dir, &[b"hello\r\n"]).unwrap();
    symlink("/etc/passwd", dir.join("link")).unwrap();
    let mut maildrop = world.maildrop(DAY);
    world.look(&mut maildrop, || panic!("it is no mail")).await;
    assert_eq!(world.files().len(), 0);
    let mut aside: Vec<_> = list(&maildrop::aside_dir(world.data.path())).unwrap();
    aside.sort_by_key(|path| path.is_symlink());
    assert_eq!((aside.len(), fs::read(&aside[0]).unwrap().as_slice()), (2, &b"hello\r\n"[..]));
    assert_eq!(fs::read_link(&aside[1]).unwrap(), Path::new("/etc/passwd"));
    world.look(&mut maildrop, || {}).await;
    assert_eq!(maildrop.counts.get(), (0, 2));
}
