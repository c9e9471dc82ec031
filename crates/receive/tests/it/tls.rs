//! Sessions under TLS, with a client that speaks it.

use net::{Channel, Connector, Shutdown, TlsMode};
use receive::{Config, Entrance, Service};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    listeners::{bind, receiver},
    stage::{Machine, acceptor},
};

const WITHIN: std::time::Duration = std::time::Duration::from_mins(1);

/// The last line of a reply, and all of it.
async fn reply<S: AsyncRead + Unpin>(stream: &mut S) -> (String, String) {
    let mut whole = String::new();
    loop {
        let mut line = String::new();
        while !line.ends_with("\r\n") {
            line.push(char::from(stream.read_u8().await.unwrap()));
        }
        whole.push_str(&line);
        if line.as_bytes().get(3) == Some(&b' ') {
            return (line.trim_end().to_owned(), whole);
        }
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, line: &str) -> (String, String) {
    stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    reply(stream).await
}

/// A running service, and a connection to it.
async fn connected(tls: TlsMode, config: Config) -> (TcpStream, Machine) {
    connected_to(Service::Smtp, tls, config).await
}

async fn connected_to(service: Service, tls: TlsMode, config: Config) -> (TcpStream, Machine) {
    let (receiver, machine) = receiver(config);
    let (bound, address) = bind();
    let entrance = Entrance { service, tls, proxy: false };
    tokio::spawn(async move { receiver.serve(entrance, bound, Shutdown::never()).await });
    (TcpStream::connect(address).await.unwrap(), machine)
}

async fn under_tls(stream: TcpStream) -> Channel<TcpStream> {
    Connector::opportunistic().unwrap().connect("mx.example.org", stream, WITHIN).await.unwrap().0
}

async fn send_mail<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    for line in ["MAIL FROM:<>", "RCPT TO:<anna@example.org>", "DATA"] {
        let (last, _) = say(stream, line).await;
        assert!(last.starts_with(['2', '3']), "{line}: {last}");
    }
    let (last, _) = say(stream, "From: anna@example.org\r\nSubject: x\r\n\r\nx\r\n.").await;
    assert!(last.starts_with("250 2.0.0 Queued"), "{last}");
}

/// RFC 3848, RFC 8314 §4.3: the Received field, the envelope and the event say what was agreed on.
async fn is_told(machine: &Machine) {
    let envelope = machine.envelope().await.unwrap();
    let facts = envelope.client.tls.as_ref().unwrap();
    assert_eq!(&*facts.version, "TLSv1.3");
    let content = String::from_utf8(machine.content(false).await.unwrap()).unwrap();
    assert!(content.contains(" with ESMTPS id "), "{content}");
    assert!(content.contains(&format!(" tls {};", facts.cipher)), "{content}");
    let tls = format!("\"tls\":{{\"protocol\":\"TLSv1.3\",\"cipher\":\"{}\"}}", facts.cipher);
    machine.event(&tls).unwrap();
}

