//! Starts and stops: what must stop a start, and what a stop must leave behind.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use e2e::{House, eventually};

const SOON: Duration = Duration::from_mins(1);

/// A start that must fail: its exit code and what it printed.
fn failed_start(house: &House) -> (i32, String) {
    let mut process = house.spawn();
    let status = process.wait(SOON);
    (status.code().expect("an exit code"), process.printed())
}

/// The segments of the spool that hold records.
fn segments(house: &House) -> Vec<PathBuf> {
    let entries = fs::read_dir(house.data().join("spool")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect()
}

/// Replaces a part of the configuration.
fn change(house: &House, from: &str, to: &str) {
    let text = fs::read_to_string(house.config()).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(house.config(), text.replace(from, to)).unwrap();
}

#[test]
fn a_wrong_configuration_stops_the_start_before_anything_is_touched() {
    let house = House::new("[receive]\nmesage_size_max = \"50MiB\"\n");
    let (code, printed) = failed_start(&house);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("postrider.toml") && printed.contains("mesage_size_max"), "{printed}");
    assert!(printed.contains("message_size_max"), "a hint: {printed}");
    assert!(!house.data().exists(), "nothing may be made before the configuration is right");
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let house = House::new("[queue]\nretry = [\"soon\"]\n[deliver]\nport = 70000\n");
    let checked = house.command(&["config", "check"]);
    assert_eq!(checked.code, 2, "{}", checked.out);
    let lines = fs::read_to_string(house.config()).unwrap();
    for wrong in ["soon", "70000"] {
        let line = 1 + lines.lines().position(|line| line.contains(wrong)).unwrap();
        assert!(checked.err.contains(wrong), "{}", checked.err);
        assert!(checked.err.contains(&format!(":{line}:")), "line {line}: {}", checked.err);
    }
}

#[test]
fn a_right_configuration_passes_the_check_without_a_trace() {
    let house = House::new("");
    let checked = house.command(&["config", "check"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(!house.data().exists());
}

#[test]
fn a_missing_configuration_is_told_with_its_path() {
    let house = House::new("");
    fs::remove_file(house.config()).unwrap();
    let (code, printed) = failed_start(&house);
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("postrider.toml"), "{printed}");
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let house = House::new("");
    change(&house, "127.0.0.1:0", &address);
    let (code, printed) = failed_start(&house);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains(&address) && printed.contains("error:"), "{printed}");
}

#[test]
fn a_second_instance_is_turned_away_and_the_first_goes_on() {
    let house = House::new("");
    let server = house.start();
    let (code, printed) = failed_start(&house);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("error:"), "{printed}");
    server.client().expect("NOOP", 250);
    assert!(house.queue().is_empty(), "the first still answers on its control socket");
}

#[test]
fn a_data_directory_that_is_a_file_is_told() {
    let house = House::new("");
    fs::write(house.data(), "not a directory").unwrap();
    let (code, printed) = failed_start(&house);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains(house.data().to_str().unwrap()), "{printed}");
}

#[test]
fn a_spool_of_a_newer_version_is_refused_and_left_alone() {
    let house = House::new("");
    assert_eq!(house.start().stop().code(), Some(0));
    let segment = segments(&house).pop().expect("a segment");
    let mut octets = fs::read(&segment).unwrap();
    // docs/design/spool-format.md: the version at 8, and at 36 a checksum of what is before it.
    octets[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let sum = crc32c::crc32c(&octets[..36]);
    octets[36..40].copy_from_slice(&sum.to_le_bytes());
    fs::write(&segment, &octets).unwrap();
    let (code, printed) = failed_start(&house);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("version 2"), "{printed}");
    assert_eq!(fs::read(&segment).unwrap(), octets, "not a bit may change");
}

#[test]
fn a_graceful_stop_says_goodbye_and_ends_with_zero() {
    let house = House::new("");
    let mut server = house.start();
    let mut client = server.client();
    server.ask_to_stop();
    let (code, text) = client.reply().expect("a goodbye");
    assert_eq!(code, 421, "{text}");
    assert_eq!(server.wait().code(), Some(0), "{}", server.printed());
    assert!(!house.data().join("listening.json").exists());
}

#[test]
fn what_was_accepted_before_a_stop_is_delivered_after_the_next_start() {
    let house = House::new("");
    let server = house.start();
    let mut client = server.client();
    for number in 0..20 {
        let text = format!("Subject: before the stop {number}\r\n\r\nx\r\n");
        assert_eq!(client.mail("x@client.test", &["anna@here.test"], &text).unwrap().0, 250);
    }
    assert_eq!(server.stop().code(), Some(0));
    let _server = house.start();
    let maildir = house.maildir("anna@here.test");
    eventually("all mail", SOON, || (maildir.messages().len() >= 20).then_some(()));
    house.wait_for_empty_queue(SOON);
    assert_eq!(maildir.messages().len(), 20, "none twice");
}

#[test]
fn a_command_without_a_server_says_that_none_runs() {
    let house = House::new("");
    let listed = house.command(&["queue", "list"]);
    assert_eq!(listed.code, 1, "{}", listed.out);
    assert!(listed.err.contains("error:") && listed.err.contains("hint:"), "{}", listed.err);
}

#[test]
fn wrong_usage_ends_with_two() {
    let house = House::new("");
    assert_eq!(house.command(&["queue", "frobnicate"]).code, 2);
}

#[test]
fn a_spool_that_another_machine_used_says_so_once() {
    let house = House::new("");
    house.start().stop();
    let owner = house.data().join("spool/owner");
    let this = fs::read_to_string(&owner).unwrap();
    fs::write(&owner, "postrider owner 1\nold.test (machine 0123abcd)\n").unwrap();
    let told = "last used by another machine, old.test (machine 0123abcd)";
    let server = house.start();
    assert!(server.printed().contains(told), "{}", server.printed());
    assert_eq!(fs::read_to_string(&owner).unwrap(), this);
    server.stop();
    let lines = |house: &House| fs::read_to_string(house.path().join("log")).unwrap().matches(told).count();
    let before = lines(&house);
    house.start().stop();
    assert_eq!((before, lines(&house)), (1, 1));
}
