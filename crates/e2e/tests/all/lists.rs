//! Mailing lists of the real program, with members here and at another host.

use std::time::Duration;

use e2e::{Mail, World, eventually, queue_id};

const SOON: Duration = Duration::from_mins(1);
const LIST: &str = "talk@here.test";
const RECORDS: &str = "a MX 10 mx1\nmx1 A @1\n";

/// A list of anna and two who are elsewhere; ben owns it.
fn world() -> World {
    let world = World::new(RECORDS, "retry = [\"1s\"]");
    let add = ["list", "add", LIST, "--title", "Talk of the house", "--owner", "ben@here.test"];
    let members = ["--member", "anna@here.test", "--member", "x@a.test", "--member", "gone@a.test"];
    let said = world.house.command(&[&add[..], &members].concat());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    world
}

/// Sends to the list; what is said to RCPT.
fn write(world: &World, from: &str, parameters: &str, content: &str) -> (u16, String) {
    let mut client = world.server().client();
    client.expect(&format!("MAIL FROM:<{from}>"), 250);
    let (code, text) = client.command(&format!("RCPT TO:<{LIST}>{parameters}")).unwrap();
    if code != 250 {
        return (code, text);
    }
    client.expect("DATA", 354);
    client.send(content.replace('\n', "\r\n").as_bytes()).unwrap();
    client.command("\r\n.").unwrap()
}

fn maildir(world: &World, address: &str, words: &str) -> Mail {
    world.house.maildir(address).wait_for(words, SOON)
}

#[test]
fn what_is_written_to_a_list_goes_to_its_members_here_and_elsewhere() {
    let world = world();
    let sink = world.scripted(1, |line| line.contains("gone@a.test").then(|| "550 5.1.1 gone".to_owned()));
    let content = "From: x@a.test\nTo: talk@here.test\nSubject: [x] lunch\nList-Unsubscribe: <mailto:trap@a.test>\n\nthe body\n";
    let (code, text) = write(&world, "x@a.test", " NOTIFY=SUCCESS,FAILURE", content);
    assert_eq!(code, 250, "{text}");
    let id = queue_id(&text);
    world.house.wait_for_event(&id, "expanded", LIST);

    let here = maildir(&world, "anna@here.test", "the body");
    assert_eq!(here.field("Return-Path").as_deref(), Some("<talk-bounces@here.test>"));
    assert_eq!(here.field("List-Id").as_deref(), Some("\"Talk of the house\" <talk.here.test>"));
    assert_eq!(here.field("Subject").as_deref(), Some("[x] lunch"));
    let unsubscribe = "<mailto:talk-request@here.test?subject=unsubscribe>";
    assert_eq!(here.field("List-Unsubscribe").as_deref(), Some(unsubscribe));
    assert!(!here.contains("trap@a.test"), "{}", here.text());

    let with = |words: &'static str| {
        eventually(words, SOON, || {
            let all = sink.received();
            all.into_iter().find(|mail| String::from_utf8_lossy(&mail.content).contains(words))
        })
    };
    let copy = with("List-Post: <mailto:talk@here.test>");
    assert!(copy.mail.contains("<talk-bounces@here.test>"), "{}", copy.mail);
    // RFC 3461 §5.2.7.1: delivered to the list, and nothing more for who wrote.
    let report = with("Action: delivered");
    assert!(String::from_utf8_lossy(&report.content).contains("rfc822; talk@here.test"));

    // What cannot be delivered is for the owner.
    let bounce = maildir(&world, "ben@here.test", "Final-Recipient: rfc822; gone@a.test");
    assert!(bounce.contains("Action: failed"), "{}", bounce.text());
    world.house.wait_for_empty_queue(SOON);
    let about = |mail: &e2e::Received| String::from_utf8_lossy(&mail.content).contains("gone@a.test");
    assert!(!sink.received().iter().any(about), "who wrote hears nothing of members");

    let trace = world.house.wait_for_trace(&id, "sent on");
    assert!(trace.contains("3 members"), "{trace}");
}

#[test]
fn strangers_reports_and_what_comes_back_are_not_sent_on() {
    let world = world();
    let sink = world.sink(1);
    let content = "From: eve@far.test\nSubject: x\n\nspam\n";
    for (from, words) in
        [("eve@far.test", "may not write"), ("", "takes no reports"), ("talk-bounces@here.test", "may not")]
    {
        let (code, text) = write(&world, from, "", content);
        assert!(code == 550 && text.contains("5.7.1") && text.contains(words), "<{from}>: {code} {text}");
    }
    for (field, why) in [
        ("List-Id: <Talk.here.test>", "loop"),
        ("Delivered-To: talk@here.test", "loop"),
        ("Auto-Submitted: auto-replied", "answer"),
    ] {
        let (code, text) =
            write(&world, "x@a.test", "", &format!("From: x@a.test\n{field}\nSubject: x\n\nagain\n"));
        assert_eq!(code, 250, "{text}");
        let dropped = world.house.wait_for_event(&queue_id(&text), "dropped", LIST);
        assert!(dropped["reason"].as_str().unwrap().contains(why), "{dropped}");
    }
    // A report that this server makes for whoever said to be the list.
    let mut client = world.server().client();
    let (code, text) = client.mail(LIST, &["nobody@nowhere.test"], "From: x@a.test\r\n\r\nx\r\n").unwrap();
    assert_eq!(code, 250, "{text}");
    eventually("the report to be dropped", SOON, || {
        let reason = |event: &serde_json::Value| event["reason"].as_str().unwrap_or_default().to_owned();
        world.house.events().into_iter().find(|event| reason(event).contains("null reverse-path"))
    });
    world.house.wait_for_empty_queue(SOON);
    assert!(world.house.maildir("anna@here.test").messages().is_empty());
    assert!(sink.received().is_empty(), "{:?}", sink.received());
}

#[test]
fn members_come_and_go_by_command() {
    let world = world();
    let command = |arguments: &[&str]| {
        let said = world.house.command(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
        said.out
    };
    assert_eq!(write(&world, "eve@far.test", "", "").0, 550);
    command(&["list", "member", "add", LIST, "eve@far.test", "postmaster@here.test"]);
    command(&["list", "member", "remove", LIST, "gone@a.test", "x@a.test"]);
    let (code, text) = write(&world, "eve@far.test", "", "From: eve@far.test\nSubject: new\n\nhello\n");
    assert_eq!(code, 250, "{text}");
    maildir(&world, "postmaster@here.test", "hello");
    command(&["list", "change", LIST, "--post", "owners"]);
    assert_eq!(write(&world, "eve@far.test", "", "").0, 550);
    let shown = command(&["list", "show", LIST]);
    assert!(shown.contains("written by     owners") && shown.contains("eve@far.test"), "{shown}");
    let said = world.house.command(&["list", "member", "add", LIST, "whoever@here.test"]);
    assert!(said.code != 0 && said.err.contains("nobody has the address"), "{}", said.err);
    command(&["list", "remove", LIST]);
    assert!(!command(&["list", "list"]).contains(LIST));
    assert_eq!(write(&world, "anna@here.test", "", "").0, 550);
}
