//! What is known of each relay: how much of its budget is used, whether it takes anything, and whether somebody was told that it does not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mail::{Reply, Timestamp};

use crate::{
    budget::{Taken, Window},
    changes::Changes,
    relay::Relay,
};

/// How long a relay may refuse everything before somebody is told. A login that is refused is told at once: that mends itself never.
const ALARM_AFTER: Duration = Duration::from_mins(5);

/// Messages that a relay refuses one after the other before that is more than bad addresses.
const REFUSED_MIN: u32 = 10;

/// How long to wait for room that is taken by messages which are being sent, and which may yet come to nothing.
const UNSETTLED: Duration = Duration::from_mins(1);

/// How a relay failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// It does not take our login, or the grant is over: only somebody can mend it.
    Login,
    /// It cannot be reached, is not who it has to be, or has too much of us.
    Host,
    /// It refused a message, which may be the message's fault.
    Message,
}

/// How a relay fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayStatus {
    /// Its name.
    pub name: Box<str>,
    /// Recipients within the last day.
    pub used: u32,
    /// The most of them; none: no limit is known.
    pub per_day: Option<u32>,
    /// When there is room again, if the budget is used up.
    pub room_at: Option<Timestamp>,
    /// When it last took a message.
    pub taken_at: Option<Timestamp>,
    /// It has taken nothing since then.
    pub failing_since: Option<Timestamp>,
    /// What it last had against us.
    pub reply: Option<Reply>,
    /// Somebody was told.
    pub alarmed: bool,
}

/// What a relay that takes nothing is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) relay: Box<str>,
    pub(crate) since: Timestamp,
    pub(crate) reply: Reply,
}

/// What is known of one relay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Page {
    pub(crate) window: Window,
    /// Recipients in the window that are being sent to: not known yet to have cost anything. Not written down.
    pub(crate) unsettled: u32,
    pub(crate) taken_at: Option<Timestamp>,
    pub(crate) failing_since: Option<Timestamp>,
    pub(crate) reply: Option<Reply>,
    pub(crate) alarmed: bool,
    /// Messages that it refused since it last took one, and since when. Not written down.
    pub(crate) refused: u32,
    pub(crate) refused_since: Option<Timestamp>,
}

/// All relays, by name. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    pages: Mutex<BTreeMap<Box<str>, Page>>,
    changes: Changes,
}

/// Room in a budget for recipients that are being sent to. What is not spent is given back.
#[derive(Debug)]
pub(crate) struct Reserved {
    book: Book,
    relay: Box<str>,
    taken: Taken,
    spent: u32,
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Page>> {
        self.0.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at<T>(&self, relay: &str, act: impl FnOnce(&mut Page) -> T) -> T {
        let mut pages = self.pages();
        match pages.get_mut(relay) {
            Some(page) => act(page),
            None => act(pages.entry(relay.into()).or_default()),
        }
    }

    /// That something is to be written down.
    pub(crate) fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// How many recipients there is room for, or when there is for one, as far as is known: what is being sent may yet leave some.
    pub(crate) fn room(&self, relay: &Relay, now: Timestamp) -> Result<u32, Timestamp> {
        let Some(most) = relay.limits.recipients_per_day else { return Ok(u32::MAX) };
        self.at(&relay.name, |page| {
            let used = page.window.used(now);
            match most.saturating_sub(used) {
                0 if used.saturating_sub(page.unsettled) < most => {
                    Err(page.window.room_at(now, most).min(now.after(UNSETTLED)))
                }
                0 => Err(page.window.room_at(now, most)),
                room => Ok(room),
            }
        })
    }

    /// Takes room for so many recipients; none: somebody else was quicker.
    pub(crate) fn reserve(&self, relay: &Relay, now: Timestamp, recipients: usize) -> Option<Reserved> {
        let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
        let most = relay.limits.recipients_per_day.unwrap_or(u32::MAX);
        let taken = self.at(&relay.name, |page| {
            let taken = page.window.take(now, recipients, most)?;
            page.unsettled = page.unsettled.saturating_add(taken.recipients);
            Some(taken)
        })?;
        self.0.changes.soon();
        Some(Reserved { book: self.clone(), relay: relay.name.clone(), taken, spent: 0 })
    }

    /// It took a message. Whether somebody had been told that it takes none.
    pub(crate) fn took(&self, relay: &Relay, now: Timestamp) -> bool {
        let recovered = self.at(&relay.name, |page| {
            let recovered = page.alarmed;
            (page.taken_at, page.failing_since, page.reply, page.alarmed) = (Some(now), None, None, false);
            (page.refused, page.refused_since) = (0, None);
            recovered
        });
        if recovered {
            self.0.changes.soon();
        }
        recovered
    }

    /// It took nothing. Gives what is to be told, once.
    pub(crate) fn failed(&self, relay: &Relay, reply: &Reply, how: Failing, now: Timestamp) -> Option<Alarm> {
        let alarm = self.at(&relay.name, |page| {
            let mut begun = now;
            if how == Failing::Message {
                page.refused = page.refused.saturating_add(1);
                begun = *page.refused_since.get_or_insert(now);
                if page.refused < REFUSED_MIN {
                    return None;
                }
            }
            let since = *page.failing_since.get_or_insert(begun);
            page.reply = Some(reply.clone());
            let is_due = how == Failing::Login || now.since(since) >= ALARM_AFTER;
            if page.alarmed || !is_due {
                return None;
            }
            page.alarmed = true;
            Some(Alarm { relay: relay.name.clone(), since, reply: reply.clone() })
        });
        self.0.changes.soon();
        alarm
    }

    /// How relays fare.
    pub(crate) fn status(&self, relays: &[Arc<Relay>], now: Timestamp) -> Vec<RelayStatus> {
        let pages = self.pages();
        let none = Page::default();
        let status = |relay: &Arc<Relay>| {
            let Page { window, taken_at, failing_since, reply, alarmed, .. } =
                pages.get(&relay.name).unwrap_or(&none);
            let per_day = relay.limits.recipients_per_day;
            let used = window.used(now);
            let spent = per_day.filter(|most| used >= *most);
            RelayStatus {
                name: relay.name.clone(),
                used,
                per_day,
                room_at: spent.map(|most| window.room_at(now, most)),
                taken_at: *taken_at,
                failing_since: *failing_since,
                reply: reply.clone(),
                alarmed: *alarmed,
            }
        };
        relays.iter().map(status).collect()
    }

    /// All pages, to be written down.
    pub(crate) fn copy(&self) -> Vec<(Box<str>, Page)> {
        self.pages().iter().map(|(name, page)| (name.clone(), page.clone())).collect()
    }

    /// Takes up what an earlier run knew.
    pub(crate) fn restore(&self, pages: Vec<(Box<str>, Page)>) {
        self.pages().extend(pages);
    }
}

impl Reserved {
    /// So many recipients of it were sent to, or may have been.
    pub(crate) fn spend(mut self, recipients: usize) {
        self.spent = u32::try_from(recipients).unwrap_or(u32::MAX).min(self.taken.recipients);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let back = self.taken.recipients - self.spent;
        self.book.at(&self.relay, |page| {
            page.unsettled = page.unsettled.saturating_sub(self.taken.recipients);
            page.window.give_back(&self.taken, back);
        });
        if back > 0 {
            self.book.0.changes.soon();
        }
    }
}

#[cfg(test)]
mod tests {
    use smtp::Protocol;

