//! Random changes, against a model that is too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use mailstore::{
    FlagAction, FlagChange, Flags, FlagsAllowed, MailboxId, Mailstore, ModSeq, NewMessage, Uid, UidSet,
};
use proptest::prelude::*;

use crate::support::{Fixture, NOW, message, set};

const FLAGS: [Flags; 3] = [Flags::SEEN, Flags::DELETED, Flags::FLAGGED];
const KEYWORDS: [&str; 3] = ["Work", "Home", "$Junk"];

#[derive(Debug, Clone)]
enum Step {
    Append { place: usize, texts: Vec<u8>, flag: usize },
    Store { place: usize, uids: Vec<Uid>, action: usize, flag: usize, keyword: usize, behind: Option<u64> },
    Expunge { place: usize, uids: Option<Vec<Uid>> },
    Copy { from: usize, to: usize, uids: Vec<Uid> },
    Move { from: usize, to: usize, uids: Vec<Uid> },
    Recreate { place: usize },
    Collect,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..3_usize;
    let uids = || prop::collection::vec(1..14_u32, 1..5);
    let one = (place(), prop::collection::vec(any::<u8>(), 1..4), 0..3_usize);
    prop_oneof![
        6 => one.prop_map(|(place, texts, flag)| Step::Append { place, texts, flag }),
        6 => (place(), uids(), 0..4_usize, 0..3_usize, 0..3_usize, prop::option::of(0..4_u64)).prop_map(
            |(place, uids, action, flag, keyword, behind)| Step::Store { place, uids, action, flag, keyword, behind }
        ),
        3 => (place(), prop::option::of(uids())).prop_map(|(place, uids)| Step::Expunge { place, uids }),
        3 => (place(), place(), uids()).prop_map(|(from, to, uids)| Step::Copy { from, to, uids }),
        3 => (place(), place(), uids()).prop_map(|(from, to, uids)| Step::Move { from, to, uids }),
        1 => place().prop_map(|place| Step::Recreate { place }),
        1 => Just(Step::Collect),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    text: String,
    flags: Flags,
    keywords: BTreeSet<&'static str>,
}

/// What a mailbox has to be.
#[derive(Debug, Clone, Default)]
struct Model {
    messages: BTreeMap<Uid, Expected>,
    uid_next: Uid,
    /// Earlier moments: the mod-sequence, and the messages then.
    moments: Vec<(ModSeq, BTreeMap<Uid, Expected>)>,
}

struct Run {
    fixture: Fixture,
    models: [Model; 3],
    ids: Vec<MailboxId>,
    validities: BTreeSet<u32>,
    now: i64,
}

const NAMES: [&str; 3] = ["A", "A/B", "C"];

impl Run {
    async fn new() -> Self {
        let fixture = Fixture::new();
        let mut run = Self {
            fixture,
            models: Default::default(),
            ids: Vec::new(),
            validities: BTreeSet::new(),
            now: NOW,
        };
        for place in 0..3 {
            let id = run.create(place).await;
            run.ids.push(id);
        }
        run
    }

    async fn create(&mut self, place: usize) -> MailboxId {
        let anna = self.fixture.anna().await;
        let made = self.fixture.mailstore.create(anna, NAMES[place], None, NOW).await.unwrap();
        assert!(self.validities.insert(made.uid_validity), "used before");
        self.models[place] = Model { uid_next: 1, ..Model::default() };
        made.id
    }

    async fn take(&mut self, step: Step) {
        self.now += 60_000;
        match step {
            Step::Append { place, texts, flag } => {
                let new = |text: &u8| NewMessage { flags: FLAGS[flag], ..message(&format!("text {text}")) };
                let news = texts.iter().map(new).collect();
                let appended = self.fixture.mailstore.append(self.ids[place], news, self.now).await.unwrap();
                for (text, uid) in texts.iter().zip(appended.uids) {
                    let expected = Expected {
                        text: format!("text {text}"),
                        flags: FLAGS[flag],
                        keywords: BTreeSet::new(),
                    };
                    self.models[place].add(uid, expected);
                }
            }
            Step::Store { place, uids, action, flag, keyword, behind } => {
                self.store(place, &uids, action, flag, keyword, behind).await;
            }
            Step::Expunge { place, uids } => {
                let asked = uids.map(set);
                let gone =
                    self.fixture.mailstore.expunge(self.ids[place], asked.clone(), self.now).await.unwrap();
                let model = &mut self.models[place];
                let expected: UidSet = model
                    .messages
                    .iter()
                    .filter(|(uid, message)| {
                        message.flags.contains(Flags::DELETED)
                            && asked.as_ref().is_none_or(|asked| asked.contains(**uid))
                    })
                    .map(|(uid, _)| *uid)
                    .collect();
                assert_eq!(gone.uids, expected);
                model.messages.retain(|uid, _| !expected.contains(*uid));
            }
            Step::Copy { from, to, uids } => {
                let copied = self
                    .fixture
                    .mailstore
                    .copy(self.ids[from], set(uids.clone()), self.ids[to], self.now)
                    .await;
                self.came(from, to, &uids, &copied.unwrap().pairs);
            }
            Step::Move { from, to, uids } => {
                let moved =
                    self.fixture.mailstore.move_to(self.ids[from], set(uids.clone()), self.ids[to], self.now);
                let pairs = moved.await.unwrap().pairs;
                self.came(from, to, &uids, &pairs);
                self.models[from].messages.retain(|uid, _| !pairs.iter().any(|(before, _)| before == uid));
            }
            Step::Recreate { place } => {
                let anna = self.fixture.anna().await;
                self.fixture.mailstore.delete(anna, NAMES[place], self.now).await.unwrap();
                self.ids[place] = self.create(place).await;
            }
            Step::Collect => {
                // Nothing is left for an hour, so that all that can go wrong with it does.
                self.fixture.mailstore.collect_garbage(self.now + 3_600_000).await.unwrap();
            }
            Step::Reopen => {
                self.fixture.mailstore.close();
                self.fixture.mailstore = Mailstore::open(&self.fixture.path()).unwrap().0;
            }
        }
    }

