//! Rates of one client: a token bucket for each kind of thing that it does.

use std::{hash::Hash, time::Duration};

use crate::{Table, Weigh};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Connections.
    Connections,
    /// Transactions.
    Messages,
    /// Recipients, accepted or not.
    Recipients,
    /// Wrong commands, and refused recipients.
    Errors,
    /// Commands.
    Commands,
    /// Octets that came from it.
    Octets,
}

impl Kind {
    /// Each.
    pub const ALL: [Self; 6] =
        [Self::Connections, Self::Messages, Self::Recipients, Self::Errors, Self::Commands, Self::Octets];
}

/// So many within a time: as many at once as within all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u64,
    /// Within this time.
    pub per: Duration,
}

impl Rate {
    /// In microseconds.
    fn period(self) -> u64 {
        u64::try_from(self.per.as_micros()).unwrap_or(u64::MAX)
    }

    /// How long so many take up, in microseconds.
    fn cost(self, many: u64) -> u64 {
        let cost = u128::from(many).saturating_mul(self.per.as_micros()) / u128::from(self.count.max(1));
        u64::try_from(cost).unwrap_or(u64::MAX)
    }
}

/// How much one client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at once.
    pub sessions: usize,
    /// The rates, in the order of [`Kind::ALL`]; `None` for no limit.
    rates: [Option<Rate>; Kind::ALL.len()],
}

impl Limits {
    /// So many sessions, and no rates.
    pub fn of_sessions(sessions: usize) -> Self {
        Self { sessions, rates: [None; Kind::ALL.len()] }
    }

    /// With another number of sessions.
    #[must_use]
    pub fn with_sessions(self, sessions: usize) -> Self {
        Self { sessions, ..self }
    }

    /// With another rate.
    #[must_use]
    pub fn with(mut self, kind: Kind, rate: Option<Rate>) -> Self {
        if let Some(place) = self.rates.get_mut(kind as usize) {
            *place = rate;
        }
        self
    }

    /// The rate of a kind.
    pub fn rate(&self, kind: Kind) -> Option<Rate> {
        self.rates.get(kind as usize).copied().flatten()
    }
}

/// Until when each bucket is not full again, in microseconds.
#[derive(Debug, Default)]
struct Buckets([u64; Kind::ALL.len()]);

impl Weigh for Buckets {
    /// The time that it takes to fill them: a client that was quiet for so long is as a new one.
    fn weight(&self, now: u64) -> u64 {
        self.0.iter().map(|until| until.saturating_sub(now)).max().unwrap_or(0)
    }
}

/// The buckets of all clients. `now` is the time since any moment, by a clock that does not go back.
#[derive(Debug)]
pub struct Rates<K>(Table<K, Buckets>);

impl<K: Hash + Eq + Clone> Rates<K> {
    /// For about so many clients at a time. Of more, those are forgotten that have used up least.
    pub fn new(clients: usize) -> Self {
        Self(Table::new(clients))
    }

    /// Takes so many, if they are there: then `true`. Else nothing is taken.
    pub fn spend(&self, client: &K, limits: &Limits, kind: Kind, many: u64, now: Duration) -> bool {
        let Some(rate) = limits.rate(kind) else { return true };
        let now = micros(now);
        let spent = self.0.enter(client, now, |buckets| {
            let Some(until) = buckets.0.get_mut(kind as usize) else { return true };
            let wanted = (*until).max(now).saturating_add(rate.cost(many));
            let fits = wanted.saturating_sub(now) <= rate.period();
            if fits {
                *until = wanted;
            }
            fits
        });
        spent.unwrap_or(true)
    }

    /// Takes so many, whether they are there or not, for what has happened already. Whether there are still some: with more than twice
    /// what there is nobody is punished longer.
    pub fn charge(&self, client: &K, limits: &Limits, kind: Kind, many: u64, now: Duration) -> bool {
        let Some(rate) = limits.rate(kind) else { return true };
        let now = micros(now);
        if many == 0 {
            let until =
                self.0.look(client, |buckets| buckets.0.get(kind as usize).copied()).flatten().unwrap_or(0);
            return until.saturating_sub(now) <= rate.period();
        }
        let within = self.0.enter(client, now, |buckets| {
            let Some(until) = buckets.0.get_mut(kind as usize) else { return true };
            let most = now.saturating_add(rate.period().saturating_mul(2));
            *until = (*until).max(now).saturating_add(rate.cost(many)).min(most);
            until.saturating_sub(now) <= rate.period()
        });
        within.unwrap_or(true)
    }
}

fn micros(now: Duration) -> u64 {
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn limits() -> Limits {
        Limits::of_sessions(1).with(Kind::Messages, Some(Rate { count: 6, per: MINUTE }))
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn a_bucket_gives_all_it_has_and_fills_again() {
        let (rates, limits) = (Rates::new(8), limits());
        let spend = |now| rates.spend(&1, &limits, Kind::Messages, 1, at(now));
        assert_eq!((0..8).filter(|_| spend(0)).count(), 6);
        assert!(!spend(9) && spend(10) && !spend(10), "one is back after ten seconds");
        assert_eq!((0..8).filter(|_| spend(200)).count(), 6, "never more than it holds");
        assert!(rates.spend(&2, &limits, Kind::Messages, 1, at(200)), "another client");
        assert!(rates.spend(&1, &limits, Kind::Recipients, 1_000_000, at(200)), "no limit");
        assert!(!rates.spend(&3, &limits, Kind::Messages, 7, at(200)));
    }

    #[test]
    fn what_has_happened_is_paid_for_but_not_for_ever() {
        let (rates, limits) = (Rates::new(8), limits());
        let charge = |many, now| rates.charge(&1, &limits, Kind::Messages, many, at(now));
        assert!(charge(0, 0) && charge(6, 0) && charge(0, 0) && !charge(1, 0) && !charge(0, 0));
        assert!(!charge(1_000_000, 0));
        assert!(!charge(0, 59) && charge(0, 60), "at most one period beyond what there is");
    }

    #[test]
    fn a_scanner_does_not_make_a_client_in_debt_new() {
        let (rates, limits) = (Rates::new(64), limits());
        assert!(rates.spend(&u32::MAX, &limits, Kind::Messages, 6, at(0)));
        for stranger in 0..100_000 {
            rates.spend(&stranger, &limits, Kind::Messages, 1, at(1));
        }
        assert!(!rates.spend(&u32::MAX, &limits, Kind::Messages, 1, at(1)));
    }

    #[test]
    fn no_number_overflows() {
        let most = Rate { count: u64::MAX, per: Duration::MAX };
        let limits = Limits::of_sessions(1).with(Kind::Octets, Some(most));
        let rates = Rates::new(8);
        for many in [0, 1, u64::MAX, u64::MAX] {
            rates.spend(&1, &limits, Kind::Octets, many, Duration::MAX);
            rates.charge(&1, &limits, Kind::Octets, many, Duration::MAX);
        }
    }
}
