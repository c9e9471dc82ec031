//! Messages and their flags.

use mailstore::{FlagAction, FlagChange, Flags, KEYWORDS_MAX, MailstoreError, NewMessage, UidSet};

use crate::support::{Fixture, HOUR, NOW, message, set};

fn change(action: FlagAction, flags: Flags, keywords: &[&str]) -> FlagChange {
    let keywords = keywords.iter().map(|name| (*name).to_owned()).collect();
    FlagChange { action, flags, keywords, unchanged_since: None }
}

#[tokio::test]
async fn several_messages_are_appended_all_or_none() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    let marked = NewMessage {
        flags: Flags::SEEN.with(Flags::DRAFT),
        keywords: vec!["$Forwarded".to_owned(), "Work".to_owned()],
        internal_date: NOW - HOUR,
        ..message("two!")
    };
    let appended = fixture.mailstore.append(inbox, vec![message("one"), marked], NOW).await.unwrap();
    assert_eq!(appended.uids, [1, 2]);
    let view = fixture.mailstore.view(inbox).unwrap();
    assert_eq!(appended.uid_validity, view.mailbox.uid_validity);
    let [one, two] = &view.messages[..] else { panic!("{view:?}") };
    assert_eq!(one.modseq, two.modseq, "one change");
    assert_eq!((one.flags, two.flags), (Flags::none(), Flags::SEEN.with(Flags::DRAFT)));
    assert!(view.keywords.names(two.keywords).eq(["$Forwarded", "Work"]));
    let mailbox = &view.mailbox;
    assert_eq!((mailbox.messages, mailbox.unseen, mailbox.octets, mailbox.uid_next), (2, 1, 7, 3));
    let facts = fixture.mailstore.facts(inbox, &UidSet::all()).unwrap();
    assert_eq!((facts[1].internal_date, facts[1].saved_date), (NOW - HOUR, NOW));

    fixture.mailstore.set_quota(anna, Some(9), None).await.unwrap();
    let both = vec![message("x"), message("yz")];
    assert!(matches!(fixture.mailstore.append(inbox, both, NOW).await, Err(MailstoreError::OverQuota)));
    assert_eq!(fixture.uids(inbox), [1, 2]);
    assert_eq!(fixture.append(inbox, "xy").await, 3, "and the UID was not used");
    fixture.verify();
}

#[tokio::test]
async fn flags_change_as_asked_and_only_where_they_differ() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    for text in ["a", "b", "c"] {
        fixture.append(inbox, text).await;
    }
    let mut watch = fixture.mailstore.watch(inbox);
    let before = fixture.mailbox(fixture.anna().await, "INBOX").highest_modseq;
    let add = change(FlagAction::Add, Flags::SEEN, &["Work"]);
    let stored = fixture.mailstore.store_flags(inbox, set([1, 2, 9]), add.clone()).await.unwrap();
    assert_eq!(stored.modseq, before + 1);
    assert!(watch.has_changed());
    let seen: Vec<_> = stored.messages.iter().map(|message| (message.uid, message.modseq)).collect();
    assert_eq!(seen, [(1, before + 1), (2, before + 1)]);

    let again = fixture.mailstore.store_flags(inbox, set([2]), add).await.unwrap();
    assert_eq!(again.modseq, stored.modseq, "nothing is different");
    assert!(!stored.own.is_empty() && stored.before.iter().all(|modseq| *modseq <= before));
    assert!(again.own.is_empty() && again.before == [stored.modseq]);
    assert!(!watch.has_changed());

    let replace = change(FlagAction::Replace, Flags::DELETED, &["work", "Home"]);
    let stored = fixture.mailstore.store_flags(inbox, set([1]), replace).await.unwrap();
    assert_eq!(stored.messages[0].flags, Flags::DELETED);
    assert!(stored.keywords.names(stored.messages[0].keywords).eq(["Work", "Home"]));
    let remove = change(FlagAction::Remove, Flags::DELETED, &["HOME", "Unknown"]);
    let stored = fixture.mailstore.store_flags(inbox, set([1]), remove).await.unwrap();
    assert!(stored.keywords.names(stored.messages[0].keywords).eq(["Work"]));
    assert!(stored.keywords.bit("Unknown").is_none());
    fixture.verify();
}

