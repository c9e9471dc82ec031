//! A disk that fills, a small ext4 in a file: 452 4.3.1 for new mail, deliveries go on, service resumes by itself.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Client, House, Loopback, Postrider, Sent, Sink, eventually, eventually_true, queue_id, run, said};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use tempfile::TempDir;

use super::SOON;
use super::station::{REMOTE, arrivals, assert_there, house};

const MIB: u64 = 1 << 20;
/// Room that new mail leaves on a disk of this size (docs/design/spool-format.md).
const RESERVE: u64 = 256 * MIB;
/// Five segments of 64 MiB, the reserve, and some room for mail.
const DISK: u64 = 5 * 64 * MIB + RESERVE + 128 * MIB;

/// An ext4 in a file, mounted.
struct SmallDisk {
    dir: PathBuf,
    _image: TempDir,
}

impl SmallDisk {
    fn mount(dir: &Path) -> Self {
        let image = tempfile::tempdir().unwrap();
        let path = image.path().join("image");
        File::create(&path).unwrap().set_len(DISK).unwrap();
        let path = path.to_str().unwrap();
        run("mkfs.ext4", &["-q", "-F", "-m", "0", path], b"");
        fs::create_dir(dir).unwrap();
        run("mount", &["-o", "loop", path, dir.to_str().unwrap()], b"");
        Self { dir: dir.to_owned(), _image: image }
    }

    fn free(&self) -> u64 {
        let stat = statvfs(&self.dir).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Another program's file, which leaves so much room.
    fn leave(&self, octets: u64) {
        let file = File::create(self.ballast()).unwrap();
        fallocate(&file, FallocateFlags::empty(), 0, self.free() - octets).unwrap();
    }

    /// Another program's file, which goes on to the last block.
    fn fill(&self) {
        self.leave(2 * MIB);
        let mut file = File::options().append(true).open(self.ballast()).unwrap();
        let full = std::iter::repeat_with(|| file.write_all(&[1; 4096])).find_map(Result::err);
        assert_eq!(full.unwrap().kind(), ErrorKind::StorageFull);
    }

    /// That file goes.
    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = said(Command::new("umount").args(["--lazy"]).arg(&self.dir), b"");
    }
}

/// Dropped from the first on.
struct Station {
    server: Postrider,
    disk: SmallDisk,
    house: House,
    net: Loopback,
    port: u16,
}

impl Station {
    fn start() -> Self {
        let net = Loopback::claim();
        let port = net.port();
        let house = house(&net, port);
        let disk = SmallDisk::mount(&house.data());
        let server = house.start();
        // One in use, one to come, two for completions and one ahead of its time.
        eventually_true("segments to be made ahead", SOON, || {
            let files = fs::read_dir(house.data().join("spool")).unwrap().map(|entry| entry.unwrap().path());
            let is_segment =
                |path: &PathBuf| path.extension().is_some_and(|kind| kind == "seg" || kind == "free");
            files.filter(is_segment).count() == 5
        });
        Self { server, disk, house, net, port }
    }

    fn sink(&self) -> Sink {
        Sink::start(self.net.host(1), self.port)
    }

    /// Sends until the disk counts as full; gives what was taken.
    fn fill(&self) -> Vec<Sent> {
        let mut client = self.server.client();
        let mut sent = Vec::new();
        loop {
            let token = format!("large-{}", sent.len());
            let (code, text) = send(&mut client, &token);
            if code != 250 {
                assert!(code == 452 && text.contains("4.3.1"), "{text}");
                return sent;
            }
            sent.push(Sent { token, to: REMOTE.to_owned(), id: queue_id(&text) });
            assert!(sent.len() < 100, "the disk does not fill");
        }
    }

    fn assert_refused(&self) {
        let (code, text) = send(&mut self.server.client(), "refused");
        assert!(code == 452 && text.contains("4.3.1"), "{text}");
    }

    /// Mail is taken again, without a restart.
    fn wait_for_service(&self) -> Sent {
        let token = "again".to_owned();
        eventually("mail to be taken again", SOON, || {
            let (code, text) = send(&mut self.server.client(), &token);
            (code == 250).then(|| Sent { token: token.clone(), to: REMOTE.to_owned(), id: queue_id(&text) })
        })
    }

    /// All of it came out, whole, and nothing that was refused.
    fn assert_came_out(&self, sink: &Sink, sent: &[Sent]) {
        self.house.wait_for_empty_queue(SOON);
        let arrived = arrivals(sink.received().into_iter().map(|mail| mail.content));
        assert_there(sent, |sent| arrived.contains_key(&sent.token));
        for (token, copies) in &arrived {
            assert!(copies.iter().all(|copy| copy.ends_with(large(token).as_bytes())), "{token} is damaged");
            assert_eq!(copies.len(), 1, "{token}");
        }
        assert_eq!(arrived.len(), sent.len());
    }
}

/// Sends a message of a MiB; gives the reply that decided.
fn send(client: &mut Client, token: &str) -> (u16, String) {
    client.mail("ben@here.test", &[REMOTE], &large(token)).unwrap()
}

fn large(token: &str) -> String {
    let line = format!("{token} 0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n");
    let lines = usize::try_from(MIB).unwrap() / line.len();
    format!("Subject: {token}\r\n\r\n{}the end of {token}\r\n", line.repeat(lines))
}

#[test]
fn a_disk_full_of_mail_refuses_more_until_deliveries_have_made_room() {
    let station = Station::start();
    station.disk.leave(RESERVE + 24 * MIB);
    let mut sent = station.fill();
    assert!(sent.len() > 10, "only {} were taken", sent.len());
    station.assert_refused();
    let printed = station.server.printed();
    assert!(printed.contains("no space left for mail"), "{printed}");
    let sink = station.sink();
    sent.push(station.wait_for_service());
    station.assert_came_out(&sink, &sent);
}

#[test]
fn a_disk_that_another_program_fills_to_the_last_octet_stops_no_delivery() {
    let station = Station::start();
    let mut client = station.server.client();
    let mut sent: Vec<Sent> = Vec::new();
    for number in 0..5 {
        let token = format!("queued-{number}");
        let (code, text) = send(&mut client, &token);
        assert_eq!(code, 250, "{text}");
        sent.push(Sent { token, to: REMOTE.to_owned(), id: queue_id(&text) });
    }
    station.disk.fill();
    eventually_true("mail to be refused", SOON, || {
        let (code, _) = send(&mut client, "probe");
        code == 452
    });
    station.assert_refused();
    let sink = station.sink();
    sink.wait_for(REMOTE, SOON);
    station.house.wait_for_empty_queue(SOON);
    station.assert_refused();
    station.disk.make_room();
    sent.push(station.wait_for_service());
    station.assert_came_out(&sink, &sent);
}
