//! A world to deliver in: a real spool in a temporary directory, scripted DNS and peers, a clock to set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may"
)]

pub(crate) mod peer;
mod trap;

use std::{path::PathBuf, sync::Arc, time::Duration};

use deliver::{BlockingThreads, Config, Deliverer, LocalDelivery, Own, Parts, Sites, Timeouts};
use directory::{AccountConfig, AliasConfig, Directory, DomainConfig};
use disk::{Clock, Disk, OsDisk, OsRandom};
use events::{Event, Kind, Log};
use mail::{Address, Envelope, QueueId, Recipient, ReversePath};
use mailstore::Mailstore;
use net::ShutdownSwitch;
use spool::{ListFilter, Spool, Submission, Summary};
use testkit::{
    clock::FakeClock,
    disk::{SeededRandom, SimDisk},
    dns::FakeDns,
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use peer::{Network, Peer};
use trap::Trap;

/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const ZONES: &str = "
    example.org MX 10 mx1.example.org
    example.org MX 20 mx2.example.org
    mx1.example.org A 192.0.2.1
    mx2.example.org A 192.0.2.2
    example.net MX 10 mx.example.net
    mx.example.net A 192.0.2.3
    null.example MX 0 .
";

pub(crate) struct World {
    pub(crate) spool: Spool,
    pub(crate) network: Arc<Network>,
    pub(crate) dns: Arc<FakeDns>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) seen: Vec<Event>,
    pub(crate) dir: tempfile::TempDir,
    settings: Option<deliver::Settings>,
    switch: Option<ShutdownSwitch>,
    running: Option<JoinHandle<()>>,
    config: Config,
    parts: Parts,
    /// For a panic of delivery where it asks for the time, or for chance.
    pub(crate) trap: Arc<Trap>,
}

impl World {
    /// A world that delivers.
    pub(crate) fn new() -> Self {
        let mut world = Self::asleep(|_| {});
        world.wake();
        world
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut world = Self::asleep(change);
        world.wake();
        world
    }

    /// A world that delivers over sockets on loopback.
    pub(crate) fn over_sockets(change: impl FnOnce(&mut Config)) -> Self {
        let mut world = Self::asleep(change);
        world.network.use_sockets();
        world.wake();
        world
    }

    /// A world that does not deliver yet.
    pub(crate) fn asleep(change: impl FnOnce(&mut Config)) -> Self {
        Self::build(change, spool::Config::small(PathBuf::new()), Arc::new(OsDisk))
    }

    /// A world that does not deliver yet and reads all mail from disk.
    pub(crate) fn cold() -> Self {
        let config = spool::Config { cache_octets: 0, ..spool::Config::small(PathBuf::new()) };
        Self::build(|_| {}, config, Arc::new(OsDisk))
    }

    /// A world that does not deliver yet, with the spool on a disk of its own.
    pub(crate) fn asleep_on(disk: Arc<dyn Disk>) -> Self {
        Self::build(|_| {}, spool::Config::small(PathBuf::new()), disk)
    }

