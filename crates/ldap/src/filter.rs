//! Search filters (RFC 4515), in which names of people may be put.
//!
//! A filter is read first and filled afterwards, so whatever a name holds is a value and never a part of the filter.

use std::fmt;

use mail::Address;

use crate::ber::{OCTETS, put, put_within};

/// How deep filters may be in each other, and how many.
const DEPTH_MAX: usize = 16;
const FILTER_OCTETS_MAX: usize = 4096;

/// A filter whose values may hold `{address}`, `{user}` and `{domain}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    node: Node,
    text: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// `=`, `>=`, `<=` or `~=`, by its tag.
    Compare(u8, String, Vec<Part>),
    Present(String),
    /// What comes first, what in between, and what last.
    Substrings(String, Vec<Vec<Part>>),
    /// RFC 4515 `extensible`: the rule, the attribute, the value, and whether the DN counts too.
    Extensible(Option<String>, Option<String>, Vec<Part>, bool),
}

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Octets(Vec<u8>),
    Address,
    User,
    Domain,
}

const EQUAL: u8 = 0xA3;
const SUBSTRINGS: u8 = 0xA4;
const GREATER: u8 = 0xA5;
const LESS: u8 = 0xA6;
const PRESENT: u8 = 0x87;
const APPROXIMATE: u8 = 0xA8;
const EXTENSIBLE: u8 = 0xA9;

/// Why a text is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// Its brackets do not close, or something stands outside of them.
    #[error("its parentheses do not match")]
    Parentheses,
    /// An item that is no comparison.
    #[error("between parentheses stands no comparison such as mail=*")]
    Item,
    /// `\` without two hexadecimal digits.
    #[error("a backslash stands before two hexadecimal digits only")]
    Escape,
    /// `{` with a word that is none of ours.
    #[error("in braces stands what is none of {{address}}, {{user}} and {{domain}}")]
    Placeholder,
    /// It is larger than anybody would write.
    #[error("it is too large")]
    TooLarge,
}

impl Filter {
    /// Reads a filter such as `(&(objectClass=person)(mail={address}))`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, BadFilter> {
        if text.len() > FILTER_OCTETS_MAX {
            return Err(BadFilter::TooLarge);
        }
        let mut rest = text.trim();
        let node = node(&mut rest, 0)?;
        if rest.is_empty() { Ok(Self { node, text: text.into() }) } else { Err(BadFilter::Parentheses) }
    }

    /// Whether a name is put in somewhere.
    pub fn has_placeholder(&self) -> bool {
        self.node.any(&|part| !matches!(part, Part::Octets(_)))
    }

    /// Whether a text names an attribute (RFC 4512 §2.5).
    pub fn is_attribute(text: &str) -> bool {
        is_attribute(text)
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Node {
    /// The attribute has this value.
    pub(crate) fn equal(attribute: &str, value: impl Into<Vec<u8>>) -> Self {
        Self::Compare(EQUAL, attribute.to_owned(), vec![Part::Octets(value.into())])
    }

    fn any(&self, is: &impl Fn(&Part) -> bool) -> bool {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().any(|node| node.any(is)),
            Self::Not(node) => node.any(is),
            Self::Compare(_, _, parts) | Self::Extensible(_, _, parts, _) => parts.iter().any(is),
            Self::Present(_) => false,
            Self::Substrings(_, pieces) => pieces.iter().flatten().any(is),
        }
    }

    /// Writes it, with the names of an address put in (RFC 4511 §4.5.1.7).
    pub(crate) fn write(&self, out: &mut Vec<u8>, address: Option<&Address>) {
        let fill = |parts: &[Part]| filled(parts, address);
        match self {
            Self::And(nodes) => put_within(out, 0xA0, |out| write_all(nodes, out, address)),
            Self::Or(nodes) => put_within(out, 0xA1, |out| write_all(nodes, out, address)),
            Self::Not(node) => put_within(out, 0xA2, |out| node.write(out, address)),
            Self::Compare(tag, attribute, parts) => put_within(out, *tag, |out| {
                put(out, OCTETS, attribute.as_bytes());
                put(out, OCTETS, &fill(parts));
            }),
            Self::Present(attribute) => put(out, PRESENT, attribute.as_bytes()),
            Self::Substrings(attribute, pieces) => put_within(out, SUBSTRINGS, |out| {
                put(out, OCTETS, attribute.as_bytes());
                put_within(out, 0x30, |out| {
                    let last = pieces.len().saturating_sub(1);
                    for (place, piece) in pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
                        let tag = if place == 0 {
                            0x80
                        } else if place == last {
                            0x82
                        } else {
                            0x81
                        };
                        put(out, tag, &fill(piece));
                    }
                });
            }),
            Self::Extensible(rule, attribute, parts, with_dn) => put_within(out, EXTENSIBLE, |out| {
                for (tag, name) in [(0x81, rule), (0x82, attribute)] {
                    if let Some(name) = name {
                        put(out, tag, name.as_bytes());
                    }
                }
                put(out, 0x83, &fill(parts));
                if *with_dn {
                    put(out, 0x84, &[0xFF]);
                }
            }),
        }
    }
}

