//! The structure of a message: the same in any pieces, what it has adds up, and what is kept of it comes back.
//!
//! The first octet is the size of pieces.

use message::mime::{
    Content, Envelope, Message, PARTS_MAX, PREVIEW_CHARACTERS_MAX, Parser, Part, PartText, Preview,
    base_subject, header_text, message_ids, sent,
};

use crate::source::pieces;

pub(crate) fn run(octets: &[u8]) {
    let Some((size, content)) = octets.split_first() else { return };
    let message = Message::parse(content);
    let mut parser = Parser::new();
    pieces(content, *size).for_each(|piece| parser.push(piece));
    assert_eq!(parser.finish(), message, "cut otherwise, it is another");
    assert_eq!(message.root.body.at + message.root.body.octets, content.len() as u64);
    adds_up(&message.root, 0, content.len() as u64, content);
    assert!(message.leaves().count() <= PARTS_MAX);
    let kept = message.encode();
    assert_eq!(Envelope::decode(&kept).as_ref(), Ok(&message.envelope));
    assert_eq!(Message::decode(&kept).as_ref(), Ok(&message), "what is kept is another");
    // Any octets as if they had been kept: refused, or read.
    let _ = (Message::decode(content), Envelope::decode(content));
    let versioned = [&[1, 0], content].concat();
    if let Ok(read) = Message::decode(&versioned) {
        assert_eq!(Message::decode(&read.encode()), Ok(read));
    }
    texts(&message, content, *size);
}

/// Each part lies in its parent, behind what came before it.
fn adds_up(part: &Part, from: u64, to: u64, content: &[u8]) {
    assert!(from <= part.header.at && part.header.at + part.header.octets == part.body.at);
    assert!(part.body.at + part.body.octets <= to);
    assert_eq!(part.lines, body(part, content).split(|octet| *octet == b'\n').count() as u64 - 1);
    let end = part.body.at + part.body.octets;
    match &part.content {
        Content::Single => {}
        Content::Multipart(parts) => {
            parts.iter().fold(part.body.at, |from, inner| {
                adds_up(inner, from, end, content);
                inner.body.at + inner.body.octets
            });
        }
        Content::Message(message) => {
            assert_eq!(message.root.body.at + message.root.body.octets, end);
            adds_up(&message.root, part.body.at, end, content);
        }
    }
}

fn body<'a>(part: &Part, content: &'a [u8]) -> &'a [u8] {
    let at = usize::try_from(part.body.at).expect("in memory");
    &content[at..at + usize::try_from(part.body.octets).expect("in memory")]
}

fn texts(message: &Message, content: &[u8], size: u8) {
    for part in message.leaves().take(4) {
        let (mut whole, mut cut) = (String::new(), String::new());
        let mut text = PartText::of(part);
        text.push(body(part, content), &mut whole);
        text.finish(&mut whole);
        let mut text = PartText::of(part);
        pieces(body(part, content), size).for_each(|piece| text.push(piece, &mut cut));
        text.finish(&mut cut);
        assert_eq!(whole, cut, "cut otherwise, it is another text");
        let mut preview = Preview::of(part);
        pieces(body(part, content), size).all(|piece| preview.push(piece));
        assert!(preview.finish().chars().count() <= PREVIEW_CHARACTERS_MAX);
        let _ = part.file_name();
    }
    let envelope = &message.envelope;
    for raw in
        [&envelope.subject, &envelope.date, &envelope.in_reply_to, &envelope.message_id, &message.references]
    {
        let raw = raw.as_deref().unwrap_or_default();
        let text = header_text(raw);
        let base = base_subject(&text);
        assert_eq!(base_subject(&base.text).text, base.text, "a base has a base");
        assert!(message_ids(raw).iter().all(|id| !id.is_empty()));
        let _ = sent(raw);
    }
}
