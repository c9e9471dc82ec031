//! SEARCH (RFC 9051 §6.4.4, RFC 5182, RFC 7162 §3.1.5, RFC 9394).

use std::collections::BTreeMap;

use imap::{
    SequenceSet, Tag,
    command::{Page, Returns, Search, SearchKey},
    response::{Code, ESearch, Found, Response, Status},
};
use mailstore::{Facts, MailboxId, Mailstore, MailstoreError, MessageState, ModSeq, Uid, UidSet, View};
use message::mime::Message;

use super::{
    blocking::{read, refusal},
    policy::{Done, Handled, Policy},
    program::{Cost, Known, Reading, Test, bad_charset},
    section,
    text::Trouble,
};

/// Messages that are looked at in one go, between which others have their turn.
const AT_ONCE: usize = 250;
/// So many messages are rather looked into than the index of texts: that takes as long as some of them, however few are asked for.
const LOOKED_INTO_MAX: usize = 50;

/// Octets of kept structures that are held at once: what they tell takes some times as much.
pub(super) const STRUCTURES_OCTETS: usize = 1 << 20;

/// A message that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) number: u32,
    pub(super) uid: Uid,
    pub(super) modseq: ModSeq,
}

/// What was found, in the order of the mailbox.
pub(super) struct Hits {
    pub(super) all: Vec<Hit>,
    /// Mod-sequences were asked for.
    pub(super) modseq: bool,
    /// Some messages could not be read, and are not among them.
    pub(super) damaged: bool,
}

impl Policy {
    pub(super) async fn search(&mut self, tag: Tag, search: Search) -> Handled {
        let Search { uid, returns, charset, key } = search;
        let saves = returns.is_some_and(|returns| returns.save);
        let hits = match self.hits(charset.as_deref(), &key).await {
            Ok(hits) => hits,
            Err(status) => {
                // RFC 5182 §2.1: what failed has found nothing.
                if saves {
                    self.selected()?.saved = UidSet::default();
                }
                return Err(status);
            }
        };
        let mut told = if hits.modseq { self.knows_condstore() } else { Vec::new() };
        if let Some(returns) = returns.filter(|returns| returns.save) {
            self.selected()?.saved = saved(&returns, &hits.all);
        }
        match returns {
            None if !self.manner.rev2 => {
                let numbers = hits.all.iter().map(|hit| hit.told(uid)).collect();
                told.push(Response::Search(numbers, hits.highest()));
            }
            returns => {
                let returns = returns.unwrap_or(Returns { all: true, ..Returns::default() });
                told.extend(esearch(tag, uid, returns, &hits, None));
            }
        }
        Ok(Done { responses: told, status: ended("Searched", hits.damaged) })
    }

    /// What a program finds.
    pub(super) async fn hits(&mut self, charset: Option<&str>, key: &SearchKey) -> Result<Hits, Status> {
        if charset.is_some_and(|name| !is_known(name)) {
            return Err(bad_charset());
        }
        let (rev2, now) = (self.manner.rev2, self.now());
        let id = self.selected()?.id;
        let View { keywords, mut messages, .. } =
            read(&self.shared.mailstore, move |mailstore| mailstore.view(id)).await?;
        let selected = self.selected()?;
        let test = Test::new(key, selected, &keywords, rev2, now)?;
        let modseq = test.asks_modseq();
        // What this client does not know cannot be told to it.
        messages.retain(|state| selected.numbers.number(state.uid).is_some());
        let budget = self.shared.config.search_octets_max;
        let searching = Searching { mailbox: id, test, budget, damaged: false };
        let (found, damaged) = self.run(searching, messages).await?;
        let selected = self.selected()?;
        let hit = |state: MessageState| {
            let number = selected.numbers.number(state.uid)?;
            Some(Hit { number, uid: state.uid, modseq: state.modseq })
        };
        Ok(Hits { all: found.into_iter().filter_map(hit).collect(), modseq, damaged })
    }

    /// What is found, and whether some could not be looked into.
    async fn run(
        &self,
        mut searching: Searching,
        messages: Vec<MessageState>,
    ) -> Result<(Vec<MessageState>, bool), Status> {
        let (mut found, mut left);
        (searching, found, left) = self.by_state(searching, messages).await?;
        let texts = searching.test.texts();
        if left.len() > LOOKED_INTO_MAX && !texts.is_empty() {
            let mailbox = searching.mailbox;
            let known =
                read(&self.shared.mailstore, move |mailstore| mailstore.search_texts(mailbox, &texts))
                    .await?;
            searching.test.settle(known);
            let more;
            (searching, more, left) = self.by_state(searching, left).await?;
            found.extend(more);
        }
        while !left.is_empty() {
            let some: Vec<MessageState> = left.drain(..left.len().min(AT_ONCE)).collect();
            let (back, more) = read(&self.shared.mailstore, move |mailstore| {
                let more = searching.among(mailstore, some);
                Ok((searching, more))
            })
            .await?;
            searching = back;
            found.extend(more.map_err(|trouble| failed(&trouble))?);
        }
        found.sort_by_key(|state| state.uid);
        Ok((found, searching.damaged))
    }

