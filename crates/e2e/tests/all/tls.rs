//! TLS as other programs speak it with us.

use std::process::Command;
use std::time::Duration;

use e2e::{Authority, Client, House, Postrider, Said, run, said};

const SOON: Duration = Duration::from_mins(1);
/// Under TLS before the greeting, as on port 465.
const IMPLICIT: &str =
    "[[listener]]\nservice = \"submission\"\nbind = [\"127.0.0.1:0\"]\ntls = \"implicit\"\n";

/// A server with a certificate for its name, by STARTTLS on its first listener and at once on its second.
fn certified(more: &str) -> (Authority, House, Postrider) {
    let authority = Authority::new();
    let own = authority.issue("mx.here.test", "own");
    let house = House::new(&format!("{IMPLICIT}{}{more}", own.section()));
    let server = house.start();
    (authority, house, server)
}

/// A handshake of openssl's that verifies us as this host.
fn openssl(authority: &Authority, to: std::net::SocketAddr, host: &str, more: &[&str]) -> Said {
    let (ca, to) = (authority.certificate().display().to_string(), to.to_string());
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &to, "-servername", host, "-verify_hostname", host]);
    command.args(["-CAfile", &ca, "-verify_return_error", "-crlf"]).args(more);
    // In small letters, for a capital Q is a word to openssl itself.
    said(&mut command, b"noop\nquit\n")
}

#[test]
fn openssl_speaks_to_us_by_starttls_and_before_the_greeting() {
    let (authority, _house, server) = certified("");
    for version in ["-tls1_2", "-tls1_3"] {
        let more = ["-starttls", "smtp", "-ign_eof", version];
        let said = openssl(&authority, server.smtp(), "mx.here.test", &more);
        assert_eq!(said.code, 0, "{version}: {}{}", said.out, said.err);
        let (_, under_tls) = said.out.split_once("Verification: OK").unwrap();
        assert!(
            under_tls.contains("250 2.0.0 Ok") && under_tls.contains("221 2.0.0 Bye"),
            "{version}: {}",
            said.out
        );
        let said = openssl(&authority, server.listener("submission"), "mx.here.test", &[version]);
        assert_eq!(said.code, 0, "{version}: {}{}", said.out, said.err);
        assert!(said.out.contains("Verification: OK"), "{version}: {}", said.out);
    }
}

/// CVE-2011-0411, by a client that pipelines what a man in the middle would put in.
#[test]
fn starttls_injection() {
    let (_authority, house, server) = certified("");
    let mut client = server.client();
    let injected = "STARTTLS\r\nMAIL FROM:<evil@client.test>\r\nRCPT TO:<anna@here.test>\r\nDATA\r\n";
    client.send(injected.as_bytes()).unwrap();
    let (code, text) = client.reply().unwrap();
    assert_eq!(code, 554, "{text}");
    assert!(client.reply().is_err(), "the session goes on");
    assert!(house.queue().is_empty());
}

/// ALPACA: whoever is led here by mistake says what he wants by ALPN.
#[test]
fn a_client_of_another_protocol_is_refused_by_alpn() {
    let (authority, _house, server) = certified("");
    let alpn =
        |protocol| openssl(&authority, server.listener("submission"), "mx.here.test", &["-alpn", protocol]);
    let refused = alpn("http/1.1");
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(refused.err.contains("no application protocol"), "{}", refused.err);
    let welcome = alpn("http/1.1,smtp");
    assert_eq!(welcome.code, 0, "{}{}", welcome.out, welcome.err);
    assert!(welcome.out.contains("ALPN protocol: smtp"), "{}", welcome.out);
    e2e::eventually("the log to tell of it", SOON, || {
        server.printed().contains("no_application_protocol").then_some(())
    });
}

