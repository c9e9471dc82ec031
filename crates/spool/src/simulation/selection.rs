//! Commands on parts of the queue: whom they mean, and that they last.

use std::time::Duration;

use disk::Clock;
use mail::{QueueId, Reply};

use super::{Machine, World, now_or_never};
use crate::*;

/// Has each due recipient of a domain tried in vain, with this reply by this site.
fn fail(machine: &Machine, world: &World, domain: &str, reply: &Reply, site: &str) {
    let (now, domain) = (world.clock.now(), mail::Domain::parse(domain).unwrap());
    assert_eq!(machine.spool.checkout(now), Some(domain.clone()));
    for work in machine.spool.take(&domain, now, 100) {
        let until = now.after(Duration::from_hours(1));
        let outcome = |place: &u32| {
            let mut outcome = RecipientOutcome::new(*place, Disposition::Deferred { until });
            (outcome.reply, outcome.site) = (Some(reply.clone()), Some(site.into()));
            outcome
        };
        let outcomes = work.recipients.iter().map(outcome).collect();
        machine.spool.finish(Finished { id: work.id, outcomes, events: vec![], reports: vec![] });
    }
    machine.spool.release(&domain);
}

/// The messages that a selection finds.
fn found(machine: &mut Machine, selection: Selection) -> Vec<QueueId> {
    let spool = machine.spool.clone();
    let found = machine.run(spool.find(selection, None, 1000)).unwrap();
    found.into_iter().map(|summary| summary.id).collect()
}

fn busy() -> Reply {
    Reply::plain(450, "Mailbox Busy")
}

#[test]
fn what_is_meant_is_told_by_any_of_its_marks() {
    let world = World::new(20);
    let mut machine = world.open();
    let first = machine.commit_as(&world, &["anna@example.org"], 300, |envelope| {
        envelope.reverse_path = mail::ReversePath::Address("otto@example.com".parse().unwrap());
    });
    let first = first.unwrap();
    fail(&machine, &world, "example.org", &busy(), "mx.example");
    world.clock.advance(Duration::from_mins(10));
    let second = machine.commit(&world, &["bob@sub.example.org", "eve@example.net"], 300).unwrap();
    let now = world.clock.now();
    let address = |text: &str| vec![Pattern::address(text).unwrap()];
    let domain = |text: &str| vec![Pattern::domain(text).unwrap()];
    let some = Selection::default;
    for (selection, expected) in [
        (some(), vec![first, second]),
        (Selection { ids: vec![second, first], ..some() }, vec![first, second]),
        (Selection { to: address("*@example.net"), ..some() }, vec![second]),
        (Selection { from: address("OTTO@example.com"), ..some() }, vec![first]),
        (Selection { from: address("<>"), ..some() }, vec![second]),
        (Selection { domains: domain(".example.org"), ..some() }, vec![second]),
        (Selection { domains: domain("example.org"), ..some() }, vec![first]),
        (Selection { sites: domain("mx.example"), ..some() }, vec![first]),
        (Selection { reasons: vec!["450 mailbox busy".into()], ..some() }, vec![first]),
        (Selection { reasons: vec!["no such thing".into()], ..some() }, vec![]),
        (Selection { states: vec![State::Deferred, State::Held], ..some() }, vec![first]),
        (Selection { states: vec![State::Queued], ..some() }, vec![second]),
        (Selection { received_from: Some(now), ..some() }, vec![second]),
        (Selection { received_until: Some(now.after(Duration::ZERO)), ..some() }, vec![first, second]),
        // All of it has to be true, of one recipient.
        (Selection { to: address("bob@*"), domains: domain("example.net"), ..some() }, vec![]),
    ] {
        assert_eq!(found(&mut machine, selection.clone()), expected, "{selection:?}");
    }
    // What was read from records can be read after a restart.
    drop(machine);
    world.disk.crash(&world.random);
    let mut machine = world.open();
    assert_eq!(found(&mut machine, Selection { reasons: vec!["busy".into()], ..some() }), [first]);
    assert_eq!(found(&mut machine, Selection { sites: domain("mx.example"), ..some() }), [first]);
}