    fn build(
        change: impl FnOnce(&mut Config),
        mut spool_config: spool::Config,
        spool_disk: Arc<dyn Disk>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, disk) = (Arc::new(FakeClock::default()), Arc::new(OsDisk));
        let log_dir = dir.path().join("events");
        let log = Arc::new(Log::open(events::Config::new(log_dir), disk.clone(), clock.clone()).unwrap());
        let (sender, events) = mpsc::unbounded_channel();
        log.subscribe(Box::new(move |line| sender.send(Event::from_line(line).unwrap()).is_ok()));
        spool_config.dir = dir.path().join("spool");
        let (spool, _) =
            Spool::open(spool_config, spool_disk, clock.clone(), Arc::new(OsRandom), log).unwrap();
        let mut config = Config {
            hostname: "postrider.example".into(),
            maildir_root: dir.path().join("mail"),
            sites_file: Some(dir.path().join("sites.jsonl")),
            timeouts: Timeouts { idle: Duration::from_mins(1), ..Timeouts::default() },
            ..Config::default()
        };
        change(&mut config);
        let mailboxes = dir.path().join("mailboxes.db");
        let mailstore =
            (config.local == LocalDelivery::Mailstore).then(|| Mailstore::open(&mailboxes).unwrap().0);
        let (network, dns) = (Arc::new(Network::default()), Arc::new(FakeDns::new(ZONES)));
        let trap = Arc::new(Trap::new(clock.clone()));
        let parts = Parts {
            spool: spool.clone(),
            directory: Arc::new(directory()),
            resolver: dns.clone(),
            disk,
            mailstore,
            blocking: Arc::new(BlockingThreads),
            clock: trap.clone(),
            random: trap.clone(),
            connect: network.clone(),
            tls: net::HostConnector::new().unwrap(),
            own: Own::default(),
        };
        Self {
            spool,
            network,
            dns,
            clock,
            events,
            seen: Vec::new(),
            dir,
            switch: None,
            running: None,
            settings: None,
            config,
            parts,
            trap,
        }
    }

    pub(crate) fn wake(&mut self) -> Sites {
        let (switch, shutdown) = ShutdownSwitch::new();
        let deliverer = Deliverer::new(self.config.clone(), self.parts.clone());
        let sites = deliverer.sites();
        self.settings = Some(deliverer.settings());
        self.running = Some(tokio::spawn(deliverer.run(shutdown)));
        self.switch = Some(switch);
        sites
    }

    /// Changes settings while it delivers.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.settings.as_ref().unwrap().change(&self.config, Arc::clone(&self.parts.directory));
    }

    /// Has others sign while it delivers.
    pub(crate) fn sign_by(&self, signers: &deliver::Signers) {
        self.settings.as_ref().unwrap().change_signers(signers);
    }

    /// Stops delivery and waits for it.
    pub(crate) async fn stop(&mut self) {
        self.switch.take().unwrap().press();
        timeout(PATIENCE, self.running.take().unwrap()).await.expect("delivery does not stop").unwrap();
    }

    pub(crate) fn peer(&self, address: &str) -> Arc<Peer> {
        self.network.peer(address)
    }

    /// Puts a message into the queue.
    pub(crate) async fn send(&self, from: &str, to: &[&str], content: &str) -> QueueId {
        self.send_as(from, to, content, |_| {}).await
    }

    pub(crate) async fn send_as(
        &self,
        from: &str,
        to: &[&str],
        content: &str,
        change: impl FnOnce(&mut Envelope),
    ) -> QueueId {
        let now = self.clock.now();
        let id = self.spool.new_id(now);
        let mut envelope = envelope(id, from, to, now);
        change(&mut envelope);
        let mut writer = self.spool.content(id);
        writer.write(content.as_bytes().to_vec(), || std::future::ready(())).await.unwrap();
        let content = writer.finish().await.unwrap();
        // A spool that fails is told by what it does later.
        let _ = self.spool.commit(Submission { envelope, content, events: Vec::new() }).await;
        id
    }

    /// The next event that fits; those before are in `seen`.
    pub(crate) async fn event(&mut self, fits: impl Fn(&Event) -> bool) -> Event {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the event log ended");
                self.seen.push(event.clone());
                if fits(&event) {
                    return event;
                }
            }
        };
        let Ok(event) = timeout(PATIENCE, found).await else {
            panic!("no such event; {:#?}; in the queue: {:#?}", self.seen, self.queue())
        };
        event
    }

    /// The fate of a recipient: the next event of its kind that ends an attempt.
    pub(crate) async fn fate(&mut self, recipient: &str) -> Event {
        let ends = [Kind::Delivered, Kind::Deferred, Kind::Bounced, Kind::Expired, Kind::Dropped];
        self.event(|event| ends.contains(&event.kind) && event.recipient.as_deref() == Some(recipient)).await
    }

    /// The fates of recipients, whose events may come in any order.
    pub(crate) async fn fates(&mut self, recipients: &[&str]) -> Vec<Kind> {
        let mut fates: Vec<Option<Kind>> = vec![None; recipients.len()];
        let ends = [Kind::Delivered, Kind::Deferred, Kind::Bounced, Kind::Expired, Kind::Dropped];
        while fates.contains(&None) {
            let event = self.event(|event| ends.contains(&event.kind)).await;
            let place =
                recipients.iter().position(|recipient| event.recipient.as_deref() == Some(*recipient));
            if let Some(place) = place {
                fates[place] = Some(event.kind);
            }
        }
        fates.into_iter().flatten().collect()
    }

    /// What is still in the queue.
    pub(crate) fn queue(&self) -> Vec<Summary> {
        self.spool.list(&ListFilter::default())
    }

    /// Closes the spool, takes the power away, and says whom the queue owes when it is back.
    pub(crate) async fn owed_after_a_crash(self, disk: &SimDisk, seed: u64) -> Vec<String> {
        self.spool.close().await;
        disk.crash(&SeededRandom::new(seed));
        let (clock, random) = (self.clock.clone(), Arc::new(OsRandom));
        let events = events::Config::new(self.dir.path().join("events after"));
        let log = Arc::new(Log::open(events, Arc::new(OsDisk), clock.clone()).unwrap());
        let config = spool::Config::small(self.dir.path().join("spool"));
        let (spool, _) = Spool::open(config, Arc::new(disk.clone()), clock, random, log).unwrap();
        let queue = spool.list(&ListFilter::default());
        queue.into_iter().flat_map(|message| message.recipients).map(|owed| owed.forward_path).collect()
    }

    /// Turns an octet of the spool over, where `text` is stored.
    pub(crate) fn damage(&self, text: &str) {
        let mut dirs = vec![self.dir.path().join("spool")];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else if let Ok(octets) = std::fs::read(&path) // files that the spool prepares come and go
                    && let Some(at) = octets.windows(text.len()).position(|window| window == text.as_bytes())
                {
                    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
                    std::os::unix::fs::FileExt::write_all_at(&file, b"?", at as u64).unwrap();
                    return;
                }
            }
        }
        panic!("{text} is nowhere in the spool");
    }

    /// The messages in an account's Maildir.
    pub(crate) fn mailbox(&self, account: &str) -> Vec<String> {
        let new = self.dir.path().join("mail").join(account).join("new");
        let Ok(entries) = std::fs::read_dir(new) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
    }

    /// The mailboxes, where they are in the mailstore.
    pub(crate) fn mailstore(&self) -> &Mailstore {
        self.parts.mailstore.as_ref().unwrap()
    }

    /// The messages in a mailbox of the mailstore.
    pub(crate) fn stored(&self, account: &str, mailbox: &str) -> Vec<String> {
        let mailstore = self.mailstore();
        let Some(account) = mailstore.find_account(account).unwrap() else { return Vec::new() };
        let Some(mailbox) = mailstore.mailbox(account, mailbox).unwrap() else { return Vec::new() };
        let all = mailstore.facts(mailbox.id, &mailstore::UidSet::all()).unwrap();
        let text = |facts: &mailstore::Facts| mailstore.read(facts.email, 0, usize::MAX).unwrap();
        all.iter().map(|facts| String::from_utf8(text(facts)).unwrap()).collect()
    }

    /// Has everything tried that waits, a while later.
    pub(crate) fn later(&self, duration: Duration) {
        // The order matters: the spool gives notice of what becomes due earlier, not of a clock that was set.
        self.spool.retry_all(self.clock.now());
        self.clock.advance(duration);
    }
}

