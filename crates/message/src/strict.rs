//! The form that a header section must have to be sent: what RFC 5322 has its writers do, and what large receivers refuse.
//!
//! A reader forgives ([`HeaderSection`]); whoever hands a new message to the world must not need that: where readers
//! differ, a message says one thing to a filter and another to a person.

mod addresses;
mod date;
mod flaw;
mod ids;
mod scanner;

use std::ops::Range;

use mail::{Address, Domain, Timestamp};

pub use addresses::{mailboxes, qualified};
pub use flaw::{Flaw, FlawKind};

use crate::{
    Field, HeaderSection,
    encoded_word::{self, Amiss},
    header,
    write::LINE_OCTETS_MAX,
};

/// Fields that may stand there once (RFC 5322 §3.6, RFC 2045 §4, §5, §6).
const ONCE: [&str; 13] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
/// Fields that are not sent on: they tell recipients of each other (RFC 5322 §3.6.3, §5).
const HIDDEN: [&str; 2] = ["Bcc", "Resent-Bcc"];
/// Fields that list addresses.
const LISTS: [&str; 5] = ["Reply-To", "To", "Cc", "Resent-To", "Resent-Cc"];
/// Fields that say whose a message is.
const AUTHORED: [&str; 4] = ["From", "Sender", "Resent-From", "Resent-Sender"];
/// Fields that people read.
const TEXTS: [&str; 4] = ["Subject", "Comments", "Keywords", "Content-Description"];
/// Gmail refuses a Subject that is too long, and does not say from where on. People write a tenth of this.
const SUBJECT_OCTETS_MAX: usize = 2000;

/// By what a header section is judged.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// SMTPUTF8 was asked for (RFC 6531 §3.4): fields may be in UTF-8 (RFC 6532 §3).
    pub smtputf8: bool,
    /// Whether all of the content is there: then it may end without an empty line.
    pub ended: bool,
    /// The time.
    pub now: Timestamp,
    /// Whether a domain mixes scripts to look like another.
    pub mixes_scripts: fn(&Domain) -> bool,
}

/// What a header section of good form says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form<'a> {
    /// The author (RFC 5322 §3.6.2).
    pub from: Option<Address>,
    /// Who sent it, if that is somebody else.
    pub sender: Option<Address>,
    /// Who put it into the mail again, the last time (RFC 5322 §3.6.6): the authors and the sender.
    pub resent_from: Vec<Address>,
    /// The sender of [`Form::resent_from`].
    pub resent_sender: Option<Address>,
    /// Whether there is a Date field.
    pub date: bool,
    /// The Message-ID field.
    pub message_id: Option<Field<'a>>,
    /// Where Bcc and Resent-Bcc fields stand.
    pub hidden: Vec<Range<usize>>,
}

impl<'a> Form<'a> {
    /// Reads the header section that a content begins with. It has to be whole.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(content: &'a [u8], terms: Terms) -> Result<Self, Flaw> {
        let section = HeaderSection::read(content);
        let octets = section.octets().len();
        let is_mbox = header::mbox_line(content) > 0;
        let ends_well = section.end() > octets || terms.ended && octets == content.len();
        if is_mbox || !ends_well {
            return Err(Flaw::new(FlawKind::NoField, b""));
        }
        let mut reading = Reading { terms, form: Form::default(), once: Vec::new(), date: None };
        let mut at = 0;
        for field in section.fields() {
            let place = at..at + field.octets().len();
            at = place.end;
            if HIDDEN.iter().any(|name| field.is(name)) {
                reading.form.hidden.push(place);
            } else {
                reading.field(field)?;
            }
        }
        reading.end()
    }
}

struct Reading<'a> {
    terms: Terms,
    form: Form<'a>,
    /// Which of [`ONCE`] have been seen.
    once: Vec<&'static str>,
    date: Option<Timestamp>,
}

