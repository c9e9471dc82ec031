//! Replies out of octets (RFC 5321 §4.2), however hostile the server.

use mail::{EnhancedStatus, Reply};
use wire::Input;

/// RFC 5321 §4.5.3.1.5 says 512; longer ones exist and do no harm up to here.
const LINE_OCTETS_MAX: usize = 4096;
/// Lines of one reply.
const LINES_MAX: usize = 128;
/// Octets of text that are kept of one reply; lines beyond are read and dropped.
const TEXT_OCTETS_MAX: usize = 8192;

/// Puts the lines of one reply together.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    code: u16,
    lines: usize,
    enhanced: Option<EnhancedStatus>,
    text: String,
}

/// One line of a reply.
struct Line<'a> {
    code: u16,
    last: bool,
    text: &'a [u8],
}

impl ReplyReader {
    /// The next reply, once it is complete. The error says what is wrong with it; nothing can follow then.
    pub(super) fn next(&mut self, input: &mut Input) -> Result<Option<Reply>, &'static str> {
        while let Some(length) = input.line() {
            if length > LINE_OCTETS_MAX {
                break;
            }
            let line = parse_line(input.pending().get(..length).unwrap_or_default())?;
            let last = line.last;
            self.add(&line)?;
            input.consume(length);
            if last {
                return Ok(Some(self.take()));
            }
        }
        if input.len() > LINE_OCTETS_MAX { Err("reply line too long") } else { Ok(None) }
    }

    /// Whether a reply has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    fn add(&mut self, line: &Line<'_>) -> Result<(), &'static str> {
        if self.lines == LINES_MAX {
            return Err("reply of too many lines");
        }
        // RFC 5321 §4.2.1: "the same reply code" on every line.
        if self.lines > 0 && self.code != line.code {
            return Err("reply codes differ between lines");
        }
        let text = String::from_utf8_lossy(line.text);
        let (enhanced, text) = split_enhanced(line.code, &text);
        if self.lines == 0 {
            self.enhanced = enhanced;
        }
        if self.text.len() + text.len() < TEXT_OCTETS_MAX {
            if self.lines > 0 {
                self.text.push('\n');
            }
            self.text.push_str(text);
        }
        self.code = line.code;
        self.lines += 1;
        Ok(())
    }

    fn take(&mut self) -> Reply {
        let Self { code, enhanced, text, .. } = std::mem::take(self);
        match enhanced {
            Some(enhanced) => Reply::new(code, enhanced, text),
            None => Reply::plain(code, text),
        }
    }
}

/// ```text
/// Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
/// Reply-code = %x32-35 %x30-35 %x30-39
/// ```
/// LF alone ends a line too: a server that sends so harms nobody but itself. Any second digit is taken.
fn parse_line(line: &[u8]) -> Result<Line<'_>, &'static str> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (digits, rest) = line.split_at_checked(3).ok_or("not a reply")?;
    let code = digits.iter().try_fold(0, |code: u16, octet| {
        octet.is_ascii_digit().then(|| code * 10 + u16::from(octet - b'0')).ok_or("not a reply")
    })?;
    if !(200..600).contains(&code) {
        return Err("not a reply code");
    }
    match rest.split_first() {
        None => Ok(Line { code, last: true, text: rest }),
        Some((b' ', text)) => Ok(Line { code, last: true, text }),
        Some((b'-', text)) => Ok(Line { code, last: false, text }),
        Some(_) => Err("not a reply"),
    }
}

/// Takes an enhanced status code off the front; only one of the reply's own class is one (RFC 2034 §4).
fn split_enhanced(code: u16, text: &str) -> (Option<EnhancedStatus>, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    match first.parse::<EnhancedStatus>() {
        Ok(enhanced) if u16::from(enhanced.class) == code / 100 => (Some(enhanced), rest),
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(octets: &[u8], cut: usize) -> Result<Vec<Reply>, &'static str> {
        let (mut reader, mut input, mut replies) = (ReplyReader::default(), Input::default(), Vec::new());
        let cut = cut.min(octets.len());
        for part in [&octets[..cut], &octets[cut..]] {
            input.push(part);
            while let Some(reply) = reader.next(&mut input)? {
                replies.push(reply);
            }
        }
        Ok(replies)
    }

    #[test]
    fn what_servers_really_send_is_understood() {
        for (wire, shown) in [
            ("250\r\n", "250"),
            ("250 \r\n", "250"),
            ("250-a\r\n250\r\n", "250 a"),
            ("250 ok\n", "250 ok"),
            ("550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1\r\n", "550 5.7.1 a b"),
            ("550 4.7.1 class differs\r\n", "550 4.7.1 class differs"),
            ("571 5.7.1 odd code\r\n", "571 5.7.1 odd code"),
            ("220 2.0.0.1 is no status\r\n", "220 2.0.0.1 is no status"),
            ("550 caf\u{e9}\u{1b}[2J\r\n", "550 caf\u{e9}?[2J"),
        ] {
            let replies = read(wire.as_bytes(), 3).unwrap();
            assert_eq!(replies.iter().map(Reply::to_string).collect::<Vec<_>>(), [shown], "{wire:?}");
        }
        let differs = &read(b"550 4.7.1 x\r\n", 0).unwrap()[0];
        assert_eq!((differs.enhanced(), differs.text()), (None, "4.7.1 x"));
    }

    #[test]
    fn a_text_without_bound_is_cut() {
        let reply = [b"250-".as_slice(), &[b'x'; 4000], b"\r\n"].concat().repeat(100);
        let reply = [reply.as_slice(), b"250 end\r\n"].concat();
        let replies = read(&reply, 5000).unwrap();
        assert!(replies.len() == 1 && replies[0].text().len() <= TEXT_OCTETS_MAX);
    }

    proptest! {
        #[test]
        fn a_reply_that_is_written_reads_the_same(
            class in prop_oneof![Just(2_u8), Just(4), Just(5)], rest in 0..100_u16, status: Option<(u8, u8)>,
            text in "[a-z][ -~é]{0,20}(\\n[a-z][ -~é]{0,20}){0,3}", cut in 0..60_usize,
        ) {
            let code = u16::from(class) * 100 + rest;
            let reply = match status {
                Some((subject, detail)) => {
                    Reply::new(code, EnhancedStatus::new(class, subject.into(), detail.into()), text)
                }
                None => Reply::plain(code, text),
            };
            let mut out = Vec::new();
            reply.write_to(&mut out);
            reply.write_to(&mut out);
            prop_assert_eq!(read(&out, cut), Ok(vec![reply.clone(), reply]));
        }
    }
}
