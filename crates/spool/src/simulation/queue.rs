//! The state of recipients over restarts, and commands.

use disk::Clock;

use super::{World, now_or_never};
use crate::*;

#[test]
fn a_deferred_recipient_keeps_its_due_time_attempts_and_reply_over_a_restart() {
    let world = World::new(9);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org", "bob@example.net"], 300).unwrap();
    let until = world.clock.now().after(std::time::Duration::from_mins(1));
    let domain = machine.spool.checkout(world.clock.now()).unwrap();
    let work = machine.spool.take(&domain, world.clock.now(), 10);
    assert_eq!(work, [Work { id, recipients: vec![0] }]);
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
fn holds_and_removals_are_durable() {
    let world = World::new(10);
    let mut machine = world.open();
    let held = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let removed = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    assert_eq!(machine.run(spool.hold(&Selection::Message(held), now)).unwrap(), 1);
    assert_eq!(machine.run(spool.remove(&Selection::Message(removed), now)).unwrap(), 1);
    drop((machine, spool));
    world.disk.crash(&world.random);
    let mut machine = world.open();
    assert_eq!(machine.ids(), [held].into());
    assert_eq!(machine.spool.checkout(now), None);
    let spool = machine.spool.clone();
    assert_eq!(machine.run(spool.unhold(&Selection::All, now)).unwrap(), 1);
    assert!(machine.spool.checkout(now).is_some());
}
