//! Mail from elsewhere comes once, and whole.

use mailstore::{Content, Flags, Import, Imported, MailstoreError, NewMessage};

use crate::support::{Fixture, NOW, message};

fn import(folder: &str, source: &str, text: &str) -> Import {
    Import { folder: folder.to_owned(), source: source.as_bytes().to_vec(), message: message(text) }
}

fn outcome(new: u64, already: u64) -> Imported {
    Imported { new, already, keywords_left_out: 0 }
}

#[tokio::test]
async fn what_was_imported_is_not_imported_again() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let some =
        || vec![import("INBOX", "1", "one"), import("inbox", "2", "one"), import("Work/2024", "1", "one")];
    assert_eq!(fixture.mailstore.import(anna, some(), NOW).await.unwrap(), outcome(3, 0));
    assert_eq!(fixture.mailstore.import(anna, some(), NOW).await.unwrap(), outcome(0, 3));
    // Neither when it has gone since, nor after another run of the program.
    let inbox = fixture.inbox().await;
    fixture.mailstore.remove(inbox, crate::support::set([1]), NOW).await.unwrap();
    fixture.mailstore.close();
    let again = mailstore::Mailstore::open(&fixture.path()).unwrap().0;
    assert_eq!(again.import(anna, some(), NOW).await.unwrap(), outcome(0, 3));
    // But what another name or other content has is another message.
    let other = vec![import("INBOX", "1", "two"), import("INBOX", "3", "one")];
    assert_eq!(again.import(anna, other, NOW).await.unwrap(), outcome(2, 0));
    let ben = again.account("ben@example.org", NOW).await.unwrap();
    assert_eq!(again.import(ben, some(), NOW).await.unwrap(), outcome(3, 0));
    assert!(again.subscriptions(anna).unwrap().contains(&"Work/2024".to_owned()));
    assert_eq!(again.verify().unwrap(), []);
    // An account of the same name that comes later has imported nothing.
    again.remove_account(ben, NOW).await.unwrap();
    let ben = again.account("ben@example.org", NOW).await.unwrap();
    assert_eq!(again.import(ben, some(), NOW).await.unwrap(), outcome(3, 0));
}

#[tokio::test]
async fn flags_and_dates_come_with_it_and_watchers_hear_of_it() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let mut watch = fixture.mailstore.watch(fixture.inbox().await);
    let message = NewMessage {
        content: Content::new(b"Subject: x\r\n\r\n".to_vec()),
        flags: Flags::SEEN.with(Flags::FLAGGED),
        keywords: vec!["$Label1".to_owned(), String::new()],
        internal_date: 5000,
    };
    let imports = vec![Import { folder: "INBOX".to_owned(), source: b"1".to_vec(), message }];
    let imported = fixture.mailstore.import(anna, imports, NOW).await.unwrap();
    assert_eq!(imported, Imported { new: 1, already: 0, keywords_left_out: 1 });
    assert!(watch.has_changed());
    let view = fixture.mailstore.view(fixture.inbox().await).unwrap();
    assert_eq!(view.messages[0].flags, Flags::SEEN.with(Flags::FLAGGED));
    assert_eq!(view.keywords.names(view.messages[0].keywords).collect::<Vec<_>>(), ["$Label1"]);
    let facts = fixture.mailstore.facts(view.mailbox.id, &mailstore::UidSet::all()).unwrap();
    assert_eq!(facts[0].internal_date, 5000);
}

#[tokio::test]
async fn an_import_beyond_the_quota_puts_nothing_in_and_can_be_begun_again() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    fixture.mailstore.set_quota(anna, None, Some(1)).await.unwrap();
    let two = || vec![import("INBOX", "1", "one"), import("INBOX", "2", "two")];
    let refused = fixture.mailstore.import(anna, two(), NOW).await;
    assert!(matches!(refused, Err(MailstoreError::OverQuota)), "{refused:?}");
    fixture.mailstore.set_quota(anna, None, None).await.unwrap();
    assert_eq!(fixture.mailstore.import(anna, two(), NOW).await.unwrap(), outcome(2, 0));
    let bad = fixture.mailstore.import(anna, vec![import("a//b", "1", "one")], NOW).await;
    assert!(matches!(bad, Err(MailstoreError::BadName(_))), "{bad:?}");
    fixture.verify();
}