#[test]
fn a_command_on_some_recipients_leaves_the_others_alone() {
    let world = World::new(21);
    let mut machine = world.open();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    let id =
        machine.commit(&world, &["anna@example.org", "bob@example.net", "eve@example.net"], 300).unwrap();
    let net = Selection { domains: vec![Pattern::domain("example.net").unwrap()], ..Selection::default() };
    let states = |spool: &Spool| {
        let page = spool.list(&ListFilter::default());
        page.iter()
            .flat_map(|summary| &summary.recipients)
            .map(|owed| (owed.recipient, owed.state))
            .collect::<Vec<_>>()
    };
    let held = machine.run(spool.hold(net.clone(), now)).unwrap();
    assert_eq!((held.messages, held.recipients, held.in_flight), (1, 2, 0));
    assert_eq!(machine.run(spool.hold(net.clone(), now)).unwrap(), Changed::default(), "held already");
    assert_eq!(states(&spool), [(0, State::Queued), (1, State::Held), (2, State::Held)]);
    let eve = Selection { to: vec![Pattern::address("eve@*").unwrap()], ..Selection::default() };
    assert_eq!(machine.run(spool.remove(eve, now)).unwrap().recipients, 1);
    drop((machine, spool));
    world.disk.crash(&world.random);
    let mut machine = world.open();
    let spool = machine.spool.clone();
    assert_eq!(states(&spool), [(0, State::Queued), (1, State::Held)]);
    assert_eq!(machine.run(spool.unhold(net, now)).unwrap().recipients, 1);
    assert_eq!(machine.run(spool.remove(Selection::message(id), now)).unwrap().recipients, 2);
    drop((machine, spool));
    world.disk.crash(&world.random);
    assert!(world.open().ids().is_empty());
}

/// mail-rules 12: the time on hold does not count.
#[test]
fn time_on_hold_is_added_up_and_kept() {
    let world = World::new(22);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    for hours in [2, 3] {
        let spool = machine.spool.clone();
        machine.run(spool.hold(Selection::message(id), world.clock.now())).unwrap();
        world.clock.advance(Duration::from_hours(hours));
        machine.run(spool.unhold(Selection::message(id), world.clock.now())).unwrap();
        let envelope = now_or_never(machine.spool.load(id)).unwrap().unwrap().envelope;
        assert_eq!(envelope.recipients[0].paused, Duration::from_hours(if hours == 2 { 2 } else { 5 }));
        drop((machine, spool));
        world.disk.crash(&world.random);
        machine = world.open();
    }
    let envelope = now_or_never(machine.spool.load(id)).unwrap().unwrap().envelope;
    assert_eq!(
        (envelope.recipients[0].paused, envelope.recipients[0].held),
        (Duration::from_hours(5), false)
    );
}

/// A hold once took the record of the last attempt with it: after a restart nobody knew of the attempts.
#[test]
fn a_hold_does_not_forget_the_attempts_before_it() {
    let world = World::new(23);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    fail(&machine, &world, "example.org", &busy(), "mx.example");
    machine.committer.turn();
    let spool = machine.spool.clone();
    machine.run(spool.hold(Selection::message(id), world.clock.now())).unwrap();
    drop((machine, spool));
    world.disk.crash(&world.random);
    let machine = world.open();
    let envelope = now_or_never(machine.spool.load(id)).unwrap().unwrap().envelope;
    assert_eq!(
        (envelope.recipients[0].attempts, envelope.recipients[0].last_reply.clone()),
        (1, Some(busy()))
    );
}

#[test]
fn a_domain_is_made_due_without_what_is_held() {
    let world = World::new(26);
    let mut machine = world.open();
    machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let held = machine.commit(&world, &["bob@example.org"], 300).unwrap();
    fail(&machine, &world, "example.org", &busy(), "mx.example");
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    machine.run(spool.hold(Selection::message(held), now)).unwrap();
    let domain = |text: &str| mail::Domain::parse(text).unwrap();
    assert_eq!(spool.retry_domain(&domain("example.net"), now), 0);
    assert_eq!(spool.retry_domain(&domain("example.org"), now), 1);
    assert_eq!(spool.retry_domain(&domain("example.org"), now), 0, "it is due already");
    assert_eq!(spool.retries(), 0, "nothing is asked of other domains");
    let wanted = ["example.net", "example.org", "example.org"].map(|name| spool.take_wanted(&domain(name)));
    assert_eq!(wanted, [false, true, false]);
    assert_eq!(spool.checkout(now), Some(domain("example.org")));
}

