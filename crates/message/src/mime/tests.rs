//! Odd forms by rules, and what holds of any octets.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// A structure on one line: type, octets of header and body, lines, and what is inside.
fn shape(part: &Part) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let mut out = format!(
        "{}/{} {}+{} {}",
        text(&part.kind),
        text(&part.subtype),
        part.header.octets,
        part.body.octets,
        part.lines
    );
    match &part.content {
        Content::Single => {}
        Content::Multipart(parts) => {
            let _ = write!(out, " ({})", parts.iter().map(shape).collect::<Vec<_>>().join(", "));
        }
        Content::Message(message) => {
            let subject = message.envelope.subject.as_deref().map(text);
            let _ = write!(out, " [{}: {}]", subject.unwrap_or_default(), shape(&message.root));
        }
    }
    out
}

fn mixed(body: &str) -> String {
    format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}")
}

/// What is inside of the multipart of [`mixed`].
fn inside(body: &str) -> String {
    let message = Message::parse(mixed(body).as_bytes());
    let Content::Multipart(parts) = &message.root.content else { panic!("no multipart") };
    parts.iter().map(shape).collect::<Vec<_>>().join(", ")
}

#[test]
fn parts_are_what_stands_between_delimiters() {
    for (body, expected) in [
        (
            "pre\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\ntwo\r\nthree\r\n\r\n--b--\r\nepi\r\n",
            "text/plain 2+3 0, text/html 27+12 2",
        ),
        // Ends that are missing.
        ("--b\r\n\r\none\r\n--b\r\n\r\ntwo", "text/plain 2+3 0, text/plain 2+3 0"),
        ("--b\r\n\r\none\r\n--b", "text/plain 2+3 0"),
        ("nothing\r\n", ""),
        ("--b--\r\n", ""),
        ("", ""),
        // Empty parts; parts without a body; without an empty line.
        (
            "--b\r\n--b\r\n\r\n--b\r\n\r\n\r\n--b--\r\n",
            "text/plain 0+0 0, text/plain 2+0 0, text/plain 2+0 0",
        ),
        ("--b\r\nContent-Type: text/html\r\n--b--\r\n", "text/html 25+0 0"),
        ("--b\r\nContent-Type: text/html\r\njunk\r\n\r\nbody\r\n--b--\r\n", "text/html 25+12 2"),
        // Lines that look like delimiters: RFC 2046 §5.1.1 compares their beginnings.
        ("--b\r\n\r\none\r\n--bc\r\n\r\ntwo\r\n--b--\r\n", "text/plain 2+3 0, text/plain 2+3 0"),
        ("--b \t\r\n\r\none\r\n--b-- \r\n\r\nx", "text/plain 2+3 0"),
        ("--b\r\n\r\none\r\n -b\r\n--\r\n-b\r\n- -b\r\n--b--\r\n", "text/plain 2+22 4"),
        ("--b\r\n\r\n1\r\n--b--\r\n--b\r\n\r\n2\r\n--b--\r\n", "text/plain 2+1 0"),
        // Bare LF, and a mixture.
        ("--b\n\none\ntwo\n--b\r\n\nx\r\n--b--", "text/plain 1+7 1, text/plain 1+1 0"),
        ("--b\r\n\r\none\r\r\n--b--", "text/plain 2+4 0"),
        // Inside of each other.
        (
            "--b\r\nContent-Type: multipart/x; boundary=bb\r\n\r\n--bb\r\n\r\n1\r\n--bb--\r\n--b\r\n\r\n3\r\n--b--\r\n",
            "multipart/x 42+19 4 (text/plain 2+1 0), text/plain 2+1 0",
        ),
        (
            "--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\n\r\n1\r\n--b\r\n\r\n3\r\n--b--\r\n",
            "multipart/x 41+8 2 (text/plain 2+1 0), text/plain 2+1 0",
        ),
        (
            "--b\r\nContent-Type: multipart/x; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b--\r\n--b\r\n\r\n3\r\n--b--\r\n",
            "multipart/x 41+17 4 (text/plain 2+1 0), text/plain 2+1 0",
        ),
        (
            "--b\r\nContent-Type: multipart/x; boundary=b--\r\n\r\n--b--\r\n\r\n1\r\n--b--\r\n",
            "multipart/x 43+19 4 (text/plain 2+1 0, text/plain 0+0 0)",
        ),
        // Messages.
        (
            "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n--b--\r\n",
            "message/rfc822 32+19 2 [in: text/plain 15+4 0]",
        ),
        (
            "--b\r\nContent-Type: message/rfc822\r\n\r\n--b--\r\n",
            "message/rfc822 32+0 0 [: text/plain 0+0 0]",
        ),
        ("--b\r\nContent-Type: message/rfc822\r\n--b--\r\n", "message/rfc822 30+0 0 [: text/plain 0+0 0]"),
        (
            "--b\r\nContent-Type: message/global\r\n\r\nSubject: in\r\n--b--\r\n",
            "message/global 32+13 1 [in: text/plain 13+0 0]",
        ),
        (
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nX: y\r\n\r\n--b--\r\n",
            "message/delivery-status 41+6 1",
        ),
    ] {
        assert_eq!(inside(body), expected, "{body:?}");
    }
}

