//! The threads that check passwords: few, because each takes memory and a processor, and with few that wait before them.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use tokio::sync::oneshot;

/// So many wait at most: with 40 ms for each, more would be told too late anyway.
const WAITING_MAX: usize = 256;
/// More threads would take memory from mail, and processors from those who are logged in.
const THREADS_MAX: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// The threads, made when there is first something to do.
#[derive(Default)]
pub(crate) struct Hashing(OnceLock<SyncSender<Job>>);

impl Hashing {
    /// Does some work on one of the threads. `None`: too many wait already, or no thread could be made.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        // Whoever asked may be gone by then.
        let job: Job = Box::new(move || drop(tell.send(work())));
        self.0.get_or_init(threads).try_send(job).ok()?;
        told.await.ok()
    }
}

fn threads() -> SyncSender<Job> {
    let (give, take) = sync_channel(WAITING_MAX);
    let take = Arc::new(Mutex::new(take));
    let count = thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX));
    for _ in 0..count {
        let take = Arc::clone(&take);
        let made = thread::Builder::new().name("passwords".to_owned()).spawn(move || work(&take));
        if let Err(error) = made {
            // With one thread fewer logins are slower; with none they are told that they cannot be checked now.
            tracing::error!(station = "login", %error, "no thread to check passwords");
        }
    }
    give
}

/// Until nobody can give work any more.
fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
