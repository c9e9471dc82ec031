//! What a run of the source has to tell.

use crate::secure::Handshakes;
use crate::stats::{self, Latency};
use serde_json::{Value, json};

/// Different failures kept in words.
const FAILURES_SHOWN: usize = 5;

/// The outcome of one run. Times are monotonic nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Messages that got 2yz to the end of data.
    pub(crate) accepted: u64,
    /// Messages (or sessions before their first message) that got anything else.
    pub(crate) failed: u64,
    /// The first few different failures, in the server's words.
    pub(crate) failures: Vec<String>,
    /// Closed loop: the first connect. Open loop: when the first message was due.
    pub(crate) started_ns: u64,
    /// The last 2yz to an end of data.
    pub(crate) ended_ns: u64,
    /// CPU of the source itself.
    pub(crate) cpu_ns: u64,
    /// From the final dot to the reply, for each accepted message.
    pub(crate) dot_to_reply: Vec<u64>,
    /// Open loop: from the time the message was due, so that a server that stalls cannot hide it.
    pub(crate) due_to_reply: Vec<u64>,
    /// Of sessions that came under TLS.
    pub(crate) handshakes: Handshakes,
}

impl Report {
    /// Counts a failure and keeps its words if they are new.
    pub(crate) fn fail(&mut self, words: &str) {
        self.failed += 1;
        if self.failures.len() < FAILURES_SHOWN && !self.failures.iter().any(|known| known == words) {
            self.failures.push(words.to_owned());
        }
    }

    pub(crate) fn elapsed_ns(&self) -> u64 {
        self.ended_ns.saturating_sub(self.started_ns)
    }

    pub(crate) fn per_second(&self) -> f64 {
        stats::per_second(self.accepted, self.elapsed_ns())
    }

    pub(crate) fn dot_to_reply(&self) -> Option<Latency> {
        Latency::of(&mut self.dot_to_reply.clone())
    }

    pub(crate) fn due_to_reply(&self) -> Option<Latency> {
        Latency::of(&mut self.due_to_reply.clone())
    }

    /// For other programs; `*_ns` are nanoseconds.
    pub(crate) fn json(&self) -> Value {
        json!({
            "accepted": self.accepted,
            "failed": self.failed,
            "failures": self.failures,
            "elapsed_ns": self.elapsed_ns(),
            "messages_per_second": self.per_second(),
            "source_cpu_us_per_message": stats::us_each(self.cpu_ns, self.accepted),
            "dot_to_reply_ns": latency(self.dot_to_reply()),
            "due_to_reply_ns": latency(self.due_to_reply()),
            "handshakes_full": self.handshakes.full,
            "handshakes_resumed": self.handshakes.resumed,
        })
    }
}

/// Percentiles as JSON, or null.
pub(crate) fn latency(latency: Option<Latency>) -> Value {
    latency.map_or(Value::Null, |it| json!({ "p50": it.p50, "p99": it.p99, "max": it.max }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_all_counted_and_each_wording_is_kept_once() {
        let mut report = Report::default();
        for words in ["451 a", "451 a", "b", "c", "d", "e", "f"] {
            report.fail(words);
        }
        assert_eq!(report.failed, 7);
        assert_eq!(report.failures, ["451 a", "b", "c", "d", "e"]);
    }
}
