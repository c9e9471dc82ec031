//! Mail from elsewhere comes once, and whole.

use mailstore::{Content, Flags, Import, Imported, KnownBy, MailstoreError, NewMessage};

use crate::support::{Fixture, NOW, message};

fn import(folder: &str, source: &str, text: &str) -> Import {
    Import {
        folder: folder.to_owned(),
        source: source.as_bytes().to_vec(),
        known_by: KnownBy::Content,
        head: Vec::new(),
        message: message(text),
    }
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
    let imports = vec![Import { message, ..import("INBOX", "1", "") }];
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

/// RFC 9051 §2.3.1.1: where a UIDVALIDITY and a UID name a message, they name it for ever.
#[tokio::test]
async fn what_its_source_alone_tells_apart_is_known_without_its_content() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let by_source = |folder: &str, source: &str, text: &str| Import {
        known_by: KnownBy::Source,
        ..import(folder, source, text)
    };
    let sources = || vec![b"1".to_vec(), b"2".to_vec()];
    let known = |folder: &str| fixture.mailstore.imported(anna, folder, &sources());
    assert_eq!(known("INBOX").unwrap(), [false, false]);
    let some = vec![by_source("inbox", "1", "one"), import("INBOX", "2", "two")];
    assert_eq!(fixture.mailstore.import(anna, some, NOW).await.unwrap(), outcome(2, 0));
    // A key with the content is none without.
    assert_eq!(known("INBOX").unwrap(), [true, false]);
    assert_eq!(known("Other").unwrap(), [false, false]);
    let other = vec![by_source("INBOX", "1", "another"), by_source("INBOX", "2", "two")];
    assert_eq!(fixture.mailstore.import(anna, other, NOW).await.unwrap(), outcome(1, 1));
    assert!(matches!(known("a//b"), Err(MailstoreError::BadName(_))));
}

#[tokio::test]
async fn what_is_put_back_comes_whatever_was_before_and_shares_its_content() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let back = || Import {
        known_by: KnownBy::Nothing,
        head: b"Return-Path: <>\r\n".to_vec(),
        ..import("Back", "1", "Subject: x\r\n\r\n")
    };
    for _ in 0..2 {
        assert_eq!(fixture.mailstore.import(anna, vec![back()], NOW).await.unwrap(), outcome(1, 0));
    }
    let mailbox = fixture.mailstore.mailbox(anna, "Back").unwrap().unwrap();
    let facts = fixture.mailstore.facts(mailbox.id, &mailstore::UidSet::all()).unwrap();
    assert_eq!((facts.len(), facts[0].head_octets), (2, 17));
    let octets = fixture.mailstore.read(facts[0].email, 0, 100).unwrap();
    assert_eq!(octets, b"Return-Path: <>\r\nSubject: x\r\n\r\n");
    assert_eq!(fixture.mailstore.verify().unwrap(), []);
}
