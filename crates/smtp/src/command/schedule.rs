//! When a message is to go, and how urgent it is: FUTURERELEASE (RFC 4865), DELIVERBY (RFC 2852), MT-PRIORITY (RFC 6710).

use std::{fmt, time::Duration};

use mail::Timestamp;

/// The most digits of a number of seconds (RFC 2852 §4, RFC 4865 §4).
const DIGITS_MAX: usize = 9;

/// What a client says about it in MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// `HOLDFOR=` or `HOLDUNTIL=`.
    pub hold: Option<Hold>,
    /// `BY=`.
    pub by: Option<By>,
    /// `MT-PRIORITY=`, -9 to 9.
    pub priority: Option<i8>,
}

/// Not before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// So long.
    For(Duration),
    /// Until then.
    Until(Timestamp),
}

/// How long delivery may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// From now on; negative if the time is over, which only goes with a notice.
    pub seconds: i64,
    /// `R`: return it then; otherwise `N`: notify and go on.
    pub return_then: bool,
    /// `T`: tell of each relay.
    pub trace: bool,
}

impl Schedule {
    /// Nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes a parameter, if it is one of these. `Some(false)`: its value is wrong, or it was given before.
    pub(super) fn read(&mut self, keyword: &str, value: Option<&str>) -> Option<bool> {
        let is = |name: &str| keyword.eq_ignore_ascii_case(name);
        let value = value.unwrap_or_default();
        Some(if is("HOLDFOR") {
            once(&mut self.hold, digits(value).map(|seconds| Hold::For(Duration::from_secs(seconds))))
        } else if is("HOLDUNTIL") {
            once(&mut self.hold, date_time(value).map(Hold::Until))
        } else if is("BY") {
            once(&mut self.by, by(value))
        } else if is("MT-PRIORITY") {
            once(&mut self.priority, priority(value))
        } else {
            return None;
        })
    }
}

fn once<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_new = place.is_none() && value.is_some();
    *place = value;
    is_new
}

fn digits(text: &str) -> Option<u64> {
    let is_number = text.len() <= DIGITS_MAX && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// ```text
/// by-value = by-time ";" by-mode [by-trace]
/// by-time  = ["-" / "+"] 1*9DIGIT      ; not zero or less with the mode R
/// by-mode  = "N" / "R"
/// by-trace = "T"
/// ```
/// (RFC 2852 §4.)
fn by(text: &str) -> Option<By> {
    let (time, mode) = text.split_once(';')?;
    let (sign, number) = match time.split_at_checked(1)? {
        ("-", number) => (-1, number),
        ("+", number) => (1, number),
        _ => (1, time),
    };
    let seconds = sign * i64::try_from(digits(number)?).ok()?;
    let (return_then, trace) = match mode.to_ascii_uppercase().as_str() {
        "N" => (false, false),
        "NT" => (false, true),
        "R" => (true, false),
        "RT" => (true, true),
        _ => return None,
    };
    (seconds > 0 || !return_then).then_some(By { seconds, return_then, trace })
}

/// `priority-value = (["-"] NZDIGIT) / "0"` (RFC 6710 §4).
fn priority(text: &str) -> Option<i8> {
    let number: i8 = text.parse().ok()?;
    ((-9..=9).contains(&number) && number.to_string() == text).then_some(number)
}

/// `date-time` of RFC 3339 §5.6, as erratum 2040 of RFC 4865 has it.
fn date_time(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone_at)?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(whole, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let [hours, minutes] = numbers(offset, ':', [2, 2])?;
            let seconds = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if sign == "-" { -seconds } else { seconds })?
        }
    };
    Timestamp::from_civil(year, month, day, hour * 3600 + minute * 60 + second - offset)
}

/// Numbers of fixed width with a sign between.
fn numbers<const N: usize>(text: &str, between: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut found = [0; N];
    for (place, width) in found.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *place = i64::try_from(digits(part)?).ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// As parameters, each behind a space.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hold {
            Some(Hold::For(duration)) => write!(f, " HOLDFOR={}", duration.as_secs())?,
            Some(Hold::Until(until)) => write!(f, " HOLDUNTIL={until}")?,
            None => {}
        }
        if let Some(By { seconds, return_then, trace }) = self.by {
            let (mode, trace) = (if return_then { "R" } else { "N" }, if trace { "T" } else { "" });
            write!(f, " BY={seconds};{mode}{trace}")?;
        }
        self.priority.map_or(Ok(()), |priority| write!(f, " MT-PRIORITY={priority}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keyword: &str, value: &str) -> Option<String> {
        let mut schedule = Schedule::default();
        schedule.read(keyword, Some(value))?.then(|| schedule.to_string())
    }

    #[test]
    fn what_is_said_is_understood() {
        for (keyword, value, shown) in [
            ("holdfor", "3600", " HOLDFOR=3600"),
            ("HOLDUNTIL", "2026-11-23T18:02:14Z", " HOLDUNTIL=2026-11-23T18:02:14.000Z"),
            ("HOLDUNTIL", "2026-11-23t19:02:14.5+01:00", " HOLDUNTIL=2026-11-23T18:02:14.000Z"),
            ("HOLDUNTIL", "2026-11-23T23:30:00-00:45", " HOLDUNTIL=2026-11-24T00:15:00.000Z"),
            ("BY", "120;R", " BY=120;R"),
            ("by", "+120;nt", " BY=120;NT"),
            ("BY", "-60;N", " BY=-60;N"),
            ("MT-PRIORITY", "-9", " MT-PRIORITY=-9"),
            ("MT-PRIORITY", "0", " MT-PRIORITY=0"),
        ] {
            assert_eq!(read(keyword, value).as_deref(), Some(shown), "{keyword}={value}");
        }
        assert_eq!(Schedule::default().read("SIZE", Some("1")), None);
    }

    #[test]
    fn what_makes_no_sense_is_not() {
        for (keyword, value) in [
            ("HOLDFOR", ""),
            ("HOLDFOR", "-1"),
            ("HOLDFOR", "1234567890"),
            ("HOLDUNTIL", "2026-11-23"),
            ("HOLDUNTIL", "2026-11-23T18:02:14"),
            ("HOLDUNTIL", "2026-02-29T18:02:14Z"),
            ("HOLDUNTIL", "2026-11-23T25:02:14Z"),
            ("HOLDUNTIL", "2026-11-23T18:02:14.Z"),
            ("HOLDUNTIL", "2026-11-23T18:02:14+1:00"),
            ("BY", "120"),
            ("BY", "0;R"),
            ("BY", "-1;R"),
            ("BY", "120;X"),
            ("BY", "120;TR"),
            ("BY", ";N"),
            ("MT-PRIORITY", "10"),
            ("MT-PRIORITY", "+1"),
            ("MT-PRIORITY", "-0"),
            ("MT-PRIORITY", "01"),
        ] {
            assert_eq!(read(keyword, value), None, "{keyword}={value}");
        }
        let mut schedule = Schedule::default();
        assert_eq!(schedule.read("HOLDFOR", Some("1")), Some(true));
        assert_eq!(schedule.read("HOLDUNTIL", Some("2026-11-23T18:02:14Z")), Some(false), "one of the two");
    }
}
