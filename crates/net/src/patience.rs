//! How long a peer may take: for a whole command line, or for a stream of content.

use std::time::Duration;

/// The time given to a peer for its next input. Only time spent waiting for the peer counts, never our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Everything up to the next question or reply within this time: octets that trickle in do not extend it.
    Within(Duration),
    /// Some octets within `idle`, and overall no fewer than `octets_per_second_min` after a first `idle`.
    Stream {
        /// The longest silence.
        idle: Duration,
        /// The slowest pace in octets per second; 0 for none.
        octets_per_second_min: u32,
    },
}

/// What one unit of input has used up of its time.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    pace: Option<Pace>,
    waited: Duration,
    octets: u64,
}

impl Patience {
    /// A question was asked: the line is complete. A stream goes on.
    pub(crate) fn asked(&mut self) {
        if let Some(Pace::Within(_)) = self.pace {
            *self = Self::default();
        }
    }

    /// Replies were made, so whatever the peer sent is complete.
    pub(crate) fn replied(&mut self) {
        *self = Self::default();
    }

    /// The time left at `pace`.
    pub(crate) fn left(&mut self, pace: Pace) -> Duration {
        if self.pace != Some(pace) {
            *self = Self { pace: Some(pace), ..Self::default() };
        }
        match pace {
            Pace::Within(time) => time.saturating_sub(self.waited),
            Pace::Stream { idle, octets_per_second_min: 0 } => idle,
            Pace::Stream { idle, octets_per_second_min } => {
                let earned = Duration::from_millis(
                    self.octets.saturating_mul(1000).checked_div(octets_per_second_min.into()).unwrap_or(0),
                );
                idle.saturating_add(earned).saturating_sub(self.waited).min(idle)
            }
        }
    }

    /// So many octets came after so long a wait.
    pub(crate) fn received(&mut self, octets: usize, waited: Duration) {
        self.octets = self.octets.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
        self.waited = self.waited.saturating_add(waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_line_that_trickles_in_gets_no_more_time() {
        let mut patience = Patience::default();
        let pace = Pace::Within(secs(10));
        assert_eq!(patience.left(pace), secs(10));
        patience.received(1, secs(9));
        assert_eq!(patience.left(pace), secs(1));
        patience.received(1, secs(9));
        assert_eq!(patience.left(pace), secs(0));
        patience.asked();
        assert_eq!(patience.left(pace), secs(10));
    }

    #[test]
    fn a_stream_may_pause_but_not_crawl() {
        let mut patience = Patience::default();
        let pace = Pace::Stream { idle: secs(10), octets_per_second_min: 100 };
        patience.received(1000, secs(9));
        // Ten seconds to begin with, ten earned, nine used; yet never more than one silence.
        assert_eq!(patience.left(pace), secs(10));
        patience.received(0, secs(9));
        patience.asked();
        let mut crawling = Patience::default();
        crawling.left(pace);
        crawling.received(100, secs(9));
        assert_eq!(crawling.left(pace), secs(2));
        crawling.asked();
        assert_eq!(crawling.left(pace), secs(2), "a piece handed on does not restart the stream");
        crawling.replied();
        assert_eq!(crawling.left(pace), secs(10));
    }

    #[test]
    fn no_number_overflows() {
        let mut patience = Patience::default();
        let pace = Pace::Stream { idle: Duration::MAX, octets_per_second_min: 1 };
        patience.left(pace);
        patience.received(usize::MAX, Duration::MAX);
        patience.received(usize::MAX, Duration::MAX);
        assert!(patience.left(pace) <= Duration::MAX);
    }
}
