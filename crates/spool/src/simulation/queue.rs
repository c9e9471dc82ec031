//! The state of recipients over restarts, and commands.

use std::time::Duration;

use disk::Clock;

use super::{World, now_or_never};
use crate::{payload::Control, spool::outcome_of, *};

#[test]
fn a_deferred_recipient_keeps_its_due_time_attempts_and_reply_over_a_restart() {
    let world = World::new(9);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org", "bob@example.net"], 300).unwrap();
    let until = world.clock.now().after(Duration::from_mins(1));
    let domain = machine.spool.checkout(world.clock.now()).unwrap();
    let work = machine.spool.take(&domain, world.clock.now(), 10);
    assert_eq!(work, [Work { id, priority: 0, recipients: vec![0] }]);
    let mut outcome = RecipientOutcome::new(0, Disposition::Deferred { until });
    outcome.reply = Some(mail::Reply::plain(450, "later"));
    machine.spool.finish(Finished { id, outcomes: vec![outcome], events: vec![], reports: vec![] });
    machine.finish(id, &[(1, Disposition::Delivered)], Vec::new());
    machine.committer.turn();
    drop(machine);
    world.disk.crash(&world.random);
    let machine = world.open();
    assert_eq!(machine.spool.next_due(), Some(until));
    let loaded = now_or_never(machine.spool.load(id)).unwrap().unwrap();
    let recipient = &loaded.envelope.recipients[0];
    assert_eq!((recipient.due, recipient.attempts), (until, 1));
    assert_eq!(recipient.last_reply, Some(mail::Reply::plain(450, "later")));
    assert_eq!(machine.spool.list(&ListFilter::default())[0].recipients.len(), 1);
}

#[test]
fn that_a_delay_was_told_is_known_from_then_on() {
    let world = World::new(13);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    let domain = spool.checkout(now).unwrap();
    // The first outcome says so, as from a site at rest, without an attempt; the next one replaces its record.
    for delay_told in [true, false] {
        assert_eq!(spool.take(&domain, now, 10), [Work { id, priority: 0, recipients: vec![0] }]);
        let deferred = RecipientOutcome::new(0, Disposition::Deferred { until: now });
        let outcomes = vec![RecipientOutcome { delay_told, attempted: false, ..deferred }];
        spool.finish(Finished { id, outcomes, events: vec![], reports: vec![] });
        machine.committer.turn();
        let loaded = now_or_never(spool.load(id)).unwrap().unwrap();
        assert!(loaded.envelope.recipients[0].delay_told);
    }
    drop((machine, spool));
    world.disk.crash(&world.random);
    let machine = world.open();
    let loaded = now_or_never(machine.spool.load(id)).unwrap().unwrap();
    assert!(loaded.envelope.recipients[0].delay_told);
}

/// mail-rules 12: what a relay's budget keeps waiting adds up, is known at once, and outlives a crash.
#[test]
fn a_lifetime_that_stood_still_is_longer_from_then_on() {
    for recipients in [&["anna@example.org"][..], &["anna@example.org", "ben@example.org"]] {
        let world = World::new(13);
        let mut machine = world.open();
        let id = machine.commit(&world, recipients, 300).unwrap();
        let (spool, now) = (machine.spool.clone(), world.clock.now());
        let domain = spool.checkout(now).unwrap();
        for (minutes, paused) in [(10, 10), (0, 10), (5, 15)] {
            assert!(!spool.take(&domain, now, 10).is_empty());
            let outcomes = (0..).zip(recipients).map(|(recipient, _)| {
                let deferred = RecipientOutcome::new(recipient, Disposition::Deferred { until: now });
                let paused = Duration::from_mins(if recipient == 0 { minutes } else { 0 });
                RecipientOutcome { paused, attempted: false, ..deferred }
            });
            spool.finish(Finished { id, outcomes: outcomes.collect(), events: vec![], reports: vec![] });
            machine.committer.turn();
            let loaded = now_or_never(spool.load(id)).unwrap().unwrap();
            assert_eq!(loaded.envelope.recipients[0].paused, Duration::from_mins(paused));
        }
        drop((machine, spool));
        world.disk.crash(&world.random);
        let machine = world.open();
        let loaded = now_or_never(machine.spool.load(id)).unwrap().unwrap();
        assert_eq!(loaded.envelope.recipients[0].paused, Duration::from_mins(15));
        assert!(loaded.envelope.recipients.iter().skip(1).all(|recipient| recipient.paused.is_zero()));
    }
}

