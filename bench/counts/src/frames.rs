//! Content between the dots of the protocol and what is stored.

use std::hint::black_box;

use smtp::{
    framing::{BareLineEnds, Decoder},
    stuffing::Encoder,
};

use crate::texts::content_10k;

/// What a driver reads at once.
const READ_OCTETS: usize = 4096;

/// DATA framing of 10 KiB, as it comes from a socket.
pub(crate) fn decode(times: u64) {
    let mut wire = Vec::new();
    let mut encoder = Encoder::default();
    encoder.encode(&content_10k(), &mut wire);
    encoder.finish(&mut wire);
    let mut out = Vec::with_capacity(wire.len());
    for _ in 0..times {
        out.clear();
        let mut decoder = Decoder::new(BareLineEnds::Refuse);
        for part in black_box(&wire).chunks(READ_OCTETS) {
            black_box(decoder.decode(part, &mut out));
        }
        black_box(&out);
    }
}

/// The way back, in one piece.
pub(crate) fn encode(times: u64) {
    let content = content_10k();
    let mut out = Vec::with_capacity(2 * content.len());
    for _ in 0..times {
        out.clear();
        let mut encoder = Encoder::default();
        encoder.encode(black_box(&content), &mut out);
        encoder.finish(&mut out);
        black_box(&out);
    }
}