#[tokio::test]
async fn who_changed_since_is_left_alone() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    fixture.append(inbox, "a").await;
    fixture.append(inbox, "b").await;
    let known = fixture.mailstore.view(inbox).unwrap().mailbox.highest_modseq;
    fixture.flag(inbox, 1, Flags::FLAGGED).await;
    let seen = FlagChange { unchanged_since: Some(known), ..change(FlagAction::Add, Flags::SEEN, &[]) };
    let stored = fixture.mailstore.store_flags(inbox, UidSet::all(), seen).await.unwrap();
    assert_eq!(stored.modified, set([1]));
    assert_eq!(stored.messages.len(), 1);
    let flags: Vec<_> = fixture.mailstore.view(inbox).unwrap().messages.iter().map(|m| m.flags).collect();
    assert_eq!(flags, [Flags::FLAGGED, Flags::SEEN]);
}

#[tokio::test]
async fn a_mailbox_has_room_for_so_many_keywords() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    fixture.append(inbox, "a").await;
    let names: Vec<_> = (0..KEYWORDS_MAX).map(|number| format!("k{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let stored = fixture
        .mailstore
        .store_flags(inbox, set([1]), change(FlagAction::Add, Flags::none(), &names))
        .await
        .unwrap();
    assert!(stored.keywords.is_full());
    assert_eq!(stored.keywords.names(stored.messages[0].keywords).count(), KEYWORDS_MAX);
    let more = change(FlagAction::Add, Flags::SEEN, &["more"]);
    let refused = fixture.mailstore.store_flags(inbox, set([1]), more).await;
    assert!(matches!(refused, Err(MailstoreError::KeywordsFull)));
    let view = fixture.mailstore.view(inbox).unwrap();
    assert_eq!(view.messages[0].flags, Flags::none(), "nothing was changed");
    assert_eq!(view.messages[0].keywords, u64::MAX);
}

#[tokio::test]
async fn a_keyword_that_no_message_has_any_more_makes_room_for_another() {
    let fixture = Fixture::new();
    let (inbox, mailstore) = (fixture.inbox().await, &fixture.mailstore);
    fixture.append(inbox, "a").await;
    fixture.append(inbox, "b").await;
    let names: Vec<_> = (0..KEYWORDS_MAX).map(|number| format!("k{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let store = |uid, action, names: &[&str]| {
        mailstore.store_flags(inbox, set([uid]), change(action, Flags::none(), names))
    };
    store(1, FlagAction::Add, &names).await.unwrap();
    store(2, FlagAction::Add, &["k3"]).await.unwrap();
    assert!(mailstore.view(inbox).unwrap().keywords.is_full());
    store(1, FlagAction::Remove, &["k3", "k5", "k7"]).await.unwrap();
    let view = mailstore.view(inbox).unwrap();
    assert!(
        !view.keywords.is_full() && view.keywords.bit("k5").is_some(),
        "it stays as long as there is room"
    );
    // What is wanted with the new one is not given up for it, though no message has it yet.
    let stored = store(2, FlagAction::Add, &["new", "k5"]).await.unwrap();
    let of = |uid: usize| {
        let view = mailstore.view(inbox).unwrap();
        view.keywords.names(view.messages[uid - 1].keywords).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(stored.keywords.bit("k7"), None);
    assert_eq!(of(2), ["k3", "k5", "new"]);
    assert_eq!(of(1).len(), KEYWORDS_MAX - 3, "none of another message became another one");
    assert!(!of(1).contains(&"new".to_owned()));
    let refused = store(2, FlagAction::Add, &["more"]).await;
    assert!(matches!(refused, Err(MailstoreError::KeywordsFull)));
    fixture.verify();
}

#[tokio::test]
async fn only_deleted_messages_are_expunged() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    for text in ["a", "b", "c", "d"] {
        fixture.append(inbox, text).await;
    }
    for uid in [1, 2, 4] {
        fixture.flag(inbox, uid, Flags::DELETED).await;
    }
    let some = fixture.mailstore.expunge(inbox, Some(set([2, 3])), NOW).await.unwrap();
    assert_eq!(some.uids, set([2]));
    let rest = fixture.mailstore.expunge(inbox, None, NOW).await.unwrap();
    assert_eq!(rest.uids, set([1, 4]));
    assert_eq!(rest.modseq, some.modseq + 1);
    let none = fixture.mailstore.expunge(inbox, None, NOW).await.unwrap();
    assert_eq!((none.uids.is_empty(), none.modseq), (true, rest.modseq));
    assert_eq!(fixture.uids(inbox), [3]);
    assert_eq!(fixture.append(inbox, "e").await, 5);
    let whatever = fixture.mailstore.remove(inbox, set([3]), NOW).await.unwrap();
    assert_eq!(whatever.uids, set([3]));
    let mailbox = fixture.mailstore.view(inbox).unwrap().mailbox;
    assert_eq!((mailbox.messages, mailbox.deleted, mailbox.deleted_octets, mailbox.octets), (1, 0, 0, 1));
    fixture.verify();
}

#[tokio::test]
async fn who_was_away_hears_what_became_different() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    for text in ["a", "b", "c"] {
        fixture.append(inbox, text).await;
    }
    let then = fixture.mailstore.view(inbox).unwrap().mailbox.highest_modseq;
    assert_eq!(fixture.mailstore.changes(inbox, then).unwrap().changed, []);
    fixture.flag(inbox, 1, Flags::SEEN).await;
    fixture.append(inbox, "d").await;
    fixture.mailstore.remove(inbox, set([2, 3]), NOW).await.unwrap();
    let changes = fixture.mailstore.changes(inbox, then).unwrap();
    let changed: Vec<_> = changes.changed.iter().map(|message| message.uid).collect();
    assert_eq!((changed, changes.vanished), (vec![1, 4], set([2, 3])));
    assert_eq!(changes.mailbox.highest_modseq, then + 3);
}

#[tokio::test]
async fn copies_share_what_does_not_change() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    let marked = NewMessage { keywords: vec!["Work".to_owned()], flags: Flags::SEEN, ..message("one") };
    fixture.mailstore.append(inbox, vec![message("zero"), marked], NOW).await.unwrap();
    let archive = fixture.mailbox(anna, "Archive").id;
    let other = NewMessage { keywords: vec!["Home".to_owned()], ..message("there") };
    fixture.mailstore.append(archive, vec![other], NOW).await.unwrap();
    let copied = fixture.mailstore.copy(inbox, set([2, 7]), archive, NOW + 5).await.unwrap();
    assert_eq!(copied.pairs, [(2, 2)]);
    let view = fixture.mailstore.view(archive).unwrap();
    assert_eq!(copied.uid_validity, view.mailbox.uid_validity);
    assert_eq!(view.messages[1].flags, Flags::SEEN);
    assert!(view.keywords.names(view.messages[1].keywords).eq(["Work"]), "by name, not by bit");
    let before = fixture.mailstore.facts(inbox, &set([2])).unwrap()[0];
    let after = fixture.mailstore.facts(archive, &set([2])).unwrap()[0];
    assert_eq!((after.email, after.internal_date, after.saved_date), (before.email, NOW, NOW + 5));
    fixture.mailstore.remove(inbox, set([2]), NOW).await.unwrap();
    fixture.mailstore.collect_garbage(NOW + 9 * HOUR).await.unwrap();
    assert_eq!(fixture.octets(archive, 2), b"one");
    let quota = fixture.mailstore.quota(anna).unwrap();
    assert_eq!((quota.octets, quota.messages), (4 + 5 + 3, 3));
    fixture.verify();
}