fn envelope(id: QueueId, from: &str, to: &[&str], now: mail::Timestamp) -> Envelope {
    let reverse_path = match from {
        "" => ReversePath::Null,
        from => ReversePath::Address(Address::parse(from).unwrap()),
    };
    let recipients = to.iter().map(|to| Recipient::new(Address::parse(to).unwrap(), now)).collect();
    Envelope { reverse_path, ..Envelope::new(id, now, "smtp", recipients) }
}

/// `here.test` with Anna and Otto, `team@here.test` is both; `away@here.test` and all of `caught.test` lead elsewhere, and so does `both@here.test` beside Anna.
fn directory() -> Directory {
    let account = |login: &str| AccountConfig { login: login.into(), ..AccountConfig::default() };
    Directory::new(directory::Config {
        domains: vec![
            DomainConfig { name: "here.test".into(), ..DomainConfig::default() },
            DomainConfig {
                name: "caught.test".into(),
                catch_all: Some("eve@example.org".into()),
                subaddress: None,
            },
        ],
        accounts: vec![account("anna@here.test"), account("otto@here.test")],
        aliases: vec![
            AliasConfig {
                address: "team@here.test".into(),
                to: vec!["anna@here.test".into(), "otto@here.test".into()],
            },
            AliasConfig { address: "away@here.test".into(), to: vec!["eve@example.org".into()] },
            AliasConfig {
                address: "both@here.test".into(),
                to: vec!["eve@example.org".into(), "anna@here.test".into(), "dan@example.net".into()],
            },
            AliasConfig {
                address: "twice@here.test".into(),
                to: vec!["anna@here.test".into(), "anna+lists@here.test".into()],
            },
        ],
        ..directory::Config::default()
    })
    .unwrap()
}
