//! No reply that nobody has seen: each one in the code is in a dialogue, or in a script of the machine's own tests.

use std::{fs, path::Path};

/// What the files of a directory say whose names end so.
fn texts(dir: &str, end: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.to_str().unwrap().ends_with(end));
    paths.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// `550, (5, 7, 1), "Relaying denied"`: every such reply in a source, as code and the rest of its first line.
fn replies(source: &str) -> Vec<(&str, String)> {
    let reply = |at: usize| {
        let code = source.get(at.checked_sub(3)?..at)?;
        let (enhanced, rest) = source[at..].strip_prefix(", (")?.split_once(')')?;
        let text = rest.strip_prefix(',')?.trim_start().strip_prefix('"')?;
        let text = text.split(['"', '\\']).next()?;
        let numbers = code.parse::<u16>().is_ok() && enhanced.split(", ").all(|n| n.parse::<u16>().is_ok());
        numbers.then(|| (code, format!("{} {text}", enhanced.replace(", ", "."))))
    };
    source.match_indices(", (").filter_map(|(at, _)| reply(at)).collect()
}

#[test]
fn every_reply_is_in_a_dialogue() {
    let sources = texts("src", ".rs") + &texts("../smtp/src/server", "replies.rs");
    let shown = texts("tests/dialogues", ".txt") + &texts("../smtp/tests/dialogues", ".rs");
    let replies = replies(&sources);
    assert!(replies.len() > 50, "only {} replies were found", replies.len());
    let is_shown = |(code, rest): &(&str, String)| {
        [' ', '-'].iter().any(|separator| shown.contains(&format!("{code}{separator}{rest}")))
    };
    let missing: Vec<_> = replies.iter().filter(|reply| !is_shown(reply)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
