//! Tables: what is converted to what, and what is refused.

use mail::Body;

use super::{Converter, DEPTH_MAX, Needs, PARTS_MAX, Plan, Refusal, Survey, Target};

const EIGHT: Target = Target::EightBit;
const SEVEN: Target = Target::SevenBit;

/// Surveys a content that comes in pieces of this size.
pub(super) fn surveyed(content: &[u8], piece_octets: usize) -> Plan {
    let mut survey = Survey::new();
    content.chunks(piece_octets).for_each(|piece| survey.push(piece));
    survey.finish()
}

/// Converts a content that comes in pieces of this size.
pub(super) fn converted(content: &[u8], target: Target, piece_octets: usize) -> Result<Vec<u8>, Refusal> {
    let mut converter = Converter::new(&surveyed(content, piece_octets), target)?;
    let mut out = Vec::new();
    content.chunks(piece_octets).for_each(|piece| converter.push(piece, &mut out));
    converter.finish(&mut out);
    Ok(out)
}

/// Octets as Latin-1, so that tables can be written and differences read.
fn shown(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

fn octets(shown: &str) -> Vec<u8> {
    shown.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// A content that is written down with LF becomes this, and does not change again.
#[track_caller]
fn becomes(target: Target, content: &str, expected: &str) {
    let (content, expected) = (content.replace('\n', "\r\n"), expected.replace('\n', "\r\n"));
    becomes_exactly(target, &content, &expected);
}

#[track_caller]
fn becomes_exactly(target: Target, content: &str, expected: &str) {
    let content = octets(content);
    for piece_octets in [1, 2, 7, 64 * 1024] {
        let out = converted(&content, target, piece_octets).unwrap();
        assert_eq!(shown(&out), expected, "in pieces of {piece_octets}");
    }
    let plan = surveyed(&octets(expected), 64 * 1024);
    assert!(target.takes(plan.needs()), "{:?}", plan.needs());
    assert_eq!(shown(&converted(&octets(expected), target, 7).unwrap()), expected);
}

#[track_caller]
fn is_refused(target: Target, content: &str, why: Refusal) {
    let content = octets(&content.replace('\n', "\r\n"));
    assert_eq!(converted(&content, target, 5), Err(why));
    assert_eq!(surveyed(&content, 5).refusal(target), Some(why));
}

#[test]
fn what_a_hop_offers_is_compared_with_what_is_needed() {
    for (needs, eight_bit, binary, target) in [
        (Needs::SevenBit, false, false, None),
        (Needs::EightBit, false, false, Some(SEVEN)),
        (Needs::EightBit, true, false, None),
        (Needs::EightBit, false, true, None),
        (Needs::Binary, false, false, Some(SEVEN)),
        (Needs::Binary, true, false, Some(EIGHT)),
        (Needs::Binary, true, true, None),
    ] {
        assert_eq!(needs.target(eight_bit, binary), target);
    }
    assert_eq!(
        [Needs::SevenBit, Needs::EightBit, Needs::Binary].map(Needs::body),
        [Body::SevenBit, Body::EightBitMime, Body::BinaryMime]
    );
}

#[test]
fn needs_are_those_of_the_octets_and_not_of_the_labels() {
    let long = "x".repeat(999);
    for (content, needs) in [
        ("", Needs::SevenBit),
        ("A: 1\r\n\r\nplain\r\n", Needs::SevenBit),
        ("Content-Transfer-Encoding: 8bit\r\n\r\nplain\r\n", Needs::SevenBit),
        ("\r\n\u{e9}\r\n", Needs::EightBit),
        ("Content-Transfer-Encoding: 7bit\r\n\r\n\u{e9}", Needs::EightBit),
        ("Content-Transfer-Encoding: binary\r\n\r\nplain\r\n", Needs::Binary),
        ("\r\none\ntwo\r\n", Needs::Binary),
        ("\r\n\0\r\n", Needs::Binary),
        ("\r\n\r", Needs::Binary),
        (&format!("\r\n{long}"), Needs::Binary),
        ("Content-Type: multipart/mixed; boundary=b\r\n\r\n\u{e9}\r\n--b\r\n\r\n--b--", Needs::EightBit),
        // Header sections: only what no hop takes counts.
        ("A: \u{e9}\r\n\r\nplain\r\n", Needs::SevenBit),
        (&format!("A: {long}\r\n\r\nplain\r\n"), Needs::SevenBit),
        ("A: 1\nB: 2\r\n\r\nplain\r\n", Needs::Binary),
    ] {
        assert_eq!(surveyed(&octets(content), 3).needs(), needs, "{content:?}");
    }
    assert!(surveyed(b"A: \xe9\r\n\r\n", 99).has_eight_bit_header());
    assert!(surveyed(b"Content-Type: message/rfc822\r\n\r\nA: \xe9\r\n\r\n", 99).has_eight_bit_header());
    assert!(!surveyed(b"A: 1\r\n\r\n\xe9\r\n", 99).has_eight_bit_header());
    assert!(surveyed(b"DKIM-Signature: v=1\r\n\r\nx\r\n", 99).is_dkim_signed());
    assert!(
        !surveyed(b"Content-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\n\r\n", 99).is_dkim_signed()
    );
}

#[test]
fn eight_bit_text_becomes_quoted_printable() {
    becomes(
        SEVEN,
        "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain;\n charset=iso-8859-1\n\
         Content-Transfer-Encoding:\n 8bit\nX-Last: y\n\n.\nFrom here\n--\ncaf\u{e9} \n=\n",
        "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain;\n charset=iso-8859-1\n\
         Content-Transfer-Encoding: quoted-printable\nX-Last: y\n\n.\nFrom here\n-=2D\ncaf=E9=20\n=3D\n",
    );
}

#[test]
fn missing_fields_are_added_at_the_end() {
    becomes(
        SEVEN,
        "Subject: x\n\n\u{e9}\n",
        "Subject: x\nMIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n",
    );
    // An empty header section.
    becomes(SEVEN, "\n\u{e9}\n", "MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n");
}

#[test]
fn other_eight_bit_data_becomes_base64() {
    becomes_exactly(
        SEVEN,
        "MIME-Version: 1.0\r\nContent-Type: application/x\r\n\r\n\u{ff}\u{fe}\r\n\u{fd}",
        "MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n//4NCv0=\r\n",
    );
}

#[test]
fn of_many_parts_only_those_change_that_must() {
    becomes(
        SEVEN,
        "mime-version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 8bit\n\n\
         preamble\n--b\n\nplain  \n--bb\n--b  \nContent-Transfer-Encoding: 8bit\nContent-Type: text/html\n\n\u{e9}\n\
         \n--b\nContent-Type: multipart/alternative; boundary=bb\nContent-Transfer-Encoding: 8BIT\n\n--bb\n\
         Content-Type: image/x\n\n\u{e9}\u{e9}\u{e9}\n--bb--\n\n--b--\nepilogue\n",
        "mime-version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 7bit\n\n\
         preamble\n--b\n\nplain  \n--bb\n--b  \nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/html\n\n=E9\n\
         \n--b\nContent-Type: multipart/alternative; boundary=bb\nContent-Transfer-Encoding: 7bit\n\n--bb\n\
         Content-Type: image/x\nContent-Transfer-Encoding: base64\n\n6enp\n--bb--\n\n--b--\nepilogue\n",
    );
}

#[test]
fn messages_in_messages_are_converted_inside() {
    // RFC 2045 §4: MIME-Version goes to the message that the part is in.
    becomes(
        SEVEN,
        "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: in\n\n\u{e9}\n",
        "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: in\n\
         MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n",
    );
    // RFC 2046 §5.1.5: what does not say its type in a digest is a message.
    becomes(
        SEVEN,
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\n\u{e9}\n--b--\n",
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\
         MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n--b--\n",
    );
    // RFC 6532 §3.7: this one may be encoded as a whole.
    becomes(
        SEVEN,
        "MIME-Version: 1.0\nContent-Type: message/global\n\nSubject: \u{e9}\n\n\u{e9}\n",
        "MIME-Version: 1.0\nContent-Type: message/global\nContent-Transfer-Encoding: quoted-printable\n\n\
         Subject: =E9\n\n=E9\n",
    );
}

#[test]
fn for_a_hop_with_8bitmime_only_binary_parts_change() {
    becomes_exactly(
        EIGHT,
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n\
         --b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{e9}\r\n\
         --b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n\n--b\n\r\r\n\r\n\
         --b\r\nContent-Transfer-Encoding: binary\r\n\r\nline\n\r\n\
         --b\r\nContent-Transfer-Encoding: binary\r\n\r\nline \u{e9}\r\n--b--\r\n",
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         --b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{e9}\r\n\
         --b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nCi0tYgoNDQo=\r\n\
         --b\r\nContent-Transfer-Encoding: base64\r\n\r\nbGluZQo=\r\n\
         --b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nline \u{e9}\r\n--b--\r\n",
    );
}

#[test]
fn long_lines_of_text_are_broken_softly() {
    let long = "word ".repeat(250);
    let out = converted(format!("MIME-Version: 1.0\r\n\r\n{long}x\r\n").as_bytes(), EIGHT, 100).unwrap();
    let out = shown(&out);
    assert!(out.split("\r\n").all(|line| line.len() <= 76));
    assert!(out.replace("=\r\n", "").ends_with(&format!("quoted-printable\r\n\r\n{long}x\r\n")));
}

#[test]
fn a_last_line_without_an_end_gets_one_that_does_not_count() {
    becomes_exactly(
        SEVEN,
        "MIME-Version: 1.0\r\n\r\n\u{e9} x",
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E9 x=\r\n",
    );
    // SMTP would add the end of a line to the data.
    becomes_exactly(
        EIGHT,
        "MIME-Version: 1.0\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\nfoo",
        "MIME-Version: 1.0\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nZm9v\r\n",
    );
    // Text that fits stays without.
    becomes_exactly(SEVEN, "A: 1\r\n\r\nplain", "A: 1\r\n\r\nplain");
    becomes_exactly(SEVEN, "Content-Transfer-Encoding: 8bit", "Content-Transfer-Encoding: 7bit\r\n");
}

#[test]
fn encoded_parts_that_break_their_rules_are_mended() {
    let long = "QUJD".repeat(300);
    becomes(
        SEVEN,
        &format!("Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n{long}\n"),
        &format!(
            "Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n{}\n{}\n",
            vec!["QUJD".repeat(19); 15].join("\n"),
            "QUJD".repeat(15)
        ),
    );
    becomes(
        SEVEN,
        "Content-Transfer-Encoding: quoted-printable\n\na=3Db caf\u{e9}=\n x= \ny=zz\n",
        "Content-Transfer-Encoding: quoted-printable\n\na=3Db caf=E9 xy=3Dzz\n",
    );
    // What fits is left alone, legal or not.
    let odd = "Content-Transfer-Encoding: quoted-printable\n\na=zz b\u{e9} \n";
    becomes(EIGHT, odd, odd);
}

#[test]
fn text_around_the_parts_is_cleaned() {
    becomes(
        SEVEN,
        "Content-Type: multipart/mixed; boundary=b\n\npr\u{e9}\n--b?\n--b\n\n--b--\n--b\u{e9}\n",
        "Content-Type: multipart/mixed; boundary=b\n\npr?\n?-b?\n--b\n\n--b--\n?-b?\n",
    );
}

#[test]
fn delimiters_count_only_as_whole_lines_of_open_multiparts() {
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n";
    // The inner multipart is not closed, the outer delimiter ends it; then its boundary is none any more.
    becomes(
        SEVEN,
        &format!(
            "{head}--b\nContent-Type: multipart/x; boundary=b2\n\n--b2\n\n\u{e9}\n--b\n\n--b2\n\u{e9}\n--bx\n-- b\n --b"
        ),
        &format!(
            "{head}--b\nContent-Type: multipart/x; boundary=b2\n\n--b2\n\
             Content-Transfer-Encoding: quoted-printable\n\n=E9\n--b\n\
             Content-Transfer-Encoding: quoted-printable\n\n-=2Db2\n=E9\n-=2Dbx\n-=2D b\n --b=\n"
        ),
    );
    // A header section that a delimiter ends, a multipart whose delimiter comes at once.
    becomes(
        SEVEN,
        &format!("{head}--b\nA: 1\n--b\n--b\n\n\u{e9}\n--b--"),
        &format!("{head}--b\nA: 1\n--b\n--b\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n--b--"),
    );
    // A line that long is no delimiter.
    let padding = " ".repeat(998);
    becomes(SEVEN, &format!("{head}--b\n\nx\n--b\n"), &format!("{head}--b\n\nx\n--b\n"));
    assert!(!EIGHT.takes(
        surveyed(octets(&format!("{head}--b\n\n--b{padding}\n").replace('\n', "\r\n")).as_slice(), 9).needs()
    ));
}

#[test]
fn odd_header_sections_go_as_they_are() {
    let odd = "From anna Mon Nov 23\nReceived : x\n\tby y\nSubject: \u{e9}\nX:\n";
    becomes(
        SEVEN,
        &format!("{odd}\n\u{e9}\n"),
        &format!("{odd}MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n"),
    );
    let long = format!("X: {}\n", "x".repeat(5000));
    becomes(
        SEVEN,
        &format!("{long} {long}\n\u{e9}\n"),
        &format!("{long} {long}MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n"),
    );
}

#[test]
fn what_must_not_change_is_refused_with_the_reason() {
    let head = "MIME-Version: 1.0\n";
    let long_type = format!("Content-Type: a/b; x=\"{}\"\n", "x".repeat(20_000));
    let in_b = |fields: &str, body: &str| {
        format!("{head}Content-Type: multipart/mixed; boundary=b\n\n--b\n{fields}\n{body}\n--b--\n")
    };
    for (content, why) in [
        (
            format!("{head}Content-Type: multipart/signed; boundary=b\n\n--b\n\n\u{e9}\n--b--\n"),
            Refusal::Signed,
        ),
        (
            in_b(
                "Content-Type: multipart/encrypted; boundary=c\n",
                "--c\nContent-Type: multipart/x; boundary=d\n\n\u{e9}\n--d\n\n--d--\n--c--",
            ),
            Refusal::Signed,
        ),
        (in_b("Content-Type: message/partial; id=x\n", "\u{e9}"), Refusal::MessagePart),
        (in_b("Content-Type: message/delivery-status\n", "\u{e9}"), Refusal::MessagePart),
        (in_b("Content-Type: a/b\nContent-Type: a/b\n", "\u{e9}"), Refusal::ContentType),
        (in_b(&long_type, "\u{e9}"), Refusal::ContentType),
        (in_b("Content-Type: multipart/x\n", "\u{e9}"), Refusal::Boundary),
        (in_b("Content-Type: multipart/x; boundary=c\n", "\u{e9}"), Refusal::Boundary),
        (in_b("Content-Type: multipart/x; boundary=c\n", "\u{e9}\n--c--"), Refusal::Boundary),
        (in_b("Content-Transfer-Encoding: x-mine\n", "\u{e9}"), Refusal::Encoding),
        (
            in_b("Content-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: 8bit\n", "\u{e9}"),
            Refusal::Encoding,
        ),
        (
            in_b("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n", "\u{e9}"),
            Refusal::Encoding,
        ),
        (
            in_b(
                "Content-Type: multipart/x; boundary=c\nContent-Transfer-Encoding: base64\n",
                "--c\n\n\u{e9}",
            ),
            Refusal::Encoding,
        ),
        (format!("{head}no field\n\u{e9}\n"), Refusal::NoEmptyLine),
        (format!("{head}A: \0\n\nplain\n"), Refusal::HeaderOctets),
    ] {
        is_refused(SEVEN, &content, why);
        // What needs no change is no reason.
        let plain = content.replace('\u{e9}', "e").replace('\0', "");
        becomes(SEVEN, &plain, &plain);
    }
}

#[test]
fn a_signature_is_no_reason_where_nothing_inside_has_to_change() {
    let signed =
        "Content-Type: multipart/signed; boundary=c\n\n--c\nContent-Transfer-Encoding: 8bit\n\nplain\n--c--";
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n";
    becomes(
        SEVEN,
        &format!("{head}{signed}\n--b\n\n\u{e9}\n--b--\n"),
        &format!("{head}{signed}\n--b\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n--b--\n"),
    );
}

#[test]
fn depth_and_number_of_parts_are_bounded() {
    let nested = |depth: usize| format!("{}\n\u{e9}\n", "Content-Type: message/rfc822\n\n".repeat(depth));
    assert!(converted(&octets(&nested(DEPTH_MAX).replace('\n', "\r\n")), SEVEN, 999).is_ok());
    is_refused(SEVEN, &nested(DEPTH_MAX + 1), Refusal::TooDeep);

    let many = |parts: usize, last: &str| {
        format!("Content-Type: multipart/x; boundary=b\n\n{}{last}\n--b--\n", "--b\n\n".repeat(parts))
            .replace('\n', "\r\n")
    };
    assert!(converted(&octets(&many(PARTS_MAX - 1, "\u{e9}")), SEVEN, 999).is_ok());
    assert_eq!(converted(&octets(&many(PARTS_MAX, "\u{e9}")), SEVEN, 999), Err(Refusal::TooManyParts));
    let plain = octets(&many(PARTS_MAX + 9, "plain"));
    assert_eq!(surveyed(&plain, 999).needs(), Needs::SevenBit);
    assert_eq!(converted(&plain, SEVEN, 999).unwrap(), plain);
}

#[test]
fn refusals_are_told_in_plain_words() {
    assert_eq!(Refusal::Signed.to_string(), "Conversion needed, but the message is signed or encrypted");
}
