//! A disk that errors, forgets or lies: nothing that was answered with 250 is lost, what cannot be stored is deferred,
//! and the operator is told.

use std::fs;

use e2e::{Client, Flood, Postrider, eventually, eventually_true, message};
use faultfs::{Errno, Fault, Names, Operation, Power};

use super::SOON;
use super::station::{CLIENTS, LOCAL, REMOTE, Station, arrivals, assert_whole};

/// The reply to a message with that token.
fn reply(server: &Postrider, token: &str, to: &str) -> (u16, String) {
    server.client().mail("ben@here.test", &[to], &message(token)).expect("a reply")
}

fn assert_taken(server: &Postrider, token: &str, to: &str) {
    let (code, text) = reply(server, token, to);
    assert_eq!(code, 250, "{token}: {text}");
}

fn assert_deferred(server: &Postrider, token: &str) {
    let (code, text) = reply(server, token, REMOTE);
    assert!(code == 451 && text.contains("4.3.0"), "{token}: {text}");
}

/// What was sent to the sink before and after comes out once the server has restarted and the sink is there.
fn assert_come_out(station: &Station, tokens: &[&str]) {
    let sink = station.sink();
    for token in tokens {
        let mail = eventually(token, SOON, || {
            let received = sink.received().into_iter();
            received.map(|mail| mail.content).find(|content| content.ends_with(message(token).as_bytes()))
        });
        assert!(!mail.is_empty());
    }
}

/// One failed call of the spool defers all mail until a restart; then all is as before.
fn poisons(fault: Fault) {
    let mut station = Station::new(Names::Strict);
    let server = station.house.start();
    assert_taken(&server, "before", REMOTE);
    station.disk.fail(fault.at("spool/*.seg").times(1));
    assert_deferred(&server, "during");
    assert_deferred(&server, "after, though the disk works again");
    assert!(server.printed().contains("the spool cannot be written"), "{}", server.printed());
    assert_eq!(server.client().command("NOOP").unwrap().0, 250, "it still serves");
    server.kill();
    station.restore(Power::Lost);
    station.disk.heal();
    let server = station.house.start();
    assert_taken(&server, "again", REMOTE);
    assert_come_out(&station, &["before", "again"]);
    server.kill();
}

#[test]
fn after_a_failed_sync_all_mail_is_deferred_until_a_restart() {
    poisons(Fault::fails(Operation::Sync, Errno::EIO));
}

#[test]
fn after_a_failed_write_all_mail_is_deferred_until_a_restart() {
    poisons(Fault::fails(Operation::Write, Errno::EIO));
}

#[test]
fn a_disk_that_still_fails_stops_the_start_and_is_told() {
    let station = Station::new(Names::Strict);
    let server = station.house.start();
    assert_taken(&server, "before", REMOTE);
    server.kill();
    station.disk.fail(Fault::fails(Operation::Sync, Errno::EIO).at("spool/*"));
    let mut process = station.house.spawn();
    assert_eq!(process.wait(SOON).code(), Some(1), "{}", process.printed());
    let printed = process.printed();
    assert!(printed.contains("error:") && printed.contains("spool"), "{printed}");
    station.disk.heal();
    let server = station.house.start();
    assert_come_out(&station, &["before"]);
    server.kill();
}

#[test]
fn writes_that_take_only_part_are_finished() {
    let station = Station::new(Names::Strict);
    station.disk.fail(Fault::short_writes(1000).at("spool/*").after(300));
    let server = station.house.start();
    let flood = Flood::start(server.smtp(), "short", CLIENTS, &[LOCAL, REMOTE]);
    flood.wait_for(100, SOON);
    server.kill();
    let sent = flood.end();
    assert!(sent.len() >= 100 && station.disk.survey().struck > 0);
    let server = station.house.start();
    let sink = station.sink();
    station.house.wait_for_empty_queue(SOON);
    let filed = station.house.maildir(LOCAL).messages().into_iter().map(|mail| mail.octets);
    assert_whole(&sent, &arrivals(filed.chain(sink.received().into_iter().map(|mail| mail.content))));
    server.kill();
}

