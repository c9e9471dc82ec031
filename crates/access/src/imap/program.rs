//! What SEARCH looks for, made ready: what is cheap is asked first, and nothing is read that the answer does not depend on.

use std::sync::Arc;

use imap::{
    Flag,
    command::{DateKind, Field, SearchKey, When},
    response::{Code, Status},
};
use mailstore::{Facts, Flags, Keywords, Mailstore, MessageState, SearchedText, TextFound, Uid, UidSet};
use message::mime::{self, Message};

use super::{
    flags,
    selected::Selected,
    sought::Sought,
    text::{self, Needle, Trouble},
};

const DAY: i64 = 86_400;
/// One program may look so often into a header section that it has read; from there on a look counts like reading it.
const LOOKS_FREE: u32 = 16;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Always(bool),
    Flags(Flags),
    /// The bit of one that the mailbox has.
    Keyword(u64),
    RecentFrom(Uid),
    Uids(UidSet),
    ModSeq(u64),
    /// A day, counted from 1970.
    Day(DateKind, When, i64),
    Larger(u64),
    Smaller(u64),
    /// Came at this time or before, in milliseconds.
    Before(i64),
    /// Came at this time or later.
    Since(i64),
    Email(String),
    Thread(String),
    Field(Field, Needle),
    Header(String, Needle),
    /// In the texts and names of parts, or in the header too.
    Text(Sought),
    Not(Box<Self>),
    Any(Vec<Self>),
    All(Vec<Self>),
}

/// What has to be read to answer, the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cost {
    State,
    Facts,
    Structure,
    Header,
    Body,
}

/// What is known of a message so far.
pub(super) struct Known<'a> {
    pub(super) state: MessageState,
    pub(super) facts: Option<&'a Facts>,
    pub(super) message: Option<&'a Message>,
}

/// Where more is read.
pub(super) struct Reading<'a> {
    pub(super) mailstore: &'a Mailstore,
    pub(super) budget: &'a mut u64,
    /// The header section of the message at hand.
    pub(super) header: Option<Vec<u8>>,
    /// How often it was looked into.
    pub(super) looks: u32,
}

impl Test {
    /// Makes a program ready. `now`: milliseconds since 1970.
    pub(super) fn new(
        key: &SearchKey,
        selected: &Selected,
        keywords: &Keywords,
        rev2: bool,
        now: i64,
    ) -> Result<Self, Status> {
        let test = |key: &SearchKey| Self::new(key, selected, keywords, rev2, now);
        Ok(match key {
            SearchKey::All | SearchKey::SaveDateSupported => Self::Always(true),
            SearchKey::Has(Flag::Recent) if rev2 => Self::Always(false),
            SearchKey::Has(Flag::Recent) => Self::RecentFrom(selected.recent_from),
            SearchKey::Has(Flag::Keyword(name)) => {
                keywords.bit(name).map_or(Self::Always(false), Self::Keyword)
            }
            SearchKey::Has(flag) => flags::bit(flag).map_or(Self::Always(false), Self::Flags),
            SearchKey::Numbers(set) => Self::Uids(selected.pick_known(set, false).uids()),
            SearchKey::Uids(set) => Self::Uids(selected.pick_known(set, true).uids()),
            SearchKey::ModSeq { value, .. } => Self::ModSeq(*value),
            SearchKey::Date(kind, when, date) => Self::Day(*kind, *when, date.days()),
            SearchKey::Larger(octets) => Self::Larger(*octets),
            SearchKey::Smaller(octets) => Self::Smaller(*octets),
            SearchKey::Older(seconds) => Self::Before(now.saturating_sub(i64::from(*seconds) * 1000)),
            SearchKey::Younger(seconds) => Self::Since(now.saturating_sub(i64::from(*seconds) * 1000)),
            SearchKey::EmailId(id) => Self::Email(id.as_str().to_owned()),
            SearchKey::ThreadId(id) => Self::Thread(id.as_str().to_owned()),
            SearchKey::Field(field, octets) => Self::Field(*field, needle(octets)?),
            SearchKey::Header(name, octets) => Self::Header(name.to_string(), needle(octets)?),
            SearchKey::Body(octets) => Self::Text(Sought::new(needle(octets)?, false)),
            SearchKey::Text(octets) => Self::Text(Sought::new(needle(octets)?, true)),
            SearchKey::Not(key) => Self::Not(Box::new(test(key)?)),
            SearchKey::Or(one, other) => Self::Any(sorted(vec![test(one)?, test(other)?])),
            SearchKey::And(keys) => Self::All(sorted(keys.iter().map(test).collect::<Result<_, _>>()?)),
        })
    }

