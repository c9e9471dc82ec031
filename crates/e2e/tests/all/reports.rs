//! Reports, as the programs of others ask for them, pass the wish on, and read them.

use std::time::Duration;

use e2e::{Client, Mail, Postfix, World, eventually, run};

const SOON: Duration = Duration::from_mins(1);

/// Reads a report: a line for each recipient with its action and status, then the type of what is returned.
const READ: &str = "import email, email.policy, sys\n\
    m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)\n\
    assert m.get_content_type() == 'multipart/report', m.get_content_type()\n\
    assert m['Content-Type'].params['report-type'] == 'delivery-status'\n\
    text, status, returned = m.get_payload()\n\
    assert text.get_content_type() == 'text/plain'\n\
    message, *recipients = status.get_payload()\n\
    assert message['Reporting-MTA'] and message['Arrival-Date']\n\
    for r in recipients:\n\
    \x20   print(r['Final-Recipient'].split(';')[1].strip(), r['Action'], r['Status'])\n\
    print(returned.get_content_type())\n";

fn read(report: &Mail) -> String {
    run("python3", &["-c", READ], report.text().as_bytes())
}

#[test]
fn msmtp_asks_for_success_and_python_reads_the_reports() {
    let world = World::new("a MX 10 mx1\nmx1 A @1\n", "retry = [\"1s\"]");
    let sink = world.sink(1);
    let port = format!("--port={}", world.server().smtp().port());
    let server = ["--host=127.0.0.1", &port, "--auth=off", "--tls=off", "--domain=client.test"];
    let asked = ["--dsn-notify=success,failure", "--dsn-return=headers", "--from=anna@here.test"];
    let to = ["anna@here.test", "x@a.test", "lost@gone.test"];
    let message = "From: anna@here.test\nTo: all of them\nSubject: told\n\ntext\n";
    run("msmtp", &[&server[..], &asked, &to].concat(), message.as_bytes());
    sink.wait_for("x@a.test", SOON);
    for (recipient, told) in [
        ("anna@here.test", "delivered 2.0.0"),
        ("x@a.test", "relayed 2.0.0"),
        ("lost@gone.test", "failed 5.1.2"),
    ] {
        let expected = format!("{recipient} {told}\ntext/rfc822-headers\n");
        assert_eq!(read(&world.report_about(recipient)), expected);
    }
    world.house.wait_for_empty_queue(SOON);
}

#[test]
fn postfix_reports_the_success_that_we_pass_on_to_it() {
    let world = World::new("peer MX 10 mx.peer\nmx.peer A @1\n", "retry = [\"1s\"]");
    let relay = format!("relayhost = [127.0.0.1]:{}", world.server().smtp().port());
    let _postfix = Postfix::start(&world.net, 1, world.port, &relay);
    let mut client = world.server().client();
    client.expect("EHLO client.test", 250);
    client.expect("MAIL FROM:<anna@here.test> ENVID=QQ+2B314159", 250);
    client.expect("RCPT TO:<x@peer.test> NOTIFY=SUCCESS ORCPT=rfc822;old@peer.test", 250);
    client.expect("DATA", 354);
    client.expect("Subject: passed on\r\n\r\ntext\r\n.", 250);
    let report = world.house.maildir("anna@here.test").wait_for("Action: delivered", SOON);
    for field in ["Reporting-MTA: dns; mx.peer.test", "Original-Envelope-Id: QQ+314159"] {
        assert!(report.contains(field), "{field}: {}", report.text());
    }
    assert!(report.contains("Original-Recipient: rfc822;old@peer.test"), "{}", report.text());
    world.house.wait_for_empty_queue(SOON);
    assert_eq!(world.house.maildir("anna@here.test").messages().len(), 1, "one report, and it is Postfix's");
}

#[test]
fn we_report_the_success_that_postfix_passes_on_to_us() {
    let world = World::new("peer MX 10 mx.peer\nmx.peer A @1\n", "retry = [\"1s\"]");
    let relay = format!("relayhost = [127.0.0.1]:{}", world.server().smtp().port());
    let postfix = Postfix::start(&world.net, 1, world.port, &relay);
    let mut client = Client::connect(postfix.address());
    client.expect("EHLO client.test", 250);
    client.expect("MAIL FROM:<x@peer.test> RET=HDRS ENVID=4711", 250);
    client.expect("RCPT TO:<anna@here.test> NOTIFY=SUCCESS,FAILURE", 250);
    client.expect("RCPT TO:<nobody@here.test> NOTIFY=FAILURE", 250);
    client.expect("DATA", 354);
    client.expect("Subject: passed on\r\n\r\ntext\r\n.", 250);
    let report = postfix.maildir().wait_for("Action: delivered", SOON);
    assert_eq!(read(&report), "anna@here.test delivered 2.0.0\ntext/rfc822-headers\n");
    assert!(report.contains("Original-Envelope-Id: 4711"), "{}", report.text());
    assert!(report.contains("Original-Recipient: rfc822; anna@here.test"), "{}", report.text());
    // We refused the other one, so that is Postfix's to tell.
    let refused = postfix.maildir().wait_for("Action: failed", SOON);
    assert!(refused.contains("nobody@here.test") && refused.contains("mx.peer.test"), "{}", refused.text());
    eventually("an empty queue", SOON, || world.house.queue().is_empty().then_some(()));
}
