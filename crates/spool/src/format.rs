//! The form of segments on disk: headers of segments, batches and records (docs/design/spool-format.md).

use mail::QueueId;

use crate::octets::Octets;

/// The version of the segment format. An older one is read, a newer one refused.
pub(crate) const VERSION: u32 = 1;
/// The version of a record's payload; unknown fields are kept, so this rises only if a field's meaning changes.
pub(crate) const RECORD_VERSION: u8 = 1;
/// Batches begin at multiples of this, so that writing one never touches a block of the one before.
pub(crate) const BLOCK: u64 = 4096;
const BLOCK_OCTETS: usize = 4096;
/// The segment header and its copy take a block each.
pub(crate) const SEGMENT_DATA: u64 = 2 * BLOCK;
/// The header and its copy, to be read at once.
pub(crate) const SEGMENT_HEADERS: usize = 2 * BLOCK_OCTETS;
/// Octets of a batch or record header.
pub(crate) const HEADER_LEN: usize = 64;
/// The same, where lengths have 32 bits.
pub(crate) const HEADER_LEN_U32: u32 = 64;
/// A content record holds no more.
pub(crate) const PIECE_MAX: usize = 64 * 1024;

const MAGIC: &[u8; 8] = b"POSTSPOL";

/// 128 random bits, new for each use of a segment: what does not carry it is not of this use.
pub(crate) type Tag = [u8; 16];

/// What stands at the head of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The segments' order is the order of their numbers.
    pub(crate) segment: u32,
    pub(crate) tag: Tag,
    /// Written at open: the LSNs need not go on from the segment before.
    pub(crate) first_of_run: bool,
}

/// Why a segment header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Damaged,
    Newer(u32),
}

impl SegmentHeader {
    /// Where the copy stands.
    pub(crate) const COPY_AT: u64 = BLOCK;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * BLOCK_OCTETS);
        for end in [BLOCK_OCTETS, 2 * BLOCK_OCTETS] {
            let start = out.len();
            out.extend_from_slice(MAGIC);
            out.extend_from_slice(&VERSION.to_le_bytes());
            out.extend_from_slice(&self.segment.to_le_bytes());
            out.extend_from_slice(&self.tag);
            out.extend_from_slice(&u32::from(self.first_of_run).to_le_bytes());
            let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
            out.extend_from_slice(&crc.to_le_bytes());
            out.resize(end, 0);
        }
        out
    }

    /// Reads the header or, if that is damaged, its copy.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, HeaderError> {
        let first = Self::decode_one(octets);
        match first {
            Err(HeaderError::Damaged) => Self::decode_one(octets.get(BLOCK_OCTETS..).unwrap_or_default()),
            _ => first,
        }
    }

    fn decode_one(octets: &[u8]) -> Result<Self, HeaderError> {
        let read = || {
            let mut cursor = Octets(octets);
            let magic: [u8; 8] = cursor.array()?;
            let version = cursor.u32()?;
            let segment = cursor.u32()?;
            let tag = cursor.array()?;
            let first_of_run = cursor.u32()? == 1;
            let checked = octets.get(..36)?;
            let is_good = &magic == MAGIC && cursor.u32()? == crc32c::crc32c(checked);
            is_good.then_some((version, Self { segment, tag, first_of_run }))
        };
        // All versions keep these fields and this checksum, so that damage is no newer version.
        match read() {
            Some((version, _)) if version > VERSION => Err(HeaderError::Newer(version)),
            Some((_, header)) => Ok(header),
            None => Err(HeaderError::Damaged),
        }
    }
}

/// What a header leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) enum Kind {
    /// A batch: what one write and one sync made durable.
    #[default]
    Batch,
    /// A piece of content.
    Content,
    /// An envelope with the state of its recipients and the place of its content.
    Envelope,
    /// What became of recipients since the envelope record.
    Outcome,
    /// A line for the event log.
    Event,
    /// Queue ids that are done, told again so that an older segment can go.
    Done,
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Batch => 1,
            Self::Content => 2,
            Self::Envelope => 3,
            Self::Outcome => 4,
            Self::Event => 5,
            Self::Done => 6,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Batch, Self::Content, Self::Envelope, Self::Outcome, Self::Event, Self::Done]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

/// The header of a record. A frame is `count` records with the LSNs from `lsn - index` on: they count together or not
/// at all. Content records stand apart and are found through the envelope record of their frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) version: u8,
    /// The place within the frame; for content the number of the piece.
    pub(crate) index: u16,
    /// Records of the frame; for content unused.
    pub(crate) count: u16,
    /// Octets of payload.
    pub(crate) len: u32,
    /// Of an envelope: where in this segment its content begins. Of a batch: its blocks.
    pub(crate) extra: u32,
    /// Unique and rising; content has that of its envelope; a batch has its first.
    pub(crate) lsn: u64,
    /// The message; of a batch: the last synced LSN and its own last LSN.
    pub(crate) id: [u8; 16],
    pub(crate) payload_crc: u32,
}

