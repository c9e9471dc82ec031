//! The server side of SMTP, as little of it as a sender needs: octets in, replies out.

use memchr::memmem;

/// The end of data with the CRLF before it (RFC 5321 §4.1.1.4).
const END_OF_DATA: &[u8] = b"\r\n.\r\n";

/// Where one session stands.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    state: State,
    /// A command line that has not ended, or the last octets of content (an end of data may be cut anywhere).
    carry: Vec<u8>,
    /// Whether the numbers of messages are wanted.
    records: bool,
    /// Whether STARTTLS is offered (RFC 3207).
    offers_tls: bool,
    /// The number in the last recipient.
    number: Option<u64>,
    /// The numbers of messages that have ended.
    ended: Vec<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Command,
    Content,
    /// STARTTLS was answered: what comes next is a handshake.
    Handshake,
    Quit,
}

impl Dialogue {
    pub(super) const GREETING: &'static [u8] = b"220 sink.test ESMTP\r\n";

    /// A session; with `records` it remembers the numbers of messages.
    pub(super) fn new(records: bool) -> Self {
        Self { records, ..Self::default() }
    }

    /// The same; with `tls` it offers STARTTLS.
    pub(super) fn offering(self, tls: bool) -> Self {
        Self { offers_tls: tls, ..self }
    }

    /// Whether the client has asked for TLS; then the session begins anew under it.
    pub(super) fn begins_tls(&mut self) -> bool {
        let asked = self.state == State::Handshake;
        if asked {
            (self.state, self.offers_tls) = (State::Command, false);
        }
        asked
    }

    /// The numbers of the messages that ended since it was last asked.
    pub(super) fn numbers(&mut self) -> impl Iterator<Item = u64> {
        self.ended.drain(..)
    }

    /// Takes what arrived, appends the replies to it and says how many messages ended in it.
    pub(super) fn receive(&mut self, octets: &[u8], replies: &mut Vec<u8>) -> u64 {
        let mut ended = 0;
        let mut rest = octets;
        while !rest.is_empty() && !matches!(self.state, State::Quit | State::Handshake) {
            rest = match self.state {
                State::Content => self.content(rest, replies, &mut ended),
                _ => self.command(rest, replies),
            };
        }
        ended
    }

    /// The client said QUIT.
    pub(super) fn quit(&self) -> bool {
        self.state == State::Quit
    }

    /// Takes one command line, or what there is of it.
    fn command<'a>(&mut self, octets: &'a [u8], replies: &mut Vec<u8>) -> &'a [u8] {
        let Some((line, rest)) = split_after(octets, memchr::memchr(b'\n', octets)) else {
            self.carry.extend_from_slice(octets);
            return &[];
        };
        if self.carry.is_empty() {
            self.obey(line, replies);
        } else {
            self.carry.extend_from_slice(line);
            let whole = std::mem::take(&mut self.carry);
            self.obey(&whole, replies);
        }
        rest
    }

    fn obey(&mut self, line: &[u8], replies: &mut Vec<u8>) {
        let mut verb = [0; 4];
        for (to, from) in verb.iter_mut().zip(line) {
            *to = from.to_ascii_uppercase();
        }
        if self.records && &verb == b"RCPT" {
            self.number = number(line);
        }
        let reply: &[u8] = match &verb {
            b"EHLO" if self.offers_tls => {
                b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-STARTTLS\r\n250 SIZE 0\r\n"
            }
            b"STAR" if self.offers_tls => {
                self.state = State::Handshake;
                b"220 Go on\r\n"
            }
            b"EHLO" => b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 0\r\n",
            b"DATA" => {
                self.state = State::Content;
                // Content may begin with the final dot: the CRLF of DATA counts as the one before it.
                self.carry.extend_from_slice(b"\r\n");
                b"354 Go on\r\n"
            }
            b"QUIT" => {
                self.state = State::Quit;
                b"221 Bye\r\n"
            }
            b"HELO" | b"MAIL" | b"RCPT" | b"RSET" | b"NOOP" => b"250 Ok\r\n",
            _ => b"500 Not known here\r\n",
        };
        replies.extend_from_slice(reply);
    }

    /// Takes content up to its end, or all there is.
    fn content<'a>(&mut self, octets: &'a [u8], replies: &mut Vec<u8>, ended: &mut u64) -> &'a [u8] {
        // First where the end may lie across the cut, then in what is new.
        let before = self.carry.len();
        self.carry.extend(octets.iter().take(END_OF_DATA.len() - 1));
        let across = memmem::find(&self.carry, END_OF_DATA).map(|at| at + END_OF_DATA.len() - before);
        let end = across.or_else(|| memmem::find(octets, END_OF_DATA).map(|at| at + END_OF_DATA.len()));
        let Some((_, rest)) = split_after(octets, end.and_then(|end| end.checked_sub(1))) else {
            self.keep_tail(octets, before);
            return &[];
        };
        self.carry.clear();
        self.state = State::Command;
        *ended += 1;
        self.ended.extend(self.number.take());
        replies.extend_from_slice(b"250 Ok\r\n");
        rest
    }

    /// Keeps the last octets, of the old tail (its first `before` octets in `carry`) and `octets` together.
    fn keep_tail(&mut self, octets: &[u8], before: usize) {
        const TAIL: usize = END_OF_DATA.len() - 1;
        self.carry.truncate(before);
        self.carry.extend_from_slice(octets.get(octets.len().saturating_sub(TAIL)..).unwrap_or_default());
        let surplus = self.carry.len().saturating_sub(TAIL);
        self.carry.drain(..surplus);
    }
}

