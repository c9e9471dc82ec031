//! Content in chunks (RFC 3030 §2): it comes through whatever their number and however the stream is cut, or is refused whole.
//!
//! The first three octets: size of the chunks, size of the pieces, and whether bare line ends are mended.

use smtp::{Protocol, server::Limits};
use testkit::by_the_book::{in_lines, normalised};

use crate::{
    source::pieces,
    talk::{Talk, count_replies},
};

pub(crate) fn run(octets: &[u8]) {
    let [chunk, piece, mend, content @ ..] = octets else { return };
    // The questions are: connected, hello, mail, recipient, data, …
    let choices = if mend & 1 == 1 { [0, 0, 0, 0, 1, 0] } else { [0; 6] };
    let mut talk = Talk::new(Protocol::Smtp, Limits::default(), &choices);
    talk.send(b"EHLO client.example.net\r\n");
    talk.send(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n");
    let mut stream = Vec::new();
    let chunks: Vec<&[u8]> = pieces(content, *chunk).collect();
    for chunk in &chunks {
        stream.extend(format!("BDAT {}\r\n", chunk.len()).into_bytes());
        stream.extend(*chunk);
    }
    stream.extend(b"BDAT 0 LAST\r\n");
    let said: Vec<u8> = pieces(&stream, *piece).flat_map(|piece| talk.send(piece)).collect();
    assert_eq!(count_replies(&said), chunks.len() + 1, "{}", String::from_utf8_lossy(&said));
    let (lines, whole) = (normalised(content), in_lines(content));
    let in_order = lines == content || whole == content;
    if !content.contains(&0) && (mend & 1 == 1 || in_order) {
        assert_eq!(talk.contents, [whole]);
    } else {
        assert!(talk.contents.is_empty(), "taken with a bare line end or NUL");
    }
    // And the session is where it was.
    assert!(talk.send(b"RSET\r\n").starts_with(b"250 "));
}
