//! Which recipients are due, and to which site they go: the one task that looks at the queue (mail-rules 9).

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use mail::{Domain, Timestamp};
use tokio::{
    sync::Semaphore,
    task::{self, JoinError, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    live::Settings,
    local,
    next_hop::NextHop,
    ordered,
    outcome::Fate,
    relay_book::RelayStatus,
    relay_file::Ledger,
    replies,
    route::{self, Resolved, Route, Rules, Unroutable},
    shared::Shared,
    site::{Job, Room, Site, SiteStatus},
    site_memory::Memory,
    wave::Wave,
    worker,
};

/// Domains that are ended or put off as a whole at a time: each holds a message in memory.
const ENDS_MAX: usize = 64;
/// Recipients taken from the queue at a time.
const TAKE_MAX: usize = 64;
/// Routes remembered; beyond that those that are over are forgotten, then all.
const ROUTES_MAX: usize = 20_000;
/// Nothing is remembered for less, or for longer, whatever the DNS says.
const TTL_MIN: Duration = Duration::from_secs(5);
const TTL_MAX: Duration = Duration::from_hours(1);
/// How often the dispatcher looks again when the queue promises work but hands none out.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const PRUNE_EVERY: Duration = Duration::from_mins(1);

/// Looks at the queue until it is told to stop.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    rules: Arc<Rules>,
    routes: HashMap<Domain, (Result<Route, Unroutable>, Timestamp)>,
    lookups: JoinSet<Resolved>,
    /// What each lookup is for, and the rules that it goes by.
    sought: HashMap<task::Id, (Domain, Arc<Rules>)>,
    /// Domains that wait for a lookup to end, so that theirs can begin. What needs none does not wait behind them.
    unsought: VecDeque<Domain>,
    /// Domains of sites that have not taken mail, while as many workers as may be wait to connect.
    unplaced: VecDeque<Domain>,
    /// Domains to be ended or put off as a whole, while as many of those are under way as may be.
    unended: VecDeque<Domain>,
    ends: Arc<Semaphore>,
    pruned: Timestamp,
    /// Retries by hand that were seen.
    retries: u64,
    /// Leaps of the clock that were seen.
    leaps: u64,
}

/// Shows how sites fare, while delivery runs and after.
#[derive(Clone)]
pub struct Sites {
    shared: Arc<Shared>,
}

impl Sites {
    /// All sites that anything is known of, by name. What changes meanwhile may be told of one and not of another.
    pub fn status(&self) -> Vec<SiteStatus> {
        self.shared.sites()
    }
}

/// Shows how relays fare, while delivery runs and after.
#[derive(Clone)]
pub struct Relays {
    shared: Arc<Shared>,
}

impl Relays {
    /// All of the settings that hold now, in their order.
    pub fn status(&self) -> Vec<RelayStatus> {
        self.shared.book.status(&self.shared.live().rules.relays, self.shared.now())
    }
}

impl Dispatcher {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (pruned, retries) = (shared.now(), shared.parts.spool.retries());
        Self {
            rules: Arc::clone(&shared.live().rules),
            shared,
            routes: HashMap::new(),
            lookups: JoinSet::new(),
            sought: HashMap::new(),
            unsought: VecDeque::new(),
            unplaced: VecDeque::new(),
            unended: VecDeque::new(),
            ends: Arc::new(Semaphore::new(ENDS_MAX)),
            pruned,
            retries,
            leaps: 0,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { shared: Arc::clone(&self.shared) }
    }

