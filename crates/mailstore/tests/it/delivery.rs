//! Final delivery: exactly once, into the folder that is meant, within the quota; and who watches hears of it.

use mailstore::{Delivered, Delivery, MailstoreError};

use crate::support::{Fixture, NOW, delivery};

#[tokio::test]
async fn the_same_delivery_is_made_once() {
    let fixture = Fixture::new();
    let first = fixture.mailstore.deliver(vec![delivery("anna@example.org", "q1", "hello")]).await.remove(0);
    let Ok(Delivered::Filed { mailbox, uid: 1 }) = first else { panic!("{first:?}") };
    let again =
        vec![delivery("anna@example.org", "q1", "hello"), delivery("anna@example.org", "q2", "hello")];
    let again: Vec<_> = fixture.mailstore.deliver(again).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(again, [Delivered::Already, Delivered::Filed { mailbox, uid: 2 }]);
    assert_eq!(fixture.octets(mailbox, 2), b"Delivered-To: anna@example.org\r\nhello");
    // Also when its reader removed it meanwhile.
    fixture.mailstore.remove(mailbox, mailstore::UidSet::all(), NOW).await.unwrap();
    let again = fixture.mailstore.deliver(vec![delivery("anna@example.org", "q1", "hello")]).await.remove(0);
    assert_eq!(again.unwrap(), Delivered::Already);
    fixture.verify();
}

#[tokio::test]
async fn a_folder_that_is_there_gets_it() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    for name in ["News", "Lists/Rust", "Twin", "twin"] {
        fixture.mailstore.create(anna, name, None, NOW).await.unwrap();
    }
    let into = |folder: &str| Delivery {
        folder: Some(folder.to_owned()),
        ..delivery("anna@example.org", folder, "x")
    };
    for (folder, expected) in [
        ("news", "News"),
        ("lists/rust", "Lists/Rust"),
        ("twin", "twin"),
        ("TWIN", "INBOX"),
        ("nowhere", "INBOX"),
        ("a//b", "INBOX"),
        ("inbox", "INBOX"),
        ("Trash", "INBOX"),
        ("sent", "INBOX"),
    ] {
        let delivered = fixture.mailstore.deliver(vec![into(folder)]).await.remove(0).unwrap();
        let Delivered::Filed { mailbox, .. } = delivered else { panic!("{delivered:?}") };
        assert_eq!(mailbox, fixture.mailbox(anna, expected).id, "{folder}");
    }
}

#[tokio::test]
async fn junk_is_filed_where_its_reader_keeps_it() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    fixture.mailstore.create(anna, "News", None, NOW).await.unwrap();
    let junk = |key: &str| Delivery {
        junk: true,
        folder: Some("news".to_owned()),
        ..delivery("anna@example.org", key, "x")
    };
    let filed = async |key: &str| match fixture.mailstore.deliver(vec![junk(key)]).await.remove(0).unwrap() {
        Delivered::Filed { mailbox, .. } => mailbox,
        Delivered::Already => panic!("{key}"),
    };
    assert_eq!(filed("made").await, fixture.mailbox(anna, "Junk").id);
    // Its name is its reader's business.
    let renamed = fixture.mailbox(anna, "Junk").id;
    fixture.mailstore.rename(anna, "Junk", "Werbung", NOW).await.unwrap();
    assert_eq!(filed("renamed").await, renamed);
    // Who deleted it gets another, and nothing into INBOX.
    fixture.mailstore.delete(anna, "Werbung", NOW).await.unwrap();
    assert_eq!(filed("deleted").await, fixture.mailbox(anna, "Junk").id);
    assert_eq!(fixture.mailbox(anna, "Junk").special_use, Some(mailstore::SpecialUse::Junk));
}

#[tokio::test]
async fn over_quota_nothing_is_filed_and_nothing_remembered() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    fixture.mailstore.set_quota(anna, None, Some(1)).await.unwrap();
    let deliveries = ["q1", "q2"].map(|key| delivery("anna@example.org", key, "x"));
    let mut delivered = fixture.mailstore.deliver(deliveries.to_vec()).await;
    assert!(matches!(delivered.remove(1), Err(MailstoreError::OverQuota)));
    assert!(delivered.remove(0).is_ok(), "each for itself");
    fixture.mailstore.set_quota(anna, None, None).await.unwrap();
    let later = fixture.mailstore.deliver(deliveries.to_vec()).await;
    assert!(matches!(later[..], [Ok(Delivered::Already), Ok(Delivered::Filed { uid: 2, .. })]));
    fixture.verify();
}

