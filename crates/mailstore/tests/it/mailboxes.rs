//! Mailboxes come, go, and get other names.

use mailstore::{MailstoreError, SpecialUse};

use crate::support::{Fixture, NOW};

#[tokio::test]
async fn a_new_account_has_its_folders() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    assert_eq!(fixture.anna().await, anna, "made once");
    let all = fixture.mailstore.mailboxes(anna).unwrap();
    let names: Vec<_> = all.iter().map(|mailbox| mailbox.name.as_str()).collect();
    assert_eq!(names, ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]);
    assert_eq!(all[4].special_use, Some(SpecialUse::Sent));
    assert_eq!(fixture.mailstore.subscriptions(anna).unwrap().len(), 6);
    let validities: std::collections::BTreeSet<_> = all.iter().map(|mailbox| mailbox.uid_validity).collect();
    assert_eq!(validities.len(), 6, "each its own");
    let ben = fixture.mailstore.account("ben@example.org", NOW).await.unwrap();
    assert_ne!(anna, ben);
    assert_eq!(fixture.mailstore.find_account("ben@example.org").unwrap(), Some(ben));
    assert_eq!(fixture.mailstore.accounts().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_made_again_has_a_higher_uidvalidity() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let first = fixture.mailstore.create(anna, "Work", None, NOW).await.unwrap();
    fixture.append(first.id, "one").await;
    fixture.mailstore.delete(anna, "Work", NOW).await.unwrap();
    // The clock went back meanwhile.
    let second = fixture.mailstore.create(anna, "Work", None, NOW - 1_000_000).await.unwrap();
    assert!(second.uid_validity > first.uid_validity);
    assert_ne!(second.id, first.id);
    assert!(fixture.mailstore.view(first.id).is_err());
    assert!(fixture.uids(second.id).is_empty());
    fixture.verify();
}

#[tokio::test]
async fn a_name_never_goes_back_to_a_former_uidvalidity() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let old = fixture.mailstore.create(anna, "Old", None, NOW).await.unwrap();
    let young = fixture.mailstore.create(anna, "Young", None, NOW).await.unwrap();
    fixture.mailstore.delete(anna, "Young", NOW).await.unwrap();
    fixture.mailstore.rename(anna, "Old", "Young", NOW).await.unwrap();
    let renamed = fixture.mailbox(anna, "Young");
    assert_eq!(renamed.id, old.id);
    assert!(renamed.uid_validity > young.uid_validity);
    // Back under a name where it was the last: nobody can mistake it.
    fixture.mailstore.rename(anna, "Young", "Newer", NOW).await.unwrap();
    fixture.mailstore.rename(anna, "Newer", "Young", NOW).await.unwrap();
    assert_eq!(fixture.mailbox(anna, "Young").uid_validity, renamed.uid_validity);
}

#[tokio::test]
async fn a_mailbox_moves_up_to_where_one_below_has_its_former_name() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let mut made = Vec::new();
    for name in ["a/b/b/b", "a/b/b", "a/b", "a/b/c"] {
        made.push(fixture.mailstore.create(anna, name, None, NOW).await.unwrap().id);
    }
    fixture.mailstore.rename(anna, "a/b", "a", NOW).await.unwrap();
    let renamed = ["a/b/b", "a/b", "a", "a/c"].map(|name| fixture.mailbox(anna, name).id);
    assert_eq!(renamed.to_vec(), made);
    fixture.verify();
}

#[tokio::test]
async fn those_below_go_along_with_a_new_name() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    for name in ["a", "a/b", "a/b/c", "ab", "z"] {
        fixture.mailstore.create(anna, name, None, NOW).await.unwrap();
    }
    let deep = fixture.mailbox(anna, "a/b/c");
    fixture.mailstore.rename(anna, "a", "x/y", NOW).await.unwrap();
    assert_eq!(fixture.mailbox(anna, "x/y/b/c").id, deep.id);
    assert!(fixture.mailstore.mailbox(anna, "a/b").unwrap().is_none());
    assert!(fixture.mailstore.mailbox(anna, "ab").unwrap().is_some());
    // Only those below are there: a name without a mailbox.
    fixture.mailstore.rename(anna, "x", "w", NOW).await.unwrap();
    assert_eq!(fixture.mailbox(anna, "w/y/b/c").id, deep.id);
    let rename = |from: &'static str, to: &'static str| fixture.mailstore.rename(anna, from, to, NOW);
    assert!(matches!(rename("nowhere", "q").await, Err(MailstoreError::NoMailbox)));
    assert!(matches!(rename("w", "z").await, Err(MailstoreError::Exists)));
    assert!(matches!(rename("z", "inbox").await, Err(MailstoreError::Exists)));
    assert!(matches!(rename("w", "w/inside").await, Err(MailstoreError::BadName(_))));
    fixture.mailstore.create(anna, "t/y/b", None, NOW).await.unwrap();
    assert!(matches!(rename("w", "t").await, Err(MailstoreError::Exists)), "one of those below is taken");
    assert_eq!(fixture.mailbox(anna, "w/y/b/c").id, deep.id, "and nothing was renamed");
}

#[tokio::test]
async fn inbox_stays_and_its_messages_move() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let inbox = fixture.inbox().await;
    fixture.append(inbox, "one").await;
    fixture.append(inbox, "two").await;
    fixture.mailstore.rename(anna, "INBOX", "INBOX/2023", NOW).await.unwrap();
    let moved = fixture.mailbox(anna, "inbox/2023");
    assert_eq!(fixture.uids(moved.id), [1, 2]);
    assert_eq!(fixture.octets(moved.id, 2), b"two");
    let inbox = fixture.mailbox(anna, "INBOX");
    assert_eq!((inbox.messages, inbox.uid_next), (0, 3));
    assert!(matches!(fixture.mailstore.delete(anna, "inbox", NOW).await, Err(MailstoreError::Inbox)));
    fixture.verify();
}

#[tokio::test]
async fn wrong_names_are_refused() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let create = |name: &'static str| fixture.mailstore.create(anna, name, None, NOW);
    assert!(matches!(create("Inbox").await, Err(MailstoreError::Exists)));
    assert!(matches!(create("a//b").await, Err(MailstoreError::BadName(_))));
    assert_eq!(create("a/b/").await.unwrap().name, "a/b");
    let delete = fixture.mailstore.delete(anna, "a", NOW).await;
    assert!(matches!(delete, Err(MailstoreError::NoMailbox)), "there is only one below");
}

#[tokio::test]
async fn subscriptions_outlive_mailboxes() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    fixture.mailstore.subscribe(anna, "Gone", true).await.unwrap();
    fixture.mailstore.subscribe(anna, "Gone", true).await.unwrap();
    fixture.mailstore.subscribe(anna, "Trash", false).await.unwrap();
    fixture.mailstore.delete(anna, "Junk", NOW).await.unwrap();
    let names = fixture.mailstore.subscriptions(anna).unwrap();
    assert_eq!(names, ["Archive", "Drafts", "Gone", "INBOX", "Junk", "Sent"]);
}

#[tokio::test]
async fn a_removed_account_leaves_nothing_but_what_is_read() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let inbox = fixture.inbox().await;
    fixture.append(inbox, "one").await;
    fixture.mailstore.remove_account(anna, NOW).await.unwrap();
    assert_eq!(fixture.mailstore.find_account("anna@example.org").unwrap(), None);
    assert!(matches!(fixture.mailstore.quota(anna), Err(MailstoreError::NoAccount)));
    fixture.verify();
    assert_ne!(fixture.anna().await, anna, "no identifier is used twice");
}
