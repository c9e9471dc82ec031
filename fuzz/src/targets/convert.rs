//! Conversion for a next hop that lacks an extension: the same in any pieces, it fits, and a second time nothing changes.
//!
//! The first octet is the size of pieces, and what the next hop takes.

use mail_parser::MessageParser;
use message::convert::{Converter, Needs, Plan, Refusal, Survey, Target};

use crate::source::pieces;

pub(crate) fn run(octets: &[u8]) {
    let Some((knob, content)) = octets.split_first() else { return };
    let target = if knob & 1 == 1 { Target::EightBit } else { Target::SevenBit };
    let converted = convert(content, 255, target);
    assert_eq!(converted, convert(content, knob >> 1, target), "cut otherwise, it is converted otherwise");
    let Ok(out) = converted else { return };
    let needs = survey(&out, 255).needs();
    assert!(target.takes(needs), "it does not fit: {needs:?}");
    assert_eq!(convert(&out, 255, target), Ok(out.clone()), "the second time it changes");
    if target.takes(survey(content, 255).needs()) {
        assert_eq!(out, content, "it did fit");
    }
    single_text(content, &out);
}

/// Another reader sees the same text, if the message is one text of which there can be no two opinions.
fn single_text(content: &[u8], out: &[u8]) {
    let body = b"\r\n\r\n";
    let is_plain =
        content.starts_with(b"Subject: x\r\n\r\n") && survey(content, 255).needs() == Needs::EightBit;
    // It shows octets that are no UTF-8 as U+FFFD.
    if !is_plain || out == content || std::str::from_utf8(content).is_err() {
        return;
    }
    let before = &content[testkit::by_the_book::find(content, body).unwrap_or(0) + body.len()..];
    let parsed = MessageParser::default().parse(out).expect("a message");
    let after = parsed.parts.first().expect("a part").contents();
    assert_eq!(after, before, "{}", String::from_utf8_lossy(out));
}

fn survey(content: &[u8], size: u8) -> Plan {
    let mut survey = Survey::new();
    pieces(content, size).for_each(|piece| survey.push(piece));
    survey.finish()
}

fn convert(content: &[u8], size: u8, target: Target) -> Result<Vec<u8>, Refusal> {
    let mut converter = Converter::new(&survey(content, size), target)?;
    let mut out = Vec::new();
    pieces(content, size).for_each(|piece| converter.push(piece, &mut out));
    converter.finish(&mut out);
    Ok(out)
}
