//! The content of one message on its way to the policy, in pieces.

use mail::Reply;

use super::replies;
use crate::framing::{BareLineEnds, Decoder, Fault, HeaderLines};

/// About how much goes to the policy at once: what a session may hold in memory.
const PIECE_OCTETS: usize = 64 * 1024;

/// What ends the octets that are read now.
#[derive(Debug)]
enum Framing {
    /// CR LF `.` CR LF, which the decoder looks for.
    Dot(Decoder),
    /// A count: this much of a chunk (RFC 3030 §2).
    Chunk { holds: Holds, octets: u64, left: u64, last: bool },
}

/// What chunks may hold.
#[derive(Debug)]
enum Holds {
    /// Lines.
    Text(Decoder),
    /// Any octets (RFC 3030 §3) behind the header section.
    Binary(HeaderLines),
}

/// Content while it is read.
#[derive(Debug)]
pub(super) struct Content {
    framing: Framing,
    piece: Vec<u8>,
    /// Octets in pieces that the policy already has.
    handed_on: u64,
    octets_max: u64,
    /// Octets that may yet be discarded before we give up on the client.
    patience: u64,
    refusal: Option<Reply>,
    /// The data or the chunk is over.
    ended: bool,
}

/// What content wants next.
pub(super) enum Progress {
    /// More octets.
    Hungry,
    /// Hand this piece on.
    Piece(Vec<u8>),
    /// A chunk of so many octets is here, and it is not the last.
    Chunk(u64),
    /// Hand the last piece on, and say whether bare line ends were repaired.
    Last { piece: Vec<u8>, repaired: bool },
    /// It is refused with this reply; `close` if the session must end too.
    Refused {
        reply: Reply,
        close: bool,
        /// If more chunks of it may follow: how many octets of them are discarded before we give up.
        patience: Option<u64>,
    },
}

impl Content {
    /// What follows DATA. `size`: what MAIL said, so that the first piece is allocated once.
    pub(super) fn data(bare: BareLineEnds, size: Option<u64>, octets_max: u64) -> Self {
        Self::new(Framing::Dot(Decoder::new(bare)), size, octets_max)
    }

    /// What follows BDAT, before the first [`chunk`](Self::chunk).
    pub(super) fn chunks(binary: bool, size: Option<u64>, octets_max: u64) -> Self {
        let holds = if binary {
            Holds::Binary(HeaderLines::default())
        } else {
            Holds::Text(Decoder::counted(BareLineEnds::Refuse))
        };
        Self::new(Framing::Chunk { holds, octets: 0, left: 0, last: false }, size, octets_max)
    }

    fn new(framing: Framing, size: Option<u64>, octets_max: u64) -> Self {
        let expected = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        Self {
            framing,
            piece: Vec::with_capacity(expected.min(PIECE_OCTETS)),
            handed_on: 0,
            octets_max,
            patience: patience(octets_max),
            refusal: None,
            ended: false,
        }
    }

    /// The next chunk follows. One that is too large is not even begun with.
    pub(super) fn chunk(&mut self, octets_in_it: u64, is_last: bool) {
        if let Framing::Chunk { octets, left, last, .. } = &mut self.framing {
            (*octets, *left, *last) = (octets_in_it, octets_in_it, is_last);
            self.ended = false;
            if self.len().saturating_add(octets_in_it) > self.octets_max {
                self.refuse(replies::TOO_LARGE);
            }
            self.end_chunk();
        }
    }

    /// What the policy wants of bare line ends in chunks.
    pub(super) fn set_bare(&mut self, bare: BareLineEnds) {
        if let Framing::Chunk { holds: Holds::Text(decoder), .. } = &mut self.framing {
            decoder.set_bare(bare);
        }
    }

    /// Takes octets until the piece is full or the data or the chunk ends. Says how many it took.
    pub(super) fn take(&mut self, octets: &[u8]) -> usize {
        let mut taken = 0;
        while !self.ended && taken < octets.len() && self.piece.len() < PIECE_OCTETS {
            let rest = octets.get(taken..).unwrap_or_default();
            let room = rest.len().min(PIECE_OCTETS - self.piece.len());
            let used = self.decode(rest.get(..room).unwrap_or_default());
            taken += used;
            self.check(used);
        }
        taken
    }