    /// Runs until `stop`, then waits for running transactions as long as the settings allow.
    pub(crate) async fn run(mut self, mut stop: net::Shutdown) {
        let memory = Memory::new(&self.shared).map(Arc::new);
        if let Some(memory) = memory.clone() {
            memory.recall(&self.shared).await;
            let shared = Arc::clone(&self.shared);
            self.shared.spawn(async move { memory.keep(&shared).await });
        }
        let ledger = Ledger::new(&self.shared).map(Arc::new);
        if let Some(ledger) = ledger.clone() {
            ledger.recall(&self.shared).await;
            let shared = Arc::clone(&self.shared);
            self.shared.spawn(async move { ledger.keep(&shared).await });
        }
        self.shared.watch_clock_from_the_start();
        self.shared.spawn(ordered::run(Arc::clone(&self.shared)));
        loop {
            let patience = sleep(self.dispatch());
            tokio::select! {
                biased;
                () = stop.requested() => break,
                Some(found) = self.lookups.join_next_with_id() => self.looked_up(found),
                () = self.shared.parts.spool.changed() => {}
                () = self.shared.poke.notified() => {}
                () = patience => {}
            }
        }
        self.give_up();
        self.tell(self.shared.waves.close());
        let mut tasks = self.shared.stop();
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(self.shared.config.shutdown, all).await.is_err() {
            tracing::warn!(
                station = "deliver",
                "transactions did not end in time; their connections are cut and the mail stays in the queue"
            );
        }
        tasks.shutdown().await;
        if let Some(memory) = memory {
            memory.write(&self.shared, false).await;
        }
        if let Some(ledger) = ledger {
            ledger.write(&self.shared, false).await;
        }
    }

    /// Gives back what waits here: with a million domains it is a long list, and nothing of it was begun.
    fn give_up(&mut self) {
        self.lookups.abort_all();
        let sought = self.sought.drain().map(|(_, (domain, _))| domain);
        let waiting = [&mut self.unsought, &mut self.unplaced, &mut self.unended];
        let waiting = waiting.into_iter().flat_map(|domains| domains.drain(..));
        sought.chain(waiting).for_each(|domain| self.shared.parts.spool.release(&domain));
    }

    /// How sites fare, from now on.
    pub(crate) fn sites(&self) -> Sites {
        Sites { shared: Arc::clone(&self.shared) }
    }

    /// How relays fare, from now on.
    pub(crate) fn relays(&self) -> Relays {
        Relays { shared: Arc::clone(&self.shared) }
    }

    /// Tells what waited for others.
    fn tell(&self, waves: Vec<Wave>) {
        for wave in waves {
            let shared = Arc::clone(&self.shared);
            self.shared.spawn(async move { shared.end_wave(wave).await });
        }
    }

    /// Hands out what is due; returns how long nothing will be, as far as is known.
    fn dispatch(&mut self) -> Duration {
        self.shared.watch_clock();
        let now = self.shared.now();
        let leaps = self.shared.clock_watch.leaps();
        if leaps != self.leaps {
            // How long they hold was said in another time.
            self.routes.clear();
            (self.leaps, self.pruned) = (leaps, now);
        }
        if now.since(self.pruned) >= PRUNE_EVERY || self.shared.has_too_many_sites() {
            self.shared.prune(now);
            self.pruned = now;
        }
        self.tell(self.shared.waves.take_overdue(now));
        let live = self.shared.live();
        if !Arc::ptr_eq(&live.rules, &self.rules) {
            self.rules = Arc::clone(&live.rules);
            self.routes.clear();
        }
        let retries = self.shared.parts.spool.retries();
        if retries != self.retries {
            // Who asks for a retry by hand has a reason that no timer knows.
            self.retries = retries;
            self.shared.wake_sites();
        }
        if !self.shared.is_halted() {
            self.resume(now);
        }
        let (spool, shared) = (self.shared.parts.spool.clone(), Arc::clone(&self.shared));
        let checkout = || (!shared.is_halted()).then(|| spool.checkout(now)).flatten();
        let next = hand_out(now, checkout, || spool.next_due(), |domain| self.place(domain, now));
        let time = self.shared.now();
        let patience = patience(next, now, time);
        self.shared.waves.next_end().map_or(patience, |end| end.since(time).min(patience))
    }

    /// Goes on with domains for which there was no room.
    fn resume(&mut self, now: Timestamp) {
        while self.ends.available_permits() > 0
            && let Some(domain) = self.unended.pop_front()
        {
            self.place(domain, now);
        }
        while !self.shared.strangers.is_crowded()
            && let Some(domain) = self.unplaced.pop_front()
        {
            self.place(domain, now);
        }
    }

    /// Finds the route of a domain that was checked out.
    fn place(&mut self, domain: Domain, now: Timestamp) {
        let is_local = self.shared.live().directory.is_local(&domain);
        if is_local && self.rules.store.is_none() {
            return self.follow(domain, &Ok(Route::Local), now);
        }
        if let Some((route, until)) = self.routes.get(&domain)
            && *until > now
        {
            let route = route.clone();
            return self.follow(domain, &route, now);
        }
        self.unsought.push_back(domain);
        self.seek();
    }

