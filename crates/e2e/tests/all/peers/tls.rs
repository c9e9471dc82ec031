//! Postfix as a peer over TLS, both ways, and peers whose TLS is broken.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
};

use e2e::{Authority, Client, House, Loopback, Postfix, World};

use super::SOON;

const MX: &str = "peer MX 10 mx.peer\nmx.peer A @1\n";
const RETRY: &str = "retry = [\"1s\"]";

/// The settings by which Postfix answers under TLS, at this level.
fn smtpd(authority: &Authority, level: &str) -> String {
    let pair = authority.issue("mx.peer.test", "peer");
    format!(
        "smtpd_tls_security_level = {level}\nsmtpd_tls_received_header = yes\nsmtpd_tls_loglevel = 1\n\
         smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n",
        pair.certificate.display(),
        pair.key.display()
    )
}

#[test]
fn postfix_sends_to_us_over_tls() {
    let authority = Authority::new();
    let house = House::new(&authority.issue("mx.here.test", "own").section());
    let server = house.start();
    let net = Loopback::claim();
    let port = net.port();
    for (host, level) in [(1, "may"), (2, "encrypt")] {
        let settings = format!(
            "relayhost = [127.0.0.1]:{}\nsmtp_tls_security_level = {level}\nsmtp_tls_loglevel = 1\n",
            server.smtp().port()
        );
        let postfix = Postfix::start(&net, host, port, &settings);
        let mut client = Client::connect(postfix.address());
        client.expect("EHLO client.test", 250);
        let text = format!("From: a@client.test\r\nSubject: level-{level}\r\n\r\nx\r\n");
        let (code, reply) = client.mail("a@client.test", &["anna@here.test"], &text).unwrap();
        assert_eq!(code, 250, "{reply}");
        let mail = house.maildir("anna@here.test").wait_for(&format!("level-{level}"), SOON);
        let received = mail.field("Received").unwrap();
        assert!(received.contains("with ESMTPS id ") && received.contains("tls TLS_"), "{received}");
        postfix.wait_for_log(&["TLS connection established to"]);
    }
}

#[test]
fn we_send_to_postfix_over_tls() {
    for level in ["may", "encrypt"] {
        let (authority, mut world) = (Authority::new(), World::new(MX, RETRY));
        let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(&authority, level));
        let id = world.send(&["x@peer.test"], "over-tls");
        let mail = postfix.maildir().wait_for("over-tls", SOON);
        assert!(mail.contains("(using TLSv1.3 with cipher"), "{level}: {}", mail.text());
        let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
        assert_eq!(event["tls"]["protocol"], "TLSv1.3", "{event}");
        assert_eq!(event["tls"]["verified"], false, "{event}");
        assert!(event["tls"]["cipher"].as_str().unwrap().starts_with("TLS_"), "{event}");
        world.stop();
    }
}

/// A second message to a host, over a connection of its own, resumes the session of the first.
#[test]
fn a_session_with_postfix_is_resumed() {
    let (authority, mut world) = (Authority::new(), World::new(MX, RETRY));
    let settings = smtpd(&authority, "may").replace("loglevel = 1", "loglevel = 2");
    let postfix = Postfix::start(&world.net, 1, world.port, &settings);
    world.send(&["x@peer.test"], "first");
    postfix.maildir().wait_for("first", SOON);
    world.house.wait_for_empty_queue(SOON);
    // It is kept for some seconds.
    e2e::eventually("the first session to end", SOON, || postfix.log().contains("starttls=1").then_some(()));
    world.send(&["x@peer.test"], "second");
    postfix.maildir().wait_for("second", SOON);
    postfix.wait_for_log(&["Reusing old session"]);
    world.stop();
}

/// A host that says that it has TLS and cannot do it gets its mail in clear, and the event tells.
#[test]
fn a_host_with_broken_tls_gets_its_mail_in_clear() {
    let offers = "250-sink.test\r\n250-PIPELINING\r\n250 STARTTLS";
    for (said, told) in [("454 4.7.0 Not now", false), ("502 5.5.1 What", false), ("220 Go ahead", true)] {
        let world = World::new(MX, RETRY);
        let sink = world.scripted(1, move |line| match line.get(..4).unwrap_or(line) {
            "EHLO" => Some(offers.to_owned()),
            "STAR" => Some(said.to_owned()),
            _ => None,
        });
        let id = world.send(&["x@peer.test"], "in-clear");
        sink.wait_for("x@peer.test", SOON);
        let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
        assert_eq!(event["attempt"], 1, "{event}");
        assert_eq!(event["tls"]["failure"].is_string(), told, "{said}: {event}");
    }
}

