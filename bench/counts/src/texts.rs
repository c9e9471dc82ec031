//! Lines, fields and names: what is read and written for each message.

use std::{fmt::Write as _, hint::black_box};

use events::{Event, Kind};
use mail::{Address, Client, Envelope, QueueId, Recipient, ReversePath, Timestamp};
use message::{Date, HeaderSection, Received};
use smtp::Command;

/// 2026-11-29T12:00:00Z.
pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_795_953_600_000);

/// What a mail program writes above the body.
const HEADER: &str = "Received: from relay.example.com (relay.example.com [192.0.2.7])\r\n\tby mx.example.net with ESMTPS id 4Qx7;\r\n\
    \tSun, 29 Nov 2026 11:59:58 +0000\r\nReceived: from [10.0.0.5] by relay.example.com; Sun, 29 Nov 2026 11:59:57 +0000\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1;\r\n h=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n b=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZ\r\n\
    Date: Sun, 29 Nov 2026 12:59:56 +0100\r\nFrom: Anna <anna@example.com>\r\nTo: Bert <bert@example.org>\r\nSubject: A message of some length\r\n\
    Message-ID: <20261129115956.1234@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\
    User-Agent: Mail 1.0\r\nX-Spam-Status: No\r\nList-Id: <people.example.com>\r\nPrecedence: list\r\n\r\n";

/// A message of 10 KiB in lines of 76 octets, one in twenty beginning with a dot.
pub(crate) fn content_10k() -> Vec<u8> {
    let mut content = HEADER.as_bytes().to_vec();
    let mut line = 0;
    while content.len() < 10 * 1024 {
        content.push(if line % 20 == 0 { b'.' } else { b'a' });
        content.extend_from_slice(&[b'x'; 73]);
        content.extend_from_slice(b"\r\n");
        line += 1;
    }
    content
}

/// An address whose text is known to be one.
pub(crate) fn address(text: &str) -> Option<Address> {
    text.parse().ok()
}

/// The number of a message as its id.
pub(crate) fn id(number: u64) -> QueueId {
    QueueId::new(Timestamp::from_millis(NOON.as_millis() + number / 100), 1, number)
}

/// A message for one recipient, as it comes from a stranger.
pub(crate) fn envelope(recipient: Address) -> Envelope {
    Envelope {
        client: client(),
        reverse_path: address("anna@example.com").map_or(ReversePath::Null, ReversePath::Address),
        body: mail::Body::EightBitMime,
        ..Envelope::new(id(0), NOON, "smtp", vec![Recipient::new(recipient, NOON)])
    }
}

fn client() -> Client {
    Client {
        address: Some([192, 0, 2, 25].into()),
        name: Some("mail.example.com".into()),
        hello: Some("mail.example.com".into()),
        ..Client::default()
    }
}

/// The event of an accepted message.
pub(crate) fn accepted() -> Event {
    Event {
        reverse_path: Some("anna@example.com".to_owned()),
        recipients: vec!["bert@example.org".to_owned()],
        message_id: Some("<20261129115956.1234@example.com>".to_owned()),
        size: Some(10_240),
        client: Some("192.0.2.25".to_owned()),
        ..Event::new(NOON, id(7), Kind::Accepted, "receive")
    }
}

pub(crate) fn command_mail(times: u64) {
    parse(
        b"MAIL FROM:<anna.long-name@sender.example.com> SIZE=10240 BODY=8BITMIME RET=HDRS ENVID=QQ314159",
        times,
    );
}

pub(crate) fn command_rcpt(times: u64) {
    parse(b"RCPT TO:<bert.long-name@recipient.example.org>", times);
}

fn parse(line: &[u8], times: u64) {
    for _ in 0..times {
        black_box(Command::parse(black_box(line)).is_ok());
    }
}

/// The header scan that every message gets.
pub(crate) fn header_facts(times: u64) {
    let content = content_10k();
    for _ in 0..times {
        black_box(HeaderSection::read(black_box(&content)).facts());
    }
}

/// Our own Received field.
pub(crate) fn received(times: u64) {
    let (client, recipient) = (client(), address("bert@example.org"));
    let mut out = Vec::with_capacity(512);
    for number in 0..times {
        out.clear();
        let field = Received {
            client: black_box(&client),
            authenticated: false,
            by: "mx.example.org",
            smtputf8: false,
            id: id(number),
            recipient: recipient.as_ref(),
            at: NOON,
        };
        field.write_to(&mut out);
        black_box(&out);
    }
}

pub(crate) fn date(times: u64) {
    let mut out = Vec::with_capacity(64);
    for _ in 0..times {
        out.clear();
        Date(black_box(NOON)).write_to(&mut out);
        black_box(&out);
    }
}

pub(crate) fn queue_id(times: u64) {
    let mut out = String::with_capacity(64);
    for number in 0..times {
        out.clear();
        // Writing to a String cannot fail.
        let _ = write!(out, "{}", black_box(id(number)));
        black_box(&out);
    }
}

pub(crate) fn event_line(times: u64) {
    let event = accepted();
    for _ in 0..times {
        black_box(black_box(&event).to_line());
    }
}

pub(crate) fn event_read(times: u64) {
    let line = accepted().to_line();
    for _ in 0..times {
        black_box(Event::from_line(black_box(&line)));
    }
}
