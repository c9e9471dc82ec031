//! The order test: on a disk that forgets what was not synced, whatever was answered with 250 is there after a power
//! cut, whole. A SIGKILL shows nothing of this, for the kernel's cache survives it.

use std::collections::BTreeSet;

use e2e::Flood;
use faultfs::{Names, Power};

use super::SOON;
use super::station::{CLIENTS, LOCAL, REMOTE, Station, arrivals, assert_there, assert_whole};

/// How the power goes in a round, and what is left: in turns nothing that was not synced, and some of it.
fn fate(round: u64) -> (u64, Power) {
    let nth = 1 + (round * 7919 + 113) % 1500;
    (nth, if round.is_multiple_of(2) { Power::Lost } else { Power::Torn { seed: round } })
}

/// The next hop is dead, so that all mail must be in the queue after each cut.
fn nothing_in_the_queue_is_lost(names: Names, rounds: u64) {
    let mut station = Station::new(names);
    let mut sent = Vec::new();
    for round in 0..rounds {
        let server = station.house.start();
        let (nth, power) = fate(round);
        sent.extend(station.cut_under_load(server, &format!("r{round}"), &[REMOTE], nth, power));
    }
    station.assert_undamaged();
    assert!(sent.len() as u64 > 10 * rounds, "the rounds did no work: {}", sent.len());
    let server = station.house.start();
    let queued: BTreeSet<String> = station.house.queue_ids().into_iter().collect();
    assert_there(&sent, |sent| queued.contains(&sent.id));
    let sink = station.sink();
    station.house.wait_for_empty_queue(SOON);
    assert_whole(&sent, &arrivals(sink.received().into_iter().map(|mail| mail.content)));
    server.kill();
}

#[test]
fn all_that_was_answered_with_250_is_queued_after_each_power_cut() {
    nothing_in_the_queue_is_lost(Names::Strict, 6);
}

#[test]
fn a_file_system_with_a_journal_loses_nothing_either() {
    nothing_in_the_queue_is_lost(Names::Journaled, 4);
}

#[test]
fn under_delivery_nothing_is_lost_and_what_is_durably_delivered_does_not_come_again() {
    let mut station = Station::new(Names::Strict);
    let sink = station.sink();
    let mut sent = Vec::new();
    let mut durable = BTreeSet::new();
    for round in 0..6 {
        let server = station.house.start();
        let (nth, power) = fate(round);
        sent.extend(station.cut_under_load(server, &format!("r{round}"), &[LOCAL, REMOTE], nth, power));
        durable.extend(station.delivered().into_keys());
    }
    station.assert_undamaged();
    let server = station.house.start();
    station.house.wait_for_empty_queue(SOON);
    let filed = station.house.maildir(LOCAL).messages().into_iter().map(|mail| mail.octets);
    let arrived = arrivals(filed.chain(sink.received().into_iter().map(|mail| mail.content)));
    assert_whole(&sent, &arrived);
    let delivered = station.delivered();
    let again = durable.iter().filter(|id| delivered.get(*id).is_none_or(|places| places.len() != 1));
    assert_eq!(again.collect::<Vec<_>>(), [""; 0], "delivered durably before a cut, and again after it");
    assert!(durable.len() > 10, "the rounds delivered nothing: {}", durable.len());
    server.kill();
}

#[test]
fn a_power_cut_while_the_spool_is_opened_loses_nothing() {
    let mut station = Station::new(Names::Strict);
    let server = station.house.start();
    let sent = station.cut_under_load(server, "first", &[REMOTE], 300, Power::Torn { seed: 1 });
    // What was doubtful is written again, the old is cut, spares are made: each step is cut off once.
    for nth in (1..=24).step_by(3) {
        station.disk.cut_power_at(nth);
        let mut process = station.house.spawn();
        assert!(station.disk.wait_for_cut(SOON), "change {nth} of an opening");
        process.kill();
        station.restore(Power::Torn { seed: nth });
    }
    station.assert_undamaged();
    let server = station.house.start();
    let sink = station.sink();
    station.house.wait_for_empty_queue(SOON);
    assert_whole(&sent, &arrivals(sink.received().into_iter().map(|mail| mail.content)));
    server.kill();
}

#[test]
fn no_250_is_given_before_its_sync_has_returned() {
    let station = Station::new(Names::Strict);
    let server = station.house.start();
    let held = station.disk.hold_syncs();
    let flood = Flood::start(server.smtp(), "held", CLIENTS, &[REMOTE]);
    assert!(held.wait_for(1, SOON));
    // The committer is stuck in its sync; whoever lies would answer now.
    let mut other = server.client();
    other.expect("NOOP", 250);
    assert_eq!(flood.count(), 0);
    drop(held);
    flood.wait_for(CLIENTS, SOON);
    assert!(flood.count() >= CLIENTS);
    server.kill();
    drop(flood.end());
}
