//! Dates and times as IMAP writes them (RFC 9051 §9, `date` and `date-time`).

use std::fmt;

use crate::{
    command::CommandError,
    scan::{Scan, Scanned},
};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A day of the calendar that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A point in time, as a clock at some place shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    date: Date,
    hour: u8,
    minute: u8,
    second: u8,
    /// Minutes east of Greenwich.
    zone: i16,
}

impl Date {
    /// None: there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (year <= 9999 && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// The day, counted from 1970-01-01.
    pub fn days(self) -> i64 {
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        // The year begins with March, so that the odd day is its last.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let century = year.div_euclid(400);
        let of_century = year.rem_euclid(400);
        let of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        century * 146_097 + of_century * 365 + of_century / 4 - of_century / 100 + of_year - 719_468
    }

    /// That day. None: before the year 0 or after 9999.
    pub fn from_days(days: i64) -> Option<Self> {
        let days = days.checked_add(719_468)?;
        let (century, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let of_century = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let of_year = day - (365 * of_century + of_century / 4 - of_century / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = century * 400 + of_century + i64::from(month <= 2);
        Self::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)
    }

    /// `date`: with quotes or without.
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        let quoted = scan.eat(b'"');
        let day = scan.take_while(|octet| octet.is_ascii_digit());
        let date = Self::behind_day(scan, day)?;
        if quoted {
            scan.expect(b'"')?;
        }
        Ok(date)
    }

    fn behind_day(scan: &mut Scan<'_>, day: &[u8]) -> Scanned<Self> {
        let day = digits(day, 1..=2)?;
        scan.expect(b'-')?;
        let month = scan.take_while(|octet| octet.is_ascii_alphabetic());
        let month = MONTHS.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(month));
        scan.expect(b'-')?;
        let year = digits(scan.take_while(|octet| octet.is_ascii_digit()), 4..=4)?;
        let month = month.and_then(|month| u8::try_from(month + 1).ok());
        let date = month.zip(u8::try_from(day).ok()).and_then(|(month, day)| Self::new(year, month, day));
        date.ok_or(CommandError::Syntax)
    }
}

impl DateTime {
    /// The point in time in seconds since 1970, and how many minutes east of Greenwich its clock stands. None: what cannot be
    /// written, for the year or the zone.
    pub fn new(seconds: i64, zone_minutes: i16) -> Option<Self> {
        let local = seconds.checked_add(i64::from(zone_minutes) * 60)?;
        let date = Date::from_days(local.div_euclid(86_400))?;
        let of_day = local.rem_euclid(86_400);
        let part = |value: i64| u8::try_from(value).ok();
        let (hour, minute, second) = (part(of_day / 3600)?, part(of_day / 60 % 60)?, part(of_day % 60)?);
        (zone_minutes.unsigned_abs() < 100 * 60).then_some(Self {
            date,
            hour,
            minute,
            second,
            zone: zone_minutes,
        })
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> i64 {
        let (hour, minute) = (i64::from(self.hour), i64::from(self.minute) - i64::from(self.zone));
        self.date.days() * 86_400 + hour * 3600 + minute * 60 + i64::from(self.second)
    }

    /// Minutes east of Greenwich.
    pub fn zone_minutes(self) -> i16 {
        self.zone
    }

    /// `date-time`: in quotes, the day with a space or a zero in front.
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Scanned<Self> {
        scan.expect(b'"')?;
        let length = if scan.eat(b' ') { 1..=1 } else { 2..=2 };
        let day = scan.take_while(|octet| octet.is_ascii_digit());
        if !length.contains(&day.len()) {
            return Err(CommandError::Syntax);
        }
        let date = Date::behind_day(scan, day)?;
        scan.sp()?;
        let hour = two(scan, 23)?;
        scan.expect(b':')?;
        let minute = two(scan, 59)?;
        scan.expect(b':')?;
        // A leap second is taken; it counts as the second behind it.
        let second = two(scan, 60)?;
        scan.sp()?;
        let east = scan.eat(b'+');
        if !east {
            scan.expect(b'-')?;
        }
        let zone = digits(scan.take_while(|octet| octet.is_ascii_digit()), 4..=4)?;
        let zone = i16::try_from(zone / 100 * 60 + zone % 100).map_err(|_| CommandError::Syntax)?;
        scan.expect(b'"')?;
        Ok(Self { date, hour, minute, second, zone: if east { zone } else { -zone } })
    }
}

fn two(scan: &mut Scan<'_>, most: u16) -> Scanned<u8> {
    let value = digits(scan.take_while(|octet| octet.is_ascii_digit()), 2..=2)?;
    u8::try_from(value).ok().filter(|_| value <= most).ok_or(CommandError::Syntax)
}

fn digits(text: &[u8], length: std::ops::RangeInclusive<usize>) -> Scanned<u16> {
    let text = std::str::from_utf8(text).ok().filter(|text| length.contains(&text.len()));
    text.and_then(|text| text.parse().ok()).ok_or(CommandError::Syntax)
}

fn month_name(month: u8) -> &'static str {
    MONTHS.get(usize::from(month).wrapping_sub(1)).copied().unwrap_or("Jan")
}

