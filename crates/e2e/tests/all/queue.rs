//! The queue from the command line: look, try again, hold, release, remove; and what a restart keeps of it.

use std::fs;
use std::time::Duration;

use e2e::{World, eventually};

const SOON: Duration = Duration::from_mins(1);
const ZONE: &str = "a MX 10 mx1\nmx1 A @1\nb MX 10 mx2\nmx2 A @2\n";
const PATIENT: &str = "retry = [\"1h\"]";

/// Nobody listens at the MX: the first attempt fails, the next one would come in an hour.
fn waiting(world: &World, to: &str, subject: &str) -> String {
    let id = world.send(&[to], subject);
    let state = || world.house.recipient_state(&id, to).filter(|state| state == "deferred");
    eventually("the first attempt to fail", SOON, state);
    id
}

#[test]
fn a_waiting_message_is_listed_shown_and_retried() {
    let world = World::new(ZONE, PATIENT);
    let id = waiting(&world, "x@a.test", "waits");
    let listed = world.house.command(&["queue", "list"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(listed.out.contains(&id) && listed.out.contains("anna@here.test"), "{}", listed.out);
    let shown = world.house.command(&["queue", "show", &id]);
    assert!(shown.out.contains("x@a.test"), "{}", shown.out);
    let sink = world.sink(1);
    let retried = world.house.command(&["queue", "retry", &id]);
    assert_eq!(retried.code, 0, "{}", retried.err);
    sink.wait_for("x@a.test", SOON);
    world.house.wait_for_empty_queue(SOON);
}

#[test]
fn a_removed_message_is_gone_and_nobody_hears_of_it() {
    let world = World::new(ZONE, PATIENT);
    let (id, other) = (waiting(&world, "x@a.test", "removed"), waiting(&world, "y@b.test", "kept"));
    let removed = world.house.command(&["queue", "remove", &id]);
    assert_eq!(removed.code, 0, "{}", removed.err);
    assert_eq!(world.house.queue_ids(), [other]);
    assert!(world.house.maildir("anna@here.test").messages().is_empty());
    assert_ne!(world.house.command(&["queue", "show", &id]).code, 0);
}

#[test]
fn what_is_held_for_one_domain_waits_over_a_restart_and_the_rest_goes() {
    let mut world = World::new(ZONE, PATIENT);
    let (first, second) = (world.sink(1), world.sink(2));
    let id = world.send(&["x@a.test", "nobody@broken.test"], "split");
    first.wait_for("x@a.test", SOON);
    let held = world.house.command(&["queue", "hold", "--domain", "broken.test", "--from", "anna@*"]);
    assert_eq!((held.code, held.out.as_str()), (0, "1 recipient of 1 message put on hold\n"), "{}", held.err);
    world.kill();
    world.start();
    assert_eq!(world.house.recipient_state(&id, "nobody@broken.test").as_deref(), Some("held"));
    let retried = world.house.command(&["queue", "retry", "--all"]);
    assert_eq!(retried.out, "0 recipients of 0 messages due now\n");
    // Other mail is not concerned.
    world.send(&["y@b.test"], "other");
    second.wait_for("y@b.test", SOON);
    let released = world.house.command(&["queue", "release", "--state", "held"]);
    assert_eq!(released.out, "1 recipient of 1 message taken off hold\n", "{}", released.err);
    assert_eq!(world.house.recipient_state(&id, "nobody@broken.test").as_deref(), Some("deferred"));
}

#[test]
fn what_is_given_up_by_hand_is_reported_in_the_operators_words() {
    let world = World::new(ZONE, PATIENT);
    let id = waiting(&world, "x@a.test", "hopeless");
    let bounced = world.house.command(&["queue", "bounce", &id, "--text", "No such company any more"]);
    assert_eq!(bounced.out, "1 recipient of 1 message given up\n", "{}", bounced.err);
    let report = world.report_about("x@a.test");
    assert!(report.text().contains("No such company any more"), "{}", report.text());
    world.house.wait_for_empty_queue(SOON);
    let event = world.house.wait_for_event(&id, "bounced", "x@a.test");
    assert_eq!(event["station"], "admin");
}

#[test]
fn what_happens_is_followed_live_and_found_later_without_a_server() {
    let mut world = World::new(ZONE, PATIENT);
    let follow = ["events", "--follow", "--since", "1h", "--json", "--to", "*@a.test"];
    let mut follower = world.house.start_command(&follow, "follower");
    let sink = world.sink(1);
    world.send(&["y@b.test"], "other");
    let id = world.send(&["x@a.test"], "followed");
    sink.wait_for("x@a.test", SOON);
    let told = eventually("both events", SOON, || {
        let printed = follower.printed();
        (printed.matches(&id).count() == 2).then_some(printed)
    });
    assert!(told.contains("\"kind\":\"accepted\"") && told.contains("\"kind\":\"delivered\""), "{told}");
    assert!(!told.contains("y@b.test"), "{told}");
    world.stop();
    let ended = eventually("the follower to end", SOON, || follower.ended());
    assert_eq!(ended.code(), Some(1));
    assert!(follower.printed().contains("error: the server has stopped"), "{}", follower.printed());
    let found = world.house.command(&["events", "--id", &id, "--kind", "delivered"]);
    assert_eq!((found.code, found.out.lines().count()), (0, 1), "{}{}", found.out, found.err);
    assert!(found.out.contains("delivered") && found.out.contains("mx1.test"), "{}", found.out);
    let refused = world.house.command(&["events", "--since", "soon"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
}

#[test]
fn a_selection_finds_what_an_operator_sees_and_destroys_nothing_by_oversight() {
    let world = World::new(ZONE, PATIENT);
    let id = waiting(&world, "x@a.test", "one");
    let other = waiting(&world, "y@b.test", "two");
    let listed = |marks: &[&str]| {
        let said = world.house.command(&[&["queue", "list"], marks].concat());
        assert_eq!(said.code, 0, "{}", said.err);
        (said.out.contains(&id), said.out.contains(&other))
    };
    assert_eq!(listed(&["--domain", "a.test"]), (true, false));
    assert_eq!(listed(&["--to", "y@*"]), (false, true));
    assert_eq!(listed(&["--site", "mx1.test"]), (true, false));
    assert_eq!(listed(&["--reason", "connection refused"]), (true, true));
    assert_eq!(listed(&["--younger-than", "1h", "--state", "deferred"]), (true, true));
    assert_eq!(listed(&["--older-than", "1h"]), (false, false));
    let stats = world.house.command(&["queue", "stats", "--by", "site", "--domain", "a.test"]);
    assert!(stats.out.contains("mx1.test") && !stats.out.contains("mx2.test"), "{}{}", stats.out, stats.err);
    assert!(stats.out.contains("rests until") && stats.out.contains("Connection refused"), "{}", stats.out);
    let refused = world.house.command(&["queue", "remove"]);
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert!(refused.err.contains("nothing is selected") && refused.err.contains("hint:"), "{}", refused.err);
    let unasked = world.house.command(&["queue", "remove", "--from", "anna@*"]);
    assert_eq!(unasked.code, 2, "{}", unasked.out);
    assert!(unasked.err.contains("2 recipients of 2 messages"), "{}", unasked.err);
    assert_eq!(world.house.queue_ids().len(), 2);
    let removed = world.house.command(&["queue", "remove", "--domain", "b.test", "--yes"]);
    assert_eq!(removed.out, "1 recipient of 1 message removed\n", "{}", removed.err);
    let gone = world.house.command(&["queue", "retry", &other, &id]);
    assert_eq!(gone.code, 1);
    assert!(gone.err.contains(&format!("no message {other} in the queue")), "{}", gone.err);
    assert!(gone.out.contains("1 recipient"), "the rest is done: {}", gone.out);
}

#[test]
fn an_unknown_queue_id_is_a_clear_error() {
    let world = World::new(ZONE, PATIENT);
    for id in ["nonsense", "../../etc/passwd"] {
        let shown = world.house.command(&["queue", "show", id]);
        assert_ne!(shown.code, 0, "{}", shown.out);
        assert!(shown.err.contains("error:"), "{}", shown.err);
    }
}

#[test]
fn a_stop_keeps_the_queue_and_the_state_of_each_recipient() {
    let mut world = World::new(ZONE, PATIENT);
    let id = waiting(&world, "x@a.test", "kept");
    world.stop();
    world.start();
    assert_eq!(world.house.queue_ids(), [id.as_str()]);
    // It was tried an hour ago at most: a restart is no reason to try again.
    assert_eq!(world.house.recipient_state(&id, "x@a.test").as_deref(), Some("deferred"));
    let sink = world.sink(1);
    assert_eq!(world.house.command(&["queue", "retry", "--all"]).code, 0);
    sink.wait_for("x@a.test", SOON);
    world.house.wait_for_empty_queue(SOON);
}

#[test]
fn damage_to_promised_mail_is_told_and_does_not_stop_the_rest() {
    let mut world = World::new(ZONE, PATIENT);
    let hit = waiting(&world, "x@a.test", "damaged");
    let sound = waiting(&world, "y@b.test", "sound");
    world.stop();
    let verified = world.house.command(&["spool", "verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    damage(&world, b"body of damaged");
    let verified = world.house.command(&["spool", "verify"]);
    assert_eq!(verified.code, 1, "{}{}", verified.out, verified.err);
    assert!(verified.err.contains("error:"), "{}", verified.err);
    world.start();
    assert!(world.house.queue_ids().contains(&sound));
    let (first, second) = (world.sink(1), world.sink(2));
    assert_eq!(world.house.command(&["queue", "retry", "--all"]).code, 0);
    second.wait_for("y@b.test", SOON);
    assert!(first.received().is_empty(), "damaged content must not reach a peer as a whole message");
    world.stop();
    let repaired = world.house.command(&["spool", "repair"]);
    assert_eq!(repaired.code, 0, "{}{}", repaired.out, repaired.err);
    let verified = world.house.command(&["spool", "verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    world.start();
    let bounced = world.house.wait_for_event(&hit, "bounced", "x@a.test");
    assert!(
        bounced["reply"].as_str().unwrap().starts_with("550 5.3.0 the content of this message was damaged"),
        "{bounced}"
    );
    assert!(first.received().is_empty(), "{repaired:?}", repaired = repaired.out);
}

/// Flips a bit of these octets, wherever in the spool they are.
fn damage(world: &World, what: &[u8]) {
    let mut places = 0;
    for entry in fs::read_dir(world.house.data().join("spool")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(mut octets) = fs::read(&path) else { continue };
        while let Some(at) = octets.windows(what.len()).position(|window| window == what) {
            *octets.get_mut(at).unwrap() ^= 1;
            places += 1;
        }
        fs::write(&path, octets).unwrap();
    }
    assert!(places > 0, "the content is nowhere in the spool");
}

/// The first attempt fails, and its site rests; what comes within the rest is put off without another attempt.
#[test]
fn a_kill_does_not_make_the_server_forget_that_a_site_rests() {
    let mut world = World::new(ZONE, PATIENT);
    let file = world.house.data().join("sites.jsonl");
    waiting(&world, "x@a.test", "first");
    eventually("the rest to be written down", SOON, || fs::read_to_string(&file).is_ok().then_some(()));
    world.kill();
    let sink = world.sink(1);
    world.start();
    let id = world.send(&["y@a.test"], "second");
    let event = world.house.wait_for_event(&id, "deferred", "y@a.test");
    assert_eq!(event["site"], "mx1.test", "{event}");
    assert_eq!(sink.sessions(), 0, "nobody was asked");
    let retried = world.house.command(&["queue", "retry", "--all"]);
    assert_eq!(retried.code, 0, "{}", retried.err);
    sink.wait_for("y@a.test", SOON);
    sink.wait_for("x@a.test", SOON);
}
