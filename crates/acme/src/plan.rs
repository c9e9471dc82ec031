//! What is decided: when to renew, when to try again, and how loudly to complain. No I/O; time and chance come in as arguments.

use std::time::Duration;

use mail::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// From one failure to the next attempt. Few enough for the strictest limit in use, five failures within an hour; the last
/// one repeats.
const PAUSES: [Duration; 6] = [
    MINUTE,
    MINUTE.saturating_mul(5),
    MINUTE.saturating_mul(20),
    HOUR,
    HOUR.saturating_mul(4),
    HOUR.saturating_mul(12),
];
/// An authority that counts and does not say how long is left in peace at least so long.
const LIMITED: Duration = HOUR;
/// An authority that wants more patience than this is asked all the same: it may have meant something else.
const RETRY_AFTER_MAX: Duration = DAY.saturating_mul(7);
/// How often the authority is asked when to renew, if it does not say (RFC 9773 §4.3).
const ASK: Duration = HOUR.saturating_mul(6);
/// Whatever it says, not more often and not less often than this (RFC 9773 §4.3).
const ASK_MIN: Duration = MINUTE;
const ASK_MAX: Duration = DAY;
/// After a renewal the next one is at least so far off, or an eighth of the lifetime: an authority whose every answer is "now"
/// gets no request a second.
const REST: Duration = HOUR.saturating_mul(6);

/// When a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holds {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

/// When the authority wants a certificate to be renewed (RFC 9773 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    #[serde(with = "millis")]
    pub(crate) start: Timestamp,
    #[serde(with = "millis")]
    pub(crate) end: Timestamp,
}

/// What a restart must not forget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    /// Failed attempts since the last success.
    pub(crate) failures: u32,
    /// Why the last one failed.
    pub(crate) why: Option<String>,
    /// No attempt before.
    #[serde(with = "millis")]
    pub(crate) not_before: Timestamp,
    /// It is the authority that wants it so: nobody here can make it sooner.
    pub(crate) told_to_wait: bool,
    /// When the certificate is to be renewed; 0: not chosen yet.
    #[serde(with = "millis")]
    pub(crate) renew_at: Timestamp,
    /// What the authority said about that.
    pub(crate) window: Option<Window>,
    /// When it is asked about that again.
    #[serde(with = "millis")]
    pub(crate) ask_at: Timestamp,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Obtain a certificate.
    Obtain,
    /// Ask the authority when the one we have is to be renewed.
    Ask,
    /// Nothing before this time.
    Wait(Timestamp),
}

/// How bad it is that there is no new certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// An attempt failed, and there is much time.
    Warning,
    /// Somebody should look: several attempts failed, or there is no certificate yet, or little time.
    Error,
    /// Somebody must look now: the certificate is about to expire, or has expired.
    Urgent,
}

/// The plan for one certificate.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    progress: Progress,
    /// The certificate that we have, if it is for all names and of this authority.
    holds: Option<Holds>,
}

