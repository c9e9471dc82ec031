//! A part of the server that runs until it is told to stop.

use std::time::Duration;

use net::{Shutdown, ShutdownSwitch};
use tokio::{task::JoinHandle, time::timeout};

use crate::failure::Failure;

/// A running part. Its task may end in three ways: asked to, by itself (which nobody wants), or by a panic.
pub(super) struct Part {
    name: &'static str,
    switch: ShutdownSwitch,
    task: Option<JoinHandle<Result<(), String>>>,
    stop_max: Duration,
}

impl Part {
    /// Starts a part that gets at most `stop_max` to stop once it was asked.
    pub(super) fn start<F>(name: &'static str, stop_max: Duration, run: impl FnOnce(Shutdown) -> F) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let (switch, shutdown) = ShutdownSwitch::new();
        Self { name, switch, task: Some(tokio::spawn(run(shutdown))), stop_max }
    }

    /// Waits until the part ends though nobody asked it to, and tells how.
    pub(super) async fn ended(&mut self) -> Failure {
        let Some(task) = &mut self.task else { return std::future::pending().await };
        let how = match task.await {
            Ok(Ok(())) => "it ended by itself".to_owned(),
            Ok(Err(error)) => error,
            Err(error) => error.to_string(),
        };
        self.task = None;
        Failure::new(format!("{} failed: {how}", self.name))
    }

    /// Asks it to stop and waits; after its time it is ended where it stands.
    pub(super) async fn stop(mut self) {
        self.switch.press();
        let Some(mut task) = self.task.take() else { return };
        match timeout(self.stop_max, &mut task).await {
            Ok(Ok(Ok(()))) => tracing::debug!(part = self.name, "stopped"),
            Ok(Ok(Err(error))) => tracing::warn!(part = self.name, error, "stopped with an error"),
            Ok(Err(error)) => tracing::error!(part = self.name, %error, "failed while it stopped"),
            Err(_) => {
                tracing::warn!(part = self.name, "did not stop in time; ended where it stands");
                task.abort();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_part_that_does_not_listen_is_ended() {
        let part = Part::start("deaf", LONG, |_| std::future::pending());
        let before = tokio::time::Instant::now();
        part.stop().await;
        assert_eq!(before.elapsed(), LONG);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_listens_is_waited_for() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let part = Part::start("good", LONG, |mut shutdown| async move {
            shutdown.requested().await;
            sender.send("done").map_err(str::to_owned)
        });
        part.stop().await;
        assert_eq!(receiver.await, Ok("done"));
    }

    #[tokio::test]
    async fn a_part_that_panics_or_ends_is_a_failure_with_its_name() {
        let mut panics = Part::start("clumsy", LONG, |_| async { panic!("oops") });
        assert!(panics.ended().await.text(false).contains("clumsy failed"));
        panics.stop().await;
        let mut ends = Part::start("lazy", LONG, |_| async { Ok(()) });
        assert_eq!(ends.ended().await.text(false), "error: lazy failed: it ended by itself");
        ends.stop().await;
    }
}