/// A retry that is asked for finds nobody in flight; whoever is put off then can be made due after all.
#[test]
fn who_was_in_flight_when_a_retry_was_asked_for_is_hastened() {
    let world = World::new(27);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    let domain = spool.checkout(now).unwrap();
    let works = spool.take(&domain, now, 1);
    spool.retry_all(now);
    let until = now.after(Duration::from_hours(1));
    let outcomes = vec![RecipientOutcome::new(0, Disposition::Deferred { until })];
    spool.finish(Finished { id, outcomes, events: Vec::new(), reports: Vec::new() });
    spool.release(&domain);
    assert_eq!(spool.checkout(now), None);
    spool.hasten(&works[0], now);
    assert_eq!(spool.checkout(now), Some(domain));
}

#[test]
fn a_hold_during_an_attempt_takes_effect_when_it_has_failed() {
    let world = World::new(24);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org"], 300).unwrap();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    let domain = spool.checkout(now).unwrap();
    assert_eq!(spool.take(&domain, now, 1).len(), 1);
    let held = machine.run(spool.hold(Selection::message(id), now)).unwrap();
    assert_eq!((held.recipients, held.in_flight), (1, 1));
    let outcome = RecipientOutcome::new(0, Disposition::Deferred { until: now });
    spool.finish(Finished { id, outcomes: vec![outcome], events: vec![], reports: vec![] });
    spool.release(&domain);
    machine.committer.turn();
    assert_eq!(spool.checkout(now.after(Duration::from_hours(1))), None);
    drop((machine, spool));
    world.disk.crash(&world.random);
    let machine = world.open();
    assert_eq!(machine.spool.list(&ListFilter::default())[0].recipients[0].state, State::Held);
}

#[test]
fn a_long_queue_is_looked_at_to_its_end() {
    let world = World::new(25);
    let mut machine = world.open();
    for _ in 0..2100 {
        world.clock.advance(Duration::from_millis(1));
        machine.commit(&world, &["anna@example.org"], 30).unwrap();
    }
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    assert_eq!(found(&mut machine, Selection::default()).len(), 1000);
    assert_eq!(machine.run(spool.count(Selection::default())).unwrap().recipients, 2100);
    let removed = now_or_never(async {
        let removal = std::pin::pin!(spool.remove(Selection::default(), now));
        removal.await
    });
    assert!(removed.is_none(), "it waits for the sync of its first piece, and the next is on its way");
    machine.committer.turn();
    assert_eq!(machine.run(spool.remove(Selection::default(), now)).unwrap().recipients, 100);
    assert!(machine.ids().is_empty());
}