#[test]
fn whole_messages_of_odd_forms() {
    for (content, expected) in [
        ("", "text/plain 0+0 0"),
        ("\r\n", "text/plain 2+0 0"),
        ("Subject: x", "text/plain 10+0 0"),
        ("Subject: x\r\nbody\r\n", "text/plain 12+6 1"),
        ("From anna\r\nSubject: x\r\n\r\nbody", "text/plain 25+4 0"),
        ("X: y\r\n \r\n\r\nbody\n\n", "text/plain 11+6 2"),
        ("X: y\r\r\n\r\nz", "text/plain 9+1 0"),
        ("X: y\r\n\r\r\n\r\nz", "text/plain 6+6 2"),
        (
            "Content-Type: multipart/digest; boundary=\"b c \"\r\n\r\n--b c\r\n\r\nSubject: a\r\n\r\nx\r\n--b c\r\nContent-Type: text/html\r\n\r\ny",
            "multipart/digest 51+61 8 (message/rfc822 2+15 2 [a: text/plain 14+1 0], text/html 27+1 0)",
        ),
        ("Content-Type: multipart/mixed\r\n\r\n--b\r\n", "multipart/mixed 33+5 1 ()"),
        (
            "Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\r\n\r\n--bc\r\n\r\nx",
            "multipart/mixed 61+9 2 (text/plain 2+1 0)",
        ),
        (
            "Content-Type: text/html\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx",
            "text/html 70+8 2",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n--b\r\n\r\nx",
            "multipart/mixed 43+8 2 (text/plain 2+1 0)",
        ),
        (
            "Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nSubject: x",
            "message/rfc822 32+42 2 [: message/rfc822 32+10 0 [x: text/plain 10+0 0]]",
        ),
    ] {
        assert_eq!(shape(&Message::parse(content.as_bytes()).root), expected, "{content:?}");
    }
}

