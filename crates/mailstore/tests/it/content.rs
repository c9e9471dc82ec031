//! The octets of messages: kept once, read in pieces, never changed.

use mailstore::{MailstoreError, UidSet};
use message::mime::Message;

use crate::support::{Fixture, HOUR, NOW, delivery, message, set};

/// Octets that do not repeat.
fn octets(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// Rows of the table of pieces: by another look at the file, as an operator has it.
fn size_of_file(fixture: &Fixture) -> u64 {
    let wal = fixture.path().with_file_name("mailboxes.db-wal");
    [fixture.path(), wal].iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum()
}

#[tokio::test]
async fn messages_of_any_size_come_back_as_they_came() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    let sizes = [0, 1, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 3 * (1 << 20) + 77];
    for (uid, size) in (1..).zip(sizes) {
        let all = octets(size);
        let mut upload = fixture.mailstore.upload();
        for piece in all.chunks(50_000) {
            upload.write(piece).await.unwrap();
        }
        let content = upload.finish().await.unwrap();
        assert_eq!(content.len(), size as u64);
        let new = mailstore::NewMessage { content, ..message("") };
        assert_eq!(fixture.mailstore.append(inbox, vec![new], NOW).await.unwrap().uids, [uid]);
        assert!(fixture.octets(inbox, uid) == all, "{size}");
        let email = fixture.mailstore.facts(inbox, &set([uid])).unwrap()[0].email;
        for (at, most) in [(0, 10), (65_530, 20), (size / 2, 200_000), (size, 5), (size + 9, 5)] {
            let expected = all.get(at..).unwrap_or_default();
            let expected = expected.get(..most).unwrap_or(expected);
            assert!(fixture.mailstore.read(email, at as u64, most).unwrap() == expected, "{size} {at}");
        }
    }
    fixture.verify();
}

#[tokio::test]
async fn small_messages_can_wait_on_the_disk_too() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    let mut contents = Vec::new();
    for size in [1, 70_000] {
        let mut upload = fixture.mailstore.upload();
        upload.write(&octets(size)).await.unwrap();
        assert_eq!(upload.held(), size as u64);
        contents.push(upload.finish_on_disk().await.unwrap());
    }
    let new = contents.into_iter().map(|content| mailstore::NewMessage { content, ..message("") });
    let appended = fixture.mailstore.append(inbox, new.collect(), NOW).await.unwrap();
    assert_eq!(appended.uids, [1, 2]);
    assert!(fixture.octets(inbox, 1) == octets(1) && fixture.octets(inbox, 2) == octets(70_000));
    fixture.verify();
}

#[tokio::test]
async fn what_is_put_on_top_comes_first() {
    let fixture = Fixture::new();
    let body = octets(70_000);
    let mut delivery = delivery("anna@example.org", "k", "");
    delivery.content = mailstore::Content::new(body.clone());
    let head = delivery.head.clone();
    fixture.mailstore.deliver(vec![delivery]).await.remove(0).unwrap();
    let inbox = fixture.inbox().await;
    let all = [head.clone(), body].concat();
    assert!(fixture.octets(inbox, 1) == all);
    let facts = fixture.mailstore.facts(inbox, &set([1])).unwrap()[0];
    assert_eq!((facts.octets, facts.head_octets), (all.len() as u64, u32::try_from(head.len()).unwrap()));
    for at in [0, 5, head.len() - 1, head.len(), head.len() + 1, 65_536] {
        let part = fixture.mailstore.read(facts.email, at as u64, 100).unwrap();
        assert!(part == all[at..at + 100], "{at}");
    }
}

#[tokio::test]
async fn what_is_the_same_is_kept_once() {
    let fixture = Fixture::new();
    let body = octets(500_000);
    let content = mailstore::Content::new(body.clone());
    let deliveries = (0..20).map(|number| {
        let account = format!("a{number}@example.org");
        mailstore::Delivery { content: content.clone(), ..delivery(&account, &account, "") }
    });
    let delivered = fixture.mailstore.deliver(deliveries.collect()).await;
    assert!(delivered.iter().all(Result::is_ok));
    // Ten times as much, were it kept for each.
    assert!(size_of_file(&fixture) < 2_000_000, "{}", size_of_file(&fixture));
    // Also if it comes in pieces, and the last of the former goes meanwhile.
    let inbox = fixture.inbox().await;
    let mut upload = fixture.mailstore.upload();
    for _ in 0..3 {
        upload.write(&body).await.unwrap();
    }
    let content = upload.finish().await.unwrap();
    let new = || mailstore::NewMessage { content: content.clone(), ..message("") };
    fixture.mailstore.append(inbox, vec![new(), new()], NOW).await.unwrap();
    drop(content);
    assert!(fixture.octets(inbox, 2) == body.repeat(3));
    fixture.verify();
}