    fn came(&mut self, from: usize, to: usize, uids: &[Uid], pairs: &[(Uid, Uid)]) {
        let source = self.models[from].messages.clone();
        let expected: BTreeSet<_> = uids.iter().filter(|uid| source.contains_key(uid)).collect();
        assert!(pairs.iter().map(|(before, _)| before).eq(expected));
        for (before, new) in pairs {
            self.models[to].add(*new, source[before].clone());
        }
    }

    async fn store(
        &mut self,
        place: usize,
        uids: &[Uid],
        action: usize,
        flag: usize,
        keyword: usize,
        behind: Option<u64>,
    ) {
        let view = self.fixture.mailstore.view(self.ids[place]).unwrap();
        let unchanged_since = behind.map(|behind| view.mailbox.highest_modseq.saturating_sub(behind));
        let no_flagged = FlagsAllowed { flags: Flags::SEEN.with(Flags::DELETED), keywords: false };
        let some = FlagAction::ReplaceAmong(no_flagged);
        let action = [FlagAction::Add, FlagAction::Remove, FlagAction::Replace, some][action];
        let keywords = vec![KEYWORDS[keyword].to_owned()];
        let change = FlagChange { action, flags: FLAGS[flag], keywords, unchanged_since };
        let stored =
            self.fixture.mailstore.store_flags(self.ids[place], set(uids.to_vec()), change).await.unwrap();
        let changed = |uid: &Uid| {
            let state = view.messages.iter().find(|message| message.uid == *uid).unwrap();
            unchanged_since.is_some_and(|since| state.modseq > since)
        };
        let there = |uid: &&Uid| self.models[place].messages.contains_key(*uid);
        let expected: UidSet = uids.iter().filter(there).filter(|uid| changed(uid)).copied().collect();
        assert_eq!(stored.modified, expected);
        let model = &mut self.models[place].messages;
        for uid in uids.iter().filter(|uid| !expected.contains(**uid)) {
            let Some(message) = model.get_mut(uid) else { continue };
            match action {
                FlagAction::Add => {
                    message.flags = message.flags.with(FLAGS[flag]);
                    message.keywords.insert(KEYWORDS[keyword]);
                }
                FlagAction::Remove => {
                    message.flags = message.flags.without(FLAGS[flag]);
                    message.keywords.remove(KEYWORDS[keyword]);
                }
                FlagAction::Replace => {
                    message.flags = FLAGS[flag];
                    message.keywords = [KEYWORDS[keyword]].into();
                }
                FlagAction::ReplaceAmong(_) => {
                    let stays = message.flags.contains(Flags::FLAGGED);
                    let stays = if stays { Flags::FLAGGED } else { Flags::none() };
                    message.flags = FLAGS[flag].without(Flags::FLAGGED).with(stays);
                }
            }
        }
    }

    /// The mailbox is what the model says, and whoever knew an earlier moment can follow.
    fn check(&mut self, place: usize) {
        let (id, model) = (self.ids[place], &mut self.models[place]);
        let view = self.fixture.mailstore.view(id).unwrap();
        assert_eq!(view.mailbox.uid_next, model.uid_next);
        let expected = |state: &mailstore::MessageState| {
            let keywords = view.keywords.names(state.keywords);
            let keywords = keywords.map(|name| *KEYWORDS.iter().find(|other| **other == name).unwrap());
            let facts = self.fixture.mailstore.facts(id, &UidSet::single(state.uid)).unwrap()[0];
            let text = self.fixture.mailstore.read(facts.email, 0, 100).unwrap();
            let text = String::from_utf8(text).unwrap();
            (state.uid, Expected { text, flags: state.flags, keywords: keywords.collect() })
        };
        let now: BTreeMap<_, _> = view.messages.iter().map(expected).collect();
        assert_eq!(now, model.messages);
        for (modseq, then) in &model.moments {
            let changes = self.fixture.mailstore.changes(id, *modseq).unwrap();
            let mut follows = then.clone();
            follows.retain(|uid, _| !changes.vanished.contains(*uid));
            for state in &changes.changed {
                assert!(state.modseq > *modseq && !changes.vanished.contains(state.uid));
                follows.insert(state.uid, now[&state.uid].clone());
            }
            assert_eq!(follows, now);
        }
        model.moments.push((view.mailbox.highest_modseq, now));
    }
}

impl Model {
    fn add(&mut self, uid: Uid, message: Expected) {
        assert_eq!(uid, self.uid_next, "the next one, and no other");
        self.uid_next += 1;
        self.messages.insert(uid, message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mailboxes_are_what_became_of_them(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in steps {
                run.take(step).await;
                (0..3).for_each(|place| run.check(place));
            }
            run.fixture.verify();
        });
    }
}
