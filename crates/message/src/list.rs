//! The header section of what a mailing list sends: its own fields (RFC 2369, RFC 2919), and no other list's.

use std::fmt::Write;

use mail::Address;

use crate::{
    Field, FieldText, HeaderSection,
    header::mbox_line,
    write::{FieldWriter, begin},
    write_delivered_to,
};

/// Octets that an encoded word has room for, each as `=XX` (RFC 2047 §2: 75 characters).
const ENCODED_OCTETS_MAX: usize = 18;

/// A list, as its fields tell of it.
#[derive(Debug, Clone, Copy)]
pub struct ListFields<'a> {
    /// Its identifier (RFC 2919 §2), without brackets.
    pub id: &'a str,
    /// What it is called.
    pub title: Option<&'a str>,
    /// Its address, of letters, digits, `-`, `_` and dots.
    pub address: &'a Address,
    /// Whether others than its owners write to it.
    pub takes_posts: bool,
    /// Where one asks for things.
    pub request: &'a Address,
    /// Who looks after it.
    pub owner: &'a Address,
}

impl ListFields<'_> {
    /// Appends them. Precedence is no standard's (RFC 2076 §3.9), and what keeps many programs from answering; Delivered-To is that by which the list knows
    /// what it has sent (RFC 9228 §3).
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_delivered_to(out, self.address);
        let id = format!("<{}>", self.id);
        let field = begin(out, "List-Id");
        let field = match self.title.map(phrase) {
            Some(phrase) => field.words(&FieldText::ascii(&phrase)),
            None => field,
        };
        field.words(&FieldText::ascii(&id)).end();
        let url = |field: FieldWriter<'_>, text: &str| field.words(&FieldText::ascii(text)).end();
        let post = if self.takes_posts { format!("<mailto:{}>", self.address) } else { "NO".to_owned() };
        url(begin(out, "List-Post"), &post);
        for (name, subject) in
            [("List-Help", "help"), ("List-Subscribe", "subscribe"), ("List-Unsubscribe", "unsubscribe")]
        {
            url(begin(out, name), &format!("<mailto:{}?subject={subject}>", self.request));
        }
        url(begin(out, "List-Owner"), &format!("<mailto:{}>", self.owner));
        url(begin(out, "Precedence"), "list");
    }
}

/// A phrase (RFC 5322 §3.2.5): a quoted string, or encoded words where there is more than ASCII (RFC 2047 §5 (3)).
pub(crate) fn phrase(text: &str) -> String {
    let mut phrase = String::with_capacity(text.len() + 2);
    if text.is_ascii() {
        phrase.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                phrase.push('\\');
            }
            phrase.push(c);
        }
        phrase.push('"');
        return phrase;
    }
    let mut room = 0;
    for c in text.chars() {
        if room < c.len_utf8() {
            phrase.push_str(if phrase.is_empty() { "=?utf-8?Q?" } else { "?= =?utf-8?Q?" });
            room = ENCODED_OCTETS_MAX;
        }
        room -= c.len_utf8();
        for octet in c.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a String cannot fail.
            let _ = write!(phrase, "={octet:02X}");
        }
    }
    phrase.push_str("?=");
    phrase
}

/// The header section of a message with the octets behind it that were read, as a list passes it on: without fields that only a list may write (RFC
/// 2369 §5, RFC 2919 §8), and Precedence.
pub fn without_list_fields(content: &[u8]) -> Vec<u8> {
    let section = HeaderSection::read(content);
    let mut kept = Vec::with_capacity(content.len());
    for field in section.fields().filter(|field| !is_of_lists(field)) {
        kept.extend_from_slice(field.octets());
    }
    let behind = mbox_line(content) + section.octets().len();
    kept.extend_from_slice(content.get(behind..).unwrap_or_default());
    kept
}

fn is_of_lists(field: &Field<'_>) -> bool {
    let name = field.name();
    name.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case(b"List-")) || field.is("Precedence")
}

