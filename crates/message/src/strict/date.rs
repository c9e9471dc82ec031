//! Dates in fields (RFC 5322 §3.3).
//!
//! ```text
//! date-time = [ day-of-week "," ] day month year hour ":" minute [ ":" second ] zone
//! ```

use std::time::Duration;

use mail::Timestamp;

use super::scanner::Scanner;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Clocks and time zones are set wrong by hours.
const AHEAD_MAX: Duration = Duration::from_hours(24);
/// A draft may be old; a clock that has lost its battery is older.
const AGO_MAX: Duration = Duration::from_hours(24 * 366);

/// Whether it may be the date of a new message.
pub(super) fn is_plausible(date: Timestamp, now: Timestamp) -> bool {
    date <= now.after(AHEAD_MAX) && date >= now.before(AGO_MAX)
}

/// A date; one before 1970 counts as its beginning.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let plain = without_comments(text)?;
    let rest = match plain.split_once(',') {
        Some((day, rest)) => {
            WEEKDAYS.iter().find(|name| name.eq_ignore_ascii_case(day.trim()))?;
            rest
        }
        None => &plain,
    };
    let mut words = rest.split_ascii_whitespace();
    let day = number(words.next()?, 1..=2)?;
    let month = words.next()?;
    let month = (1..).zip(MONTHS).find(|(_, name)| name.eq_ignore_ascii_case(month))?.0;
    let year = number(words.next()?, 4..=5)?;
    let second_of_day = time(words.next()?)?;
    let zone = zone(words.next()?)?;
    if words.next().is_some() {
        return None;
    }
    Timestamp::from_civil(year, month, day, second_of_day - zone)
}

fn without_comments(text: &str) -> Option<String> {
    let (mut scanner, mut plain) = (Scanner(text), String::with_capacity(text.len()));
    loop {
        plain.push_str(scanner.run(|c| c != '('));
        if scanner.is_empty() {
            return Some(plain);
        }
        plain.push(' ');
        scanner.skip()?;
    }
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let is_one = digits.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| is_one)
}

fn time(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| number(part, 2..=2));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    // A leap second is the 60th.
    let is_one = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
    is_one.then_some(hour * 3600 + minute * 60 + second)
}

/// Seconds ahead of UTC. Of the names in RFC 5322 §4.3 those that mean UTC, and those of America.
fn zone(text: &str) -> Option<i64> {
    const NAMES: [(&str, i64); 11] = [
        ("UT", 0),
        ("GMT", 0),
        ("Z", 0),
        ("EDT", -4),
        ("EST", -5),
        ("CDT", -5),
        ("CST", -6),
        ("MDT", -6),
        ("MST", -7),
        ("PDT", -7),
        ("PST", -8),
    ];
    if let Some((_, hours)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(hours * 3600);
    }
    let (sign, digits) = text.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let digits = number(digits, 4..=4)?;
    (digits % 100 < 60).then_some(sign * (digits / 100 * 3600 + digits % 100 * 60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_as_clients_write_them() {
        for (text, expected) in [
            ("Mon, 23 Nov 2026 18:02:14 +0000", 1_795_456_934),
            ("23 Nov 2026 18:02:14 GMT", 1_795_456_934),
            ("Mon,23 nov 2026 19:02:14 +0100 (CET)", 1_795_456_934),
            ("Mon, 23 Nov 2026 (a (nested) one) 13:02:14 EST", 1_795_456_934),
            ("Mon, 23 Nov 2026 18:02 -0000", 1_795_456_920),
            ("Tue, 29 Feb 2000 00:00:00 +0000", 951_782_400),
            ("1 Jan 1960 00:00:00 +0000", 0),
        ] {
            assert_eq!(parse(text).map(Timestamp::as_secs), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "Mon",
            "2026-11-23T18:02:14Z",
            "Mon Nov 23 18:02:14 2026",
            "Foo, 23 Nov 2026 18:02:14 +0000",
            "29 Feb 2026 18:02:14 +0000",
            "0 Nov 2026 18:02:14 +0000",
            "23 Nov 26 18:02:14 +0000",
            "23 Nov 2026 24:00:00 +0000",
            "23 Nov 2026 1:00:00 +0000",
            "23 Nov 2026 18:02:14",
            "23 Nov 2026 18:02:14 MEZ",
            "23 Nov 2026 18:02:14 +01:00",
            "23 Nov 2026 18:02:14 +0000 x",
            "23 Nov 2026 18:02:14 +0000 (",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0..253_402_300_800_u64) {
            let at = Timestamp::from_millis(seconds * 1000);
            prop_assert_eq!(parse(&crate::Date(at).to_string()), Some(at));
        }

        #[test]
        fn no_text_panics(text in "([0-9:+(), -]|Nov|\\PC){0,40}") {
            let _ = parse(&text);
        }
    }
}
