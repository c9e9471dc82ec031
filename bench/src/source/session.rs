//! One SMTP session of the source: which reply it waits for, and what it writes next.

use super::replies::{Replies, Reply};
use crate::content::Content;
use crate::wire::Wire;
use std::io;

/// The reply a session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Greeting,
    Hello,
    StartTls,
    Login,
    /// Nothing: no message is under way.
    Idle,
    Mail,
    Recipient,
    Data,
    EndOfData,
    Quit,
}

impl Stage {
    /// Does this code let the session go on?
    pub(crate) fn accepts(self, code: u16) -> bool {
        match self {
            Self::Data => code == 354,
            _ => (200..300).contains(&code),
        }
    }
}

/// A message under way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UnderWay {
    pub(crate) number: u64,
    /// When it was to start (open loop) or started.
    pub(crate) due_ns: u64,
    /// When the final dot was written.
    pub(crate) dot_ns: u64,
}

/// A socket, what it still has to write, and where its dialogue stands.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) wire: Wire,
    pub(crate) stage: Stage,
    pub(crate) pipelining: bool,
    /// Messages accepted in this session.
    pub(crate) accepted: u64,
    pub(crate) message: Option<UnderWay>,
    replies: Replies,
    unsent: Vec<u8>,
    /// Where the part of the content begins that waits behind `unsent`.
    content_from: Option<usize>,
}

impl Session {
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            wire,
            stage: Stage::Greeting,
            pipelining: false,
            accepted: 0,
            message: None,
            replies: Replies::default(),
            unsent: Vec::new(),
            content_from: None,
        }
    }

    /// Reads once. `Ok(false)`: the peer closed its side.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.wire.receive(buffer, |octets| self.replies.receive(octets))
    }

    pub(crate) fn next_reply(&mut self) -> Option<Reply> {
        self.replies.next()
    }

    /// Writes at once what the socket takes; the rest waits. `Ok(false)`: something waits.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<bool> {
        let written = if self.unsent.is_empty() { self.wire.write(octets)? } else { 0 };
        self.unsent.extend_from_slice(octets.get(written..).unwrap_or_default());
        Ok(self.unsent.is_empty() && !self.wire.waits())
    }

    /// The same for a content. All sessions share its octets behind the number, so that many large messages can wait.
    pub(crate) fn write_content(&mut self, content: &Content) -> io::Result<bool> {
        let octets = content.with_end();
        let written = if self.unsent.is_empty() { self.wire.write(octets)? } else { 0 };
        self.unsent.extend_from_slice(octets.get(written..content.numbered()).unwrap_or_default());
        let from = written.max(content.numbered());
        self.content_from = (from < octets.len()).then_some(from);
        Ok(self.unsent.is_empty() && self.content_from.is_none() && !self.wire.waits())
    }

    /// Writes what waited. `Ok(false)`: there is still some.
    pub(crate) fn flush(&mut self, content: &Content) -> io::Result<bool> {
        if !self.wire.flush()? {
            return Ok(false);
        }
        let waiting = std::mem::take(&mut self.unsent);
        if !self.write(&waiting)? {
            return Ok(false);
        }
        let Some(from) = self.content_from else { return Ok(true) };
        let rest = content.with_end().get(from..).unwrap_or_default();
        let written = self.wire.write(rest)?;
        self.content_from = (written < rest.len()).then_some(from + written);
        Ok(self.content_from.is_none() && !self.wire.waits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_354_lets_data_go_on_and_only_2yz_the_rest() {
        assert!(Stage::Data.accepts(354));
        assert!(!Stage::Data.accepts(250));
        assert!(Stage::EndOfData.accepts(250) && Stage::Greeting.accepts(220));
        for code in [0, 354, 421, 452, 550] {
            assert!(!Stage::EndOfData.accepts(code), "{code}");
        }
    }
}
