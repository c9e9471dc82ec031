//! A file, a directory, or whatever else has a number.

use std::ffi::OsString;
use std::time::SystemTime;

use fuser::{Errno, FileAttr, FileType, INodeNo};

use crate::content::{BLOCK, BLOCK_LEN, Content};
use crate::names::Number;

/// `S_IFMT` and the kinds it tells, of stat(2).
const KINDS: [(u32, FileType); 7] = [
    (0o100_000, FileType::RegularFile),
    (0o040_000, FileType::Directory),
    (0o120_000, FileType::Symlink),
    (0o140_000, FileType::Socket),
    (0o010_000, FileType::NamedPipe),
    (0o020_000, FileType::CharDevice),
    (0o060_000, FileType::BlockDevice),
];

/// All that is known of it, names apart.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: FileType,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: u32,
    pub(crate) modified: SystemTime,
    pub(crate) changed: SystemTime,
    /// Names that programs see.
    pub(crate) links: u32,
    /// Handles that programs have.
    pub(crate) handles: u32,
    /// Of a file what is in it, of a symbolic link where it leads.
    pub(crate) content: Content,
    /// The last name it got.
    pub(crate) place: (Number, OsString),
}

/// What a new node is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New {
    pub(crate) kind: FileType,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: u32,
}

impl New {
    /// From the mode of mknod(2), which tells the kind too.
    pub(crate) fn by_mode(mode: u32, umask: u32, uid: u32, gid: u32, device: u32) -> Result<Self, Errno> {
        let kind = KINDS.iter().find(|(bits, _)| mode & 0o170_000 == *bits);
        let (_, kind) = kind.ok_or(Errno::EINVAL)?;
        Ok(Self { kind: *kind, mode: permissions(mode & !umask), uid, gid, device })
    }
}

impl Node {
    pub(crate) fn new(new: New, place: (Number, OsString)) -> Self {
        let now = SystemTime::now();
        Self {
            kind: new.kind,
            mode: new.mode,
            uid: new.uid,
            gid: new.gid,
            device: new.device,
            modified: now,
            changed: now,
            links: 0,
            handles: 0,
            content: Content::default(),
            place,
        }
    }

    pub(crate) fn touch(&mut self) {
        self.modified = SystemTime::now();
        self.changed = self.modified;
    }

    pub(crate) fn attributes(&self, number: Number) -> FileAttr {
        let directory = self.kind == FileType::Directory;
        FileAttr {
            ino: INodeNo(number),
            size: if directory { BLOCK as u64 } else { self.content.len() },
            blocks: self.content.allocated() * (BLOCK as u64 / 512),
            atime: self.modified,
            mtime: self.modified,
            ctime: self.changed,
            crtime: self.changed,
            kind: self.kind,
            perm: self.mode,
            nlink: if directory { 2 } else { self.links },
            uid: self.uid,
            gid: self.gid,
            rdev: self.device,
            blksize: BLOCK_LEN,
            flags: 0,
        }
    }
}

/// The permission bits of a mode, set-user-id and the like included.
pub(crate) fn permissions(mode: u32) -> u16 {
    u16::try_from(mode & 0o7777).unwrap_or_default()
}
