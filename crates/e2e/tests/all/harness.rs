//! Tests of the harness itself: a sink, a Postfix and a Knot that do what the other tests take for granted.

use std::process::Command;
use std::time::Duration;

use e2e::{Client, Knot, Loopback, Sink, Zone, said};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_sink_takes_what_its_script_lets_pass() {
    let net = Loopback::claim();
    let script = |line: &str| line.contains("<no@").then(|| "550 5.1.1 Nobody".to_owned());
    let sink = Sink::with_script(net.host(1), 0, std::sync::Arc::new(script));
    let mut client = Client::connect(sink.address());
    client.expect("EHLO client.test", 250);
    let refused = client.mail("a@client.test", &["no@sink.test"], "Subject: no\r\n\r\nno\r\n").unwrap();
    assert_eq!(refused.0, 550);
    let taken = client.mail("a@client.test", &["yes@sink.test"], "Subject: yes\r\n\r\n.dot\r\n").unwrap();
    assert_eq!(taken.0, 250);
    let received = sink.wait_for("yes@sink.test", SOON);
    assert_eq!(received.content, b"Subject: yes\r\n\r\n.dot\r\n");
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn knot_answers_for_good_zones_and_fails_for_broken_ones() {
    let net = Loopback::claim();
    let zones = [
        Zone { name: "test.", records: Some("a MX 10 mx.a\nmx.a A 127.0.0.2\n") },
        Zone { name: "broken.test.", records: None },
    ];
    let knot = Knot::start(&net, &zones);
    let ask = |name: &str| {
        let (server, port) = (format!("@{}", knot.address().ip()), knot.address().port().to_string());
        said(Command::new("kdig").args([&server, "-p", &port, "+retry=0", name, "MX"]), b"").out
    };
    assert!(ask("a.test").contains("mx.a.test"), "{}", ask("a.test"));
    assert!(ask("b.test").contains("NXDOMAIN"), "{}", ask("b.test"));
    assert!(ask("broken.test").contains("SERVFAIL"), "{}", ask("broken.test"));
}
