//! What is wrong is found, and what is derived made again.

use mailstore::{Flags, Mailstore, SCHEMA, UidSet};
use store::Store;

use crate::support::{Fixture, HOUR, NOW, delivery, message, set};

/// Does to the database what no program of ours does.
async fn damaged(fixture: Fixture, statement: &'static str) -> Fixture {
    fixture.mailstore.close();
    let store = Store::open(&fixture.path(), &[SCHEMA]).unwrap().0;
    assert!(store.write(move |sql| sql.execute(statement, &[])).await.unwrap() > 0);
    store.close();
    Fixture { mailstore: Mailstore::open(&fixture.path()).unwrap().0, dir: fixture.dir }
}

async fn some_mail() -> Fixture {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    for text in ["one", "two", "three", "four"] {
        fixture.append(inbox, text).await;
    }
    fixture.flag(inbox, 2, Flags::SEEN.with(Flags::DELETED)).await;
    fixture.mailstore.remove(inbox, set([3]), NOW).await.unwrap();
    fixture.verify();
    fixture
}

#[tokio::test]
async fn what_is_derived_is_made_again() {
    for statement in [
        "UPDATE mailbox SET unseen = 7, octets = 1",
        "UPDATE mailbox SET deleted = deleted + 1",
        "UPDATE account SET octets = 0, messages = 99",
        "UPDATE email SET references_held = references_held + 1",
        "UPDATE email SET garbage_since = 1 WHERE garbage_since IS NULL",
        "UPDATE content SET references_held = 3",
        "INSERT INTO piece (id, octets) VALUES (99999999999, x'00')",
        "INSERT INTO structure (content, octets) VALUES (99999, x'00')",
        "INSERT INTO metadata (mailbox, account, entry, changed) VALUES (99999, 0, '/shared/x', 1)",
        "INSERT INTO metadata (mailbox, account, entry, changed) VALUES (0, 99999, '/private/x', 1)",
        "INSERT INTO acl (mailbox, identifier, rights) VALUES (99999, 'anyone', 'lr')",
        "DELETE FROM message WHERE uid = 1",
        "UPDATE structure SET octets = x'00'",
        "DELETE FROM structure",
    ] {
        let fixture = damaged(some_mail().await, statement).await;
        let findings = fixture.mailstore.verify().unwrap();
        assert!(
            !findings.is_empty() && findings.iter().all(|finding| finding.derived),
            "{statement}: {findings:?}"
        );
        fixture.mailstore.rebuild(None, NOW).await.unwrap();
        fixture.mailstore.rebuild_structures().unwrap();
        // Behind what was asked for before it.
        fixture.mailstore.rebuild(None, NOW).await.unwrap();
        fixture.verify();
        let inbox = fixture.inbox().await;
        assert!(fixture.octets(inbox, 4) == b"four");
    }
}

#[tokio::test]
async fn damage_that_cannot_be_mended_is_told() {
    for statement in [
        "UPDATE piece SET octets = x'747770' WHERE octets = x'74776f'",
        "DELETE FROM piece WHERE octets = x'6f6e65'",
        "UPDATE message SET octets = octets + 1 WHERE uid = 1",
        "UPDATE mailbox SET uid_next = 2 WHERE uid_next > 2",
        "UPDATE mailbox SET highest_modseq = 2 WHERE uid_next > 2",
        "UPDATE expunged SET uid_first = 1",
        "UPDATE account SET uid_validity_last = 1",
    ] {
        let fixture = damaged(some_mail().await, statement).await;
        let findings = fixture.mailstore.verify().unwrap();
        assert!(findings.iter().any(|finding| !finding.derived), "{statement}: {findings:?}");
    }
}

#[tokio::test]
async fn garbage_goes_and_the_rest_stays() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    for number in 0..700 {
        fixture.append(inbox, &format!("message {number}")).await;
    }
    fixture.mailstore.deliver(vec![delivery("anna@example.org", "q", "x")]).await.remove(0).unwrap();
    let uids: UidSet = (1..=699).collect();
    fixture.mailstore.remove(inbox, uids, NOW).await.unwrap();
    assert!(!fixture.mailstore.collect_garbage(NOW).await.unwrap(), "too early");
    let mut rounds = 1;
    while fixture.mailstore.collect_garbage(NOW + HOUR).await.unwrap() {
        rounds += 1;
    }
    assert!(rounds > 1, "some at a time");
    assert_eq!(fixture.octets(inbox, 700), b"message 699");
    fixture.verify();
    // The key of the delivery is forgotten in the end, but not while its message may be in the queue.
    let late = NOW + 31 * 24 * HOUR;
    fixture.mailstore.forget_deliveries(late, Some(NOW - HOUR)).await.unwrap();
    let known =
        fixture.mailstore.deliver(vec![delivery("anna@example.org", "q", "x")]).await.remove(0).unwrap();
    assert_eq!(known, mailstore::Delivered::Already);
    fixture.mailstore.forget_deliveries(late, Some(late)).await.unwrap();
    let again =
        fixture.mailstore.deliver(vec![delivery("anna@example.org", "q", "x")]).await.remove(0).unwrap();
    assert!(matches!(again, mailstore::Delivered::Filed { .. }));
}

#[tokio::test]
async fn who_was_away_for_very_long_hears_of_all_that_is_missing() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    let many = (0..25_000).map(|_| message("x")).collect();
    fixture.mailstore.append(inbox, many, NOW).await.unwrap();
    let then = fixture.mailstore.view(inbox).unwrap().mailbox.highest_modseq;
    // Each a range of its own.
    let odd: UidSet = (1..25_000).step_by(2).collect();
    fixture.mailstore.remove(inbox, odd.clone(), NOW).await.unwrap();
    for _ in 0..64 {
        fixture.append(inbox, "y").await;
        fixture.mailstore.remove(inbox, UidSet::single(fixture.uids(inbox)[0]), NOW).await.unwrap();
    }
    let changes = fixture.mailstore.changes(inbox, then).unwrap();
    let (there, vanished) = (fixture.uids(inbox), changes.vanished);
    assert!(odd.iter().all(|uid| vanished.contains(uid)));
    assert!(!there.iter().any(|uid| vanished.contains(*uid)));
    fixture.verify();
}