impl RecordHeader {
    /// Appends the header as it stands on disk.
    pub(crate) fn encode(&self, tag: &Tag, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(tag);
        out.push(self.kind.number());
        out.push(self.version);
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.extra.to_le_bytes());
        out.extend_from_slice(&self.lsn.to_le_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header of this use of the segment; none if tag or checksum differ, or the kind is not known.
    pub(crate) fn decode(octets: &[u8], tag: &Tag) -> Option<Self> {
        let mut cursor = Octets(octets);
        if &cursor.array::<16>()? != tag
            || crc32c::crc32c(octets.get(..60)?) != Octets(octets.get(60..)?).u32()?
        {
            return None;
        }
        let (kind, version) = (Kind::from_number(cursor.u8()?)?, cursor.u8()?);
        let (index, count, _) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
        let (len, extra, lsn) = (cursor.u32()?, cursor.u32()?, cursor.u64()?);
        let (id, payload_crc) = (cursor.array()?, cursor.u32()?);
        Some(Self { kind, version, index, count, len, extra, lsn, id, payload_crc })
    }

    pub(crate) fn batch(lsn: u64, last_lsn: u64, synced_lsn: u64, meta_len: u32, blocks: u32) -> Self {
        let mut id = [0; 16];
        let (synced, last) = id.split_at_mut(8);
        synced.copy_from_slice(&synced_lsn.to_le_bytes());
        last.copy_from_slice(&last_lsn.to_le_bytes());
        let (index, count, payload_crc) = (0, 0, 0);
        Self {
            kind: Kind::Batch,
            version: RECORD_VERSION,
            index,
            count,
            len: meta_len,
            extra: blocks,
            lsn,
            id,
            payload_crc,
        }
    }

    /// Of a batch header: the last LSN that was synced when it was written, and its own last LSN.
    pub(crate) fn synced_and_last(&self) -> (u64, u64) {
        let mut cursor = Octets(&self.id);
        (cursor.u64().unwrap_or(0), cursor.u64().unwrap_or(0))
    }

    pub(crate) fn queue_id(&self) -> QueueId {
        QueueId::from_bytes(self.id)
    }
}

/// Payloads are followed by zeros up to a multiple of 8.
pub(crate) const fn padded(len: usize) -> usize {
    len.next_multiple_of(8)
}

/// Octets up to the next block.
pub(crate) const fn to_block(len: u64) -> u64 {
    len.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_copy_of_a_segment_header_serves_when_the_first_is_damaged() {
        let header = SegmentHeader { segment: 7, tag: [9; 16], first_of_run: true };
        let mut octets = header.encode();
        assert_eq!(octets.len() as u64, SEGMENT_DATA);
        octets[20] ^= 1;
        assert_eq!(SegmentHeader::decode(&octets), Ok(header));
        octets[BLOCK_OCTETS + 20] ^= 1;
        assert_eq!(SegmentHeader::decode(&octets), Err(HeaderError::Damaged));
        assert_eq!(SegmentHeader::decode(&[]), Err(HeaderError::Damaged));
    }

    #[test]
    fn a_newer_segment_is_told_apart_from_a_damaged_one() {
        let mut octets = SegmentHeader { segment: 7, tag: [9; 16], first_of_run: false }.encode();
        octets[8] = 2;
        assert!(SegmentHeader::decode(&octets).is_ok(), "one header says so without a checksum: damage");
        let crc = crc32c::crc32c(&octets[..36]).to_le_bytes();
        octets[36..40].copy_from_slice(&crc);
        assert_eq!(SegmentHeader::decode(&octets), Err(HeaderError::Newer(2)));
    }

    proptest! {
        #[test]
        fn record_headers_round_trip(
            index: u16, count: u16, len: u32, extra: u32, lsn: u64, id: [u8; 16], payload_crc: u32, tag: [u8; 16],
            flip in 0..512_usize,
        ) {
            let header = RecordHeader { kind: Kind::Outcome, version: 1, index, count, len, extra, lsn, id, payload_crc };
            let mut out = Vec::new();
            header.encode(&tag, &mut out);
            prop_assert_eq!(out.len(), HEADER_LEN);
            prop_assert_eq!(RecordHeader::decode(&out, &tag), Some(header));
            prop_assert_eq!(RecordHeader::decode(&out, &[0; 16]).filter(|_| tag != [0; 16]), None);
            out[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(RecordHeader::decode(&out, &tag), None);
        }
    }
}
