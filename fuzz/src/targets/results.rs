//! Authentication-Results: what strangers wrote stays in its place in ours, and none of theirs is taken for ours.
//!
//! The first octets choose findings and their texts; what is left is a header section of a stranger.

use message::{Field, HeaderSection};
use message_auth::results::{Finding, Length, field, is_ours, summary};

use crate::source::Source;

pub(crate) const ID: &str = "mx.example.org";
const SUMMARY_OCTETS_MAX: usize = 2000;
const LINE_OCTETS_MAX: usize = 998;

pub(crate) fn run(octets: &[u8]) {
    let mut source = Source(octets);
    let findings: Vec<Finding> = (0..source.below(12)).map(|_| finding(&mut source)).collect();
    let octets = 200 + usize::from(source.octet()) * 16;
    written(&findings, Length::AtMost(octets));
    written(&findings, Length::Exactly(octets));
    assert!(summary(&findings).len() <= SUMMARY_OCTETS_MAX);
    for field in HeaderSection::read(source.0).fields() {
        if claims(&field) {
            assert!(is_ours(&field, ID), "a forged one stays: {}", field.octets().escape_ascii());
        }
    }
}

fn finding(source: &mut Source<'_>) -> Finding {
    let methods = ["spf", "dkim", "dmarc", "arc", "iprev"];
    let results = ["pass", "fail", "temperror", "none"];
    let properties = ["smtp.mailfrom", "header.d", "header.b", "policy.iprev"];
    let mut finding =
        Finding::new(methods[source.below(5)], results[source.below(4)]).because(source.maybe(Source::text));
    for _ in 0..source.below(3) {
        finding = finding.with(properties[source.below(4)], &source.text());
    }
    finding
}

/// One field, of printable ASCII, with the findings in it that have room, and nothing that looks like another.
fn written(findings: &[Finding], length: Length) {
    let octets = field(ID, findings, length);
    let text = std::str::from_utf8(&octets).unwrap();
    assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n')), "{text:?}");
    assert!(
        text.ends_with("\r\n") && text.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX),
        "{text:?}"
    );
    match length {
        Length::AtMost(max) => assert!(octets.len() <= max, "{text:?}"),
        Length::Exactly(wanted) => assert_eq!(octets.len(), wanted, "{text:?}"),
    }
    let section = HeaderSection::read(&octets);
    let fields: Vec<_> = section.fields().collect();
    assert!(fields.len() == 1 && claims(&fields[0]) && is_ours(&fields[0], ID), "{text:?}");
    let told = told(text);
    if told == ["none"] {
        return;
    }
    assert!(told.len() <= findings.len(), "{text:?}");
    for (told, finding) in told.iter().zip(findings) {
        let finding = finding.summary();
        let word = finding.split(' ').next().unwrap();
        assert_eq!(told.split_ascii_whitespace().next(), Some(word), "{text:?}");
    }
}

/// What another reader finds: the parts behind the name, without comments (RFC 8601 §2.2).
fn told(field: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quoted) = (0, false);
    let mut characters = field.trim_end().chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ';' if !quoted && depth == 0 => parts.push(String::new()),
            other if !quoted && depth == 0 => parts.last_mut().unwrap().push(other),
            _ => {}
        }
    }
    assert!(depth == 0 && !quoted, "it does not close: {field:?}");
    parts.into_iter().skip(1).map(|part| part.trim().to_owned()).collect()
}

/// Whether a reader that goes by the letter of RFC 8601 §2.2 takes a field for one of ours.
pub(crate) fn claims(field: &Field<'_>) -> bool {
    let unfolded: Vec<u8> =
        field.raw().iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    let claims = || {
        let (id, rest) = value(behind_white(&unfolded)?)?;
        let rest = behind_white(rest)?;
        let goes_on = rest.first().is_none_or(|octet| *octet == b';' || octet.is_ascii_digit());
        Some(goes_on && id.eq_ignore_ascii_case(ID.as_bytes()))
    };
    field.is("Authentication-Results") && claims().unwrap_or(false)
}

/// A token (RFC 2045 §5.1) or a quoted string, and what stands behind it.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let token = |octet: &u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(octet);
        let end = text.iter().position(|octet| !token(octet)).unwrap_or(text.len());
        return Some((text[..end].to_vec(), &text[end..]));
    };
    let mut out = Vec::new();
    loop {
        match rest {
            [b'"', tail @ ..] => return Some((out, tail)),
            [b'\\', octet, tail @ ..] | [octet, tail @ ..] => {
                out.push(*octet);
                rest = tail;
            }
            [] => return None,
        }
    }
}

/// Behind white space and comments. None: a comment does not end.
fn behind_white(mut text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0;
    loop {
        text = match text {
            [b' ' | b'\t', rest @ ..] => rest,
            [b'(', rest @ ..] => {
                depth += 1;
                rest
            }
            [b')', rest @ ..] if depth > 0 => {
                depth -= 1;
                rest
            }
            [b'\\', _, rest @ ..] if depth > 0 => rest,
            [_, rest @ ..] if depth > 0 => rest,
            _ => return (depth == 0).then_some(text),
        };
    }
}
