//! The maildrop: where programs of this machine leave mail for the server, whether it runs or not (mail-rules 8).
//!
//! A directory in which everybody may make files, and nobody but the server may list them. It gives its group to the files
//! (setgid), so that the server can read them; who owns a file is told by the kernel. A file is whole once its group may read it.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use disk::{OsRandom, Random};
use mail::QueueId;
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
    let path = dir.join(unique());
    let mut file = create(&path)?;
    let written = letter
        .iter()
        .try_for_each(|part| file.write_all(part))
        .and_then(|()| file.sync_all())
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(WHOLE_MODE)))
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a letter is worth nothing, and may be what fills the disk.
        let _ = fs::remove_file(&path);
    }
    written
}

/// Where files go that are no mail: nobody's mail is thrown away unread.
pub(crate) fn aside_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("maildrop-bad")
}

/// Puts a file there, under a name with the user id of its owner; returns its new path.
pub(crate) fn put_aside(aside: &Path, path: &Path) -> io::Result<PathBuf> {
    let owner = fs::symlink_metadata(path)?.uid();
    let to = aside.join(fresh_name(owner));
    fs::rename(path, &to).map(|()| to)
}

/// Whose a file is: its owner's, or, where that is the server, that of the user in its name.
pub(crate) fn sender_of(path: &Path, owner: u32, server: u32) -> u32 {
    let stem = path.file_name().and_then(OsStr::to_str).and_then(|name| name.split(MARK).next());
    let named = stem.and_then(|stem| stem.rsplit_once('.')?.1.parse().ok());
    named.filter(|_| owner == server).unwrap_or(owner)
}

/// Between the name of a file and the queue id that its message may have got.
const MARK: char = '+';
/// At the end of the name of what is to stay of a file once its message is in the queue.
const REST: char = '~';

/// A name for a file of a user's that the server writes.
fn fresh_name(uid: u32) -> String {
    format!("{}.{uid}", unique())
}

/// A name that tells which queue id the message of a file gets, before it is in the queue under that.
pub(crate) fn marked(dir: &Path, uid: u32, id: QueueId) -> PathBuf {
    dir.join(format!("{}{MARK}{id}", fresh_name(uid)))
}

/// The queue id that the message of a file may have.
pub(crate) fn id_of(path: &Path) -> Option<QueueId> {
    path.file_name()?.to_str()?.split_once(MARK)?.1.parse().ok()
}

/// Where the rest of a file lies until its message is in the queue.
pub(crate) fn rest_of(marked: &Path) -> PathBuf {
    let mut name = OsString::from(marked);
    name.push(REST.to_string());
    name.into()
}

/// The file of which this is the rest.
pub(crate) fn whole_of(rest: &Path) -> Option<PathBuf> {
    rest.to_str()?.strip_suffix(REST).map(PathBuf::from)
}

/// Writes the rest of a file. It is on stable storage when this returns, and nobody takes it up before [`publish`].
pub(crate) fn prepare(rest: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = create(rest)?;
    let written = write(&mut file).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(rest);
    }
    written
}

/// Makes the rest of a user's file one that is taken up, if there is one.
pub(crate) fn publish(dir: &Path, rest: &Path, uid: u32) -> io::Result<()> {
    match fs::set_permissions(rest, fs::Permissions::from_mode(WHOLE_MODE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        set => set?,
    }
    fs::rename(rest, dir.join(fresh_name(uid)))?;
    File::open(dir)?.sync_all()
}

fn unique() -> String {
    format!("{:016x}{:016x}", OsRandom.next_u64(), OsRandom.next_u64())
}

fn create(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(OPEN_MODE).open(path)
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
        let id = QueueId::from_bytes([7; 16]);
        let marked = marked(Path::new("/m"), 1000, id);
        assert_eq!((sender_of(&marked, 7, 7), sender_of(&marked, 8, 7)), (1000, 8));
        assert_eq!((id_of(&marked), whole_of(&rest_of(&marked))), (Some(id), Some(marked)));
        for other in ["/m/0123.1000", "/m/a+b", "/m/+"] {
            assert_eq!((id_of(Path::new(other)), whole_of(Path::new(other))), (None, None));
        }
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
