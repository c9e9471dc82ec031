//! What holds for any input to a session.

use pop3::server::Phase;
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    policy::{Policy, long_message},
    talk::Talk,
};

const LOGIN: &[u8] = b"USER anna\r\nPASS tiger lily\r\n";

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<&[u8]> = vec![
        LOGIN,
        b"CAPA\r\n",
        b"STAT\r\n",
        b"LIST\r\n",
        b"UIDL 1\r\n",
        b"RETR 1\r\n",
        b"RETR 2\r\n",
        b"RETR 9\r\n",
        b"TOP 1 1\r\n",
        b"DELE 1\r\n",
        b"DELE 2\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"QUIT\r\n",
        b"AUTH PLAIN\r\n",
        b"AUTH PLAIN AGFubmEAdGlnZXIgbGlseQ==\r\n",
        b"AGFubmEAdGlnZXIgbGlseQ==\r\n",
        b"*\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\x16",
        b"\r\n",
        b"\r",
        b"\n",
        b"x",
        b"LANG de\r\n",
        b"UTF8\r\n",
    ];
    let line = prop_oneof![
        9 => proptest::sample::select(lines).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..5),
        1 => (0_usize..16_000).prop_map(|length| vec![b'y'; length]),
    ];
    (any::<bool>(), vec(line, 0..14))
        .prop_map(|(login, lines)| [if login { LOGIN } else { b"" }.to_vec(), lines.concat()].concat())
}

fn said(parts: Vec<&[u8]>) -> (Vec<u8>, Vec<String>, bool) {
    let mut talk = Talk::new(Policy::default());
    let mut said = talk.send(b"");
    for part in parts {
        said.extend(talk.send(part));
    }
    (said, talk.policy.asked, talk.closed)
}

proptest! {
    #[test]
    fn however_it_is_split_the_same_is_said(octets in lines(), cuts in vec(any::<Index>(), 0..6)) {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        places.sort_unstable();
        places.push(octets.len());
        let mut from = 0;
        let parts = places.into_iter().map(|to| &octets[std::mem::replace(&mut from, to)..to]).collect();
        let whole = said(vec![&octets]);
        prop_assert!(whole.0.starts_with(b"+OK ") && whole.0.ends_with(b"\r\n"));
        for other in [said(parts), said(octets.chunks(1).collect())] {
            prop_assert_eq!(&whole, &other, "{}", octets.escape_ascii());
        }
    }
}

/// A large message comes in pieces, and can be read back.
#[test]
fn a_large_message_comes_through() {
    let mut talk = Talk::new(Policy::default());
    talk.send(LOGIN);
    let said = talk.send(b"RETR 3\r\nNOOP\r\n");
    let said = String::from_utf8(said).unwrap();
    let message = said.strip_prefix("+OK Message follows\r\n").unwrap().strip_suffix(".\r\n+OK\r\n").unwrap();
    let lines = message.split_inclusive('\n').map(|line| line.strip_prefix('.').unwrap_or(line));
    assert_eq!(lines.collect::<String>().into_bytes(), long_message());
}

/// CVE-2011-0411: what comes in one packet with STLS is carried out neither before TLS nor under it.
#[test]
fn starttls_injection_what_is_sent_behind_stls_is_forgotten() {
    let mut talk = Talk::new(Policy { stls: true, clear: true, ..Policy::default() });
    talk.send(b"");
    assert_eq!(talk.send(b"USER anna\r\n"), b"-ERR Not without TLS\r\n");
    assert_eq!(talk.send(b"STLS\r\nUSER anna\r\nPASS tiger lily\r\nNO"), b"+OK Begin TLS now\r\n");
    assert_eq!(talk.policy.asked, ["secured"]);
    assert_eq!(talk.send(b"OP\r\nPASS tiger lily\r\n"), b"-ERR Unknown command\r\n-ERR USER first\r\n");
    assert_eq!(talk.send(b"USER anna\r\nPASS tiger lily\r\n").get(..3), Some(&b"+OK"[..]));
}

/// RFC 1939 §3: without a word, and nothing is deleted.
#[test]
fn who_waits_too_long_or_goes_deletes_nothing() {
    for end in [|talk: &mut Talk| talk.session.timed_out(), |talk: &mut Talk| talk.session.end_of_input()] {
        let mut talk = Talk::new(Policy::default());
        talk.send(LOGIN);
        talk.send(b"DELE 1\r\nQUIT");
        talk.policy.asked.clear();
        end(&mut talk);
        assert_eq!(talk.send(b""), b"");
        assert!(talk.closed && talk.policy.asked.is_empty());
    }
}

#[test]
fn a_server_that_stops_says_so_between_commands() {
    for (before, said) in [(&b""[..], ""), (LOGIN, ""), (b"AUTH PLAIN\r\n", "")] {
        let mut talk = Talk::new(Policy::default());
        talk.send(before);
        talk.session.shut_down();
        let wanted = format!("{said}-ERR [SYS/TEMP] Server shutting down\r\n");
        assert_eq!(talk.send(b""), wanted.into_bytes());
        assert!(talk.closed);
    }
}

/// Most sessions are idle most of the time.
#[test]
fn a_session_that_waits_is_small() {
    assert!(size_of::<pop3::server::Session>() <= 512, "{}", size_of::<pop3::server::Session>());
}

/// RFC 1939 §3: a driver gives who has logged in at least ten minutes.
#[test]
fn a_driver_is_told_what_is_awaited() {
    let mut talk = Talk::new(Policy::default());
    for (octets, phase) in
        [(&b""[..], Phase::Login), (b"USER anna\r\n", Phase::Login), (b"PASS tiger lily\r\n", Phase::Command)]
    {
        talk.send(octets);
        assert_eq!(talk.phase, Some(phase), "{}", octets.escape_ascii());
    }
}