#[test]
fn content_types_are_read_as_far_as_they_can_be() {
    for (value, expected) in [
        ("text/html; charset=utf-8; format=flowed", "text/html charset=utf-8 format=flowed"),
        ("TEXT/Html ; CharSet = \"UTF-8\" ; x=(c)y", "TEXT/Html CharSet=UTF-8 x=y"),
        ("text/html (comment); (c) charset=(d)\"a\"(e)", "text/html charset=a"),
        ("text", "text/plain charset=us-ascii"),
        ("", "text/plain charset=us-ascii"),
        ("text/plain;;;a=b", "text/plain a=b charset=us-ascii"),
        ("text/plain; a; b=", "text/plain b= charset=us-ascii"),
        ("text/plain; a=b c; d=e", "text/plain a=b d=e charset=us-ascii"),
        ("text/plain; a=\"b\\\"c\\\\d\"", "text/plain a=b\"c\\d charset=us-ascii"),
        ("text/plain; a=\"b;c\"d; e=f", "text/plain a=b;c e=f charset=us-ascii"),
        ("text/plain; a=\"b", "text/plain a=b charset=us-ascii"),
        ("text/plain charset=utf-8", "text/plain charset=us-ascii"),
        ("application/x; boundary=----=_Part/1", "application/x boundary=----=_Part/1"),
        ("application/x; name*=utf-8''%e2%82%ac; a=b", "application/x a=b name*=utf-8''%e2%82%ac"),
        (
            "application/x; name*0*=utf-8'en'%e2%82; name*1*=%ac; name*2=x%41",
            "application/x name*=utf-8'en'%e2%82%acx%2541",
        ),
        ("application/x; name*1=b; name*0=a", "application/x name=ab"),
        ("application/x; name*0=a; name*2=c", "application/x name*0=a name*2=c"),
        ("application/x; a=b; a=c; A=d", "application/x a=b a=c A=d"),
        ("application/x; a*b=c; a*=d", "application/x a*b=c a*=d"),
        ("text/plain;\r\n charset=utf-8;\r\n\tx=y", "text/plain charset=utf-8 x=y"),
    ] {
        let part = Message::parse(format!("Content-Type: {value}\r\n\r\n").as_bytes()).root;
        let mut out =
            format!("{}/{}", String::from_utf8_lossy(&part.kind), String::from_utf8_lossy(&part.subtype));
        for (name, value) in &part.parameters {
            let _ = write!(out, " {}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        }
        assert_eq!(out, expected, "{value}");
    }
}

#[test]
fn file_names_are_decoded() {
    for (fields, expected) in [
        ("Content-Disposition: attachment; filename*=utf-8''%c3%a9.txt", Some("é.txt")),
        ("Content-Disposition: attachment; filename*0*=iso-8859-1'de'%e9; filename*1=b%41", Some("éb%41")),
        ("Content-Disposition: attachment; filename=plain; filename*=utf-8''better", Some("better")),
        ("Content-Disposition: attachment; filename=\"=?utf-8?q?=C3=A9?=\"", Some("é")),
        ("Content-Type: image/png; name=\"a b.png\"", Some("a b.png")),
        ("Content-Type: image/png; name*=koi8-r''%c1", Some("а")),
        ("Content-Type: image/png; name*=%zz", Some("%zz")),
        ("Content-Disposition: attachment", None),
    ] {
        let part = Message::parse(format!("{fields}\r\n\r\n").as_bytes()).root;
        assert_eq!(part.file_name().as_deref(), expected, "{fields}");
    }
}

#[test]
fn what_few_parts_say() {
    let content = "Content-ID:  <a\r\n @b> \r\nContent-Description: a  b\r\n  c\r\nContent-MD5: abc==\r\n\
        Content-Location: http://a/b c\r\nContent-Language: en, de (c)\r\nContent-Disposition: attachment; filename=x\r\n\
        Content-Disposition: inline\r\nContent-Transfer-Encoding: BASE64 (c)\r\n\
        Content-Transfer-Encoding: 8bit\r\nContent-ID: <other>\r\n\r\n";
    let part = Message::parse(content.as_bytes()).root;
    let rare = part.rare.as_ref().unwrap();
    let text = |text: &NString| String::from_utf8_lossy(text.as_deref().unwrap()).into_owned();
    assert_eq!(text(&rare.id), "<a @b>");
    assert_eq!(text(&rare.description), "a  b  c");
    assert_eq!((text(&rare.md5), text(&rare.location)), ("abc==".into(), "http://a/b c".into()));
    assert_eq!(rare.languages, [Box::from(&b"en"[..]), Box::from(&b"de"[..])]);
    assert_eq!(&*rare.disposition.as_ref().unwrap().kind, b"attachment");
    assert_eq!((&*part.encoding, part.transfer_encoding()), (&b"BASE64"[..], TransferEncoding::Base64));
    assert_eq!(Message::parse(b"Subject: x\r\n\r\n").root.rare, None);
}

#[test]
fn envelopes_keep_texts_as_they_stand() {
    let content = "Subject: one\r\nSubject:   =?utf-8?q?two?= \r\n three\t\r\nDate: \r\nFrom: a@b\r\nFrom: c@d\r\n\
        In-Reply-To:\r\n <a>\r\n <b>\r\nMessage-Id: <\0x>\r\nReferences: <r>\r\nTo: \u{e9} <x@y>\r\n\r\n";
    let message = Message::parse(content.as_bytes());
    let envelope = &message.envelope;
    assert_eq!(envelope.subject.as_deref(), Some(&b"=?utf-8?q?two?=  three"[..]));
    assert_eq!(envelope.date.as_deref(), Some(&b""[..]));
    assert_eq!(envelope.in_reply_to.as_deref(), Some(&b"<a> <b>"[..]));
    assert_eq!(envelope.message_id.as_deref(), Some(&b"<\0x>"[..]));
    assert_eq!(message.references.as_deref(), Some(&b"<r>"[..]));
    assert_eq!((envelope.from.len(), envelope.to.len(), envelope.cc.len()), (2, 1, 0));
    assert_eq!((envelope.sender_or_from().len(), envelope.reply_to_or_from().len()), (2, 2));
}

#[test]
fn numbers_find_parts_and_messages() {
    let content = mixed(
        "--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
         --c\r\n\r\ntwo\r\n--c\r\nContent-Type: message/rfc822\r\n\r\nSubject: deep\r\n\r\nthree\r\n--c--\r\n--b--\r\n",
    );
    let message = Message::parse(content.as_bytes());
    let body = |numbers: &[u32]| {
        let part = message.part(numbers)?;
        let at = usize::try_from(part.body.at).unwrap();
        Some(&content[at..at + usize::try_from(part.body.octets).unwrap()])
    };
    assert_eq!(body(&[1]), Some("one"));
    assert_eq!(body(&[2, 1]), Some("two"));
    assert_eq!(body(&[2, 2]), Some("Subject: deep\r\n\r\nthree"));
    assert_eq!(body(&[2, 2, 1]), Some("three"));
    for nothing in [&[0][..], &[3], &[1, 1], &[2, 3], &[2, 2, 2], &[2, 2, 1, 1]] {
        assert_eq!(message.part(nothing), None, "{nothing:?}");
    }
    let subject = |numbers: &[u32]| message.message(numbers).map(|message| message.envelope.subject.clone());
    assert_eq!(subject(&[2, 2]).flatten().as_deref(), Some(&b"deep"[..]));
    assert_eq!((subject(&[]), subject(&[1])), (Some(None), None));
    assert_eq!(message.leaves().map(|part| part.body.octets).collect::<Vec<_>>(), [3, 3, 5]);
    let single = Message::parse(b"Subject: x\r\n\r\nbody");
    assert_eq!(single.part(&[1]), Some(&single.root));
}

fn depth(part: &Part) -> usize {
    1 + match &part.content {
        Content::Single => 0,
        Content::Multipart(parts) => parts.iter().map(depth).max().unwrap_or(0),
        Content::Message(message) => depth(&message.root),
    }
}

#[test]
fn neither_depth_nor_number_nor_size_is_unbounded() {
    let multiparts = (0..1000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "Content-Type: multipart/mixed; boundary=b{n:04}\r\n\r\n--b{n:04}\r\n");
        text
    });
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(1000);
    for content in [multiparts, messages] {
        let message = Message::parse(content.as_bytes());
        assert_eq!((depth(&message.root), message.cut), (DEPTH_MAX, true));
        let leaf = message.leaves().last().unwrap();
        assert!(leaf.is("application", "octet-stream") && leaf.body.octets > 1000);
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
    let many = Message::parse(mixed(&"--b\r\n\r\nx\r\n".repeat(100_000)).as_bytes());
    let Content::Multipart(parts) = &many.root.content else { panic!("no multipart") };
    assert_eq!((parts.len(), many.cut), (PARTS_MAX - 1, true));
    assert!(parts.last().unwrap().body.octets > 900_000);
    let huge = format!("To: {}\r\nX: y\r\n\r\n", "a@b, ".repeat(500_000));
    let huge = Message::parse(huge.as_bytes());
    assert!(
        huge.cut && huge.envelope.to.len() <= 20_000 && huge.root.body.octets == 0,
        "{}",
        huge.envelope.to.len()
    );
    let fields = format!("Subject: {}\r\n", "x".repeat(100_000)).repeat(1000);
    assert!(Message::parse(fields.as_bytes()).encode().len() < KEPT_OCTETS_MAX);
}

/// What costs much if anything does: each must cost by its length alone.
#[test]
fn what_is_long_is_read_in_time_in_proportion() {
    for (name, piece) in [
        ("dashes", "--\r\n"),
        ("dash", "-\n"),
        ("words", "=?"),
        ("words of text", "=?a?q?"),
        ("comments", "("),
        ("quotes", "\"\\"),
        ("ends", "\r\n"),
        ("spaces", " \r\n "),
        ("semicolons", ";a*1=b"),
    ] {
        let long = piece.repeat(200_000);
        let nested = (0..99).fold(String::new(), |mut text, n| {
            let _ = write!(
                text,
                "Content-Type: multipart/x; boundary=\"{}{n}\"\r\n\r\n--{}{n}\r\n",
                "-".repeat(60),
                "-".repeat(60)
            );
            text
        });
        for content in [
            format!("{nested}\r\n{long}"),
            format!("To: {long}\r\n\r\n"),
            format!("Content-Type: a/b{long}\r\n\r\n"),
        ] {
            let message = Message::parse(content.as_bytes());
            assert_eq!(Message::decode(&message.encode()), Ok(message), "{name}");
        }
        let _ = (
            header_text(long.as_bytes()),
            base_subject(&long),
            message_ids(long.as_bytes()),
            sent(long.as_bytes()),
        );
    }
}

fn in_pieces(content: &[u8], sizes: &[usize]) -> Message {
    let mut parser = Parser::new();
    let mut rest = content;
    for size in sizes.iter().cycle() {
        let (piece, others) = rest.split_at((*size).max(1).min(rest.len()));
        parser.push(piece);
        rest = others;
        if rest.is_empty() {
            break;
        }
    }
    parser.finish()
}

/// Each part lies in its parent, behind what came before it, and what it has inside adds up.
fn adds_up(part: &Part, from: u64, to: u64, content: &[u8]) {
    assert!(from <= part.header.at && part.header.at + part.header.octets == part.body.at);
    let end = part.body.at + part.body.octets;
    assert!(end <= to);
    let body = &content[usize::try_from(part.body.at).unwrap()..usize::try_from(end).unwrap()];
    assert_eq!(part.lines, memchr::memchr_iter(b'\n', body).count() as u64);
    match &part.content {
        Content::Single => {}
        Content::Multipart(parts) => {
            parts.iter().fold(part.body.at, |from, inner| {
                adds_up(inner, from, end, content);
                inner.body.at + inner.body.octets
            });
        }
        Content::Message(message) => {
            assert_eq!(message.root.header.at, part.body.at);
            assert_eq!(message.root.body.at + message.root.body.octets, end);
            adds_up(&message.root, part.body.at, end, content);
        }
    }
}

/// Pieces of messages: what a generator puts together meets every rule.
fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&'static [u8]> = vec![
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\r\n--b",
        b"\r\n--b--",
        b"\r\n--bb\r\n",
        b"--b\n",
        b"--",
        b"-",
        b" ",
        b"\t",
        b"\0",
        b"\xe9",
        b"text",
        b"Subject: x\r\n",
        b"From: A <a@b>, G: c@d;\r\n",
        b"To: ",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=bb\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: text/html; charset*0=a; charset*1=b",
        b"Content-Disposition: attachment; filename=\"a\r\n b\"\r\n",
        b"Content-Language: en, de\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"X: ",
        b":",
        b"From ",
    ];
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn pieces_equal_the_whole_and_all_adds_up(content in any_content(), sizes in prop::collection::vec(1..40_usize, 1..5)) {
        let whole = Message::parse(&content);
        prop_assert_eq!(&in_pieces(&content, &sizes), &whole);
        prop_assert_eq!(whole.root.header.at, 0);
        prop_assert_eq!(whole.root.body.at + whole.root.body.octets, content.len() as u64);
        adds_up(&whole.root, 0, content.len() as u64, &content);
    }

    #[test]
    fn long_lines_are_the_same_in_pieces(at in 0..6_usize, len in 990..1010_usize, size in 1..1200_usize) {
        let begin = ["X", "X: ", "--b", "--bb", "", "From "][at];
        let content = mixed(&format!("--b\r\n{begin}{}: y\r\n\r\nx\r\n--b{}\r\n\r\nz\r\n--b--", "a".repeat(len), "-".repeat(len)));
        prop_assert_eq!(in_pieces(content.as_bytes(), &[size]), Message::parse(content.as_bytes()));
    }

    #[test]
    fn what_is_kept_comes_back_and_garbage_does_not(content in any_content(), cut in 0..2000_usize, flip in 0..2000_usize) {
        let message = Message::parse(&content);
        let kept = message.encode();
        prop_assert_eq!(Envelope::decode(&kept), Ok(message.envelope.clone()));
        prop_assert_eq!(Message::decode(&kept), Ok(message));
        let cut = cut % kept.len();
        prop_assert_eq!(Message::decode(&kept[..cut]), Err(Garbage));
        let mut broken = kept.clone();
        broken[flip % kept.len()] ^= 1 << (flip % 8);
        let _ = Message::decode(&broken);
        prop_assert_eq!(Message::decode(&[&kept[..], b"\0"].concat()), Err(Garbage));
    }

    #[test]
    fn texts_of_any_octets_are_read(value in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"=?QqBb_()<>@,;:\"\\.[] \t\r\n".to_vec())], 0..200)) {
        let _ = (header_text(&value), message_ids(&value), sent(&value), base_subject(&header_text(&value)));
        let part = Message::parse(&[b"Content-Type: text/plain;", &value[..]].concat()).root;
        let _ = (part.file_name(), part.parameter("charset"));
        let mut preview = Preview::of(&part);
        preview.push(&value);
        prop_assert!(preview.finish().chars().count() <= PREVIEW_CHARACTERS_MAX);
    }
}
