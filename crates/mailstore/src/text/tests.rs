//! The index against what it stands for: texts in memory, and `str::contains`.

use proptest::prelude::*;

use super::{
    agree::told,
    find::Pattern,
    segment::{Builder, Segment},
    tables::RULE,
    units::Units,
};
use crate::{Content, Flags, Mailstore, NewMessage, UidSet};

type Email = (i64, Vec<String>, Vec<String>);

/// Few letters, so that texts repeat themselves; gaps of all kinds, and letters of two and three octets.
fn unit() -> impl Strategy<Value = String> {
    "[abé字 .\r,]{0,12}"
}

fn emails() -> impl Strategy<Value = Vec<Email>> {
    let units = || prop::collection::vec(unit(), 0..4);
    prop::collection::vec((units(), units()), 0..9)
        .prop_map(|texts| (1..).zip(texts).map(|(place, (header, body))| (place * 3, header, body)).collect())
}

fn segment(emails: &[Email]) -> Segment {
    let mut builder = Builder::default();
    for (email, header, body) in emails {
        builder.add(*email, header, body);
    }
    builder.finish()
}

/// By the index: emails that have it in the header, and in the body.
fn found(segment: &Segment, needle: &str) -> Option<Vec<(i64, bool, bool)>> {
    let emails = segment.emails().unwrap();
    let pattern = Pattern::new(needle)?;
    let mut cut = segment.clone();
    if !pattern.reads_texts() {
        cut.texts.clear();
    }
    let found = pattern.find(&cut).unwrap();
    Some(found.into_iter().map(|found| (emails[found.place], found.in_header, found.in_body)).collect())
}

fn expected(emails: &[Email], needle: &str) -> Vec<(i64, bool, bool)> {
    let has = |units: &[String]| units.iter().any(|unit| unit.contains(needle));
    let all = emails.iter().map(|(email, header, body)| (*email, has(header), has(body)));
    all.filter(|(_, header, body)| *header || *body).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_has_a_text_is_found_and_nothing_else(
        emails in emails(),
        needles in prop::collection::vec("[abé字 .\r,]{1,7}", 1..8),
    ) {
        let segment = segment(&emails);
        for needle in &needles {
            prop_assert_eq!(found(&segment, needle).unwrap(), expected(&emails, needle), "{:?}", needle);
        }
    }

    #[test]
    fn any_part_of_a_text_is_found(emails in emails(), from in any::<prop::sample::Index>(), most in 1..12_usize) {
        let units: Vec<&String> = emails.iter().flat_map(|(_, header, body)| header.iter().chain(body)).collect();
        prop_assume!(!units.is_empty());
        let letters: Vec<char> = from.get(&units).chars().collect();
        prop_assume!(!letters.is_empty());
        let start = from.index(letters.len());
        let needle: String = letters[start..].iter().take(most).collect();
        prop_assert_eq!(found(&segment(&emails), &needle).unwrap(), expected(&emails, &needle));
    }

    #[test]
    fn segments_put_together_say_the_same(emails in emails(), at in any::<prop::sample::Index>(), dropped in 0..9_i64) {
        let at = at.index(emails.len() + 1);
        let (one, other) = emails.split_at(at);
        let mut builder = Builder::default();
        let keeps = |email| email != dropped * 3;
        // In whatever order they are.
        builder.merge(&segment(other), keeps).unwrap();
        builder.merge(&segment(one), keeps).unwrap();
        let kept: Vec<Email> = emails.iter().filter(|(email, ..)| keeps(*email)).cloned().collect();
        prop_assert_eq!(builder.finish(), segment(&kept));
    }

    #[test]
    fn a_segment_tells_the_texts_again(emails in emails()) {
        let segment = segment(&emails);
        let terms: Vec<&[u8]> = segment.terms().collect();
        let entries = segment.entries().unwrap();
        prop_assert_eq!(entries.len(), emails.len());
        for (entry, (email, header, body)) in entries.iter().zip(&emails) {
            prop_assert_eq!(entry.email, *email);
            prop_assert_eq!(&told(&terms, entry.header).unwrap(), header);
            prop_assert_eq!(&told(&terms, entry.body).unwrap(), body);
        }
    }

    /// The checksum is not all there is.
    #[test]
    fn what_is_no_segment_breaks_nothing(
        emails in emails(),
        damage in prop::collection::vec((0..4_usize, any::<prop::sample::Index>(), any::<u8>()), 1..6),
        needle in "[abé字 .\r,]{1,5}",
    ) {
        let mut segment = segment(&emails);
        for (piece, at, octet) in damage {
            let Segment { emails, terms, postings, texts } = &mut segment;
            let piece = [emails, terms, postings, texts].into_iter().nth(piece).unwrap();
            if !piece.is_empty() {
                let at = at.index(piece.len());
                piece[at] = octet;
            }
        }
        let _ = Pattern::new(&needle).unwrap().find(&segment);
        let _ = Builder::default().merge(&segment, |_| true);
        let terms: Vec<&[u8]> = segment.terms().collect();
        for entry in segment.entries().unwrap_or_default() {
            let _ = told(&terms, entry.body);
        }
    }
}

