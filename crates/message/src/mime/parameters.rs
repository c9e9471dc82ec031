//! Content-Type, Content-Disposition and their parameters (RFC 2045 §5, RFC 2183, RFC 2231), read leniently.

use super::{
    Disposition, Parameters,
    scan::{Scan, is_space, is_token},
};

/// A name and a value.
type Parameter = (Box<[u8]>, Box<[u8]>);

/// So many parameters of a field are read.
const PARAMETERS_MAX: usize = 256;

/// What a Content-Type says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) kind: Box<[u8]>,
    pub(super) subtype: Box<[u8]>,
    pub(super) parameters: Parameters,
}

impl Media {
    /// Reads the value of a Content-Type field, unfolded. RFC 2045 §5.2: what is no type counts as text/plain.
    pub(super) fn parse(value: &[u8]) -> Self {
        let mut scan = Scan::new(value);
        let (kind, subtype) = media_type(&mut scan).unwrap_or((b"text", b"plain"));
        Self { kind: kind.into(), subtype: subtype.into(), parameters: parameters(&mut scan) }
    }
}

impl Media {
    /// What a part is that does not say (RFC 2046 §5.1, §5.1.5). `digest`: it lies in a digest.
    pub(super) fn default_of(digest: bool) -> Self {
        Self::parse(if digest { b"message/rfc822" } else { b"text/plain" })
    }
}

/// `type "/" subtype`
fn media_type<'a>(scan: &mut Scan<'a>) -> Option<(&'a [u8], &'a [u8])> {
    scan.skip();
    let kind = scan.run(is_token);
    scan.skip();
    if !scan.takes(b'/') {
        return None;
    }
    scan.skip();
    let subtype = scan.run(is_token);
    (!kind.is_empty() && !subtype.is_empty()).then_some((kind, subtype))
}

/// The first word of a Content-Transfer-Encoding.
pub(super) fn encoding(value: &[u8]) -> Box<[u8]> {
    let mut scan = Scan::new(value);
    scan.skip();
    if scan.peek() == Some(b'"') {
        return scan.quoted().into();
    }
    scan.run(is_token).into()
}

/// Reads the value of a Content-Disposition field, unfolded.
pub(super) fn disposition(value: &[u8]) -> Disposition {
    let mut scan = Scan::new(value);
    scan.skip();
    let kind: Box<[u8]> =
        if scan.peek() == Some(b'"') { scan.quoted().into() } else { scan.run(is_token).into() };
    Disposition { kind, parameters: parameters(&mut scan) }
}

/// Reads the value of a Content-Language field, unfolded: `1#language-tag` (RFC 3282 §2), up to where it is broken.
pub(super) fn languages(value: &[u8]) -> Vec<Box<[u8]>> {
    let mut scan = Scan::new(value);
    let mut languages = Vec::new();
    loop {
        scan.skip();
        let tag = scan.run(is_token);
        if tag.is_empty() || languages.len() == PARAMETERS_MAX {
            return languages;
        }
        languages.push(tag.into());
        scan.skip();
        if !scan.takes(b',') {
            return languages;
        }
    }
}

/// `*(";" attribute "=" value)`. What stands between a value and the next semicolon is passed over.
fn parameters(scan: &mut Scan<'_>) -> Parameters {
    let mut found = Parameters::new();
    while !scan.is_empty() && found.len() < PARAMETERS_MAX {
        pass_to_semicolon(scan);
        scan.skip();
        let name = scan.run(is_token);
        scan.skip();
        if name.is_empty() || !scan.takes(b'=') {
            continue;
        }
        scan.skip();
        found.push((name.into(), value(scan)));
    }
    join(found)
}

/// To behind the next semicolon that is in no quotes.
fn pass_to_semicolon(scan: &mut Scan<'_>) {
    loop {
        scan.run(|octet| !matches!(octet, b';' | b'"'));
        if scan.peek() != Some(b'"') {
            scan.takes(b';');
            return;
        }
        scan.quoted();
    }
}

/// A quoted string, or all up to white space, `;` or a comment: many a value has a `=` or a `/` and no quotes.
fn value(scan: &mut Scan<'_>) -> Box<[u8]> {
    if scan.peek() == Some(b'"') {
        return scan.quoted().into();
    }
    scan.run(|octet| !is_space(octet) && !matches!(octet, b';' | b'"' | b'(')).into()
}