#[test]
fn each_host_name_has_its_own_certificate() {
    let authority = Authority::new();
    let sections: String =
        ["mx.here.test", "mx.there.test"].map(|host| authority.issue(host, host).section()).concat();
    let house = House::new(&format!("{IMPLICIT}{sections}"));
    let server = house.start();
    for (host, known) in [("mx.here.test", true), ("mx.there.test", true), ("mx.elsewhere.test", false)] {
        let said = openssl(&authority, server.listener("submission"), host, &[]);
        assert_eq!(said.code == 0, known, "{host}: {}{}", said.out, said.err);
    }
    // No name at all gets the first.
    let to = server.listener("submission").to_string();
    let shown = said(Command::new("openssl").args(["s_client", "-noservername", "-connect", &to]), b"");
    assert!(
        shown.out.contains("CN = mx.here.test") || shown.out.contains("CN=mx.here.test"),
        "{}",
        shown.out
    );
}

/// Opens a session under TLS, puts other files in the place of the certificate's, has the server reload, opens another one, and says
/// whether the first goes on and the second sees what is new.
const RENEWAL: &str = r"
import os, smtplib, ssl, subprocess, sys
port, ca, certificate, key, reload = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]
def session():
    s = smtplib.SMTP('127.0.0.1', port, local_hostname='client.test')
    s._host = 'mx.here.test'
    s.starttls(context=ssl.create_default_context(cafile=ca))
    s.ehlo()
    return s, s.sock.getpeercert(binary_form=True)
first, before = session()
os.replace(certificate + '.new', certificate)
os.replace(key + '.new', key)
print(subprocess.run(reload, check=True, capture_output=True, text=True).stdout, end='')
second, after = session()
print('renewed' if before != after else 'the same')
print(first.noop()[0], second.noop()[0])
";

#[test]
fn a_renewed_certificate_is_taken_up_without_dropping_a_session() {
    let (authority, house, server) = certified("");
    let (own, new) = (authority.issue("mx.here.test", "own"), authority.issue("mx.here.test", "new"));
    // What the server runs with is what it read; now the files are others, and then others again.
    for (from, to) in [(&new.certificate, &own.certificate), (&new.key, &own.key)] {
        std::fs::rename(from, format!("{}.new", to.display())).unwrap();
    }
    let text = |path: &std::path::Path| path.display().to_string();
    let (port, binary) = (server.smtp().port().to_string(), text(&e2e::binary()));
    let told = run(
        "python3",
        &[
            "-c",
            RENEWAL,
            &port,
            &text(&authority.certificate()),
            &text(&own.certificate),
            &text(&own.key),
            &binary,
            "config",
            "reload",
            "--config",
            &text(&house.config()),
        ],
        b"",
    );
    assert_eq!(told, "reloaded; changed: tls.certificate\nrenewed\n250 250\n");
}

#[test]
fn a_mail_over_tls_says_so_in_its_received_field_and_its_event() {
    let (authority, house, server) = certified("");
    let program = "import smtplib, ssl, sys\n\
        s = smtplib.SMTP('127.0.0.1', int(sys.argv[1]), local_hostname='client.test')\n\
        s._host = 'mx.here.test'\n\
        s.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))\n\
        s.sendmail('a@client.test', ['anna@here.test'], 'Subject: by TLS\\n\\nx\\n')\n\
        s.quit()\n";
    let (port, ca) = (server.smtp().port().to_string(), authority.certificate().display().to_string());
    run("python3", &["-c", program, &port, &ca], b"");
    let mail = house.maildir("anna@here.test").wait_for("by TLS", SOON);
    let received = mail.field("Received").unwrap();
    assert!(received.contains("with ESMTPS id ") && received.contains("tls TLS_"), "{received}");
    let id = mail.queue_id();
    let told = house.wait_for_trace(&id, "accepted");
    assert!(
        house
            .events()
            .iter()
            .any(|event| event["id"] == id.as_str() && event["tls"]["protocol"] == "TLSv1.3"),
        "{told}"
    );
}

