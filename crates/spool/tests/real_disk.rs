//! The spool with its threads, on the real disk.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{future::ready, sync::Arc, time::Duration};

use disk::{Clock, OsDisk, OsRandom, SystemClock};
use events::Event;
use mail::{Envelope, QueueId, Recipient};
use spool::{
    Config, Content, Disposition, Finished, ListFilter, RecipientOutcome, Reserve, Spool, SpoolError,
    Submission,
};

fn open(dir: &std::path::Path) -> Result<Spool, SpoolError> {
    let log =
        events::Log::open(events::Config::new(dir.join("events")), Arc::new(OsDisk), Arc::new(SystemClock));
    open_with(dir, Arc::new(log.unwrap()))
}

fn open_with(dir: &std::path::Path, events: Arc<events::Log>) -> Result<Spool, SpoolError> {
    let mut config = Config::small(dir.join("spool"));
    config.segment_octets = 1 << 20;
    config.reserve = Reserve { percent: 0, min: 0, max: 0 };
    let (spool, opened) =
        Spool::open(config, Arc::new(OsDisk), Arc::new(SystemClock), Arc::new(OsRandom), events)?;
    assert_eq!(opened.damage, Vec::<String>::new());
    Ok(spool)
}

fn envelope(id: QueueId, recipient: &str) -> Envelope {
    let now = SystemClock.now();
    Envelope::new(id, now, "smtp", vec![Recipient::new(recipient.parse().unwrap(), now)])
}

async fn commit(spool: &Spool, recipient: &str, content: &[u8]) -> Result<QueueId, SpoolError> {
    let id = spool.new_id(SystemClock.now());
    let mut writer = spool.content(id);
    for piece in content.chunks(60_000) {
        writer.write(piece.to_vec(), || ready(())).await?;
    }
    let content = writer.finish().await?;
    commit_content(spool, recipient, id, content).await?;
    Ok(id)
}

async fn commit_content(
    spool: &Spool,
    recipient: &str,
    id: QueueId,
    content: Content,
) -> Result<(), SpoolError> {
    let events = vec![Event::new(SystemClock.now(), id, events::Kind::Accepted, "receive")];
    let receipt = spool.commit(Submission { envelope: envelope(id, recipient), content, events }).await?;
    assert_eq!(receipt.id(), id);
    Ok(())
}

async fn read(spool: &Spool, id: QueueId) -> Vec<u8> {
    let mut content = spool.load(id).await.unwrap().content;
    let mut octets = Vec::new();
    while let Some(piece) = content.next().await.unwrap() {
        assert!(piece.len() <= 64 * 1024);
        octets.extend_from_slice(&piece);
    }
    octets
}

