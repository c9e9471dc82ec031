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
