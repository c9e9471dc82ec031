//! The content of one message on its way to the policy, in pieces.

use mail::Reply;

use super::replies;
use crate::framing::{BareLineEnds, Decoder, Fault};

/// About how much goes to the policy at once: what a session may hold in memory.
const PIECE_OCTETS: usize = 64 * 1024;

/// Content while it is read.
#[derive(Debug)]
pub(super) struct Content {
    decoder: Decoder,
    piece: Vec<u8>,
    /// Octets in pieces that the policy already has.
    handed_on: u64,
    octets_max: u64,
    /// Octets that may yet be discarded before we give up on the client.
    patience: u64,
    refusal: Option<Reply>,
    ended: bool,
}

/// What content wants next.
pub(super) enum Progress {
    /// More octets.
    Hungry,
    /// Hand this piece on.
    Piece(Vec<u8>),
    /// Hand the last piece on, and say whether bare line ends were repaired.
    Last { piece: Vec<u8>, repaired: bool },
    /// It is over, and refused with this reply; `close` if the session must end too.
    Refused { reply: Reply, close: bool },
}

impl Content {
    /// `size`: what MAIL said, so that the first piece is allocated once.
    pub(super) fn new(bare: BareLineEnds, size: Option<u64>, octets_max: u64) -> Self {
        let expected = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        Self {
            decoder: Decoder::new(bare),
            piece: Vec::with_capacity(expected.min(PIECE_OCTETS)),
            handed_on: 0,
            octets_max,
            // A client that overshoots may be sending in good faith; one that sends twice as much is not.
            patience: octets_max.max(PIECE_OCTETS as u64),
            refusal: None,
            ended: false,
        }
    }

    /// Takes octets until the piece is full or the data end. Says how many it took.
    pub(super) fn take(&mut self, octets: &[u8]) -> usize {
        let mut taken = 0;
        while !self.ended && taken < octets.len() && self.piece.len() < PIECE_OCTETS {
            let rest = octets.get(taken..).unwrap_or_default();
            let room = rest.len().min(PIECE_OCTETS - self.piece.len());
            let (used, ended) = self.decoder.decode(rest.get(..room).unwrap_or_default(), &mut self.piece);
            taken += used;
            self.ended = ended;
            self.check(used);
        }
        taken
    }

    /// The policy refuses the message: the rest is discarded, and the reply comes at the end.
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refusal.get_or_insert(reply);
        self.decoder.discard();
        self.piece = Vec::new();
    }

    pub(super) fn progress(&mut self) -> Progress {
        match self.refusal.take() {
            Some(reply) if self.ended => {
                // A reply of 421 ends the session (RFC 5321 §3.8). So does a bare line end: who knows where this
                // client believes that its content ended?
                let close = reply.code() == 421
                    || self.patience == 0
                    || self.decoder.fault() == Some(Fault::BareLineEnd);
                Progress::Refused { reply, close }
            }
            Some(reply) => {
                self.refusal = Some(reply);
                Progress::Hungry
            }
            None if self.ended => {
                let repaired = self.decoder.repaired();
                Progress::Last { piece: std::mem::take(&mut self.piece), repaired }
            }
            None if self.piece.len() >= PIECE_OCTETS => {
                self.handed_on += self.piece.len() as u64;
                Progress::Piece(std::mem::take(&mut self.piece))
            }
            None => Progress::Hungry,
        }
    }

    fn check(&mut self, used: usize) {
        if self.refusal.is_some() {
            self.patience = self.patience.saturating_sub(used as u64);
            self.ended |= self.patience == 0;
        } else if let Some(fault) = self.decoder.fault() {
            self.refuse(replies::fault(fault));
        } else if self.handed_on + self.piece.len() as u64 > self.octets_max {
            self.refuse(replies::TOO_LARGE);
        }
    }
}