    use super::*;
    use crate::{Hosts, RelayLimits};

    fn relay(per_day: Option<u32>) -> Relay {
        let hosts = Hosts { protocol: Protocol::Smtp, hosts: Vec::new() };
        let limits = RelayLimits { recipients_per_day: per_day, ..RelayLimits::default() };
        Relay { limits, ..Relay::of("gmail", hosts) }
    }

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_millis(1_795_456_800_000 + minutes * 60_000)
    }

    #[test]
    fn room_is_reserved_and_what_is_not_spent_is_free_again() {
        let (book, relay) = (Book::default(), relay(Some(10)));
        assert_eq!(book.room(&relay, at(0)), Ok(10));
        let one = book.reserve(&relay, at(0), 6).unwrap();
        assert_eq!(book.room(&relay, at(0)), Ok(4));
        assert!(book.reserve(&relay, at(0), 5).is_none());
        one.spend(2);
        assert_eq!(book.room(&relay, at(0)), Ok(8));
        book.reserve(&relay, at(0), 8).unwrap().spend(8);
        assert!(book.room(&relay, at(1)).unwrap_err() > at(24 * 60));
        let status = book.status(&[Arc::new(relay)], at(1));
        assert_eq!((status[0].used, status[0].per_day, status[0].room_at.is_some()), (10, Some(10), true));
    }

    #[test]
    fn what_is_only_being_sent_lets_nobody_wait_for_a_day() {
        let (book, relay) = (Book::default(), relay(Some(10)));
        let (one, other) = (book.reserve(&relay, at(0), 6).unwrap(), book.reserve(&relay, at(0), 4).unwrap());
        assert_eq!(book.room(&relay, at(0)), Err(at(1)), "it may come to nothing");
        drop(other);
        assert_eq!(book.room(&relay, at(0)), Ok(4));
        book.reserve(&relay, at(0), 4).unwrap().spend(4);
        assert_eq!(book.room(&relay, at(0)), Err(at(1)));
        one.spend(6);
        assert!(book.room(&relay, at(0)).unwrap_err() > at(24 * 60), "now it is known");
    }

    #[test]
    fn somebody_is_told_once_and_again_only_when_it_has_worked_meanwhile() {
        let (book, relay) = (Book::default(), relay(None));
        let busy = Reply::plain(454, "Later");
        assert_eq!(book.failed(&relay, &busy, Failing::Host, at(0)), None);
        assert_eq!(book.failed(&relay, &busy, Failing::Host, at(4)), None);
        assert_eq!(book.failed(&relay, &busy, Failing::Host, at(5)).unwrap().since, at(0));
        assert_eq!(book.failed(&relay, &busy, Failing::Login, at(60)), None);
        assert!(book.took(&relay, at(61)) && !book.took(&relay, at(62)));
        assert!(book.failed(&relay, &Reply::plain(535, "No"), Failing::Login, at(63)).is_some());
    }

    #[test]
    fn a_few_bad_addresses_are_no_fault_of_the_relay() {
        let (book, relay, no) = (Book::default(), relay(None), Reply::plain(550, "Unknown"));
        let failed = |minutes| book.failed(&relay, &no, Failing::Message, at(minutes));
        assert!((0..9).all(|number| failed(number * 10).is_none()));
        assert_eq!(book.status(&[Arc::new(relay.clone())], at(90))[0].failing_since, None);
        assert_eq!(failed(90).unwrap().since, at(0));
        book.took(&relay, at(91));
        assert!((0..9).all(|number| failed(100 + number).is_none()));
    }
}