    /// There may be many messages and many keys: not on a thread that serves others.
    async fn by_state(
        &self,
        searching: Searching,
        messages: Vec<MessageState>,
    ) -> Result<(Searching, Vec<MessageState>, Vec<MessageState>), Status> {
        let (searching, sifted) = read(&self.shared.mailstore, move |_| {
            let sifted = searching.by_state(messages);
            Ok((searching, sifted))
        })
        .await?;
        let (found, left) = sifted.map_err(|trouble| failed(&trouble))?;
        Ok((searching, found, left))
    }
}

fn failed(trouble: &Trouble) -> Status {
    match trouble {
        Trouble::TooMuch => Status::no("That search reads too much: narrow it down").with(Code::Limit),
        Trouble::Mailstore(error) => refusal(error),
    }
}

/// How a command ends that leaves out what is damaged: the rest is worth to be known, and the client is told (RFC 5530 §3).
pub(super) fn ended(text: &'static str, damaged: bool) -> Status {
    let status = Status::ok(text);
    if damaged { status.with(Code::Corruption) } else { status }
}

/// A search under way.
struct Searching {
    mailbox: MailboxId,
    test: Test,
    /// Octets that it may read.
    budget: u64,
    /// A message was left out, for it cannot be read.
    damaged: bool,
}

impl Searching {
    /// What is decided by what a mailbox knows of all its messages; and of what more has to be known.
    fn by_state(
        &self,
        messages: Vec<MessageState>,
    ) -> Result<(Vec<MessageState>, Vec<MessageState>), Trouble> {
        let (mut found, mut left) = (Vec::new(), Vec::new());
        for state in messages {
            let known = Known { state, facts: None, message: None };
            match self.test.decide(&known, &mut None)? {
                Some(true) => found.push(state),
                Some(false) => {}
                None => left.push(state),
            }
        }
        Ok((found, left))
    }

