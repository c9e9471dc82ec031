//! Waves: recipients of one message that come to be told of in one wave of attempts share a report (mail-rules 13).
//!
//! A message for many domains is tried at all of them at once, but they answer at their own pace. What is to be told
//! waits here until all attempts under way have ended, at most for a minute. Until then its recipients count as in
//! flight: should the server die, they are tried once more, and nothing is lost or told twice.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mail::{Envelope, QueueId, Timestamp};

use crate::outcome::{Finding, Verdict};

/// So long a report waits for the other attempts of its wave.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// So many messages may wait here; those beyond get a report for each attempt.
const WAVES_MAX: usize = 1000;
/// And so many recipients of them in all: a list has thousands.
const RECIPIENTS_MAX: usize = 100_000;

/// An attempt for a recipient that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// What was found.
    pub(crate) finding: Finding,
    /// What becomes of the recipient.
    pub(crate) verdict: Verdict,
}

/// Recipients of a message whose report waits.
#[derive(Debug)]
pub(crate) struct Wave {
    /// The message.
    pub(crate) envelope: Arc<Envelope>,
    /// Those that the report will tell of.
    pub(crate) ended: Vec<Ended>,
    until: Timestamp,
}

/// The waves of all messages.
#[derive(Debug, Default)]
pub(crate) struct Waves(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waves: BTreeMap<QueueId, Wave>,
    /// Recipients of their messages, whatever became of them: each is in memory.
    recipients: usize,
    /// Nothing may wait any longer.
    closed: bool,
}

impl Waves {
    /// Lets what is to be told of a message wait, and hands out all that waits for it once nothing else of the message is
    /// under way. `underway` counts the recipients being tried or due, those that wait here among them.
    pub(crate) fn join(
        &self,
        envelope: &Arc<Envelope>,
        ended: Vec<Ended>,
        now: Timestamp,
        underway: impl FnOnce() -> usize,
    ) -> Option<Wave> {
        let mut inner = self.inner();
        if ended.is_empty() && !inner.waves.contains_key(&envelope.id) {
            return None;
        }
        let is_full = inner.is_full();
        let wave = inner.wave(envelope, now);
        wave.ended.extend(ended);
        let waiting = wave.ended.len();
        (is_full || underway() <= waiting).then(|| inner.remove(envelope.id))?
    }

    /// When the first wave has waited long enough.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        self.inner().waves.values().map(|wave| wave.until).min()
    }

    /// The waves that have waited long enough.
    pub(crate) fn take_overdue(&self, now: Timestamp) -> Vec<Wave> {
        // A clock that was set back since makes nobody wait longer.
        let is_over = |wave: &Wave| wave.until <= now || wave.until > now.after(WAIT_MAX);
        let mut inner = self.inner();
        let overdue = inner.waves.iter().filter(|(_, wave)| is_over(wave)).map(|(id, _)| *id);
        let overdue: Vec<QueueId> = overdue.collect();
        overdue.into_iter().filter_map(|id| inner.remove(id)).collect()
    }

    /// Ends all waves: from now on nothing waits.
    pub(crate) fn close(&self) -> Vec<Wave> {
        let mut inner = self.inner();
        (inner.closed, inner.recipients) = (true, 0);
        mem::take(&mut inner.waves).into_values().collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_full(&self) -> bool {
        self.closed || self.waves.len() >= WAVES_MAX || self.recipients >= RECIPIENTS_MAX
    }

    /// The wave of a message, begun if there is none.
    fn wave(&mut self, envelope: &Arc<Envelope>, now: Timestamp) -> &mut Wave {
        let Self { waves, recipients, .. } = self;
        waves.entry(envelope.id).or_insert_with(|| {
            *recipients += envelope.recipients.len();
            Wave { envelope: Arc::clone(envelope), ended: Vec::new(), until: now.after(WAIT_MAX) }
        })
    }

    fn remove(&mut self, id: QueueId) -> Option<Wave> {
        let wave = self.waves.remove(&id)?;
        self.recipients = self.recipients.saturating_sub(wave.envelope.recipients.len());
        Some(wave)
    }
}

