//! The messages of a mailbox, made by rule: the same for every server and in every run, and as different from each other as mail is.

use std::fmt::Write as _;

/// In the text of each message whose number leaves `TEXT_AT` when divided by `TEXT_EVERY`, and nowhere else.
const TEXT_NEEDLE: &str = "zanzibarine";
const TEXT_EVERY: u64 = 101;
const TEXT_AT: u64 = 7;
/// In the subject of each message whose number divides by `SUBJECT_EVERY`, and nowhere else.
const SUBJECT_NEEDLE: &str = "quarterly";
const SUBJECT_EVERY: u64 = 50;
/// Octets of a line of text (RFC 5322 §2.1.1) and of base64 (RFC 2045 §6.8).
const LINE_OCTETS: usize = 72;
const SYLLABLES: [&str; 24] = [
    "ba", "con", "de", "ex", "fi", "gra", "ho", "in", "ju", "ka", "li", "men", "no", "or", "pre", "qui",
    "re", "so", "ta", "un", "ver", "wi", "tion", "er",
];

/// The message of a number, of about so many octets: never less, and some hundred more at most.
pub(super) fn message(number: u64, octets: usize) -> Vec<u8> {
    let mut words = Words::of(number);
    let mut text = header(number, &mut words);
    let needle = if number % TEXT_EVERY == TEXT_AT { TEXT_NEEDLE } else { "nothing" };
    let left = octets.saturating_sub(text.len());
    match number % 4 {
        0 => plain(&mut text, needle, left, &mut words),
        1 => alternative(&mut text, needle, left, &mut words),
        2 => mixed(&mut text, needle, left, &mut words),
        _ => encoded(&mut text, needle, left, &mut words),
    }
    text.into_bytes()
}

fn header(number: u64, words: &mut Words) -> String {
    let (month, day) = (["Jan", "Feb", "Mar", "Apr", "May", "Jun"], number / 1440 % 28 + 1);
    let month = month.get(usize::try_from(number / 40_320 % 6).unwrap_or(0)).copied().unwrap_or("Jan");
    let date = format!("{day} {month} 2026 {:02}:{:02}:00 +0000", number / 60 % 24, number % 60);
    let person = number * 7 % 97;
    let name = format!("{} {}", words.capital(), words.capital());
    let subject = if number.is_multiple_of(SUBJECT_EVERY) { SUBJECT_NEEDLE } else { "usual" };
    let subject = format!("{} {subject} {} {}", words.capital(), words.word(), words.word());
    let mut text = String::new();
    let _infallible = write!(
        text,
        "Received: from mail{person}.source.test (mail{person}.source.test [192.0.2.{person}])\r\n\
         \tby mx.bench.test (Postfix) with ESMTPS id {number:012X}\r\n\tfor <reader@bench.test>; {date}\r\n\
         Received: from [10.0.0.{person}] (client{person}.source.test [198.51.100.{person}])\r\n\
         \tby mail{person}.source.test with ESMTPSA id {:012X};\r\n\t{date}\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=source.test; s=s1;\r\n\
         \th=from:to:subject:date:message-id; bh={};\r\n\tb={}\r\n\
         From: {name} <person{person}@source.test>\r\nTo: \"Reader, The\" <reader@bench.test>\r\n\
         Cc: team{}@source.test, list@lists.source.test\r\nSubject: {subject}\r\nDate: {date}\r\n\
         Message-ID: <{number:010}.{person}@source.test>\r\n",
        number * 31,
        words.base64(43),
        words.base64(230),
        number % 5,
    );
    // Each tenth begins a thread that the others answer.
    if !number.is_multiple_of(10) {
        let first = number - number % 10;
        let first = format!("<{first:010}.{}@source.test>", first * 7 % 97);
        let _infallible = write!(text, "In-Reply-To: {first}\r\nReferences: {first}\r\n");
    }
    let _infallible = write!(
        text,
        "List-Id: <list.lists.source.test>\r\nX-Mailer: Bench {}\r\nMIME-Version: 1.0\r\n",
        number % 12
    );
    text
}

fn plain(text: &mut String, needle: &str, octets: usize, words: &mut Words) {
    *text +=
        "Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    lines(text, needle, octets.saturating_sub(90), words);
}

fn alternative(text: &mut String, needle: &str, octets: usize, words: &mut Words) {
    *text += "Content-Type: multipart/alternative; boundary=\"=_alternative\"\r\n\r\n--=_alternative\r\n\
              Content-Type: text/plain; charset=us-ascii\r\n\r\n";
    lines(text, needle, octets / 3, words);
    *text += "\r\n--=_alternative\r\nContent-Type: text/html; charset=us-ascii\r\n\
              Content-Transfer-Encoding: quoted-printable\r\n\r\n<html><body style=3D\"margin:0\">\r\n";
    let end = text.len() + (octets / 3 * 2).saturating_sub(330);
    while text.len() < end {
        *text += "<p class=3D\"text\" style=3D\"color:#333\">";
        lines(text, "nothing", 300, words);
        *text += "</p>\r\n";
    }
    *text += "</body></html>\r\n--=_alternative--\r\n";
}

