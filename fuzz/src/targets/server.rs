//! A session of the server: whole replies, one to a command, the same however the stream is cut, and not more than was asked for.
//!
//! The first octet is the size of pieces, the second the protocol, then come four choices of the policy.

use smtp::{Protocol, server::Limits};

use crate::{
    source::pieces,
    talk::{Talk, count_replies},
};

/// What a command may be answered with: EHLO has the longest reply.
const ANSWER_OCTETS_MAX: usize = 1024;

pub(crate) fn run(octets: &[u8]) {
    let [size, protocol, a, b, c, d, input @ ..] = octets else { return };
    let protocol = if protocol & 1 == 1 { Protocol::Lmtp } else { Protocol::Smtp };
    let choices = [*a, *b, *c, *d];
    as_it_comes(protocol, &choices, *size, input);
    as_pipelined(protocol, &choices, *size, input);
}

/// Any octets: replies are replies, there are not too many, and the session ends with its input.
fn as_it_comes(protocol: Protocol, choices: &[u8], size: u8, input: &[u8]) {
    let mut talk = Talk::new(protocol, limits(), choices);
    let mut said: Vec<u8> = pieces(input, size).flat_map(|piece| talk.send(piece)).collect();
    said.extend(talk.end());
    assert!(talk.closed, "it goes on behind the end of its input");
    count_replies(&said);
    let lines = count_lines(input);
    // With LMTP, a message is answered once for each of its recipients.
    assert!(said.len() <= ANSWER_OCTETS_MAX * (2 * lines + 2), "{lines} lines, {} octets", said.len());
}

/// Commands that may be sent on without waiting (RFC 2920 §3.1): each line has one reply, and cuts do not matter.
fn as_pipelined(protocol: Protocol, choices: &[u8], size: u8, input: &[u8]) {
    let mut commands = input.to_vec();
    for verb in [&b"HELO"[..], b"EHLO", b"LHLO", b"DATA", b"BDAT", b"XCLI", b"STAR"] {
        while let Some(at) = find_verb(&commands, verb) {
            commands[at] = b'_';
        }
    }
    let hello: &[u8] = if protocol == Protocol::Lmtp { b"LHLO a.example\r\n" } else { b"EHLO a.example\r\n" };
    let talked = |parts: Vec<&[u8]>| {
        let mut talk = Talk::new(protocol, limits(), choices);
        let hello = talk.send(hello);
        let said: Vec<u8> = parts.into_iter().flat_map(|part| talk.send(part)).collect();
        (hello, said, talk.questions, talk.contents, talk.closed)
    };
    let whole = talked(vec![&commands]);
    assert_eq!(whole, talked(pieces(&commands, size).collect()), "cut otherwise, it is answered otherwise");
    let (replies, closed) = (count_replies(&whole.1), whole.4);
    let lines = count_lines(&commands);
    // What is no SMTP is refused by its first octet, before its line ends; the session ends with that.
    assert!(replies <= lines + usize::from(closed), "{replies} replies to {lines} lines");
    assert!(closed || replies == lines, "{replies} replies to {lines} lines");
    assert!(whole.3.is_empty(), "content without DATA or BDAT");
}

fn find_verb(commands: &[u8], verb: &[u8]) -> Option<usize> {
    commands.windows(verb.len()).position(|window| window.eq_ignore_ascii_case(verb))
}

/// Lines end in CR LF alone. One with a bare LF, or one that is too long, is answered before its end.
fn count_lines(octets: &[u8]) -> usize {
    let ended = octets.windows(2).filter(|pair| *pair == b"\r\n").count();
    let last = octets.windows(2).rposition(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
    let rest = &octets[last..];
    ended + usize::from(rest.contains(&b'\n') || rest.len() > limits().command_line_octets_max)
}

/// Small, so that they are met.
fn limits() -> Limits {
    Limits {
        message_size_max: 60,
        recipients_max: 3,
        errors_max: 9,
        idle_commands_max: 9,
        ..Limits::default()
    }
}
