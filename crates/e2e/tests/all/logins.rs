//! Logging in with the programs that people have: swaks, curl, smtplib, s-nail, msmtp with GNU SASL for SCRAM, and Postfix with Cyrus SASL.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{Authority, Client, House, Loopback, Postfix, Postrider, run, said};

const SOON: Duration = Duration::from_mins(1);
/// Submission under TLS before the greeting and by STARTTLS, and an account whose password stands in a file of its own.
const SUBMISSION: &str = "[[listener]]\nservice = \"submission\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\n\
    [[listener]]\nservice = \"submission\"\nbind = [\"127.0.0.1:0\"]\ntls = \"starttls\"\n\
    [[account]]\nlogin = \"carol@here.test\"\npassword = { file = \"carol.password\" }\n";
const LOGIN: &str = "carol@here.test";
const PASSWORD: &str = "correct horse";

/// A running server on which carol can log in, and its port for that.
fn submission() -> (Authority, House, Postrider, String) {
    submission_with("")
}

/// As [`submission`], with more in its configuration.
fn submission_with(more: &str) -> (Authority, House, Postrider, String) {
    let authority = Authority::new();
    let own = authority.issue("mx.here.test", "own");
    let house = House::new(&format!("{SUBMISSION}{}{more}", own.section()));
    let secret = house.path().join("carol.password");
    fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let server = house.start();
    let port = server.listener_with("submission", "implicit").port().to_string();
    (authority, house, server, port)
}

/// RFC 3848 in the trace, and the account in the event.
fn came_by_the_login(house: &House, subject: &str) {
    let mail = house.maildir("anna@here.test").wait_for(subject, SOON);
    let received = mail.field("Received").unwrap();
    assert!(received.contains("with ESMTPSA id "), "{received}");
    let id = mail.queue_id();
    house.wait_for_trace(&id, "accepted");
    let is_its = |event: &serde_json::Value| event["id"] == id.as_str() && event["account"] == LOGIN;
    assert!(house.events().iter().any(is_its), "{subject}");
}

fn swaks(port: &str, more: &[&str]) -> e2e::Said {
    let arguments =
        ["--server", "127.0.0.1", "--port", port, "--ehlo", "client.test", "--to", "anna@here.test"];
    said(Command::new("swaks").args(arguments).args(more), b"")
}

#[test]
fn swaks_logs_in_by_plain_and_by_login() {
    let (_authority, house, _server, port) = submission();
    for mechanism in ["PLAIN", "LOGIN"] {
        let subject = format!("by-{mechanism}");
        let header = format!("Subject: {subject}");
        let login =
            ["--tls-on-connect", "--auth", mechanism, "--auth-user", LOGIN, "--auth-password", PASSWORD];
        let said = swaks(&port, &[&login[..], &["--from", LOGIN, "--header", &header]].concat());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        came_by_the_login(&house, &subject);
    }
}

#[test]
fn who_does_not_log_in_or_is_another_is_refused() {
    let (_authority, house, _server, port) = submission();
    let wrong = ["--auth", "PLAIN", "--auth-user", LOGIN, "--auth-password", "wrong"];
    let right = ["--auth", "PLAIN", "--auth-user", LOGIN, "--auth-password", PASSWORD];
    for (login, from, reply) in [
        (&[][..], LOGIN, "530 5.7.0 Authentication required"),
        (&wrong, LOGIN, "535 5.7.8 Authentication credentials invalid"),
        (&right, "anna@here.test", "553 5.7.1 Sender address is not one of this login"),
    ] {
        let said = swaks(&port, &[&["--tls-on-connect", "--from", from], login].concat());
        assert_ne!(said.code, 0, "{}", said.out);
        assert!(format!("{}{}", said.out, said.err).contains(reply), "{reply}: {}{}", said.out, said.err);
    }
    assert!(house.queue().is_empty());
}

