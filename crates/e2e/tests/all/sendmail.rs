//! Programs of this machine send by `sendmail`, in the words that they use for it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use e2e::{House, Mail, Said, binary, eventually, run, said};

const SOON: Duration = Duration::from_mins(1);

/// A server that has run once, so that it has a maildrop.
fn house() -> House {
    let house = House::new("");
    house.start().stop();
    house
}

fn sendmail(house: &House, words: &[&str], input: &str) -> Said {
    let dir = format!("QueueDirectory={}", house.data().display());
    said(Command::new(binary()).args(["sendmail", "-O", &dir]).args(words), input.as_bytes())
}

/// A program of that name which others call.
fn as_program(house: &House) -> PathBuf {
    let path = house.path().join("sendmail");
    let (binary, dir) = (binary().display().to_string(), house.data().display().to_string());
    fs::write(&path, format!("#!/bin/sh\nexec {binary} sendmail -O QueueDirectory={dir} \"$@\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn arrived(house: &House, who: &str, words: &str) -> Mail {
    house.maildir(who).wait_for(words, SOON)
}

fn user_id() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

/// cron, which always calls /usr/sbin/sendmail: this one sees ours there, and a table that has it run something at once.
fn cron(house: &House) {
    let (table, empty) = (house.path().join("crontab"), house.path().join("empty"));
    fs::write(&table, "@reboot root echo '.'; echo 'by cron'\n").unwrap();
    fs::create_dir(&empty).unwrap();
    let (program, table, empty) = (as_program(house), table.display().to_string(), empty.display());
    // In /run it notes what it has run since the machine started.
    let script = format!(
        "mount --bind {} /usr/sbin/sendmail && mount --bind {table} /etc/crontab && mount -t tmpfs tmpfs /run && \
         mount --bind {empty} /etc/cron.d && mount --bind {empty} /var/spool/cron/crontabs && exec cron -f",
        program.display()
    );
    let mut command = Command::new("unshare");
    let mut cron = command.args(["--mount", "sh", "-c", &script]).spawn().unwrap();
    let maildrop = house.data().join("maildrop");
    eventually("the file in the maildrop", SOON, || {
        (fs::read_dir(&maildrop).unwrap().count() > 0).then_some(())
    });
    cron.kill().unwrap();
    cron.wait().unwrap();
}

/// The server is down meanwhile. The user has no mailbox, so the postmaster gets it: Anna, the first account.
#[test]
fn cron_reports_to_a_user_without_a_mailbox_while_the_server_is_down() {
    let house = house();
    cron(&house);
    let _server = house.start();
    let mail = arrived(&house, "anna@here.test", "X-Cron-Env");
    assert_eq!(mail.field("To").unwrap(), "root@here.test");
    assert_eq!(mail.field("From").unwrap(), "root@here.test (Cron Daemon)");
    assert_eq!(mail.field("Return-Path").unwrap(), "<root@here.test>");
    assert!(mail.field("Message-ID").is_some() && mail.field("Date").is_some());
    assert_eq!(mail.body(), b".\nby cron\n");
    let accepted = house.events().into_iter().find(|event| event["kind"] == "accepted").unwrap();
    assert_eq!(accepted["reason"], "given by user root");
    house.wait_for_empty_queue(SOON);
    assert_eq!(fs::read_dir(house.data().join("maildrop")).unwrap().count(), 0, "its file is gone");
}

/// By the function `mail()`, with the words that PHP has by default (`-t -i`) and with a sender. It ends the text with a line end.
#[test]
fn php_sends() {
    let house = house();
    let _server = house.start();
    let script = "exit(mail('anna@here.test', 'by-php', \".\\nline\", \
                  \"From: shop@here.test\\r\\nBcc: ben@here.test\", $argv[1] ?? '') ? 0 : 1);";
    let path = format!("sendmail_path={} -t -i", as_program(&house).display());
    for (sender, more) in [("root@here.test", &[][..]), ("anna@here.test", &["--", "-fanna@here.test"])] {
        let mut php = Command::new("php");
        php.args(["-n", "-d", &path, "-r", script]).args(more);
        let sent = said(&mut php, b"");
        assert_eq!(sent.code, 0, "{}{}", sent.out, sent.err);
        for who in ["anna@here.test", "ben@here.test"] {
            let mail = arrived(&house, who, &format!("Return-Path: <{sender}>"));
            assert_eq!(
                (mail.field("Subject").as_deref(), mail.body()),
                (Some("by-php"), b".\nline\n".to_vec())
            );
            assert!(mail.field("Bcc").is_none(), "{}", mail.text());
        }
    }
}

#[test]
fn git_send_email_sends() {
    let house = house();
    let _server = house.start();
    let patch = house.path().join("0001-x.patch");
    fs::write(
        &patch,
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: Anna <anna@here.test>\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\nSubject: [PATCH] by-git\n\n.\n---\n x | 1 +\n",
    )
    .unwrap();
    let smtp_server = format!("--smtp-server={}", as_program(&house).display());
    let mut git = Command::new("/usr/bin/git");
    git.env("HOME", house.path()).env("GIT_CONFIG_NOSYSTEM", "1").current_dir(house.path());
    git.args(["-c", "user.name=Anna", "-c", "user.email=anna@here.test"]);
    git.args(["send-email", &smtp_server, "--from=anna@here.test", "--to=ben@here.test", "--confirm=never"]);
    git.args(["--quiet", "--suppress-cc=all"]).arg(&patch);
    let sent = said(&mut git, b"");
    assert_eq!(sent.code, 0, "{}{}", sent.out, sent.err);
    let mail = arrived(&house, "ben@here.test", "by-git");
    // The author stands in the text too.
    assert!(mail.contains("\n\n.\n---\n"), "{}", mail.text());
    assert!(mail.field("X-Mailer").unwrap().contains("git-send-email"));
}

#[test]
fn s_nail_sends_by_its_mta() {
    let house = house();
    let _server = house.start();
    let mta = format!("mta={}", as_program(&house).display());
    let mut command = Command::new("s-nail");
    command.env("HOME", house.path()).env("DEAD", "/dev/null");
    command.args(["-:/", "-S", "v15-compat", "-S", &mta, "-S", "sendwait", "-S", "from=anna@here.test"]);
    command.args(["-r", "anna@here.test", "-s", "by-s-nail", "-b", "postmaster@here.test", "ben@here.test"]);
    let sent = said(&mut command, b".\ndot\n");
    assert_eq!(sent.code, 0, "{}{}", sent.out, sent.err);
    for who in ["ben@here.test", "postmaster@here.test"] {
        assert_eq!(arrived(&house, who, "by-s-nail").body(), b".\ndot\n");
    }
}

/// What mutt says, and a session for those that want one (`-bs`).
#[test]
fn other_words_and_a_session_do_too() {
    let house = house();
    let _server = house.start();
    let mutt = ["-oem", "-oi", "-f", "anna@here.test", "-N", "never", "--", "ben@here.test"];
    let sent = sendmail(&house, &mutt, "Subject: by-mutt\n\nx\n");
    assert_eq!(sent.code, 0, "{}", sent.err);
    arrived(&house, "ben@here.test", "by-mutt");
    let session = format!("{} -bs", as_program(&house).display());
    let arguments = ["--pipe", &session, "--ehlo", "client.test", "--from", "anna@here.test"];
    let rest = ["--to", "ben@here.test", "--header", "Subject: by-session", "--body", ".dot"];
    let told = run("swaks", &[&arguments[..], &rest[..]].concat(), b"");
    assert!(told.contains("250 2.0.0 Left for the server"), "{told}");
    assert!(arrived(&house, "ben@here.test", "by-session").body().starts_with(b".dot\n"));
}

#[test]
fn what_cannot_be_sent_is_told_by_exit_codes_and_reports() {
    let house = house();
    let _server = house.start();
    for (words, input, code, text) in [
        (&["-t"][..], "Subject: x\n\nx\n", 64, "no recipients"),
        (&["-Z"][..], "", 64, "unknown option"),
        (&["ben@here.test"][..], "Subject: a\nSubject: b\n\nx\n", 65, "Subject stands there more than once"),
        (&["-C", "/nowhere.toml", "-t"][..], "", 75, ""),
    ] {
        let sent = sendmail(&house, words, input);
        assert!(sent.code == code || code == 75 && sent.code != 0, "{words:?}: {} {}", sent.code, sent.err);
        assert!(sent.err.contains(text), "{}", sent.err);
    }
    let nowhere = said(Command::new(binary()).args(["sendmail", "-OQueueDirectory=/nowhere", "x"]), b"x\n");
    assert_eq!(nowhere.code, 75, "{}", nowhere.err);
    let sent = sendmail(
        &house,
        &["-f", "anna@here.test", "nobody-here@here.test", "ben@here.test"],
        "Subject: half\n\nx\n",
    );
    assert_eq!(sent.code, 0, "{}", sent.err);
    arrived(&house, "ben@here.test", "Subject: half");
    let report = arrived(&house, "anna@here.test", "Final-Recipient: rfc822; nobody-here@here.test");
    assert!(report.contains("550 5.1.1 No such mailbox here"), "{}", report.text());
}

/// Those who cannot be taken now wait in the maildrop; the others do not wait for them.
#[test]
fn who_is_over_a_quota_waits_and_the_others_do_not() {
    let house = House::new("[quota]\nrecipients_per_hour_max = 1\n");
    let _server = house.start();
    let sent = sendmail(
        &house,
        &["-f", "anna@here.test", "ben@here.test", "postmaster@here.test"],
        "Subject: two\n\nx\n",
    );
    assert_eq!(sent.code, 0, "{}", sent.err);
    assert_eq!(arrived(&house, "ben@here.test", "Subject: two").body(), b"x\n");
    let left = eventually("one letter that waits", SOON, || {
        let mut files =
            fs::read_dir(house.data().join("maildrop")).unwrap().map(|entry| entry.unwrap().path());
        files
            .next()
            .filter(|path| path.extension().is_some_and(|uid| uid.to_str() == Some(&user_id().to_string())))
    });
    let text = fs::read_to_string(left).unwrap();
    assert!(
        text.starts_with(
            "MAIL FROM:<anna@here.test>\r\nRCPT TO:<postmaster@here.test>\r\nDATA\r\nSubject: two\r\nFrom: "
        ),
        "{text}"
    );
    assert!(house.maildir("postmaster@here.test").messages().is_empty());
}

#[test]
fn the_other_names_of_the_program_do_what_they_are_for() {
    let house = house();
    let _server = house.start();
    let called = |name: &str| {
        let path = house.path().join(name);
        symlink(binary(), &path).unwrap();
        said(Command::new(path).arg(format!("-OQueueDirectory={}", house.data().display())), b"")
    };
    let queue = called("mailq");
    assert_eq!((queue.code, queue.out.trim()), (0, "the queue is empty"), "{}", queue.err);
    assert_eq!(called("newaliases").code, 0);
    assert_eq!(sendmail(&house, &["-q"], "").code, 0);
}

/// Only root can become somebody else to try it.
#[test]
fn who_is_not_trusted_sends_as_itself_alone() {
    if user_id() != 0 {
        return;
    }
    let house = house();
    fs::set_permissions(house.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let maildrop = house.data().join("maildrop");
    assert_eq!(fs::metadata(&maildrop).unwrap().mode() & 0o7777, 0o3733);
    // The binary may lie in a home that is closed to others.
    let program = house.path().join("postrider");
    fs::copy(binary(), &program).unwrap();
    let dir = format!("-OQueueDirectory={}", house.data().display());
    let as_nobody = |words: &[&str], input: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(&program);
        said(command.args(["sendmail", &dir]).args(words), input.as_bytes())
    };
    let refused = as_nobody(&["-f", "anna@here.test", "ben@here.test"], "x\n");
    assert_eq!(refused.code, 77, "{}", refused.err);
    let sent = as_nobody(&["ben@here.test"], "Subject: by-nobody\n\nx\n");
    assert_eq!(sent.code, 0, "{}", sent.err);
    // A file that says otherwise was written by hand.
    let forged = "MAIL FROM:<anna@here.test>\r\nRCPT TO:<ben@here.test>\r\nDATA\r\nFrom: a@here.test\r\nSubject: by-hand\r\n\r\nx\r\n";
    let mut by_hand = Command::new("setpriv");
    by_hand.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh", "-c"]);
    let file = maildrop.join("by-hand");
    by_hand.arg(format!("umask 027; cat > {}", file.display()));
    assert_eq!(said(&mut by_hand, forged.as_bytes()).code, 0);
    let listed = said(
        Command::new("setpriv")
            .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "ls"])
            .arg(&maildrop),
        b"",
    );
    assert_ne!(listed.code, 0, "nobody lists it");
    let _server = house.start();
    for subject in ["by-nobody", "by-hand"] {
        let mail = arrived(&house, "ben@here.test", &format!("Subject: {subject}"));
        assert_eq!(mail.field("Return-Path").as_deref(), Some("<nobody@here.test>"));
    }
}