#[tokio::test]
async fn who_watches_hears_of_it_though_nobody_waits() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let inbox = fixture.inbox().await;
    let mut watch = fixture.mailstore.watch(inbox);
    let mut account = fixture.mailstore.watch_account(anna);
    let mut other = fixture.mailstore.watch(fixture.mailbox(anna, "Sent").id);
    let deliver = fixture.mailstore.deliver(vec![delivery("anna@example.org", "q1", "hello")]);
    {
        // Asked for, and then given up.
        let mut deliver = std::pin::pin!(deliver);
        let waker = std::task::Waker::noop();
        let _ = deliver.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    watch.changed().await;
    account.changed().await;
    assert_eq!(fixture.uids(inbox), [1]);
    assert!(!other.has_changed());
    fixture.mailstore.create(anna, "New", None, NOW).await.unwrap();
    assert!(account.has_changed() && !watch.has_changed());
}

fn warn(fixture: &Fixture, percent: u8) {
    let write = |warning: &mailstore::Warning<'_>| {
        format!("Subject: {} {}\r\n\r\n", if warning.full { "full" } else { "nearly" }, warning.account)
            .into_bytes()
    };
    fixture.mailstore.warn_of_quotas(mailstore::QuotaWarning { percent, write: Box::new(write) });
}

/// How many warnings of each kind are in the inbox.
fn warnings(fixture: &Fixture, inbox: mailstore::MailboxId) -> (usize, usize) {
    let facts = fixture.mailstore.facts(inbox, &mailstore::UidSet::all()).unwrap();
    let texts: Vec<String> = facts
        .iter()
        .map(|facts| String::from_utf8(fixture.mailstore.read(facts.email, 0, 4096).unwrap()).unwrap())
        .collect();
    let count = |word: &str| {
        let begin = format!("Return-Path: <>\r\nSubject: {word} anna@example.org");
        texts.iter().filter(|text| text.starts_with(&begin)).count()
    };
    (count("nearly"), count("full"))
}

#[tokio::test]
async fn its_reader_is_warned_once_until_there_is_room_again() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    warn(&fixture, 90);
    fixture.mailstore.set_quota(anna, None, Some(10)).await.unwrap();
    let deliver = async |keys: std::ops::Range<u32>| {
        let deliveries = keys.map(|key| delivery("anna@example.org", &format!("k{key}"), "x")).collect();
        let results = fixture.mailstore.deliver(deliveries).await;
        results.iter().filter(|result| result.is_ok()).count()
    };
    assert_eq!(deliver(0..8).await, 8);
    assert_eq!(warnings(&fixture, inbox), (0, 0));
    // The ninth; with the warning there are ten, and the next is refused.
    assert_eq!(deliver(8..11).await, 1);
    assert_eq!(warnings(&fixture, inbox), (1, 1));
    assert_eq!(deliver(9..11).await, 0, "tried again");
    assert_eq!(warnings(&fixture, inbox), (1, 1), "once");
    // Eleven are there. With nine it is not below the share of which it was warned.
    let remove = async |from: u32| {
        let uids: mailstore::UidSet = (from..from + 2).collect();
        fixture.mailstore.remove(inbox, uids, NOW).await.unwrap();
    };
    remove(1).await;
    assert_eq!(deliver(9..10).await, 1);
    assert_eq!(warnings(&fixture, inbox), (1, 1));
    // But with eight it is.
    remove(3).await;
    assert_eq!(deliver(10..11).await, 1);
    assert_eq!(warnings(&fixture, inbox), (2, 1));
    // Who may hold more starts anew.
    fixture.mailstore.set_quota(anna, None, Some(12)).await.unwrap();
    assert_eq!(deliver(20..21).await, 1);
    assert_eq!(warnings(&fixture, inbox), (3, 1));
    fixture.verify();
}

#[tokio::test]
async fn a_message_that_is_too_large_is_told_of_once() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    warn(&fixture, 90);
    fixture.mailstore.set_quota(anna, Some(2000), None).await.unwrap();
    let large = || vec![delivery("anna@example.org", "large", &"x".repeat(3000))];
    for _ in 0..3 {
        let result = fixture.mailstore.deliver(large()).await.remove(0);
        assert!(matches!(result, Err(MailstoreError::OverQuota)));
        fixture.mailstore.deliver(vec![delivery("anna@example.org", "small", "x")]).await.remove(0).unwrap();
    }
    assert_eq!(warnings(&fixture, inbox), (0, 1));
    fixture.verify();
}