impl Plan {
    /// Goes on where an earlier run stopped.
    pub(crate) fn new(holds: Option<Holds>, progress: Progress, chance: u64) -> Self {
        let mut plan = Self { progress, holds };
        plan.choose(chance);
        plan
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn holds(&self) -> Option<Holds> {
        self.holds
    }

    /// When the next attempt is due.
    pub(crate) fn obtain_at(&self) -> Timestamp {
        let due = self.holds.map_or(Timestamp::default(), |_| self.progress.renew_at);
        due.max(self.progress.not_before)
    }

    pub(crate) fn next(&self, now: Timestamp) -> Next {
        let obtain = self.obtain_at();
        if obtain <= now {
            return Next::Obtain;
        }
        match self.holds {
            Some(_) if self.progress.ask_at <= now => Next::Ask,
            Some(_) => Next::Wait(obtain.min(self.progress.ask_at)),
            None => Next::Wait(obtain),
        }
    }

    /// There is a new certificate.
    pub(crate) fn obtained(&mut self, now: Timestamp, holds: Holds, chance: u64) {
        let not_before = now.after(REST.min(holds.lifetime() / 8));
        self.holds = Some(holds);
        self.progress = Progress { not_before, ..Progress::default() };
        self.choose(chance);
    }

    /// Without a word of the authority: when two thirds of the lifetime are over, or up to a thirtieth sooner, so that not all
    /// who began on one day come on one day.
    fn choose(&mut self, chance: u64) {
        if let Some(holds) = self.holds.filter(|_| self.progress.renew_at == Timestamp::default()) {
            let lifetime = holds.lifetime();
            self.progress.renew_at = holds.from.after(lifetime / 3 * 2).before(part(lifetime / 30, chance));
        }
    }

    /// An attempt came to nothing.
    pub(crate) fn failed(&mut self, now: Timestamp, failure: &Failure, chance: u64) {
        let progress = &mut self.progress;
        let pause = PAUSES.get(progress.failures as usize).or(PAUSES.last()).copied().unwrap_or(HOUR);
        let left = self.holds.map(|holds| holds.until.since(now)).filter(|left| !left.is_zero());
        // What lives for days only cannot wait for half of one.
        let pause = left.map_or(pause, |left| pause.min((left / 8).max(MINUTE)));
        let pause = pause + part(pause / 4, chance);
        let told = match failure.retry_after {
            Some(told) => Some(told.min(RETRY_AFTER_MAX)),
            None => failure.is_limited().then_some(LIMITED),
        };
        progress.told_to_wait = told.is_some_and(|told| told > pause);
        progress.not_before = now.after(told.map_or(pause, |told| told.max(pause)));
        progress.failures = progress.failures.saturating_add(1);
        progress.why = Some(failure.text.clone());
    }

    /// The authority said when it wants the certificate renewed. False: what it said makes no sense, and is passed over.
    pub(crate) fn windowed(
        &mut self,
        now: Timestamp,
        window: Window,
        ask_after: Duration,
        chance: u64,
    ) -> bool {
        let Some(holds) = self.holds else { return false };
        self.progress.ask_at = now.after(ask_after.clamp(ASK_MIN, ASK_MAX));
        if window.start >= window.end {
            return false;
        }
        if self.progress.window != Some(window) {
            // RFC 9773 §4.2: a random time within; one that is over means now. But never so late that nobody could help any more.
            let chosen = window.start.after(part(window.end.since(window.start), chance));
            self.progress.renew_at =
                chosen.min(holds.until.before(holds.lifetime() / 6)).max(Timestamp::from_millis(1));
            self.progress.window = Some(window);
        }
        true
    }

    /// The authority does not say when it wants the certificate renewed.
    pub(crate) fn not_windowed(&mut self, now: Timestamp) {
        self.progress.ask_at = now.after(ASK);
    }

    /// Somebody asks for an attempt now, perhaps because what was wrong is mended. False: the authority wants us to wait.
    pub(crate) fn nudge(&mut self) -> bool {
        if self.progress.told_to_wait {
            return false;
        }
        if self.progress.failures > 0 {
            self.progress.not_before = Timestamp::default();
        }
        true
    }

    /// How bad it is. None: all is well.
    pub(crate) fn alarm(&self, now: Timestamp) -> Option<Alarm> {
        let failures = self.progress.failures;
        let Some(holds) = self.holds else { return (failures > 0).then_some(Alarm::Error) };
        let (left, lifetime) = (holds.until.since(now), holds.lifetime());
        if left.is_zero() {
            return Some(Alarm::Urgent);
        }
        if failures == 0 {
            return None;
        }
        // Of 90 days: 20 and 7.
        Some(if left <= lifetime * 7 / 90 {
            Alarm::Urgent
        } else if left <= lifetime * 20 / 90 || failures > 2 {
            Alarm::Error
        } else {
            Alarm::Warning
        })
    }
}

impl Alarm {
    /// How often it is told again though nothing new has happened.
    pub(crate) fn repeats(self) -> Option<Duration> {
        match self {
            Self::Warning => None,
            Self::Error => Some(DAY),
            Self::Urgent => Some(HOUR),
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Urgent => "urgent",
        }
    }
}

impl Holds {
    fn lifetime(self) -> Duration {
        self.until.since(self.from)
    }
}

/// As much of a duration as `chance` is of all numbers.
fn part(whole: Duration, chance: u64) -> Duration {
    let millis = u128::from(chance) * whole.as_millis() / u128::from(u64::MAX);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Times as milliseconds since the epoch.
mod millis {
    use mail::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests;
