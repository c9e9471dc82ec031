//! Tests of the disk itself, by the kernel's own calls: what the other tests take for granted.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use e2e::run;
use faultfs::{Disk, Errno, Fault, Mount, Names, Operation, Power};
use tempfile::TempDir;

use super::SOON;

/// A mounted disk and where; the last is dropped first.
fn mounted(names: Names) -> (TempDir, Disk, Mount) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(names);
    let mount = disk.mount(dir.path()).unwrap();
    (dir, disk, mount)
}

/// Cuts the power, and mounts what is left.
fn cut(mount: Mount, dir: &Path, disk: &Disk, power: Power) -> Mount {
    disk.cut_power();
    drop(mount);
    disk.restore(power);
    disk.mount(dir).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn it_is_a_file_system_like_others() {
    let (dir, _, _mount) = mounted(Names::Strict);
    let root = dir.path();
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/b/file"), "text").unwrap();
    fs::rename(root.join("a/b/file"), root.join("a/moved")).unwrap();
    fs::hard_link(root.join("a/moved"), root.join("linked")).unwrap();
    symlink("a/moved", root.join("symbolic")).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    run("mkfifo", &[root.join("pipe").to_str().unwrap()], b"");
    fs::set_permissions(root.join("linked"), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(fs::metadata(root.join("a/moved")).unwrap().permissions().mode(), 0o100_640);
    assert_eq!(fs::read_to_string(root.join("symbolic")).unwrap(), "text");
    assert_eq!(names(root), ["a", "linked", "pipe", "socket", "symbolic"]);
    assert_eq!(fs::remove_dir(root.join("a")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    let mut open = File::open(root.join("linked")).unwrap();
    fs::remove_file(root.join("linked")).unwrap();
    fs::remove_file(root.join("a/moved")).unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "text", "an open file outlives its names");
    assert_eq!(File::create_new(root.join("symbolic")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    for number in 0..3000 {
        File::create(root.join("a/b").join(format!("{number:05}"))).unwrap();
    }
    assert_eq!(names(&root.join("a/b")).len(), 3000, "listed in more than one call");
}

#[test]
fn a_power_cut_leaves_what_was_synced() {
    let (dir, disk, mount) = mounted(Names::Strict);
    let synced = File::create(dir.path().join("synced")).unwrap();
    synced.write_all_at(b"kept", 0).unwrap();
    synced.sync_data().unwrap();
    File::open(dir.path()).unwrap().sync_all().unwrap();
    synced.write_all_at(b"lost", 0).unwrap();
    let unnamed = File::create(dir.path().join("unnamed")).unwrap();
    unnamed.sync_all().unwrap();
    disk.cut_power();
    assert_eq!(synced.sync_all().unwrap_err().raw_os_error(), Some(Errno::EIO.code()));
    let mount = cut(mount, dir.path(), &disk, Power::Lost);
    assert_eq!(names(dir.path()), ["synced"]);
    assert_eq!(fs::read(dir.path().join("synced")).unwrap(), b"kept");
    assert!(synced.write_all_at(b"late", 0).is_err(), "a handle of before is dead");
    drop(mount);
}

#[test]
fn a_journal_keeps_a_name_with_its_file() {
    let (dir, disk, mount) = mounted(Names::Journaled);
    let file = File::create(dir.path().join("file")).unwrap();
    file.sync_all().unwrap();
    File::create(dir.path().join("later")).unwrap();
    let _mount = cut(mount, dir.path(), &disk, Power::Lost);
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn the_power_goes_at_a_chosen_operation() {
    let (dir, disk, mount) = mounted(Names::Strict);
    let file = File::create(dir.path().join("file")).unwrap();
    File::open(dir.path()).unwrap().sync_all().unwrap();
    disk.cut_power_at(10);
    let written = (0..100).take_while(|number| file.write_all_at(b"x", *number).is_ok()).count();
    assert_eq!(written, 9);
    assert!(disk.wait_for_cut(SOON));
    let _mount = cut(mount, dir.path(), &disk, Power::Lost);
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"");
}

#[test]
fn faults_strike_where_they_are_told_to() {
    let (dir, disk, mount) = mounted(Names::Strict);
    let path = dir.path().join("file");
    let mut file = File::create(&path).unwrap();
    File::open(dir.path()).unwrap().sync_all().unwrap();
    let code = |result: std::io::Result<()>| result.unwrap_err().raw_os_error().unwrap();
    disk.fail(Fault::fails(Operation::Write, Errno::EIO).at("fi*").times(1));
    assert_eq!(code(file.write_all(b"x")), Errno::EIO.code());
    disk.fail(Fault::short_writes(3));
    assert_eq!(file.write(b"hello").unwrap(), 3);
    file.write_all(b"lo").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hello");
    disk.heal();
    disk.set_read_only(true);
    assert_eq!(code(file.write_all(b"x")), Errno::EROFS.code());
    disk.set_read_only(false);
    disk.set_capacity(8192);
    let full = file.write_all(&vec![1; 20_000]);
    assert_eq!(code(full), Errno::ENOSPC.code());
    assert_eq!(disk.survey().used, 8192, "as much as there was room for");
    file.set_len(0).unwrap();
    assert_eq!(disk.survey().used, 0);
    file.write_all_at(b"said to be safe", 0).unwrap();
    disk.fail(Fault::lying_syncs());
    file.sync_all().unwrap();
    let _mount = cut(mount, dir.path(), &disk, Power::Lost);
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_held_sync_returns_when_it_is_let_go() {
    let (dir, disk, _mount) = mounted(Names::Strict);
    let file = File::create(dir.path().join("file")).unwrap();
    let before = disk.survey().syncs;
    let held = disk.hold_syncs();
    let syncing = thread::spawn(move || file.sync_all());
    assert!(held.wait_for(1, SOON));
    assert!(!syncing.is_finished());
    assert_eq!(disk.survey().syncs, before);
    drop(held);
    syncing.join().unwrap().unwrap();
    assert_eq!(disk.survey().syncs, before + 1);
}

#[test]
fn other_programs_cannot_keep_it_mounted() {
    let (dir, _, mount) = mounted(Names::Strict);
    fs::write(dir.path().join("file"), "text").unwrap();
    let mut tail = Command::new("tail").args(["-f", "file"]).current_dir(dir.path()).spawn().unwrap();
    drop(mount);
    assert_eq!(names(dir.path()), [""; 0], "the directory below");
    tail.kill().unwrap();
    tail.wait().unwrap();
}
