//! How much each login sends: quotas, and what it used to send (issue of stolen passwords: they show as a flood).
//!
//! Counts are kept by the hour for a day. What an account sends in its busiest hours is learned day by day, at most twice as much each
//! day: who wants to teach a flood has to send it slowly.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
    sync::{Mutex, PoisonError},
};

use mail::Timestamp;

const HOUR_SECS: u64 = 3600;
const HOURS_KEPT: u64 = 24;
/// Logins that are remembered. Each is an account, or a user of this machine.
const LOGINS_MAX: usize = 1_000_000;

/// How much a login may send. Zero: there is no such limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Messages within an hour.
    pub messages_per_hour: u32,
    /// Recipients within an hour.
    pub recipients_per_hour: u32,
    /// Messages within a day.
    pub messages_per_day: u32,
    /// Recipients within a day.
    pub recipients_per_day: u32,
    /// Fewer recipients within an hour are no flood, whatever the login used to send. Zero: nothing is.
    pub flood_recipients: u32,
    /// So many times what the login sends in its busiest hours is a flood.
    pub flood_factor: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            messages_per_hour: 0,
            recipients_per_hour: 0,
            messages_per_day: 0,
            recipients_per_day: 0,
            flood_recipients: 500,
            flood_factor: 5,
        }
    }
}

/// What a message is of a login that has sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// One as any.
    Usual,
    /// Part of a flood.
    Flood {
        /// The first of it that was noticed.
        begins: bool,
    },
}