fn write_all(nodes: &[Node], out: &mut Vec<u8>, address: Option<&Address>) {
    for node in nodes {
        node.write(out, address);
    }
}

fn filled(parts: &[Part], address: Option<&Address>) -> Vec<u8> {
    let mut value = Vec::new();
    for part in parts {
        match (part, address) {
            (Part::Octets(octets), _) => value.extend_from_slice(octets),
            (Part::Address, Some(address)) => value.extend_from_slice(address.to_string().as_bytes()),
            (Part::User, Some(address)) => value.extend_from_slice(address.local_part().as_bytes()),
            (Part::Domain, Some(address)) => value.extend_from_slice(address.domain().to_string().as_bytes()),
            (_, None) => {}
        }
    }
    value
}

/// `( ... )`
fn node(rest: &mut &str, depth: usize) -> Result<Node, BadFilter> {
    if depth > DEPTH_MAX {
        return Err(BadFilter::TooLarge);
    }
    *rest = rest.trim_start().strip_prefix('(').ok_or(BadFilter::Parentheses)?.trim_start();
    let found = match rest.chars().next() {
        Some('&') => Node::And(nodes(rest, depth)?),
        Some('|') => Node::Or(nodes(rest, depth)?),
        Some('!') => {
            *rest = rest.get(1..).unwrap_or_default();
            Node::Not(Box::new(node(rest, depth + 1)?))
        }
        _ => {
            // A bracket in a value is written as \28 or \29.
            let end = rest.find(['(', ')']).ok_or(BadFilter::Parentheses)?;
            let (text, after) = rest.split_at(end);
            *rest = after;
            item(text)?
        }
    };
    *rest = rest.trim_start().strip_prefix(')').ok_or(BadFilter::Parentheses)?;
    Ok(found)
}

fn nodes(rest: &mut &str, depth: usize) -> Result<Vec<Node>, BadFilter> {
    *rest = rest.get(1..).unwrap_or_default();
    let mut found = Vec::new();
    while rest.trim_start().starts_with('(') {
        found.push(node(rest, depth + 1)?);
    }
    Ok(found)
}

/// `attribute=value` and its like.
fn item(text: &str) -> Result<Node, BadFilter> {
    let (left, value) = text.split_once('=').ok_or(BadFilter::Item)?;
    let tags = [('~', APPROXIMATE), ('>', GREATER), ('<', LESS)];
    for (sign, tag) in tags {
        if let Some(attribute) = left.strip_suffix(sign) {
            return Ok(Node::Compare(tag, named(attribute)?, parts(value)?));
        }
    }
    if let Some(left) = left.strip_suffix(':') {
        return extensible(left, value);
    }
    let attribute = named(left)?;
    if value == "*" {
        return Ok(Node::Present(attribute));
    }
    let pieces = value.split('*').map(parts).collect::<Result<Vec<_>, _>>()?;
    Ok(match <[_; 1]>::try_from(pieces) {
        Ok([sole]) => Node::Compare(EQUAL, attribute, sole),
        Err(pieces) => Node::Substrings(attribute, pieces),
    })
}

/// `attribute:dn:rule:=value`, of which only one of attribute and rule must be there.
fn extensible(left: &str, value: &str) -> Result<Node, BadFilter> {
    let mut words = left.split(':');
    let attribute = words.next().filter(|attribute| !attribute.is_empty()).map(named).transpose()?;
    let mut words = words.peekable();
    let with_dn = words.next_if(|word| word.eq_ignore_ascii_case("dn")).is_some();
    let rule = words.next().map(named).transpose()?;
    if words.next().is_some() || attribute.is_none() && rule.is_none() {
        return Err(BadFilter::Item);
    }
    Ok(Node::Extensible(rule, attribute, parts(value)?, with_dn))
}

/// The name of an attribute, or an OID, perhaps with options.
fn named(text: &str) -> Result<String, BadFilter> {
    let text = text.trim();
    if is_attribute(text) { Ok(text.to_owned()) } else { Err(BadFilter::Item) }
}

fn is_attribute(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.;_".contains(&octet))
}

