//! Annotations of mailboxes and of the server.

use mailstore::{ANNOTATIONS_MAX, AccountId, Annotated, MailstoreError};

use crate::support::{Fixture, NOW};

impl Fixture {
    async fn annotate(&self, of: Annotated, who: AccountId, entry: &str, value: Option<&str>) -> u64 {
        let value = value.map(|value| value.as_bytes().to_vec());
        self.mailstore.annotate(of, who, vec![(entry.to_owned(), value)]).await.unwrap()
    }

    fn annotations(&self, of: Annotated, who: AccountId) -> String {
        let all = self.mailstore.annotations(of, who).unwrap().into_iter();
        let shown =
            |(entry, value): (String, Vec<u8>)| format!("{entry}={};", String::from_utf8(value).unwrap());
        all.map(shown).collect::<Vec<String>>().concat()
    }
}

#[tokio::test]
async fn private_ones_are_of_one_and_shared_ones_of_all() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, Some(fixture.inbox().await));
    let bob = fixture.mailstore.account("bob@example.org", NOW).await.unwrap();
    fixture.annotate(inbox, anna, "/private/comment", Some("mine")).await;
    fixture.annotate(inbox, bob, "/private/comment", Some("his")).await;
    let last = fixture.annotate(inbox, bob, "/shared/comment", Some("ours")).await;
    fixture.annotate(None, anna, "/private/vendor/x/y", Some("")).await;
    assert_eq!(fixture.annotations(inbox, anna), "/private/comment=mine;/shared/comment=ours;");
    assert_eq!(fixture.annotations(inbox, bob), "/private/comment=his;/shared/comment=ours;");
    assert_eq!(fixture.annotations(None, anna), "/private/vendor/x/y=;");
    assert_eq!(fixture.annotations(None, bob), "");
    fixture.annotate(inbox, anna, "/shared/comment", None).await;
    fixture.annotate(inbox, anna, "/private/comment", Some("changed")).await;
    let changes = fixture.mailstore.annotation_changes(anna, last).unwrap();
    let entries = |of: &str, names: &[&str]| {
        names
            .iter()
            .map(|name| (if of == "inbox" { inbox } else { None }, String::from(*name)))
            .collect::<Vec<_>>()
    };
    let server = entries("server", &["/private/vendor/x/y"]);
    let own = entries("inbox", &["/private/comment", "/shared/comment"]);
    assert_eq!(changes.entries, [server, own].concat());
    let changes = fixture.mailstore.annotation_changes(bob, last).unwrap();
    assert_eq!(changes.entries, entries("inbox", &["/shared/comment"]), "also one that was removed");
    assert_eq!(fixture.mailstore.annotation_changes(bob, changes.last).unwrap().entries, []);
    fixture.mailstore.remove_account(bob, NOW).await.unwrap();
    fixture.verify();
}

#[tokio::test]
async fn they_go_with_their_mailbox_and_stay_with_inbox() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, fixture.inbox().await);
    let work = fixture.mailstore.create(anna, "Work", None, NOW).await.unwrap().id;
    fixture.annotate(Some(work), anna, "/shared/comment", Some("work")).await;
    fixture.mailstore.rename(anna, "Work", "Office", NOW).await.unwrap();
    assert_eq!(fixture.annotations(Some(work), anna), "/shared/comment=work;");
    fixture.mailstore.delete(anna, "Office", NOW).await.unwrap();
    let again = fixture.mailstore.create(anna, "Office", None, NOW).await.unwrap().id;
    assert_eq!(fixture.annotations(Some(again), anna), "");
    let gone = fixture.mailstore.annotate(Some(work), anna, vec![("/shared/x".into(), None)]).await;
    assert!(matches!(gone, Err(MailstoreError::NoMailbox)));
    fixture.annotate(Some(inbox), anna, "/private/comment", Some("in")).await;
    fixture.mailstore.rename(anna, "INBOX", "Old", NOW).await.unwrap();
    for name in ["INBOX", "Old"] {
        let mailbox = fixture.mailbox(anna, name).id;
        assert_eq!(fixture.annotations(Some(mailbox), anna), "/private/comment=in;");
    }
    fixture.verify();
}

#[tokio::test]
async fn there_are_only_so_many() {
    let fixture = Fixture::new();
    let (anna, inbox) = (fixture.anna().await, Some(fixture.inbox().await));
    let entry = |number: usize| (format!("/private/vendor/x/{number}"), Some(b"x".to_vec()));
    fixture.mailstore.annotate(inbox, anna, (0..ANNOTATIONS_MAX).map(entry).collect()).await.unwrap();
    let more = |entries| fixture.mailstore.annotate(inbox, anna, entries);
    assert!(matches!(more(vec![entry(7), entry(1000)]).await, Err(MailstoreError::TooMany(_))));
    // What was removed makes room, however often.
    for number in 0..3 * ANNOTATIONS_MAX {
        let new = entry(number + ANNOTATIONS_MAX);
        more(vec![(entry(number).0, None), new]).await.unwrap();
    }
    assert_eq!(fixture.mailstore.annotations(inbox, anna).unwrap().len(), ANNOTATIONS_MAX);
    let large = |number: usize| (entry(number).0, Some(vec![b'x'; 16 * 1024]));
    let all: Vec<_> = (3 * ANNOTATIONS_MAX..4 * ANNOTATIONS_MAX).map(large).collect();
    assert!(matches!(more(all).await, Err(MailstoreError::TooMany(_))));
    assert_eq!(fixture.mailstore.annotations(inbox, anna).unwrap()[0].1, b"x", "all or none");
    fixture.verify();
}