#[test]
fn msmtp_logs_in_by_scram() {
    let (authority, house, _server, port) = submission();
    let settings = house.path().join("msmtprc");
    fs::write(
        &settings,
        format!(
            "account default\nhost 127.0.0.1\nport {port}\ntls on\ntls_starttls off\ntls_trust_file {}\n\
             tls_host_override mx.here.test\nauth scram-sha-256\nuser {LOGIN}\npassword {PASSWORD}\nfrom {LOGIN}\n\
             domain client.test\n",
            authority.certificate().display()
        ),
    )
    .unwrap();
    fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
    let file = format!("--file={}", settings.display());
    run("msmtp", &[&file, "anna@here.test"], b"From: carol@here.test\nSubject: by-scram\n\nx\n");
    came_by_the_login(&house, "by-scram");
}

#[test]
fn curl_logs_in() {
    let (authority, house, _server, port) = submission();
    let (url, ca) = (format!("smtps://mx.here.test:{port}"), authority.certificate().display().to_string());
    let (resolve, user) = (format!("mx.here.test:{port}:127.0.0.1"), format!("{LOGIN}:{PASSWORD}"));
    let arguments = ["--silent", "--show-error", "--cacert", &ca, "--resolve", &resolve, "--user", &user];
    let rest = ["--url", &url, "--mail-from", LOGIN, "--mail-rcpt", "anna@here.test", "--upload-file", "-"];
    run(
        "curl",
        &[&arguments[..], &rest[..]].concat(),
        b"From: carol@here.test\r\nSubject: by-curl\r\n\r\nx\r\n",
    );
    came_by_the_login(&house, "by-curl");
}

#[test]
fn postfix_logs_in_as_a_client() {
    let (_authority, house, _server, port) = submission();
    let net = Loopback::claim();
    let settings = format!(
        "relayhost = [127.0.0.1]:{port}\nsmtp_tls_security_level = encrypt\nsmtp_tls_wrappermode = yes\n\
         smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n\
         smtp_sasl_password_maps = inline:{{ {{[127.0.0.1]:{port} = {LOGIN}:{PASSWORD}}} }}\n"
    );
    let postfix = Postfix::start(&net, 1, net.port(), &settings);
    let mut client = Client::connect(postfix.address());
    client.expect("EHLO client.test", 250);
    let text = "From: carol@here.test\r\nSubject: by-postfix\r\n\r\nx\r\n";
    let (code, reply) = client.mail(LOGIN, &["anna@here.test"], text).unwrap();
    assert_eq!(code, 250, "{reply}");
    came_by_the_login(&house, "by-postfix");
}

/// The clear port of submission is nobody's: RFC 4954 §4 lets a login begin under TLS only, and so do we.
#[test]
fn smtplib_logs_in_after_starttls_and_not_before() {
    let (authority, house, server, _) = submission();
    let port = server.listener_with("submission", "starttls").port().to_string();
    let script = "\
import smtplib, ssl, sys
_, ca, port, login, password = sys.argv
smtp = smtplib.SMTP('127.0.0.1', int(port), local_hostname='client.test')
smtp._host = 'mx.here.test'
smtp.ehlo()
assert not smtp.has_extn('auth'), smtp.esmtp_features
code, _ = smtp.docmd('AUTH', 'PLAIN AGEAYg==')
assert code == 538, code
smtp.starttls(context=ssl.create_default_context(cafile=ca))
smtp.login(login, password)
smtp.sendmail(login, ['anna@here.test'], f'From: {login}\\r\\nSubject: by-smtplib\\r\\n\\r\\nx\\r\\n')
smtp.quit()
";
    let ca = authority.certificate().display().to_string();
    run("python3", &["-c", script, &ca, &port, LOGIN, PASSWORD], b"");
    came_by_the_login(&house, "by-smtplib");
}

