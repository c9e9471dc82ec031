//! Waiting for what other processes do: the one place that looks at the clock.

use std::thread;
use std::time::{Duration, Instant};

/// How often to look.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `probe` gives a value, and fails the test if `within` has passed without one.
/// `what` completes the sentence "timed out waiting for".
pub fn eventually<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out after {within:?} waiting for {what}");
        thread::sleep(PAUSE);
    }
}

/// As [`eventually`], for a condition.
pub fn eventually_true(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    eventually(what, within, || holds().then_some(()));
}

/// Waits for a line of a log with all these words.
pub(crate) fn wait_for_line(words: &[&str], log: impl Fn() -> String) -> String {
    let found = |log: String| {
        let mut lines = log.lines();
        lines.find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
    };
    eventually(&format!("a line with {words:?} in the log"), Duration::from_mins(1), || found(log()))
}
