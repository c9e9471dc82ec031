//! The programs that people send mail with, each through `postrider dev`: the body arrives octet by octet.

use std::process::Command;
use std::time::Duration;

use e2e::{House, Mail, Postrider, eventually, run, said};

const SOON: Duration = Duration::from_mins(1);

/// Lines that a careless client or server would change.
const BODY: &str = ".\n.one dot\n..two dots\n\n leading space\n\ttab\nEHLO in the text\nlast line\n";

fn message(subject: &str) -> String {
    format!(
        "From: Anna <anna@client.test>\nTo: Ben <ben@anywhere.test>\nSubject: {subject}\n\
         Message-ID: <{subject}@client.test>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\n{BODY}"
    )
}

/// A folder with a `dev` server, its port as text.
fn dev() -> (House, Postrider, String) {
    let house = House::dev();
    let server = house.start();
    let port = server.smtp().port().to_string();
    (house, server, port)
}

/// Waits for the mail, and checks what all of these tests want.
fn arrives(house: &House, subject: &str) -> Mail {
    let mail = eventually(&format!("mail {subject}"), SOON, || {
        house.caught().into_iter().find(|mail| mail.field("Subject").as_deref() == Some(subject))
    });
    assert_eq!(String::from_utf8(mail.body()).unwrap(), BODY);
    assert_eq!(mail.field("Return-Path").as_deref(), Some("<anna@client.test>"));
    house.wait_for_trace(&mail.queue_id(), "delivered");
    mail
}

#[test]
fn swaks_sends() {
    let (house, _server, port) = dev();
    let arguments =
        ["--server", "127.0.0.1", "--port", &port, "--ehlo", "client.test", "--from", "anna@client.test"];
    let rest = ["--to", "ben@anywhere.test", "--data", "-"];
    // swaks adds the end of the last line itself.
    run("swaks", &[&arguments[..], &rest[..]].concat(), message("by-swaks").trim_end().as_bytes());
    let mail = arrives(&house, "by-swaks");
    assert!(mail.field("Received").unwrap().contains("client.test"));
}

#[test]
fn msmtp_sends() {
    let (house, _server, port) = dev();
    let (port, host) = (format!("--port={port}"), "--host=127.0.0.1");
    let rest =
        ["--auth=off", "--tls=off", "--domain=client.test", "--from=anna@client.test", "ben@anywhere.test"];
    run("msmtp", &[&[host, &port][..], &rest[..]].concat(), message("by-msmtp").as_bytes());
    arrives(&house, "by-msmtp");
}

#[test]
fn s_nail_sends() {
    let (house, _server, port) = dev();
    let mta = format!("mta=smtp://127.0.0.1:{port}");
    let mut command = Command::new("s-nail");
    // What it cannot send it would leave in the home of whoever runs the tests.
    command.env("HOME", house.path()).env("DEAD", "/dev/null");
    command.args(["-:/", "-S", "v15-compat", "-S", &mta, "-S", "smtp-auth=none", "-S", "sendwait"]);
    command.args(["-S", "from=anna@client.test", "-r", "anna@client.test", "-S", "hostname=client.test"]);
    command.args(["-s", "by-s-nail", "ben@anywhere.test"]);
    let said = said(&mut command, BODY.as_bytes());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    arrives(&house, "by-s-nail");
}

#[test]
fn smtplib_of_python_sends() {
    let (house, _server, port) = dev();
    let program = "import smtplib, sys\n\
        with smtplib.SMTP('127.0.0.1', int(sys.argv[1]), local_hostname='client.test') as s:\n\
        \x20   refused = s.sendmail('anna@client.test', ['ben@anywhere.test'], sys.stdin.read())\n\
        sys.exit(1 if refused else 0)\n";
    run("python3", &["-c", program, &port], message("by-smtplib").as_bytes());
    arrives(&house, "by-smtplib");
}

#[test]
fn curl_sends() {
    let (house, _server, port) = dev();
    let url = format!("smtp://127.0.0.1:{port}/client.test");
    let arguments = ["--silent", "--show-error", "--crlf", "--url", &url, "--mail-from", "anna@client.test"];
    let rest = ["--mail-rcpt", "ben@anywhere.test", "--upload-file", "-"];
    run("curl", &[&arguments[..], &rest[..]].concat(), message("by-curl").as_bytes());
    arrives(&house, "by-curl");
}

#[test]
fn the_commands_that_dev_prints_work_as_they_stand() {
    let (house, server, _) = dev();
    let command = |word: &str| {
        let printed = server.printed();
        let line = printed.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{word} ")));
        line.map(|command| command.trim().to_owned())
    };
    // It listens before it prints.
    eventually("the last line", SOON, || command("stop"));
    let commands = ["try", "or"].map(|word| command(word).unwrap_or_else(|| panic!("no `{word}`")));
    for (number, command) in (1..).zip(commands) {
        run("sh", &["-e", "-c", &command], b"");
        eventually(&format!("the mail of `{command}`"), SOON, || {
            (house.caught().len() == number).then_some(())
        });
    }
    let read = command("read").unwrap();
    let (read, _) = read.split_once("   or ").unwrap();
    let first = run("sh", &["-e", "-c", read], b"");
    assert!(first.contains("Delivered-To: anna@example.org"), "{first}");
}

#[test]
fn a_large_message_arrives_whole() {
    let (house, server, _) = dev();
    let line = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n";
    let body = line.repeat(6_000_000 / line.len());
    let mut client = server.client();
    let content = format!("Subject: large\r\n\r\n{body}");
    let (code, reply) = client.mail("anna@client.test", &["ben@anywhere.test"], &content).unwrap();
    assert_eq!(code, 250, "{reply}");
    let mail = eventually("the large message", SOON, || house.caught().pop());
    assert!(mail.body() == body.replace("\r\n", "\n").as_bytes(), "the body changed on its way");
}

#[test]
fn dev_prints_where_it_listens_and_a_line_per_message() {
    let (house, server, port) = dev();
    let mut client = server.client();
    let (code, reply) =
        client.mail("anna@client.test", &["ben@anywhere.test"], "Subject: x\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250, "{reply}");
    let id = e2e::queue_id(&reply);
    eventually("a line about the message", SOON, || server.printed().contains(&id).then_some(()));
    eventually("where it listens", SOON, || server.printed().contains(&port).then_some(()));
    assert!(server.printed().contains("ben@anywhere.test"), "{}", server.printed());
    drop(house);
}
