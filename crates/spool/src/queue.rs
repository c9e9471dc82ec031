//! The schedule: a queue of due times for each recipient domain, and the domains in the order of their first.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use mail::{Domain, Timestamp};

use crate::waiting::Waiting;

/// One recipient domain.
#[derive(Debug)]
struct DomainQueue {
    name: Domain,
    waiting: Waiting,
    in_flight: u32,
    checked_out: bool,
    /// Somebody asks for its mail.
    wanted: bool,
    /// Recipients that refer to this domain, done ones too.
    held_by: u32,
}

/// A recipient by its place in memory, and how urgent its message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) priority: i8,
    pub(crate) slot: u32,
    pub(crate) place: u32,
}

/// The queues of all domains.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    domains: Vec<Option<DomainQueue>>,
    free: Vec<u32>,
    /// By name as it is shown: so it stands in records too.
    by_name: HashMap<Box<str>, u32>,
    /// Domains that wait and are not checked out, by their first due time.
    ready: BTreeSet<(Timestamp, u32)>,
    /// Message and recipient of those that are to be given up.
    bounces: BTreeSet<(u32, u32)>,
    /// What the scheduler was last told; it needs to be woken only for something earlier.
    told: Option<Timestamp>,
    /// While a spool is opened, nobody is put in or taken out: all are put in at once in the end ([`Queue::fill`]).
    pub(crate) is_shut: bool,
}

