//! Bits that flip, disks that fill or fail, directories that are not ours.

use std::{
    collections::BTreeSet,
    future::{pending, ready},
    path::Path,
    sync::Arc,
};

use disk::{Caveat, Clock};
use mail::QueueId;

use super::{World, content_of, now_or_never};
use crate::*;

#[test]
fn segments_are_used_again_and_nothing_of_their_former_life_comes_back() {
    let world = World::new(1);
    let mut machine = world.open();
    let stays = machine.commit(&world, &["stays@example.org"], 3000).unwrap();
    for _ in 0..40 {
        let ids: Vec<QueueId> =
            (0..10).map(|_| machine.commit(&world, &["a@example.org"], 30_000).unwrap()).collect();
        for id in ids {
            machine.finish(id, &[(0, Disposition::Delivered)], Vec::new());
        }
        machine.spool.shared.events.flush();
        machine.committer.turn();
    }
    let stats = machine.spool.stats();
    assert!(stats.segments <= 6, "12 MiB went through {} segments of 256 KiB", stats.segments);
    assert!(world.disk.used() < 3 << 20, "{}", world.disk.used());
    drop(machine);
    world.disk.crash(&world.random);
    let machine = world.open();
    assert_eq!(machine.ids(), [stays].into());
    assert_eq!(machine.read(stays).unwrap(), content_of(stays, 3000));
}

#[test]
fn a_flipped_bit_costs_one_message_at_most_and_panics_nobody() {
    for seed in 0..200 {
        let world = World::new(seed);
        let mut machine = world.open();
        let ids: BTreeSet<QueueId> =
            (0..12).map(|_| machine.commit(&world, &["anna@example.org"], 3000).unwrap()).collect();
        let segment = machine.committer.log.segment();
        let end = machine.committer.log.end();
        drop(machine);
        let path = files::segment_path(Path::new("/spool"), segment);
        world.disk.flip(&path, world.random.below(end * 8));
        let machine = world.open();
        let there = machine.ids();
        let whole =
            there.iter().filter(|id| machine.read(**id).is_ok_and(|read| read == content_of(**id, 3000)));
        assert!(whole.count() + 1 >= ids.len(), "seed {seed}: {:?}", machine.opened);
        assert!(there.is_subset(&ids));
    }
}

#[test]
fn random_octets_in_a_segment_panic_nobody() {
    for seed in 0..60 {
        let world = World::new(seed);
        let mut machine = world.open();
        for _ in 0..5 {
            machine.commit(&world, &["anna@example.org"], 2000).unwrap();
        }
        let (segment, end) = (machine.committer.log.segment(), machine.committer.log.end());
        drop(machine);
        let path = files::segment_path(Path::new("/spool"), segment);
        for _ in 0..200 {
            world.disk.flip(&path, world.random.below(end * 8));
        }
        let machine = world.open();
        for id in machine.ids() {
            let _ = machine.read(id);
        }
        drop(machine);
        let _ = verify(Path::new("/spool"), &(Arc::new(world.disk.clone()) as Arc<dyn disk::Disk>)).unwrap();
    }
}

#[test]
fn a_segment_mailed_inside_a_message_is_never_taken_for_real() {
    let world = World::new(3);
    let mut machine = world.open();
    let first = machine.commit(&world, &["anna@example.org"], 2000).unwrap();
    let path = files::segment_path(Path::new("/spool"), machine.committer.log.segment());
    let stolen = world.disk.read(&path).unwrap()[..40_960].to_vec();
    machine.finish(first, &[(0, Disposition::Delivered)], Vec::new());
    machine.committer.turn();
    drop(machine);
    let mut machine = world.open();
    let id = machine.spool.new_id(world.clock.now());
    let (spool, envelope) = (machine.spool.clone(), world.envelope(id, &["b@example.org"]));
    machine.run(spool.commit(Submission { envelope, content: stolen.into(), events: vec![] })).unwrap();
    // Its batch header is damaged, so that records are sought everywhere in it.
    let path = files::segment_path(Path::new("/spool"), machine.committer.log.segment());
    drop((machine, spool));
    world.disk.flip(&path, (3 * 4096 + 20) * 8);
    let machine = world.open();
    assert!(!machine.ids().contains(&first));
}

