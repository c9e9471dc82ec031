//! A keeper with a DNS that is a table and a clock that is set, over restarts.

use std::{collections::BTreeMap, net::IpAddr, path::Path, sync::Mutex};

use disk::{OsDisk, OsRandom};
use dns::{Answer, BoxFuture, DnsError, Mx};

use super::*;

/// A DNS of texts; names without an entry are not there, and one that is closed gives no answer.
#[derive(Default)]
struct Zone {
    texts: Mutex<BTreeMap<String, String>>,
    closed: Mutex<bool>,
}

impl Zone {
    fn put(&self, name: &str, text: &str) {
        self.texts.lock().unwrap().insert(name.to_owned(), text.to_owned());
    }

    fn take(&self, name: &str) {
        self.texts.lock().unwrap().remove(name);
    }
}

impl Resolve for Zone {
    fn mx<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Mx>>, DnsError>> {
        Box::pin(async { Err(DnsError::NoRecords) })
    }

    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer<Vec<IpAddr>>, DnsError>> {
        Box::pin(async { Err(DnsError::NoRecords) })
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer<Vec<Vec<u8>>>, DnsError>> {
        let found = self.texts.lock().unwrap().get(name).cloned();
        let closed = *self.closed.lock().unwrap();
        Box::pin(async move {
            match found {
                _ if closed => Err(DnsError::temporary("closed")),
                Some(text) => Ok(Answer::insecure(vec![text.into_bytes()], Duration::from_secs(1))),
                None => Err(DnsError::NoSuchName),
            }
        })
    }

    fn ptr(&self, _: IpAddr) -> BoxFuture<'_, Result<Answer<Vec<Box<str>>>, DnsError>> {
        Box::pin(async { Err(DnsError::NoRecords) })
    }
}

#[derive(Default)]
struct HandClock(Mutex<u64>);

impl HandClock {
    fn go_on(&self, by: Duration) {
        *self.0.lock().unwrap() += u64::try_from(by.as_millis()).unwrap();
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000 + *self.0.lock().unwrap())
    }

    fn now_and_passed(&self) -> (Timestamp, Duration) {
        (self.now(), Duration::from_millis(*self.0.lock().unwrap()))
    }
}

const HOUR: Duration = Duration::from_hours(1);

struct World {
    dir: tempfile::TempDir,
    zone: Arc<Zone>,
    clock: Arc<HandClock>,
    heard: Arc<Mutex<Vec<DomainKeys>>>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, zone: Arc::default(), clock: Arc::default(), heard: Arc::default() }
    }

    fn domain() -> DomainName {
        DomainName::parse("example.org").unwrap()
    }

    fn config(dir: &Path) -> Config {
        Config {
            dir: dir.join("dkim"),
            keep: Keep::All,
            algorithms: vec![Algorithm::Ed25519Sha256],
            rotate: Some(HOUR * 100),
            publish_wait: HOUR,
            retire_wait: HOUR * 10,
            by_hand: Vec::new(),
            watch: true,
            interval: HOUR,
            update: None,
        }
    }

    /// As a start does.
    fn keeper(&self) -> Keeper {
        let parts = Parts {
            disk: Arc::new(OsDisk),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Arc::new(OsRandom),
            resolver: Arc::clone(&self.zone) as Arc<dyn Resolve>,
            domains: Arc::new(|| vec![Self::domain()]),
        };
        Keeper::open(Self::config(self.dir.path()), parts)
    }

    async fn round(&self, keeper: &mut Keeper) -> DomainKeys {
        let heard = Arc::clone(&self.heard);
        keeper.round(&move |all| *heard.lock().unwrap() = all).await;
        self.heard.lock().unwrap().first().cloned().unwrap()
    }

    /// Does what the status says that somebody has to do.
    fn obey(&self, keeper: &Keeper) {
        for key in keeper.watch().status().iter().flat_map(|status| &status.keys).filter(|key| key.to_do) {
            match key.state {
                "removing" => self.zone.take(&key.name),
                _ => self.zone.put(&key.name, key.text.as_deref().unwrap()),
            }
        }
    }
}

fn states(keeper: &Keeper) -> Vec<String> {
    let status = keeper.watch().status();
    status
        .iter()
        .flat_map(|status| &status.keys)
        .map(|key| format!("{} {}", key.selector, key.state))
        .collect()
}

fn selectors(keys: &DomainKeys) -> Vec<&str> {
    keys.signers.iter().map(|signer| &*signer.selector).collect()
}