impl Queue {
    /// The number of a domain, made if it is new.
    pub(crate) fn domain(&mut self, name: &Domain) -> u32 {
        if let Some(domain) = self.find(name) {
            return domain;
        }
        let queue = DomainQueue {
            name: name.clone(),
            waiting: Waiting::default(),
            in_flight: 0,
            checked_out: false,
            wanted: false,
            held_by: 0,
        };
        let domain = self.free.pop().unwrap_or_else(|| {
            self.domains.push(None);
            u32::try_from(self.domains.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.domains.get_mut(domain as usize) {
            *place = Some(queue);
        }
        self.by_name.insert(key(name).into(), domain);
        domain
    }

    pub(crate) fn find(&self, name: &Domain) -> Option<u32> {
        self.by_name.get(&*key(name)).copied()
    }

    /// The number of the domain that is shown so, if it is here.
    pub(crate) fn find_shown(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, domain: u32) -> Option<&Domain> {
        self.get(domain).map(|queue| &queue.name)
    }

    fn get(&self, domain: u32) -> Option<&DomainQueue> {
        self.domains.get(domain as usize)?.as_ref()
    }

    /// Changes a domain's queue and puts the domain where its first due time now belongs.
    fn change<T>(&mut self, domain: u32, change: impl FnOnce(&mut DomainQueue) -> T) -> Option<T> {
        let queue = self.domains.get_mut(domain as usize)?.as_mut()?;
        let before = first_ready(queue);
        let result = change(queue);
        let after = first_ready(queue);
        if before != after {
            if let Some(due) = before {
                self.ready.remove(&(due, domain));
            }
            if let Some(due) = after {
                self.ready.insert((due, domain));
            }
        }
        Some(result)
    }

    pub(crate) fn hold_domain(&mut self, domain: u32) {
        if let Some(queue) = self.domains.get_mut(domain as usize).and_then(Option::as_mut) {
            queue.held_by += 1;
        }
    }

    /// A recipient of the domain is gone; with the last one the domain goes too.
    pub(crate) fn drop_domain(&mut self, domain: u32) {
        if let Some(queue) = self.domains.get_mut(domain as usize).and_then(Option::as_mut) {
            queue.held_by = queue.held_by.saturating_sub(1);
        }
        self.forget_if_empty(domain);
    }

    fn forget_if_empty(&mut self, domain: u32) {
        let Some(place) = self.domains.get_mut(domain as usize) else { return };
        if let Some(queue) = place.take_if(|queue| queue.held_by == 0 && !queue.checked_out) {
            self.by_name.remove(&*key(&queue.name));
            self.free.push(domain);
        }
    }

    pub(crate) fn insert(&mut self, domain: u32, due: Timestamp, at: At) {
        if self.is_shut {
            return;
        }
        self.change(domain, |queue| queue.waiting.insert(due, at));
    }

    pub(crate) fn remove(&mut self, domain: u32, due: Timestamp, at: At) {
        if self.is_shut {
            return;
        }
        self.change(domain, |queue| queue.waiting.remove(due, at));
    }

    /// A recipient is to be given up.
    pub(crate) fn insert_bounce(&mut self, slot: u32, place: u32) {
        if !self.is_shut {
            self.bounces.insert((slot, place));
        }
    }

    pub(crate) fn remove_bounce(&mut self, slot: u32, place: u32) {
        self.bounces.remove(&(slot, place));
    }

    /// Opens the queue: all who wait are put in, domain by domain, which is much less work than one by one.
    pub(crate) fn fill(
        &mut self,
        scheduled: impl Iterator<Item = (u32, Timestamp, At)>,
        bounces: BTreeSet<(u32, u32)>,
    ) {
        self.is_shut = false;
        self.bounces = bounces;
        let room = |queue: &Option<DomainQueue>| queue.as_ref().map_or(0, |queue| queue.held_by as usize);
        let mut waiting: Vec<Vec<(Timestamp, u32, u32)>> =
            self.domains.iter().map(|queue| Vec::with_capacity(room(queue))).collect();
        let mut others = Vec::new();
        for (domain, due, at) in scheduled {
            match waiting.get_mut(domain as usize) {
                Some(waiting) if at.priority == 0 => waiting.push((due, at.slot, at.place)),
                _ => others.push((domain, due, at)),
            }
        }
        for (domain, waiting) in (0..).zip(waiting) {
            self.change(domain, |queue| queue.waiting = Waiting::usual(waiting));
        }
        for (domain, due, at) in others {
            self.insert(domain, due, at);
        }
    }

    /// Whether anybody is to be given up.
    pub(crate) fn has_bounces(&self) -> bool {
        !self.bounces.is_empty()
    }

    /// Takes some of those that are to be given up, message by message.
    pub(crate) fn take_bounces(&mut self, max: usize) -> Vec<(u32, u32)> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(first) = self.bounces.pop_first()
        {
            taken.push(first);
        }
        taken
    }

    /// A recipient is in flight though it was not in its domain's queue.
    pub(crate) fn take_off(&mut self, domain: u32) {
        self.change(domain, |queue| queue.in_flight += 1);
    }

    /// Somebody asks for the domain's mail.
    pub(crate) fn want(&mut self, domain: u32) {
        if let Some(queue) = self.domains.get_mut(domain as usize).and_then(Option::as_mut) {
            queue.wanted = true;
        }
    }

    /// Whether somebody asked since this was last asked.
    pub(crate) fn take_wanted(&mut self, name: &Domain) -> bool {
        let queue = self.find(name).and_then(|domain| self.domains.get_mut(domain as usize)?.as_mut());
        queue.is_some_and(|queue| std::mem::take(&mut queue.wanted))
    }

    /// A recipient is no longer in flight.
    pub(crate) fn landed(&mut self, domain: u32) {
        self.change(domain, |queue| queue.in_flight = queue.in_flight.saturating_sub(1));
    }

    pub(crate) fn take(&mut self, domain: u32, now: Timestamp, max: usize) -> Vec<(u32, u32)> {
        let taken = self.change(domain, |queue| {
            let mut taken = Vec::new();
            while taken.len() < max
                && let Some(next) = queue.waiting.pop_due(now)
            {
                taken.push(next);
            }
            queue.in_flight += u32::try_from(taken.len()).unwrap_or(u32::MAX);
            taken
        });
        taken.unwrap_or_default()
    }

    pub(crate) fn checkout(&mut self, now: Timestamp) -> Option<Domain> {
        let (_, domain) = *self.ready.first().filter(|(due, _)| *due <= now)?;
        self.change(domain, |queue| {
            queue.checked_out = true;
            queue.name.clone()
        })
    }

    pub(crate) fn release(&mut self, name: &Domain) {
        let Some(domain) = self.find(name) else { return };
        self.change(domain, |queue| queue.checked_out = false);
        self.forget_if_empty(domain);
    }

    /// The earliest due time of a domain that can be checked out.
    pub(crate) fn next_due(&mut self) -> Option<Timestamp> {
        self.told = self.ready.first().map(|(due, _)| *due);
        self.told
    }

    /// Whether something is due earlier than [`Queue::next_due`] said; says so once.
    pub(crate) fn is_earlier(&mut self) -> bool {
        let first = self.ready.first().map(|(due, _)| *due);
        let earlier = first.is_some_and(|first| self.told.is_none_or(|told| first < told));
        if earlier {
            self.told = first;
        }
        earlier
    }

    /// The messages and recipients of a domain that wait for a time after `now`.
    pub(crate) fn later(&self, domain: u32, now: Timestamp) -> impl Iterator<Item = (u32, u32)> {
        let from = now.after(Duration::from_millis(1));
        self.get(domain).into_iter().flat_map(move |queue| queue.waiting.due_from(from))
    }

    /// Some of the domains with somebody who waits or is in flight, and the number to go on with.
    pub(crate) fn some_domains(
        &self,
        from: usize,
        max: usize,
    ) -> (impl Iterator<Item = &Domain>, Option<usize>) {
        let end = (from + max).min(self.domains.len());
        let some = self.domains.get(from..end).unwrap_or_default().iter().flatten();
        let owed = some.filter(|queue| queue.in_flight > 0 || !queue.waiting.is_empty());
        (owed.map(|queue| &queue.name), (end < self.domains.len()).then_some(end))
    }

    /// Each domain with the number waiting, the number in flight and its first due time.
    pub(crate) fn domains(&self) -> impl Iterator<Item = (&Domain, usize, u32, Option<Timestamp>)> {
        self.domains.iter().flatten().map(|queue| {
            let first = queue.waiting.first();
            (&queue.name, queue.waiting.len(), queue.in_flight, first)
        })
    }
}

/// A domain's name as it is shown.
fn key(name: &Domain) -> Cow<'_, str> {
    name.name().map_or_else(|| Cow::Owned(name.to_string()), Cow::Borrowed)
}

/// When the domain can next be checked out.
fn first_ready(queue: &DomainQueue) -> Option<Timestamp> {
    queue.waiting.first().filter(|_| !queue.checked_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn one(slot: u32) -> At {
        At { priority: 0, slot, place: 0 }
    }

    #[test]
    fn a_domain_is_checked_out_once_and_comes_back_with_what_came_meanwhile() {
        let mut queue = Queue::default();
        let name = Domain::parse("example.org").unwrap();
        let domain = queue.domain(&name);
        queue.hold_domain(domain);
        queue.insert(domain, at(5), one(0));
        assert!(queue.is_earlier() && !queue.is_earlier());
        assert_eq!(queue.checkout(at(4)), None);
        assert_eq!(queue.checkout(at(5)), Some(name.clone()));
        assert_eq!(queue.checkout(at(5)), None);
        assert_eq!(queue.take(domain, at(5), 10), [(0, 0)]);
        queue.insert(domain, at(6), one(1));
        assert_eq!(queue.next_due(), None);
        queue.release(&name);
        assert!(queue.is_earlier());
        assert_eq!(queue.next_due(), Some(at(6)));
    }

    #[test]
    fn a_domain_goes_with_its_last_recipient_but_not_while_it_is_checked_out() {
        let mut queue = Queue::default();
        let name = Domain::parse("example.org").unwrap();
        let domain = queue.domain(&name);
        queue.hold_domain(domain);
        queue.insert(domain, at(0), one(0));
        queue.checkout(at(0));
        queue.take(domain, at(0), 1);
        queue.landed(domain);
        queue.drop_domain(domain);
        assert_eq!(queue.find(&name), Some(domain));
        queue.release(&name);
        assert_eq!(queue.find(&name), None);
    }
}
