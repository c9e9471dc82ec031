//! The framing of DATA: only CR LF . CR LF ends it, wherever it is cut, and what was taken is sent to the same.
//!
//! The first octet says how large the pieces are, and whether bare line ends are mended.

use smtp::{
    framing::{BareLineEnds, Decoder, Fault},
    stuffing::Encoder,
};

use crate::{
    oracle,
    source::{find, in_lines, pieces},
};

/// Octets used, and the content or why it is none; nothing if there is no end.
type Decoded = Option<(usize, Result<Vec<u8>, Fault>)>;

pub(crate) fn run(octets: &[u8]) {
    let Some((knob, input)) = octets.split_first() else { return };
    let bare = if knob & 1 == 1 { BareLineEnds::Normalise } else { BareLineEnds::Refuse };
    let decoded = decode(input, 255, bare);
    assert_eq!(decoded, decode(input, knob >> 1, bare), "cut otherwise, it is decoded otherwise");
    assert_eq!(decoded, by_the_book(input, bare));
    if let Some((used, Ok(content))) = &decoded {
        sent_again(content, knob >> 1);
        if bare == BareLineEnds::Refuse {
            assert_eq!(oracle::data(input), Some((*used, content.clone())), "smtp-proto differs");
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
    assert_eq!(oracle::data(&out), Some((out.len(), in_lines(content))), "smtp-proto differs");
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

/// As RFC 5321 §4.1.1.4 and §4.5.2 word it, for content that is all there.
fn by_the_book(input: &[u8], bare: BareLineEnds) -> Decoded {
    let lines = [b"\r\n", input].concat();
    let end = find(&lines, b"\r\n.\r\n")?;
    let mut rest = &lines[..end + 2];
    let mut unstuffed = Vec::new();
    while let Some(at) = find(rest, b"\r\n.") {
        unstuffed.extend(&rest[..at + 2]);
        rest = &rest[at + 3..];
    }
    unstuffed.extend(rest);
    let content = &unstuffed[2..];
    let nul = content.iter().position(|octet| *octet == 0);
    let is_bare = |at: &usize| match content[*at] {
        b'\r' => content.get(at + 1) != Some(&b'\n'),
        b'\n' => *at == 0 || content[at - 1] != b'\r',
        _ => false,
    };
    let bare_at = (0..content.len()).find(is_bare).filter(|_| bare == BareLineEnds::Refuse);
    let result = match (nul, bare_at) {
        (None, None) => Ok(crate::source::normalised(content)),
        (Some(nul), Some(bare)) if nul < bare => Err(Fault::Nul),
        (Some(_), None) => Err(Fault::Nul),
        (_, Some(_)) => Err(Fault::BareLineEnd),
    };
    Some((end + 3, result))
}