/// One segment of a value in several (RFC 2231 §3).
struct Segment {
    name: Box<[u8]>,
    number: u32,
    encoded: bool,
    written: Parameter,
}

impl Segment {
    /// `attribute "*" section ["*"]`
    fn parse(parameter: Parameter) -> Result<Self, Parameter> {
        let read = || {
            let star = memchr::memchr(b'*', &parameter.0)?;
            let (name, section) = parameter.0.split_at_checked(star)?;
            let section = section.get(1..)?;
            let (digits, encoded) = match section.strip_suffix(b"*") {
                Some(digits) => (digits, true),
                None => (section, false),
            };
            let plain = digits.iter().all(u8::is_ascii_digit) && !name.is_empty();
            let number = str::from_utf8(digits).ok()?.parse().ok().filter(|_| plain)?;
            Some((name.into(), number, encoded))
        };
        match read() {
            Some((name, number, encoded)) => Ok(Self { name, number, encoded, written: parameter }),
            None => Err(parameter),
        }
    }
}

/// Joins continuations. They come behind the plain parameters, and those with a gap stay as they are.
fn join(found: Parameters) -> Parameters {
    if !found.iter().any(|(name, _)| name.contains(&b'*')) {
        return found;
    }
    let (mut plain, mut starred, mut segments) = (Vec::new(), Vec::new(), Vec::new());
    for parameter in found {
        match Segment::parse(parameter) {
            Ok(segment) => segments.push(segment),
            Err(other) if other.0.contains(&b'*') => starred.push(other),
            Err(other) => plain.push(other),
        }
    }
    segments.sort_by_cached_key(|segment| (segment.name.to_ascii_lowercase(), segment.number));
    plain.append(&mut starred);
    let mut rest = segments.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut group = vec![first];
        while let Some(next) = rest
            .next_if(|next| group.first().is_some_and(|first| first.name.eq_ignore_ascii_case(&next.name)))
        {
            group.push(next);
        }
        let whole = (0..).zip(&group).all(|(number, segment)| segment.number == number);
        if whole {
            plain.push(joined(group));
        } else {
            plain.extend(group.into_iter().map(|segment| segment.written));
        }
    }
    plain
}

/// One value of all segments. If one is encoded, the others get to be.
fn joined(group: Vec<Segment>) -> Parameter {
    let encoded = group.iter().any(|segment| segment.encoded);
    let mut name = group.first().map(|segment| segment.name.to_vec()).unwrap_or_default();
    let mut value = Vec::new();
    if encoded {
        name.push(b'*');
        // Without a charset in front the value would be read as if it had one.
        if group.first().is_some_and(|first| !first.encoded) {
            value.extend_from_slice(b"''");
        }
    }
    for segment in group {
        if encoded && !segment.encoded {
            segment.written.1.iter().for_each(|octet| percent(*octet, &mut value));
        } else {
            value.extend_from_slice(&segment.written.1);
        }
    }
    (name.into(), value.into())
}

/// An octet of an `extended-value` (RFC 2231 §7).
fn percent(octet: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if is_token(octet) && octet.is_ascii() && !matches!(octet, b'*' | b'\'' | b'%') {
        out.push(octet);
    } else {
        let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
        out.extend_from_slice(&[b'%', digit(octet >> 4), digit(octet & 15)]);
    }
}

/// A parameter in UTF-8: encoded as RFC 2231 §4 says, or else as a word of RFC 2047, which is not allowed and common.
pub(super) fn text(parameters: &Parameters, name: &str) -> Option<String> {
    let of = |wanted: &[u8]| {
        parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    if let Some(value) = of(format!("{name}*").as_bytes()) {
        return Some(extended(value));
    }
    of(name.as_bytes()).map(|value| super::header_text(value))
}

/// `[charset] "'" [language] "'" *(percent-encoded or plain)` (RFC 2231 §4).
fn extended(value: &[u8]) -> String {
    let mut parts = value.splitn(3, |octet| *octet == b'\'');
    let (charset, text) = match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(text)) => (charset, text),
        _ => (b"".as_slice(), value),
    };
    super::charset::to_utf8(charset, &unpercented(text))
}

fn unpercented(text: &[u8]) -> Vec<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if let (b'%', [high, low, others @ ..]) = (first, others)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            out.push(high << 4 | low);
            rest = others;
        } else {
            out.push(*first);
        }
    }
    out
}
