//! What a file holds: as programs see it, and as a power cut leaves it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::random::Random;

/// The unit of allocation, as most file systems have it.
pub(crate) const BLOCK: usize = BLOCK_LEN as usize;
/// The same, for the kernel.
pub(crate) const BLOCK_LEN: u32 = 4096;
/// The unit that a disk writes whole or not at all.
const SECTOR: usize = 512;

type Octets = [u8; BLOCK];

const ZEROS: &Octets = &[0; BLOCK];

/// A block that is allocated; of zeros it takes no memory, so that preallocated files cost nothing.
type Block = Option<Arc<Octets>>;

/// One state of a file. A missing block is a hole.
#[derive(Debug, Clone, Default)]
struct State {
    blocks: BTreeMap<u64, Block>,
    len: u64,
}

/// A file's two states, which share the blocks that are the same.
#[derive(Debug, Default)]
pub(crate) struct Content {
    seen: State,
    kept: State,
    /// Blocks that were written since the last sync.
    dirty: BTreeSet<u64>,
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.seen.len
    }

    /// Blocks that it takes, holes left out.
    pub(crate) fn allocated(&self) -> u64 {
        self.seen.blocks.len() as u64
    }

    /// Blocks that would have to be allocated for a range.
    pub(crate) fn missing(&self, offset: u64, len: u64) -> u64 {
        let range = number(offset)..blocks(offset + len);
        let there = self.seen.blocks.range(range.clone()).count() as u64;
        range.end.saturating_sub(range.start) - there
    }

    pub(crate) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = self.seen.len.min(offset.saturating_add(len as u64));
        let mut octets = Vec::with_capacity(len);
        let mut at = offset;
        while at < end {
            let from = within(at);
            let step = (BLOCK - from).min(usize::try_from(end - at).unwrap_or(BLOCK));
            octets.extend_from_slice(self.seen.octets(number(at)).get(from..from + step).unwrap_or_default());
            at += step as u64;
        }
        octets
    }

    pub(crate) fn write(&mut self, offset: u64, mut data: &[u8]) {
        let mut at = offset;
        while !data.is_empty() {
            let from = within(at);
            let (now, rest) = data.split_at(data.len().min(BLOCK - from));
            let block = self.block(number(at));
            if now == ZEROS.as_slice() {
                *block = None;
            } else {
                overwrite(block, from, now);
            }
            at += now.len() as u64;
            data = rest;
        }
        self.seen.len = self.seen.len.max(at);
    }

    /// Allocates a range; the file becomes as long as it unless `keep_len`.
    pub(crate) fn allocate(&mut self, offset: u64, len: u64, keep_len: bool) {
        for number in number(offset)..blocks(offset + len) {
            self.block(number);
        }
        if !keep_len {
            self.seen.len = self.seen.len.max(offset + len);
        }
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        let gone = self.seen.blocks.split_off(&blocks(len));
        self.dirty.extend(gone.into_keys());
        if within(len) > 0 && self.seen.blocks.contains_key(&number(len)) {
            overwrite(self.block(number(len)), within(len), ZEROS.get(within(len)..).unwrap_or_default());
        }
        self.seen.len = len;
    }

    /// Everything written so far is durable.
    pub(crate) fn sync(&mut self) {
        for number in std::mem::take(&mut self.dirty) {
            self.kept.set(number, self.seen.blocks.get(&number).cloned());
        }
        self.kept.len = self.seen.len;
    }

    /// A sync has failed: as Linux does, what was not written counts as written from now on, and is lost for all that.
    pub(crate) fn fail_sync(&mut self) {
        self.dirty.clear();
    }

    /// Nobody can see it any more; gives how many blocks that frees.
    pub(crate) fn clear_seen(&mut self) -> u64 {
        let freed = self.allocated();
        self.seen = State::default();
        self.dirty.clear();
        freed
    }

    /// The power was cut. Of each sector that was not synced the new octets are kept, by `percent`, or the old.
    pub(crate) fn cut(&mut self, random: &mut Random, percent: u64) {
        let mut wrote = false;
        for number in std::mem::take(&mut self.dirty) {
            let new = self.seen.octets(number);
            for sector in (0..BLOCK).step_by(SECTOR).filter(|_| random.chance(percent)) {
                wrote = true;
                let block = self.kept.blocks.entry(number).or_default();
                overwrite(block, sector, new.get(sector..sector + SECTOR).unwrap_or_default());
            }
        }
        if wrote || random.chance(percent) {
            self.kept.len = self.seen.len;
        }
        self.seen = self.kept.clone();
    }

    /// The block of that number, allocated, and dirty from now on.
    fn block(&mut self, number: u64) -> &mut Block {
        self.dirty.insert(number);
        self.seen.blocks.entry(number).or_default()
    }
}