/// A value: text, `\` with two hexadecimal digits, and names in braces.
fn parts(text: &str) -> Result<Vec<Part>, BadFilter> {
    let (mut parts, mut octets, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(at) = rest.find(['\\', '{']) {
        let (before, from) = rest.split_at(at);
        octets.extend_from_slice(before.as_bytes());
        if let Some(escaped) = from.strip_prefix('\\') {
            let digits = escaped.get(..2).ok_or(BadFilter::Escape)?;
            // `from_str_radix` takes a sign, too.
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let octet = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex).ok_or(BadFilter::Escape)?;
            octets.push(octet);
            rest = escaped.get(2..).unwrap_or_default();
            continue;
        }
        let known = [("{address}", Part::Address), ("{user}", Part::User), ("{domain}", Part::Domain)];
        let found = known.into_iter().find(|(word, _)| from.starts_with(word));
        let (word, part) = found.ok_or(BadFilter::Placeholder)?;
        if !octets.is_empty() {
            parts.push(Part::Octets(std::mem::take(&mut octets)));
        }
        parts.push(part);
        rest = from.get(word.len()..).unwrap_or_default();
    }
    octets.extend_from_slice(rest.as_bytes());
    if !octets.is_empty() {
        parts.push(Part::Octets(octets));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, address: &str) -> Vec<u8> {
        let address: Address = address.parse().unwrap();
        let mut out = Vec::new();
        Filter::parse(text).unwrap().node().write(&mut out, Some(&address));
        out
    }

    #[test]
    fn filters_are_written_as_the_standard_has_them() {
        // Checked against what ldapsearch of OpenLDAP sends.
        assert_eq!(written("(mail=*)", "a@b"), b"\x87\x04mail");
        assert_eq!(written("(uid={user})", "anna@b.example"), b"\xa3\x0b\x04\x03uid\x04\x04anna");
        assert_eq!(
            written("(&(a=b)(!(c>=d)))", "a@b"),
            b"\xa0\x12\xa3\x06\x04\x01a\x04\x01b\xa2\x08\xa5\x06\x04\x01c\x04\x01d"
        );
        assert_eq!(written("(cn=a*b*c)", "a@b"), b"\xa4\x0f\x04\x02cn\x30\x09\x80\x01a\x81\x01b\x82\x01c");
        assert_eq!(written("(cn=*b*)", "a@b"), b"\xa4\x09\x04\x02cn\x30\x03\x81\x01b");
        assert_eq!(
            written("(u:1.2.840.113556.1.4.803:=2)", "a@b"),
            b"\xa9\x1e\x81\x161.2.840.113556.1.4.803\x82\x01u\x83\x012"
        );
        assert_eq!(written(" ( | (a=\\28\\00) ) ", "a@b"), b"\xa1\x09\xa3\x07\x04\x01a\x04\x02(\x00");
    }

    #[test]
    fn a_name_is_a_value_whatever_it_holds() {
        let evil = "\"*)(uid=*))(|(uid=*\"@b.example";
        let out = written("(&(objectClass=person)(uid={user}))", evil);
        let name = b"*)(uid=*))(|(uid=*";
        let mut item = Vec::new();
        put_within(&mut item, EQUAL, |out| {
            put(out, OCTETS, b"uid");
            put(out, OCTETS, name);
        });
        assert!(out.ends_with(&item), "{out:?}");
        assert_eq!(out.windows(3).filter(|octets| octets == b"\x03ui").count(), 1);
    }

    #[test]
    fn what_is_no_filter_is_told() {
        for (text, why) in [
            ("", BadFilter::Parentheses),
            ("mail=*", BadFilter::Parentheses),
            ("(mail=*", BadFilter::Parentheses),
            ("(mail=*))", BadFilter::Parentheses),
            ("(&(mail=*)x)", BadFilter::Parentheses),
            ("(mail)", BadFilter::Item),
            ("(=x)", BadFilter::Item),
            ("(ma il=x)", BadFilter::Item),
            ("(mail=\\zz)", BadFilter::Escape),
            ("(mail=\\+1)", BadFilter::Escape),
            ("(mail=\\4)", BadFilter::Escape),
            ("(mail={mail})", BadFilter::Placeholder),
            ("(:=x)", BadFilter::Item),
        ] {
            assert_eq!(Filter::parse(text), Err(why), "{text}");
        }
        let deep = format!("{}(a=b){}", "(!".repeat(100), ")".repeat(100));
        assert_eq!(Filter::parse(&deep), Err(BadFilter::TooLarge));
        assert!(!Filter::parse("(a=b*)").unwrap().has_placeholder());
        assert!(Filter::parse("(&(a=b)(!(c=x{user}*)))").unwrap().has_placeholder());
    }
}
