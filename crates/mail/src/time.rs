//! Points in time, to the millisecond.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::put_digits;

/// Milliseconds since the Unix epoch, UTC. Passed in, never read here: who has a clock hands the time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// That much later; stays at the end of time rather than overflow.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// That much earlier; stays at the beginning of time.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` until this one; zero if it is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Year, month 1 to 12, day 1 to 31, hour, minute, second, UTC.
    pub fn civil(self) -> (u64, u64, u64, u64, u64, u64) {
        let (days, rest) = (self.as_secs() / 86_400, self.as_secs() % 86_400);
        // Days to civil date over 400-year eras that begin on 1 March, so that a leap day ends its year.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        (year, month, day, rest / 3600, rest / 60 % 60, rest % 60)
    }

    /// The day of the week, 0 for Sunday.
    pub fn weekday(self) -> u64 {
        (self.as_secs() / 86_400 + 4) % 7
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::default().after(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// RFC 3339, UTC, with milliseconds: `2026-11-23T18:02:14.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = self.civil();
        if year > 9999 {
            // RFC 3339 ends there; whatever is shown of it shows all of the year.
            write!(f, "{}", year / 10_000)?;
        }
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let numbers = [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, hour),
            (14..16, minute),
            (17..19, second),
            (20..23, self.0 % 1000),
        ];
        for (place, number) in numbers {
            put_digits(text.get_mut(place).unwrap_or_default(), number);
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        for (secs, shown, weekday) in [
            (0, "1970-01-01T00:00:00.000Z", 4),
            (951_782_400, "2000-02-29T00:00:00.000Z", 2),
            (951_868_800, "2000-03-01T00:00:00.000Z", 3),
            (1_795_456_934, "2026-11-23T18:02:14.000Z", 1),
            (4_107_542_399, "2100-02-28T23:59:59.000Z", 0),
            (4_107_542_400, "2100-03-01T00:00:00.000Z", 1),
        ] {
            let time = Timestamp::from_millis(secs * 1000);
            assert_eq!((time.to_string().as_str(), time.weekday()), (shown, weekday));
        }
    }

    #[test]
    fn the_far_future_has_more_digits() {
        assert_eq!(Timestamp::from_millis(253_402_300_799_999).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(253_402_300_800_000).to_string(), "10000-01-01T00:00:00.000Z");
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Timestamp::from_millis(1).since(end), Duration::ZERO);
    }
}
