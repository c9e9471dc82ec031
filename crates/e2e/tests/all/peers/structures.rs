//! ENVELOPE and BODYSTRUCTURE as Dovecot tells them, and as we do, of the same messages made by rules.
//!
//! Dovecot's IMAP runs on a pipe: no network, no login. Where it means something else, docs/design/mime.md gives the reason.
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test fails")]

mod corpus;
mod odd;
mod ours;
mod tree;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use tree::Tree;

/// Who owns the mailbox: `nobody` on Debian. Dovecot does not read mail of root.
const OWNER: u32 = 65_534;

/// What Dovecot says of messages, in their order.
fn dovecot(messages: &[Vec<u8>]) -> Vec<Tree> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["run", "state", "home", "mail", "mail/new", "mail/cur", "mail/tmp"] {
        fs::create_dir(path.join(name)).unwrap();
        chown(path.join(name), Some(OWNER), Some(OWNER)).expect("only root may give files away");
    }
    for (number, message) in messages.iter().enumerate() {
        let file = path.join(format!("mail/cur/{}.a:2,S", 1_000_000 + number));
        fs::write(&file, message).unwrap();
        chown(file, Some(OWNER), Some(OWNER)).unwrap();
    }
    let folder = path.to_str().unwrap();
    let configuration = format!(
        "base_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = /dev/stderr\nprotocols = imap\nssl = no\n\
         mail_location = maildir:{folder}/mail\nmail_home = {folder}/home\nfirst_valid_uid = 1\n"
    );
    fs::write(path.join("dovecot.conf"), configuration).unwrap();
    let mut command = Command::new("/usr/lib/dovecot/imap");
    command.arg("-c").arg(path.join("dovecot.conf")).env("USER", "nobody").env("HOME", path.join("home"));
    command.uid(OWNER).gid(OWNER).current_dir(path);
    let said = said(command, b"a SELECT INBOX\r\nb FETCH 1:* (ENVELOPE BODYSTRUCTURE)\r\nc LOGOUT\r\n");
    let told: Vec<Tree> = tree::responses(&said).filter_map(Tree::fetched).collect();
    assert_eq!(told.len(), messages.len(), "it said only {} octets", said.len());
    told
}

/// What a program says to a few commands, which it need not read before it answers.
fn said(mut command: Command, commands: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Dovecot's IMAP");
    // Its input stays open until it has said all: it would take the end for a client that is gone.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(commands).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    drop(stdin);
    said
}

#[test]
fn structures_and_envelopes_are_those_of_dovecot() {
    let messages = corpus::messages();
    let told = dovecot(&messages);
    let mut differences = Vec::new();
    for (message, theirs) in messages.iter().zip(&told) {
        let ours = ours::told(message);
        if ours.alike() != theirs.alike() {
            differences.push(format!("{}\nours:    {ours}\nDovecot: {theirs}", message.escape_ascii()));
        }
    }
    let first: Vec<_> = differences.iter().take(3).cloned().collect();
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        told.len(),
        first.join("\n\n")
    );
}

/// Each form by itself, so that each is known to be the same, or known to differ.
#[test]
fn odd_forms_are_told_as_dovecot_tells_them_but_where_we_have_a_reason() {
    let messages: Vec<Vec<u8>> = odd::FORMS.iter().map(odd::Form::content).collect();
    let mut wrong = Vec::new();
    for ((form, message), theirs) in odd::FORMS.iter().zip(&messages).zip(dovecot(&messages)) {
        let ours = ours::told(message);
        if (ours.alike() == theirs.alike()) != form.reason.is_none() {
            wrong.push(format!("{} ({:?})\nours:    {ours}\nDovecot: {theirs}", form.text, form.reason));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// As deep and as many as there may be, and more.
#[test]
fn bounds_are_where_dovecot_has_them() {
    let nested = |depth| {
        let begin = |number| {
            format!("Content-Type: multipart/mixed; boundary=b{number:03}\r\n\r\n--b{number:03}\r\n")
        };
        format!("{}\r\nx\r\n", (0..depth).map(begin).collect::<String>()).into_bytes()
    };
    let parts = |number: usize| {
        let begin = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        format!("{begin}{}--b--\r\n", "--b\r\n\r\nx\r\n".repeat(number)).into_bytes()
    };
    let messages =
        |depth| format!("{}\r\nx\r\n", "Content-Type: message/rfc822\r\n\r\n".repeat(depth)).into_bytes();
    let all = [
        nested(99),
        nested(100),
        nested(120),
        messages(99),
        messages(100),
        messages(120),
        parts(9_998),
        parts(9_999),
        parts(100_000),
    ];
    for (number, (message, theirs)) in all.iter().zip(dovecot(&all)).enumerate() {
        assert!(ours::told(message).alike() == theirs.alike(), "number {number}");
    }
}
