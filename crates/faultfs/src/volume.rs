//! The file system itself: what each call does, without the kernel around it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fuser::{Errno, FileAttr, FileType};

use crate::content::BLOCK;
use crate::fault::{Effect, Fault, Operation};
use crate::names::{Names, Number, Tree};
use crate::node::{New, Node, permissions};
use crate::random::Random;

/// The number of the directory at the top.
pub(crate) const ROOT: Number = 1;

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Nothing: only what was synced is there.
    Lost,
    /// Each sector and each change of a name, or not, by chance; writes may be torn.
    Torn {
        /// The same seed leaves the same.
        seed: u64,
    },
}

/// Where the disk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Survey {
    /// Octets that files take.
    pub used: u64,
    /// Octets there are in all.
    pub capacity: u64,
    /// Operations that changed something or synced it, since the disk was made.
    pub changes: u64,
    /// Syncs of files that told the truth and succeeded.
    pub syncs: u64,
    /// Operations that a fault has struck.
    pub struck: u64,
    /// The power is off: everything fails.
    pub off: bool,
}

/// What a directory holds.
pub(crate) type Listing = Vec<(Number, FileType, OsString)>;

/// The state of the disk.
#[derive(Debug)]
pub(crate) struct Volume {
    tree: Tree,
    nodes: BTreeMap<Number, Node>,
    next: Number,
    pub(crate) faults: Vec<Fault>,
    pub(crate) capacity_blocks: u64,
    used_blocks: u64,
    pub(crate) read_only: bool,
    pub(crate) cut_at: Option<u64>,
    pub(crate) survey: Survey,
}

/// What setattr may change, all at once.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attributes {
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) len: Option<u64>,
    pub(crate) modified: Option<SystemTime>,
}

impl Volume {
    pub(crate) fn new(names: Names, capacity: u64) -> Self {
        let root = New { kind: FileType::Directory, mode: 0o755, uid: 0, gid: 0, device: 0 };
        let root = Node { links: 1, ..Node::new(root, (ROOT, OsString::new())) };
        Self {
            tree: Tree::new(names, ROOT),
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            faults: Vec::new(),
            capacity_blocks: capacity / BLOCK as u64,
            used_blocks: 0,
            read_only: false,
            cut_at: None,
            survey: Survey::default(),
        }
    }

    /// Where the disk stands.
    pub(crate) fn survey(&self) -> Survey {
        Survey {
            used: self.used_blocks * BLOCK as u64,
            capacity: self.capacity_blocks * BLOCK as u64,
            ..self.survey
        }
    }

    /// Every operation passes here first: it may fail, be cut off, or be told to go wrong.
    fn begin(&mut self, operation: Operation, path: &Path) -> Result<Option<Effect>, Errno> {
        if self.survey.off {
            return Err(Errno::EIO);
        }
        if operation.changes() {
            self.survey.changes += 1;
            if self.cut_at.is_some_and(|at| at <= self.survey.changes) {
                self.survey.off = true;
                return Err(Errno::EIO);
            }
            if self.read_only && !matches!(operation, Operation::Sync | Operation::SyncDirectory) {
                return Err(Errno::EROFS);
            }
        }
        let effect = self.faults.iter_mut().find_map(|fault| fault.strike(operation, path));
        self.survey.struck += u64::from(effect.is_some());
        match effect {
            Some(Effect::Fails(error)) => Err(error),
            other => Ok(other),
        }
    }

    fn begin_at(&mut self, operation: Operation, number: Number) -> Result<Option<Effect>, Errno> {
        let path = self.path(number);
        self.begin(operation, &path)
    }

    fn begin_in(&mut self, operation: Operation, dir: Number, name: &OsStr) -> Result<(), Errno> {
        let path = self.path(dir).join(name);
        self.begin(operation, &path).map(drop)
    }

    /// The path from the mount point on.
    fn path(&self, mut number: Number) -> PathBuf {
        let mut names = Vec::new();
        while number != ROOT
            && let Some(node) = self.nodes.get(&number)
        {
            names.push(node.place.1.as_os_str());
            number = node.place.0;
        }
        names.into_iter().rev().collect()
    }

    fn node(&self, number: Number) -> Result<&Node, Errno> {
        self.nodes.get(&number).ok_or(Errno::ENOENT)
    }