#[tokio::test]
async fn a_listing_opens_no_message() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    let small = "Subject: small\r\nMessage-ID: <a@b>\r\n\r\ntext\r\n".to_owned();
    fixture.append(inbox, &small).await;
    // In pieces, behind the memory that an upload has.
    let large = format!("Subject: large\r\n\r\n{}", "0123456789\r\n".repeat(200_000));
    let mut upload = fixture.mailstore.upload();
    for piece in large.as_bytes().chunks(10_001) {
        upload.write(piece).await.unwrap();
    }
    let new = mailstore::NewMessage { content: upload.finish().await.unwrap(), ..message("") };
    fixture.mailstore.append(inbox, vec![new], NOW).await.unwrap();
    let mut listed = Vec::new();
    let list =
        |facts: mailstore::Facts, kept: &[u8]| listed.push((facts.uid, Message::decode(kept).unwrap()));
    fixture.mailstore.listing(inbox, &UidSet::all(), list).unwrap();
    assert_eq!(listed, [(1, Message::parse(small.as_bytes())), (2, Message::parse(large.as_bytes()))]);
    fixture.verify();
}

#[tokio::test]
async fn messages_that_answer_each_other_are_a_thread() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    let text = |id: &str, more: &str| format!("Message-ID: <{id}@x>\r\n{more}\r\nbody of {id}\r\n");
    let texts = [
        text("a", ""),
        text("b", "In-Reply-To: <a@x>\r\nReferences: <a@x>\r\n"),
        text("other", ""),
        // What it answers never came here; what comes of it later belongs to it.
        text("d", "References: <missing@x>\r\n"),
        text("e", "In-Reply-To: <missing@x>\r\n"),
        text("c", "References: <a@x> <b@x>\r\n"),
        "no message id\r\n\r\n1".to_owned(),
        "no message id\r\n\r\n2".to_owned(),
        // The same again, as somebody has it who sends to himself.
        text("a", ""),
    ];
    for text in &texts {
        fixture.append(inbox, text).await;
    }
    let facts = fixture.mailstore.facts(inbox, &UidSet::all()).unwrap();
    let threads: Vec<_> = facts.iter().map(|facts| facts.thread.unwrap()).collect();
    let first = |place: usize| threads.iter().position(|thread| *thread == threads[place]).unwrap();
    assert_eq!((0..9).map(first).collect::<Vec<_>>(), [0, 0, 2, 3, 3, 0, 6, 7, 0]);
    // Of another account it is none of this one.
    let other = fixture.mailstore.account("ben@example.org", NOW).await.unwrap();
    let other = fixture.mailbox(other, "INBOX").id;
    fixture.append(other, &texts[1]).await;
    let other = fixture.mailstore.facts(other, &UidSet::all()).unwrap()[0].thread;
    assert!(!threads.contains(&other.unwrap()));
}

#[tokio::test]
async fn who_reads_can_finish() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    let uid = fixture.append(inbox, "to be read").await;
    let email = fixture.mailstore.facts(inbox, &set([uid])).unwrap()[0].email;
    fixture.mailstore.remove(inbox, UidSet::all(), NOW).await.unwrap();
    fixture.mailstore.collect_garbage(NOW + HOUR / 2).await.unwrap();
    assert_eq!(fixture.mailstore.read(email, 0, 100).unwrap(), b"to be read");
    while fixture.mailstore.collect_garbage(NOW + HOUR).await.unwrap() {}
    assert!(matches!(fixture.mailstore.read(email, 0, 100), Err(MailstoreError::Gone)));
    // The same octets again are as good as ever.
    let uid = fixture.append(inbox, "to be read").await;
    assert_eq!(fixture.octets(inbox, uid), b"to be read");
    fixture.verify();
}

#[tokio::test]
async fn an_upload_that_broke_off_leaves_nothing() {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    for finish in [false, true] {
        let mut upload = fixture.mailstore.upload();
        upload.write(&octets(5 << 20)).await.unwrap();
        if finish {
            drop(upload.finish().await.unwrap());
        } else {
            drop(upload);
        }
    }
    // One that the program did not live to drop.
    let mut upload = fixture.mailstore.upload();
    upload.write(&octets(3 << 20)).await.unwrap();
    fixture.append(inbox, "behind it").await;
    fixture.mailstore.close();
    drop(upload);
    let mailstore = mailstore::Mailstore::open(&fixture.path()).unwrap().0;
    assert_eq!(mailstore.verify().unwrap(), []);
    let fixture = Fixture { mailstore, ..fixture };
    let before = size_of_file(&fixture);
    let all = octets(6 << 20);
    let mut upload = fixture.mailstore.upload();
    upload.write(&all).await.unwrap();
    let new = mailstore::NewMessage { content: upload.finish().await.unwrap(), ..message("") };
    let uid = fixture.mailstore.append(inbox, vec![new], NOW).await.unwrap().uids[0];
    fixture.mailstore.close();
    assert!(size_of_file(&fixture) < before + (4 << 20), "the room of what broke off was used");
    let mailstore = mailstore::Mailstore::open(&fixture.path()).unwrap().0;
    let fixture = Fixture { mailstore, ..fixture };
    assert!(fixture.octets(inbox, uid) == all);
}
