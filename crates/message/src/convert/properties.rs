//! For any content, in any pieces: what a conversion must keep, and what it must reach.

use std::fmt;

use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::{prelude::*, sample::select};

use super::{
    Target,
    head::{Facts, Name, Shape},
    media::Encoding,
    meter::Meter,
    quoted_decoder::Decoder,
    tests::{converted, surveyed},
    walk::{Place, Visitor, Walker},
};

const WHOLE: usize = 64 * 1024;

/// What a reader sees of one part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    multipart: bool,
    message: usize,
    /// The header section without the fields that a conversion may change.
    fields: Vec<u8>,
    encoding: Option<Encoding>,
    /// The text, decoded.
    text: Vec<u8>,
}

/// Reads a content by the walk alone.
#[derive(Debug, Default)]
struct Reader {
    seen: Vec<Seen>,
    open: Vec<u8>,
    all: Vec<u8>,
}

impl Reader {
    fn read(content: &[u8]) -> Self {
        let (mut reader, mut walker) = (Self::default(), Walker::new());
        walker.push(content, &mut reader);
        walker.finish(&mut reader);
        assert_eq!(reader.all, content, "each octet is told once");
        reader
    }
}

impl Visitor for Reader {
    fn part(&mut self, place: Place) {
        self.seen.push(Seen { message: place.message, ..Seen::default() });
    }

    fn field(&mut self, part: usize, name: Name, octets: &[u8]) {
        self.all.extend_from_slice(octets);
        if !matches!(name, Name::Encoding | Name::MimeVersion) {
            self.seen[part].fields.extend_from_slice(octets);
        }
    }

    fn header_end(&mut self, part: usize, facts: &Facts, line: &[u8]) {
        self.all.extend_from_slice(line);
        self.seen[part].multipart = facts.shape == Shape::Multipart;
        self.seen[part].encoding = Some(facts.encoding);
    }

    fn text_begin(&mut self, _part: usize) {
        self.open.clear();
    }

    fn text(&mut self, octets: &[u8]) {
        self.all.extend_from_slice(octets);
        self.open.extend_from_slice(octets);
    }

    fn text_end(&mut self, part: usize, _last: bool) {
        let text = match self.seen[part].encoding {
            Some(Encoding::QuotedPrintable) => {
                let (mut decoded, mut decoder) = (Vec::new(), Decoder::default());
                decoder.push(&self.open, &mut decoded);
                decoder.finish(&mut decoded);
                decoded
            }
            Some(Encoding::Base64) => base64_decoded(&self.open),
            _ => self.open.clone(),
        };
        self.seen[part].text.extend_from_slice(&text);
    }

    fn delimiter(&mut self, octets: &[u8]) {
        self.all.extend_from_slice(octets);
    }

    fn barren(&mut self, part: usize) {
        self.seen[part].multipart = false;
    }

    fn too_many(&mut self) {}
}

/// Digits to bits to octets; what is no digit is passed over, as RFC 2045 §6.8 asks.
fn base64_decoded(text: &[u8]) -> Vec<u8> {
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for octet in text {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count).to_le_bytes()[0]);
        }
    }
    out
}

fn target() -> impl Strategy<Value = Target> {
    select(vec![Target::SevenBit, Target::EightBit])
}