#[test]
fn a_file_system_without_fallocate_is_fine() {
    let station = Station::new(Names::Strict);
    station.disk.fail(Fault::fails(Operation::Allocate, Errno::EOPNOTSUPP));
    let server = station.house.start();
    assert!(station.disk.survey().struck > 0, "segments are allocated");
    assert_taken(&server, "remote", REMOTE);
    assert_taken(&server, "local", LOCAL);
    station.house.maildir(LOCAL).wait_for("the end of local", SOON);
    assert_come_out(&station, &["remote"]);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_file_system_without_direct_writes_is_fine_and_as_durable() {
    let mut station = Station::new(Names::Strict);
    station.disk.fail(Fault::fails(Operation::OpenDirect, Errno::EINVAL));
    let server = station.house.start();
    assert!(station.disk.survey().struck > 0, "the log is opened past the page cache");
    assert_taken(&server, "before", REMOTE);
    server.kill();
    station.restore(Power::Lost);
    let server = station.house.start();
    assert_come_out(&station, &["before"]);
    server.kill();
}

#[test]
fn a_file_system_that_turns_read_only_defers_mail_and_is_told_at_the_start() {
    let station = Station::new(Names::Strict);
    let server = station.house.start();
    assert_taken(&server, "before", REMOTE);
    station.disk.set_read_only(true);
    assert_deferred(&server, "during");
    server.kill();
    let mut process = station.house.spawn();
    assert_eq!(process.wait(SOON).code(), Some(1), "{}", process.printed());
    let printed = process.printed();
    assert!(printed.contains(station.house.data().to_str().unwrap()), "{printed}");
    station.disk.set_read_only(false);
    let server = station.house.start();
    assert_taken(&server, "again", REMOTE);
    assert_come_out(&station, &["before", "again"]);
    server.kill();
}

#[test]
fn mail_goes_on_while_the_event_log_cannot_be_written() {
    for operation in [Operation::Write, Operation::Sync, Operation::Create] {
        let station = Station::new(Names::Strict);
        let server = station.house.start();
        let sink = station.sink();
        station.disk.fail(Fault::fails(operation, Errno::EIO).at("events/*"));
        // A new file is made only where an old one failed.
        station.disk.fail(Fault::fails(Operation::Sync, Errno::EIO).at("events/*").times(1));
        assert_taken(&server, "during", REMOTE);
        assert_taken(&server, "during, here", LOCAL);
        sink.wait_for(REMOTE, SOON);
        station.house.maildir(LOCAL).wait_for("the end of during, here", SOON);
        eventually_true("the operator to be told", SOON, || {
            server.printed().contains("the event log cannot be written")
        });
        station.disk.heal();
        let (code, text) = reply(&server, "after", REMOTE);
        assert_eq!(code, 250, "{text}");
        let id = e2e::queue_id(&text);
        station.house.wait_for_trace(&id, "delivered");
        let events = station.house.events();
        let delivered =
            events.iter().filter(|event| event.get("kind").is_some_and(|kind| kind == "delivered"));
        assert_eq!(delivered.count(), 3, "{operation:?}: what could not be written comes later");
        assert!(server.printed().contains("the event log is written again"), "{}", server.printed());
        assert_eq!(server.stop().code(), Some(0));
    }
}

#[test]
fn an_event_log_that_cannot_be_written_for_long_leaves_no_heap_of_files() {
    let station = Station::new(Names::Strict);
    let server = station.house.start();
    station.disk.fail(Fault::fails(Operation::Sync, Errno::EIO).at("events/*"));
    assert_taken(&server, "during", LOCAL);
    let struck = |count| station.disk.wait_until(SOON, |survey| survey.struck >= count);
    assert!(struck(4), "it tries again");
    let files = fs::read_dir(station.house.data().join("events")).unwrap().count();
    assert!(files <= 2, "{files} files after four tries");
    station.disk.heal();
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn the_loss_by_a_disk_that_lies_is_told_and_harms_nothing_else() {
    let mut station = Station::new(Names::Strict);
    let server = station.house.start();
    let honest = Flood::start(server.smtp(), "honest", CLIENTS, &[REMOTE]);
    honest.wait_for(100, SOON);
    station.disk.fail(Fault::lying_syncs().at("spool/*"));
    honest.wait_for(honest.count() + 200, SOON);
    server.kill();
    drop(honest.end());
    // About half of the sectors that were said to be safe.
    station.restore(Power::Torn { seed: 2 });
    station.disk.heal();
    let verified = station.house.command(&["spool", "verify"]);
    assert_eq!(verified.code, 1, "{}{}", verified.out, verified.err);
    let server = station.house.start();
    assert!(server.printed().contains("the spool is damaged"), "{}", server.printed());
    let mut client: Client = server.client();
    client.expect("NOOP", 250);
    assert_taken(&server, "again", REMOTE);
    assert_come_out(&station, &["again", "honest-0-0"]);
    server.kill();
}
