//! What has a receipt is delivered or still there after every crash, and what is done stays done.

use std::collections::{BTreeMap, BTreeSet};

use disk::Clock;
use mail::QueueId;
use testkit::disk::SeededRandom;
use tokio::sync::oneshot::error::TryRecvError;

use super::{Machine, World, content_of, now_or_never};
use crate::{
    frame::{Class, Frame},
    *,
};

/// What must hold, seen from outside.
#[derive(Default)]
struct Model {
    receipts: BTreeSet<QueueId>,
    /// Receipts whose messages are not finished.
    owed: BTreeMap<QueueId, usize>,
    /// Finished, perhaps not durably.
    finishing: BTreeMap<QueueId, usize>,
    /// Durably done.
    done: BTreeSet<QueueId>,
    /// Reports that stand or fall with a finished message.
    reports: BTreeMap<QueueId, QueueId>,
    /// Messages of which recipient 1 is done, not yet durably, and durably.
    halving: BTreeSet<QueueId>,
    halved: BTreeSet<QueueId>,
    /// Committed without an answer: may be there or not.
    unsure: BTreeSet<QueueId>,
}

impl Model {
    fn synced(&mut self) {
        self.done.extend(std::mem::take(&mut self.finishing).into_keys());
        self.halved.append(&mut self.halving);
        for (report, _) in std::mem::take(&mut self.reports) {
            self.owed.insert(report, 100);
        }
    }

    fn check(&mut self, machine: &Machine, seed: u64) {
        assert_eq!(machine.opened.damage, Vec::<String>::new(), "seed {seed}");
        let there = machine.ids();
        for (id, len) in &self.owed {
            assert!(there.contains(id), "seed {seed}: {id} has a receipt and is lost");
            assert_eq!(machine.read(*id).unwrap(), content_of(*id, *len), "seed {seed}");
        }
        self.halving.clear();
        for id in &self.halved {
            let Ok(loaded) = now_or_never(machine.spool.load(*id)).unwrap() else { continue };
            assert_eq!(loaded.envelope.recipients.len(), 2);
            let shown = now_or_never(machine.spool.show(*id)).unwrap().unwrap();
            let left: Vec<u32> =
                shown.summary.recipients.iter().map(|recipient| recipient.recipient).collect();
            assert_eq!(left, [0], "seed {seed}: a recipient of {id} was done and is back");
        }
        for id in &there {
            assert!(!self.done.contains(id), "seed {seed}: {id} was done and is back");
        }
        for (report, parent) in std::mem::take(&mut self.reports) {
            assert_ne!(there.contains(&report), there.contains(&parent), "seed {seed}: half a frame");
            if there.contains(&report) {
                self.owed.insert(report, 100);
            }
        }
        for (id, len) in std::mem::take(&mut self.finishing) {
            if there.contains(&id) {
                self.owed.insert(id, len);
            } else {
                self.done.insert(id);
            }
        }
        for id in std::mem::take(&mut self.unsure) {
            if there.contains(&id) {
                let len = machine.read(id).unwrap().len();
                self.owed.insert(id, len);
            }
        }
        let known: BTreeSet<QueueId> = self.owed.keys().copied().collect();
        assert_eq!(there, known, "seed {seed}");
    }
}

fn step(world: &World, machine: &mut Machine, model: &mut Model) {
    let random = &world.random;
    match random.below(10) {
        0..=3 => {
            let len =
                usize::try_from(if random.one_in(20) { 200_000 } else { random.below(100_000) }).unwrap();
            let id = machine.commit(world, &["anna@example.org", "bob@example.net"], len).unwrap();
            model.synced();
            model.owed.insert(id, len);
            model.receipts.insert(id);
        }
        4..=6 => {
            let Some((id, len)) = pick(random, &model.owed) else { return };
            model.owed.remove(&id);
            let mut reports = Vec::new();
            if random.one_in(3) {
                let report = machine.spool.new_id(world.clock.now());
                let envelope = world.envelope(report, &["c@example.net", "d@example.org"]);
                let content = content_of(report, 100).into();
                reports.push(Submission { envelope, content, events: Vec::new() });
                model.reports.insert(report, id);
            }
            machine.finish(id, &[(0, Disposition::Delivered), (1, Disposition::Bounced)], reports);
            model.finishing.insert(id, len);
        }
        7 => {
            let Some((id, _)) = pick(random, &model.owed) else { return };
            machine.finish(id, &[(0, Disposition::Deferred { until: world.clock.now() })], Vec::new());
            if random.one_in(2) && !model.reports.contains_key(&id) {
                machine.finish(id, &[(1, Disposition::Delivered)], Vec::new());
                model.halving.insert(id);
            }
        }
        8 | 9 if !random.one_in(20) => {
            machine.spool.shared.events.flush();
            machine.committer.turn();
            model.synced();
        }
        _ => {
            // A commit whose sync the crash comes before.
            let id = machine.spool.new_id(world.clock.now());
            let mut submission = Submission {
                envelope: world.envelope(id, &["c@example.org", "d@example.org"]),
                content: content_of(id, 20_000).into(),
                events: vec![],
            };
            submission.envelope.received = world.clock.now();
            let (sender, mut receiver) = tokio::sync::oneshot::channel();
            let mut frame = Frame::new(Class::Mail);
            spool::add_message(&mut frame, submission);
            frame.waiter = Some(sender);
            machine.spool.shared.push(frame).unwrap();
            world.disk.fail_sync(1);
            machine.committer.turn();
            if !matches!(receiver.try_recv(), Err(TryRecvError::Empty)) {
                model.unsure.insert(id);
            }
        }
    }
}