impl HeaderSection<'_> {
    /// Whether a List-Id field has this identifier: the message is from that list. Case does not count, nor anything outside of the brackets (RFC 2919 §6).
    pub fn has_list_id(&self, id: &str) -> bool {
        self.fields().filter(|field| field.is("List-Id")).any(|field| {
            let value = field.value();
            let begin = value.iter().rposition(|octet| *octet == b'<').map_or(0, |at| at + 1);
            let found = value.get(begin..).unwrap_or_default();
            let end = found.iter().position(|octet| *octet == b'>').unwrap_or(found.len());
            let found = found.get(..end).unwrap_or_default();
            // RFC 2919 §3: white space within the brackets is ignored.
            let found = found.iter().copied().filter(|octet| !octet.is_ascii_whitespace());
            found
                .map(|octet| octet.to_ascii_lowercase())
                .eq(id.bytes().map(|octet| octet.to_ascii_lowercase()))
        })
    }

    /// Whether a program sent it in answer to something, or to tell what became of something: not for many to read (RFC 3834 §5, RFC 6522 §3).
    pub fn is_answer(&self) -> bool {
        self.fields().any(|field| {
            let value = || field.value().to_ascii_lowercase();
            match field.name().len() {
                14 if field.is("Auto-Submitted") => value().starts_with(b"auto-replied"),
                12 if field.is("Content-Type") => value().starts_with(b"multipart/report"),
                10 if field.is("Precedence") => value() == b"auto_reply",
                _ => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(title: Option<&str>, takes_posts: bool) -> String {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let (list, request) = (address("talk@example.org"), address("talk-request@example.org"));
        let owner = address("talk-owner@example.org");
        let fields = ListFields {
            id: "talk.example.org",
            title,
            address: &list,
            takes_posts,
            request: &request,
            owner: &owner,
        };
        let mut out = Vec::new();
        fields.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_says_how_one_reaches_it() {
        assert_eq!(
            written(Some("Talk \"of\" all"), true),
            "Delivered-To: talk@example.org\r\n\
             List-Id: \"Talk \\\"of\\\" all\" <talk.example.org>\r\n\
             List-Post: <mailto:talk@example.org>\r\n\
             List-Help: <mailto:talk-request@example.org?subject=help>\r\n\
             List-Subscribe: <mailto:talk-request@example.org?subject=subscribe>\r\n\
             List-Unsubscribe: <mailto:talk-request@example.org?subject=unsubscribe>\r\n\
             List-Owner: <mailto:talk-owner@example.org>\r\n\
             Precedence: list\r\n"
        );
        let news = written(None, false);
        assert!(news.contains("List-Id: <talk.example.org>\r\nList-Post: NO\r\n"), "{news}");
        let title = "Bücher, über die man in Nürnberg spricht";
        let written = written(Some(title), true);
        let section = HeaderSection::read(written.as_bytes());
        let value = section.find("List-Id").unwrap().value().into_owned();
        assert_eq!(crate::decoded(&value), format!("{title} <talk.example.org>"));
        assert!(written.lines().all(|line| line.len() <= 78 && line.is_ascii()), "{written}");
    }

    #[test]
    fn fields_of_other_lists_and_of_jokers_do_not_pass() {
        let content =
            b"From: a@b\r\nList-Unsubscribe: <mailto:all@example.com\r\n ?subject=x>\r\nlist-id: <x.y>\r\n\
            Listing: 1\r\nprecedence: bulk\r\nSubject: List-Id: x\r\n\r\nList-Id: in the body\r\n";
        let kept: &[u8] = b"From: a@b\r\nListing: 1\r\nSubject: List-Id: x\r\n\r\nList-Id: in the body\r\n";
        assert_eq!(without_list_fields(content), kept);
        assert_eq!(without_list_fields(b"List-Id: x"), b"");
        assert_eq!(without_list_fields(b"From a@b\nA: 1\nbody"), b"A: 1\nbody");
    }

    #[test]
    fn a_list_knows_what_it_has_sent() {
        for (field, is_it) in [
            ("List-Id: <talk.example.org>", true),
            ("LIST-ID: \"a <b>\" <Talk.Example.Org> (comment)", true),
            ("List-Id: < talk.example.org >", true),
            ("List-Id: talk.example.org", true),
            ("List-Id: <talk.example.org.evil>", false),
            ("List-Id: \"talk.example.org\" <other.example.org>", false),
            ("X-List-Id: <talk.example.org>", false),
        ] {
            let content = format!("From: a@b\r\n{field}\r\n\r\n");
            assert_eq!(
                HeaderSection::read(content.as_bytes()).has_list_id("talk.example.org"),
                is_it,
                "{field}"
            );
        }
    }

    #[test]
    fn answers_of_programs_are_known() {
        for (field, is_answer) in [
            ("Auto-Submitted: auto-replied", true),
            ("Auto-Submitted: Auto-Replied (vacation)", true),
            ("Auto-Submitted: auto-generated", false),
            ("Auto-Submitted: no", false),
            ("Content-Type: multipart/report; report-type=disposition-notification", true),
            ("Content-Type: multipart/mixed", false),
            ("Precedence: auto_reply", true),
        ] {
            let content = format!("From: a@b\r\n{field}\r\n\r\n");
            assert_eq!(HeaderSection::read(content.as_bytes()).is_answer(), is_answer, "{field}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_fields_of_lists_is_lost(content in "([A-Za-z-]{1,12}: .{0,20}\r\n( .{0,9}\r\n)?){0,9}(\r\n.{0,50})?") {
            let kept = without_list_fields(content.as_bytes());
            prop_assert!(kept.len() <= content.len());
            let has = content.to_ascii_lowercase();
            if !has.contains("list-") && !has.contains("precedence") {
                prop_assert_eq!(kept, content.into_bytes());
            }
        }

        #[test]
        fn a_title_stays_in_its_field(title in "[^\\p{Cc}]{0,60}") {
            let written = written(Some(&title), true);
            prop_assert_eq!(written.matches("\r\nList-Post").count(), 1);
            prop_assert_eq!(HeaderSection::read(written.as_bytes()).fields().count(), 8);
        }
    }
}
