//! What was promised and is not there any more: in words for the operator, in parts for programs.

use std::fmt;

use mail::QueueId;

/// A place where something that was synced is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file, by its name in the spool's directory.
    pub file: String,
    /// The first octet and how many octets.
    pub at: Option<(u64, u64)>,
    /// What was there.
    pub what: Lost,
}

/// What is lost with a damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The header of a segment and its copy. What stands behind it was read all the same.
    Header,
    /// A whole segment: its file is not there.
    MissingSegment,
    /// All batches of a segment.
    Emptied,
    /// The end of the log: the event log knows more than the spool.
    End {
        /// The last LSN of the spool.
        spool: u64,
        /// The last LSN of the event log.
        events: u64,
    },
    /// The list of segments: whether one is missing is not known.
    Roster,
    /// The header of a segment, its copy, and the way to all that stands behind it.
    Segment,
    /// Nothing: a file that is a segment of another number, by its header.
    Misplaced {
        /// That number's file.
        of: String,
    },
    /// Octets that the disk could not read; what they cost is told by itself.
    Unreadable,
    /// A header between records that could all be read: nothing.
    Frame,
    /// Records of which nothing is known but how many they were, if that.
    Records {
        /// How many.
        count: Option<u64>,
        /// The first LSN among which they are.
        first: u64,
        /// The last, if it is known.
        last: Option<u64>,
    },
    /// The envelope of a message.
    Envelope(QueueId),
    /// What became of recipients of a message: whoever had it may get it once more.
    Outcome(QueueId),
    /// A line of the event log.
    Event(QueueId),
    /// A list of messages that are done: they may be delivered once more.
    Completions,
    /// Content of a message, or the file that holds it.
    Content(QueueId),
    /// The segment that a message's content is in.
    MissingContent(QueueId),
}

impl Lost {
    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Segment => "segment",
            Self::MissingSegment => "missing-segment",
            Self::Emptied => "emptied",
            Self::End { .. } => "end",
            Self::Roster => "roster",
            Self::Misplaced { .. } => "misplaced",
            Self::Unreadable => "unreadable",
            Self::Frame => "frame",
            Self::Records { .. } => "records",
            Self::Envelope(_) => "envelope",
            Self::Outcome(_) => "outcome",
            Self::Event(_) => "event",
            Self::Completions => "completions",
            Self::Content(_) => "content",
            Self::MissingContent(_) => "missing-content",
        }
    }

    /// The message, where it is known.
    pub fn message(&self) -> Option<QueueId> {
        match self {
            Self::Envelope(id)
            | Self::Outcome(id)
            | Self::Event(id)
            | Self::Content(id)
            | Self::MissingContent(id) => Some(*id),
            _ => None,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the header is damaged; what stands behind it was read"),
            Self::Segment => f.write_str("the header is damaged, nothing in it can be read"),
            Self::MissingSegment => {
                f.write_str("the file is missing, and with it all mail that was in it alone")
            }
            Self::Emptied => f.write_str("nothing of what was written to it is left"),
            Self::End { spool, events } => write!(
                f,
                "the spool ends with LSN {spool}, but the event log knows of LSN {events}: the disk has lost what it said was stored, or this is an older copy"
            ),
            Self::Roster => {
                f.write_str("the list of segments is damaged: whether a segment is missing is not known")
            }
            Self::Misplaced { of } => write!(f, "by its header this is {of}; it was not read"),
            Self::Unreadable => f.write_str("the disk cannot read it"),
            Self::Frame => f.write_str("damaged between records; nothing is lost"),
            Self::Records { count: Some(1), first, .. } => {
                write!(f, "a record is lost (LSN {first}); what it said of which message is not known")
            }
            Self::Records { count, first, last } => {
                match count {
                    Some(count) => write!(f, "{count} records are lost")?,
                    None => f.write_str("records are lost")?,
                }
                match last {
                    Some(last) => write!(f, " (LSN {first} to {last})")?,
                    None => write!(f, " (LSN {first} on)")?,
                }
                f.write_str("; what they said of which messages is not known")
            }
            Self::Envelope(id) => write!(f, "the envelope of message {id} is damaged"),
            Self::Outcome(id) => {
                write!(f, "an outcome of message {id} is damaged: who had the message may get it again")
            }
            Self::Event(id) => write!(f, "an event of message {id} is damaged: the event log lacks it"),
            Self::Completions => {
                f.write_str("a list of messages that are done is damaged: they may be delivered again")
            }
            Self::Content(id) => write!(f, "the content of message {id} is damaged"),
            Self::MissingContent(id) => write!(f, "the content of message {id} is missing"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((offset, octets)) = self.at {
            write!(f, ", {octets} octets at {offset}")?;
        }
        write!(f, ": {}", self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_with_its_place_and_its_cost() {
        let damage = |at, what| Damage { file: "0000002a.seg".into(), at, what }.to_string();
        let lost = |count, last| damage(Some((8192, 64)), Lost::Records { count, first: 7, last });
        assert_eq!(
            lost(Some(3), Some(9)),
            "0000002a.seg, 64 octets at 8192: 3 records are lost (LSN 7 to 9); what they said of which messages is not known"
        );
        assert!(lost(Some(1), Some(7)).contains("a record is lost (LSN 7);"));
        assert!(lost(None, None).contains("records are lost (LSN 7 on);"));
        assert_eq!(
            damage(None, Lost::Misplaced { of: "00000003.seg".into() }),
            "0000002a.seg: by its header this is 00000003.seg; it was not read"
        );
    }
}