#[tokio::test]
async fn messages_move_whatever_the_quota_is() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    for text in ["a", "b", "c"] {
        fixture.append(inbox, text).await;
    }
    fixture.mailstore.set_quota(anna, Some(2), Some(1)).await.unwrap();
    let trash = fixture.mailbox(anna, "Trash").id;
    let before = fixture.mailstore.view(inbox).unwrap().mailbox.highest_modseq;
    let moved = fixture.mailstore.move_to(inbox, set([1, 3]), trash, NOW).await.unwrap();
    assert_eq!((moved.pairs, moved.modseq), (vec![(1, 1), (3, 2)], before + 1));
    assert_eq!((fixture.uids(inbox), fixture.uids(trash)), (vec![2], vec![1, 2]));
    assert_eq!(fixture.octets(trash, 2), b"c");
    // Into the same mailbox: a new UID (RFC 6851 §3.3 leaves it open).
    let moved = fixture.mailstore.move_to(inbox, UidSet::all(), inbox, NOW).await.unwrap();
    assert_eq!(moved.pairs, [(2, 4)]);
    assert_eq!(fixture.uids(inbox), [4]);
    let copy = fixture.mailstore.copy(inbox, UidSet::all(), trash, NOW).await;
    assert!(matches!(copy, Err(MailstoreError::OverQuota)));
    let nowhere = fixture.mailstore.delete(anna, "Junk", NOW).await;
    nowhere.unwrap();
    fixture.verify();
}

