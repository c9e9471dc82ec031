//! No reply that nobody has seen: each one in the code is in a dialogue, or in a script of the machine's own tests; and
//! each has its row in the reference, which has no others.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const REFERENCE: &str = include_str!("../../../../docs/reference/smtp-server.md");

/// The files below a directory whose names end so.
fn files(dir: &Path, end: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let found = paths.flat_map(|path| if path.is_dir() { files(&path, end) } else { vec![path] });
    found.filter(|path| path.to_str().unwrap().ends_with(end)).collect()
}

fn texts(dir: &str, end: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    files(&dir, end).iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// `550, (5, 7, 1), "Relaying denied"`: every such reply in the code, as code and the rest of its first line.
fn replies() -> BTreeSet<(String, String)> {
    let source = texts("src", ".rs") + &texts("../smtp/src/server", "replies.rs");
    let reply = |at: usize| {
        let code = source.get(at.checked_sub(3)?..at)?;
        let (enhanced, rest) = source[at..].strip_prefix(", (")?.split_once(')')?;
        let text = rest.strip_prefix(',')?.trim_start().strip_prefix('"')?;
        let text = text.split(['"', '\\']).next()?;
        let numbers = code.parse::<u16>().is_ok() && enhanced.split(", ").all(|n| n.parse::<u16>().is_ok());
        numbers.then(|| (code.to_owned(), format!("{} {text}", enhanced.replace(", ", "."))))
    };
    let replies: BTreeSet<_> = source.match_indices(", (").filter_map(|(at, _)| reply(at)).collect();
    assert!(replies.len() > 50, "only {} replies were found", replies.len());
    replies
}

/// Rows of replies that name the server or a field, and those that the parser of `message` gives.
fn is_made_up(row: &str) -> bool {
    let is_flaw = || message::strict::FlawKind::ALL.iter().any(|flaw| flaw.reply("FIELD").to_string() == row);
    row.contains("HOSTNAME") || row.contains(" in FIELD is not one of this login") || is_flaw()
}

#[test]
fn every_flaw_of_a_header_section_is_in_a_dialogue_and_has_its_row() {
    let shown = texts("tests/dialogues", ".txt");
    for flaw in message::strict::FlawKind::ALL {
        let reply = flaw.reply("FIELD").to_string();
        assert!(REFERENCE.contains(&format!("| `{reply}` |")), "{reply} is not in the reference");
        let (begin, end) = reply.split_once("FIELD").unwrap_or((&reply, ""));
        let is_shown = shown.lines().any(|line| {
            let said = line.split_once("S: ").map(|(_, said)| said).unwrap_or_default();
            said.starts_with(begin) && said.ends_with(end)
        });
        assert!(is_shown, "{reply} is in no dialogue");
    }
}

#[test]
fn every_reply_is_in_a_dialogue() {
    let shown = texts("tests/dialogues", ".txt") + &texts("../smtp/tests/dialogues", ".rs");
    let is_shown = |(code, rest): &(String, String)| {
        [' ', '-'].iter().any(|separator| shown.contains(&format!("{code}{separator}{rest}")))
    };
    let missing: Vec<_> = replies().into_iter().filter(|reply| !is_shown(reply)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_reply_has_its_row_in_the_reference() {
    let rows = REFERENCE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let rows: BTreeSet<String> = rows.map(|(reply, _)| reply.to_owned()).collect();
    // These begin with the name of the server.
    let rows: BTreeSet<String> =
        rows.into_iter().filter(|row| row.contains('.') && !is_made_up(row)).collect();
    let replies: BTreeSet<String> =
        replies().into_iter().map(|(code, rest)| format!("{code} {rest}")).collect();
    let missing: Vec<_> = replies.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&replies).collect();
    assert!(missing.is_empty() && gone.is_empty(), "missing: {missing:#?}\nno such reply: {gone:#?}");
}