#[cfg(test)]
mod tests {
    use mail::Reply;

    use super::*;
    use crate::{
        config::Config,
        fixtures,
        outcome::{Circumstances, Fate},
        retry::RetryPolicy,
    };

    const NOW: Timestamp = Timestamp::from_millis(2_000_000);

    fn message() -> Arc<Envelope> {
        Arc::new(fixtures::envelope(&["anna@example.org", "bert@example.net", "carl@example.com"]))
    }

    fn ended(envelope: &Envelope, recipient: u32) -> Vec<Ended> {
        let finding = Finding::own(recipient, Fate::Bounced, Reply::plain(550, "no"));
        let retry = RetryPolicy::new(&Config::default());
        let circumstances =
            Circumstances { envelope, station: "deliver/remote", now: NOW, may_expire: true, retry: &retry };
        let verdict = circumstances.judge(&finding, 0).unwrap();
        vec![Ended { finding, verdict }]
    }

    fn numbers(wave: &Wave) -> Vec<u32> {
        wave.ended.iter().map(|ended| ended.finding.recipient).collect()
    }

    #[test]
    fn a_wave_ends_with_the_last_attempt_under_way() {
        let (waves, message) = (Waves::default(), message());
        assert!(waves.join(&message, ended(&message, 0), NOW, || 3).is_none());
        assert!(waves.join(&message, ended(&message, 2), NOW, || 3).is_none());
        // The other one was delivered.
        let wave = waves.join(&message, Vec::new(), NOW, || 2).unwrap();
        assert_eq!(numbers(&wave), [0, 2]);
        assert!(waves.join(&message, Vec::new(), NOW, || 0).is_none(), "it is told once");
        let wave = waves.join(&message, ended(&message, 1), NOW, || 1).unwrap();
        assert_eq!(numbers(&wave), [1], "nothing waits when nothing else is under way");
    }

    #[test]
    fn nothing_waits_for_longer_than_a_minute_or_for_the_end() {
        let (waves, message) = (Waves::default(), message());
        assert!(waves.join(&message, ended(&message, 0), NOW, || 3).is_none());
        let end = NOW.after(WAIT_MAX);
        assert_eq!(waves.next_end(), Some(end));
        assert!(waves.take_overdue(NOW).is_empty());
        assert_eq!(numbers(&waves.take_overdue(end)[0]), [0]);
        assert_eq!(waves.next_end(), None);
        assert!(waves.join(&message, ended(&message, 1), NOW, || 2).is_none());
        assert_eq!(numbers(&waves.close()[0]), [1]);
        assert!(waves.join(&message, ended(&message, 2), NOW, || 2).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let waves = Waves::default();
        for number in 0..WAVES_MAX {
            let mut envelope = fixtures::envelope(&["anna@example.org", "bert@example.net"]);
            envelope.id = QueueId::new(NOW, 0, number as u64);
            let envelope = Arc::new(envelope);
            assert!(waves.join(&envelope, ended(&envelope, 0), NOW, || 2).is_none());
        }
        let message = message();
        assert!(waves.join(&message, ended(&message, 0), NOW, || 2).is_some());
    }

    #[test]
    fn messages_for_thousands_are_fewer() {
        let waves = Waves::default();
        let mut list = fixtures::envelope(&["anna@example.org", "bert@example.net"]);
        list.recipients = vec![list.recipients[0].clone(); RECIPIENTS_MAX];
        let list = Arc::new(list);
        let mut other = fixtures::envelope(&["anna@example.org", "bert@example.net"]);
        other.id = QueueId::new(NOW, 0, 1);
        let other = Arc::new(other);
        assert!(waves.join(&list, ended(&list, 0), NOW, || 2).is_none());
        assert!(waves.join(&other, ended(&other, 0), NOW, || 2).is_some(), "there is no room for another");
        assert!(waves.join(&list, ended(&list, 1), NOW, || 2).is_some());
        assert!(waves.join(&other, ended(&other, 0), NOW, || 2).is_none(), "there is room again");
    }
}
