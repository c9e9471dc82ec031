//! Reads SMTP replies out of what arrives.

/// One whole reply (RFC 5321 §4.2), its lines joined by `|`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// Empty for a plain 2yz or 3yz reply but 334: nobody reads it, so it is not copied.
    pub(crate) text: String,
    /// The server announced PIPELINING in this reply (RFC 2920 §3).
    pub(crate) pipelining: bool,
}

/// Gathers octets until they make a reply.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    input: Vec<u8>,
    used: usize,
}

impl Replies {
    pub(crate) fn receive(&mut self, octets: &[u8]) {
        if self.used == self.input.len() {
            self.input.clear();
            self.used = 0;
        }
        self.input.extend_from_slice(octets);
    }

    /// The next whole reply, if it is there. What is no reply at all comes as code 0.
    pub(crate) fn next(&mut self) -> Option<Reply> {
        let waiting = self.input.get(self.used..)?;
        let mut length = 0;
        loop {
            let rest = waiting.get(length..)?;
            let end = memchr::memchr(b'\n', rest)?;
            let line = rest.get(..end)?;
            length += end + 1;
            if line.get(3) != Some(&b'-') {
                break;
            }
        }
        self.used += length;
        waiting.get(..length).map(parse)
    }
}

fn parse(reply: &[u8]) -> Reply {
    let code = reply.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0);
    let multiline = reply.get(3) == Some(&b'-');
    if (200..400).contains(&code) && code != 334 && !multiline {
        return Reply { code, text: String::new(), pipelining: false };
    }
    let text = String::from_utf8_lossy(reply);
    let lines: Vec<&str> = text.lines().collect();
    let pipelining = lines.iter().any(|line| {
        line.get(4..).is_some_and(|keyword| keyword.trim_end().eq_ignore_ascii_case("PIPELINING"))
    });
    Reply { code, text: lines.join("|"), pipelining }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_come_out_whole_however_they_arrive() {
        let wire = b"250-mx.example.test\r\n250-PIPELINING\r\n250 SIZE\r\n250 Ok\r\n550 5.1.1 Nobody\r\n";
        for step in 1..wire.len() {
            let mut replies = Replies::default();
            let mut seen = Vec::new();
            for piece in wire.chunks(step) {
                replies.receive(piece);
                while let Some(reply) = replies.next() {
                    seen.push((reply.code, reply.pipelining));
                }
            }
            assert_eq!(seen, [(250, true), (250, false), (550, false)], "pieces of {step}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_words_and_garbage_has_no_code() {
        let mut replies = Replies::default();
        replies.receive(b"452 4.3.1 Full\r\nwhat?\r\n");
        assert_eq!(replies.next().unwrap().text, "452 4.3.1 Full");
        assert_eq!(replies.next().unwrap().code, 0);
        assert_eq!(replies.next(), None);
    }
}