    /// What may have to be read.
    pub(super) fn cost(&self) -> Cost {
        match self {
            Self::Always(_)
            | Self::Flags(_)
            | Self::Keyword(_)
            | Self::RecentFrom(_)
            | Self::Uids(_)
            | Self::ModSeq(_) => Cost::State,
            Self::Day(DateKind::Sent, ..) | Self::Field(..) => Cost::Structure,
            Self::Day(..)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::Before(_)
            | Self::Since(_)
            | Self::Email(_)
            | Self::Thread(_) => Cost::Facts,
            Self::Header(..) => Cost::Header,
            Self::Text(_) => Cost::Body,
            Self::Not(test) => test.cost(),
            Self::Any(tests) | Self::All(tests) => tests.iter().map(Self::cost).max().unwrap_or(Cost::State),
        }
    }

    /// Whether mod-sequences are asked for (RFC 7162 §3.1.5).
    pub(super) fn asks_modseq(&self) -> bool {
        match self {
            Self::ModSeq(_) => true,
            Self::Not(test) => test.asks_modseq(),
            Self::Any(tests) | Self::All(tests) => tests.iter().any(Self::asks_modseq),
            _ => false,
        }
    }

    /// The texts that are looked for in all that a message says, in the order of [`Self::settle`].
    pub(super) fn texts(&self) -> Vec<SearchedText> {
        match self {
            Self::Text(sought) => vec![sought.asked()],
            Self::Not(test) => test.texts(),
            Self::Any(tests) | Self::All(tests) => tests.iter().flat_map(Self::texts).collect(),
            _ => Vec::new(),
        }
    }

    /// Takes up what an index knows of these texts.
    pub(super) fn settle(&mut self, found: TextFound) {
        let TextFound { indexed, having } = found;
        self.settle_each(&Arc::new(indexed), &mut having.into_iter());
    }

    fn settle_each(&mut self, indexed: &Arc<UidSet>, having: &mut impl Iterator<Item = Option<UidSet>>) {
        match self {
            Self::Text(sought) => sought.settle(indexed, having.next().flatten()),
            Self::Not(test) => test.settle_each(indexed, having),
            Self::Any(tests) | Self::All(tests) => {
                for test in tests {
                    test.settle_each(indexed, having);
                }
            }
            _ => {}
        }
    }

