//! The word to stop, from one switch to every listener and session.

use tokio::sync::watch;

/// Held by the composition root. Dropping it counts as pressing it.
#[derive(Debug)]
pub struct ShutdownSwitch(watch::Sender<bool>);

/// Held by everyone who must stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(Option<watch::Receiver<bool>>);

impl ShutdownSwitch {
    /// A switch and what hangs on it.
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(Some(receiver)))
    }

    /// Asks all to stop. Doing it twice does no more.
    pub fn press(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// One that never comes.
    pub fn never() -> Self {
        Self(None)
    }

    /// Whether the word has been given.
    pub fn is_requested(&self) -> bool {
        self.0.as_ref().is_some_and(|receiver| *receiver.borrow() || receiver.has_changed().is_err())
    }

    /// Waits for the word. Returns at once if it has been given.
    pub async fn requested(&mut self) {
        match &mut self.0 {
            // An error means that the switch is gone, and nobody else could ever stop us.
            Some(receiver) => drop(receiver.wait_for(|pressed| *pressed).await.is_ok()),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pressed_and_a_dropped_switch_both_stop_everyone() {
        for press in [true, false] {
            let (switch, mut shutdown) = ShutdownSwitch::new();
            let mut other = shutdown.clone();
            assert!(!shutdown.is_requested());
            if press {
                switch.press();
            } else {
                drop(switch);
            }
            shutdown.requested().await;
            other.requested().await;
            assert!(shutdown.is_requested() && other.is_requested());
        }
    }
}