#[tokio::test]
async fn mail_that_came_over_starttls_says_so() {
    let (mut stream, machine) = connected(TlsMode::StartTls(acceptor()), Config::default()).await;
    assert!(reply(&mut stream).await.0.starts_with("220 "));
    assert!(say(&mut stream, "EHLO in-clear.example.net").await.1.contains("STARTTLS"));
    assert_eq!(say(&mut stream, "STARTTLS").await.0, "220 2.0.0 Ready to start TLS");
    let mut stream = under_tls(stream).await;
    assert_eq!(say(&mut stream, "MAIL FROM:<>").await.0, "503 5.5.1 Send HELO or EHLO first");
    assert!(!say(&mut stream, "EHLO client.example.net").await.1.contains("STARTTLS"));
    send_mail(&mut stream).await;
    is_told(&machine).await;
    assert_eq!(machine.envelope().await.unwrap().client.hello.as_deref(), Some("client.example.net"));
    assert_eq!(say(&mut stream, "QUIT").await.0, "221 2.0.0 Bye");
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

/// mail-rules 7: a login is neither offered nor taken in clear; under TLS it is, and the trace tells of it (RFC 3848).
#[tokio::test]
async fn who_submits_logs_in_under_tls_alone() {
    const AUTH: &str = "AUTH PLAIN AGFubmFAZXhhbXBsZS5vcmcAdGlnZXI=";
    let tls = TlsMode::StartTls(acceptor());
    let (mut stream, machine) = connected_to(Service::Submission, tls, Config::default()).await;
    assert!(reply(&mut stream).await.0.starts_with("220 "));
    assert!(!say(&mut stream, "EHLO client.example.net").await.1.contains("AUTH"));
    assert_eq!(say(&mut stream, AUTH).await.0, "538 5.7.11 Send STARTTLS first");
    assert_eq!(say(&mut stream, "MAIL FROM:<anna@example.org>").await.0, "530 5.7.0 Authentication required");
    say(&mut stream, "STARTTLS").await;
    let mut stream = under_tls(stream).await;
    assert!(
        say(&mut stream, "EHLO client.example.net")
            .await
            .1
            .contains("250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN")
    );
    assert_eq!(say(&mut stream, AUTH).await.0, "235 2.7.0 Authentication successful");
    assert_eq!(
        say(&mut stream, "MAIL FROM:<bob@example.org>").await.0,
        "553 5.7.1 Sender address is not one of this login"
    );
    send_mail(&mut stream).await;
    assert_eq!(machine.envelope().await.unwrap().account.as_deref(), Some("anna@example.org"));
    let content = String::from_utf8(machine.content(false).await.unwrap()).unwrap();
    assert!(content.contains(" with ESMTPSA id "), "{content}");
}

/// Keys cost us a derivation, so who asks for them again and again and proves nothing has failed as often.
#[tokio::test]
async fn who_asks_for_keys_and_proves_nothing_has_failed() {
    let config = Config { errors_max: 1000, ..Config::default() };
    let tls = TlsMode::StartTls(acceptor());
    let (mut stream, _machine) = connected_to(Service::Submission, tls, config).await;
    reply(&mut stream).await;
    say(&mut stream, "EHLO client.example.net").await;
    say(&mut stream, "STARTTLS").await;
    let mut stream = under_tls(stream).await;
    say(&mut stream, "EHLO client.example.net").await;
    let first = sasl::base64::encode(b"n,,n=anna@example.org,r=fyko+d2lbbFgONRv9qkxdawL");
    let mut asked = 0;
    let refused = loop {
        match say(&mut stream, &format!("AUTH SCRAM-SHA-256 {first}")).await.0 {
            challenge if challenge.starts_with("334 ") => asked += 1,
            other => break other,
        }
        assert!(asked < 30, "nobody counts");
        assert!(say(&mut stream, "*").await.0.starts_with("501 "));
    };
    assert!(refused.starts_with("454 4.7.0 "), "{refused}");
    assert!(asked > 20, "a few are forgiven: {asked}");
}

/// RFC 8314 §3.3: the client speaks first there, and is no early talker.
#[tokio::test]
async fn mail_that_came_over_implicit_tls_says_so() {
    let (stream, machine) = connected(TlsMode::Implicit(acceptor()), Config::default()).await;
    let mut stream = under_tls(stream).await;
    assert!(reply(&mut stream).await.0.starts_with("220 "));
    assert!(!say(&mut stream, "EHLO client.example.net").await.1.contains("STARTTLS"));
    send_mail(&mut stream).await;
    is_told(&machine).await;
}

#[tokio::test]
async fn a_client_over_the_limit_of_an_implicit_listener_is_told_nothing_in_clear() {
    let config = Config { sessions_max: 0, ..Config::default() };
    let (mut stream, _machine) = connected(TlsMode::Implicit(acceptor()), config).await;
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}
