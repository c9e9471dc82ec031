//! The directory `damaged`: what a repair takes out of use is kept there, for people to look at.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use disk::{Disk, File};
use mail::QueueId;

use crate::{
    SpoolError,
    content::read_upto,
    files,
    format::{BLOCK, HEADER_LEN, Kind, RecordHeader, Tag, to_block},
    scan::Window,
};

const STEP: u64 = 1 << 20;

/// Where things are set aside, and what was.
pub(crate) struct Aside<'a> {
    disk: &'a Arc<dyn Disk>,
    spool: &'a Path,
    dir: PathBuf,
    /// Names, relative to the spool's directory.
    pub(crate) names: Vec<String>,
}

impl<'a> Aside<'a> {
    pub(crate) fn new(spool: &'a Path, disk: &'a Arc<dyn Disk>) -> Result<Self, SpoolError> {
        let dir = spool.join("damaged");
        disk.create_dir_all(&dir).map_err(|source| SpoolError::Directory { dir: dir.clone(), source })?;
        Ok(Self { disk, spool, dir, names: Vec::new() })
    }

    /// Copies a segment, damaged octets and all. What an earlier repair has copied stays, for it may have cut the segment since.
    pub(crate) fn segment(&mut self, number: u32) -> Result<(), SpoolError> {
        let name = files::segment_name(number);
        let from = self.spool.join(&name);
        let octets = self.disk.open_read(&from).and_then(|file| file.len());
        let octets = octets.map_err(|source| SpoolError::Read { path: from.clone(), source })?;
        if self.len_of(&name)? >= Some(octets) {
            return Ok(());
        }
        let file = self.disk.open_read(&from).map_err(|source| SpoolError::Read { path: from, source })?;
        self.write(&name, |to| {
            let mut at = 0;
            while at < octets {
                let piece = read_around(file.as_ref(), at, STEP.min(octets - at));
                to.write_all_at(&piece, at)?;
                at += piece.len() as u64;
            }
            Ok(())
        })
    }

    /// Moves a file here, of which the spool makes no use any more.
    pub(crate) fn take(&mut self, name: &str, as_name: &str) -> Result<(), SpoolError> {
        let (from, to) = (self.spool.join(name), self.dir.join(as_name));
        let moved = self.disk.rename(&from, &to).and_then(|()| self.disk.sync_dir(&self.dir));
        let dir = from.parent().unwrap_or(self.spool);
        match moved.and_then(|()| self.disk.sync_dir(dir)) {
            Ok(()) => self.names.push(format!("damaged/{as_name}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SpoolError::Write { path: to, source }),
        }
        Ok(())
    }

    /// Writes the content of a message as far as it is there, damaged octets included.
    pub(crate) fn content(&mut self, id: QueueId, pieces: &[Vec<u8>]) -> Result<(), SpoolError> {
        let name = format!("{id}.eml");
        if pieces.is_empty() || self.len_of(&name)?.is_some() {
            return Ok(());
        }
        self.write(&name, |to| {
            let mut at = 0;
            for piece in pieces {
                to.write_all_at(piece, at)?;
                at += piece.len() as u64;
            }
            Ok(())
        })
    }

    fn len_of(&self, name: &str) -> Result<Option<u64>, SpoolError> {
        let listed = self.disk.list(&self.dir);
        let entries = listed.map_err(|source| SpoolError::Directory { dir: self.dir.clone(), source })?;
        Ok(entries.into_iter().find(|entry| entry.name == name).map(|entry| entry.len))
    }

    /// Makes a file that is there whole, or not at all.
    fn write(
        &mut self,
        name: &str,
        fill: impl FnOnce(&dyn File) -> io::Result<()>,
    ) -> Result<(), SpoolError> {
        let (path, new) = (self.dir.join(name), self.dir.join(format!("{name}.new")));
        let write = || {
            match self.disk.remove(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = self.disk.create(&new)?;
            fill(file.as_ref())?;
            file.sync_data()?;
            self.disk.rename(&new, &path)?;
            self.disk.sync_dir(&self.dir)
        };
        write().map_err(|source| {
            if crate::supply::is_full(&source) {
                SpoolError::Full { dir: self.dir.clone() }
            } else {
                SpoolError::Write { path: path.clone(), source }
            }
        })?;
        self.names.push(format!("damaged/{name}"));
        Ok(())
    }
}

/// Reads octets; blocks that the disk cannot read are zeros.
fn read_around(file: &dyn File, at: u64, len: u64) -> Vec<u8> {
    let size = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
    if let Ok(octets) = read_upto(file, at, size(len))
        && octets.len() == size(len)
    {
        return octets;
    }
    let (mut octets, end) = (Vec::with_capacity(size(len)), at + len);
    let mut place = at;
    while place < end {
        let step = to_block(place + 1).min(end).min(place + BLOCK) - place;
        let mut block = read_upto(file, place, size(step)).unwrap_or_default();
        block.resize(size(step), 0);
        octets.append(&mut block);
        place += step;
    }
    octets
}

/// The pieces of a message's content between two places, damaged ones too if their headers are good.
pub(crate) fn pieces_of(file: &dyn File, tag: &Tag, id: QueueId, from: u64, to: u64) -> Vec<Vec<u8>> {
    let (mut window, mut at, mut pieces) = (Window::new(file), from, Vec::new());
    while let Ok(Some(place)) = window.find_tag(at, to, tag) {
        at = place + 8;
        let header = window.get(place, HEADER_LEN).ok().and_then(|octets| RecordHeader::decode(octets, tag));
        let wanted = header.filter(|header| header.kind == Kind::Content && header.queue_id() == id);
        if let Some(header) = wanted {
            let octets = window.get(place + HEADER_LEN as u64, header.len as usize).unwrap_or_default();
            pieces.push(octets.to_vec());
            at = (place + (HEADER_LEN + octets.len()) as u64).next_multiple_of(8);
        }
    }
    pieces
}
