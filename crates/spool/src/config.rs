//! The settings of the spool.

use std::{path::PathBuf, time::Duration};

/// Where the spool is and how it uses its room.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its directory; nothing else may be in it.
    pub dir: PathBuf,
    /// The number of this node, part of each queue id.
    pub node: u16,
    /// What tells this machine from others, in one line for people: a spool that another one used last is told by it. None: nobody is told.
    pub host: Option<Box<str>>,
    /// Octets of a segment: 64 MiB. At least [`SEGMENT_OCTETS_MIN`]; small ones are for tests and small disks.
    pub segment_octets: u64,
    /// How many finished segments are kept to be overwritten.
    pub segments_spare_max: usize,
    /// From how many segments on the cleaner looks for sparse ones. What it moves is in its way again this many segments later, so
    /// more of them cost room, and fewer cost time. Where room is short it does not wait for them.
    pub clean_from: usize,
    /// How much room new mail must leave.
    pub reserve: Reserve,
    /// Content beyond this many octets goes to a file of its own.
    pub content_in_memory_max: usize,
    /// Content and envelopes of fresh mail kept in memory for their first delivery, in octets.
    pub cache_octets: usize,
    /// Octets of mail on its way in that all sessions together hold in memory until it is committed. Beyond, it is refused for now.
    pub memory_max: usize,
    /// Recipients of messages in the queue, each of which is known in memory. Beyond, new mail is refused for now.
    pub recipients_max: usize,
    /// How long a completion may wait for company before it is synced alone.
    pub completion_delay: Duration,
}

/// No segment is smaller, so that each holds some messages.
pub const SEGMENT_OCTETS_MIN: u64 = 256 << 10;

impl Config {
    /// The settings for a server.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            node: 0,
            host: None,
            segment_octets: 64 << 20,
            segments_spare_max: 8,
            clean_from: 8,
            reserve: Reserve::default(),
            content_in_memory_max: 128 * 1024,
            cache_octets: 32 << 20,
            memory_max: 256 << 20,
            recipients_max: 5_000_000,
            completion_delay: Duration::from_millis(100),
        }
    }

    /// The settings for a laptop: 4 MiB segments, little in reserve.
    pub fn small(dir: PathBuf) -> Self {
        Self {
            segment_octets: 4 << 20,
            segments_spare_max: 1,
            clean_from: 4,
            reserve: Reserve { percent: 0, min: 16 << 20, max: 16 << 20 },
            cache_octets: 4 << 20,
            ..Self::new(dir)
        }
    }
}

/// Room that only completions, reports and the cleaner may use: so many per cent of the file system, within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Per cent of the file system.
    pub percent: u64,
    /// At least so many octets.
    pub min: u64,
    /// At most so many octets.
    pub max: u64,
}

/// 5 %, at least 256 MiB, at most 2 GiB.
impl Default for Reserve {
    fn default() -> Self {
        Self { percent: 5, min: 256 << 20, max: 2 << 30 }
    }
}

impl Reserve {
    /// The reserve on a file system of `total` octets.
    pub fn octets(&self, total: u64) -> u64 {
        (total / 100).saturating_mul(self.percent).clamp(self.min, self.max.max(self.min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_keeps_its_bounds() {
        let reserve = Reserve::default();
        assert_eq!(reserve.octets(1 << 30), 256 << 20);
        assert_eq!(reserve.octets(20_000_000_000), 1_000_000_000);
        assert_eq!(reserve.octets(1 << 50), 2 << 30);
        assert_eq!(Reserve { percent: 0, min: 5, max: 1 }.octets(1 << 30), 5);
    }
}