/// What could not be tried, for want of something here, tells why, and is found by that.
#[test]
fn why_a_recipient_waits_is_known_without_an_attempt() {
    let world = World::new(31);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    let domain = spool.checkout(now).unwrap();
    assert_eq!(spool.take(&domain, now, 10), [Work { id, priority: 0, recipients: vec![0] }]);
    let until = now.after(Duration::from_mins(5));
    let mut outcome = RecipientOutcome::new(0, Disposition::Deferred { until });
    (outcome.attempted, outcome.reply) = (false, Some(mail::Reply::plain(451, "held: no record")));
    spool.finish(Finished { id, outcomes: vec![outcome], events: vec![], reports: vec![] });
    machine.committer.turn();
    let selection = Selection { reasons: vec!["HELD: no".to_owned()], ..Selection::default() };
    assert_eq!(machine.run(spool.retry(selection, now)).unwrap().messages, 1);
    let other = Selection { reasons: vec!["other".to_owned()], ..Selection::default() };
    assert_eq!(machine.run(spool.retry(other, now)).unwrap().messages, 0);
}

#[test]
fn holds_and_removals_are_durable() {
    let world = World::new(10);
    let mut machine = world.open();
    let held = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let removed = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    assert_eq!(machine.run(spool.hold(Selection::message(held), now)).unwrap().messages, 1);
    assert_eq!(machine.run(spool.remove(Selection::message(removed), now)).unwrap().messages, 1);
    drop((machine, spool));
    world.disk.crash(&world.random);
    let mut machine = world.open();
    assert_eq!(machine.ids(), [held].into());
    assert_eq!(machine.spool.checkout(now), None);
    let spool = machine.spool.clone();
    assert_eq!(machine.run(spool.unhold(Selection::default(), now)).unwrap().messages, 1);
    assert!(machine.spool.checkout(now).is_some());
}

#[test]
fn a_message_held_for_some_recipients_goes_to_the_others() {
    let world = World::new(11);
    let mut machine = world.open();
    let now = world.clock.now();
    let (spool, domain) = (machine.spool.clone(), mail::Domain::parse("example.org").unwrap());
    let id = commit_held(&mut machine, &world, &[("anna@example.org", false), ("bob@example.org", true)]);
    let took = |spool: &Spool| {
        let checked_out = spool.checkout(now);
        let work = checked_out.iter().flat_map(|domain| spool.take(domain, now, 10)).collect::<Vec<_>>();
        spool.release(&domain);
        work
    };
    assert_eq!(took(&spool), [Work { id, priority: 0, recipients: vec![0] }]);
    let summary = |spool: &Spool| spool.list(&ListFilter::default()).remove(0);
    assert!(summary(&spool).held);
    assert_eq!(summary(&spool).recipients[1].state, State::Held);
    assert_eq!(spool.stats().held, 1);
    machine.finish(id, &[(0, Disposition::Delivered)], Vec::new());
    machine.committer.turn();
    assert_eq!(spool.retry_all(now).recipients, 0, "what is held is not due");
    drop((machine, spool));
    world.disk.crash(&world.random);
    // It is held after a restart too, and a release lasts.
    let mut machine = world.open();
    let spool = machine.spool.clone();
    assert_eq!(took(&spool), []);
    assert_eq!(machine.run(spool.unhold(Selection::message(id), now)).unwrap().messages, 1);
    drop((machine, spool));
    world.disk.crash(&world.random);
    let machine = world.open();
    assert_eq!(took(&machine.spool), [Work { id, priority: 0, recipients: vec![1] }]);
    assert!(!summary(&machine.spool).held);
}

/// The record of a release may go once a later one says as much: the envelope, which tells of the hold, stays.
#[test]
fn a_release_outlives_its_record() {
    let world = World::new(12);
    let mut machine = world.open();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    let id = commit_held(&mut machine, &world, &[("anna@example.org", true)]);
    assert_eq!(machine.run(spool.unhold(Selection::message(id), now)).unwrap().messages, 1);
    let domain = spool.checkout(now).unwrap();
    assert_eq!(spool.take(&domain, now, 10), [Work { id, priority: 0, recipients: vec![0] }]);
    let outcome = RecipientOutcome::new(0, Disposition::Deferred { until: now });
    let outcome = outcome_of(&spool.shared.state(), id, vec![outcome]);
    assert_eq!(outcome.controls, [(0, Control::default())]);
}

fn commit_held(machine: &mut super::Machine, world: &World, recipients: &[(&str, bool)]) -> mail::QueueId {
    let addresses: Vec<&str> = recipients.iter().map(|(address, _)| *address).collect();
    let commit = machine.commit_as(world, &addresses, 300, |envelope| {
        for (recipient, (_, held)) in envelope.recipients.iter_mut().zip(recipients) {
            recipient.held = *held;
        }
    });
    commit.unwrap()
}