    fn node_mut(&mut self, number: Number) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&number).ok_or(Errno::ENOENT)
    }

    pub(crate) fn lookup(&mut self, dir: Number, name: &OsStr) -> Result<FileAttr, Errno> {
        self.check_power()?;
        self.attributes(self.tree.find(dir, name).ok_or(Errno::ENOENT)?)
    }

    pub(crate) fn attributes(&self, number: Number) -> Result<FileAttr, Errno> {
        self.check_power()?;
        Ok(self.node(number)?.attributes(number))
    }

    fn check_power(&self) -> Result<(), Errno> {
        if self.survey.off { Err(Errno::EIO) } else { Ok(()) }
    }

    pub(crate) fn change(&mut self, number: Number, change: Attributes) -> Result<FileAttr, Errno> {
        self.begin_at(Operation::Change, number)?;
        let node = self.node_mut(number)?;
        if let Some(mode) = change.mode {
            node.mode = permissions(mode);
        }
        node.uid = change.uid.unwrap_or(node.uid);
        node.gid = change.gid.unwrap_or(node.gid);
        let before = node.content.allocated();
        if let Some(len) = change.len {
            node.content.set_len(len);
            node.touch();
        }
        node.modified = change.modified.unwrap_or(node.modified);
        node.changed = SystemTime::now();
        let (after, attributes) = (node.content.allocated(), node.attributes(number));
        self.used_blocks = self.used_blocks - before + after;
        Ok(attributes)
    }

    pub(crate) fn create(&mut self, dir: Number, name: &OsStr, new: New) -> Result<FileAttr, Errno> {
        self.begin_in(Operation::Create, dir, name)?;
        if self.tree.find(dir, name).is_some() {
            return Err(Errno::EEXIST);
        }
        let number = self.next;
        self.next += 1;
        let mut node = Node::new(new, (dir, name.to_owned()));
        node.links = 1;
        if new.kind == FileType::Directory {
            self.tree.make_directory(number);
        }
        let attributes = node.attributes(number);
        self.nodes.insert(number, node);
        self.tree.add(dir, name, number);
        self.touch(dir);
        Ok(attributes)
    }

    pub(crate) fn symlink(
        &mut self,
        dir: Number,
        name: &OsStr,
        new: New,
        to: &Path,
    ) -> Result<FileAttr, Errno> {
        let FileAttr { ino, .. } = self.create(dir, name, new)?;
        let node = self.node_mut(ino.0)?;
        // Where it leads is part of its name's entry: what keeps the one keeps the other.
        node.content.write(0, to.as_os_str().as_encoded_bytes());
        node.content.sync();
        self.attributes(ino.0)
    }

    pub(crate) fn link(&mut self, number: Number, dir: Number, name: &OsStr) -> Result<FileAttr, Errno> {
        self.begin_in(Operation::Create, dir, name)?;
        if self.tree.find(dir, name).is_some() {
            return Err(Errno::EEXIST);
        }
        let node = self.node_mut(number)?;
        node.links += 1;
        node.place = (dir, name.to_owned());
        self.tree.add(dir, name, number);
        self.touch(dir);
        self.attributes(number)
    }

    pub(crate) fn remove(&mut self, dir: Number, name: &OsStr, directory: bool) -> Result<(), Errno> {
        self.begin_in(Operation::Remove, dir, name)?;
        let number = self.tree.find(dir, name).ok_or(Errno::ENOENT)?;
        match (self.node(number)?.kind == FileType::Directory, directory) {
            (true, false) => return Err(Errno::EISDIR),
            (false, true) => return Err(Errno::ENOTDIR),
            (true, true) if self.tree.list(number).next().is_some() => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        self.tree.remove(dir, name);
        self.touch(dir);
        self.unlink(number);
        Ok(())
    }

    pub(crate) fn rename(
        &mut self,
        from: (Number, &OsStr),
        to: (Number, &OsStr),
        replaces: bool,
    ) -> Result<(), Errno> {
        self.begin_in(Operation::Rename, from.0, from.1)?;
        let number = self.tree.find(from.0, from.1).ok_or(Errno::ENOENT)?;
        let replaced = self.tree.find(to.0, to.1);
        if replaced == Some(number) {
            return Ok(());
        }
        if let Some(other) = replaced {
            if !replaces {
                return Err(Errno::EEXIST);
            }
            if self.tree.list(other).next().is_some() {
                return Err(Errno::ENOTEMPTY);
            }
        }
        self.node_mut(number)?.place = (to.0, to.1.to_owned());
        self.tree.rename(from, to, number);
        self.touch(from.0);
        self.touch(to.0);
        if let Some(other) = replaced {
            self.unlink(other);
        }
        Ok(())
    }

    fn touch(&mut self, number: Number) {
        if let Some(node) = self.nodes.get_mut(&number) {
            node.touch();
        }
    }

    fn unlink(&mut self, number: Number) {
        if let Some(node) = self.nodes.get_mut(&number) {
            node.links -= 1;
        }
        self.drop_unused(number);
    }

    /// Room is free again once no name and no handle is left. What a power cut may bring back stays in `content`.
    fn drop_unused(&mut self, number: Number) {
        if let Some(node) = self.nodes.get_mut(&number)
            && node.links == 0
            && node.handles == 0
        {
            self.used_blocks -= node.content.clear_seen();
        }
    }

    pub(crate) fn open(&mut self, number: Number, writes: bool, direct: bool) -> Result<(), Errno> {
        self.begin_at(Operation::Open, number)?;
        if direct {
            self.begin_at(Operation::OpenDirect, number)?;
        }
        if writes && self.read_only {
            return Err(Errno::EROFS);
        }
        self.node_mut(number)?.handles += 1;
        Ok(())
    }

    /// As [`Volume::open`], for a file that this program has just made.
    pub(crate) fn opened(&mut self, number: Number) {
        if let Some(node) = self.nodes.get_mut(&number) {
            node.handles += 1;
        }
    }

    pub(crate) fn close(&mut self, number: Number) {
        if let Some(node) = self.nodes.get_mut(&number) {
            node.handles = node.handles.saturating_sub(1);
        }
        self.drop_unused(number);
    }

    pub(crate) fn read(&mut self, number: Number, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
        self.begin_at(Operation::Read, number)?;
        Ok(self.node(number)?.content.read(offset, len))
    }

    /// Writes as much as there is room for; gives how many octets.
    pub(crate) fn write(&mut self, number: Number, offset: u64, data: &[u8]) -> Result<usize, Errno> {
        let effect = self.begin_at(Operation::Write, number)?;
        let most = if let Some(Effect::Short(octets)) = effect { octets } else { usize::MAX };
        let mut data = data.get(..most).unwrap_or(data);
        let free = self.free_blocks();
        let node = self.node_mut(number)?;
        while node.content.missing(offset, data.len() as u64) > free {
            // Down to the block before, as far as there is room.
            let shorter = data.len().saturating_sub(1) / BLOCK * BLOCK;
            data = data.get(..shorter).unwrap_or_default();
            if data.is_empty() {
                return Err(Errno::ENOSPC);
            }
        }
        let before = node.content.allocated();
        node.content.write(offset, data);
        node.touch();
        let after = node.content.allocated();
        self.used_blocks += after - before;
        Ok(data.len())
    }

    fn free_blocks(&self) -> u64 {
        self.capacity_blocks.saturating_sub(self.used_blocks)
    }

    /// fallocate(2) with no flag but `FALLOC_FL_KEEP_SIZE`.
    pub(crate) fn allocate(
        &mut self,
        number: Number,
        offset: u64,
        len: u64,
        keep: bool,
    ) -> Result<(), Errno> {
        self.begin_at(Operation::Allocate, number)?;
        let free = self.free_blocks();
        let node = self.node_mut(number)?;
        let missing = node.content.missing(offset, len);
        if missing > free {
            return Err(Errno::ENOSPC);
        }
        node.content.allocate(offset, len, keep);
        self.used_blocks += missing;
        Ok(())
    }

    pub(crate) fn sync(&mut self, number: Number) -> Result<(), Errno> {
        let begun = self.begin_at(Operation::Sync, number);
        let off = self.survey.off;
        let node = self.node_mut(number)?;
        match begun {
            Ok(Some(Effect::Lies)) => return Ok(()),
            Ok(_) => node.content.sync(),
            Err(error) => {
                if !off {
                    node.content.fail_sync();
                }
                return Err(error);
            }
        }
        self.survey.syncs += 1;
        self.tree.sync_file();
        Ok(())
    }

    pub(crate) fn sync_directory(&mut self, number: Number) -> Result<(), Errno> {
        self.begin_at(Operation::SyncDirectory, number)?;
        self.tree.sync_directory(number);
        Ok(())
    }

    /// All files and names are durable.
    pub(crate) fn sync_all(&mut self) {
        self.nodes.values_mut().for_each(|node| node.content.sync());
        self.tree.sync_all();
    }

    /// The names in a directory with numbers and kinds, `.` and `..` included.
    pub(crate) fn list(&self, dir: Number) -> Result<Listing, Errno> {
        self.check_power()?;
        let above = self.node(dir)?.place.0;
        let dots = [(dir, ".".into()), (above, "..".into())];
        let named = self.tree.list(dir).map(|(name, number)| (number, name.clone()));
        let all = dots.into_iter().chain(named);
        Ok(all.filter_map(|(number, name)| Some((number, self.nodes.get(&number)?.kind, name))).collect())
    }

    /// The power is on again: what is there now is what a power cut left.
    pub(crate) fn restore(&mut self, power: Power) {
        let mut random = Random::new(if let Power::Torn { seed } = power { seed } else { 0 });
        let percent = match power {
            Power::Lost => 0,
            // Both ends are where bugs live.
            Power::Torn { .. } => match random.below(4) {
                0 => 0,
                1 => 100,
                _ => random.below(101),
            },
        };
        self.tree.cut(&mut random, percent);
        let named = self.tree.reachable();
        self.nodes.retain(|number, _| *number == ROOT || named.contains(number));
        self.tree.forget(|number| number != ROOT && !named.contains(&number));
        self.used_blocks = 0;
        for node in self.nodes.values_mut() {
            node.content.cut(&mut random, percent);
            node.handles = 0;
            node.links = 0;
            self.used_blocks += node.content.allocated();
        }
        self.count_links();
        self.survey.off = false;
        self.cut_at = None;
    }

    fn count_links(&mut self) {
        let dirs: Vec<Number> = self.nodes.keys().copied().collect();
        for dir in dirs {
            for (name, number) in self.tree.list(dir) {
                if let Some(node) = self.nodes.get_mut(&number) {
                    node.links += 1;
                    node.place = (dir, name.clone());
                }
            }
        }
    }
}
