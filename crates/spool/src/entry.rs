//! Messages and recipients as memory keeps them. A million of them may wait, so each octet counts.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use mail::{QueueId, Timestamp};

use crate::payload::Control;

/// Who is due so long after the message came was put off.
const PUT_OFF_MIN: Duration = Duration::from_secs(30);

/// Where a record begins (or a run of content records) and how many octets it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Loc {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// Where content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    In(Loc),
    Own,
}

/// How a recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    InFlight,
    Done,
}

/// One recipient: 40 octets and its local part.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) local: Box<str>,
    pub(crate) due: Timestamp,
    pub(crate) domain: u32,
    pub(crate) attempts: u16,
    pub(crate) standing: Standing,
    /// It is settled whether the sender is told that it is late.
    pub(crate) delay_told: bool,
    /// What was ordered for it, if anything ever was.
    pub(crate) control: Option<Box<Control>>,
}

impl Entry {
    pub(crate) fn is_held(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.held_since.is_some())
    }

    /// Whether somebody ordered it to be given up. That outranks a hold.
    pub(crate) fn is_to_bounce(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.bounce.is_some())
    }

    /// Whether it is tried once it is due.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.standing == Standing::Waiting && !self.is_held() && !self.is_to_bounce()
    }

    pub(crate) fn is_owed(&self) -> bool {
        self.standing != Standing::Done
    }
}

/// The recipients of a message. Mostly there is one, which needs no memory of its own.
#[derive(Debug)]
pub(crate) enum Recipients {
    One(Entry),
    Many(Box<[Entry]>),
}

impl FromIterator<Entry> for Recipients {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut entries = entries.into_iter();
        match (entries.next(), entries.next()) {
            (Some(one), None) => Self::One(one),
            (first, second) => Self::Many(first.into_iter().chain(second).chain(entries).collect()),
        }
    }
}

impl Deref for Recipients {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }
}

impl DerefMut for Recipients {
    fn deref_mut(&mut self) -> &mut [Entry] {
        match self {
            Self::One(entry) => std::slice::from_mut(entry),
            Self::Many(entries) => entries,
        }
    }
}

/// Older records of a message that matter still. Mostly there are none, or one outcome: that of the last attempt.
#[derive(Debug, Default)]
pub(crate) enum History {
    #[default]
    None,
    Outcome(Loc),
    More(Box<More>),
}

/// A history that is longer.
#[derive(Debug, Default)]
pub(crate) struct More {
    /// Outcome records since the envelope record, oldest first; all are needed.
    outcomes: Vec<Loc>,
    /// Other segments that hold an older envelope record of this message.
    homes: Vec<u32>,
}

impl History {
    /// The outcome records since the envelope record, oldest first; all are needed.
    pub(crate) fn outcomes(&self) -> &[Loc] {
        match self {
            Self::None => &[],
            Self::Outcome(loc) => std::slice::from_ref(loc),
            Self::More(more) => &more.outcomes,
        }
    }

    /// Other segments that hold an older envelope record of this message.
    pub(crate) fn homes(&self) -> &[u32] {
        match self {
            Self::More(more) => &more.homes,
            Self::None | Self::Outcome(_) => &[],
        }
    }

    pub(crate) fn push(&mut self, outcome: Loc) {
        *self = match std::mem::take(self) {
            Self::None => Self::Outcome(outcome),
            Self::Outcome(first) => {
                Self::More(Box::new(More { outcomes: vec![first, outcome], homes: Vec::new() }))
            }
            Self::More(mut more) => {
                more.outcomes.push(outcome);
                Self::More(more)
            }
        };
    }

    /// Takes the outcomes out; what is left tells of the homes alone.
    pub(crate) fn take_outcomes(&mut self) -> Self {
        let homes = self.homes().to_vec();
        std::mem::replace(self, Self::of_homes(homes))
    }

    /// No outcomes, and these homes.
    pub(crate) fn of_homes(homes: Vec<u32>) -> Self {
        if homes.is_empty() { Self::None } else { Self::More(Box::new(More { outcomes: Vec::new(), homes })) }
    }
}

/// One message: 120 octets, and what several recipients take.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: QueueId,
    pub(crate) received: Timestamp,
    pub(crate) size: u64,
    pub(crate) envelope: Loc,
    /// [`Content`] in parts, which take four octets less.
    content_at: Loc,
    has_own_content: bool,
    pub(crate) history: History,
    pub(crate) recipients: Recipients,
    /// Recipients not done.
    pub(crate) left: u32,
    pub(crate) priority: i8,
    /// Its sender wants it held for now (RFC 4865), and nothing has become of it yet.
    pub(crate) waits_for_release: bool,
}

impl Message {
    /// A message of which nothing is on record yet: its places and its size are for the caller to set.
    pub(crate) fn new(id: QueueId, received: Timestamp, priority: i8, recipients: Recipients) -> Self {
        let left = recipients.iter().filter(|entry| entry.is_owed()).count();
        Self {
            id,
            received,
            size: 0,
            envelope: Loc::default(),
            content_at: Loc::default(),
            has_own_content: true,
            history: History::None,
            left: u32::try_from(left).unwrap_or(u32::MAX),
            recipients,
            priority,
            waits_for_release: false,
        }
    }

    /// Where its content is.
    pub(crate) fn content(&self) -> Content {
        if self.has_own_content { Content::Own } else { Content::In(self.content_at) }
    }

    pub(crate) fn set_content(&mut self, content: Content) {
        (self.content_at, self.has_own_content) = match content {
            Content::In(loc) => (loc, false),
            Content::Own => (Loc::default(), true),
        };
    }

    /// Whether anybody waits for a release.
    pub(crate) fn holds_any(&self) -> bool {
        self.recipients.iter().any(|entry| entry.is_held() && entry.is_owed())
    }

    /// Whether it is as it came: nothing was tried, ordered or put off.
    pub(crate) fn is_untouched(&self) -> bool {
        // What could not be tried has a reply that says why.
        let put_off = |entry: &Entry| !self.waits_for_release && entry.due > self.received.after(PUT_OFF_MIN);
        let is_untouched = |entry: &Entry| {
            entry.attempts == 0 && entry.control.is_none() && !entry.delay_told && !put_off(entry)
        };
        self.recipients.iter().all(is_untouched)
    }

    /// The segments that hold an envelope record of this message.
    pub(crate) fn homes(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.envelope.segment).chain(self.history.homes().iter().copied())
    }

    /// All records that are needed as long as the message lives.
    pub(crate) fn locs(&self) -> impl Iterator<Item = Loc> {
        let content = match self.content() {
            Content::In(loc) => Some(loc),
            Content::Own => None,
        };
        std::iter::once(self.envelope).chain(content).chain(self.history.outcomes().iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_messages_have_room() {
        assert_eq!((size_of::<Entry>(), size_of::<Option<Message>>()), (40, 120));
    }

    #[test]
    fn outcomes_are_kept_in_their_order_and_homes_outlast_them() {
        let loc = |offset| Loc { segment: 1, offset, len: 8 };
        for homes in [vec![], vec![7, 9]] {
            let mut history = History::of_homes(homes.clone());
            for count in 0..4 {
                assert_eq!(history.outcomes(), (0..count).map(loc).collect::<Vec<_>>());
                history.push(loc(count));
            }
            assert_eq!(history.take_outcomes().outcomes().len(), 4);
            assert_eq!((history.outcomes(), history.homes()), (&[][..], &homes[..]));
        }
    }
}
