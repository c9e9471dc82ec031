//! What SORT and THREAD make of header fields: base subjects, message ids and sent dates (RFC 5256 §2).

use super::scan::{Scan, is_space};

/// A subject without what replies and forwards add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSubject {
    /// The rest, its white space single spaces, in the case in which it is written.
    pub text: String,
    /// Something was taken away that a reply or a forward adds.
    pub is_reply: bool,
}

/// The base subject of a decoded subject (RFC 5256 §2.1).
pub fn base_subject(subject: &str) -> BaseSubject {
    let spaced =
        subject.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut text = spaced.as_str();
    let mut is_reply = false;
    loop {
        while let Some(rest) = without_trailer(text) {
            text = rest;
            is_reply = true;
        }
        loop {
            let before = text.len();
            while let Some(rest) = without_leader(text) {
                text = rest;
                is_reply = true;
            }
            // (4): a blob goes if something stays. Behind those that go there is no leader, or it would have gone with them: to look for it
            // behind each would take a time that grows with the square of how many there are.
            while let Some(rest) = without_blob(text).filter(|rest| !rest.is_empty()) {
                text = rest;
            }
            if text.len() == before {
                break;
            }
        }
        // (6): `[fwd: ... ]` goes, and all begins anew.
        let inside = text.strip_suffix(']').and_then(|text| without_prefix(text, "[fwd:"));
        match inside {
            Some(inside) => {
                text = inside.trim_matches(' ');
                is_reply = true;
            }
            None => return BaseSubject { text: text.to_owned(), is_reply },
        }
    }
}

/// In any case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// `subj-trailer = "(fwd)" / WSP`
fn without_trailer(text: &str) -> Option<&str> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(5)?)?;
    tail.eq_ignore_ascii_case("(fwd)").then_some(rest.trim_end_matches(' '))
}