fn delivered(id: QueueId) -> Finished {
    let outcomes = vec![RecipientOutcome::new(0, Disposition::Delivered)];
    let events = vec![Event::new(SystemClock.now(), id, events::Kind::Delivered, "deliver/remote")];
    Finished { id, outcomes, events, reports: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_commit_while_one_scheduler_delivers() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).unwrap();
    let sessions: Vec<_> = (0..20)
        .map(|session| {
            let spool = spool.clone();
            tokio::spawn(async move {
                for message in 0..50_u32 {
                    let recipient = format!("a@host{}.example", (session + message) % 7);
                    commit(&spool, &recipient, &message.to_le_bytes().repeat(2500)).await.unwrap();
                }
            })
        })
        .collect();
    let mut delivered_count = 0;
    while delivered_count < 1000 {
        let now = SystemClock.now();
        let Some(domain) = spool.checkout(now) else {
            assert!(spool.next_due().is_none_or(|due| due <= SystemClock.now()));
            spool.changed().await;
            continue;
        };
        for work in spool.take(&domain, now, 32) {
            let octets = read(&spool, work.id).await;
            assert_eq!(octets.len(), 10_000);
            assert_eq!(octets[..4], octets[9996..]);
            spool.finish(delivered(work.id));
            delivered_count += 1;
        }
        spool.release(&domain);
    }
    for session in sessions {
        session.await.unwrap();
    }
    assert_eq!(spool.stats().messages, 0);
    assert!(spool.stats().batches < 1000, "commits share their syncs");
    spool.close().await;
    let spool = open(dir.path()).unwrap();
    assert_eq!(spool.list(&ListFilter::default()), []);
    let found = events::Reader::new(dir.path().join("events"), Arc::new(OsDisk))
        .search(&events::Query::All, events::Order::OldestFirst, usize::MAX)
        .unwrap();
    assert_eq!(found.iter().filter(|event| event.kind == events::Kind::Accepted).count(), 1000);
    assert_eq!(found.iter().filter(|event| event.kind == events::Kind::Delivered).count(), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_content_goes_to_a_file_of_its_own_and_away_with_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).unwrap();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let id = commit(&spool, "anna@example.org", &content).await.unwrap();
    let file = dir.path().join("spool/large").join(id.to_string());
    assert!(file.exists());
    // One that is given up leaves nothing.
    let other = spool.new_id(SystemClock.now());
    let mut writer = spool.content(other);
    writer.write(vec![0; 200_000], || ready(())).await.unwrap();
    drop(writer);
    spool.close().await;
    let spool = open(dir.path()).unwrap();
    assert!(!dir.path().join("spool/large").join(other.to_string()).exists());
    assert_eq!(read(&spool, id).await, content);
    spool.finish_durable(delivered(id)).await.unwrap();
    spool.close().await;
    drop(open(dir.path()).unwrap());
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn room_before_content_is_filled_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).unwrap();
    let mut kept = Vec::new();
    for (size, told) in [(100, None), (3_000_000, Some(1000))] {
        let id = spool.new_id(SystemClock.now());
        let mut writer = spool.content(id);
        writer.leave_room(1000);
        for piece in vec![b'x'; size].chunks(60_000) {
            writer.write(piece.to_vec(), || ready(())).await.unwrap();
        }
        let fill = |octets: Option<usize>| {
            assert_eq!(octets, told);
            vec![b'f'; octets.unwrap_or(7)]
        };
        writer.fill_room(fill).await.unwrap();
        let content = writer.finish().await.unwrap();
        let expected = [vec![b'f'; told.unwrap_or(7)], vec![b'x'; size]].concat();
        assert_eq!(content.len(), expected.len() as u64);
        commit_content(&spool, "anna@example.org", id, content).await.unwrap();
        kept.push((id, expected));
    }
    // What is not filled is not kept.
    let mut writer = spool.content(spool.new_id(SystemClock.now()));
    writer.leave_room(1000);
    writer.write(vec![0; 200_000], || ready(())).await.unwrap();
    assert!(matches!(writer.finish().await, Err(SpoolError::Write { .. })));
    spool.close().await;
    let spool = open(dir.path()).unwrap();
    for (id, expected) in kept {
        assert!(read(&spool, id).await == expected, "{id}");
    }
    spool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_is_refused_and_a_closed_spool_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(matches!(error, SpoolError::Locked { .. }), "{error}");
    let other = spool.clone();
    spool.close().await;
    assert!(matches!(commit(&other, "anna@example.org", b"x").await, Err(SpoolError::Closed)));
    drop(other);
    assert!(open(dir.path()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_alone_becomes_durable_within_its_delay() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).unwrap();
    let id = commit(&spool, "anna@example.org", b"x").await.unwrap();
    let before = spool.stats().synced_lsn;
    spool.finish(delivered(id));
    tokio::time::timeout(Duration::from_secs(20), async {
        while spool.stats().synced_lsn == before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("nobody else commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_log_that_cannot_be_written_costs_neither_memory_nor_events() {
    const MAX: usize = 8 << 10;
    let dir = tempfile::tempdir().unwrap();
    let disk = testkit::disk::SimDisk::default();
    let mut events = events::Config::new("/events".into());
    events.waiting_octets_max = MAX;
    let log = events::Log::open(events, Arc::new(disk.clone()), Arc::new(SystemClock)).unwrap();
    let log = Arc::new(log);
    let (told, heard) = std::sync::mpsc::channel();
    log.subscribe(Box::new(move |line| told.send(Event::from_line(line).unwrap().kind).is_ok()));
    let spool = open_with(dir.path(), Arc::clone(&log)).unwrap();
    disk.set_read_only(true);
    for _ in 0..300 {
        let id = commit(&spool, "anna@example.org", &b"a".repeat(20_000)).await.unwrap();
        spool.finish_durable(delivered(id)).await.unwrap();
        assert!(log.waiting_octets() <= MAX, "{} octets wait", log.waiting_octets());
    }
    assert!(spool.stats().segments > 5, "segments stay until the event log has their events");
    disk.set_read_only(false);
    // Those beyond the bound come from the spool's records, once the log can be written again.
    let kinds: Vec<_> = heard.iter().take(600).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == events::Kind::Accepted).count(), 300);
    log.flush();
    let found = events::Reader::new("/events".into(), Arc::new(disk))
        .search(&events::Query::All, events::Order::OldestFirst, usize::MAX)
        .unwrap();
    assert_eq!(found.len(), 600);
    assert!(found.is_sorted_by(|one, next| one.lsn < next.lsn));
}

/// As many events as wait at an opening do not fit memory: the log reads them again from the records, in pieces.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_an_opening_finds_cost_no_more_memory_than_any_others() {
    const MAX: usize = 8 << 10;
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).unwrap();
    for _ in 0..100 {
        let id = commit(&spool, "anna@example.org", b"x").await.unwrap();
        spool.finish_durable(delivered(id)).await.unwrap();
    }
    spool.close().await;
    // An event log that knows nothing of it.
    let mut config = events::Config::new(dir.path().join("events anew"));
    config.waiting_octets_max = MAX;
    let log = Arc::new(events::Log::open(config.clone(), Arc::new(OsDisk), Arc::new(SystemClock)).unwrap());
    let spool = open_with(dir.path(), Arc::clone(&log)).unwrap();
    assert!(log.waiting_octets() <= MAX);
    commit(&spool, "anna@example.org", b"x").await.unwrap();
    log.flush();
    let reader = events::Reader::new(config.dir, Arc::new(OsDisk));
    let found = reader.search(&events::Query::All, events::Order::OldestFirst, usize::MAX).unwrap();
    assert_eq!(found.len(), 201);
    assert!(found.is_sorted_by(|one, next| one.lsn < next.lsn));
}
