//! Requests as clients write them, over connections in memory.

use std::time::Duration;

use autoconfig::{Security, Service};
use axum::Router;
use directory::Config as People;
use net::ShutdownSwitch;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::{Config, connection};

const OUTLOOK: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

fn directory(domains: &[&str]) -> Arc<Directory> {
    let named = |name: &&str| directory::DomainConfig { name: (*name).to_owned(), ..Default::default() };
    let account =
        |name: &&str| directory::AccountConfig { login: format!("anna@{name}"), ..Default::default() };
    let accounts = domains.iter().map(account).collect();
    let config = People { domains: domains.iter().map(named).collect(), accounts, ..People::default() };
    Arc::new(Directory::new(config).unwrap())
}

fn setup() -> ClientSetup {
    let endpoint = |service, security, port| Endpoint { service, security, port };
    let endpoints = vec![
        endpoint(Service::Imap, Security::Implicit, 993),
        endpoint(Service::Submission, Security::Implicit, 465),
    ];
    ClientSetup::new("mail.example.org", endpoints, Some(443), directory(&["example.org"]))
}

/// A connection to a server of these routes.
fn connect(router: Router, in_clear: bool, config: Config) -> (DuplexStream, ShutdownSwitch) {
    let (ours, theirs) = duplex(64 * 1024);
    let (switch, mut until) = ShutdownSwitch::new();
    tokio::spawn(async move { connection::serve(&config, &router, theirs, in_clear, &mut until).await });
    (ours, switch)
}

/// All that is answered until the server closes.
async fn rest(mut stream: DuplexStream) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

async fn ask_of(setup: &ClientSetup, in_clear: bool, request: &str) -> String {
    let (mut stream, _switch) = connect(router(setup.clone()), in_clear, Config::default());
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(stream).await
}

async fn ask(request: &str) -> String {
    ask_of(&setup(), false, request).await
}

async fn get(target: &str) -> String {
    ask(&format!("GET {target} HTTP/1.1\r\nHost: autoconfig.example.org\r\nConnection: close\r\n\r\n")).await
}

fn posted(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: autodiscover.example.org\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn discovering(address: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><Autodiscover><Request><EMailAddress>{address}</EMailAddress>\
         <AcceptableResponseSchema>{OUTLOOK}</AcceptableResponseSchema></Request></Autodiscover>"
    )
}

fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer}"))
}

