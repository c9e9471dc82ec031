//! Dialogues: the files of `tests/dialogues`, each played whole and octet by octet.
//!
//! `C:` the client says a line, `C>` octets without a CRLF behind them, with the escapes `\r`, `\n`, `\xNN` and `\(TEXT*N)`. `S:` the
//! server says exactly this line, `...` standing for any text. `Q:` the policy was asked this. `S: (closed)` the server has closed.
//! `given:` a fact for the policy, before all else. What the server says between two lines of the client's is compared as a whole.

use std::{fs, path::Path};

use crate::{policy::Policy, talk::Talk};

fn given(policy: &mut Policy, fact: &str) {
    match fact.split_once(' ').unwrap_or((fact, "")) {
        ("STLS", _) => (policy.stls, policy.clear) = (true, true),
        ("messages", count) => {
            let count: usize = count.parse().unwrap();
            policy.messages = (0..count).map(|number| format!("{number}\r\n").into_bytes()).collect();
        }
        ("in-use", _) => policy.in_use = true,
        ("gone", number) => policy.gone = number.parse().unwrap(),
        ("broken", number) => policy.broken = number.parse().unwrap(),
        ("full", _) => policy.full = true,
        other => panic!("no fact {other:?}"),
    }
}

fn play(path: &Path, single: bool) {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let mut policy = Policy::default();
    for fact in text.lines().filter_map(|line| line.strip_prefix("given: ")) {
        given(&mut policy, fact);
    }
    let mut talk = Talk::new(policy);
    let mut heard = shown(&talk.send(b""));
    for (number, line) in (1..).zip(text.lines()) {
        let at = format!("{name}:{number}: {line} (octet by octet: {single})");
        match line.split_once(' ').unwrap_or((line, "")) {
            ("" | "given:", _) => {}
            (word, _) if word.starts_with('#') => {}
            ("S:", "(closed)") => assert!(talk.closed && heard.is_empty(), "{at}\n{heard:?}"),
            ("S:", wanted) => {
                assert!(!heard.is_empty(), "{at}\nnothing is said");
                let said = heard.remove(0);
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
                heard = shown(&said);
            }
            _ => panic!("{at}\nno line of a dialogue"),
        }
    }
    assert!(heard.is_empty(), "{name}: at the end it said {heard:?}");
    assert!(talk.policy.asked.is_empty(), "{name}: at the end was asked {:?}", talk.policy.asked);
}

fn shown(said: &[u8]) -> Vec<String> {
    let lines = said.split_inclusive(|octet| *octet == b'\n').map(|line| match line.strip_suffix(b"\r\n") {
        Some(line) => line.escape_ascii().to_string(),
        None => format!("{}(no CRLF)", line.escape_ascii()),
    });
    lines.map(|line| line.replace("\\\"", "\"").replace("\\\\", "\\")).collect()
}

fn fits(wanted: &str, said: &str) -> bool {
    match wanted.split_once("...") {
        None => wanted == said,
        Some((start, end)) => {
            said.len() >= start.len() + end.len() && said.starts_with(start) && said.ends_with(end)
        }
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend(before.bytes());
        let (octets, behind) = match after.split_at(1) {
            ("r", behind) => (b"\r".to_vec(), behind),
            ("n", behind) => (b"\n".to_vec(), behind),
            ("x", behind) => {
                let (digits, behind) = behind.split_at(2);
                (vec![u8::from_str_radix(digits, 16).unwrap()], behind)
            }
            ("(", behind) => {
                let (repeated, behind) = behind.split_once(')').unwrap();
                let (text, times) = repeated.rsplit_once('*').unwrap();
                (text.repeat(times.parse().unwrap()).into_bytes(), behind)
            }
            other => panic!("no escape {other:?}"),
        };
        out.extend(octets);
        rest = behind;
    }
    out.extend(rest.bytes());
    out
}

#[test]
fn dialogues_come_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 10);
    for path in paths {
        play(&path, false);
        play(&path, true);
    }
}
