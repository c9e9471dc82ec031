//! The threads that check passwords: few, because each takes memory and a processor, and with few that wait before them.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
};

use tokio::sync::oneshot;

/// So many wait at most in each lane: with 40 ms for each, more would be told too late anyway.
const WAITING_MAX: usize = 256;
/// More threads would take memory from mail, and processors from those who are logged in.
const THREADS_MAX: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// Who waits with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Those whom a flood of wrong logins must not keep waiting: logins from where they have succeeded before, and the operator.
    Known,
    /// Everybody else. They come when nobody known waits.
    Others,
}

/// The threads, made when there is first something to do.
#[derive(Default)]
pub(crate) struct Hashing(OnceLock<Pool>);

impl Hashing {
    /// Does some work on one of the threads. `None`: too many wait already in this lane, or no thread could be made.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        // Whoever asked may be gone by then.
        let job: Job = Box::new(move || drop(tell.send(work())));
        self.0.get_or_init(Pool::start).give(lane, job).then_some(())?;
        told.await.ok()
    }
}

/// Ends the threads when it is dropped.
struct Pool(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    known: VecDeque<Job>,
    others: VecDeque<Job>,
    threads: usize,
    over: bool,
}

impl Pool {
    fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let count = thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX));
        for _ in 0..count {
            let theirs = Arc::clone(&shared);
            match thread::Builder::new().name("passwords".to_owned()).spawn(move || theirs.work()) {
                Ok(_) => shared.lock().threads += 1,
                // With one thread fewer logins are slower; with none they are told that they cannot be checked now.
                Err(error) => {
                    tracing::error!(station = "login", %error, "no thread to check passwords");
                }
            }
        }
        Self(shared)
    }

    /// Lets some work wait. `false`: there is no room, or nobody to do it.
    fn give(&self, lane: Lane, job: Job) -> bool {
        let mut waiting = self.0.lock();
        let threads = waiting.threads;
        let queue = match lane {
            Lane::Known => &mut waiting.known,
            Lane::Others => &mut waiting.others,
        };
        let room = threads > 0 && queue.len() < WAITING_MAX;
        if room {
            queue.push_back(job);
            self.0.came.notify_one();
        }
        room
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.came.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until nobody can give work any more.
    fn work(&self) {
        let mut waiting = self.lock();
        loop {
            let next = waiting.known.pop_front().or_else(|| waiting.others.pop_front());
            waiting = match next {
                Some(job) => {
                    drop(waiting);
                    job();
                    self.lock()
                }
                None if waiting.over => return,
                None => self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A pool whose threads all wait for a word, and what says it.
    fn busy() -> (Pool, Sender<()>) {
        let (pool, (say, hear)) = (Pool::start(), channel::<()>());
        let (began, begins) = channel();
        let hear = Arc::new(Mutex::new(hear));
        let threads = pool.0.lock().threads;
        for _ in 0..threads {
            let (hear, began): (Arc<Mutex<Receiver<()>>>, _) = (Arc::clone(&hear), began.clone());
            assert!(pool.give(
                Lane::Others,
                Box::new(move || {
                    began.send(()).unwrap();
                    let _over = hear.lock().unwrap().recv();
                })
            ));
        }
        begins.iter().take(threads).for_each(drop);
        (pool, say)
    }

    #[test]
    fn a_flood_does_not_keep_those_waiting_who_are_known() {
        let (pool, go) = busy();
        let (done, order) = channel();
        let job = |who: &'static str| -> Job {
            let done = done.clone();
            Box::new(move || done.send(who).unwrap())
        };
        for _ in 0..WAITING_MAX {
            assert!(pool.give(Lane::Others, job("other")));
        }
        assert!(!pool.give(Lane::Others, job("one too many")));
        assert!(pool.give(Lane::Known, job("known")));
        // One thread goes on, and all others wait: so there is an order.
        go.send(()).unwrap();
        assert_eq!(order.recv().unwrap(), "known");
        drop(go);
        assert_eq!(order.iter().take(WAITING_MAX).filter(|who| *who == "other").count(), WAITING_MAX);
    }

    #[test]
    fn those_who_are_known_do_not_wait_without_bound_either() {
        let (pool, go) = busy();
        for _ in 0..WAITING_MAX {
            assert!(pool.give(Lane::Known, Box::new(|| ())));
        }
        assert!(!pool.give(Lane::Known, Box::new(|| ())));
        drop(go);
    }

    #[test]
    fn the_threads_end_with_the_pool_and_what_waits_is_done_before() {
        let (pool, go) = busy();
        let shared = Arc::clone(&pool.0);
        let (done, order) = channel();
        assert!(pool.give(Lane::Others, Box::new(move || done.send(()).unwrap())));
        drop((pool, go));
        order.recv().unwrap();
        while Arc::strong_count(&shared) > 1 {
            thread::yield_now();
        }
    }
}