fn mixed(text: &mut String, needle: &str, octets: usize, words: &mut Words) {
    *text += "Content-Type: multipart/mixed; boundary=\"=_mixed\"\r\n\r\n--=_mixed\r\n\
              Content-Type: text/plain; charset=us-ascii\r\n\r\n";
    lines(text, needle, octets / 4, words);
    *text += "\r\n--=_mixed\r\nContent-Type: application/pdf; name=\"report.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\
              Content-Disposition: attachment; filename=\"report.pdf\"; size=6000\r\n\r\n";
    let end = text.len() + (octets / 4 * 3).saturating_sub(350);
    while text.len() < end {
        *text += &words.base64(LINE_OCTETS);
        *text += "\r\n";
    }
    *text += "--=_mixed--\r\n";
}

/// A text in base64, as many newsletters are.
fn encoded(text: &mut String, needle: &str, octets: usize, words: &mut Words) {
    *text += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let mut body = String::new();
    lines(&mut body, needle, (octets.saturating_sub(100)) / 4 * 3 / 37 * 36, words);
    for line in body.as_bytes().chunks(LINE_OCTETS / 4 * 3) {
        base64(line, text);
        *text += "\r\n";
    }
}

/// Lines of words, one of them the needle.
fn lines(text: &mut String, needle: &str, octets: usize, words: &mut Words) {
    let (mut column, end) = (needle.len(), text.len() + octets);
    *text += needle;
    while text.len() < end {
        let word = words.word();
        if column + word.len() >= LINE_OCTETS {
            *text += "\r\n";
            column = 0;
        } else {
            text.push(' ');
        }
        *text += &word;
        column += word.len() + 1;
    }
    *text += "\r\n";
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(octets: &[u8], out: &mut String) {
    let digit = |bits: u32| char::from(ALPHABET.get(bits as usize & 63).copied().unwrap_or(b'A'));
    for three in octets.chunks(3) {
        let bits =
            three.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
        for place in 0..4 {
            out.push(if place > three.len() { '=' } else { digit(bits >> (18 - 6 * place)) });
        }
    }
}

/// Words as a language has them: some often, most rarely; some ten thousand in all.
struct Words(u64);

impl Words {
    fn of(number: u64) -> Self {
        Self(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    fn next(&mut self) -> u64 {
        // xorshift64: enough for filler text.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn word(&mut self) -> String {
        let mut chance = self.next();
        let syllables = 1 + (chance % 3) + u64::from(chance.is_multiple_of(7));
        chance /= 21;
        (0..syllables)
            .map(|_| {
                let syllable =
                    SYLLABLES.get(usize::try_from(chance % 24).unwrap_or(0)).copied().unwrap_or("a");
                chance /= 24;
                syllable
            })
            .collect()
    }

    fn capital(&mut self) -> String {
        let word = self.word();
        let (first, rest) = word.split_at_checked(1).unwrap_or((&word, ""));
        first.to_uppercase() + rest
    }

    fn base64(&mut self, octets: usize) -> String {
        (0..octets)
            .map(|_| {
                let place = usize::try_from(self.next() & 63).unwrap_or(0);
                char::from(ALPHABET.get(place).copied().unwrap_or(b'A'))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many messages below a number have the needle in their text, and how many in their subject.
    fn hits(messages: u64) -> (u64, u64) {
        let text = (0..messages).filter(|number| number % TEXT_EVERY == TEXT_AT).count();
        (text as u64, messages.div_ceil(SUBJECT_EVERY))
    }

    #[test]
    fn messages_have_about_their_size_and_are_the_same_each_time() {
        for number in 0..200 {
            let made = message(number, 10 << 10);
            assert_eq!(made, message(number, 10 << 10));
            assert!((10_000..11_200).contains(&made.len()), "message {number} has {} octets", made.len());
            let text = String::from_utf8(made).unwrap();
            assert!(text.ends_with("\r\n") && text.matches('\n').count() == text.matches("\r\n").count());
            assert!(text.split("\r\n").all(|line| line.len() < 300 && !line.starts_with('.')));
        }
    }

    #[test]
    fn needles_are_where_they_are_said_to_be() {
        let (texts, subjects) = hits(1000);
        let all: Vec<String> =
            (0..1000).map(|number| String::from_utf8(message(number, 4000)).unwrap()).collect();
        let mut needle = String::new();
        base64(TEXT_NEEDLE.as_bytes(), &mut needle);
        // Its last characters depend on what comes behind it.
        let begin = &needle[..needle.len() - 2];
        let has = |text: &&String| text.contains(TEXT_NEEDLE) || text.contains(begin);
        assert_eq!(all.iter().filter(has).count() as u64, texts);
        assert_eq!(all.iter().filter(|text| text.contains(SUBJECT_NEEDLE)).count() as u64, subjects);
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (octets, wanted) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            let mut out = String::new();
            base64(octets.as_bytes(), &mut out);
            assert_eq!(out, wanted);
        }
    }
}
