//! What becomes of mail for each answer that DNS (Knot) and the next hop may give.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use e2e::{World, eventually};

const SOON: Duration = Duration::from_mins(1);
const QUICK: &str = "retry = [\"1s\"]";
const PATIENT: &str = "retry = [\"1h\"]";

#[test]
fn the_best_mx_gets_the_mail() {
    let world = World::new("a MX 20 mx2\na MX 10 mx1\nmx1 A @1\nmx2 A @2\n", QUICK);
    let (first, second) = (world.sink(1), world.sink(2));
    world.send(&["x@a.test"], "best-mx");
    let received = first.wait_for("x@a.test", SOON);
    assert!(received.mail.contains("<anna@here.test>"), "{}", received.mail);
    assert!(received.content.ends_with(b"\r\n\r\nbody of best-mx\r\n"));
    world.house.wait_for_empty_queue(SOON);
    assert!(second.received().is_empty());
}

#[test]
fn the_next_mx_gets_the_mail_when_the_best_does_not_answer() {
    let world = World::new("a MX 10 mx1\na MX 20 mx2\nmx1 A @1\nmx2 A @2\n", PATIENT);
    let second = world.sink(2);
    world.send(&["x@a.test"], "next-mx");
    second.wait_for("x@a.test", SOON);
    world.house.wait_for_empty_queue(SOON);
}

#[test]
fn the_next_mx_gets_the_mail_when_the_best_turns_us_away_at_its_greeting() {
    let world = World::new("a MX 10 mx1\na MX 20 mx2\nmx1 A @1\nmx2 A @2\n", PATIENT);
    let busy = |line: &str| line.is_empty().then(|| "421 4.3.2 Too busy".to_owned());
    let _first = world.scripted(1, busy);
    let second = world.sink(2);
    world.send(&["x@a.test"], "greeting");
    second.wait_for("x@a.test", SOON);
}

#[test]
fn a_domain_without_mx_is_its_own_mail_host() {
    let world = World::new("a A @1\n", QUICK);
    let sink = world.sink(1);
    world.send(&["x@a.test"], "implicit-mx");
    sink.wait_for("x@a.test", SOON);
}

#[test]
fn an_alias_in_dns_is_followed() {
    let world = World::new("a CNAME b\nb MX 10 mx1\nmx1 A @1\n", QUICK);
    let sink = world.sink(1);
    world.send(&["x@a.test"], "cname");
    sink.wait_for("x@a.test", SOON);
}

#[test]
fn a_null_mx_bounces_at_once() {
    let world = World::new("a MX 0 .\na A @1\n", PATIENT);
    let sink = world.sink(1);
    let id = world.send(&["x@a.test"], "null-mx");
    let report = world.report_about("x@a.test");
    // RFC 7505 §4.2: the enhanced status code that says so.
    assert!(report.contains("Status: 5.1.10"), "{}", report.text());
    assert_eq!(report.field("Return-Path").as_deref(), Some("<>"));
    world.house.wait_for_empty_queue(SOON);
    assert!(sink.received().is_empty(), "the A record of a domain with a null MX is nobody's mail host");
    world.house.wait_for_trace(&id, "bounced");
}

#[test]
fn a_domain_that_does_not_exist_bounces_at_once() {
    let world = World::new("", PATIENT);
    world.send(&["x@gone.test"], "nxdomain");
    let report = world.report_about("x@gone.test");
    assert!(report.contains("Status: 5.1.2"), "{}", report.text());
    world.house.wait_for_empty_queue(SOON);
}

#[test]
fn a_failing_name_server_defers() {
    let world = World::new("", PATIENT);
    let id = world.send(&["x@broken.test"], "servfail");
    let recipient = eventually("the attempt", SOON, || world.house.recipient_state(&id, "x@broken.test"));
    assert_eq!(recipient, "deferred");
    world.house.wait_for_trace(&id, "deferred");
    assert!(
        world.house.maildir("anna@here.test").messages().is_empty(),
        "no report about what may still arrive"
    );
}

#[test]
fn a_refused_recipient_bounces_in_the_peers_words_and_touches_no_other() {
    let world = World::new("a MX 10 mx1\nmx1 A @1\n", PATIENT);
    let no = |line: &str| line.contains("<no@").then(|| "550 5.1.1 No such hermit here".to_owned());
    let sink = world.scripted(1, no);
    world.send(&["yes@a.test", "no@a.test", "also@a.test"], "mixed");
    let received = sink.wait_for("yes@a.test", SOON);
    assert_eq!(received.recipients.len(), 2, "one transaction for both: {:?}", received.recipients);
    let report = world.report_about("no@a.test");
    assert!(report.contains("No such hermit here"), "{}", report.text());
    assert!(report.contains("Diagnostic-Code: smtp; 550 5.1.1"), "{}", report.text());
    assert!(!report.contains("Final-Recipient: rfc822; yes@a.test"), "{}", report.text());
    world.house.wait_for_empty_queue(SOON);
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn a_busy_recipient_is_tried_again_and_gets_the_mail_once() {
    let world = World::new("a MX 10 mx1\nmx1 A @1\n", QUICK);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let sink = world.scripted(1, move |line| {
        let first = line.contains("<slow@") && counter.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| "451 4.7.1 Come back later".to_owned())
    });
    let id = world.send(&["slow@a.test"], "greylisted");
    sink.wait_for("slow@a.test", SOON);
    world.house.wait_for_empty_queue(SOON);
    assert_eq!(sink.received().len(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let told = world.house.wait_for_trace(&id, "delivered");
    let (deferred, delivered) = (told.find("Come back later"), told.find("delivered"));
    assert!(deferred.is_some() && deferred < delivered, "{told}");
    assert!(world.house.maildir("anna@here.test").messages().is_empty(), "no report about what arrived");
}

#[test]
fn a_report_that_cannot_be_delivered_causes_no_other() {
    let world = World::new("a MX 10 mx1\nmx1 A @1\n", PATIENT);
    let sink = world.scripted(1, |line| line.starts_with("RCPT").then(|| "550 5.1.1 Nobody".to_owned()));
    let mut client = world.server().client();
    let (code, reply) = client.mail("", &["x@a.test"], "Subject: report\r\n\r\nreport\r\n").unwrap();
    assert_eq!(code, 250, "{reply}");
    let id = e2e::queue_id(&reply);
    world.house.wait_for_empty_queue(SOON);
    assert!(sink.received().is_empty());
    world.house.wait_for_trace(&id, "550 5.1.1 Nobody");
    let returned = world.house.maildir("anna@here.test").messages();
    assert!(returned.is_empty(), "RFC 5321 §4.5.5: never a report about a report");
}
