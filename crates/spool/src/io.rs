//! Reads and writes that may wait for the disk, kept off the runtime's threads.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

use crate::SpoolError;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that wait for the disk; or none, and every job is done at once.
#[derive(Clone)]
pub(crate) struct Io(Option<mpsc::Sender<Job>>);

/// Two: one may be stuck in a large write while another reads.
const THREADS: usize = 2;

impl Io {
    /// Does every job at once, on the caller's thread.
    pub(crate) fn inline() -> Self {
        Self(None)
    }

    pub(crate) fn start() -> Result<Self, SpoolError> {
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
            std::thread::Builder::new().name("spool-io".into()).spawn(run).map_err(SpoolError::Thread)?;
        }
        Ok(Self(Some(sender)))
    }

    /// Has a job done some time.
    pub(crate) fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        match &self.0 {
            None => job(),
            // Without threads we are closing, and what is left is done at the next start.
            Some(sender) => drop(sender.send(Box::new(job))),
        }
    }

    /// Has a job done and waits for its result.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let (sender, receiver) = oneshot::channel();
        self.spawn(move || drop(sender.send(job())));
        receiver.await.unwrap_or(Err(SpoolError::Closed))
    }
}
