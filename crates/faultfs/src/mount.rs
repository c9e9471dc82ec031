//! The file system as the kernel asks for it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, Session, SessionACL, TimeOrNow,
    WriteFlags,
};
use rustix::fs::OFlags;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::content::{BLOCK, BLOCK_LEN};
use crate::disk::{Disk, HeldSync};
use crate::node::{New, permissions};
use crate::volume::Attributes;

/// Names and attributes change by calls through this kernel only: it may remember them.
const REMEMBERED: Duration = Duration::from_mins(1);
const NO_FLAGS: FopenFlags = FopenFlags::empty();
/// `FALLOC_FL_KEEP_SIZE` of fallocate(2).
const KEEP_SIZE: i32 = 1;

/// A mounted disk; dropping it unmounts. Programs that still run there get errors.
#[derive(Debug)]
pub struct Mount {
    dir: PathBuf,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Mount {
    pub(crate) fn new(disk: Disk, dir: &Path) -> io::Result<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        // fuser would mount by itself, but unmounts only what nobody uses any more.
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions\0",
            device.as_raw_fd()
        );
        let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).map_err(io::Error::other)?;
        rustix::mount::mount("faultfs", dir, "fuse", MountFlags::NODEV | MountFlags::NOSUID, options)?;
        let mut mount = Self { dir: dir.to_owned(), thread: None };
        let session =
            Session::from_fd(Calls(disk), OwnedFd::from(device), SessionACL::All, Config::default())?;
        let run = move || session.run();
        mount.thread = Some(std::thread::Builder::new().name("faultfs".into()).spawn(run)?);
        Ok(mount)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // FORCE ends the connection, so that calls under way fail now; DETACH unmounts though files are open.
        let flags = UnmountFlags::FORCE | UnmountFlags::DETACH;
        let unmounted = rustix::mount::unmount(&self.dir, flags);
        if let Some(thread) = self.thread.take()
            && unmounted.is_ok()
        {
            // It tells that the connection has ended, which is what was wanted.
            drop(thread.join());
        }
    }
}

/// One method for each call of the kernel.
#[derive(Debug)]
struct Calls(Disk);

fn entry(reply: ReplyEntry, result: Result<FileAttr, Errno>) {
    match result {
        Ok(attributes) => reply.entry(&REMEMBERED, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn attributes(reply: ReplyAttr, result: Result<FileAttr, Errno>) {
    match result {
        Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
        Err(error) => reply.error(error),
    }
}

fn empty(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn new(kind: FileType, mode: u32, request: &Request) -> New {
    New { kind, mode: permissions(mode), uid: request.uid(), gid: request.gid(), device: 0 }
}

impl Filesystem for Calls {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(reply, self.0.with(|volume| volume.lookup(parent.0, name)));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        attributes(reply, self.0.with(|volume| volume.attributes(ino.0)));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        len: Option<u64>,
        _accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        _: Option<FileHandle>,
        _created: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let modified = modified.map(|time| match time {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => SystemTime::now(),
        });
        let change = Attributes { mode, uid, gid, len, modified };
        attributes(reply, self.0.with(|volume| volume.change(ino.0, change)));
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.0.with(|volume| volume.read(ino.0, 0, BLOCK)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(error),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        let new = New::by_mode(mode, umask, request.uid(), request.gid(), device);
        entry(reply, new.and_then(|new| self.0.with(|volume| volume.create(parent.0, name, new))));
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let new = new(FileType::Directory, mode & !umask, request);
        entry(reply, self.0.with(|volume| volume.create(parent.0, name, new)));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.0.with(|volume| volume.remove(parent.0, name, false)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.0.with(|volume| volume.remove(parent.0, name, true)));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, to: &Path, reply: ReplyEntry) {
        let new = new(FileType::Symlink, 0o777, request);
        entry(reply, self.0.with(|volume| volume.symlink(parent.0, name, new, to)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if flags.intersects(RenameFlags::RENAME_EXCHANGE | RenameFlags::RENAME_WHITEOUT) {
            return reply.error(Errno::EINVAL);
        }
        let (from, to) = ((parent.0, name), (new_parent.0, new_name));
        let replaces = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        empty(reply, self.0.with(|volume| volume.rename(from, to, replaces)));
    }

    fn link(&self, _: &Request, ino: INodeNo, new_parent: INodeNo, new_name: &OsStr, reply: ReplyEntry) {
        entry(reply, self.0.with(|volume| volume.link(ino.0, new_parent.0, new_name)));
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let new = new(FileType::RegularFile, mode & !umask, request);
        let made = self.0.with(|volume| {
            let made = volume.create(parent.0, name, new)?;
            volume.opened(made.ino.0);
            Ok(made)
        });
        match made {
            Ok(made) => reply.created(&REMEMBERED, &made, Generation(0), FileHandle(0), NO_FLAGS),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let writes = flags.acc_mode() != OpenAccMode::O_RDONLY;
        let direct = flags.0 & OFlags::DIRECT.bits().cast_signed() != 0;
        match self.0.with(|volume| volume.open(ino.0, writes, direct)) {
            Ok(()) => reply.opened(FileHandle(0), NO_FLAGS),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.0.with(|volume| volume.read(ino.0, offset, size as usize)) {
            Ok(octets) => reply.data(&octets),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.0.with(|volume| volume.write(ino.0, offset, data)) {
            Ok(octets) => reply.written(u32::try_from(octets).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error),
        }
    }

    /// close(2) of one of several descriptors: nothing is written then.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.0.with(|volume| volume.close(ino.0));
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.0.sync(HeldSync { number: ino.0, directory: false, reply });
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.0.sync(HeldSync { number: ino.0, directory: true, reply });
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(self.0.open_listing()), NO_FLAGS);
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.0.close_listing(handle.0);
        reply.ok();
    }

    fn readdir(&self, _: &Request, ino: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.0.listing(handle.0, ino.0, offset) {
            Ok(entries) => {
                for ((number, kind, name), next) in entries.into_iter().zip(offset + 1..) {
                    if reply.add(INodeNo(number), next, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let survey = self.0.survey();
        let block = BLOCK as u64;
        let (all, free) = (survey.capacity / block, survey.capacity.saturating_sub(survey.used) / block);
        reply.statfs(all, free, free, 1 << 20, 1 << 20, BLOCK_LEN, 255, BLOCK_LEN);
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        len: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode & !KEEP_SIZE != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        empty(reply, self.0.with(|volume| volume.allocate(ino.0, offset, len, mode == KEEP_SIZE)));
    }
}