/// As `date-text`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:04}", self.day, month_name(self.month), self.year)
    }
}

/// As `date-time`, without the quotes.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = self.date;
        write!(f, "{day:2}-{}-{year:04} ", month_name(month))?;
        let (sign, zone) = (if self.zone < 0 { '-' } else { '+' }, self.zone.unsigned_abs());
        let (hours, minutes) = (zone / 60, zone % 60);
        write!(f, "{:02}:{:02}:{:02} {sign}{hours:02}{minutes:02}", self.hour, self.minute, self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::GrammarLimits;

    fn time(text: &str) -> Scanned<DateTime> {
        let mut scan = Scan::new(text.as_bytes(), false, GrammarLimits::default());
        let time = DateTime::scan(&mut scan)?;
        scan.end().map(|()| time)
    }

    fn date(text: &str) -> Scanned<Date> {
        let mut scan = Scan::new(text.as_bytes(), false, GrammarLimits::default());
        let date = Date::scan(&mut scan)?;
        scan.end().map(|()| date)
    }

    #[test]
    fn a_time_has_one_form() {
        for (text, seconds) in [
            ("17-Jul-1996 02:44:25 -0700", 837_596_665),
            (" 1-Jan-1970 00:00:00 +0000", 0),
            ("29-Feb-2024 23:59:59 +0530", 1_709_231_399),
            ("31-Dec-9999 23:59:59 +0000", 253_402_300_799),
        ] {
            let read = time(&format!("\"{text}\"")).unwrap();
            assert_eq!((read.seconds(), read.to_string().as_str()), (seconds, text));
            assert_eq!(DateTime::new(seconds, read.zone_minutes()), Some(read));
        }
        for wrong in [
            "17-Jul-1996 02:44:25 -0700",
            "\"7-Jul-1996 02:44:25 -0700\"",
            "\" 17-Jul-1996 02:44:25 -0700\"",
            "\"30-Feb-2024 00:00:00 +0000\"",
            "\"17-Jul-1996 24:00:00 +0000\"",
            "\"17-Jul-1996 02:44:25 PST\"",
            "\"17-Jul-1996 02:44:25 +00000\"",
            "\"17-Jul-96 02:44:25 +0000\"",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_date_is_one_of_the_calendar() {
        assert_eq!(date("1-feb-1994").unwrap().to_string(), "1-Feb-1994");
        assert_eq!(date("\"01-Feb-1994\"").unwrap(), Date::new(1994, 2, 1).unwrap());
        for wrong in ["1-Feb-94", "31-Apr-1994", "0-Feb-1994", "1-Foo-1994", "\"1-Feb-1994", "1 Feb 1994"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
        for days in [-719_528, -1, 0, 59, 60, 19_782, 2_932_896] {
            assert_eq!(Date::from_days(days).unwrap().days(), days);
        }
    }
}