#[test]
fn swaks_sends_over_tls() {
    let (_authority, house, server) = certified("[receive]\ntrusted_networks = [\"127.0.0.1/32\"]\n");
    for (to, how, subject) in [
        (server.smtp(), "--tls", "by-starttls"),
        (server.listener("submission"), "--tls-on-connect", "by-implicit-tls"),
    ] {
        let (port, header) = (to.port().to_string(), format!("Subject: {subject}"));
        let arguments = ["--server", "127.0.0.1", "--port", &port, how, "--ehlo", "client.test"];
        let rest = ["--from", "a@client.test", "--to", "anna@here.test", "--header", &header];
        run("swaks", &[&arguments[..], &rest[..]].concat(), b"");
        let mail = house.maildir("anna@here.test").wait_for(subject, SOON);
        assert!(mail.field("Received").unwrap().contains("with ESMTPS"), "{}", mail.text());
    }
}

#[test]
fn dev_has_a_certificate_of_its_own_and_says_whom_to_trust() {
    let house = House::dev();
    let server = house.start();
    let ca = house.data().join("tls/ca.pem");
    e2e::eventually("the file to trust", SOON, || {
        server.printed().contains(&ca.display().to_string()).then_some(())
    });
    let ca = ca.display().to_string();
    for (scheme, tls) in [("smtp", "starttls"), ("smtps", "implicit")] {
        let url = format!("{scheme}://localhost:{}", server.listener_with("submission", tls).port());
        let (from, subject) =
            (format!("{tls}@client.test"), format!("From: {tls}@client.test\r\nSubject: {tls}\r\n\r\nx\r\n"));
        let arguments =
            ["--silent", "--show-error", "--ssl-reqd", "--cacert", &ca, "--url", &url, "--user", "any:word"];
        let rest = ["--mail-from", &from, "--mail-rcpt", "b@anywhere.test", "--upload-file", "-", "--ipv4"];
        run("curl", &[&arguments[..], &rest[..]].concat(), subject.as_bytes());
        let mail = e2e::eventually("the mail", SOON, || {
            house.caught().into_iter().find(|mail| mail.field("Subject").as_deref() == Some(tls))
        });
        assert!(mail.field("Received").unwrap().contains("with ESMTPSA"), "{}", mail.text());
    }
}

/// Much of what sends mail uses STARTTLS wherever it is offered, and then wants a certificate that it knows: the port that everybody tries
/// first must take their mail as it is.
#[test]
fn dev_offers_no_tls_where_nobody_asked_for_it() {
    let house = House::dev();
    let server = house.start();
    let extensions = Client::connect(server.listener("dev")).expect("EHLO client.test", 250);
    assert!(!extensions.contains("STARTTLS"), "{extensions}");
}

/// A handshake that fails costs its session and nothing more.
#[test]
fn a_failed_handshake_is_told_and_the_next_client_is_served() {
    let (_authority, _house, server) = certified("");
    let mut client = server.client();
    client.expect("STARTTLS", 220);
    client.send(b"this is no handshake\r\n").unwrap();
    e2e::eventually("the log to tell of it", SOON, || {
        server.printed().contains("TLS handshake failed").then_some(())
    });
    let mut client = Client::connect(server.smtp());
    client.expect("EHLO client.test", 250);
}

/// The operator hears of a certificate that will not do, with its place, before a port is open.
#[test]
fn a_key_that_does_not_fit_stops_the_start() {
    let authority = Authority::new();
    let (mut own, other) = (authority.issue("mx.here.test", "own"), authority.issue("mx.here.test", "other"));
    own.key = other.key;
    let house = House::new(&own.section());
    let checked = house.command(&["config", "check"]);
    assert_eq!(checked.code, 2, "{}", checked.out);
    assert!(checked.err.contains("the key is not that of the certificate"), "{}", checked.err);
    assert!(checked.err.contains("postrider.toml:18:8"), "{}", checked.err);
}