    /// The message is refused: the rest is discarded, and the reply comes at the end of the data or the chunk.
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refusal.get_or_insert(reply);
        if let Framing::Dot(decoder) | Framing::Chunk { holds: Holds::Text(decoder), .. } = &mut self.framing
        {
            decoder.discard();
        }
        self.piece = Vec::new();
    }

    pub(super) fn progress(&mut self) -> Progress {
        if let Some(reply) = self.refusal.take() {
            return self.refused(reply);
        }
        match &self.framing {
            Framing::Chunk { octets, last: false, .. } if self.ended => Progress::Chunk(*octets),
            _ if self.ended => {
                let repaired = self.decoder().is_some_and(Decoder::repaired);
                Progress::Last { piece: std::mem::take(&mut self.piece), repaired }
            }
            _ if self.piece.len() >= PIECE_OCTETS => {
                self.handed_on += self.piece.len() as u64;
                Progress::Piece(std::mem::take(&mut self.piece))
            }
            _ => Progress::Hungry,
        }
    }

    fn refused(&mut self, reply: Reply) -> Progress {
        if !self.ended {
            self.refusal = Some(reply);
            return Progress::Hungry;
        }
        let (confused, over) = match &self.framing {
            // Who knows where a client that sends bare line ends believes that its content ended?
            Framing::Dot(decoder) => (decoder.fault() == Some(Fault::BareLineEnd), true),
            Framing::Chunk { last, .. } => (false, *last),
        };
        // A reply of 421 ends the session (RFC 5321 §3.8).
        let close = confused || reply.code() == 421 || self.patience == 0;
        Progress::Refused { reply, close, patience: (!over).then_some(self.patience) }
    }

    /// Decodes to the end of the piece. Says how many octets it took.
    fn decode(&mut self, octets: &[u8]) -> usize {
        match &mut self.framing {
            Framing::Dot(decoder) => {
                let (used, ended) = decoder.decode(octets, &mut self.piece);
                self.ended = ended;
                used
            }
            Framing::Chunk { holds, left, .. } => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
                let octets = octets.get(..most).unwrap_or_default();
                *left -= most as u64;
                match holds {
                    Holds::Text(decoder) => drop(decoder.decode(octets, &mut self.piece)),
                    Holds::Binary(_) if self.refusal.is_some() => {}
                    Holds::Binary(header) => {
                        self.piece.extend_from_slice(octets);
                        if let Err(fault) = header.read(octets) {
                            self.refuse(replies::fault(fault));
                        }
                    }
                }
                self.end_chunk();
                most
            }
        }
    }

    /// If the chunk is over, so is perhaps the message.
    fn end_chunk(&mut self) {
        let Framing::Chunk { holds, left: 0, last, .. } = &mut self.framing else { return };
        self.ended = true;
        match holds {
            _ if !*last => {}
            Holds::Text(decoder) => {
                decoder.finish(&mut self.piece);
                self.check(0);
            }
            Holds::Binary(header) => {
                if let Err(fault) = header.end() {
                    self.refuse(replies::fault(fault));
                }
            }
        }
    }

    fn check(&mut self, used: usize) {
        if self.refusal.is_some() {
            self.patience = self.patience.saturating_sub(used as u64);
            self.ended |= self.patience == 0;
        } else if let Some(fault) = self.decoder().and_then(Decoder::fault) {
            self.refuse(replies::fault(fault));
        } else if self.len() > self.octets_max {
            self.refuse(replies::TOO_LARGE);
        }
    }

    fn decoder(&self) -> Option<&Decoder> {
        match &self.framing {
            Framing::Dot(decoder) | Framing::Chunk { holds: Holds::Text(decoder), .. } => Some(decoder),
            Framing::Chunk { holds: Holds::Binary(_), .. } => None,
        }
    }

    /// Octets so far.
    fn len(&self) -> u64 {
        self.handed_on + self.piece.len() as u64
    }
}

/// How many octets we discard before we give up on a client. One that overshoots may be sending in good faith; one that
/// sends twice as much is not.
pub(super) fn patience(octets_max: u64) -> u64 {
    octets_max.max(PIECE_OCTETS as u64)
}