#[tokio::test]
async fn a_key_is_made_published_used_and_followed_by_another_over_restarts() {
    let world = World::new();
    let mut keeper = world.keeper();
    let keys = world.round(&mut keeper).await;
    assert!(keys.signers.is_empty() && keys.trouble.is_some());
    assert_eq!(states(&keeper), ["e20261118 made"]);
    world.obey(&keeper);
    drop(keeper);
    let mut keeper = world.keeper();
    let keys = world.round(&mut keeper).await;
    assert_eq!((selectors(&keys), &keys.trouble), (vec!["e20261118"], &None));
    assert_eq!(states(&keeper), ["e20261118 signing"]);
    // After a restart it signs before anybody has been asked: what was right stays right.
    *world.zone.closed.lock().unwrap() = true;
    let mut keeper = world.keeper();
    assert_eq!(selectors(&keeper.standing()[0]), ["e20261118"]);
    world.clock.go_on(HOUR * 100);
    let keys = world.round(&mut keeper).await;
    assert_eq!((selectors(&keys), &keys.trouble), (vec!["e20261118"], &None));
    assert_eq!(states(&keeper), ["e20261118 signing", "e20261122 made"]);
    *world.zone.closed.lock().unwrap() = false;
    world.obey(&keeper);
    assert_eq!(selectors(&world.round(&mut keeper).await), ["e20261118"]);
    assert_eq!(states(&keeper), ["e20261118 signing", "e20261122 published"]);
    let mut keeper = world.keeper();
    world.clock.go_on(HOUR);
    assert_eq!(selectors(&world.round(&mut keeper).await), ["e20261122"]);
    assert_eq!(states(&keeper), ["e20261118 retired", "e20261122 signing"]);
    let mut keeper = world.keeper();
    world.clock.go_on(HOUR * 10);
    world.round(&mut keeper).await;
    assert_eq!(states(&keeper), ["e20261118 removing", "e20261122 signing"]);
    world.obey(&keeper);
    assert_eq!(selectors(&world.round(&mut keeper).await), ["e20261122"]);
    assert_eq!(states(&keeper), ["e20261122 signing"]);
    let files = std::fs::read_dir(world.dir.path().join("dkim/example.org")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["e20261122.pem", "keys.json"]);
}

#[tokio::test]
async fn a_record_that_is_wrong_is_told_until_it_is_right_again() {
    let world = World::new();
    let mut keeper = world.keeper();
    world.round(&mut keeper).await;
    world.obey(&keeper);
    assert_eq!(world.round(&mut keeper).await.trouble, None);
    let key = keeper.watch().status()[0].keys[0].clone();
    let right = key.text.clone().unwrap();
    for (text, words) in [
        (None, "there is no record"),
        (Some("v=DKIM1; k=ed25519; p="), "its p= is empty"),
        (Some("v=DKIM1; k=ed25519; p=aGVsbG8="), "does not fit the private key"),
    ] {
        match text {
            Some(text) => world.zone.put(&key.name, text),
            None => world.zone.take(&key.name),
        }
        let keys = world.round(&mut keeper).await;
        assert!(keys.signers.is_empty(), "{words}");
        assert!(keys.trouble.unwrap().contains(words), "{words}");
        assert_eq!(keeper.pause(), SOON);
        world.zone.put(&key.name, &right);
        assert_eq!(world.round(&mut keeper).await.trouble, None, "{words}");
        assert_eq!(keeper.pause(), HOUR);
    }
}

#[tokio::test]
async fn new_keys_are_made_when_somebody_asks() {
    let world = World::new();
    let mut keeper = world.keeper();
    world.round(&mut keeper).await;
    world.obey(&keeper);
    world.round(&mut keeper).await;
    let watch = keeper.watch();
    let other = DomainName::parse("example.net").unwrap();
    assert_eq!(watch.rotate(&other), Err(crate::RotateError("example.net".into())));
    watch.rotate(&World::domain()).unwrap();
    keeper.take_up().await;
    world.round(&mut keeper).await;
    assert_eq!(states(&keeper), ["e20261118 signing", "e20261118-2 made"]);
    let todo = &watch.status()[0].keys[1];
    assert!(todo.to_do && todo.next == "put this record into the DNS", "{todo:?}");
}

#[tokio::test]
async fn where_nobody_can_be_asked_records_are_believed_to_be_there() {
    let world = World::new();
    let mut keeper = world.keeper();
    keeper.config.watch = false;
    assert_eq!(world.round(&mut keeper).await.trouble, None);
    assert_eq!(states(&keeper), ["e20261118 signing"]);
}

#[tokio::test]
async fn a_key_that_is_lost_is_replaced() {
    let world = World::new();
    let mut keeper = world.keeper();
    world.round(&mut keeper).await;
    world.obey(&keeper);
    world.round(&mut keeper).await;
    std::fs::remove_file(world.dir.path().join("dkim/example.org/e20261118.pem")).unwrap();
    let mut keeper = world.keeper();
    let keys = world.round(&mut keeper).await;
    assert!(keys.signers.is_empty() && keys.trouble.unwrap().contains("no such file"));
    assert_eq!(states(&keeper), ["e20261118 signing", "e20261118-2 made"]);
    world.obey(&keeper);
    assert_eq!(selectors(&world.round(&mut keeper).await), ["e20261118-2"]);
}

#[tokio::test]
async fn a_key_that_nothing_tells_of_any_more_is_not_written_over() {
    let world = World::new();
    world.round(&mut world.keeper()).await;
    let dir = world.dir.path().join("dkim/example.org");
    let key = std::fs::read(dir.join("e20261118.pem")).unwrap();
    // As if how far it was could not be written before the server was killed. Its record may be there.
    std::fs::write(dir.join("keys.json"), "{\"keys\":[]}").unwrap();
    let mut keeper = world.keeper();
    world.round(&mut keeper).await;
    assert_eq!(states(&keeper), ["e20261118-2 made"]);
    assert_eq!(std::fs::read(dir.join("e20261118.pem")).unwrap(), key);
}
