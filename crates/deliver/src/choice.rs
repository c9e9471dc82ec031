//! Several relays for the mail of one domain: which one gets a message depends on who sends it, and on which of them takes any.

use std::sync::Arc;

use dns::Resolve;
use mail::{Domain, Reply, ReversePath};
use spool::{Loaded, Work};

use crate::{
    join::join_all,
    named,
    next_hop::NextHop,
    on_panic::OnPanic,
    outcome::{Fate, Finding},
    relay::Relay,
    replies,
    route::{self, Resolved, Route, Rules, Unroutable},
    shared::Shared,
    site::{Job, Room, Suspension},
    worker,
};

/// Messages of a domain that are looked at in one go.
const TAKE_MAX: usize = 64;

/// Relays in the order of the configuration, each with where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    options: Vec<(Arc<Relay>, Where)>,
    /// What no relay takes goes to the MX of the domain.
    otherwise: Option<Where>,
}

type Where = Result<Arc<NextHop>, Unroutable>;

/// What became of a message that was to go to a lane.
enum Placed {
    Done,
    /// There is no room: the domain waits at that lane.
    Parked,
}

/// Where mail for a domain goes that these relays take, if they and their fall-backs are more than one, or not everybody's.
pub(crate) async fn resolve(
    domain: &Domain,
    takers: &[&Arc<Relay>],
    resolver: &dyn Resolve,
    rules: &Rules,
) -> Resolved {
    // A fall-back may be a relay that takes no mail for the domain by itself.
    let needed = |relay: &&Arc<Relay>| {
        takers.iter().any(|taker| Arc::ptr_eq(taker, relay) || taker.fallback.contains(&relay.name))
    };
    let relays: Vec<&Arc<Relay>> = rules.relays.iter().filter(needed).collect();
    let lookups = relays.iter().map(|relay| named::by_relay(relay, resolver, rules)).collect();
    let (mut options, mut ttl) = (Vec::new(), std::time::Duration::MAX);
    for (relay, resolved) in relays.iter().zip(join_all(lookups).await) {
        ttl = ttl.min(resolved.ttl);
        options.push((Arc::clone(relay), where_to(resolved.route)));
    }
    let is_left = takers.iter().all(|taker| !taker.senders.is_empty());
    let otherwise = if is_left {
        let resolved = route::by_dns(domain, resolver, rules).await;
        ttl = ttl.min(resolved.ttl);
        Some(where_to(resolved.route))
    } else {
        None
    };
    Resolved { route: Ok(Route::Choice(Arc::new(Choice { options, otherwise }))), ttl }
}

fn where_to(route: Result<Route, Unroutable>) -> Where {
    match route {
        Ok(Route::Hop(hop)) => Ok(hop),
        Ok(Route::Local | Route::Choice(_)) => Err(Unroutable::Defer(replies::route_lost())),
        Err(why) => Err(why),
    }
}

impl Choice {
    /// All hosts that there may be need of.
    pub(crate) fn hops(&self) -> impl Iterator<Item = &Arc<NextHop>> {
        self.options.iter().map(|(_, hop)| hop).chain(&self.otherwise).filter_map(|hop| hop.as_ref().ok())
    }

    /// Where mail of somebody goes: the first relay that takes it, then those that it falls back to, in their order.
    fn of(&self, domain: &Domain, sender: &ReversePath) -> Vec<Where> {
        let takes = |(relay, _): &&(Arc<Relay>, Where)| relay.takes(domain) && relay.takes_from(sender);
        let Some((first, hop)) = self.options.iter().find(takes) else {
            return self.otherwise.iter().cloned().collect();
        };
        let named = |name: &str| self.options.iter().find(|(relay, _)| &*relay.name == name);
        let others = first.fallback.iter().filter_map(|name| named(name)).map(|(_, hop)| hop.clone());
        let mut all: Vec<Where> = std::iter::once(hop.clone()).chain(others).collect();
        let last = all.len().saturating_sub(1);
        for hop in all.iter_mut().take(last).flatten() {
            *hop = Arc::new(NextHop { has_fallback: true, ..(**hop).clone() });
        }
        all
    }
}

impl Shared {
    /// Moves what is due in a domain to the relays that it is for, and gives the domain back; or lets it wait where there is no room.
    ///
    /// What becomes due meanwhile is for another look at its route, and so is all that is left once somebody has asked for a retry since `asked` was
    /// looked at: no rest that was seen before that may put it off.
    pub(crate) async fn divide(self: &Arc<Self>, domain: &Domain, choice: &Choice, asked: u64) {
        let _checked_out = OnPanic(|| self.release(std::slice::from_ref(domain)));
        let begun = self.now();
        while !self.is_halted() && self.parts.spool.retries() == asked {
            let works = self.parts.spool.take(domain, begun, TAKE_MAX);
            if works.is_empty() {
                break;
            }
            let _in_hand = OnPanic(|| works.iter().for_each(|work| self.broke_off(work)));
            let mut parked = false;
            for work in &works {
                if parked || self.is_halted() {
                    self.parts.spool.put_back(work);
                } else if let Placed::Parked = self.place_by_sender(domain, choice, work, asked).await {
                    parked = true;
                }
            }
            if parked {
                return;
            }
        }
        self.release(std::slice::from_ref(domain));
    }

    async fn place_by_sender(
        self: &Arc<Self>,
        domain: &Domain,
        choice: &Choice,
        work: &Work,
        asked: u64,
    ) -> Placed {
        let Some(Loaded { envelope, .. }) = self.load(work).await else { return Placed::Done };
        let in_ascii = directory::in_ascii(domain.clone()).unwrap_or_else(|| domain.clone());
        let (mut rest, mut nowhere): (Option<(Suspension, Arc<str>)>, Option<Unroutable>) = (None, None);
        for hop in choice.of(&in_ascii, &envelope.reverse_path) {
            let hop = match hop {
                Ok(hop) => hop,
                Err(why) => {
                    nowhere = nowhere.or(Some(why));
                    continue;
                }
            };
            let site = self.site(Some(&hop.site));
            match site.room_or_park(&hop.lane, domain, self.now()) {
                Room::Jobs(_) => {
                    let lane = Arc::clone(&hop.lane);
                    let job = Job { work: work.clone(), hop: Some(hop) };
                    for _ in 0..site.push(&lane, vec![job]) {
                        worker::start(self, &site, &lane);
                    }
                    return Placed::Done;
                }
                Room::Parked => {
                    self.parts.spool.put_back(work);
                    return Placed::Parked;
                }
                Room::Suspended(suspension) => {
                    let is_earlier = rest.as_ref().is_none_or(|(other, _)| suspension.until < other.until);
                    if is_earlier {
                        rest = Some((suspension, Arc::clone(&hop.site)));
                    }
                }
            }
        }
        match (rest, nowhere) {
            (Some((suspension, site)), _) => self.defer_rested(work, &site, &suspension, asked).await,
            (None, why) => {
                let (fate, reply): (Fate, Reply) = match why {
                    Some(Unroutable::Bounce(reply)) => (Fate::Bounced, reply),
                    Some(Unroutable::Defer(reply)) => (Fate::Deferred, reply),
                    None => (Fate::Deferred, replies::no_host()),
                };
                let finding = |number: &u32| Finding::own(*number, fate, reply.clone());
                let findings: Vec<_> = work.recipients.iter().map(finding).collect();
                self.settle("deliver/route", &envelope, &findings).await;
            }
        }
        Placed::Done
    }
}
