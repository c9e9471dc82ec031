//! The simulated disk does what it says.

use super::*;

fn disk() -> (SimDisk, PathBuf) {
    let disk = SimDisk::default();
    disk.create_dir_all(Path::new("/d")).unwrap();
    (disk, PathBuf::from("/d/file"))
}

#[test]
fn what_is_synced_survives_every_crash_and_what_is_not_does_not_always() {
    let mut lost = 0;
    for seed in 0..50 {
        let (disk, path) = disk();
        let file = disk.create(&path).unwrap();
        file.write_all_at(&[1; 2000], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_all_at(&[2; 500], 3000).unwrap();
        disk.crash(&SeededRandom::new(seed));
        assert!(file.len().is_err(), "handles die");
        let octets = disk.read(&path).unwrap();
        assert_eq!(octets[..2000], [1; 2000]);
        lost += u32::from(octets.len() < 3500 || octets[3000..] != [2; 500]);
    }
    assert!(lost > 5 && lost < 50, "{lost}");
}

#[test]
fn a_name_is_durable_only_after_the_directory_is_synced() {
    let kept = (0..50).filter(|seed| {
        let (disk, path) = disk();
        disk.create(&path).unwrap().sync_data().unwrap();
        disk.crash(&SeededRandom::new(*seed));
        disk.read(&path).is_some()
    });
    assert!((1..50).contains(&kept.count()));
}

#[test]
fn a_failed_sync_loses_what_a_later_one_seems_to_save() {
    let (disk, path) = disk();
    let file = disk.create(&path).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_all_at(&[1; 512], 0).unwrap();
    disk.fail_sync(1);
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok());
    disk.crash(&SeededRandom::new(1));
    assert!(disk.read(&path).unwrap().iter().all(|octet| *octet == 0));
}

#[test]
fn a_sync_can_fail_for_one_kind_of_file() {
    let (disk, path) = disk();
    let file = disk.create(&path).unwrap();
    let segment = disk.create(Path::new("/d/1.seg")).unwrap();
    disk.fail_sync_of("seg");
    assert!(file.sync_data().is_ok());
    assert!(segment.sync_data().is_err());
    assert!(segment.sync_data().is_ok(), "once");
}

#[test]
fn a_full_disk_says_so() {
    let (disk, path) = disk();
    let file = disk.create(&path).unwrap();
    disk.set_capacity(Some(1000));
    assert_eq!(file.allocate(1001).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.allocate(1000).unwrap();
    disk.set_short_writes(Some(3));
    file.write_all_at(b"0123456789", 0).unwrap();
    assert_eq!(disk.read(&path).unwrap()[..10], *b"0123456789");
}

#[test]
fn the_power_goes_at_any_change_and_nothing_works_until_it_is_back() {
    let (disk, path) = disk();
    let file = disk.create(&path).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_all_at(b"old", 0).unwrap();
    file.sync_data().unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    disk.cut_power_at(2, move || told.send(()).unwrap());
    file.write_all_at(b"new", 0).unwrap();
    assert!(heard.try_recv().is_err());
    assert!(file.sync_data().is_err(), "the power went");
    heard.try_recv().unwrap();
    assert!(disk.open(&path).is_err() && file.len().is_err() && disk.lock(Path::new("/d")).is_err());
    disk.crash(&SeededRandom::new(1));
    assert!(file.len().is_err(), "handles die");
    let read = disk.read(&path).unwrap();
    assert!(read == b"old" || read == b"new" || read.ends_with(b"ld"), "{read:?}");
    disk.open(&path).unwrap().write_all_at(b"again", 0).unwrap();
}

#[test]
fn a_process_that_dies_leaves_what_it_wrote_to_the_next_and_the_next_power_cut() {
    let (disk, path) = disk();
    disk.create(&path).unwrap().write_all_at(b"unsynced", 0).unwrap();
    let lock = disk.lock(Path::new("/d")).unwrap();
    disk.power_off();
    drop(lock);
    disk.restart();
    assert_eq!(disk.read(&path).unwrap(), b"unsynced");
    assert!(disk.lock(Path::new("/d")).is_ok(), "the locks of the dead are gone");
    let lost = |seed| {
        let disk = self::disk().0;
        disk.create(&path).unwrap().write_all_at(b"unsynced", 0).unwrap();
        disk.restart();
        disk.crash(&SeededRandom::new(seed));
        disk.read(&path).is_none()
    };
    assert!((0..20).any(lost), "it was never synced");
}

#[test]
fn writes_and_names_fail_and_are_not_done() {
    let (disk, path) = disk();
    let file = disk.create(&path).unwrap();
    disk.fail_writes(2, 2);
    file.write_all_at(b"one", 0).unwrap();
    assert!(file.write_all_at(b"two", 0).is_err());
    assert!(disk.rename(&path, Path::new("/d/other")).is_err());
    file.write_all_at(b"!", 3).unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"one!");
}

#[test]
fn a_lying_disk_acknowledges_syncs_and_says_afterwards_what_it_has_lost_of_what_they_covered() {
    let mut betrayed = 0;
    for seed in 0..40 {
        let (disk, path) = disk();
        disk.set_lying(true);
        let file = disk.create(&path).unwrap();
        file.write_all_at(b"promised", 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        let betrayals = disk.crash(&SeededRandom::new(seed));
        let is_there = disk.read(&path).is_some_and(|octets| octets == b"promised");
        assert_eq!(betrayals.is_empty(), is_there, "{betrayals:?}");
        assert!(betrayals.iter().all(|one| one.path == path && one.covered == b"promised"), "{betrayals:?}");
        betrayed += u32::from(!is_there);
    }
    assert!(betrayed > 5, "{betrayed}");
}

#[test]
fn an_honest_sync_makes_good_what_lying_ones_have_covered() {
    for seed in 0..20 {
        let (disk, path) = disk();
        let file = disk.create(&path).unwrap();
        disk.set_lying(true);
        file.write_all_at(b"promised", 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.set_lying(false);
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        assert_eq!(disk.crash(&SeededRandom::new(seed)), []);
        assert_eq!(disk.read(&path).unwrap(), b"promised");
    }
}

#[test]
fn a_name_that_a_lie_covered_stays_on_its_account_when_an_honest_sync_fails() {
    for seed in 0..20 {
        let (disk, path) = disk();
        disk.set_lying(true);
        disk.create(&path).unwrap().write_all_at(b"promised", 0).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.set_lying(false);
        disk.fail_sync(1);
        disk.sync_dir(Path::new("/d")).unwrap_err();
        disk.sync_dir(Path::new("/d")).unwrap();
        let betrayals = disk.crash(&SeededRandom::new(seed));
        assert_eq!(disk.read(&path), None, "as Linux: what failed once is clean from then on");
        assert!(betrayals.iter().any(|one| one.path == path && one.covered == b"promised"), "{betrayals:?}");
    }
}
