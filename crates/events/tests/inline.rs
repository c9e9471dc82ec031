//! The log without a thread: its owner turns it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use disk::{Clock as _, Disk as _};
use events::{Config, Event, Flusher, Kind, Log, Order, Query, Reader};
use mail::{QueueId, Timestamp};
use testkit::{
    clock::FakeClock,
    disk::{SeededRandom, SimDisk},
};

fn open(disk: &SimDisk) -> (Log, Flusher) {
    let config = Config::new("/events".into());
    Log::open_inline(config, Arc::new(disk.clone()), Arc::new(FakeClock::default())).unwrap()
}

fn lines(lsns: std::ops::RangeInclusive<u64>) -> Vec<(u64, Vec<u8>)> {
    let at = Timestamp::from_millis(1);
    let line = |lsn| (lsn, Event::new(at, QueueId::new(at, 0, lsn), Kind::Accepted, "receive").to_line());
    lsns.map(line).collect()
}

#[test]
fn a_power_cut_within_a_write_leaves_no_gap_behind_which_the_log_goes_on() {
    for seed in 0..200 {
        let disk = SimDisk::default();
        let (log, mut flusher) = open(&disk);
        log.append(lines(1..=5));
        assert!(flusher.turn());
        log.append(lines(6..=60));
        // The second change is the sync: the lines are on their way, and their sectors get there in any order.
        disk.cut_power_at(2, || ());
        assert!(!flusher.turn());
        drop((log, flusher));
        disk.crash(&SeededRandom::new(seed));
        let (log, mut flusher) = open(&disk);
        let last = log.last_lsn();
        log.append(lines(last + 1..=60));
        assert!(flusher.turn());
        let reader = Reader::new("/events".into(), Arc::new(disk.clone()));
        let told = reader.search(&Query::All, Order::OldestFirst, usize::MAX).unwrap();
        let told: Vec<u64> = told.iter().map(|event| event.lsn).collect();
        assert_eq!(told, (1..=60).collect::<Vec<u64>>(), "seed {seed}, opened at {last}");
    }
}

#[test]
fn lines_are_durable_once_the_owner_has_turned_the_flusher() {
    let disk = SimDisk::default();
    let (log, mut flusher) = open(&disk);
    log.append(lines(1..=1));
    assert_eq!((log.last_lsn(), log.durable_lsn()), (1, 0), "nothing is written before");
    disk.fail_sync(1);
    assert!(!flusher.turn());
    assert!(log.is_failing());
    assert!(flusher.turn(), "what failed is tried again");
    assert_eq!((log.durable_lsn(), log.is_failing()), (1, false));
    log.append(lines(2..=2));
    drop((log, flusher));
    let (log, _) = open(&disk);
    assert_eq!(log.last_lsn(), 1, "what nobody wrote is left to the spool to tell again");
}

#[test]
fn a_disk_that_fails_all_day_leaves_no_file_for_each_try() {
    let disk = SimDisk::default();
    let config = Config::new("/events".into());
    let clock = FakeClock::default();
    let at = clock.now();
    let (log, mut flusher) =
        Log::open_inline(config.clone(), Arc::new(disk.clone()), Arc::new(clock)).unwrap();
    let line = Event::new(at, QueueId::new(at, 0, 1), Kind::Accepted, "receive").to_line();
    for (lsn, files) in [(1, 1), (2, 2)] {
        log.append([(lsn, line.clone())]);
        for _ in 0..10 {
            disk.fail_sync(1);
            assert!(!flusher.turn());
        }
        assert!(flusher.turn());
        assert_eq!(log.durable_lsn(), lsn);
        assert_eq!(disk.list(&config.dir).unwrap().len(), files, "what was durable stays, and one file more");
    }
}
