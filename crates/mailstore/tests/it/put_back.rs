//! A copy from earlier becomes the mailboxes of now, and no number is given twice.

use mailstore::{Mailstore, UidSet};
use store::Store;

use crate::support::{Fixture, HOUR, NOW};

#[tokio::test]
async fn from_a_copy_nothing_gets_a_number_that_the_original_gave_since() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    let kept = fixture.append(inbox, "kept").await;
    let copy = fixture.dir.path().join("copy.db");
    Store::copy(&fixture.path(), &copy, |_, _| ()).unwrap();
    // The original goes on, and is lost.
    let lost = fixture.append(inbox, "lost").await;
    let email = |mailstore: &Mailstore, uid| mailstore.facts(inbox, &UidSet::single(uid)).unwrap()[0].email;
    let lost_email = email(&fixture.mailstore, lost);
    let lost_folder = fixture.mailstore.create(anna, "Lost", None, NOW).await.unwrap();
    let before = fixture.mailbox(anna, "INBOX");

    let restored = Mailstore::open(&copy).unwrap().0;
    restored.renumber(NOW + HOUR).await.unwrap();
    assert_eq!(restored.verify().unwrap(), []);
    let after = restored.mailbox(anna, "INBOX").unwrap().unwrap();
    assert!(after.uid_validity > before.uid_validity && after.uid_validity > lost_folder.uid_validity);
    assert_eq!((after.id, after.messages, after.highest_modseq), (before.id, 1, 2));
    assert_eq!(restored.fingerprints(inbox).unwrap().len(), 1);
    let message = crate::support::message("new");
    let new = restored.append(inbox, vec![message], NOW).await.unwrap();
    assert_eq!((new.uids[0], new.uid_validity), (lost, after.uid_validity));
    assert_ne!(email(&restored, new.uids[0]), lost_email);
    let folder = restored.create(anna, "Lost", None, NOW + HOUR).await.unwrap();
    assert!(folder.uid_validity > lost_folder.uid_validity && folder.id != lost_folder.id);
    assert_eq!(restored.accounts().unwrap().len(), 1);
    assert_eq!(restored.fingerprints(inbox).unwrap()[0].0, kept);
    // Twice is as good as once.
    restored.renumber(NOW + HOUR).await.unwrap();
    assert!(restored.mailbox(anna, "INBOX").unwrap().unwrap().uid_validity > after.uid_validity);
    assert_eq!(restored.verify().unwrap(), []);
}

#[tokio::test]
async fn a_second_loss_passes_over_what_was_given_after_the_first() {
    let fixture = Fixture::new();
    let anna = fixture.anna().await;
    let [first, second] = ["first.db", "second.db"].map(|name| fixture.dir.path().join(name));
    Store::copy(&fixture.path(), &first, |_, _| ()).unwrap();
    let restored = Mailstore::open(&first).unwrap().0;
    restored.renumber(NOW).await.unwrap();
    // Nothing was made since the first loss when the next copy is.
    Store::copy(&first, &second, |_, _| ()).unwrap();
    let lost = restored.create(anna, "Lost", None, NOW).await.unwrap();
    let again = Mailstore::open(&second).unwrap().0;
    again.renumber(NOW + HOUR).await.unwrap();
    let made = again.create(anna, "New", None, NOW + HOUR).await.unwrap();
    assert!(made.id > lost.id, "{} {}", made.id, lost.id);
}