#[tokio::test]
async fn a_message_is_replaced_or_nothing_happens() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    fixture.append(inbox, "draft").await;
    fixture.mailstore.set_quota(anna, Some(6), None).await.unwrap();
    let replaced = fixture.mailstore.replace(inbox, 1, inbox, message("draft2"), NOW).await.unwrap();
    assert_eq!(replaced.uids, [2]);
    assert_eq!(fixture.uids(inbox), [2]);
    let large = fixture.mailstore.replace(inbox, 2, inbox, message("draft34"), NOW).await;
    assert!(matches!(large, Err(MailstoreError::OverQuota)));
    let gone = fixture.mailstore.replace(inbox, 1, inbox, message("x"), NOW).await;
    assert!(matches!(gone, Err(MailstoreError::Gone)));
    assert_eq!(fixture.octets(inbox, 2), b"draft2");
    fixture.verify();
}

#[tokio::test]
async fn recent_messages_are_shown_once() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    fixture.append(inbox, "a").await;
    assert_eq!(fixture.mailstore.take_recent(inbox).await.unwrap(), 1);
    assert_eq!(fixture.mailstore.take_recent(inbox).await.unwrap(), 2);
    fixture.append(inbox, "b").await;
    assert_eq!(fixture.mailstore.take_recent(inbox).await.unwrap(), 2);
}

#[tokio::test]
async fn what_a_session_was_told_of_is_recent_for_no_other() {
    let fixture = Fixture::new();
    let (inbox, mailstore) = (fixture.inbox().await, &fixture.mailstore);
    let recent_from = || mailstore.recent_from(&mailstore.mailbox_by_id(inbox).unwrap().unwrap());
    fixture.append(inbox, "a").await;
    assert_eq!(mailstore.take_recent(inbox).await.unwrap(), 1);
    fixture.append(inbox, "b").await;
    assert_eq!(recent_from(), 2);
    mailstore.note_told(inbox, 3);
    mailstore.note_told(inbox, 2);
    assert_eq!(recent_from(), 3);
    fixture.append(inbox, "c").await;
    assert_eq!(mailstore.take_recent(inbox).await.unwrap(), 3);
    assert_eq!(recent_from(), 4);
}
