//! Certificates by ACME from an authority that limits, says when to renew, or makes no sense.

use std::process::Command;
use std::time::Duration;

use e2e::{FakeAcme, House, Loopback, Postrider, eventually, said};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_mins(1);

fn house(authority: &FakeAcme) -> House {
    House::new(&format!(
        "[tls.acme]\nagree_to_terms = true\ndirectory = \"{}\"\nca_file = \"{}\"\nbind = [\"127.0.0.1:0\"]\n",
        authority.directory(),
        authority.ca_file().display()
    ))
}

/// What the log says of failures.
fn failures(server: &Postrider) -> Vec<String> {
    let printed = server.printed();
    printed.lines().filter(|line| line.contains("no new certificate: ")).map(str::to_owned).collect()
}

fn orders(authority: &FakeAcme) -> Vec<Value> {
    let requests = authority.requests().into_iter();
    requests
        .filter(|request| request.get("path").is_some_and(|path| path == "/order-new"))
        .filter_map(|request| request.get("payload").cloned())
        .collect()
}

fn starttls_works(server: &Postrider) {
    let to = server.smtp().to_string();
    let shown =
        said(Command::new("openssl").args(["s_client", "-starttls", "smtp", "-connect", &to]), b"quit\n");
    assert_eq!(shown.code, 0, "{}", shown.err);
}

/// RFC 9773: a window that is over means now, and the order names what it replaces.
#[test]
fn an_authority_says_when_to_renew() {
    let window = json!(["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]);
    let net = Loopback::claim();
    // An eighth of this lifetime is the least time between two renewals, and two thirds would be far longer.
    let authority =
        FakeAcme::start(&net, &json!({ "lifetime": 75, "window": window, "refuses_replaces": true }));
    let house = house(&authority);
    let server = house.start();
    let all = eventually("a renewal", SOON, || Some(orders(&authority)).filter(|orders| orders.len() >= 3));
    assert!(server.printed().contains("the authority says when to renew"), "{}", server.printed());
    let asked = authority
        .requests()
        .into_iter()
        .find_map(|request| request["path"].as_str()?.strip_prefix("/ari/").map(str::to_owned));
    let asked = asked.unwrap();
    assert!(
        asked.split_once('.').is_some_and(|(key, serial)| !key.is_empty() && !serial.is_empty()),
        "{asked}"
    );
    let replaces = |order: &Value| order["replaces"].as_str().map(str::to_owned);
    // The first replaces nothing; the second says what, and as that is refused, the third is without.
    assert_eq!([0, 1, 2].map(|at| replaces(&all[at])), [None, Some(asked), None]);
    eventually("the renewed certificate", SOON, || {
        (server.printed().matches("certificate obtained").count() >= 2).then_some(())
    });
    assert_eq!(failures(&server), [""; 0]);
    let status = house.command(&["status", "--json"]);
    assert_eq!(status.code, 0, "{}", status.err);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(
        (&status["certificate"]["certified"], &status["certificate"]["failures"]),
        (&json!(true), &json!(0))
    );
}

/// RFC 8555 §6.6: neither a restart nor a reload asks again before its time.
#[test]
fn an_authority_that_counts_is_left_alone_for_as_long_as_it_says() {
    let limited = json!({ "status": 429, "headers": { "Retry-After": "86400" },
        "body": r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}"# });
    let net = Loopback::claim();
    let authority = FakeAcme::start(&net, &json!({ "answers": { "order-new": limited } }));
    let house = house(&authority);
    let mut server = house.start();
    let told = eventually("the log to tell of it", SOON, || failures(&server).pop());
    assert!(told.contains("ERROR") && told.contains("too many (rateLimited)"), "{told}");
    starttls_works(&server);
    let status = house.command(&["status"]);
    assert_eq!(status.code, 1, "{}", status.out);
    assert!(status.out.contains("1 attempt failed: too many (rateLimited)"), "{}", status.out);
    let asked = authority.requests().len();
    assert_eq!(server.stop().code(), Some(0));
    server = house.start();
    eventually("the log to tell of it again after the start", SOON, || {
        (failures(&server).len() == 2).then_some(())
    });
    server.ask_to_reload();
    eventually("the log to tell of the limit", SOON, || {
        server.printed().contains("the authority wants no attempt before").then_some(())
    });
    assert_eq!(authority.requests().len(), asked);
}

#[test]
fn answers_that_are_wrong_or_huge_change_nothing() {
    let of_another_name = rcgen::generate_simple_self_signed(vec!["mx.other.test".to_owned()]).unwrap();
    let net = Loopback::claim();
    let authority = FakeAcme::start(&net, &json!({}));
    let directory = |nonce: &str| {
        let url = authority.directory();
        json!({ "newNonce": nonce, "newAccount": url, "newOrder": url }).to_string()
    };
    let endless = "99999999999999999999999999";
    for (place, answer, told) in [
        ("dir", json!({ "octets": 5 << 20 }), "length limit exceeded"),
        ("dir", json!({ "body": "<html>" }), "makes no sense"),
        ("dir", json!({ "body": directory("a b") }), "newNonce of the directory is no URL"),
        ("dir", json!({ "body": directory("http://127.0.0.1/") }), "does not begin with https"),
        ("dir", json!({ "status": 502, "body": "<html>" }), "502 Bad Gateway"),
        (
            "account",
            json!({ "status": 503, "body": "{}", "headers": { "Retry-After": endless } }),
            "does not say why",
        ),
        ("order-new", json!({ "status": 201, "body": "[]" }), "makes no sense"),
        ("authz", json!({ "octets": 5 << 20 }), "length limit exceeded"),
        ("cert", json!({ "body": "hello" }), "of no use: there is no certificate in it"),
        (
            "cert",
            json!({ "body": of_another_name.cert.pem() }),
            "of no use: the key is not that of the certificate",
        ),
    ] {
        authority.behave(&json!({ "answers": { place: answer } }));
        let house = house(&authority);
        let server = house.start();
        let line = eventually(told, SOON, || failures(&server).pop());
        assert!(line.contains(told), "{place}: {line}");
        assert!(!server.printed().contains("panic: "), "{}", server.printed());
        starttls_works(&server);
        assert_eq!(server.stop().code(), Some(0));
    }
}