impl State {
    fn octets(&self, number: u64) -> &[u8] {
        self.blocks.get(&number).and_then(Option::as_ref).map_or(ZEROS, |block| block).as_slice()
    }

    /// Sets a block, or makes it a hole.
    fn set(&mut self, number: u64, block: Option<Block>) {
        match block {
            Some(block) => drop(self.blocks.insert(number, block)),
            None => drop(self.blocks.remove(&number)),
        }
    }
}

fn overwrite(block: &mut Block, from: usize, octets: &[u8]) {
    let block = block.get_or_insert_with(|| Arc::new(*ZEROS));
    if let Some(place) = Arc::make_mut(block).get_mut(from..from + octets.len()) {
        place.copy_from_slice(octets);
    }
}

/// The number of the block that an offset lies in.
fn number(offset: u64) -> u64 {
    offset / BLOCK as u64
}

/// How many blocks so many octets take.
fn blocks(len: u64) -> u64 {
    len.div_ceil(BLOCK as u64)
}

fn within(offset: u64) -> usize {
    usize::try_from(offset % BLOCK as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_across_blocks_and_holes() {
        let mut content = Content::default();
        content.write(5000, b"hello");
        content.write(4094, b"abcd");
        assert_eq!((content.len(), content.allocated()), (5005, 1 + 1));
        assert_eq!(content.read(4093, 7), b"\0abcd\0\0");
        assert_eq!(content.read(5000, 100), b"hello");
        assert_eq!(content.missing(0, 3 * BLOCK as u64), 1);
        content.set_len(5002);
        content.set_len(5005);
        assert_eq!(content.read(5000, 100), b"he\0\0\0");
    }

    #[test]
    fn a_cut_takes_what_was_not_synced_and_keeps_what_was() {
        let mut content = Content::default();
        content.write(0, b"old");
        content.sync();
        content.write(1, b"ew and longer");
        content.cut(&mut Random::new(1), 0);
        assert_eq!(content.read(0, 100), b"old");
        content.write(0, b"new");
        content.cut(&mut Random::new(1), 100);
        assert_eq!(content.read(0, 100), b"new");
    }

    #[test]
    fn a_torn_write_is_torn_at_sectors() {
        let mut content = Content::default();
        content.write(0, &[1; 4 * BLOCK]);
        content.sync();
        content.write(0, &[2; 4 * BLOCK]);
        content.cut(&mut Random::new(3), 50);
        let octets = content.read(0, 4 * BLOCK);
        let sectors: Vec<&[u8]> = octets.chunks(SECTOR).collect();
        assert!(sectors.iter().all(|sector| sector.iter().all(|octet| octet == &sector[0])));
        let new = sectors.iter().filter(|sector| sector[0] == 2).count();
        assert!((1..sectors.len()).contains(&new), "{new} of {}", sectors.len());
    }

    #[test]
    fn after_a_failed_sync_another_sync_saves_nothing() {
        let mut content = Content::default();
        content.write(0, b"lost");
        content.fail_sync();
        assert_eq!(content.read(0, 4), b"lost", "the page cache still has it");
        content.sync();
        content.cut(&mut Random::new(1), 100);
        assert_eq!(content.read(0, 4), b"\0\0\0\0");
    }
}
