//! What power cuts and failed syncs leave of an opening: nothing comes back, and nothing torn is taken for damage.

use std::{collections::BTreeSet, path::Path};

use disk::Disk;

use super::{Machine, World};
use crate::{
    format::{HEADER_LEN, Kind, SEGMENT_DATA},
    frame::{Class, Frame},
    log::Log,
    scan::Scan,
    *,
};

fn assert_sound(machine: &Machine) {
    assert_eq!(machine.opened.damage, Vec::<String>::new());
}

#[test]
fn a_torn_batch_is_no_damage_once_later_ones_are_synced() {
    let world = World::new(1);
    let mut machine = world.open();
    let mut there = BTreeSet::from([machine.commit(&world, &["anna@example.org"], 100).unwrap()]);
    let (segment, torn_at) = (machine.committer.log.segment(), machine.committer.log.end());
    machine.commit(&world, &["bob@example.org"], 100).unwrap();
    drop(machine);
    // The header of the batch has reached the disk, and the first of its records has not.
    let path = files::segment_path(Path::new("/spool"), segment);
    world.disk.flip(&path, (torn_at + 2 * HEADER_LEN as u64 + 8) * 8);
    for _ in 0..3 {
        let mut machine = world.open();
        assert_sound(&machine);
        assert_eq!(machine.ids(), there);
        there.insert(machine.commit(&world, &["carl@example.org"], 100).unwrap());
    }
}

#[test]
fn what_an_opening_has_cut_stays_away_though_the_sync_of_the_cut_failed() {
    for (seed, nth) in (0..4).flat_map(|seed| (1..=8).map(move |nth| (seed, nth))) {
        let world = World::new(seed);
        let mut machine = world.open();
        let id = machine.commit(&world, &["anna@example.org"], 100).unwrap();
        drop(machine);
        world.disk.fail_sync(nth);
        drop(world.try_open());
        world.disk.fail_sync(0);
        let mut machine = world.open();
        machine.finish(id, &[(0, Disposition::Delivered)], Vec::new());
        let later = machine.commit(&world, &["bob@example.org"], 100).unwrap();
        machine.spool.shared.events.flush();
        drop(machine);
        world.disk.crash(&world.random);
        let machine = world.open();
        assert_sound(&machine);
        assert_eq!(machine.ids(), [later].into(), "seed {seed}, sync {nth}");
        machine.spool.shared.events.flush();
        drop(machine);
        let reader = events::Reader::new("/events".into(), std::sync::Arc::new(world.events_disk.clone()));
        let told = reader.search(&events::Query::All, events::Order::OldestFirst, usize::MAX).unwrap();
        let told: Vec<_> = told.iter().map(|event| event.id).collect();
        assert_eq!(told, [id, later], "seed {seed}, sync {nth}: each was accepted once");
    }
}

#[test]
fn what_is_missing_at_the_beginning_of_a_segment_is_counted_from_the_record_that_can_be_read() {
    let world = World::new(1);
    let (tag, mut log) = ([7; 16], Log::new(500, 400));
    log.begin_segment(1, tag, SEGMENT_OCTETS_MIN);
    let mut frame = Frame::new(Class::Completion);
    for _ in 0..3 {
        frame.record(Kind::Event, mail::QueueId::from_bytes([1; 16]), vec![b'x'; 8], None);
    }
    let batch = log.append(vec![frame]);
    let mut octets: Vec<u8> = batch.buffers().iter().flat_map(|buffer| buffer.to_vec()).collect();
    // The header of the batch, and the first record.
    octets[..2 * HEADER_LEN + 8].fill(0);
    world.disk.create_dir_all(Path::new("/spool")).unwrap();
    let file = world.disk.create(Path::new("/spool/1.seg")).unwrap();
    file.write_all_at(&octets, SEGMENT_DATA).unwrap();
    let mut read = 0;
    let walk = Scan::new(file.as_ref(), tag, SEGMENT_OCTETS_MIN)
        .run(&mut |frame| {
            assert!(!frame.is_whole);
            read += frame.records.len();
        })
        .unwrap();
    let missing: Vec<u64> = walk.gaps.iter().map(|gap| gap.lsn).collect();
    assert_eq!((missing, read), (vec![501], 2), "LSN 1 was synced long ago, 501 never");
}