/// Without what says when it was.
fn undated(answer: &str) -> String {
    answer.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn thunderbird_is_told_by_the_address_or_by_the_host() {
    let answer = get("/mail/config-v1.1.xml?emailaddress=anna%40example.org").await;
    assert_eq!(status(&answer), 200, "{answer}");
    for part in [
        "content-type: text/xml; charset=utf-8\r\n",
        "cache-control: public, max-age=3600\r\n",
        "x-content-type-options: nosniff\r\n",
        "<emailProvider id=\"example.org\">",
        "<hostname>mail.example.org</hostname>",
        "<port>993</port>",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    for same in [
        "/mail/config-v1.1.xml",
        "/mail/config-v1.1.xml?emailaddress=",
        "/mail/config-v1.1.xml?emailaddress=%25EMAILADDRESS%25",
        "/mail/config-v1.1.xml?emailaddress=nobody+tag@EXAMPLE.org&more=1",
        "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=b%40example.org",
    ] {
        assert_eq!(undated(&get(same).await), undated(&answer), "{same}");
    }
    let head =
        ask("HEAD /mail/config-v1.1.xml HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n").await;
    assert!(status(&head) == 200 && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn outlook_is_told_in_any_case_of_the_path() {
    let answer = ask(&posted("/autodiscover/autodiscover.xml", &discovering("anna@example.org"))).await;
    assert_eq!(status(&answer), 200, "{answer}");
    for part in [
        "content-type: text/xml; charset=utf-8\r\n",
        "cache-control: no-store\r\n",
        "<LoginName>anna@example.org</LoginName>",
        "<Port>465</Port>",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    for path in ["/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.XML?x=1"] {
        let other = ask(&posted(path, &discovering("anna@example.org"))).await;
        assert_eq!(undated(&other), undated(&answer), "{path}");
    }
}

#[tokio::test]
async fn outlook_is_sent_from_http_to_https() {
    let request = "GET /AUTODISCOVER/autodiscover.xml HTTP/1.1\r\nHost: autodiscover.example.org\r\nConnection: close\r\n\r\n";
    let answer = ask_of(&setup(), true, request).await;
    assert_eq!(status(&answer), 302, "{answer}");
    let place = "location: https://mail.example.org/autodiscover/autodiscover.xml\r\n";
    assert!(answer.contains(place), "{answer}");
    let under_tls = ask_of(&setup(), false, request).await;
    assert!(status(&under_tls) == 405 && under_tls.contains("allow: POST\r\n"), "{under_tls}");
    let without = ClientSetup::new("mail.example.org", Vec::new(), None, directory(&["example.org"]));
    assert_eq!(status(&ask_of(&without, true, request).await), 405);
}

#[tokio::test]
async fn apple_gets_a_profile() {
    let answer = get("/mail/apple.mobileconfig?emailaddress=anna%40example.org").await;
    assert_eq!(status(&answer), 200, "{answer}");
    for part in [
        "content-type: application/x-apple-aspen-config\r\n",
        "content-disposition: attachment; filename=\"example.org.mobileconfig\"\r\n",
        "cache-control: no-store\r\n",
        "<string>anna@example.org</string>",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    assert_eq!(status(&get("/mail/apple.mobileconfig").await), 400);
}

#[tokio::test]
async fn nothing_is_told_of_domains_that_are_not_ours() {
    for target in [
        "/mail/config-v1.1.xml?emailaddress=anna%40example.net",
        "/mail/config-v1.1.xml?emailaddress=anna",
        "/mail/config-v1.1.xml?emailaddress=anna%40example.org%00",
        "/mail/apple.mobileconfig?emailaddress=anna%40example.net",
        "/mail/config-v1.1.xml/",
        "/mail/../mail/config-v1.1.xml",
        "/mail/%2e%2e/mail/config-v1.1.xml",
        "//mail/config-v1.1.xml",
        "/.well-known/acme-challenge/token",
        "/",
    ] {
        let answer = get(target).await;
        assert_eq!(status(&answer), 404, "{target}: {answer}");
        assert!(!answer.contains("mail.example.org"), "{answer}");
    }
    let foreign = posted("/autodiscover/autodiscover.xml", &discovering("anna@example.net"));
    assert_eq!(status(&ask(&foreign).await), 404);
    let host =
        "GET /mail/config-v1.1.xml HTTP/1.1\r\nHost: autoconfig.example.net\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&ask(host).await), 404);
    // A server that only takes mail has nothing to tell.
    let dumb = ClientSetup::new("mail.example.org", Vec::new(), None, directory(&["example.org"]));
    let own = "GET /mail/config-v1.1.xml HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&ask_of(&dumb, false, own).await), 404);
}

#[tokio::test]
async fn other_domains_are_told_of_at_once() {
    let setup = setup();
    let request =
        "GET /mail/config-v1.1.xml HTTP/1.1\r\nHost: autoconfig.example.net\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&ask_of(&setup, false, request).await), 404);
    setup.change_directory(directory(&["example.net"]));
    assert_eq!(status(&ask_of(&setup, false, request).await), 200);
}

#[tokio::test]
async fn an_address_cannot_write_into_a_document() {
    let quoted = "%22%3C%2Fstring%3E%3Ckey%3Ex%3C%2Fkey%3E%22%40example.org";
    let answer = get(&format!("/mail/apple.mobileconfig?emailaddress={quoted}")).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(!answer.contains("<key>x</key>") && answer.contains("&lt;key&gt;x"), "{answer}");
    let escaped = discovering("&quot;&lt;/LoginName&gt;&quot;@example.org");
    let answer = ask(&posted("/autodiscover/autodiscover.xml", &escaped)).await;
    assert!(status(&answer) == 200 && answer.contains("&lt;/LoginName&gt;"), "{answer}");
}

#[tokio::test]
async fn what_is_no_question_gets_the_error_of_the_protocol() {
    let bomb = "<!DOCTYPE a [<!ENTITY a \"anna\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let file = "<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>";
    for body in [
        String::new(),
        "<EMailAddress>".repeat(500),
        format!("{bomb}{}", discovering("&b;@example.org")),
        format!("{file}{}", discovering("&f;@example.org")),
        discovering("anna"),
        "{\"EMailAddress\": \"anna@example.org\"}".to_owned(),
    ] {
        let answer = ask(&posted("/autodiscover/autodiscover.xml", &body)).await;
        assert!(status(&answer) == 200 && answer.contains("<ErrorCode>600</ErrorCode>"), "{body}: {answer}");
        assert!(!answer.contains("root:"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let body = discovering(&format!("{}@example.org", "a".repeat(9000)));
    assert_eq!(status(&ask(&posted("/autodiscover/autodiscover.xml", &body)).await), 413);
    let chunked = format!(
        "POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert_eq!(status(&ask(&chunked).await), 413);
    let long = get(&format!("/mail/config-v1.1.xml?emailaddress={}", "a".repeat(20_000))).await;
    assert!([414, 431].contains(&status(&long)), "{long}");
    let fields = "X: y\r\n".repeat(65);
    assert_eq!(status(&ask(&format!("GET / HTTP/1.1\r\n{fields}\r\n")).await), 431);
    assert_eq!(status(&get("/mail/config-v1.1.xml?emailaddress=a&emailaddress=b").await), 400);
}

#[tokio::test]
async fn only_what_a_place_is_for_can_be_done_there() {
    for (method, path) in [
        ("POST", "/mail/config-v1.1.xml"),
        ("PUT", "/mail/config-v1.1.xml"),
        ("DELETE", "/autodiscover/autodiscover.xml"),
        ("OPTIONS", "/mail/apple.mobileconfig"),
    ] {
        let answer = ask(&format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).await;
        assert!(status(&answer) == 405 && answer.contains("allow: "), "{method} {path}: {answer}");
    }
    assert_eq!(status(&ask("hello\r\n\r\n").await), 400);
}

#[tokio::test]
async fn one_connection_may_ask_several_times() {
    let (mut stream, _switch) = connect(router(setup()), true, Config::default());
    let request = "GET /mail/config-v1.1.xml HTTP/1.1\r\nHost: example.org\r\n\r\n";
    stream.write_all(request.repeat(2).as_bytes()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let text = rest(stream).await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_has_no_answer() {
    let config = Config::default();
    let began = tokio::time::Instant::now();
    let (mut silent, _one) = connect(router(setup()), true, config.clone());
    silent.write_all(b"GET / HT").await.unwrap();
    let answer = rest(silent).await;
    assert!(answer.is_empty() || status(&answer) == 408, "{answer}");
    assert_eq!(began.elapsed().as_secs(), config.head_timeout.as_secs());
    let (mut slow, _two) = connect(router(setup()), true, config.clone());
    slow.write_all(b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n<")
        .await
        .unwrap();
    assert_eq!(status(&rest(slow).await), 408);
    assert!(began.elapsed() < config.head_timeout + config.request_timeout + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_however_much_is_asked_and_when_the_server_stops() {
    let config = Config { connection_timeout: Duration::from_mins(1), ..Config::default() };
    let (mut busy, _switch) = connect(router(setup()), true, config);
    let ends = tokio::time::Instant::now() + Duration::from_mins(1);
    let mut asked = 0;
    while busy.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.is_ok() && asked < 100 {
        asked += 1;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!((10..14).contains(&asked), "{asked}");
    assert!(tokio::time::Instant::now() >= ends);
    let (idle, switch) = connect(router(setup()), true, Config::default());
    let before = tokio::time::Instant::now();
    switch.press();
    assert_eq!(rest(idle).await, "");
    assert!(before.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn challenges_are_answered_while_they_are_open() {
    let answers = |token: &str| (token == "open").then(|| "open.thumb".to_owned());
    let routes = router(setup()).merge(crate::challenges::router(Arc::new(answers)));
    for (token, expected) in
        [("open", 200), ("other", 404), ("open/", 404), ("%6Fpen", 200), ("..%2Fopen", 404)]
    {
        let (mut stream, _switch) = connect(routes.clone(), true, Config::default());
        let request = format!(
            "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(stream).await;
        assert_eq!(status(&answer), expected, "{token}: {answer}");
        assert_eq!(answer.ends_with("open.thumb"), expected == 200, "{answer}");
    }
}