    /// Begins as many lookups as may run at a time.
    fn seek(&mut self) {
        while self.lookups.len() < self.shared.config.lookups_max.max(1)
            && let Some(domain) = self.unsought.pop_front()
        {
            self.look_up(domain);
        }
    }

    fn look_up(&mut self, domain: Domain) {
        let (resolver, rules) = (Arc::clone(&self.shared.parts.resolver), Arc::clone(&self.rules));
        let is_local = self.shared.live().directory.is_local(&domain);
        let (name, by) = (domain.clone(), Arc::clone(&rules));
        let lookup = self.lookups.spawn(async move {
            match &rules.store {
                Some(store) if is_local => route::to_store(store, &*resolver, &rules).await,
                _ => route::resolve(&name, &*resolver, &rules).await,
            }
        });
        self.sought.insert(lookup.id(), (domain, by));
    }

    fn looked_up(&mut self, found: Result<(task::Id, Resolved), JoinError>) {
        let id = found.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some((domain, rules)) = self.sought.remove(&id) else { return };
        if !Arc::ptr_eq(&rules, &self.rules) {
            // They have changed meanwhile: where it goes is to be found anew.
            self.place(domain, self.shared.now());
            return self.seek();
        }
        // A lookup that panicked is a fault of ours: its mail waits, and its domain does not stay checked out.
        let broken = |_| Resolved { route: Err(Unroutable::Defer(replies::route_lost())), ttl: TTL_MIN };
        self.resolved(domain, found.map_or_else(broken, |(_, resolved)| resolved));
        self.seek();
    }

    fn resolved(&mut self, domain: Domain, Resolved { route, ttl }: Resolved) {
        let now = self.shared.now();
        if self.routes.len() >= ROUTES_MAX {
            self.routes.retain(|_, (_, until)| *until > now);
            if self.routes.len() >= ROUTES_MAX {
                self.routes.clear();
            }
        }
        self.routes.insert(domain.clone(), (route.clone(), now.after(ttl.clamp(TTL_MIN, TTL_MAX))));
        self.follow(domain, &route, now);
    }

    fn follow(&mut self, domain: Domain, route: &Result<Route, Unroutable>, now: Timestamp) {
        match route {
            Ok(Route::Local) => self.feed(domain, &self.shared.site(None), None, now),
            Ok(Route::Hop(hop)) => {
                let site = self.shared.site(Some(&hop.site));
                if self.shared.parts.spool.take_wanted(&domain) {
                    site.wake_lane(&hop.lane);
                }
                self.feed(domain, &site, Some(hop), now);
            }
            Ok(Route::Choice(choice)) => {
                if self.shared.parts.spool.take_wanted(&domain) {
                    choice.hops().for_each(|hop| self.shared.site(Some(&hop.site)).wake_lane(&hop.lane));
                }
                let (choice, asked) = (Arc::clone(choice), self.retries);
                self.end(domain, move |shared, domain| async move {
                    shared.divide(&domain, &choice, asked).await;
                });
            }
            Err(why) => {
                let (fate, reply) = match why {
                    Unroutable::Defer(reply) => (Fate::Deferred, reply.clone()),
                    Unroutable::Bounce(reply) => (Fate::Bounced, reply.clone()),
                };
                self.end(domain, move |shared, domain| async move {
                    shared.fail_domain(&domain, fate, &reply).await;
                });
            }
        }
    }

