//! Addresses that could not be reached: tried after all others, for a while.

use std::{collections::HashMap, time::Duration};

use mail::Timestamp;

use crate::next_hop::Place;

/// How long an address that could not be reached is tried last.
pub(super) const SHUN: Duration = Duration::from_mins(1);

/// Addresses, and until when they are tried last.
#[derive(Debug, Default)]
pub(super) struct Shunned(HashMap<Place, Timestamp>);

impl Shunned {
    pub(super) fn add(&mut self, place: Place, now: Timestamp) {
        self.0.insert(place, now.after(SHUN));
    }

    pub(super) fn forgive(&mut self, place: &Place) {
        if !self.0.is_empty() {
            self.0.remove(place);
        }
    }

    pub(super) fn has(&self, place: &Place, now: Timestamp) -> bool {
        !self.0.is_empty() && self.0.get(place).is_some_and(|until| *until > now)
    }

    /// No address was reached. The next attempt, whenever it comes, begins with others: else those that an attempt has
    /// no time for would never have their turn.
    pub(super) fn keep_until(&mut self, then: Timestamp) {
        self.0.values_mut().for_each(|until| *until = then.max(*until));
    }

    /// An address was reached: soon the order of preference holds again.
    pub(super) fn relent(&mut self, now: Timestamp) {
        self.0.values_mut().for_each(|until| *until = now.after(SHUN).min(*until));
    }

    pub(super) fn prune(&mut self, now: Timestamp) {
        self.0.retain(|_, until| *until > now);
    }
}
