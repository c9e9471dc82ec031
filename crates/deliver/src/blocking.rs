//! Where what waits for the disk is done, so that it holds up nothing else.

use tokio::sync::oneshot;

/// Something to be done that may block.
pub type Job = Box<dyn FnOnce() + Send>;

/// Does what may block.
pub trait Blocking: Send + Sync {
    /// Has a job done, now or soon. A job that cannot be done any more is dropped.
    fn spawn(&self, job: Job);
}

/// The threads that the runtime keeps for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockingThreads;

impl Blocking for BlockingThreads {
    fn spawn(&self, job: Job) {
        // Whoever waits for it waits for what it sends.
        drop(tokio::task::spawn_blocking(job));
    }
}

/// Has something done where it may block. None if it panicked, or if the runtime ends.
pub(crate) async fn run<T: Send + 'static>(
    threads: &dyn Blocking,
    what: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    // Whoever waited may have gone.
    threads.spawn(Box::new(move || drop(sender.send(what()))));
    receiver.await.ok()
}