/// All logins.
#[derive(Debug, Default)]
pub(crate) struct Usages(Mutex<BTreeMap<Box<str>, Usage>>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Usage {
    hours: VecDeque<Hour>,
    /// Recipients in the busiest hours, as learned until yesterday.
    learned: u32,
    /// Recipients in the busiest hour of this day.
    peak: u32,
    day: u64,
    floods: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hour {
    number: u64,
    messages: u32,
    recipients: u32,
}

impl Usages {
    /// Whether a login may send one message more, to so many recipients.
    pub(crate) fn has_room(&self, login: &str, quotas: &Quotas, recipients: u32, now: Timestamp) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = Usage::default();
        let usage = all.get(login).unwrap_or(&nothing);
        let (hour, day) = (usage.last_hour(now), usage.last_day(now));
        let fits = |sent: u32, more: u32, max: u32| max == 0 || sent.saturating_add(more) <= max;
        fits(hour.messages, 1, quotas.messages_per_hour)
            && fits(hour.recipients, recipients, quotas.recipients_per_hour)
            && fits(day.messages, 1, quotas.messages_per_day)
            && fits(day.recipients, recipients, quotas.recipients_per_day)
    }

    /// Counts a message.
    pub(crate) fn count(&self, login: &str, quotas: &Quotas, recipients: u32, now: Timestamp) -> Amount {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= LOGINS_MAX && !all.contains_key(login) {
            return Amount::Usual;
        }
        let usage = all.entry(login.into()).or_default();
        usage.learn(quotas, now);
        usage.add(recipients, now);
        usage.judge(quotas, now)
    }

    /// To be kept for the next run: a line for each login.
    pub(crate) fn written(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (login, usage) in all.iter() {
            let Usage { hours, learned, peak, day, floods } = usage;
            // Writing to a String cannot fail.
            let _ = write!(text, "{day} {learned} {peak} {}", u8::from(*floods));
            for Hour { number, messages, recipients } in hours {
                let _ = write!(text, " {number}:{messages}:{recipients}");
            }
            let _ = writeln!(text, "\t{login}");
        }
        text
    }

    /// Takes up what was kept. Lines that are none are passed over: this is no more than a memory.
    pub(crate) fn recall(&self, text: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (login, usage) in text.lines().filter_map(read).take(LOGINS_MAX) {
            all.insert(login.into(), usage);
        }
    }
}

fn read(line: &str) -> Option<(&str, Usage)> {
    let (numbers, login) = line.split_once('\t')?;
    let mut words = numbers.split(' ');
    let day = words.next()?.parse().ok()?;
    let learned = words.next()?.parse().ok()?;
    let peak = words.next()?.parse().ok()?;
    let floods = words.next()? == "1";
    let hour = |word: &str| {
        let mut parts = word.split(':');
        let number = parts.next()?.parse().ok()?;
        Some(Hour { number, messages: parts.next()?.parse().ok()?, recipients: parts.next()?.parse().ok()? })
    };
    let hours = words.map(hour).collect::<Option<VecDeque<Hour>>>()?;
    Some((login, Usage { hours, learned, peak, day, floods }))
}

fn hour_of(now: Timestamp) -> u64 {
    now.as_secs() / HOUR_SECS
}

impl Usage {
    fn add(&mut self, recipients: u32, now: Timestamp) {
        let number = hour_of(now);
        // A later hour is one from before the clock was set back.
        self.hours.retain(|hour| hour.number <= number && number - hour.number <= HOURS_KEPT);
        // An hour without any mail ends a flood.
        self.floods &= self.hours.back().is_some_and(|hour| hour.number + 1 >= number);
        match self.hours.back_mut() {
            Some(hour) if hour.number == number => {
                hour.messages = hour.messages.saturating_add(1);
                hour.recipients = hour.recipients.saturating_add(recipients);
            }
            _ => self.hours.push_back(Hour { number, messages: 1, recipients }),
        }
    }

    /// The last sixty minutes: this hour, and as much of the one before as belongs to them.
    fn last_hour(&self, now: Timestamp) -> Hour {
        let number = hour_of(now);
        let left = HOUR_SECS - now.as_secs() % HOUR_SECS;
        let part = |count: u32| u32::try_from(u64::from(count) * left / HOUR_SECS).unwrap_or(u32::MAX);
        let mut sum = Hour { number, messages: 0, recipients: 0 };
        for hour in &self.hours {
            if hour.number == number {
                sum.messages = sum.messages.saturating_add(hour.messages);
                sum.recipients = sum.recipients.saturating_add(hour.recipients);
            } else if hour.number + 1 == number {
                sum.messages = sum.messages.saturating_add(part(hour.messages));
                sum.recipients = sum.recipients.saturating_add(part(hour.recipients));
            }
        }
        sum
    }

    fn last_day(&self, now: Timestamp) -> Hour {
        let number = hour_of(now);
        let mut sum = Hour { number, messages: 0, recipients: 0 };
        for hour in
            self.hours.iter().filter(|hour| hour.number <= number && number - hour.number < HOURS_KEPT)
        {
            sum.messages = sum.messages.saturating_add(hour.messages);
            sum.recipients = sum.recipients.saturating_add(hour.recipients);
        }
        sum
    }

    /// At the end of a day its busiest hour is learned, and what was learned before fades.
    fn learn(&mut self, quotas: &Quotas, now: Timestamp) {
        let day = hour_of(now) / HOURS_KEPT;
        if day == self.day {
            return;
        }
        let most = self.learned.saturating_mul(2).max(quotas.flood_recipients);
        let faded = self.learned - self.learned / 10;
        self.learned = self.peak.min(most).max(faded);
        (self.day, self.peak) = (day, 0);
    }

    fn judge(&mut self, quotas: &Quotas, now: Timestamp) -> Amount {
        let sent = self.last_hour(now).recipients;
        self.peak = self.peak.max(sent);
        let usual = quotas.flood_recipients.max(self.learned.saturating_mul(quotas.flood_factor));
        let before = self.floods;
        // It is over when there is much less of it, not at each message that falls short of it.
        self.floods = quotas.flood_recipients > 0 && (sent > usual || before && sent > usual / 2);
        if self.floods { Amount::Flood { begins: !before } } else { Amount::Usual }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LOGIN: &str = "anna@example.org";
    const HOUR: Duration = Duration::from_hours(1);
    const DAY: Duration = Duration::from_hours(24);
    const NOW: Timestamp = Timestamp::from_millis(20_000 * 86_400_000);
    const FLOODS: Quotas = Quotas {
        messages_per_hour: 0,
        recipients_per_hour: 0,
        messages_per_day: 0,
        recipients_per_day: 0,
        flood_recipients: 100,
        flood_factor: 5,
    };

    #[test]
    fn quotas_are_those_of_the_last_hour_and_the_last_day() {
        let quotas = Quotas { messages_per_hour: 3, recipients_per_day: 20, flood_recipients: 0, ..FLOODS };
        let meter = Usages::default();
        for _ in 0..3 {
            assert!(meter.has_room(LOGIN, &quotas, 5, NOW));
            assert_eq!(meter.count(LOGIN, &quotas, 5, NOW), Amount::Usual);
        }
        assert!(!meter.has_room(LOGIN, &quotas, 1, NOW), "three messages");
        assert!(meter.has_room("bob@example.org", &quotas, 20, NOW));
        assert!(!meter.has_room("bob@example.org", &quotas, 21, NOW), "for the first message too");
        let later = NOW.after(2 * HOUR);
        assert!(meter.has_room(LOGIN, &quotas, 5, later) && !meter.has_room(LOGIN, &quotas, 6, later));
        assert!(meter.has_room(LOGIN, &quotas, 20, NOW.after(DAY + HOUR)));
    }

    #[test]
    fn a_flood_is_more_than_ever_and_ends_when_there_is_much_less() {
        let meter = Usages::default();
        assert_eq!(meter.count(LOGIN, &FLOODS, 100, NOW), Amount::Usual);
        assert_eq!(meter.count(LOGIN, &FLOODS, 1, NOW), Amount::Flood { begins: true });
        assert_eq!(meter.count(LOGIN, &FLOODS, 1, NOW), Amount::Flood { begins: false });
        assert_eq!(meter.count(LOGIN, &FLOODS, 1, NOW.after(HOUR)), Amount::Flood { begins: false });
        assert_eq!(meter.count(LOGIN, &FLOODS, 1, NOW.after(2 * HOUR)), Amount::Usual);
        let off = Quotas { flood_recipients: 0, ..FLOODS };
        assert_eq!(meter.count(LOGIN, &off, 1_000_000, NOW.after(DAY)), Amount::Usual);
    }

    #[test]
    fn what_is_sent_day_by_day_is_learned_but_no_flood_at_once() {
        let meter = Usages::default();
        let day = |number: u32| NOW.after(DAY * number);
        for number in 0..5 {
            meter.count(LOGIN, &FLOODS, 80, day(number));
        }
        assert_eq!(meter.count(LOGIN, &FLOODS, 390, day(5)), Amount::Usual, "five times as much is usual");
        assert_eq!(meter.count(LOGIN, &FLOODS, 10_000, day(5)), Amount::Flood { begins: true });
        // Of that hour only twice what was known is learned.
        assert_eq!(meter.count(LOGIN, &FLOODS, 5 * 160, day(6)), Amount::Usual);
        assert_eq!(meter.count(LOGIN, &FLOODS, 1, day(6)), Amount::Flood { begins: true });
    }

    #[test]
    fn what_is_known_outlasts_a_restart() {
        let meter = Usages::default();
        meter.count(LOGIN, &FLOODS, 80, NOW);
        meter.count("user www-data", &FLOODS, 101, NOW.after(HOUR));
        let text = meter.written();
        let again = Usages::default();
        again.recall(&format!("nonsense\n1 2\t\n{text}x y z\tq\n"));
        assert_eq!(again.written(), text);
        assert_eq!(
            again.count("user www-data", &FLOODS, 1, NOW.after(HOUR)),
            Amount::Flood { begins: false }
        );
    }
}
