//! SEARCH by the index of texts finds what SEARCH by reading finds: of messages made by rule, with charsets, encodings and structures of
//! many kinds, and of texts cut out of them anywhere.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use access::{Config, imap::Imap};
use directory::{AccountConfig, Authenticator, Directory, DomainConfig, Secret};
use mail::Timestamp;
use mailstore::{Content, Delivery, Flags, Mailstore, NewMessage};
use net::{Shutdown, TlsMode};
use testkit::clock::FakeClock;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

const MESSAGES: usize = 240;
const SEARCHES: usize = 150;
const TEXTS: [&str; 12] = [
    "Dear Anna, ",
    "best regards,\r\nBob\r\n",
    "<p class=\"x\">Grüße &amp; Küsse</p>",
    "İstanbul IŞIK ΣΊΣΥΦΟΣ straße ﬁn ",
    "中文字符。日本語テキスト",
    "привет МИР, ",
    "a  b\t c\r\n\r\n d",
    "x@y.example; z-1_2.3/4 ",
    "=?utf-8?q?no_word=3F?= ",
    "-----\r\n> > quoted\r\n",
    "\u{85}\u{a0}\u{3000}odd\u{200b}spaces\u{1}",
    "0123456789abcdef",
];

/// A stream of numbers that is the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn text(&mut self) -> String {
        (0..self.below(6)).map(|_| self.pick(&TEXTS)).collect()
    }

    /// Octets of a body, encoded as they say or otherwise.
    fn body(&mut self, encoding: &str) -> Vec<u8> {
        let text = self.text();
        let mut octets = match self.below(4) {
            // Each in one octet, as far as that goes.
            0 => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
            1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => text.into_bytes(),
        };
        if self.below(8) == 0 {
            octets.push(0xff);
        }
        match encoding {
            "base64" => base64(&octets),
            "quoted-printable" => octets
                .iter()
                .flat_map(|octet| match octet {
                    b'a'..=b'z' | b' ' => vec![*octet],
                    _ => format!("={octet:02X}").into_bytes(),
                })
                .collect(),
            _ => octets,
        }
    }

    fn part(&mut self, depth: usize) -> Vec<u8> {
        let kind = self.pick(&["text/plain", "text/html", "TEXT/x-own", "image/png", "", "broken"]);
        let charset = self.pick(&["utf-8", "iso-8859-1", "utf-16le", "koi8-r", "shift_jis", "none-such", ""]);
        let encoding = self.pick(&["base64", "quoted-printable", "8bit", "x-unknown", "7bit"]);
        let mut part = Vec::new();
        match self.below(if depth > 3 { 6 } else { 9 }) {
            6 => {
                part.extend(b"Content-Type: message/rfc822; name=\"forwarded.eml\"\r\n\r\n");
                part.extend(self.message(depth + 1));
            }
            7 | 8 => {
                let end = self.pick(&["--\r\n", "\r\n", ""]);
                part.extend(
                    format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\npreamble\r\n").bytes(),
                );
                for _ in 0..self.below(4) {
                    part.extend(format!("--b{depth}\r\n").bytes());
                    part.extend(self.part(depth + 1));
                    part.extend(b"\r\n");
                }
                part.extend(format!("--b{depth}{end}").bytes());
            }
            _ => {
                part.extend(format!("Content-Type: {kind}; charset={charset}\r\n").bytes());
                part.extend(format!("Content-Transfer-Encoding: {encoding}\r\n").bytes());
                let name =
                    self.pick(&["filename=\"Plan B.pdf\"", "filename*=utf-8''%E2%82%AC%20rates.xls", "x=y"]);
                part.extend(format!("Content-Disposition: attachment; {name}\r\n\r\n").bytes());
                part.extend(self.body(encoding));
            }
        }
        part
    }

    fn message(&mut self, depth: usize) -> Vec<u8> {
        let mut message = Vec::new();
        for _ in 0..self.below(4) {
            let text = self.pick(&TEXTS).replace(['\r', '\n'], "");
            let field = self.pick(&["Subject", "X-Own", "From", "Comments"]);
            let word = String::from_utf8(base64(text.as_bytes())).unwrap();
            message.extend(
                match self.below(3) {
                    0 => format!("{field}: {text}\r\n folded\r\n"),
                    1 => format!("{field}: =?utf-8?b?{word}?= =?utf-8?b?{word}?=\r\n"),
                    _ => format!("{field}: {text}\r\n"),
                }
                .bytes(),
            );
        }
        if self.below(12) == 0 {
            message.extend(b"no field at all\r\n");
        }
        message.extend(self.part(depth));
        message
    }
}

fn base64(octets: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for three in octets.chunks(3) {
        let all =
            three.iter().chain([&0, &0]).take(3).fold(0_usize, |all, octet| all << 8 | usize::from(*octet));
        let letters = [18, 12, 6, 0].map(|shift| LETTERS[all >> shift & 63]);
        out.extend(&letters[..=three.len()]);
        out.extend(std::iter::repeat_n(b'=', 3 - three.len()));
    }
    out
}

struct Client {
    wire: BufReader<DuplexStream>,
    count: usize,
}

