//! The library of `OpenDKIM` beside our signatures, as `opendkim-testmsg` calls it. What that program signs itself is of SHA-1 alone, which
//! nobody takes any more, so it only verifies here.

use std::{fs, process::Command};

use e2e::{Loopback, said};
use message::HeaderSection;
use message_auth::dkim::{DkimResult, SignedBody};

use super::dkim::{MESSAGES, now, outcomes, published, signers};
use super::judge::hex;

/// What is done behind our signature, on relaxed forms.
const CHANGES: &[(&str, &str)] = &[
    ("Subject: ", "Subject:  "),
    ("Subject: ", "Subject: x"),
    ("\r\n\r\n", "\r\n\r\nx"),
    ("\r\n\r\n", "\r\nX-New: 1\r\n\r\n"),
    ("From: ", "From: M"),
    ("\r\nDate: ", "\r\nCc: x@example.net\r\nDate: "),
    ("d=example.org", "d=example.com"),
];

#[test]
fn what_we_sign_passes_at_opendkim_and_what_is_changed_behind_us_fails_at_both() {
    let (signers, net, folder) = (signers(), Loopback::claim(), tempfile::tempdir().unwrap());
    let (dns, keys) = published(&signers);
    let mut messages = Vec::new();
    for message in MESSAGES {
        // It takes no message without a date.
        let message = message.replacen("\r\n\r\n", "\r\nDate: Tue, 1 Sep 2026 00:00:00 +0000\r\n\r\n", 1);
        let section = HeaderSection::read(message.as_bytes());
        if section.count("Date") > 1 {
            continue;
        }
        let mut body = SignedBody::default();
        body.push(&message.as_bytes()[section.end()..]);
        let field = signers[0].sign(&section, &body.finish(), now() - 10, now() + 1000).unwrap();
        let signed = format!("{}{message}", String::from_utf8(field).unwrap());
        messages.extend(CHANGES.iter().map(|(from, to)| signed.replacen(from, to, 1)));
        messages.push(signed);
    }
    let (resolver, script, known) =
        (folder.path().join("resolv.conf"), folder.path().join("judge.py"), folder.path().join("keys"));
    let address = net.host(53).to_string();
    fs::write(&resolver, format!("nameserver {address}\n")).unwrap();
    fs::write(&script, include_str!("opendkim.py")).unwrap();
    fs::write(&known, keys).unwrap();
    // A mount that only this process sees.
    let run = "mount --bind \"$0\" /etc/resolv.conf && exec /usr/bin/python3 \"$1\" \"$2\" \"$3\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", run]).args([&resolver, &script]).arg(&address).arg(&known);
    let input: String = messages.iter().map(|message| hex(message.as_bytes()) + "\n").collect();
    let verdicts = said(&mut command, input.as_bytes());
    assert_eq!(verdicts.code, 0, "{}", verdicts.err);
    assert_eq!(verdicts.out.lines().count(), messages.len());
    let mut passed = 0;
    for (message, theirs) in messages.iter().zip(verdicts.out.lines()) {
        let ours = outcomes(message.as_bytes(), &dns)[0].result == DkimResult::Pass;
        assert_eq!(ours, theirs.starts_with("0 "), "{theirs}\n{message}");
        passed += usize::from(ours);
    }
    assert!(passed >= 2 * 7 && passed <= messages.len() - 3 * 7, "{passed} of {}", messages.len());
}
