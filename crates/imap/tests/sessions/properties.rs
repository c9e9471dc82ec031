//! What holds for any input to a session.

use imap::server::Phase;
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    policy::{Policy, long_content},
    talk::Talk,
};

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<&[u8]> = vec![
        b"a LOGIN anna tiger\r\n",
        b"b SELECT INBOX\r\n",
        b"c FETCH 1:2 BODY[]\r\n",
        b"d FETCH 9 BODY[]\r\n",
        b"e APPEND INBOX {5+}\r\nhello\r\n",
        b"f APPEND INBOX {3}\r\nabc\r\n",
        b"g NOOP\r\n",
        b"h IDLE\r\n",
        b"DONE\r\n",
        b"i AUTHENTICATE PLAIN\r\n",
        b"*\r\n",
        b"j STARTTLS\r\n",
        b"k LOGOUT\r\n",
        b"l SEARCH TEXT {2000+}\r\n",
        b"m NOOP {9}\r\n",
        b"n CHECK\r\n",
        b"o STORE 1 FLAGS ()\r\n",
        b"p ENABLE QRESYNC IMAP4rev2\r\n",
        b"q APPEND nowhere {3+}\r\nabc {2+}\r\nxy\r\n",
        b"r APPEND INBOX {3+}\r\nbad",
        b" {4}\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"x",
        b"s COMPRESS DEFLATE\r\n",
        b"t UID REPLACE 1 INBOX (\\Seen) ~{2+}\r\n\0\0\r\n",
        b"u NOTIFY SET (SELECTED (MessageNew MessageExpunge))\r\n",
        b"v EXPUNGE\r\n",
        b"{5}\r\n",
    ];
    let login = Just(b"a LOGIN anna tiger\r\nb SELECT INBOX\r\n".to_vec());
    let line = prop_oneof![9 => proptest::sample::select(lines).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..5)];
    (proptest::option::of(login), vec(line, 0..14))
        .prop_map(|(login, lines)| [login.unwrap_or_default(), lines.concat()].concat())
}

fn said(parts: Vec<&[u8]>) -> (Vec<u8>, Vec<String>, bool) {
    let mut talk = Talk::new(Policy { starttls: true, ..Policy::default() });
    let mut said = talk.send(b"");
    for part in parts {
        said.extend(talk.send(part));
    }
    // What may be told of expunged messages depends on what is here already.
    let asked =
        talk.policy.asked.iter().map(|asked| asked.split(", expunges").next().unwrap().to_owned()).collect();
    (said, asked, talk.closed)
}

/// Without the lines that a policy may tell or not.
fn without_expunges(said: &[u8]) -> Vec<&[u8]> {
    said.split_inclusive(|octet| *octet == b'\n').filter(|line| !line.ends_with(b" EXPUNGE\r\n")).collect()
}

proptest! {
    #[test]
    fn however_it_is_split_the_same_is_said(octets in lines(), cuts in vec(any::<Index>(), 0..6)) {
        // What stands behind STARTTLS and COMPRESS is dropped, or not, by when it comes.
        prop_assume!(!octets.windows(8).any(|word| word == b"STARTTLS" || word == b"COMPRESS"));
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        places.sort_unstable();
        places.push(octets.len());
        let mut from = 0;
        let parts = places.into_iter().map(|to| &octets[std::mem::replace(&mut from, to)..to]).collect();
        let whole = said(vec![&octets]);
        for other in [said(parts), said(octets.chunks(1).collect())] {
            prop_assert_eq!(without_expunges(&whole.0), without_expunges(&other.0), "{}", octets.escape_ascii());
            prop_assert_eq!(&whole.1, &other.1);
            prop_assert_eq!(whole.2, other.2);
        }
    }

    #[test]
    fn no_octets_panic(octets in prop_oneof![lines(), vec(any::<u8>(), 0..200)]) {
        let (said, ..) = said(vec![&octets]);
        prop_assert!(said.starts_with(b"* OK "));
    }
}

/// A stream is what was announced, octet for octet, but for NUL; and nothing overtakes it.
#[test]
fn a_large_content_is_streamed() {
    let mut talk = Talk::new(Policy::default());
    talk.send(b"a LOGIN anna tiger\r\nb SELECT INBOX\r\n");
    let said = talk.send(b"c FETCH 1:2 BODY[]\r\nd CAPABILITY\r\n");
    let mut content = long_content();
    content[70_000] = 0x80;
    let expected = [
        b"* 1 FETCH (BODY[] {5}\r\nshort UID 101)\r\n* 2 FETCH (BODY[] {100000}\r\n".as_slice(),
        &content,
        b" UID 102)\r\nc OK Fetched\r\n* CAPABILITY ",
    ]
    .concat();
    assert!(said.starts_with(&expected), "{}", said[..200].escape_ascii());
    assert!(said.ends_with(b"d OK Done\r\n"));
}