#[test]
fn an_order_to_give_up_outranks_holds_and_due_times_and_waits_for_an_attempt_under_way() {
    let world = World::new(27);
    let mut machine = world.open();
    let id =
        machine.commit(&world, &["anna@example.org", "bob@example.net", "eve@example.com"], 300).unwrap();
    let (spool, now) = (machine.spool.clone(), world.clock.now());
    let domain = spool.checkout(now).unwrap();
    assert_eq!(spool.take(&domain, now, 1), [Work { id, priority: 0, recipients: vec![0] }]);
    let bob = Selection { to: vec![Pattern::address("bob@*").unwrap()], ..Selection::default() };
    machine.run(spool.hold(bob, now)).unwrap();
    let changed = machine.run(spool.bounce(Selection::message(id), "no more", now)).unwrap();
    assert_eq!((changed.recipients, changed.in_flight), (3, 1));
    assert_eq!(
        machine.run(spool.bounce(Selection::message(id), "no more", now)).unwrap(),
        Changed::default()
    );
    assert!(now_or_never(spool.bounces_ordered()).is_some());
    assert_eq!(spool.retry_all(now).recipients, 0);
    assert_eq!(spool.underway(id, now), 3);
    assert_eq!(spool.take_bounces(10), [Work { id, priority: 0, recipients: vec![1, 2] }]);
    machine.finish(id, &[(1, Disposition::Bounced)], Vec::new());
    spool.revoke_bounce(&Work { id, priority: 0, recipients: vec![2] });
    machine.finish(
        id,
        &[(0, Disposition::Deferred { until: now.after(Duration::from_hours(1)) })],
        Vec::new(),
    );
    machine.committer.turn();
    drop((machine, spool));
    world.disk.crash(&world.random);
    let machine = world.open();
    let spool = &machine.spool;
    assert_eq!(
        spool.take_bounces(10),
        [Work { id, priority: 0, recipients: vec![0] }],
        "the order outlives a restart"
    );
    let envelope = now_or_never(spool.load(id)).unwrap().unwrap().envelope;
    assert_eq!(envelope.recipients[0].bounce.as_deref(), Some("no more"));
    let domain = mail::Domain::parse("example.com").unwrap();
    assert_eq!(
        spool.take(&domain, now, 10),
        [Work { id, priority: 0, recipients: vec![2] }],
        "a revoked order leaves it as it was"
    );
}

/// Commits so many messages, some hundred in one frame.
fn commit_many(machine: &mut Machine, world: &World, count: usize) {
    for _ in 0..count / 250 {
        let submission = |_| {
            let id = machine.spool.new_id(world.clock.now());
            world.clock.advance(Duration::from_millis(1));
            let envelope = world.envelope(id, &["anna@example.org"]);
            Submission { envelope, content: Content::from(b"x".to_vec()), events: Vec::new() }
        };
        let mut some: Vec<Submission> = (0..250).map(submission).collect();
        let (first, spool) = (some.remove(0), machine.spool.clone());
        machine.run(spool.commit_with(first, some)).unwrap();
    }
}

#[test]
fn an_order_goes_on_where_its_last_part_ended_over_deliveries_new_mail_and_a_crash() {
    let world = World::new(31);
    let mut machine = world.open();
    commit_many(&mut machine, &world, 3000);
    let (now, all) = (world.clock.now(), std::sync::Arc::new(Selection::default()));
    let spool = machine.spool.clone();
    let first = machine.run(spool.carry_out(&Order::Hold, &all, now, None, 1)).unwrap();
    assert_eq!((first.changed.messages, first.looked_at), (1000, 1000));
    // Others go on: what is not held yet is delivered or under way, and new mail comes in.
    let domain = spool.checkout(now).unwrap();
    let work = spool.take(&domain, now, 2);
    machine.finish(work[0].id, &[(0, Disposition::Delivered)], Vec::new());
    machine.commit(&world, &["eve@example.net"], 30).unwrap();
    // The second part is cut off by a crash: it was written, and nobody was told.
    {
        let second = std::pin::pin!(spool.carry_out(&Order::Hold, &all, now, first.next, 1));
        assert!(now_or_never(second).is_none());
    }
    machine.committer.turn();
    drop((machine, spool));
    world.disk.crash(&world.random);
    let mut machine = world.open();
    assert_eq!(machine.opened.damage, Vec::<String>::new());
    let held = Selection { states: vec![State::Held], ..Selection::default() };
    let spool = machine.spool.clone();
    assert_eq!(machine.run(spool.count(held.clone())).unwrap().messages, 2000);
    // Given again, with the same place to go on from.
    let (mut after, mut again) = (first.next, Changed::default());
    while let Some(next) = after {
        let part = machine.run(spool.carry_out(&Order::Hold, &all, now, Some(next), 1)).unwrap();
        again.add(part.changed);
        after = part.next;
    }
    assert_eq!(again.messages, 1000);
    assert_eq!(machine.run(spool.count(held)).unwrap().messages, 3000);
    assert_eq!(machine.ids().len(), 3000);
    assert_eq!(spool.checkout(world.clock.now()), None);
}
