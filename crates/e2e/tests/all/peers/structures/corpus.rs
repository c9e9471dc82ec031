//! Messages put together by rules from a seed, with everything in them that may be there in several forms.

/// How many.
const MESSAGES: u64 = 3000;

/// All of them, the same each time.
pub(super) fn messages() -> Vec<Vec<u8>> {
    (0..MESSAGES)
        .map(|seed| Maker { state: seed, out: Vec::new(), boundaries: Vec::new() }.message())
        .collect()
}

struct Maker {
    state: u64,
    out: Vec<u8>,
    /// The boundaries that are open.
    boundaries: Vec<String>,
}

const FIELDS: &[&str] = &[
    "Subject: plain",
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
    "Subject: folded\r\n over\r\n\tlines ",
    "Subject:",
    "subject : twice",
    "Subject: \u{e9} in UTF-8",
    "Subject: a \"quoted\" \\ text",
    "Date: Mon, 23 Nov 2026 10:00:00 +0000",
    "Date: yesterday",
    "From: Anna <anna@example.org>",
    "From: \"Smith, Anna\" <anna@example.org>, ben@example.org (Ben)",
    "From: anna@example.org\r\nFrom: ben@example.org",
    "Sender: =?utf-8?q?A?= <a@b>",
    "Reply-To: a@b, c@d",
    "To: undisclosed-recipients:;",
    "To: Friends: a@b, C <c@d>;, e@f",
    "To: <@r1,@r2:l@h>",
    "To: a.b@c . d, \"x y\"@z, q@[192.0.2.1]",
    "Cc: (before) a@b (after (nested)), C\r\n D <c@d>",
    "Cc: A. B. \"C D\" E <x@y>",
    "Bcc: \u{fc} <u@v>",
    "To:",
    "In-Reply-To: <a@b>\r\n <c@d>",
    "Message-ID: <one@two>",
    "Message-Id:\r\n <three@four>",
    "X-Other: something\r\n with more",
    "MIME-Version: 1.0",
    "Content-ID: <id@here>",
    "Content-Description: what\r\n it is",
    "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==",
    "Content-Location: http://example.org/a",
    "Content-Language: en, de (c), fr-CA",
    "Content-Language: en",
    "Content-Disposition: inline",
    "Content-Disposition: attachment; filename=\"a b.txt\"; size=5",
    "Content-Disposition: attachment; filename*=utf-8''%c3%a9.txt",
    "Content-Disposition: attachment;\r\n filename*0=\"one \";\r\n filename*1=two",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: QUOTED-PRINTABLE (c)",
    "Content-Transfer-Encoding: 8bit",
];

const TYPES: &[&str] = &[
    "text/plain",
    "text/plain; charset=utf-8",
    "TEXT/HTML; Charset=\"iso-8859-1\" ; format=flowed",
    "text/x-other (comment); (c) a=(d)\"b;c\"(e); f=g",
    "image/png; name=\"a\\\"b.png\"",
    "application/octet-stream; name*0*=utf-8'en'%e2%82; name*1*=%ac",
    "application/pdf; name==?utf-8?q?a?=; x=y",
    "message/delivery-status",
    "message/partial; id=1; number=1",
    "text / plain;;; a=b",
];

const LINES: &[&str] = &[
    "",
    "some text",
    "--",
    "--x",
    "-",
    ".",
    "From here",
    " indented",
    "Subject: no field",
    "\u{e9}\u{e8}",
    "a: b",
    "--Q",
];

impl Maker {
    fn below(&mut self, end: usize) -> usize {
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn line(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn message(mut self) -> Vec<u8> {
        self.entity(0, true, false);
        if self.chance(10) {
            // A line without an end, or some lines less.
            let lines: Vec<&[u8]> = self.out.split_inclusive(|octet| *octet == b'\n').collect();
            let (mut out, lost) = (lines.concat(), self.state % 5);
            for line in lines.iter().rev().take(usize::try_from(lost).unwrap().min(lines.len() - 1)) {
                out.truncate(out.len() - line.len());
            }
            out.truncate(out.len() - 2);
            self.out = out;
        }
        self.out
    }

    /// A header section and what it says that follows. `message`: it is that of a message. `typed`: it says what it is.
    fn entity(&mut self, depth: usize, message: bool, typed: bool) {
        if message {
            self.line("MIME-Version: 1.0");
        }
        let mut disposition = false;
        for _ in 0..self.below(if depth == 0 { 14 } else { 5 }) {
            let field = FIELDS[self.below(FIELDS.len())];
            if !field.starts_with("Content-Disposition") || !std::mem::replace(&mut disposition, true) {
                self.line(field);
            }
        }
        match self.below(10) {
            0..=2 if depth < 6 => self.multipart(depth),
            3 if depth < 6 => {
                self.line("Content-Type: message/rfc822");
                self.empty_line();
                self.entity(depth + 1, true, false);
            }
            _ if typed => self.typed_text(),
            4..=7 => self.typed_text(),
            _ => self.text(),
        }
    }

    fn typed_text(&mut self) {
        let kind = TYPES[self.below(TYPES.len())];
        self.line(&format!("Content-Type: {kind}"));
        self.text();
    }

    fn empty_line(&mut self) {
        self.line("");
    }

    fn text(&mut self) {
        // Sometimes there is no empty line, and a delimiter or the end comes next.
        if self.chance(5) {
            return;
        }
        self.empty_line();
        for _ in 0..self.below(6) {
            let line = LINES[self.below(LINES.len())];
            self.line(line);
        }
    }

    fn multipart(&mut self, depth: usize) {
        let subtype = ["mixed", "alternative", "Digest", "signed; protocol=\"a/b\""][self.below(4)];
        let inner = self.boundaries.last().cloned().unwrap_or_default();
        let boundary = match self.below(8) {
            // What stands in a digest would be something else elsewhere.
            number if subtype == "Digest" => format!("digest{number}{}", self.below(1000)),
            0 => "b".to_owned(),
            1 => format!("{inner}y"),
            2 if !inner.is_empty() => inner,
            3 => "with space".to_owned(),
            4 => "=_Part'()+_,-./:=?".to_owned(),
            5 => "b--".to_owned(),
            _ => format!("b{}", self.below(1000)),
        };
        self.line(&format!("Content-Type: multipart/{subtype};\r\n boundary=\"{boundary}\""));
        self.empty_line();
        if self.chance(20) {
            self.line("preamble");
        }
        self.boundaries.push(boundary.clone());
        for _ in 0..self.below(4) {
            let tail = ["", "", "", " ", "\t "][self.below(5)];
            self.line(&format!("--{boundary}{tail}"));
            let digest = subtype == "Digest";
            if digest && self.chance(50) {
                self.empty_line();
                self.entity(depth + 1, true, false);
            } else {
                self.entity(depth + 1, false, digest);
            }
        }
        self.boundaries.pop();
        if self.chance(80) {
            self.line(&format!("--{boundary}--"));
            if self.chance(20) {
                self.line("epilogue");
            }
        }
    }
}