impl Client {
    async fn new(imap: &Imap) -> Self {
        let (near, far) = duplex(1 << 16);
        let imap = imap.clone();
        tokio::spawn(async move {
            let _ = imap.session(TlsMode::None, [127, 0, 0, 1].into(), far, &mut Shutdown::never()).await;
        });
        let mut client = Self { wire: BufReader::new(near), count: 0 };
        client.line().await;
        for command in ["LOGIN anna@example.org secret", "ENABLE IMAP4rev2", "SELECT INBOX"] {
            let told = client.command(command.as_bytes()).await;
            assert!(told.last().unwrap().contains(" OK "), "{told:?}");
        }
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.wire.read_line(&mut line).await.unwrap();
        assert!(!line.is_empty(), "closed");
        line
    }

    /// What is told, without the tag.
    async fn command(&mut self, command: &[u8]) -> Vec<String> {
        self.count += 1;
        let tag = format!("t{}", self.count);
        let sent = [tag.as_bytes(), b" ", command, b"\r\n"].concat();
        self.wire.write_all(&sent).await.unwrap();
        let mut told = Vec::new();
        loop {
            let line = self.line().await;
            let last = line.starts_with(&format!("{tag} "));
            told.push(line);
            if last {
                return told;
            }
        }
    }

    async fn search(&mut self, key: &str, text: &str) -> Vec<String> {
        self.command(format!("SEARCH {key} {{{}+}}\r\n{text}", text.len()).as_bytes()).await
    }
}

fn imap(mailstore: &Mailstore, search_octets_max: u64) -> Imap {
    let domain = DomainConfig { name: "example.org".into(), catch_all: None, subaddress: None };
    let login = "anna@example.org".into();
    let anna = AccountConfig { login, password: Some(Secret::new("secret")), ..AccountConfig::default() };
    let people =
        directory::Config { domains: vec![domain], accounts: vec![anna], ..directory::Config::default() };
    let logins = Authenticator::new(Arc::new(Directory::new(people).unwrap()), b"secret");
    let config = Config { login_in_clear: true, search_octets_max, ..Config::default() };
    Imap::new(config, mailstore.clone(), logins, Arc::new(FakeClock::new(Timestamp::from_millis(0))))
}

/// Files messages, delivered and appended; their octets.
async fn fill(mailstore: &Mailstore, dice: &mut Dice) -> Vec<Vec<u8>> {
    let account = mailstore.account("anna@example.org", 0).await.unwrap();
    let inbox = mailstore.mailbox(account, "INBOX").unwrap().unwrap().id;
    let mut all = Vec::new();
    for number in 0..MESSAGES {
        let octets = dice.message(0);
        let content = Content::new(octets.clone());
        if number % 2 == 0 {
            let message =
                NewMessage { content, flags: Flags::none(), keywords: Vec::new(), internal_date: 0 };
            mailstore.append(inbox, vec![message], 0).await.unwrap();
        } else {
            let head = format!("Delivered-To: anna+{number}@example.org\r\n").into_bytes();
            let account = "anna@example.org".to_owned();
            let key = vec![u8::try_from(number).unwrap()];
            let delivery = Delivery { account, folder: None, junk: false, key, head, content, now: 0 };
            mailstore.deliver(vec![delivery]).await.remove(0).unwrap();
        }
        all.push(octets);
    }
    all
}

/// A text that may be somewhere: cut out of what messages were made of, of their octets, or out of the air.
fn needle(dice: &mut Dice, messages: &[Vec<u8>]) -> String {
    let from = match dice.below(5) {
        0 => dice
            .pick(&["e", "ß", "--b0", "xyzzy", "\r\n", " ", "  ", "delivered-to: ", "+11@", "%20", "€", "i̇"])
            .to_owned(),
        1 => {
            let octets = &messages[dice.below(messages.len())];
            String::from_utf8_lossy(octets).into_owned()
        }
        _ => format!("{}{}", dice.pick(&TEXTS), dice.pick(&TEXTS)),
    };
    let letters: Vec<char> = from.chars().filter(|c| *c != '\0').collect();
    let start = dice.below(letters.len().max(1));
    let text: String = letters.iter().skip(start).take(1 + dice.below(14)).collect();
    let text = if dice.below(3) == 0 { text.to_uppercase() } else { text };
    if text.is_empty() { "a".to_owned() } else { text }
}

#[test]
fn the_index_finds_what_reading_finds() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("mailboxes.db");
    let (mailstore, _) = Mailstore::open(&file).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut dice = Dice(11);
    let messages = runtime.block_on(fill(&mailstore, &mut dice));
    mailstore.open_index(&temporary.path().join("text.db")).unwrap();
    while mailstore.index_some().unwrap() {}
    assert_eq!(mailstore.verify().unwrap(), []);
    let (reader, _) = Mailstore::open(&file).unwrap();
    // Where the index is, nothing may be read.
    let (by_index, by_reading) = (imap(&mailstore, 0), imap(&reader, u64::MAX));
    let mut hits = [0, 0];
    runtime.block_on(async {
        let (mut one, mut other) = (Client::new(&by_index).await, Client::new(&by_reading).await);
        for _ in 0..SEARCHES {
            let text = needle(&mut dice, &messages);
            for key in ["BODY", "TEXT", "NOT BODY"] {
                let told = one.search(key, &text).await;
                assert_eq!(told, other.search(key, &text).await, "{key} {text:?}");
                hits[usize::from(told[0].contains(" ALL "))] += 1;
            }
        }
    });
    assert!(hits.iter().all(|count| *count > 10), "{hits:?}");
}