    /// Whether a message is one of those, if what is known of it says so. `reading`: then what is not known is read, and there is always
    /// an answer once the structure is known.
    pub(super) fn decide(
        &self,
        known: &Known<'_>,
        reading: &mut Option<Reading<'_>>,
    ) -> Result<Option<bool>, Trouble> {
        Ok(match self {
            Self::Always(answer) => Some(*answer),
            Self::Flags(flags) => Some(known.state.flags.contains(*flags)),
            Self::Keyword(bit) => Some(known.state.keywords & bit != 0),
            Self::RecentFrom(uid) => Some(known.state.uid >= *uid),
            Self::Uids(uids) => Some(uids.contains(known.state.uid)),
            Self::ModSeq(value) => Some(known.state.modseq >= *value),
            Self::Day(DateKind::Sent, when, day) => known.message.map(|message| {
                let sent = message.envelope.date.as_deref().and_then(mime::sent);
                sent.is_some_and(|sent| is_then(*when, sent.local_day, *day))
            }),
            Self::Day(kind, when, day) => known.facts.map(|facts| {
                let millis = if *kind == DateKind::Saved { facts.saved_date } else { facts.internal_date };
                is_then(*when, millis.div_euclid(DAY * 1000), *day)
            }),
            Self::Larger(octets) => known.facts.map(|facts| facts.octets > *octets),
            Self::Smaller(octets) => known.facts.map(|facts| facts.octets < *octets),
            Self::Before(time) => known.facts.map(|facts| facts.internal_date <= *time),
            Self::Since(time) => known.facts.map(|facts| facts.internal_date >= *time),
            Self::Email(id) => known.facts.map(|facts| facts.email.to_string() == *id),
            Self::Thread(id) => {
                known.facts.map(|facts| facts.thread.is_some_and(|thread| thread.to_string() == *id))
            }
            Self::Field(field, needle) => {
                known.message.map(|message| is_in_field(*field, needle, &message.envelope))
            }
            Self::Header(name, needle) => match (known.facts, known.message, reading) {
                (Some(facts), Some(message), Some(reading)) => {
                    Some(needle.is_in_header(reading.header(facts, message)?, Some(name)))
                }
                _ => None,
            },
            Self::Text(sought) => {
                match (sought.settled(known.state.uid), known.facts, known.message, reading) {
                    (Some(answer), ..) => Some(answer),
                    (None, Some(facts), Some(message), Some(reading)) => {
                        let Sought { needle, in_header, .. } = sought;
                        let in_header =
                            *in_header && needle.is_in_header(reading.header(facts, message)?, None);
                        let Reading { mailstore, budget, .. } = reading;
                        Some(in_header || needle.is_in_body(mailstore, facts, message, budget)?)
                    }
                    _ => None,
                }
            }
            Self::Not(test) => test.decide(known, reading)?.map(|answer| !answer),
            Self::Any(tests) => settled(tests, true, known, reading)?,
            Self::All(tests) => settled(tests, false, known, reading)?,
        })
    }
}

impl Reading<'_> {
    fn header(&mut self, facts: &Facts, message: &Message) -> Result<&[u8], Trouble> {
        if self.header.is_none() {
            self.header = Some(text::header(self.mailstore, facts, message, self.budget)?);
        }
        let header = self.header.as_deref().unwrap_or_default();
        // Each look decodes fields.
        self.looks += 1;
        if self.looks > LOOKS_FREE {
            text::spend(self.budget, u64::try_from(header.len()).unwrap_or(u64::MAX))?;
        }
        Ok(header)
    }
}

/// One answer of the kind that settles it is enough; otherwise all must be known.
fn settled(
    tests: &[Test],
    settles: bool,
    known: &Known<'_>,
    reading: &mut Option<Reading<'_>>,
) -> Result<Option<bool>, Trouble> {
    let mut all = true;
    for test in tests {
        match test.decide(known, reading)? {
            Some(answer) if answer == settles => return Ok(Some(settles)),
            Some(_) => {}
            None => all = false,
        }
    }
    Ok(all.then_some(!settles))
}

fn sorted(mut tests: Vec<Test>) -> Vec<Test> {
    tests.sort_by_key(Test::cost);
    tests
}

fn needle(octets: &[u8]) -> Result<Needle, Status> {
    Needle::new(octets).ok_or_else(bad_charset)
}

/// RFC 9051 §6.4.4: those that can be used.
pub(super) fn bad_charset() -> Status {
    let known = vec!["US-ASCII".into(), "UTF-8".into()];
    Status::no("Character set not known").with(Code::BadCharset(known))
}

fn is_then(when: When, day: i64, wanted: i64) -> bool {
    match when {
        When::Before => day < wanted,
        When::On => day == wanted,
        When::Since => day >= wanted,
    }
}

fn is_in_field(field: Field, needle: &Needle, envelope: &mime::Envelope) -> bool {
    let addresses = match field {
        Field::Bcc => &envelope.bcc,
        Field::Cc => &envelope.cc,
        Field::From => &envelope.from,
        Field::To => &envelope.to,
        Field::Subject => {
            let subject = envelope.subject.as_deref().map(mime::header_text);
            return subject.is_some_and(|subject| needle.is_in(&subject));
        }
    };
    needle.is_in_addresses(addresses)
}
