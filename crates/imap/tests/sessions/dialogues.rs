//! Dialogues: the files of `tests/dialogues`, each played whole and octet by octet.
//!
//! `C:` the client says a line, `C>` octets without a CRLF behind them, with the escapes `\r`, `\n` and `\(TEXT*N)`. `S:` the
//! server says exactly this line, `...` standing for any text. `Q:` the policy was asked this. `S: (closed)` the server has closed.
//! `given:` a fact for the policy, before all else. `news:` the policy has news. What the server says between two lines of the client's
//! is compared as a whole.

use std::{fs, path::Path};

use imap::{Mailbox, SequenceSet, response::Response};

use crate::{policy::Policy, talk::Talk};

fn play(path: &Path, single: bool) {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let mut policy = Policy::default();
    let facts = text.lines().filter_map(|line| line.strip_prefix("given: "));
    facts.for_each(|fact| match fact {
        "STARTTLS" => (policy.starttls, policy.clear) = (true, true),
        other => panic!("{name}: no fact {other}"),
    });
    let mut talk = Talk::new(policy);
    let mut heard = shown(&talk.send(b""), &talk);
    for (number, line) in (1..).zip(text.lines()) {
        let at = format!("{name}:{number}: {line} (octet by octet: {single})");
        let told = |heard: &mut Vec<String>| {
            if heard.is_empty() { panic!("{at}\nnothing is said") } else { heard.remove(0) }
        };
        match line.split_once(' ').unwrap_or((line, "")) {
            ("" | "given:", _) => {}
            (word, _) if word.starts_with('#') => {}
            ("S:", "(closed)") => assert!(talk.closed && heard.is_empty(), "{at}\n{heard:?}"),
            ("S:", wanted) => {
                let said = told(&mut heard);
                assert!(fits(wanted, &said), "{at}\nsaid: {said}\nand then {heard:?}");
            }
            ("Q:", wanted) => {
                assert!(!talk.policy.asked.is_empty(), "{at}\nnothing was asked");
                let asked = talk.policy.asked.remove(0);
                assert!(fits(wanted, &asked), "{at}\nasked: {asked}");
            }
            ("C:" | "C>", said) => {
                assert!(heard.is_empty(), "{at}\nbefore that it said {heard:?}");
                assert!(!talk.closed, "{at}\nit has closed");
                let mut octets = unescaped(said);
                if line.starts_with("C:") {
                    octets.extend(b"\r\n");
                }
                let parts: Vec<&[u8]> = if single { octets.chunks(1).collect() } else { vec![&octets] };
                let said: Vec<u8> = parts.into_iter().flat_map(|part| talk.send(part)).collect();
                heard = shown(&said, &talk);
            }
            ("news:", news) => {
                talk.session.tell(&[told_by(news)]);
                heard.extend(shown(&talk.send(b""), &talk));
            }
            _ => panic!("{at}\nno line of a dialogue"),
        }
    }
    assert!(heard.is_empty(), "{name}: at the end it said {heard:?}");
    assert!(talk.policy.asked.is_empty(), "{name}: at the end was asked {:?}", talk.policy.asked);
}

fn told_by(news: &str) -> Response {
    match news.split_once(' ') {
        Some((number, "EXISTS")) => Response::Exists(number.parse().unwrap()),
        Some((number, "EXPUNGE")) => Response::Expunge(number.parse().unwrap()),
        Some(("VANISHED", uid)) => {
            Response::Vanished { earlier: false, uids: SequenceSet::of([uid.parse().unwrap()]) }
        }
        _ => Response::StatusOf { mailbox: Mailbox::new(news).unwrap(), values: Vec::new() },
    }
}

fn shown(said: &[u8], talk: &Talk) -> Vec<String> {
    let lines = said.split_inclusive(|octet| *octet == b'\n').map(|line| match line.strip_suffix(b"\r\n") {
        Some(line) => line.escape_ascii().to_string(),
        None => format!("{}(no CRLF)", line.escape_ascii()),
    });
    let _ = talk;
    lines.map(|line| line.replace("\\\"", "\"").replace("\\\\", "\\")).collect()
}

fn fits(wanted: &str, said: &str) -> bool {
    let mut parts = wanted.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some("") => true,
        Some(part) => rest.is_empty() || said.ends_with(part),
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = if let Some(after) = after.strip_prefix("r") {
            out.push('\r');
            after
        } else if let Some(after) = after.strip_prefix("n") {
            out.push('\n');
            after
        } else if let Some((repeated, after)) = after.strip_prefix('(').and_then(|text| text.split_once(')'))
        {
            let (text, times) = repeated.rsplit_once('*').unwrap();
            out.push_str(&text.repeat(times.parse().unwrap()));
            after
        } else {
            out.push('\\');
            after
        };
    }
    out.push_str(rest);
    out.into_bytes()
}

#[test]
fn dialogues_come_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 5);
    for path in paths {
        play(&path, false);
        play(&path, true);
    }
}