/// The number in `RCPT TO:<m123@…`.
fn number(line: &[u8]) -> Option<u64> {
    let at = memmem::find(line, b"<m")? + 2;
    let digits = line.get(at..)?.split(|octet| *octet == b'@').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Splits behind position `at`.
fn split_after(octets: &[u8], at: Option<usize>) -> Option<(&[u8], &[u8])> {
    octets.split_at_checked(at? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(pieces: impl Iterator<Item = Vec<u8>>) -> (u64, String) {
        let (mut dialogue, mut replies, mut ended) = (Dialogue::default(), Vec::new(), 0);
        for piece in pieces {
            ended += dialogue.receive(&piece, &mut replies);
        }
        (ended, String::from_utf8(replies).unwrap())
    }

    #[test]
    fn messages_are_counted_however_the_octets_are_cut() {
        let wire = b"EHLO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n\
            Subject: x\r\n\r\n..not the end\r\n.\n\r\nnor that\r\n.\r\n\
            MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n.\r\nQUIT\r\n";
        let whole = talk(std::iter::once(wire.to_vec()));
        assert_eq!(whole.0, 2);
        assert!(whole.1.ends_with("354 Go on\r\n250 Ok\r\n221 Bye\r\n"), "{}", whole.1);
        for size in 1..wire.len() {
            assert_eq!(talk(wire.chunks(size).map(<[u8]>::to_vec)), whole, "pieces of {size}");
        }
    }

    #[test]
    fn the_numbers_of_messages_are_kept_where_they_are_wanted() {
        let wire = b"MAIL FROM:<>\r\nRCPT TO:<m42@d.test>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<warm@d.test>\r\nDATA\r\n.\r\n";
        for (records, numbers) in [(true, vec![42]), (false, vec![])] {
            let mut dialogue = Dialogue::new(records);
            assert_eq!(dialogue.receive(wire, &mut Vec::new()), 2);
            assert_eq!(dialogue.numbers().collect::<Vec<_>>(), numbers);
        }
    }

    #[test]
    fn tls_is_offered_once_and_what_comes_in_clear_behind_it_is_not_obeyed() {
        let (mut dialogue, mut replies) = (Dialogue::new(false).offering(true), Vec::new());
        dialogue.receive(b"EHLO a\r\nSTARTTLS\r\nNOOP\r\n", &mut replies);
        let text = String::from_utf8(std::mem::take(&mut replies)).unwrap();
        assert!(text.contains("250-STARTTLS\r\n") && text.ends_with("220 Go on\r\n"), "{text}");
        assert!(dialogue.begins_tls() && !dialogue.begins_tls());
        dialogue.receive(b"EHLO a\r\nSTARTTLS\r\n", &mut replies);
        let text = String::from_utf8(replies).unwrap();
        assert!(!text.contains("250-STARTTLS") && text.ends_with("500 Not known here\r\n"), "{text}");
    }

    #[test]
    fn an_unknown_command_is_refused_and_nothing_follows_quit() {
        let (ended, replies) = talk(std::iter::once(b"BDAT 3 LAST\r\nquit\r\nNOOP\r\n".to_vec()));
        assert_eq!((ended, replies.as_str()), (0, "500 Not known here\r\n221 Bye\r\n"));
    }
}
