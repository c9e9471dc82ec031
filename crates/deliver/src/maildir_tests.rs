//! Files in a Maildir of a temporary directory.

use std::fs;

use disk::OsDisk;
use testkit::disk::{SeededRandom, SimDisk};

use super::*;
use crate::fixtures;

fn file(dir: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    let mut draft = Draft::begin(&OsDisk, dir, name)?;
    draft.write(&[b"head\n", octets])?;
    publish(&OsDisk, vec![Ok(draft)]).remove(0)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_message_lies_in_new_and_nothing_in_tmp() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("mail").join("anna@example.org");
    file(&dir, "1.a.host", b"body\n").unwrap();
    file(&dir, "2.b.host", b"body\n").unwrap();
    assert_eq!(names(&dir), ["cur", "new", "tmp"]);
    assert_eq!(names(&dir.join("new")), ["1.a.host", "2.b.host"]);
    assert!(names(&dir.join("tmp")).is_empty());
    assert_eq!(fs::read(dir.join("new/1.a.host")).unwrap(), b"head\nbody\n");
}

#[test]
fn a_second_delivery_after_a_crash_replaces_the_first() {
    let root = tempfile::tempdir().unwrap();
    file(root.path(), "1.a.host", b"body\n").unwrap();
    // What a crash leaves: the name is taken under tmp too.
    fs::write(root.path().join("tmp/1.a.host"), b"half").unwrap();
    file(root.path(), "1.a.host", b"body\n").unwrap();
    assert_eq!(names(&root.path().join("new")), ["1.a.host"]);
    assert_eq!(fs::read(root.path().join("new/1.a.host")).unwrap(), b"head\nbody\n");
}

#[test]
fn one_mailbox_that_fails_does_not_touch_the_others() {
    let root = tempfile::tempdir().unwrap();
    let bad = root.path().join("bad");
    fs::write(&bad, b"a file where a directory should be").unwrap();
    let good = root.path().join("good");
    let mut draft = Draft::begin(&OsDisk, &good, "1").unwrap();
    draft.write(&[b"body"]).unwrap();
    let results = publish(&OsDisk, vec![Draft::begin(&OsDisk, &bad, "1"), Ok(draft)]);
    assert!(results[0].is_err());
    assert!(results[1].is_ok());
    assert_eq!(names(&good.join("new")), ["1"]);
}

#[test]
fn a_name_is_plain_and_differs_by_message_and_recipient() {
    let envelope = fixtures::envelope(&["anna@example.org"]);
    let name = file_name(&envelope, 0, "mx/1:example.org");
    assert!(name.starts_with("1000.Q"), "{name}");
    assert!(name.ends_with("R0.mx\\0571\\072example.org"), "{name}");
    assert_ne!(name, file_name(&envelope, 1, "mx/1:example.org"));
}

#[test]
fn line_ends_become_lf_wherever_the_pieces_are_cut() {
    let content = b"a\r\nb\r\n\r\nc\rd\r\r\ne\n\r\n";
    let expected = b"a\nb\n\nc\rd\r\ne\n\n";
    for cut in 0..=content.len() {
        let (mut out, mut held) = (Vec::new(), false);
        let (first, second) = content.split_at(cut);
        to_lf(first, &mut held, &mut out);
        to_lf(second, &mut held, &mut out);
        assert_eq!(out, expected, "cut at {cut}");
    }
}

#[test]
fn a_full_disk_defers_and_says_so() {
    for (kind, status) in [
        (ErrorKind::StorageFull, "4.3.1"),
        (ErrorKind::QuotaExceeded, "4.2.2"),
        (ErrorKind::PermissionDenied, "4.3.5"),
        (ErrorKind::Other, "4.2.0"),
    ] {
        let reply = refusal(&kind.into());
        assert!(reply.is_transient());
        assert_eq!(reply.enhanced().unwrap().to_string(), status);
    }
}

fn draft(disk: &SimDisk, dir: &Path, name: &str) -> io::Result<Draft> {
    let mut draft = Draft::begin(disk, dir, name)?;
    draft.write(&[b"head\n", b"body\n"]).map(|()| draft)
}

#[test]
fn what_was_published_survives_a_power_cut() {
    for seed in 0..50 {
        let (disk, dir) = (SimDisk::default(), Path::new("/data/mail/anna@example.org"));
        let results = publish(&disk, vec![draft(&disk, dir, "1"), draft(&disk, dir, "2")]);
        assert!(results.iter().all(Result::is_ok));
        disk.crash(&SeededRandom::new(seed));
        for name in ["1", "2"] {
            let file = disk.read(&dir.join("new").join(name));
            assert_eq!(file.as_deref(), Some(&b"head\nbody\n"[..]), "seed {seed}");
        }
    }
}

#[test]
fn a_sync_that_fails_is_no_delivery() {
    let (disk, dir) = (SimDisk::default(), Path::new("/data/mail/anna@example.org"));
    assert!(publish(&disk, vec![draft(&disk, dir, "0")])[0].is_ok());
    let failures = |nth| {
        let drafts = vec![draft(&disk, dir, "1"), draft(&disk, dir, "2")];
        disk.fail_sync(nth);
        publish(&disk, drafts).iter().map(Result::is_err).collect::<Vec<_>>()
    };
    assert_eq!(failures(1), [true, false], "the first file");
    assert_eq!(failures(2), [false, true], "the second file");
    assert_eq!(failures(3), [true, true], "their directory");
}

#[test]
fn when_a_full_disk_has_room_again_the_next_try_succeeds() {
    let (disk, dir) = (SimDisk::default(), Path::new("/data/mail/anna@example.org"));
    disk.set_capacity(Some(4));
    let error = file_on(&disk, dir).unwrap_err();
    assert_eq!(refusal(&error).enhanced().unwrap().to_string(), "4.3.1");
    disk.set_capacity(None);
    assert!(file_on(&disk, dir).is_ok());
}

fn file_on(disk: &SimDisk, dir: &Path) -> io::Result<()> {
    publish(disk, vec![draft(disk, dir, "1")]).remove(0)
}

/// Two workers file the first messages of a mailbox: the second one finds `tmp` while the first still makes the rest.
#[test]
fn a_mailbox_has_its_place_for_files_last() {
    let dir = tempfile::tempdir().unwrap();
    for part in ["new", "cur"] {
        let mailbox = dir.path().join(part);
        fs::create_dir(&mailbox).unwrap();
        // Where a file is in the way, a directory cannot be made.
        fs::write(mailbox.join(part), "").unwrap();
        assert!(file(&mailbox, "1", b"").is_err());
        assert!(!mailbox.join("tmp").exists(), "{part} was not there yet");
    }
}
