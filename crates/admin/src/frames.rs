//! How messages go over the wire, many in one body: frames, each a letter for its kind, four octets for its length, and what it holds.
//!
//! An import sends of each message its octets and then its document, which can be known when all octets were read; an export the document
//! first, and `End` behind the octets. A body that was cut off shows: an export ends with `Finished`, or with `Failed`.

/// The most octets of a frame.
pub const FRAME_OCTETS_MAX: usize = 1 << 20;
/// Octets before those that it holds.
const HEAD_OCTETS: usize = 5;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// In: octets that final delivery put before those of a message that is put back.
    Head(Vec<u8>),
    /// Some octets of a message.
    Octets(Vec<u8>),
    /// What else is known of the message, as JSON.
    Document(Vec<u8>),
    /// The message has no more octets.
    End,
    /// What came of the message is to be forgotten: where it comes from, it broke off.
    Abandoned,
    /// There are no more messages.
    Finished,
    /// There are more, but something failed: what, in words.
    Failed(String),
}

impl Frame {
    /// As it goes over the wire. What is longer than a frame may be is refused by the other side.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, held): (u8, &[u8]) = match self {
            Self::Head(octets) => (b'H', octets),
            Self::Octets(octets) => (b'O', octets),
            Self::Document(document) => (b'D', document),
            Self::End => (b'E', &[]),
            Self::Abandoned => (b'X', &[]),
            Self::Finished => (b'Z', &[]),
            Self::Failed(why) => (b'F', why.as_bytes()),
        };
        let mut out = Vec::with_capacity(HEAD_OCTETS + held.len());
        out.push(kind);
        out.extend_from_slice(&u32::try_from(held.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(held);
        out
    }
}

/// What comes is not made of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the messages on the wire are not as they have to be")]
pub struct BadFrame;

/// Reads frames from octets as they come.
#[derive(Debug, Default)]
pub struct Frames {
    waiting: Vec<u8>,
    /// Octets of it that were read.
    read: usize,
}

impl Frames {
    /// Takes octets.
    pub fn push(&mut self, octets: &[u8]) {
        self.waiting.drain(..self.read);
        self.read = 0;
        self.waiting.extend_from_slice(octets);
    }

    /// The next frame, if all of it came.
    ///
    /// # Errors
    /// It is none.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, BadFrame> {
        let rest = self.waiting.get(self.read..).unwrap_or_default();
        let Some(([kind, length @ ..], held)) = rest.split_first_chunk::<HEAD_OCTETS>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| BadFrame)?;
        if length > FRAME_OCTETS_MAX {
            return Err(BadFrame);
        }
        let Some(held) = held.get(..length) else { return Ok(None) };
        let frame = match kind {
            b'H' => Frame::Head(held.to_vec()),
            b'O' => Frame::Octets(held.to_vec()),
            b'D' => Frame::Document(held.to_vec()),
            b'E' => Frame::End,
            b'X' => Frame::Abandoned,
            b'Z' => Frame::Finished,
            b'F' => Frame::Failed(String::from_utf8_lossy(held).into_owned()),
            _ => return Err(BadFrame),
        };
        self.read += HEAD_OCTETS + length;
        Ok(Some(frame))
    }

    /// Whether all that came was read.
    pub fn is_at_end(&self) -> bool {
        self.read == self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_they_are_cut() {
        let sent = [
            Frame::Head(b"x".to_vec()),
            Frame::Octets(b"Subject: x\r\n".to_vec()),
            Frame::Octets(Vec::new()),
            Frame::Document(b"{}".to_vec()),
            Frame::End,
            Frame::Abandoned,
            Frame::Failed("no room".to_owned()),
            Frame::Finished,
        ];
        let wire: Vec<u8> = sent.iter().flat_map(Frame::encode).collect();
        for size in 1..wire.len() {
            let (mut frames, mut came) = (Frames::default(), Vec::new());
            for part in wire.chunks(size) {
                frames.push(part);
                while let Some(frame) = frames.next_frame().unwrap() {
                    came.push(frame);
                }
            }
            assert_eq!(came, sent);
            assert!(frames.is_at_end());
        }
    }

    #[test]
    fn what_is_no_frame_is_refused_and_half_of_one_is_not_the_end() {
        for wire in [b"Y\0\0\0\0".as_slice(), b"O\xff\xff\xff\xff"] {
            let mut frames = Frames::default();
            frames.push(wire);
            assert_eq!(frames.next_frame(), Err(BadFrame));
        }
        let mut frames = Frames::default();
        frames.push(b"O\0\0\0\x02a");
        assert_eq!((frames.next_frame(), frames.is_at_end()), (Ok(None), false));
    }
}