    /// Ends or puts off what is due in a domain, some domains at a time.
    fn end<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        domain: Domain,
        how: impl FnOnce(Arc<Shared>, Domain) -> F,
    ) {
        let Ok(permit) = Arc::clone(&self.ends).try_acquire_owned() else {
            return self.unended.push_back(domain);
        };
        let ending = how(Arc::clone(&self.shared), domain);
        let shared = Arc::clone(&self.shared);
        self.shared.spawn(async move {
            ending.await;
            drop(permit);
            shared.poke.notify_one();
        });
    }

    /// Moves due recipients of a domain into the ready queue of its site, as many as it takes.
    fn feed(&mut self, domain: Domain, site: &Arc<Site>, hop: Option<&Arc<NextHop>>, now: Timestamp) {
        let lane = hop.map_or_else(|| Arc::clone(&site.key.site), |hop| Arc::clone(&hop.lane));
        loop {
            let room = match site.room_or_park(&lane, &domain, now) {
                Room::Jobs(_)
                    if hop.is_some() && self.shared.strangers.is_crowded() && !site.takes_mail() =>
                {
                    return self.unplaced.push_back(domain);
                }
                Room::Jobs(room) => room.min(TAKE_MAX),
                Room::Parked => return,
                Room::Suspended(suspension) => {
                    let (site, asked) = (Arc::clone(&site.key.site), self.retries);
                    return self.end(domain, move |shared, domain| async move {
                        shared.turn_domain_away(&domain, &site, &suspension, asked).await;
                    });
                }
            };
            let works = self.shared.parts.spool.take(&domain, now, room);
            let taken: usize = works.iter().map(|work| work.recipients.len()).sum();
            if taken > 0 {
                let jobs = works.into_iter().map(|work| Job { work, hop: hop.cloned() }).collect();
                self.start(site, &lane, site.push(&lane, jobs), hop.is_none());
            }
            if taken < room {
                return self.shared.parts.spool.release(&domain);
            }
        }
    }

    fn start(&self, site: &Arc<Site>, lane: &Arc<str>, workers: usize, is_local: bool) {
        for _ in 0..workers {
            if is_local {
                let (shared, site, lane) = (Arc::clone(&self.shared), Arc::clone(site), Arc::clone(lane));
                self.shared.spawn(local::run(shared, site, lane));
            } else {
                worker::start(&self.shared, site, lane);
            }
        }
    }
}

/// Hands out all domains with anything due at `now`, and tells when the next is due. That is not after `now` only if the queue does not
/// hand it out: what comes in behind the last look into the queue is not mistaken for that.
fn hand_out(
    now: Timestamp,
    checkout: impl Fn() -> Option<Domain>,
    next_due: impl Fn() -> Option<Timestamp>,
    mut place: impl FnMut(Domain),
) -> Option<Timestamp> {
    loop {
        while let Some(domain) = checkout() {
            place(domain);
        }
        let next = next_due();
        let late = next.filter(|due| *due <= now).and_then(|_| checkout());
        let Some(domain) = late else { return next };
        place(domain);
    }
}

/// How long to wait for what is due next, at `now`, if the queue was `asked` for all that was due then and gave it.
fn patience(due: Option<Timestamp>, asked: Timestamp, now: Timestamp) -> Duration {
    const LONG: Duration = Duration::from_mins(1);
    match due {
        // It gave not all: it cannot, for now (mail-rules 14).
        Some(due) if due <= asked => LOOK_AGAIN,
        // What became due since it was asked is not waited for at all.
        Some(due) => due.since(now).min(LONG),
        None => LONG,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A queue in which a message comes in when it was just said that nothing is due.
    #[test]
    fn what_comes_in_behind_the_last_look_is_handed_out() {
        let domain = |name: &str| Domain::parse(name).unwrap();
        let (looks, placed) = (Cell::new(0), RefCell::new(Vec::new()));
        let checkout = || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => Some(domain("first.example")),
                3 => Some(domain("late.example")),
                _ => None,
            }
        };
        let next_due = || if looks.get() < 3 { Some(at(999)) } else { Some(at(5000)) };
        let next = hand_out(at(1000), checkout, next_due, |domain| placed.borrow_mut().push(domain));
        assert_eq!(placed.into_inner(), [domain("first.example"), domain("late.example")]);
        assert_eq!(next, Some(at(5000)));
        assert_eq!(
            hand_out(at(1000), || None, || Some(at(999)), drop),
            Some(at(999)),
            "it is not handed out"
        );
    }

    #[test]
    fn what_became_due_while_the_queue_was_asked_is_not_waited_for() {
        assert_eq!(patience(Some(at(1001)), at(1000), at(1001)), Duration::ZERO);
        assert_eq!(patience(Some(at(1001)), at(1000), at(1300)), Duration::ZERO);
        assert_eq!(patience(Some(at(1300)), at(1000), at(1100)), Duration::from_millis(200));
    }

    #[test]
    fn a_queue_that_cannot_hand_out_what_is_due_is_asked_again_later() {
        assert_eq!(patience(Some(at(1000)), at(1000), at(1001)), LOOK_AGAIN);
        assert_eq!(patience(None, at(1000), at(1000)), Duration::from_mins(1));
    }
}
