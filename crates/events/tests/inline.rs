//! The log without a thread: its owner turns it.

use std::sync::Arc;

use events::{Config, Event, Kind, Log};
use mail::{QueueId, Timestamp};
use testkit::{clock::FakeClock, disk::SimDisk};

#[test]
fn lines_are_durable_once_the_owner_has_turned_the_flusher() {
    let disk = SimDisk::default();
    let open = || {
        Log::open_inline(
            Config::new("/events".into()),
            Arc::new(disk.clone()),
            Arc::new(FakeClock::default()),
        )
    };
    let (log, mut flusher) = open().unwrap();
    let at = Timestamp::from_millis(1);
    let line = Event::new(at, QueueId::new(at, 0, 1), Kind::Accepted, "receive").to_line();
    log.append([(1, line.clone())]);
    assert_eq!((log.last_lsn(), log.durable_lsn()), (1, 0), "nothing is written before");
    disk.fail_sync(1);
    assert!(!flusher.turn());
    assert!(log.is_failing());
    assert!(flusher.turn(), "what failed is tried again");
    assert_eq!((log.durable_lsn(), log.is_failing()), (1, false));
    log.append([(2, line)]);
    drop((log, flusher));
    let (log, _) = open().unwrap();
    assert_eq!(log.last_lsn(), 1, "what nobody wrote is left to the spool to tell again");
}