/// Content that failures show in a readable way.
#[derive(Clone)]
struct Content(Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Content made of what matters, in any order.
fn soup() -> impl Strategy<Value = Content> {
    let words: Vec<&[u8]> = vec![
        b"\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b"-",
        b"--",
        b"=",
        b"=4",
        b"=E9",
        b"=\r\n",
        b"\xe9",
        b"\xc3\xa9",
        b"text",
        b"QUJD",
        b"b",
        b":",
        b";",
        b"\r\n--b\r\n",
        b"\r\n--b\r\n",
        b"\r\n--b\r\n\r\n",
        b"\r\n--bb\r\n",
        b"\r\n--b--\r\n",
        b"\r\n--bb--\r\n",
        b"--b",
        b"--b\n",
        b"\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multipart/x; boundary=\"b\"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n",
        b"Content-Type: multipart/mixed; boundary=\"b=E9\"\r\n",
        b"Content-Type: multipart/signed;\r\n boundary=b\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=b\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: message/partial\r\n",
        b"Content-Type: message/global\r\n",
        b"Content-Type: image/png\r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: multipart/mixed\r\n",
        b"MIME-Version: 1.0\r\n",
        b"Subject: x\r\n",
        b"From x\r\n",
        b" folded\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"Content-Transfer-Encoding: binary\r\n\r\n",
        b"content-transfer-encoding :\r\n\tbinary\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
        b"Content-Transfer-Encoding: x\r\n",
    ];
    let word = prop_oneof![
        20 => select(words).prop_map(<[u8]>::to_vec),
        1 => Just(vec![b'x'; 990]),
        1 => Just(vec![b' '; 80]),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| Content(words.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_octets_can_be_read(content in prop::collection::vec(any::<u8>(), 0..400), target in target()) {
        let _ = converted(&content, target, 3);
        Reader::read(&content);
    }

    #[test]
    fn pieces_make_no_difference(Content(content) in soup(), target in target(), piece in 1..50_usize) {
        let (whole, cut) = (surveyed(&content, WHOLE), surveyed(&content, piece));
        prop_assert_eq!(whole.needs(), cut.needs());
        prop_assert_eq!(whole.refusal(target), cut.refusal(target));
        prop_assert_eq!(converted(&content, target, WHOLE), converted(&content, target, piece));
    }

    #[test]
    fn what_is_not_refused_fits_and_says_the_same(Content(content) in soup(), target in target()) {
        let plan = surveyed(&content, WHOLE);
        let Ok(out) = converted(&content, target, WHOLE) else {
            prop_assert!(!target.takes(plan.needs()), "what fits is not refused");
            return Ok(());
        };
        prop_assert!(target.takes(surveyed(&out, WHOLE).needs()));
        prop_assert_eq!(&converted(&out, target, WHOLE).unwrap(), &out, "nothing is left to be done");
        let (before, after) = (Reader::read(&content).seen, Reader::read(&out).seen);
        prop_assert_eq!(before.len(), after.len());
        for (before, after) in before.into_iter().zip(after) {
            prop_assert_eq!((before.multipart, before.message), (after.multipart, after.message));
            prop_assert_eq!(before.fields, after.fields);
            if !before.multipart || target.takes(Meter::of(&before.text).needs()) {
                prop_assert_eq!(before.text, after.text);
            }
        }
    }
}

/// A message or a part of one, as programs write them.
#[derive(Debug, Clone)]
enum Tree {
    Leaf { fields: &'static str, body: Vec<u8> },
    Multipart { fields: &'static str, parts: Vec<Tree> },
    Message { fields: &'static str, inner: Box<Tree> },
}

impl Tree {
    /// Writes it. Boundaries are the beginnings of each other.
    fn write(&self, depth: usize, out: &mut Vec<u8>) {
        match self {
            Self::Leaf { fields, body } => {
                out.extend_from_slice(format!("{fields}\r\n").as_bytes());
                out.extend_from_slice(body);
            }
            Self::Multipart { fields, parts } => {
                let boundary = format!("=_{}", "b".repeat(depth));
                let head = format!(
                    "Content-Type: multipart/mixed;\r\n boundary=\"{boundary}\"\r\n{fields}\r\nIn MIME."
                );
                out.extend_from_slice(head.as_bytes());
                for part in parts {
                    out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
                    part.write(depth + 1, out);
                }
                out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            }
            Self::Message { fields, inner } => {
                let head = format!("Content-Type: message/rfc822\r\n{fields}\r\nSubject: inner\r\n");
                out.extend_from_slice(head.as_bytes());
                inner.write(depth, out);
            }
        }
    }
}

const LABELS: [&str; 4] = [
    "",
    "Content-Transfer-Encoding: 7bit\r\n",
    "Content-Transfer-Encoding: 8bit\r\n",
    "Content-Transfer-Encoding: binary\r\n",
];

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (
            "[ -,.-~é\t]{0,120}(\r\n[ -,.-~é\t]{0,1200}){0,4}x",
            select(vec![
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
                "Content-Transfer-Encoding: binary\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n",
                "Content-Type: text/plain; charset=utf-8\r\n",
            ])
        )
            .prop_map(|(body, fields)| Tree::Leaf { fields, body: body.into_bytes() }),
        (
            prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n')], 0..300),
            select(vec![
                "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n",
                "Content-Type: application/x\r\nContent-Transfer-Encoding: 8bit\r\n",
            ])
        )
            .prop_map(|(mut body, fields)| {
                body.retain(|octet| *octet != b'-');
                // The oracle takes line ends before a delimiter for its own, bare ones too.
                body.push(b'x');
                Tree::Leaf { fields, body }
            }),
        ("[A-Za-z0-9]{0,400}", Just("Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n"))
            .prop_map(|(body, fields)| Tree::Leaf { fields, body: body.repeat(4).into_bytes() }),
        (
            "([ -,.-<>-~é]{0,40}(=E9|=\r\n|\r\n)x){0,60}",
            Just(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
            )
        )
            .prop_map(|(body, fields)| Tree::Leaf { fields, body: body.into_bytes() }),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            3 => (select(LABELS.to_vec()), prop::collection::vec(inner.clone(), 1..4))
                .prop_map(|(fields, parts)| Tree::Multipart { fields, parts }),
            1 => (select(LABELS.to_vec()), inner)
                .prop_map(|(fields, inner)| match inner {
                    // The oracle loses its way in a message that is all there is in a message.
                    message @ Tree::Message { .. } => message,
                    inner => Tree::Message { fields, inner: Box::new(inner) },
                }),
        ]
    })
}

/// What an independent reader sees: types and decoded bodies.
fn parsed(content: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut seen = Vec::new();
    collect(&MessageParser::new().parse(content).unwrap(), &mut seen);
    seen
}

fn collect(message: &mail_parser::Message<'_>, seen: &mut Vec<(String, Vec<u8>)>) {
    for part in &message.parts {
        let kind = part.content_type().map_or_else(String::new, |kind| format!("{kind:?}"));
        match &part.body {
            PartType::Multipart(parts) => seen.push((kind, parts.len().to_string().into_bytes())),
            PartType::Message(inner) => {
                seen.push((kind, Vec::new()));
                collect(inner, seen);
            }
            _ => seen.push((kind, part.contents().to_vec())),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_independent_reader_sees_no_difference(tree in tree(), target in target(), piece in 1..3000_usize) {
        let mut content = b"Subject: outer\r\n".to_vec();
        tree.write(1, &mut content);
        let out = converted(&content, target, piece).unwrap();
        prop_assert!(target.takes(Meter::of(&out).needs()));
        prop_assert_eq!(parsed(&content), parsed(&out));
    }
}
