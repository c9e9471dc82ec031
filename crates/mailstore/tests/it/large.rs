//! Changes of more messages than one transaction has.

use mailstore::{FlagAction, FlagChange, Flags, MailboxId, UidSet};

use crate::support::{Fixture, HOUR, NOW, message, set};

/// More than two parts have.
const MANY: usize = 8100;

async fn fill(fixture: &Fixture, mailbox: MailboxId) {
    let messages = vec![message("Subject: x\r\n\r\nthe same\r\n"); MANY];
    fixture.mailstore.append(mailbox, messages, NOW).await.unwrap();
}

fn last() -> u32 {
    u32::try_from(MANY).unwrap()
}

#[tokio::test]
async fn flags_of_many_change_in_parts_and_all_are_told() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    fill(&fixture, inbox).await;
    let since = fixture.flag(inbox, 5000, Flags::FLAGGED).await;
    let change = |unchanged_since| FlagChange {
        action: FlagAction::Add,
        flags: Flags::SEEN,
        keywords: vec!["$x".to_owned()],
        unchanged_since,
    };
    let stored = fixture.mailstore.store_flags(inbox, UidSet::all(), change(Some(since - 1))).await.unwrap();
    assert_eq!((stored.messages.len(), &stored.modified), (MANY - 1, &set([5000])));
    // Each part has a mod-sequence of its own, and nobody sees a later one before an earlier.
    assert_eq!(stored.modseq, since + 3);
    assert!(
        stored.messages.windows(2).all(|pair| pair[0].uid < pair[1].uid && pair[0].modseq <= pair[1].modseq)
    );
    let again = fixture.mailstore.store_flags(inbox, UidSet::all(), change(None)).await.unwrap();
    assert_eq!((again.messages.len(), again.modseq), (MANY, stored.modseq + 1));
    let changes = fixture.mailstore.changes(inbox, since).unwrap();
    assert_eq!((changes.changed.len(), changes.mailbox.unseen), (MANY, 0));
    fixture.verify();
}

#[tokio::test]
async fn many_move_and_are_expunged_in_parts_and_none_is_lost() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    fill(&fixture, inbox).await;
    let to = fixture.mailstore.create(anna, "To", None, NOW).await.unwrap().id;
    let moved = fixture.mailstore.move_to(inbox, UidSet::all(), to, NOW).await.unwrap();
    let expected: Vec<(u32, u32)> = (1..=last()).map(|uid| (uid, uid)).collect();
    assert_eq!(moved.pairs, expected);
    assert_eq!(fixture.uids(inbox), [0_u32; 0]);
    // Onto itself: what has moved is not meant again.
    let moved = fixture.mailstore.move_to(to, UidSet::all(), to, NOW).await.unwrap();
    assert_eq!((moved.pairs.len(), fixture.uids(to).len()), (MANY, MANY));
    fixture.verify();
    let change = FlagChange {
        action: FlagAction::Add,
        flags: Flags::DELETED,
        keywords: Vec::new(),
        unchanged_since: None,
    };
    let odd: UidSet = fixture.uids(to).into_iter().filter(|uid| uid % 2 == 1).collect();
    fixture.mailstore.store_flags(to, odd.clone(), change).await.unwrap();
    let before = fixture.mailbox(anna, "To").highest_modseq;
    let gone = fixture.mailstore.expunge(to, None, NOW).await.unwrap();
    assert_eq!(gone.uids, odd);
    assert_eq!(fixture.mailstore.changes(to, before).unwrap().vanished, odd);
    fixture.mailstore.remove(to, UidSet::all(), NOW).await.unwrap();
    assert_eq!(fixture.mailstore.quota(anna).unwrap().messages, 0);
    fixture.verify();
}

#[tokio::test]
async fn a_large_mailbox_is_gone_at_once_and_its_messages_later() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let large = fixture.mailstore.create(anna, "Large", None, NOW).await.unwrap();
    fill(&fixture, large.id).await;
    fixture.mailstore.delete(anna, "Large", NOW).await.unwrap();
    assert!(fixture.mailstore.mailbox(anna, "Large").unwrap().is_none());
    assert!(fixture.mailstore.mailbox_by_id(large.id).unwrap().is_none());
    assert!(fixture.mailstore.view(large.id).is_err());
    assert_eq!(fixture.mailstore.quota(anna).unwrap().messages, 0);
    fixture.verify();
    // Another of its name is there meanwhile, and after another start the rest goes too.
    let other = fixture.mailstore.create(anna, "Large", None, NOW).await.unwrap();
    assert!(other.uid_validity > large.uid_validity);
    assert!(fixture.mailstore.collect_garbage(NOW).await.unwrap());
    fixture.verify();
    fixture.mailstore.close();
    let again = mailstore::Mailstore::open(&fixture.path()).unwrap().0;
    while again.collect_garbage(NOW + HOUR).await.unwrap() {}
    assert_eq!(again.verify().unwrap(), []);
    let count = |table: &str| {
        let store = store::Store::look_into(&fixture.path(), &[mailstore::SCHEMA]).unwrap();
        let select = format!("SELECT count(*) FROM {table}");
        store.read(|sql| sql.query(&select, &[], |row| row.integer(0))).unwrap()[0]
    };
    assert_eq!(["message", "email", "content", "piece"].map(count), [0; 4]);
    again.remove_account(anna, NOW).await.unwrap();
    assert_eq!(count("mailbox"), 0);
}