/// A host that answers STARTTLS with 220 and then with `octets`, and closes; without STARTTLS it takes mail. Returns with the first
/// message.
fn breaks_off(listener: &TcpListener, octets: &[u8]) -> usize {
    let mut broken = 0;
    loop {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let say = |text: &[u8]| (&stream).write_all(text).unwrap();
        say(b"220 mx.peer.test\r\n");
        let (mut line, mut content) = (String::new(), false);
        while {
            line.clear();
            lines.read_line(&mut line).unwrap_or(0) > 0
        } {
            match line.get(..4).unwrap_or(&line) {
                ".\r\n" => {
                    say(b"250 2.0.0 Ok\r\n");
                    return broken;
                }
                _ if content => {}
                "EHLO" => say(b"250-mx.peer.test\r\n250 STARTTLS\r\n"),
                "DATA" => {
                    say(b"354 Go ahead\r\n");
                    content = true;
                }
                "STAR" => {
                    say(b"220 Go ahead\r\n");
                    // The beginning of a ClientHello.
                    lines.fill_buf().unwrap();
                    say(octets);
                    broken += 1;
                    break;
                }
                _ => say(b"250 2.0.0 Ok\r\n"),
            }
        }
    }
}

/// mail-rules 19: whatever a handshake fails by, the mail goes, and the event says by what it failed.
#[test]
fn a_host_whose_handshake_fails_gets_its_mail_in_clear_and_the_event_says_why() {
    const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
    for (octets, told) in
        [(&b""[..], ""), (b"500 5.5.1 What?\r\n", ""), (ALERT, "handshake_failure"), (&[0; 64], "")]
    {
        let world = World::new(MX, RETRY);
        let listener = TcpListener::bind((world.net.host(1), world.port)).unwrap();
        let id = world.send(&["x@peer.test"], "in-clear");
        assert_eq!(breaks_off(&listener, octets), 1, "one attempt under TLS");
        let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
        let failure = event["tls"]["failure"].as_str().unwrap_or_else(|| panic!("{octets:?}: {event}"));
        assert!(!failure.is_empty() && failure.contains(told), "{octets:?}: {failure}");
        assert_eq!(event["attempt"], 1, "{event}");
    }
}

/// A Postfix that knows nothing newer than TLS 1.1.
#[test]
fn a_postfix_with_old_tls_alone_gets_its_mail_in_clear() {
    let (authority, mut world) = (Authority::new(), World::new(MX, RETRY));
    let old = "smtpd_tls_protocols = !TLSv1.2, !TLSv1.3\ntls_medium_cipherlist = ALL:@SECLEVEL=0\n";
    let postfix = Postfix::start(&world.net, 1, world.port, &format!("{}{old}", smtpd(&authority, "may")));
    let id = world.send(&["x@peer.test"], "old-tls");
    let mail = postfix.maildir().wait_for("old-tls", SOON);
    assert!(!mail.contains("(using TLS"), "{}", mail.text());
    let event = world.house.wait_for_event(&id, "delivered", "x@peer.test");
    assert!(event["tls"]["failure"].is_string(), "{event}");
    world.stop();
}

#[test]
fn tls_can_be_turned_off() {
    let authority = Authority::new();
    let mut world = World::with(MX, RETRY, "");
    let text = std::fs::read_to_string(world.house.config()).unwrap();
    std::fs::write(world.house.config(), text.replace("[deliver]\n", "[deliver]\ntls = \"none\"\n")).unwrap();
    let reloaded = world.house.command(&["config", "reload"]);
    assert_eq!(reloaded.out, "reloaded; changed: deliver.tls\n", "{}", reloaded.err);
    let postfix = Postfix::start(&world.net, 1, world.port, &smtpd(&authority, "may"));
    world.send(&["x@peer.test"], "in-clear");
    let mail = postfix.maildir().wait_for("in-clear", SOON);
    assert!(!mail.contains("(using TLS"), "{}", mail.text());
    world.stop();
}
