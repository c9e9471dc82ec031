//! The author of what a list sends on, where the author's domain lets nobody else send in its name: the list stands in its place.

use mail::Address;

use crate::{FieldText, HeaderSection, decoded, header::mbox_line, list::phrase};

/// Characters of a name that somebody gave himself.
const NAME_MAX: usize = 100;

/// The header section of a message with the octets behind it that were read, with the list as its author: `Anna via Talk <talk@example.org>`. An answer still goes to
/// who wrote, by Reply-To unless there is one; and X-Original-From has the field as it was. A message without an author, or with several, stays as it is.
pub fn with_list_as_author(content: &[u8], list: &Address, title: Option<&str>) -> Vec<u8> {
    let section = HeaderSection::read(content);
    let mut authors = section.fields().filter(|field| field.is("From"));
    let (Some(author), None) = (authors.next(), authors.next()) else { return content.to_vec() };
    let name = format!("{} via {}", name(&author.value()), title.unwrap_or(list.local_part()));
    let mut kept = Vec::with_capacity(content.len() + 256);
    for field in section.fields() {
        if !field.is("From") {
            kept.extend_from_slice(field.octets());
            continue;
        }
        kept.extend_from_slice(format!("From: {}\r\n <{list}>\r\n", phrase(&name)).as_bytes());
        if section.find("Reply-To").is_none() {
            renamed("Reply-To", field.octets(), &mut kept);
        }
        renamed("X-Original-From", field.octets(), &mut kept);
    }
    let behind = mbox_line(content) + section.octets().len();
    kept.extend_from_slice(content.get(behind..).unwrap_or_default());
    kept
}

/// The same field by another name.
fn renamed(name: &str, octets: &[u8], out: &mut Vec<u8>) {
    let colon = octets.iter().position(|octet| *octet == b':').unwrap_or(octets.len());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(octets.get(colon..).unwrap_or_default());
}

/// What the author is called, else the local part of the address. No address: a reader who sees only the name would take that for the author's.
fn name(value: &[u8]) -> String {
    let text = decoded(value);
    let (before, address) = text.split_once('<').unwrap_or(("", &text));
    let name = before.trim().trim_matches('"').trim();
    let local = address.trim_start().split(['@', '>', ' ']).next().unwrap_or_default();
    let name = if name.is_empty() { local } else { name };
    let plain = FieldText::neutralised(name).as_str().replace('@', " at ").replace(['<', '>', '"', '\\'], "");
    plain.chars().take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(content: &str, title: Option<&str>) -> String {
        let list = "talk@lists.example.org".parse().unwrap();
        String::from_utf8(with_list_as_author(content.as_bytes(), &list, title)).unwrap()
    }

    #[test]
    fn the_list_stands_for_the_author_and_answers_go_to_who_wrote() {
        let content =
            "Received: x\r\nFrom: \"Anna B.\"\r\n <anna@example.net>\r\nSubject: x\r\n\r\nFrom: body\r\n";
        let expected = "Received: x\r\nFrom: \"Anna B. via Talk\"\r\n <talk@lists.example.org>\r\n\
                        Reply-To: \"Anna B.\"\r\n <anna@example.net>\r\nX-Original-From: \"Anna B.\"\r\n <anna@example.net>\r\n\
                        Subject: x\r\n\r\nFrom: body\r\n";
        assert_eq!(rewritten(content, Some("Talk")), expected);
        let with = rewritten("From: anna@example.net\r\nReply-To: b@example.net\r\n\r\n", None);
        let expected = "From: \"anna via talk\"\r\n <talk@lists.example.org>\r\nX-Original-From: anna@example.net\r\nReply-To: b@example.net\r\n\r\n";
        assert_eq!(with, expected);
    }

    #[test]
    fn a_name_is_no_address_and_any_letters_do() {
        for (from, expected) in [
            ("\"boss@bank.example\" <eve@example.net>", "\"boss at bank.example via T\""),
            ("=?utf-8?q?J=C3=BCrgen?= <j@example.net>", "=?utf-8?Q?=4A=C3=BC"),
            ("<eve@example.net>", "\"eve via T\""),
            ("eve@example.net (Eve)", "\"eve via T\""),
        ] {
            let text = rewritten(&format!("From: {from}\r\n\r\n"), Some("T"));
            assert!(text.starts_with(&format!("From: {expected}")), "{text}");
        }
    }

    #[test]
    fn without_one_author_nothing_is_changed() {
        for content in ["Subject: x\r\n\r\n", "From: a@b.example\r\nFrom: c@d.example\r\n\r\nx", ""] {
            assert_eq!(rewritten(content, None), content);
        }
    }
}
