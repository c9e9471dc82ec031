//! Who used the spool last: one line of text beside the segments. The lock keeps two servers of one machine apart; of another machine, or
//! of a copy of the disk, nobody here can know. So a server that takes a spool over says so.

use std::{io, path::Path};

use disk::{Disk, read_whole, replace_whole};

use crate::{SpoolError, supply::is_full};

/// The file's name.
const NAME: &str = "owner";
const TITLE: &str = "postrider owner 1";
const OCTETS_MAX: usize = 4096;

/// Writes down that the spool is used by `host` now. Returns who used it before, if that was somebody else.
pub(crate) fn take(dir: &Path, disk: &dyn Disk, host: &str) -> Result<Option<String>, SpoolError> {
    let path = dir.join(NAME);
    let before = match read_whole(disk, &path, OCTETS_MAX) {
        Ok(octets) => parse(&octets),
        // Whoever was not told of is nobody: the file is not worth a start.
        Err(_) => None,
    };
    if before.as_deref() == Some(host) {
        return Ok(None);
    }
    match replace_whole(disk, &path, format!("{TITLE}\n{host}\n").as_bytes()) {
        // There is no room for a message either, and the next start tries again.
        Err(error) if is_full(&error) => {}
        written => written.map_err(|source: io::Error| SpoolError::Write { path, source })?,
    }
    Ok(before)
}

fn parse(octets: &[u8]) -> Option<String> {
    let mut lines = str::from_utf8(octets).ok()?.lines();
    let is_ours = lines.next() == Some(TITLE);
    lines.next().filter(|_| is_ours).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use testkit::disk::SimDisk;

    use super::*;

    #[test]
    fn who_takes_a_spool_over_hears_from_whom() {
        let (dir, disk) = (Path::new("/spool"), SimDisk::default());
        disk.create_dir_all(dir).unwrap();
        let take = |host| take(dir, &disk, host).unwrap();
        assert_eq!(take("a.test 1"), None, "nobody was here");
        assert_eq!(take("a.test 1"), None, "the same again");
        assert_eq!(take("a.test 2").as_deref(), Some("a.test 1"), "another machine of that name");
        assert_eq!(take("a.test 2"), None);
    }

    #[test]
    fn what_is_no_owner_is_nobody() {
        assert_eq!(parse(b"postrider owner 1\na.test\n").as_deref(), Some("a.test"));
        for octets in [&b""[..], b"postrider owner 1\n", b"postrider owner 2\na.test\n", b"\xff\n"] {
            assert_eq!(parse(octets), None);
        }
    }
}