#[test]
fn a_full_disk_refuses_mail_takes_completions_and_recovers() {
    let world = World::new(4);
    let mut machine = world.open();
    let mut ids = vec![machine.commit(&world, &["anna@example.org"], 20_000).unwrap()];
    world.disk.set_capacity(Some(world.disk.used() + (1 << 20)));
    let error = loop {
        world.clock.advance(std::time::Duration::from_secs(2));
        match machine.commit(&world, &["anna@example.org"], 30_000) {
            Ok(id) => ids.push(id),
            Err(error) => break error,
        }
    };
    assert!(error.is_full(), "{error}");
    assert!(machine.spool.stats().full && !machine.spool.is_poisoned());
    for id in &ids {
        machine.finish(*id, &[(0, Disposition::Delivered)], Vec::new());
        machine.committer.turn();
    }
    assert!(machine.ids().is_empty());
    world.disk.set_capacity(None);
    world.clock.advance(std::time::Duration::from_secs(2));
    assert!(machine.spool.accepts().is_ok(), "nobody needs to wake it");
    let id = machine.commit(&world, &["anna@example.org"], 20_000).unwrap();
    drop(machine);
    world.disk.crash(&world.random);
    assert_eq!(world.open().ids(), [id].into());
}

/// As with a quota: there is room by the file system's word, but not for a segment, so that even the reserve could not be made.
#[test]
fn deliveries_go_on_by_themselves_when_new_mail_was_the_first_to_find_no_segment() {
    let mut world = World::new(4);
    world.config.reserve = Reserve { percent: 0, min: 0, max: 0 };
    let segment = world.config.segment_octets;
    world.disk.set_capacity(Some(segment + segment / 2));
    let mut machine = world.open();
    let mut ids = Vec::new();
    let error = loop {
        match machine.commit(&world, &["anna@example.org"], 30_000) {
            Ok(id) => ids.push(id),
            Err(error) => break error,
        }
    };
    assert!(error.is_full() && !ids.is_empty(), "{error}");
    assert_eq!(machine.spool.checkout(world.clock.now()), None, "no completion could be written");
    assert_eq!(machine.committer.due(), Due::Within(std::time::Duration::from_secs(1)));
    machine.committer.turn();
    assert_eq!(machine.spool.checkout(world.clock.now()), None);
    world.disk.set_capacity(None);
    world.clock.advance(std::time::Duration::from_secs(2));
    machine.committer.turn();
    assert!(machine.spool.checkout(world.clock.now()).is_some(), "nobody delivers what waits");
    assert_ne!(machine.committer.due(), Due::Within(std::time::Duration::from_secs(1)));
    machine.commit(&world, &["anna@example.org"], 30_000).unwrap();
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_or_delivered_until_a_restart() {
    let world = World::new(5);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org"], 100).unwrap();
    world.disk.fail_sync(1);
    assert!(matches!(machine.commit(&world, &["anna@example.org"], 100), Err(SpoolError::Poisoned)));
    assert!(machine.spool.is_poisoned());
    assert!(matches!(machine.commit(&world, &["anna@example.org"], 100), Err(SpoolError::Poisoned)));
    assert_eq!(machine.spool.checkout(world.clock.now()), None);
    drop(machine);
    let mut machine = world.open();
    assert!(machine.ids().contains(&id));
    assert!(machine.commit(&world, &["anna@example.org"], 100).is_ok());
}

#[test]
fn short_writes_are_finished() {
    let world = World::new(6);
    let mut machine = world.open();
    world.disk.set_short_writes(Some(777));
    let id = machine.commit(&world, &["anna@example.org"], 30_000).unwrap();
    drop(machine);
    world.disk.crash(&world.random);
    assert_eq!(world.open().read(id).unwrap(), content_of(id, 30_000));
}

#[test]
fn a_second_instance_a_newer_version_and_a_read_only_directory_are_refused() {
    let world = World::new(7);
    let machine = world.open();
    assert!(matches!(world.try_open().err(), Some(SpoolError::Locked { .. })));
    let path = files::segment_path(Path::new("/spool"), machine.committer.log.segment());
    drop(machine);
    world.disk.set_read_only(true);
    assert!(matches!(world.try_open().err(), Some(SpoolError::Directory { .. })));
    world.disk.set_read_only(false);
    let mut head = world.disk.read(&path).unwrap()[..40].to_vec();
    head[8] = 3;
    let crc = crc32c::crc32c(&head[..36]).to_le_bytes();
    head[36..].copy_from_slice(&crc);
    disk::Disk::open(&world.disk, &path).unwrap().write_all_at(&head, 0).unwrap();
    let error = world.try_open().err().unwrap();
    assert!(matches!(error, SpoolError::NewerVersion { found: 3, known: 1, .. }), "{error}");
}

#[test]
fn a_network_file_system_is_refused_and_others_that_promise_less_are_told() {
    let world = World::new(9);
    world.disk.set_caveat(Some(Caveat::Network("nfs")));
    let error = world.try_open().err().unwrap();
    assert_eq!(
        error.to_string(),
        "/spool is on a network file system (nfs), which cannot keep the promises of a mail queue"
    );
    for caveat in [Caveat::Memory("tmpfs"), Caveat::CopiesOnWrite("btrfs")] {
        world.disk.set_caveat(Some(caveat));
        assert_eq!(world.open().opened.caveat, Some(caveat));
    }
}

#[test]
fn verify_finds_a_flipped_bit_in_content() {
    let world = World::new(8);
    let mut machine = world.open();
    machine.commit(&world, &["anna@example.org"], 30_000).unwrap();
    machine.commit(&world, &["anna@example.org"], 30_000).unwrap();
    let path = files::segment_path(Path::new("/spool"), machine.committer.log.segment());
    drop(machine);
    let disk = Arc::new(world.disk.clone()) as Arc<dyn disk::Disk>;
    let good = verify(Path::new("/spool"), &disk).unwrap();
    assert!(good.is_good() && good.messages == 2, "{good:?}");
    world.disk.flip(&path, (3 * 4096 + 9000) * 8);
    let bad = verify(Path::new("/spool"), &disk).unwrap();
    assert!(!bad.is_good(), "{bad:?}");
}

#[test]
fn mail_beyond_its_memory_waits_and_is_refused_where_nobody_is_patient() {
    let mut world = World::new(8);
    world.config.memory_max = 200_000;
    let mut machine = world.open();
    let spool = machine.spool.clone();
    let id = spool.new_id(world.clock.now());
    let mut first = spool.content(id);
    now_or_never(first.write(vec![b'a'; 120_000], || ready(()))).unwrap().unwrap();
    let mut second = spool.content(spool.new_id(world.clock.now()));
    let refused = now_or_never(second.write(vec![b'a'; 120_000], || ready(()))).unwrap().unwrap_err();
    assert!(matches!(refused, SpoolError::OutOfMemory { .. }) && refused.is_full(), "{refused}");
    now_or_never(second.write(vec![b'a'; 60_000], || ready(()))).unwrap().unwrap();
    assert!(spool.accepts().is_err(), "nobody need begin now");
    let mut patient = Box::pin(second.write(vec![b'b'; 70_000], pending));
    assert!(now_or_never(patient.as_mut()).is_none());
    let content = now_or_never(first.finish()).unwrap().unwrap();
    let envelope = world.envelope(id, &["anna@example.org"]);
    machine.run(spool.commit(Submission { envelope, content, events: vec![] })).unwrap();
    now_or_never(patient).unwrap().unwrap();
    now_or_never(second.finish()).unwrap().unwrap();
    let id = machine.commit(&world, &["anna@example.org"], 60_000).unwrap();
    assert_eq!(spool.shared.memory.taken(), 0, "what is committed claims nothing");
    // Nor does what went to a file of its own.
    let mut large = spool.content(spool.new_id(world.clock.now()));
    for _ in 0..20 {
        now_or_never(large.write(vec![b'a'; 60_000], || ready(()))).unwrap().unwrap();
    }
    drop(large);
    assert_eq!(spool.shared.memory.taken(), 0);
    assert_eq!(machine.read(id).unwrap(), content_of(id, 60_000));
}

#[test]
fn a_full_queue_refuses_mail_until_some_is_delivered() {
    let mut world = World::new(9);
    world.config.recipients_max = 3;
    let mut machine = world.open();
    let first = machine.commit(&world, &["anna@example.org", "b@example.org"], 100).unwrap();
    let second = machine.commit(&world, &["c@example.org"], 100).unwrap();
    let refused = machine.spool.accepts().unwrap_err();
    assert!(matches!(refused, SpoolError::QueueFull { recipients: 3 }) && refused.is_full(), "{refused}");
    assert!(machine.commit(&world, &["d@example.org"], 100).unwrap_err().is_full());
    drop(machine);
    let mut machine = world.open();
    assert!(machine.spool.accepts().is_err(), "so it is after a restart");
    // A report of ours comes in its place.
    let report = machine.spool.new_id(world.clock.now());
    let envelope = world.envelope(report, &["d@example.org"]);
    let reports = vec![Submission { envelope, content: b"a\r\n".to_vec().into(), events: vec![] }];
    machine.finish(second, &[(0, Disposition::Bounced)], reports);
    machine.committer.turn();
    assert!(machine.ids().contains(&report) && machine.spool.accepts().is_err());
    machine.finish(first, &[(0, Disposition::Delivered), (1, Disposition::Delivered)], Vec::new());
    machine.committer.turn();
    machine.spool.accepts().unwrap();
    machine.commit(&world, &["d@example.org"], 100).unwrap();
}
