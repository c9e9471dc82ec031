//! `postrider dev`: sent by what sends mail, read by what reads it, whoever logs in.

use std::{fs, process::Command, time::Duration};

use e2e::{House, Postrider, eventually, run, said};

const SOON: Duration = Duration::from_mins(1);

/// What every program of Python's begins with: a context that trusts the file that `dev` names, and the ports.
const PYTHON: &str = "import imaplib, poplib, smtplib, ssl, sys\n\
    context = ssl.create_default_context(cafile=sys.argv[1])\n\
    smtp, imap, imaps, pop3, pop3s = map(int, sys.argv[2:])\n\
    def ok(answer):\n\
    \x20   assert answer[0] == 'OK', answer\n\
    \x20   return answer[1]\n";

fn python(house: &House, server: &Postrider, program: &str) -> String {
    let port = |service, tls| server.listener_with(service, tls).port().to_string();
    let ports = [
        server.smtp().port().to_string(),
        port("imap", "starttls"),
        port("imap", "implicit"),
        port("pop3", "starttls"),
        port("pop3", "implicit"),
    ];
    let mut command = Command::new("python3");
    command.arg("-c").arg(format!("{PYTHON}{program}")).arg(house.data().join("tls/ca.pem")).args(ports);
    let said = said(&mut command, b"");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said.out
}

#[test]
fn what_is_sent_is_read_by_imap_and_pop3_whoever_logs_in() {
    let house = House::dev();
    let server = house.start();
    let smtp = server.smtp().to_string();
    run("swaks", &["--server", &smtp, "--from", "me@example.com", "--to", "anna@example.org"], b"");
    python(
        &house,
        &server,
        "refused = smtplib.SMTP('127.0.0.1', smtp).sendmail('me@example.com', ['ben@example.org'], 'Subject: by smtplib\\n\\nHello!\\n')\n\
         assert refused == {}, refused\n",
    );
    eventually("both messages", SOON, || (house.caught().len() == 2).then_some(()));
    // In clear, by STARTTLS and under TLS; as anybody, also as somebody who wrote or was written to.
    let told = python(
        &house,
        &server,
        "def with_starttls():\n\
         \x20   box = imaplib.IMAP4('localhost', imap)\n\
         \x20   ok(box.starttls(context))\n\
         \x20   return box\n\
         ways = [('anna@example.org', lambda: imaplib.IMAP4('127.0.0.1', imap)), ('x', with_starttls),\n\
         \x20   ('me@example.com', lambda: imaplib.IMAP4_SSL('localhost', imaps, ssl_context=context))]\n\
         for login, connect in ways:\n\
         \x20   box = connect()\n\
         \x20   ok(box.login(login, 'any word of theirs'))\n\
         \x20   assert ok(box.select('INBOX')) == [b'2'], login\n\
         \x20   subjects = [part[1].decode() for part in ok(box.fetch('1:2', '(BODY.PEEK[HEADER.FIELDS (SUBJECT DELIVERED-TO)])')) if part != b')']\n\
         \x20   box.logout()\n\
         print(''.join(subjects))\n",
    );
    assert!(told.contains("Subject: test ") && told.contains("Delivered-To: anna@example.org"), "{told}");
    assert!(told.contains("Subject: by smtplib") && told.contains("Delivered-To: ben@example.org"), "{told}");
    let told = python(
        &house,
        &server,
        "for box in [poplib.POP3('127.0.0.1', pop3), poplib.POP3_SSL('localhost', pop3s, context=context)]:\n\
         \x20   box.user('nobody in particular')\n\
         \x20   box.pass_('x')\n\
         \x20   assert box.stat()[0] == 2\n\
         \x20   print(b'\\n'.join(box.retr(2)[1]).decode())\n\
         \x20   box.quit()\n",
    );
    assert_eq!(told.matches("Hello!").count(), 2, "{told}");
    let imap = server.listener_with("imap", "starttls");
    let read = run(
        "curl",
        &["--silent", "--user", "b:c", &format!("imap://{imap}/INBOX;MAILINDEX=2/;SECTION=TEXT")],
        b"",
    );
    assert_eq!(read.trim(), "Hello!");
    // What one does all see: there is one mailbox. And it stays.
    python(
        &house,
        &server,
        "box = imaplib.IMAP4('127.0.0.1', imap)\n\
         ok(box.login('one', 'x'))\n\
         ok(box.select('INBOX'))\n\
         ok(box.store('1', '+FLAGS', '(\\\\Deleted)'))\n\
         ok(box.expunge())\n\
         box.logout()\n",
    );
    server.stop();
    let server = house.start();
    let caught = house.caught();
    assert_eq!(caught.len(), 1);
    assert_eq!(caught[0].field("Subject").as_deref(), Some("by smtplib"));
    server.stop();
}

/// Nobody who updates looks for mail in a directory that is not used any more.
#[test]
fn mail_of_a_former_version_is_told_of_with_the_command_that_brings_it_in() {
    let house = House::new("");
    let server = house.start();
    server.client().mail("x@client.test", &["anna@here.test"], "Subject: former\r\n\r\nx\r\n").unwrap();
    house.maildir("anna@here.test").wait_for("Subject: former", SOON);
    server.stop();
    let by_file = fs::read_to_string(house.config()).unwrap();
    let keep =
        |local: &str| fs::write(house.config(), by_file.replace("local = \"maildir\"\n", local)).unwrap();

    keep("");
    let server = house.start();
    // The log of all runs.
    let told = |server: &Postrider| server.printed().matches("unread mail of a former version").count();
    assert_eq!(told(&server), 1, "{}", server.printed());
    let printed = server.printed();
    let command = printed.split('`').nth(1).unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(command.starts_with("postrider mailbox import anna@here.test "), "{command}");
    let said = said(Command::new(e2e::binary()).args(words), b"");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let listed = house.command(&["mailbox", "list", "anna@here.test", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed["mailboxes"][0]["messages"], 1, "{listed}");
    server.stop();

    keep("local = \"mailstore\"\n");
    let server = house.start();
    assert_eq!(told(&server), 1, "who has said where mail goes knows it: {}", server.printed());
    server.stop();
}
