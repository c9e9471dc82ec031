//! Reads and writes that may wait for the disk, kept off the runtime's threads.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

use crate::SpoolError;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that wait for the disk; or none, and every job is done at once.
#[derive(Clone)]
pub(crate) struct Io(Option<Lanes>);

/// Who sends mail that is read back must not wait behind the syncs of those who upload.
#[derive(Clone)]
struct Lanes {
    reads: mpsc::Sender<Job>,
    writes: mpsc::Sender<Job>,
}

/// Of each kind. Two: one may be stuck in a large one while another goes on.
const THREADS: usize = 2;

impl Io {
    /// Does every job at once, on the caller's thread.
    pub(crate) fn inline() -> Self {
        Self(None)
    }

    pub(crate) fn start() -> Result<Self, SpoolError> {
        Ok(Self(Some(Lanes { reads: lane("spool-read")?, writes: lane("spool-write")? })))
    }

    /// Whether there are threads for it.
    pub(crate) fn has_threads(&self) -> bool {
        self.0.is_some()
    }

    /// Has a job that changes files done some time.
    pub(crate) fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.hand_over(|lanes| &lanes.writes, job);
    }

    /// Has a job that reads done some time.
    pub(crate) fn read(&self, job: impl FnOnce() + Send + 'static) {
        self.hand_over(|lanes| &lanes.reads, job);
    }

    /// Has a job that changes files done and waits for its result.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        self.result(|lanes| &lanes.writes, job).await
    }

    /// Has a job that reads done and waits for its result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        self.result(|lanes| &lanes.reads, job).await
    }

    async fn result<T: Send + 'static>(
        &self,
        lane: fn(&Lanes) -> &mpsc::Sender<Job>,
        job: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let (sender, receiver) = oneshot::channel();
        self.hand_over(lane, move || drop(sender.send(job())));
        receiver.await.unwrap_or(Err(SpoolError::Closed))
    }

    fn hand_over(&self, lane: fn(&Lanes) -> &mpsc::Sender<Job>, job: impl FnOnce() + Send + 'static) {
        match &self.0 {
            None => job(),
            // Without threads we are closing, and what is left is done at the next start.
            Some(lanes) => drop(lane(lanes).send(Box::new(job))),
        }
    }
}

/// Threads that do what comes, the first free one each.
fn lane(name: &str) -> Result<mpsc::Sender<Job>, SpoolError> {
    let (sender, receiver) = mpsc::channel::<Job>();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..THREADS {
        let receiver = Arc::clone(&receiver);
        let run = move || {
            loop {
                let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                match job {
                    Ok(job) => job(),
                    Err(_) => return,
                }
            }
        };
        std::thread::Builder::new().name(name.into()).spawn(run).map_err(SpoolError::Thread)?;
    }
    Ok(sender)
}