#[test]
fn what_has_too_many_runs_is_left_to_others() {
    assert!(Pattern::new("").is_none());
    assert!(Pattern::new(&"a ".repeat(31)).is_some());
    assert!(Pattern::new(&"a ".repeat(32)).is_none());
}

/// Some of all that makes texts what they are: an index of before must say what one of now would. If this fails for a good reason, `RULE`
/// gets another number.
#[tokio::test]
async fn another_rule_has_another_number() {
    let directory = tempfile::tempdir().unwrap();
    let (mailstore, _) = Mailstore::open(&directory.path().join("mailboxes.db")).unwrap();
    let account = mailstore.account("anna@example.org", 0).await.unwrap();
    let inbox = mailstore.mailbox(account, "INBOX").unwrap().unwrap().id;
    let text = "Subject: =?iso-8859-1?q?GR=DC=DFE?= =?utf-8?b?xLBa?=\r\n folded\r\nX: \u{ff}\r\n\
                Content-Type: multipart/mixed; boundary=b\r\n\r\nnobody reads this\r\n--b\r\n\
                Content-Type: text/html; charset=koi8-r\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                <b>=F0=F2=E9=F7=E5=F4</b> &amp;=\r\n A  B\r\n--b\r\nContent-Type: message/rfc822; name=Fwd.eml\r\n\r\n\
                Subject: not this\r\n\r\nbut THIS \u{130}\u{3a3}\r\n--b\r\nContent-Type: image/png\r\n\
                Content-Disposition: attachment; filename*0*=utf-8''%E2%82%AC; filename*1=\" B.PNG\"\r\n\r\niVBOR\r\n--b--\r\n";
    // One octet that is no UTF-8.
    let octets = text.chars().flat_map(|c| match u32::from(c) {
        0xff => vec![0xff],
        _ => c.to_string().into_bytes(),
    });
    let content = Content::new(octets.collect());
    let message = NewMessage { content, flags: Flags::none(), keywords: Vec::new(), internal_date: 0 };
    mailstore.append(inbox, vec![message], 0).await.unwrap();
    let email = mailstore.facts(inbox, &UidSet::all()).unwrap()[0].email;
    let Units { header, body } = mailstore.look(|sql| Units::of(sql, email)).unwrap().unwrap();
    assert_eq!(RULE, "2");
    assert_eq!(
        header,
        ["SUBJECT: GRU\u{308}ßEI\u{307}Z FOLDED", "X: Y\u{308}", "CONTENT-TYPE: MULTIPART/MIXED; BOUNDARY=B",]
    );
    assert_eq!(body, ["FWD.EML", "€ B.PNG", "<B>ПРИВЕТ</B> &AMP; A  B", "BUT THIS I\u{307}Σ"]);
    let segment = segment(&[(email.0, header, body)]);
    let terms: Vec<String> = segment.terms().map(|term| String::from_utf8_lossy(term).into_owned()).collect();
    assert_eq!(
        terms.join("|"),
        ": |B|; |  |/|<|</|>|> &|A|AMP|B.PNG|BOUNDARY=B|BUT|CONTENT-TYPE|FOLDED|FWD.EML|GRU\u{308}ßEI\u{307}Z|I\u{307}Σ|MIXED|MULTIPART|\
         SUBJECT|THIS|X|Y\u{308}|ПРИВЕТ|€"
    );
}