impl<'a> Reading<'a> {
    fn field(&mut self, field: Field<'a>) -> Result<(), Flaw> {
        let flaw = |kind| Flaw::new(kind, field.name());
        let text = self.text(field).map_err(flaw)?;
        if let Some(name) = ONCE.into_iter().find(|name| field.is(name)) {
            if self.once.contains(&name) {
                return Err(flaw(FlawKind::Twice));
            }
            self.once.push(name);
        }
        self.structured(field, &text).map_err(flaw)
    }

    /// The value of a field whose octets are as they must be.
    fn text(&self, field: Field<'a>) -> Result<String, FlawKind> {
        let named = field.octets().get(field.name().len()) == Some(&b':');
        if !named || !field.name().is_ascii() {
            return Err(FlawKind::Name);
        }
        for line in field.octets().split(|octet| *octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > LINE_OCTETS_MAX {
                return Err(FlawKind::Line);
            }
            if line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
                return Err(FlawKind::Control);
            }
            // RFC 5322 §3.2.2: no line of a folded field consists of white space alone. Some take it for the empty line.
            if !line.is_empty() && line.trim_ascii().is_empty() {
                return Err(FlawKind::Blank);
            }
        }
        let value = field.value();
        if !value.is_ascii() && !self.terms.smtputf8 {
            return Err(FlawKind::EightBit);
        }
        String::from_utf8(value.into_owned()).map_err(|_| FlawKind::NotUtf8)
    }

    fn structured(&mut self, field: Field<'a>, text: &str) -> Result<(), FlawKind> {
        let addressed = AUTHORED.iter().chain(&LISTS).any(|name| field.is(name));
        if addressed || TEXTS.iter().any(|name| field.is(name)) {
            match encoded_word::amiss(text.as_bytes(), addressed) {
                Some(Amiss::Broken) => return Err(FlawKind::EncodedWord),
                Some(Amiss::InAddress) => return Err(FlawKind::EncodedAddress),
                None => {}
            }
        }
        if field.is("Subject") && text.len() > SUBJECT_OCTETS_MAX {
            return Err(FlawKind::Subject);
        }
        if field.is("From") {
            let mut from = mailboxes(text).ok_or(FlawKind::Address)?;
            let author = from.pop().ok_or(FlawKind::Address)?;
            if !from.is_empty() {
                return Err(FlawKind::Authors);
            }
            self.plain([&author])?;
            self.form.from = Some(author);
        } else if field.is("Sender") {
            let sender = addresses::mailbox(text).ok_or(FlawKind::Address)?;
            self.plain([&sender])?;
            self.form.sender = Some(sender);
        } else if field.is("Resent-From") {
            let from = mailboxes(text).filter(|from| !from.is_empty()).ok_or(FlawKind::Address)?;
            // RFC 5322 §3.6.6: each time they are prepended, so that the first ones are the last.
            if self.form.resent_from.is_empty() {
                self.form.resent_from = from;
            }
        } else if field.is("Resent-Sender") {
            let sender = addresses::mailbox(text).ok_or(FlawKind::Address)?;
            self.form.resent_sender.get_or_insert(sender);
        } else if LISTS.iter().any(|name| field.is(name)) {
            let addresses = addresses::addresses(text).ok_or(FlawKind::Address)?;
            if field.is("Reply-To") {
                self.plain(&addresses)?;
            }
        } else if field.is("Date") {
            self.date = Some(date::parse(text).ok_or(FlawKind::Date)?);
            self.form.date = true;
        } else if field.is("Message-ID") {
            ids::message_id(text).ok_or(FlawKind::MessageId)?;
            self.form.message_id = Some(field);
        }
        Ok(())
    }

    /// UTS #39 §5.2: nobody is to be taken for another.
    fn plain<'b>(&self, addresses: impl IntoIterator<Item = &'b Address>) -> Result<(), FlawKind> {
        let mixed = addresses.into_iter().any(|address| (self.terms.mixes_scripts)(address.domain()));
        if mixed { Err(FlawKind::Scripts) } else { Ok(()) }
    }

    /// What only all fields together tell.
    fn end(self) -> Result<Form<'a>, Flaw> {
        if self.form.from.is_none() {
            return Err(Flaw::new(FlawKind::Missing, b"From"));
        }
        // What is put into the mail again keeps the date of its writing.
        let is_new = self.form.resent_from.is_empty();
        if is_new && self.date.is_some_and(|date| !date::is_plausible(date, self.terms.now)) {
            return Err(Flaw::new(FlawKind::DateRange, b"Date"));
        }
        Ok(self.form)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Mon, 23 Nov 2026 18:02:14 UTC.
    const NOW: Timestamp = Timestamp::from_millis(1_795_456_934_000);
    const TERMS: Terms = Terms { smtputf8: false, ended: true, now: NOW, mixes_scripts };
    fn mixes_scripts(domain: &Domain) -> bool {
        domain.to_string() == "mixed.example"
    }

    const UTF8: Terms = Terms { smtputf8: true, ..TERMS };

    fn flaw(content: &str, terms: Terms) -> String {
        match Form::read(content.as_bytes(), terms) {
            Ok(_) => "-".to_owned(),
            Err(flaw) => format!("{:?} {}", flaw.kind(), flaw.field()),
        }
    }

    /// With a From field that is well.
    fn flaw_of(fields: &str) -> String {
        flaw(&format!("From: anna@example.org\r\n{fields}\r\n\r\nHello\r\n"), TERMS)
    }

    #[test]
    fn an_ordinary_message_is_well() {
        let content = "From: \"Anna A.\" <anna@example.org>\r\nTo: Bob <bob@example.org>,\r\n carol@example.net\r\n\
            Cc: undisclosed-recipients:;\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\
            Date: Mon, 23 Nov 2026 19:02:14 +0100 (CET)\r\nMessage-ID: <1.2$3@[127.0.0.1]>\r\n\
            Bcc: dave@example.net,\r\n erin@example.net\r\nX-Any: thing\r\n\r\nBcc: no field\r\n";
        let form = Form::read(content.as_bytes(), TERMS).unwrap();
        assert_eq!(form.from, Some("anna@example.org".parse().unwrap()));
        assert!(form.date && form.message_id.is_some());
        let hidden: Vec<&str> = form.hidden.iter().map(|place| &content[place.clone()]).collect();
        assert_eq!(hidden, ["Bcc: dave@example.net,\r\n erin@example.net\r\n"]);
        assert_eq!(flaw("From: a@b\r\n", TERMS), "-", "a message without a body");
        assert_eq!(flaw("From: a@b", TERMS), "-", "nor with the end of its line");
    }

    #[test]
    fn what_receivers_refuse_is_told_with_its_field() {
        let long = format!("X-Long: {}", "x".repeat(991));
        let subject = format!("Subject: {}xxxxx", format!("{}\r\n ", "x".repeat(498)).repeat(4));
        for (fields, expected) in [
            ("From: bob@example.org", "Twice From"),
            ("Subject: a\r\nsubject: b", "Twice subject"),
            ("To: a@b\r\nTo: c@d", "Twice To"),
            ("Content-Type: text/plain\r\nContent-Type: text/html", "Twice Content-Type"),
            ("Received: a\r\nReceived: b", "-"),
            ("Bcc: a@b\r\nBcc: c@d", "-"),
            ("To: bob", "Address To"),
            ("Cc: a@b, c@", "Address Cc"),
            ("Reply-To: <a@b", "Address Reply-To"),
            ("Sender: a@b, c@d", "Address Sender"),
            ("Resent-From:", "Address Resent-From"),
            ("To:", "-"),
            ("Date: yesterday", "Date Date"),
            ("Date: Mon, 23 Nov 2020 18:02:14 +0000", "DateRange Date"),
            ("Date: Mon, 23 Nov 2020 18:02:14 +0000\r\nResent-From: a@b", "-"),
            ("Date: Fri, 27 Nov 2026 18:02:14 +0000", "DateRange Date"),
            ("Message-ID: 17", "MessageId Message-ID"),
            ("Subject: gr\u{fc}n", "EightBit Subject"),
            ("Subject : a", "Name Subject"),
            ("Gr\u{fc}n: a", "Name a header field"),
            ("Subject: a\r\n \r\n b", "Blank Subject"),
            ("Subject: a\u{7}b", "Control Subject"),
            ("X<b>: a\u{7}b", "Control a header field"),
            (long.as_str(), "Line X-Long"),
            (&long[..long.len() - 1], "-"),
            ("Subject: a\r\nno field", "NoField "),
            ("Subject: =?utf-8?Q?a b?=", "EncodedWord Subject"),
            ("To: =?utf-8?Q?=FF?= <a@b>", "EncodedWord To"),
            ("To: =?utf-8?Q?anna?=@example.org", "EncodedAddress To"),
            ("Reply-To: Anna <=?utf-8?Q?anna?=@example.org>", "EncodedAddress Reply-To"),
            ("X-Any: =?utf-8?Q?a b?=", "-"),
            ("Sender: a@mixed.example", "Scripts Sender"),
            ("Reply-To: a@b, c@mixed.example", "Scripts Reply-To"),
            ("To: a@mixed.example", "-"),
            (subject.as_str(), "Subject Subject"),
            (&subject[..subject.len() - 1], "-"),
        ] {
            assert_eq!(flaw_of(fields), expected, "{fields}");
        }
    }

    #[test]
    fn an_author_there_must_be_and_only_one() {
        for (content, expected) in [
            ("\r\n", "Missing From"),
            ("Subject: a\r\n\r\n", "Missing From"),
            ("From:\r\n\r\n", "Address From"),
            ("From: a@b, c@d\r\nSender: a@b\r\n\r\n", "Authors From"),
            ("From: friends: a@b;\r\n\r\n", "Address From"),
            ("Hello\r\n", "NoField "),
            ("From anna Mon Nov 23\r\nFrom: a@b\r\n\r\n", "NoField "),
            ("From: a@b\r\nHello", "NoField "),
        ] {
            assert_eq!(flaw(content, TERMS), expected, "{content:?}");
        }
    }

    #[test]
    fn utf8_is_for_those_who_ask_for_it() {
        assert_eq!(flaw("From: J\u{fc}rgen <j\u{fc}rgen@b\u{fc}cher.example>\r\n\r\n", UTF8), "-");
        let latin = Form::read(b"From: a@b\r\nSubject: gr\xfcn\r\n\r\n", UTF8);
        assert_eq!(latin.unwrap_err().kind(), FlawKind::NotUtf8);
    }

    #[test]
    fn the_last_to_send_it_again_stands_first() {
        let content = b"Resent-From: a@b\r\nResent-Sender: s@b\r\nResent-From: c@d\r\nResent-Sender: t@d\r\nFrom: e@f\r\n\r\n";
        let form = Form::read(content, TERMS).unwrap();
        assert_eq!(form.resent_from, ["a@b".parse().unwrap()]);
        assert_eq!(form.resent_sender, Some("s@b".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn no_octets_panic_and_hidden_fields_are_whole(
            content in prop::collection::vec(prop_oneof![
                Just(b"From: a@b\r\n".to_vec()), Just(b"Bcc: x@y\r\n".to_vec()), Just(b" fold\r\n".to_vec()),
                Just(b"\r\n".to_vec()), Just(b"Date: (".to_vec()), "[ -~\\r\\n]{0,12}".prop_map(String::into_bytes)
            ], 0..12),
            ended: bool, smtputf8: bool,
        ) {
            let content = content.concat();
            let terms = Terms { smtputf8, ended, ..TERMS };
            if let Ok(form) = Form::read(&content, terms) {
                let rest: Vec<u8> = (0..content.len())
                    .filter(|at| !form.hidden.iter().any(|place| place.contains(at)))
                    .map(|at| content[at]).collect();
                let again = Form::read(&rest, terms).unwrap();
                prop_assert!(again.hidden.is_empty());
                prop_assert_eq!(again.from, form.from);
            }
        }
    }
}
