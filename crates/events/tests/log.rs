//! The event log over crashes, rotations and searches.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use disk::{Clock, Disk};
use events::{Config, Event, Kind, Log, Order, Query, Reader, Start};
use mail::QueueId;
use testkit::{
    clock::FakeClock,
    disk::{SeededRandom, SimDisk},
};

struct World {
    disk: SimDisk,
    clock: Arc<FakeClock>,
    config: Config,
}

impl World {
    fn new() -> Self {
        let config = Config::new(PathBuf::from("/events"));
        Self { disk: SimDisk::default(), clock: Arc::new(FakeClock::default()), config }
    }

    fn open(&self) -> Log {
        let disk = Arc::new(self.disk.clone()) as Arc<dyn Disk>;
        Log::open(self.config.clone(), disk, Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }

    fn line(&self, number: u64, recipient: &str) -> (u64, Vec<u8>) {
        let id = QueueId::new(self.clock.now(), 0, number);
        let mut event = Event::new(self.clock.now(), id, Kind::Delivered, "deliver/remote");
        event.recipient = Some(recipient.into());
        event.message_id = Some(format!("<{number}@example.org>"));
        (number, event.to_line())
    }

    fn search(&self, query: &Query, order: Order, limit: usize) -> Vec<u64> {
        let reader = Reader::new(self.config.dir.clone(), Arc::new(self.disk.clone()));
        reader.search(query, order, limit).unwrap().into_iter().map(|event| event.lsn).collect()
    }
}

#[test]
fn what_was_told_durable_survives_and_what_is_told_again_stands_once() {
    for seed in 0..100 {
        let world = World::new();
        let random = SeededRandom::new(seed);
        let log = world.open();
        log.append((1..=5).map(|number| world.line(number, "anna@example.org")));
        log.flush();
        assert_eq!(log.durable_lsn(), 5);
        world.disk.fail_sync(1);
        log.append((6..=9).map(|number| world.line(number, "anna@example.org")));
        log.flush();
        drop(log);
        world.disk.crash(&random);
        let log = world.open();
        assert!(log.last_lsn() >= 5);
        log.append((3..=12).map(|number| world.line(number, "anna@example.org")));
        log.flush();
        assert_eq!(
            world.search(&Query::All, Order::OldestFirst, 100),
            (1..=12).collect::<Vec<_>>(),
            "seed {seed}"
        );
    }
}

#[test]
fn a_torn_last_line_is_cut() {
    let world = World::new();
    let log = world.open();
    log.append([world.line(1, "anna@example.org"), world.line(2, "anna@example.org")]);
    drop(log);
    let path = world.config.dir.join("0000000001.jsonl");
    let file = world.disk.open(&path).unwrap();
    file.set_len(file.len().unwrap() - 3).unwrap();
    let log = world.open();
    assert_eq!(log.last_lsn(), 1);
    log.append([world.line(2, "bob@example.org")]);
    log.flush();
    assert_eq!(world.search(&Query::All, Order::OldestFirst, 100), [1, 2]);
}

#[test]
fn files_are_rotated_and_the_oldest_go() {
    let mut world = World::new();
    world.config.file_octets = 1000;
    world.config.keep_octets = 5000;
    let log = world.open();
    log.append((1..=100).map(|number| world.line(number, "anna@example.org")));
    log.flush();
    let files = world.disk.list(&world.config.dir).unwrap();
    assert!(files.len() > 3 && files.iter().map(|file| file.len).sum::<u64>() < 7000, "{files:?}");
    let left = world.search(&Query::All, Order::NewestFirst, 100);
    assert_eq!(left[0], 100);
    assert!(left.is_sorted_by(|a, b| a > b) && left.len() < 50);
    world.clock.advance(Duration::from_hours(31 * 24));
    log.append((101..=120).map(|number| world.line(number, "anna@example.org")));
    log.flush();
    assert!(world.search(&Query::All, Order::OldestFirst, 1)[0] > 90, "the old ones go by their age");
}

#[test]
fn searches_find_by_id_address_and_message_id() {
    let world = World::new();
    let log = world.open();
    log.append([
        world.line(1, "Anna@example.org"),
        world.line(2, "bob@example.net"),
        world.line(3, "anna@example.org"),
    ]);
    let mut accepted =
        Event::new(world.clock.now(), QueueId::new(world.clock.now(), 0, 4), Kind::Accepted, "receive");
    accepted.recipients = vec!["carol@example.com".into(), "dora@example.com".into()];
    log.append([(4, accepted.to_line())]);
    log.flush();
    let id = QueueId::new(world.clock.now(), 0, 2);
    for (text, found) in [
        ("anna@example.org", vec![3, 1]),
        ("<2@example.org>", vec![2]),
        (id.to_string().as_str(), vec![2]),
        ("dora@example.com", vec![4]),
        ("nobody@example.org", vec![]),
    ] {
        assert_eq!(world.search(&Query::guess(text), Order::NewestFirst, 9), found, "{text}");
    }
    assert_eq!(world.search(&Query::guess("anna@example.org"), Order::NewestFirst, 1), [3]);
}

#[test]
fn subscribers_hear_each_line_until_they_have_enough() {
    let world = World::new();
    let log = world.open();
    let (sender, receiver) = mpsc::channel();
    log.subscribe(Box::new(move |line| {
        let event = Event::from_line(line).unwrap();
        sender.send(event.lsn).is_ok() && event.lsn < 2
    }));
    log.append((1..=3).map(|number| world.line(number, "anna@example.org")));
    log.flush();
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_scan_begins_where_it_is_told_and_ends_when_it_is_told() {
    let mut world = World::new();
    world.config.file_octets = 2000;
    let log = world.open();
    for number in 1..=100 {
        world.clock.advance(Duration::from_mins(1));
        log.append([world.line(number, "anna@example.org")]);
        log.flush();
    }
    let reader = Reader::new(world.config.dir.clone(), Arc::new(world.disk.clone()));
    let scan = |from: Start, max: usize| {
        let mut seen = Vec::new();
        let last = reader.scan(from, &mut |event, line| {
            assert_eq!(Event::from_line(line).as_ref(), Some(&event));
            seen.push(event.lsn);
            if seen.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        (seen, last.unwrap())
    };
    assert_eq!(scan(Start::default(), usize::MAX), ((1..=100).collect(), 100));
    assert_eq!(scan(Start { after: 95, since: None }, usize::MAX), ((96..=100).collect(), 100));
    assert_eq!(scan(Start { after: 95, since: None }, 2), (vec![96, 97], 97));
    assert_eq!(scan(Start { after: 100, since: None }, usize::MAX), (vec![], 100));
    let since = mail::Timestamp::from_millis(world.clock.now().as_millis() - 60_000 * 50);
    assert_eq!(scan(Start { after: 0, since: Some(since) }, usize::MAX), ((50..=100).collect(), 100));
}

#[test]
fn lines_that_memory_does_not_keep_are_taken_from_the_source() {
    const MAX: usize = 4096;
    let mut world = World::new();
    world.config.waiting_octets_max = MAX;
    let lines: Vec<_> = (1..=9000).map(|number| world.line(number, "anna@example.org")).collect();
    let log = world.open();
    let (all, asked) = (lines.clone(), Arc::new(AtomicUsize::new(0)));
    let theirs = Arc::clone(&asked);
    log.set_source(Box::new(move |after, octets| {
        // The first time it cannot be read.
        if theirs.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(std::io::ErrorKind::Other.into());
        }
        let mut left = octets.cast_signed();
        let behind = all.iter().filter(|(lsn, _)| *lsn > after);
        let enough = behind.take_while(|(_, line)| {
            let more = left > 0;
            left -= line.len().cast_signed();
            more
        });
        Ok(enough.cloned().collect())
    }));
    let (told, heard) = mpsc::channel();
    log.subscribe(Box::new(move |line| told.send(Event::from_line(line).unwrap().lsn).is_ok()));
    world.disk.set_read_only(true);
    log.append(lines.iter().take(1).cloned());
    log.flush();
    assert!(log.is_failing());
    for line in lines.iter().skip(1) {
        log.append([line.clone()]);
        assert!(log.waiting_octets() <= MAX, "{} octets wait", log.waiting_octets());
    }
    world.disk.set_read_only(false);
    assert_eq!(heard.iter().take(9000).collect::<Vec<_>>(), (1..=9000).collect::<Vec<_>>());
    log.flush();
    log.append([world.line(9001, "anna@example.org")]);
    log.flush();
    assert_eq!((log.durable_lsn(), log.waiting_octets()), (9001, 0));
    assert_eq!(world.search(&Query::All, Order::OldestFirst, 10_000), (1..=9001).collect::<Vec<_>>());
    assert!(asked.load(Ordering::SeqCst) > 2, "more than one piece");
}

#[test]
fn a_log_that_cannot_catch_up_ends_nevertheless() {
    let mut world = World::new();
    world.config.waiting_octets_max = 300;
    let log = world.open();
    log.set_source(Box::new(|_, _| Err(std::io::ErrorKind::NotConnected.into())));
    log.append((1..=5).map(|number| world.line(number, "anna@example.org")));
    drop(log);
    let log = world.open();
    assert!(log.last_lsn() < 5, "it says how far it came");
    log.append((1..=5).map(|number| world.line(number, "anna@example.org")));
    log.flush();
    assert_eq!(world.search(&Query::All, Order::OldestFirst, 10), [1, 2, 3, 4, 5]);
}