fn pick(random: &SeededRandom, from: &BTreeMap<QueueId, usize>) -> Option<(QueueId, usize)> {
    let place = usize::try_from(random.below(from.len() as u64)).unwrap();
    from.iter().nth(place).map(|(id, len)| (*id, *len))
}

/// Each message with a receipt was told once, however often the spool was opened.
fn check_events(world: &World, model: &Model, seed: u64) {
    let reader = events::Reader::new("/events".into(), std::sync::Arc::new(world.events_disk.clone()));
    let told = reader.search(&events::Query::All, events::Order::OldestFirst, usize::MAX).unwrap();
    let mut accepted = BTreeSet::new();
    for event in told.iter().filter(|event| event.kind == events::Kind::Accepted) {
        assert!(accepted.insert(event.id), "seed {seed}: {} was told twice", event.id);
    }
    assert!(model.receipts.is_subset(&accepted), "seed {seed}: not all was told");
}

#[test]
fn what_has_a_receipt_survives_every_crash_until_it_is_done() {
    for seed in 0..300 {
        let world = World::new(seed);
        let mut model = Model::default();
        for life in 0..4 {
            let mut machine = world.open();
            model.check(&machine, seed);
            for _ in 0..world.random.below(60) {
                step(&world, &mut machine, &mut model);
                if machine.spool.is_poisoned() {
                    break;
                }
            }
            if life % 2 == 1 && !machine.spool.is_poisoned() {
                machine.committer.turn();
                model.synced();
            }
            drop(machine);
            world.disk.crash(&world.random);
        }
        model.check(&world.open(), seed);
        check_events(&world, &model, seed);
    }
}

#[test]
fn a_message_that_is_done_by_several_outcomes_does_not_come_back_without_the_first() {
    let world = World::new(1);
    let mut machine = world.open();
    let id = machine.commit(&world, &["anna@example.org", "bob@example.net"], 100).unwrap();
    // Keeps the segment with the envelopes alive.
    let other = machine.commit(&world, &["carl@example.org"], 100).unwrap();
    for recipient in [0, 1] {
        // Each opening goes on in another segment.
        drop(machine);
        machine = world.open();
        machine.finish(id, &[(recipient, Disposition::Delivered)], Vec::new());
        machine.committer.turn();
    }
    machine.committer.turn();
    drop(machine);
    assert_eq!(world.open().ids(), BTreeSet::from([other]));
}

#[test]
fn a_message_whose_envelope_stands_twice_keeps_its_domain() {
    let world = World::new(1);
    let mut machine = world.open();
    machine.commit(&world, &["anna@one.example"], 100).unwrap();
    let segment = machine.committer.log.segment();
    machine.committer.cleaner.begin(&machine.spool.shared, segment);
    machine.committer.turn();
    machine.commit(&world, &["bob@two.example"], 100).unwrap();
    drop(machine);
    let machine = world.open();
    let queue = machine.spool.list(&ListFilter { limit: usize::MAX, after: None });
    let recipients = queue.iter().flat_map(|message| &message.recipients);
    let paths: BTreeSet<&str> = recipients.map(|one| one.forward_path.as_str()).collect();
    assert_eq!(paths, ["anna@one.example", "bob@two.example"].into());
}

#[test]
fn a_crash_while_opening_loses_nothing() {
    for seed in 0..60 {
        let world = World::new(seed);
        let mut machine = world.open();
        let ids: Vec<QueueId> =
            (0..10).map(|_| machine.commit(&world, &["anna@example.org"], 5000).unwrap()).collect();
        machine.finish(ids[0], &[(0, Disposition::Delivered)], Vec::new());
        machine.committer.turn();
        drop(machine);
        world.disk.crash(&world.random);
        for _ in 0..5 {
            world.disk.fail_sync(1 + world.random.below(12));
            let opened = world.try_open();
            drop(opened);
            world.disk.crash(&world.random);
        }
        world.disk.fail_sync(0);
        let machine = world.open();
        assert_eq!(machine.opened.damage, Vec::<String>::new(), "seed {seed}");
        assert_eq!(machine.ids(), ids[1..].iter().copied().collect(), "seed {seed}");
    }
}