    /// Which of these are found. What is gone is not.
    fn among(
        &mut self,
        mailstore: &Mailstore,
        states: Vec<MessageState>,
    ) -> Result<Vec<MessageState>, Trouble> {
        let Sifted { mut found, left, .. } = self.by_structure(mailstore, states)?;
        for (state, facts, message) in left {
            match self.is_one(mailstore, state, &facts, message) {
                Ok(true) => found.push(state),
                Ok(false) | Err(Trouble::Mailstore(MailstoreError::Gone)) => {}
                Err(Trouble::Mailstore(MailstoreError::Damaged(why))) => {
                    section::note_damage(&facts, &why);
                    self.damaged = true;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(found)
    }

    fn by_structure(&self, mailstore: &Mailstore, states: Vec<MessageState>) -> Result<Sifted, Trouble> {
        let uids: UidSet = states.iter().map(|state| state.uid).collect();
        let states: BTreeMap<Uid, MessageState> =
            states.into_iter().map(|state| (state.uid, state)).collect();
        let mut sifted = Sifted::default();
        if self.test.cost() <= Cost::Facts {
            for facts in mailstore.facts(self.mailbox, &uids)? {
                if let Some(state) = states.get(&facts.uid) {
                    sifted.add(&self.test, *state, facts, &[]);
                }
            }
        } else {
            mailstore.listing(self.mailbox, &uids, |facts, kept| {
                if let Some(state) = states.get(&facts.uid) {
                    sifted.add(&self.test, *state, facts, kept);
                }
            })?;
        }
        Ok(sifted)
    }

    fn is_one(
        &mut self,
        mailstore: &Mailstore,
        state: MessageState,
        facts: &Facts,
        message: Option<Message>,
    ) -> Result<bool, Trouble> {
        let message = message.map_or_else(|| self.structure(mailstore, facts), Ok)?;
        let known = Known { state, facts: Some(facts), message: Some(&message) };
        let mut reading = Some(Reading { mailstore, budget: &mut self.budget, header: None, looks: 0 });
        Ok(self.test.decide(&known, &mut reading)?.unwrap_or(false))
    }

    /// What is kept of one message, or what is read where nothing usable is.
    fn structure(&self, mailstore: &Mailstore, facts: &Facts) -> Result<Message, MailstoreError> {
        let mut found = None;
        let uids = UidSet::single(facts.uid);
        mailstore.listing(self.mailbox, &uids, |_, kept| found = Message::decode(kept).ok())?;
        found.map_or_else(|| section::understood(mailstore, facts, &[]), Ok)
    }
}

/// What is decided by facts and structures.
#[derive(Default)]
struct Sifted {
    found: Vec<MessageState>,
    /// Of these more has to be known. Without what is kept of one: that was too much to hold, or is not usable.
    left: Vec<(MessageState, Facts, Option<Message>)>,
    held: usize,
}

impl Sifted {
    /// Takes up one. What is kept of it may be some MiB: it is looked at, and held only while that is little.
    fn add(&mut self, test: &Test, state: MessageState, facts: Facts, kept: &[u8]) {
        let mut known = Known { state, facts: Some(&facts), message: None };
        // Nothing is read, so nothing fails.
        let mut answer = test.decide(&known, &mut None).unwrap_or(None);
        let mut message = None;
        if answer.is_none() {
            message = Message::decode(kept).ok();
            known.message = message.as_ref();
            answer = test.decide(&known, &mut None).unwrap_or(None);
        }
        match answer {
            Some(true) => self.found.push(state),
            Some(false) => {}
            None => {
                let held = self.held + kept.len();
                let message = message.filter(|_| held <= STRUCTURES_OCTETS);
                self.held = if message.is_some() { held } else { self.held };
                self.left.push((state, facts, message));
            }
        }
    }
}

impl Hit {
    pub(super) fn told(&self, uid: bool) -> u32 {
        if uid { self.uid } else { self.number }
    }
}

impl Hits {
    /// The highest mod-sequence of what was found, where that was asked for.
    pub(super) fn highest(&self) -> Option<ModSeq> {
        self.modseq.then(|| self.all.iter().map(|hit| hit.modseq).max()).flatten()
    }
}

/// RFC 9051 §6.4.4.4: US-ASCII is UTF-8 too.
fn is_known(charset: &str) -> bool {
    ["UTF-8", "US-ASCII"].iter().any(|known| known.eq_ignore_ascii_case(charset))
}

/// RFC 5182 §2.1: with MIN or MAX alone only these are kept.
fn saved(returns: &Returns, hits: &[Hit]) -> UidSet {
    if returns.all || returns.count || returns.page.is_some() || !(returns.min || returns.max) {
        return hits.iter().map(|hit| hit.uid).collect();
    }
    let min = hits.first().filter(|_| returns.min);
    let max = hits.last().filter(|_| returns.max);
    min.into_iter().chain(max).map(|hit| hit.uid).collect()
}

/// RFC 9051 §7.3.4. `order`: of what was sorted. None: only to be kept (RFC 5182 §2.1).
pub(super) fn esearch(
    tag: Tag,
    uid: bool,
    returns: Returns,
    hits: &Hits,
    order: Option<&[Hit]>,
) -> Option<Response> {
    let Returns { min, max, all, count, save, page } = returns;
    if save && !(min || max || all || count || page.is_some()) {
        return None;
    }
    let listed = order.unwrap_or(&hits.all);
    let found = |hits: &[Hit]| {
        let numbers = hits.iter().map(|hit| hit.told(uid));
        match order {
            Some(_) => Found::Ordered(numbers.collect()),
            None => Found::Set(SequenceSet::of(numbers)),
        }
    };
    let total = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    Some(Response::ESearch(Box::new(ESearch {
        tag,
        uid,
        min: listed.first().filter(|_| min).map(|hit| hit.told(uid)),
        max: listed.last().filter(|_| max).map(|hit| hit.told(uid)),
        all: all.then(|| found(listed)),
        count: count.then_some(total),
        mod_seq: if hits.modseq { highest_told(&returns, listed) } else { None },
        page: page.map(|page| (page, found(on_page(listed, page)))),
    })))
}

/// RFC 4731 §3.2: with MIN or MAX alone the highest mod-sequence of those, otherwise of all.
fn highest_told(returns: &Returns, listed: &[Hit]) -> Option<ModSeq> {
    let Returns { min, max, all, count, page, .. } = *returns;
    let hits: Vec<&Hit> = if all || count || page.is_some() {
        listed.iter().collect()
    } else {
        listed.first().filter(|_| min).into_iter().chain(listed.last().filter(|_| max)).collect()
    };
    hits.into_iter().map(|hit| hit.modseq).max()
}

/// RFC 9394 §3.1.
fn on_page(hits: &[Hit], page: Page) -> &[Hit] {
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let (from, to) = (number(page.from.min(page.to)), number(page.from.max(page.to)));
    let (first, last) = if page.backwards {
        ((hits.len() + 1).saturating_sub(to).max(1), (hits.len() + 1).saturating_sub(from))
    } else {
        (from, to.min(hits.len()))
    };
    hits.get(first.saturating_sub(1)..last).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_from_either_end() {
        let hits: Vec<Hit> = (1..=5).map(|number| Hit { number, uid: number, modseq: 1 }).collect();
        let page = |from, to, backwards| {
            on_page(&hits, Page { from, to, backwards }).iter().map(|hit| hit.uid).collect::<Vec<_>>()
        };
        assert_eq!(page(1, 2, false), [1, 2]);
        assert_eq!(page(9, 4, false), [4, 5]);
        assert_eq!(page(1, 2, true), [4, 5]);
        assert_eq!(page(4, 9, true), [1, 2]);
        assert_eq!(page(6, 9, true), [0_u32; 0]);
        assert_eq!(page(6, 9, false), [0_u32; 0]);
    }
}
