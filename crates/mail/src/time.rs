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

    /// From a date of the Gregorian calendar, UTC, and seconds from its beginning on, of which there may be more than a day has, or fewer than
    /// none. What was before 1970 is its beginning. `None`: there is no such day.
    pub fn from_civil(year: i64, month: i64, day: i64, seconds: i64) -> Option<Self> {
        if !(1..=12).contains(&month)
            || day < 1
            || day > days_in(month, year)
            || !(0..=99_999).contains(&year)
        {
            return None;
        }
        // Over 400-year eras that begin on 1 March, so that a leap day ends its year.
        let shifted = if month <= 2 { year - 1 } else { year };
        let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days =
            era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
        let seconds = u64::try_from(days * 86_400 + seconds).unwrap_or(0);
        Some(Self::from_millis(seconds.saturating_mul(1000)))
    }

    /// The day of the week, 0 for Sunday.
    pub fn weekday(self) -> u64 {
        (self.as_secs() / 86_400 + 4) % 7
    }
}

fn days_in(month: i64, year: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
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
    fn civil_dates_there_and_back() {
        for secs in [0, 951_782_400, 951_868_799, 1_795_456_934, 4_107_542_399, 253_402_300_799] {
            let time = Timestamp::from_millis(secs * 1000);
            let (year, month, day, hour, minute, second) = time.civil();
            let [year, month, day] = [year, month, day].map(|part| i64::try_from(part).unwrap());
            let seconds = i64::try_from(hour * 3600 + minute * 60 + second).unwrap();
            assert_eq!(Timestamp::from_civil(year, month, day, seconds), Some(time));
        }
        assert_eq!(Timestamp::from_civil(1960, 1, 1, 0), Some(Timestamp::default()));
        for (year, month, day) in [(2026, 2, 29), (2026, 0, 1), (2026, 13, 1), (2026, 4, 31), (2026, 1, 0)] {
            assert_eq!(Timestamp::from_civil(year, month, day, 0), None);
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
