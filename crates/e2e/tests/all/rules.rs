//! The operator's rules in the real program: what a client hears, what the queue and the trace show, what stops a start.

use std::time::Duration;

use e2e::{House, queue_id};

const SOON: Duration = Duration::from_mins(1);
const RULES: &str = "
[[rule]]
name = \"friend\"
action = \"accept\"
senders = \"friend@client.test\"

[[rule]]
name = \"no-lottery\"
action = \"reject\"
reply = \"554 5.7.1 We have won already\"
headers = \"Subject: *lottery*\"

[[rule]]
name = \"look-first\"
action = \"hold\"
recipients = \"anna@here.test\"

[[rule]]
name = \"void\"
action = \"drop\"
senders = \"noise@client.test\"
";

#[test]
fn the_first_rule_that_matches_decides() {
    let house = House::new(RULES);
    let server = house.start();
    let mail = |from: &str, to: &str, subject: &str| {
        let content = format!("Subject: {subject}\r\n\r\nhello\r\n");
        server.client().mail(from, &[to], &content).unwrap()
    };
    let (code, text) = mail("someone@client.test", "anna@here.test", "The LOTTERY");
    assert_eq!((code, text.contains("5.7.1 We have won already")), (554, true), "{text}");
    assert!(house.queue().is_empty());

    let (code, _) = mail("friend@client.test", "anna@here.test", "our lottery");
    assert_eq!(code, 250);
    house.maildir("anna@here.test").wait_for("our lottery", SOON);

    let (code, text) = mail("someone@client.test", "anna@here.test", "first time");
    assert_eq!(code, 250, "{text}");
    let held = queue_id(&text);
    assert_eq!(house.queue()[0]["recipients"][0]["state"], "held");
    house.wait_for_trace(&held, "by rule look-first");
    assert_eq!(house.command(&["queue", "release", &held]).code, 0);
    house.maildir("anna@here.test").wait_for("first time", SOON);

    let (code, text) = mail("noise@client.test", "postmaster@here.test", "postmaster gets it");
    assert_eq!(code, 250, "{text}");
    let (code, text) = mail("noise@client.test", "ben@here.test", "nobody gets it");
    assert_eq!(code, 250, "{text}");
    let event = house.wait_for_event(&queue_id(&text), "dropped", "ben@here.test");
    assert_eq!(event["rule"], "void");
    assert!(house.maildir("ben@here.test").messages().is_empty());
}

#[test]
fn a_rule_that_could_never_decide_stops_the_start() {
    let house = House::new(&format!(
        "{RULES}\n[[rule]]\nname = \"late\"\naction = \"reject\"\nrecipients = \"anna@here.test\"\nsize_over = \"1MiB\"\n"
    ));
    let checked = house.command(&["config", "check"]);
    assert_eq!(checked.code, 2, "{}", checked.out);
    assert!(checked.err.contains("`late`") && checked.err.contains("`look-first`"), "{}", checked.err);
    let mut process = house.spawn();
    assert_eq!(process.wait(SOON).code(), Some(2), "{}", process.printed());
}
