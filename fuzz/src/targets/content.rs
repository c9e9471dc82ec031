//! The framing of DATA: only CR LF . CR LF ends it, wherever it is cut, and what was taken is sent to the same.
//!
//! The first octet says how large the pieces are, and whether bare line ends are mended.

use smtp::{
    framing::{BareLineEnds, Decoder},
    stuffing::Encoder,
};
use testkit::{
    by_the_book::{self, Decoded, in_lines},
    second_opinion,
};

use crate::source::pieces;

pub(crate) fn run(octets: &[u8]) {
    let Some((knob, input)) = octets.split_first() else { return };
    let bare = if knob & 1 == 1 { BareLineEnds::Normalise } else { BareLineEnds::Refuse };
    let decoded = decode(input, 255, bare);
    assert_eq!(decoded, decode(input, knob >> 1, bare), "cut otherwise, it is decoded otherwise");
    assert_eq!(decoded, by_the_book::decoded(input, bare));
    if let Some((used, Ok(content))) = &decoded {
        sent_again(content, knob >> 1);
        if bare == BareLineEnds::Refuse {
            assert_eq!(second_opinion::data(input), Some((*used, content.clone())), "smtp-proto differs");
        }
    }
    // And whatever is to be sent, a reader finds its end where we meant it.
    let lines: Vec<u8> = input.iter().copied().filter(|octet| *octet != 0).collect();
    sent_again(&lines, knob >> 1);
}

fn sent_again(content: &[u8], size: u8) {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    pieces(content, size).for_each(|piece| encoder.encode(piece, &mut out));
    encoder.finish(&mut out);
    assert_eq!(decode(&out, 255, BareLineEnds::Refuse), Some((out.len(), Ok(in_lines(content)))));
    assert_eq!(second_opinion::data(&out), Some((out.len(), in_lines(content))), "smtp-proto differs");
}

fn decode(input: &[u8], size: u8, bare: BareLineEnds) -> Decoded {
    let (mut decoder, mut out, mut used) = (Decoder::new(bare), Vec::new(), 0);
    for piece in pieces(input, size) {
        let (taken, ended) = decoder.decode(piece, &mut out);
        used += taken;
        if ended {
            return Some((used, decoder.fault().map_or(Ok(out), Err)));
        }
        assert_eq!(taken, piece.len());
    }
    None
}