/// `subj-leader = (*subj-blob subj-refwd) / WSP`, `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`
fn without_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(without) = without_blob(rest) {
        rest = without;
    }
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| without_prefix(rest, word))?;
    let rest = rest.trim_start_matches(' ');
    let rest = without_blob(rest).unwrap_or(rest);
    Some(rest.strip_prefix(':')?.trim_start_matches(' '))
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`
fn without_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    Some(inside.get(end..)?.strip_prefix(']')?.trim_start_matches(' '))
}

/// The message ids in a field such as References, without their angles, in order (RFC 5256 §2.2).
pub fn message_ids(raw: &[u8]) -> Vec<Box<[u8]>> {
    let mut ids = Vec::new();
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'<', rest) {
        rest = rest.get(at + 1..).unwrap_or_default();
        let len = rest.iter().position(|octet| matches!(octet, b'<' | b'>')).unwrap_or(rest.len());
        if rest.get(len) == Some(&b'>') {
            let id = id(rest.get(..len).unwrap_or_default());
            if !id.is_empty() {
                ids.push(id);
            }
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    ids
}

/// RFC 5256 §2.2: `<"01KF8JCEOCBS0045PS"@example.com>` is the same as without quotes. Folds are none of it.
fn id(written: &[u8]) -> Box<[u8]> {
    let mut id = Vec::with_capacity(written.len());
    let mut scan = Scan::new(written);
    loop {
        id.extend(scan.run(|octet| octet != b'"').iter().copied().filter(|octet| !is_space(*octet)));
        if scan.is_empty() {
            return id.into();
        }
        id.extend(scan.quoted());
    }
}

/// When a message says it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// In seconds since 1970 began in UTC.
    pub utc_seconds: i64,
    /// The day where it was sent, in days since 1970-01-01: SENTON and its kin disregard time and zone (RFC 9051 §6.4.4).
    pub local_day: i64,
}

/// Reads the value of a Date field: `[day ","] d mon y h:m[:s] zone`, zones and years of RFC 5322 §4.3 too. Without a time it is
/// midnight, without a zone UTC (RFC 5256 §2.2).
pub fn sent(raw: &[u8]) -> Option<Sent> {
    let words = date_words(raw);
    let month_at = words.iter().position(|word| month(word).is_some())?;
    let month = month(words.get(month_at)?)?;
    let (before, after) = (month_at.checked_sub(1).and_then(|at| words.get(at)), words.get(month_at + 1));
    // `Nov 23` of asctime stands the other way round, and its year behind the time.
    let day = before.and_then(|word| number(word)).or_else(|| after.and_then(|word| number(word)))?;
    let swapped = before.and_then(|word| number(word)).is_none();
    let mut rest = words.get(month_at + 1 + usize::from(swapped)..)?.iter();
    let mut year = None;
    let mut clock = None;
    let mut offset = None;
    for word in &mut rest {
        if word.contains(&b':') {
            clock = clock.or(time(word));
        } else if year.is_none() && word.iter().all(u8::is_ascii_digit) {
            year = number(word).map(|year| whole_year(year, word.len()));
        } else {
            offset = offset.or(zone(word));
        }
    }
    let local_day = days(year?, month, day)?;
    let midnight = local_day.checked_mul(86_400)?;
    Some(Sent { utc_seconds: midnight + clock.unwrap_or(0) - offset.unwrap_or(0), local_day })
}

/// Words between white space, commas and comments. More than a date has are not read.
fn date_words(raw: &[u8]) -> Vec<&[u8]> {
    let mut scan = Scan::new(raw);
    let mut words = Vec::new();
    loop {
        scan.skip();
        let word = scan.run(|octet| !is_space(octet) && !matches!(octet, b',' | b'('));
        if !word.is_empty() {
            words.push(word);
        } else if !scan.takes(b',') {
            return words;
        }
        if words.len() == 10 {
            return words;
        }
    }
}

fn number(word: &[u8]) -> Option<i64> {
    let digits = word.iter().all(u8::is_ascii_digit) && word.len() <= 6;
    str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

/// From 1 for January.
fn month(word: &[u8]) -> Option<i64> {
    const NAMES: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let begin = word.get(..3)?.to_ascii_lowercase();
    (1..).zip(NAMES).find(|(_, name)| name.as_slice() == begin).map(|(number, _)| number)
}

/// RFC 5322 §4.3: years of two digits and of three.
fn whole_year(year: i64, digits: usize) -> i64 {
    match (digits, year) {
        (1 | 2, 0..=49) => year + 2000,
        (1..=3, _) => year + 1900,
        _ => year,
    }
}

/// Seconds since midnight.
fn time(word: &[u8]) -> Option<i64> {
    let mut parts = word.split(|octet| *octet == b':').map(|part| number(part.get(..2).unwrap_or(part)));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().flatten().unwrap_or(0);
    (hours < 24 && minutes < 60 && seconds <= 60).then_some(hours * 3600 + minutes * 60 + seconds)
}

/// How far ahead of UTC, in seconds.
fn zone(word: &[u8]) -> Option<i64> {
    let (sign, digits) = match word {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        name => {
            let hours = match name.to_ascii_uppercase().as_slice() {
                b"UT" | b"GMT" | b"UTC" | b"Z" => 0,
                b"EDT" => -4,
                b"EST" | b"CDT" => -5,
                b"CST" | b"MDT" => -6,
                b"MST" | b"PDT" => -7,
                b"PST" => -8,
                _ => return None,
            };
            return Some(hours * 3600);
        }
    };
    let value = number(digits).filter(|_| digits.len() == 4)?;
    Some(sign * (value / 100 * 3600 + value % 100 * 60))
}

/// Days since 1970-01-01 of a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=31).contains(&day) || !(1..=9999).contains(&year) {
        return None;
    }
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era_days = year * 365 + year / 4 - year / 100 + year / 400;
    Some(era_days + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_lose_what_replies_add() {
        for (subject, text, is_reply) in [
            ("hello", "hello", false),
            ("Re: hello", "hello", true),
            ("RE : [x] re[2]:  fwd: a\t b (fwd) (FWD)", "a b", true),
            ("[list] hello", "hello", false),
            ("[list]", "[list]", false),
            ("[list] Re: [list] hello", "hello", true),
            ("[fwd: Re: hello]", "hello", true),
            ("[Fwd: [list] hello (fwd)]", "hello", true),
            ("Re: ", "", true),
            ("Rehearsal: x", "Rehearsal: x", false),
            ("hello [x]", "hello [x]", false),
            ("", "", false),
        ] {
            let base = base_subject(subject);
            assert_eq!((base.text.as_str(), base.is_reply), (text, is_reply), "{subject}");
        }
    }

    #[test]
    fn a_subject_costs_no_more_than_its_length() {
        let subject = |before: &str| format!("{before}{}x", "[a] ".repeat(60_000));
        for before in ["", "Re: ", "[b] Re: "] {
            assert_eq!(base_subject(&subject(before)).text, "x");
        }
    }

    #[test]
    fn message_ids_are_found_among_anything() {
        let ids = message_ids(b" <a@b>\r\n text <\"c d\"@e> <broken <f@\r\n g> <> <h");
        let ids: Vec<_> = ids.iter().map(|id| String::from_utf8_lossy(id)).collect();
        assert_eq!(ids, ["a@b", "c d@e", "f@g"]);
    }

    #[test]
    fn dates_are_read_in_all_the_forms_that_are_in_use() {
        for (date, utc_seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 +0000", 0),
            ("Mon, 23 Nov 2026 10:00:00 +0100", 1_795_424_400),
            ("23 nov 26 09:00 GMT", 1_795_424_400),
            ("Mon (day), 23 November 2026 01:00:00.5 -0800 (PST)", 1_795_424_400),
            ("Mon, 23 Nov 2026 04:00:00 EST", 1_795_424_400),
            ("Mon Nov 23 09:00:00 2026", 1_795_424_400),
            ("Sat, 1 Jan 99 00:00:00 +0000", 915_148_800),
            ("29 Feb 2000 00:00 Z", 951_782_400),
            ("23 Nov 2026", 1_795_392_000),
        ] {
            assert_eq!(sent(date.as_bytes()).map(|sent| sent.utc_seconds), Some(utc_seconds), "{date}");
        }
        let late = sent(b"Mon, 23 Nov 2026 23:30:00 -0500").unwrap();
        assert_eq!(late.local_day * 86_400, 1_795_392_000);
        for broken in ["", "today", "Nov", "32 Jan 2026", "1 Jan", "1 Jan 20266666666"] {
            assert_eq!(sent(broken.as_bytes()), None, "{broken}");
        }
    }
}