#[test]
fn s_nail_logs_in() {
    let (authority, house, _server, port) = submission();
    let (login, password) = (LOGIN.replace('@', "%40"), PASSWORD.replace(' ', "%20"));
    let mta = format!("mta=smtps://{login}:{password}@127.0.0.1:{port}");
    let ca = format!("tls-ca-file={}", authority.certificate().display());
    let from = format!("from={LOGIN}");
    let mut command = Command::new("s-nail");
    command.env("HOME", house.path()).env("DEAD", "/dev/null");
    command.args(["-:/", "-S", "v15-compat", "-S", &mta, "-S", "smtp-auth=login", "-S", "sendwait"]);
    // Its certificate is for a name, and s-nail was given an address.
    command.args(["-S", &ca, "-S", "tls-verify=ignore", "-S", &from, "-S", "hostname=client.test"]);
    command.args(["-s", "by-s-nail", "anna@here.test"]);
    let said = said(&mut command, b"x\n");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    came_by_the_login(&house, "by-s-nail");
}

#[test]
fn openssl_shows_what_is_offered_under_tls() {
    let (authority, _house, server, port) = submission();
    let starttls = server.listener_with("submission", "starttls").to_string();
    let implicit = format!("127.0.0.1:{port}");
    for (more, greeting) in [
        (&["-connect", &starttls, "-starttls", "smtp"][..], None),
        (&["-connect", &implicit], Some("220 mx.here.test ")),
    ] {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-crlf", "-verify_return_error"]);
        command.args(["-verify_hostname", "mx.here.test", "-CAfile"]).arg(authority.certificate()).args(more);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        if let Some(greeting) = greeting {
            let first = lines.next().unwrap();
            assert!(first.starts_with(greeting), "{first}");
        }
        input.write_all(b"EHLO client.test\n").unwrap();
        let offered = lines.find(|line| line.contains("AUTH ")).unwrap();
        assert!(offered.contains("SCRAM-SHA-256") && offered.contains("PLAIN"), "{offered}");
        input.write_all(b"QUIT\n").unwrap();
        assert_eq!(lines.last().unwrap(), "221 2.0.0 Bye");
        child.wait().unwrap();
    }
}

/// docs/design/accounts.md: the mail of a login that floods waits, whoever runs the server is told, and a command lets it go.
#[test]
fn a_login_that_floods_has_its_mail_held_until_somebody_lets_it_go() {
    let (_authority, house, _server, port) = submission_with("[quota]\nflood_recipients_min = 3\n");
    let login = ["--tls-on-connect", "--auth", "PLAIN", "--auth-user", LOGIN, "--auth-password", PASSWORD];
    for number in 1..=5 {
        let header = format!("Subject: flood-{number}");
        let said = swaks(&port, &[&login[..], &["--from", LOGIN, "--header", &header]].concat());
        assert_eq!(said.code, 0, "nothing is refused: {}{}", said.out, said.err);
    }
    let notice = house.maildir("anna@here.test").wait_for("has begun to send far more mail", SOON);
    assert_eq!(notice.field("Return-Path").as_deref(), Some("<>"));
    let held = e2e::eventually("two messages that wait alone", SOON, || {
        let queue = house.queue();
        (queue.len() == 2).then_some(queue)
    });
    for message in &held {
        let recipient = &message["recipients"][0];
        assert_eq!(recipient["state"], "held", "{message}");
        let why = recipient["last_reply"].as_str().unwrap();
        assert!(why.contains("this login sends far more than it used to"), "{why}");
    }
    let id = held[0]["id"].as_str().unwrap();
    let shown = house.command(&["queue", "show", id]).out;
    assert!(shown.contains("this login sends far more than it used to"), "{shown}");
    let subjects = || {
        let mails = house.maildir("anna@here.test").messages();
        let mut all: Vec<String> = mails.iter().filter_map(|mail| mail.field("Subject")).collect();
        all.retain(|subject| subject.starts_with("flood-"));
        all.sort();
        all
    };
    assert_eq!(subjects(), ["flood-1", "flood-2", "flood-3"]);
    let released = house.command(&["queue", "release", "--reason", "far more than"]);
    assert_eq!(released.code, 0, "{}", released.err);
    house.wait_for_empty_queue(SOON);
    assert_eq!(subjects(), ["flood-1", "flood-2", "flood-3", "flood-4", "flood-5"]);
}
