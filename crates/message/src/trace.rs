//! Trace fields and the fields that every message must have: Return-Path, Delivered-To, Date, Message-ID.

use std::{fmt, io::Write};

use mail::{Address, ReversePath, Timestamp, put_digits};

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date as header fields have it, in UTC: `Mon, 23 Nov 2026 18:02:14 +0000` (RFC 5322 §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub Timestamp);

impl Date {
    /// Appends it.
    pub fn write_to(self, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{self}");
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = self.0.civil();
        let name = |names: &[&'static str], at: u64| {
            usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
        };
        let (weekday, month) = (name(&WEEKDAYS, self.0.weekday()), name(&MONTHS, month - 1));
        if year > 9999 {
            // RFC 5322 §3.3: a year has at least four digits; those of the far future have more.
            return write!(f, "{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} +0000");
        }
        let mut text = *b"Sun, 00 Jan 0000 00:00:00 +0000";
        for (place, word) in [(0..3, weekday), (8..11, month)] {
            let room = text.get_mut(place).unwrap_or_default();
            room.iter_mut().zip(word.bytes()).for_each(|(place, letter)| *place = letter);
        }
        let numbers = [(5..7, day), (12..16, year), (17..19, hour), (20..22, minute), (23..25, second)];
        for (place, number) in numbers {
            put_digits(text.get_mut(place).unwrap_or_default(), number);
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// Appends `Return-Path: <…>`: only final delivery writes one, and only one (RFC 5321 §4.4).
pub fn write_return_path(out: &mut Vec<u8>, reverse_path: &ReversePath) {
    // Neither a path nor an address can hold a control.
    let _ = write!(out, "Return-Path: {reverse_path}\r\n");
}

/// Appends `Delivered-To: …` (RFC 9228 §3), by which the next delivery to the same address is known for a loop.
pub fn write_delivered_to(out: &mut Vec<u8>, address: &Address) {
    let _ = write!(out, "Delivered-To: {address}\r\n");
}

/// Appends the fields by which mail filters and their readers know junk: of `SpamAssassin` and amavis, and of rspamd. There is no standard for it.
pub fn write_junk_fields(out: &mut Vec<u8>) {
    out.extend_from_slice(b"X-Spam-Flag: YES\r\nX-Spam: Yes\r\n");
}

/// Appends a Date field.
pub fn write_date_field(out: &mut Vec<u8>, at: Timestamp) {
    let _ = write!(out, "Date: {}\r\n", Date(at));
}

/// Appends a Message-ID field; see [`message_id`].
pub fn write_message_id_field(out: &mut Vec<u8>, unique: &str, host: &str) {
    let _ = write!(out, "Message-ID: {}\r\n", message_id(unique, host));
}

/// `<unique@host>` (RFC 5322 §3.6.4). `unique` must be unique at `host`: a queue id is. What neither side may hold
/// becomes `_`, so that the id is always one.
pub fn message_id(unique: &str, host: &str) -> String {
    angle_addr(unique, host)
}

/// `<local@host>`, of dot-atoms whatever comes in.
pub(crate) fn angle_addr(local: &str, host: &str) -> String {
    format!("<{}@{}>", dot_atom(local), dot_atom(host))
}

/// `dot-atom-text = 1*atext *("." 1*atext)` (RFC 5322 §3.2.3).
fn dot_atom(text: &str) -> String {
    let atom = |part: &str| -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        part.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
    };
    let parts: Vec<_> = text.split('.').filter(|part| !part.is_empty()).map(atom).collect();
    if parts.is_empty() { "_".to_owned() } else { parts.join(".") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::HeaderSection;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_are_as_rfc_5322_has_them() {
        for (millis, shown) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_400_999, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_795_456_934_000, "Mon, 23 Nov 2026 18:02:14 +0000"),
            (253_402_300_799_000, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(text(|out| Date(Timestamp::from_millis(millis)).write_to(out)), shown);
        }
        assert!(Date(Timestamp::from_millis(u64::MAX)).to_string().ends_with("+0000"));
    }

    #[test]
    fn fields_of_final_delivery() {
        let anna: Address = "\"an na\"@example.org".parse().unwrap();
        assert_eq!(text(|out| write_return_path(out, &ReversePath::Null)), "Return-Path: <>\r\n");
        assert_eq!(
            text(|out| write_return_path(out, &ReversePath::Address(anna.clone()))),
            "Return-Path: <\"an na\"@example.org>\r\n"
        );
        assert_eq!(text(|out| write_delivered_to(out, &anna)), "Delivered-To: \"an na\"@example.org\r\n");
        let section = text(|out| write_delivered_to(out, &anna));
        assert!(HeaderSection::read(section.as_bytes()).has_delivered_to(&anna));
    }

    #[test]
    fn fields_that_were_missing() {
        let at = Timestamp::from_millis(0);
        assert_eq!(text(|out| write_date_field(out, at)), "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n");
        assert_eq!(
            text(|out| write_message_id_field(out, "01k8", "mx.example.org")),
            "Message-ID: <01k8@mx.example.org>\r\n"
        );
        assert_eq!(message_id("", "..\r\n[::1]"), "<_@_____1_>");
    }

    proptest! {
        #[test]
        fn a_message_id_is_one_whatever_it_is_made_of(unique in ".{0,20}", host in ".{0,20}") {
            let id = message_id(&unique, &host);
            let (left, right) = id.trim_matches(['<', '>']).split_once('@').unwrap();
            prop_assert!([left, right].iter().all(|side| side.split('.').all(|atom| !atom.is_empty())));
            prop_assert!(id.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert_eq!(id.matches(['@', '<', '>']).count(), 3);
        }
    }
}
