//! The maildrop: where programs of this machine leave mail for the server, whether it runs or not (mail-rules 8).
//!
//! A directory in which everybody may make files, and nobody but the server may list them. It gives its group to the files
//! (setgid), so that the server can read them; who owns a file is told by the kernel. A file is whole once its group may read it.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use disk::{OsRandom, Random};
use serde::{Deserialize, Serialize};

/// Everybody may make files and go in; only their owners and ours remove them; nobody lists them; files get the group.
pub(crate) const DIR_MODE: u32 = 0o3733;
/// A file that is being written, and one that is whole.
const OPEN_MODE: u32 = 0o600;
const WHOLE_MODE: u32 = 0o640;

/// The maildrop of a data directory.
pub(crate) fn dir(data_dir: &Path) -> PathBuf {
    data_dir.join("maildrop")
}

/// What `sendmail` has to know of the server, in a file that everybody may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The domain of addresses that have none.
    pub domain: String,
    /// Octets of a message.
    pub message_size_max: u64,
    /// User ids that may send as anybody.
    pub trusted: Vec<u32>,
}

/// Where those are.
pub(crate) fn facts_path(data_dir: &Path) -> PathBuf {
    data_dir.join("sendmail.json")
}

/// Whether a file of this mode is whole.
pub(crate) fn is_whole(mode: u32) -> bool {
    mode & 0o040 != 0
}

/// Leaves a message: it is on stable storage when this returns.
pub(crate) fn leave(dir: &Path, letter: &[&[u8]]) -> io::Result<()> {
    leave_named(dir, "", |file| letter.iter().try_for_each(|part| file.write_all(part)))
}

/// Leaves what is left of a message of a user's: only the server does so.
pub(crate) fn leave_for(
    dir: &Path,
    uid: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    leave_named(dir, &format!(".{uid}"), write)
}

/// Whose a file is: its owner's, or, where that is the server, that of the user in its name.
pub(crate) fn sender_of(path: &Path, owner: u32, server: u32) -> u32 {
    let named = path.extension().and_then(|uid| uid.to_str()?.parse().ok());
    named.filter(|_| owner == server).unwrap_or(owner)
}

fn leave_named(dir: &Path, end: &str, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let name = format!("{:016x}{:016x}{end}", OsRandom.next_u64(), OsRandom.next_u64());
    let path = dir.join(name);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(OPEN_MODE).open(&path)?;
    let written = write(&mut file)
        .and_then(|()| file.sync_all())
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(WHOLE_MODE)))
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a letter is worth nothing, and may be what fills the disk.
        let _ = fs::remove_file(&path);
    }
    written
}

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// The user id.
    pub uid: u32,
    /// The name by which it logs in.
    pub name: String,
    /// What it is called.
    pub full_name: String,
}

/// All users that this machine itself knows.
pub(crate) fn users() -> Vec<User> {
    parse_users(&fs::read_to_string("/etc/passwd").unwrap_or_default())
}

/// The user of an id; one that has no entry is named by its number.
pub(crate) fn user(uid: u32) -> User {
    let known = users().into_iter().find(|user| user.uid == uid);
    known.unwrap_or_else(|| User { uid, name: format!("uid{uid}"), full_name: String::new() })
}

/// `name:password:uid:gid:gecos:home:shell` (passwd(5)); an `&` in the full name stands for the name.
fn parse_users(text: &str) -> Vec<User> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        let full_name = fields.nth(1).unwrap_or_default().split(',').next().unwrap_or_default();
        Some(User { uid, name: name.to_owned(), full_name: full_name.replace('&', name) })
    };
    text.lines().filter_map(user).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read() {
        let users = parse_users(
            "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000:Anna Bee,Room 1:/x:\n#\nbob:x:7::&\n",
        );
        let shown: Vec<_> = users.iter().map(|user| (user.uid, &*user.name, &*user.full_name)).collect();
        assert_eq!(shown, [(0, "root", "root"), (1000, "anna", "Anna Bee"), (7, "bob", "bob")]);
    }

    #[test]
    fn only_the_server_writes_for_others() {
        let name = Path::new("/m/0123.1000");
        assert_eq!((sender_of(name, 7, 7), sender_of(name, 8, 7)), (1000, 8));
        assert_eq!(sender_of(Path::new("/m/0123"), 7, 7), 7);
    }

    #[test]
    fn a_letter_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        leave(dir.path(), &[b"a", b"b"]).unwrap();
        let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        assert_eq!(fs::read(&files[0]).unwrap(), b"ab");
        assert!(is_whole(fs::metadata(&files[0]).unwrap().permissions().mode()));
        assert!(!is_whole(OPEN_MODE));
    }
}