/// Who cannot keep what was announced cannot go on.
#[test]
fn a_stream_that_breaks_off_ends_the_session() {
    let mut talk = Talk::new(Policy::default());
    talk.send(b"a LOGIN anna tiger\r\nb SELECT INBOX\r\n");
    let said = talk.send(b"c FETCH 9 BODY[]\r\nd NOOP\r\n");
    assert_eq!(said, b"* 9 FETCH (BODY[] {100000}\r\nabcde");
    assert!(talk.closed);
}

/// RFC 9051 §5.5: a command that is here already may name messages by number.
#[test]
fn what_is_pipelined_keeps_message_numbers() {
    let mut talk = Talk::new(Policy::default());
    talk.send(b"a LOGIN anna tiger\r\nb SELECT INBOX\r\n");
    talk.policy.asked.clear();
    let said = talk.send(b"c NOOP\r\nd FETCH $ FLAGS\r\n");
    assert_eq!(said, b"c OK Done\r\nd OK Fetched\r\n");
    assert_eq!(talk.policy.asked, ["NOOP, expunges: false", "FETCH $ (FLAGS), expunges: false"]);
}

#[test]
fn a_server_that_stops_says_so_between_commands() {
    let mut talk = Talk::new(Policy::default());
    talk.send(b"a LOGIN anna tiger\r\n");
    talk.send(b"b APPEND INBOX {5}\r\nhe");
    talk.session.shut_down();
    assert_eq!(talk.send(b"llo\r\n"), b"b OK Appended\r\n* BYE [UNAVAILABLE] Server shutting down\r\n");
    assert!(talk.closed);
    let mut talk = Talk::new(Policy::default());
    talk.send(b"a LOGIN anna tiger\r\nb IDLE\r\n");
    talk.session.shut_down();
    assert_eq!(talk.send(b""), b"* BYE [UNAVAILABLE] Server shutting down\r\n");
    let mut talk = Talk::new(Policy::default());
    talk.send(b"");
    talk.session.timed_out();
    assert_eq!(talk.send(b""), b"* BYE Inactive for too long\r\n");
}

/// RFC 9051 §6.2.1 (CVE-2011-0411): what comes in one packet with STARTTLS is carried out neither before TLS nor under it.
#[test]
fn what_is_sent_behind_starttls_is_forgotten() {
    let mut talk = Talk::new(Policy { starttls: true, clear: true, ..Policy::default() });
    talk.send(b"");
    let said = talk.send(b"a STARTTLS\r\nb LOGIN anna tiger\r\nc NO");
    assert_eq!(said, b"a OK Begin TLS now\r\n");
    assert_eq!(talk.policy.asked, ["secured"]);
    assert_eq!(talk.send(b"OP\r\n"), b"OP BAD Unknown command\r\n");
}

/// RFC 4978 §3.
#[test]
fn what_is_sent_behind_compress_ends_the_session() {
    let mut talk = Talk::new(Policy::default());
    talk.send(b"a LOGIN anna tiger\r\n");
    assert_eq!(
        talk.send(b"b COMPRESS DEFLATE\r\nc NOOP\r\n"),
        b"b OK Done\r\n* BYE Commands behind COMPRESS\r\n"
    );
    assert!(talk.closed && !talk.compressed);
    let mut talk = Talk::new(Policy::default());
    talk.send(b"a LOGIN anna tiger\r\n");
    assert_eq!(talk.send(b"b COMPRESS DEFLATE\r\n"), b"b OK Done\r\n");
    assert!(talk.compressed);
}

/// Most sessions are idle most of the time.
#[test]
fn a_session_that_waits_is_small() {
    assert!(size_of::<imap::server::Session>() <= 1024, "{}", size_of::<imap::server::Session>());
}

/// RFC 9051 §5.4: a driver gives a client more time for some things than for others.
#[test]
fn a_driver_is_told_what_is_awaited() {
    let mut talk = Talk::new(Policy::default());
    for (octets, phase) in [
        (&b""[..], Phase::Login),
        (b"a LOGIN", Phase::Rest),
        (b" anna tiger\r\n", Phase::Command),
        (b"b IDLE\r\n", Phase::Idle),
        (b"DONE\r\n", Phase::Command),
        (b"c APPEND INBOX {5}\r\n", Phase::Rest),
        (b"hello\r\n", Phase::Command),
        (b"d SEARCH TEXT {5}\r\n", Phase::Rest),
    ] {
        talk.send(octets);
        assert_eq!(talk.phase, Some(phase), "{}", octets.escape_ascii());
    }
}
