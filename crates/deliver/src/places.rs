//! Connections to all sites together: no more than the machine has room for, and some kept for sites that take mail.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places that connections may have at a time.
///
/// Ten thousand dead destinations want as many connections as there are, for minutes each. So sites that have not taken
/// mail when they were last asked share three quarters of the places, and the others find room whatever those do.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    unproven: Arc<Semaphore>,
    /// Those who wait because all are taken.
    waiting: AtomicUsize,
    /// One more waits.
    wanted: Notify,
}

/// The right to one connection. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _all: Option<OwnedSemaphorePermit>,
    unproven: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// So many; one at least for sites that take mail, and one for those that have to show it.
    pub(crate) fn new(max: usize) -> Self {
        let max = max.clamp(2, Semaphore::MAX_PERMITS);
        let kept = (max / 4).max(1);
        Self {
            all: Arc::new(Semaphore::new(max)),
            unproven: Arc::new(Semaphore::new(max - kept)),
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
        }
    }

    /// Waits for a place, first come first served.
    pub(crate) async fn take(&self, takes_mail: bool) -> Place {
        // In this order, so that whoever waits for its share holds no place of the others.
        let unproven = if takes_mail { None } else { permit(&self.unproven).await };
        if let Ok(all) = Arc::clone(&self.all).try_acquire_owned() {
            return Place { _all: Some(all), unproven };
        }
        let _waits = Waits::begin(self);
        Place { _all: permit(&self.all).await, unproven }
    }

    /// Returns once somebody waits because all places are taken: who has one and does not need it gives it back then.
    pub(crate) async fn wanted(&self) {
        while self.waiting.load(Ordering::SeqCst) == 0 {
            self.wanted.notified().await;
        }
    }
}

impl Place {
    /// The site has taken mail: the share of those that have to show it is for others.
    pub(crate) fn prove(&mut self) {
        self.unproven = None;
    }
}

/// That somebody waits, for as long as it does.
struct Waits<'a>(&'a Places);

impl<'a> Waits<'a> {
    fn begin(places: &'a Places) -> Self {
        places.waiting.fetch_add(1, Ordering::SeqCst);
        places.wanted.notify_one();
        Self(places)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Nobody closes these semaphores, so there is always one in the end.
async fn permit(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn now(places: &Places, takes_mail: bool) -> Option<Place> {
        match pin!(places.take(takes_mail)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn sites_that_take_no_mail_leave_places_to_those_that_do() {
        let places = Places::new(8);
        let dead: Vec<Place> = std::iter::from_fn(|| now(&places, false)).collect();
        assert_eq!(dead.len(), 6);
        let good: Vec<Place> = std::iter::from_fn(|| now(&places, true)).collect();
        assert_eq!(good.len(), 2);
        drop(dead);
        let more: Vec<Place> = std::iter::from_fn(|| now(&places, true)).collect();
        assert_eq!(more.len(), 6, "those that take mail may have them all");
        assert!(now(&places, false).is_none());
        drop((good, more));
        assert!(now(&places, false).is_some());
    }

    #[test]
    fn few_places_are_shared_too() {
        let places = Places::new(0);
        let dead = now(&places, false);
        assert!(dead.is_some() && now(&places, false).is_none() && now(&places, true).is_some());
    }

    #[test]
    fn a_site_that_has_taken_mail_gives_its_share_to_one_that_has_not() {
        let places = Places::new(4);
        let mut proven: Vec<Place> = std::iter::from_fn(|| now(&places, false)).collect();
        assert_eq!(proven.len(), 3);
        proven.iter_mut().for_each(Place::prove);
        assert!(now(&places, false).is_some(), "there is one place more");
    }

    #[test]
    fn who_waits_is_heard_by_those_who_have_a_place() {
        let places = Places::new(2);
        let is_wanted = || pin!(places.wanted()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let (first, second) = (now(&places, true), now(&places, true));
        assert!(first.is_some() && second.is_some() && !is_wanted());
        let mut third = Box::pin(places.take(true));
        assert!(third.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(is_wanted());
        drop(first);
        assert!(third.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(!is_wanted(), "nobody waits any more");
    }
}
