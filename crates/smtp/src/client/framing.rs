//! How content is told from commands on its way out: by its last line, or by its length.

use std::{io::Write, mem};

use crate::stuffing::Encoder;

/// One or the other, with what is left to do.
#[derive(Debug)]
pub(super) enum Framing {
    /// After DATA: up to a line with a dot alone.
    Lines(Encoder),
    /// After BDAT (RFC 3030 §2): so many octets, just as they are.
    Chunk(Chunk),
}

/// A chunk that is being written.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Octets that were announced and are not written yet.
    left: u64,
    /// There were more octets than announced; they were dropped.
    overflown: bool,
}

impl Framing {
    /// After DATA.
    pub(super) fn lines() -> Self {
        Self::Lines(Encoder::default())
    }

    /// Writes the command for a message of so many octets, which is its own and last chunk.
    pub(super) fn chunk(octets: u64, out: &mut Vec<u8>) -> Self {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "BDAT {octets} LAST\r\n");
        Self::Chunk(Chunk { left: octets, overflown: false })
    }

    /// Writes a piece. What exceeds a chunk is dropped: the server would take it for commands.
    pub(super) fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Lines(encoder) => encoder.encode(piece, out),
            Self::Chunk(Chunk { left, overflown }) => {
                let fits = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
                out.extend_from_slice(piece.get(..fits).unwrap_or_default());
                *left -= fits as u64;
                *overflown |= fits < piece.len();
            }
        }
    }

    /// Ends the content. False: it has not the length that was said, so that there is no end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Lines(encoder) => {
                mem::take(encoder).finish(out);
                true
            }
            Self::Chunk(Chunk { left, overflown }) => *left == 0 && !*overflown,
        }
    }
}
