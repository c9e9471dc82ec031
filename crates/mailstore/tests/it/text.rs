//! The index of texts: what it knows, what it does not claim, and that it can be lost.

use std::{fs, path::PathBuf};

use mailstore::{MailboxId, Mailstore, MailstoreError, SCHEMA, SearchedText, TextFound, Uid, UidSet};
use store::Store;

use crate::support::{Fixture, HOUR, NOW, delivery, set};

fn text_file(fixture: &Fixture) -> PathBuf {
    fixture.dir.path().join("text.db")
}

/// Waits for the disk, as no thread of a runtime may.
fn aside<T: Send>(work: impl FnOnce() -> Result<T, MailstoreError> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap().unwrap())
}

fn open(fixture: &Fixture) {
    aside(|| fixture.mailstore.open_index(&text_file(fixture)));
}

fn index_all(mailstore: &Mailstore) {
    while aside(|| mailstore.index_some()) {}
}

/// The program ended and began again, whether in order or not.
fn reopened(fixture: Fixture) -> Fixture {
    fixture.mailstore.close();
    let again = Fixture { mailstore: Mailstore::open(&fixture.path()).unwrap().0, dir: fixture.dir };
    open(&again);
    again
}

fn search(fixture: &Fixture, mailbox: MailboxId, text: &str) -> TextFound {
    let texts = [true, false].map(|in_header| SearchedText { text: message::mime::folded(text), in_header });
    fixture.mailstore.search_texts(mailbox, &texts).unwrap()
}

/// The messages that are known, and those of them that have a text anywhere.
fn found(fixture: &Fixture, mailbox: MailboxId, text: &str) -> (Vec<Uid>, Vec<Uid>) {
    let TextFound { indexed, having } = search(fixture, mailbox, text);
    (indexed.iter().collect(), having[0].iter().flat_map(UidSet::iter).collect())
}

fn letter(number: usize) -> String {
    format!("Subject: letter {number}\r\n\r\nDear Anna,\r\nthis is n{number}o.\r\n")
}

async fn some_mail(count: usize) -> (Fixture, MailboxId) {
    let fixture = Fixture::new();
    let inbox = fixture.inbox().await;
    open(&fixture);
    for number in 1..=count {
        fixture.append(inbox, &letter(number)).await;
    }
    (fixture, inbox)
}

#[tokio::test]
async fn messages_are_known_once_they_are_indexed() {
    let (fixture, inbox) = some_mail(3).await;
    assert_eq!(found(&fixture, inbox, "anna"), (vec![], vec![]));
    // Somebody waits for that.
    fixture.mailstore.index_due().await;
    index_all(&fixture.mailstore);
    assert_eq!(found(&fixture, inbox, "dear anna"), (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!(found(&fixture, inbox, "n2o"), (vec![1, 2, 3], vec![2]));
    assert_eq!(found(&fixture, inbox, ",\r\nthis is n3"), (vec![1, 2, 3], vec![3]));
    assert_eq!(found(&fixture, inbox, "letter 1"), (vec![1, 2, 3], vec![1]));
    assert_eq!(search(&fixture, inbox, "letter 1").having[1], Some(UidSet::default()), "not in a body");
    fixture.append(inbox, &letter(4)).await;
    assert_eq!(found(&fixture, inbox, "anna"), (vec![1, 2, 3], vec![1, 2, 3]), "the next is not known yet");
    index_all(&fixture.mailstore);
    assert_eq!(found(&fixture, inbox, "anna"), (vec![1, 2, 3, 4], vec![1, 2, 3, 4]));
    assert_eq!(search(&fixture, inbox, "").having, [None, None]);
    fixture.verify();
}

#[tokio::test]
async fn fields_of_final_delivery_names_and_encodings_are_in_it() {
    let (fixture, inbox) = some_mail(0).await;
    let text = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
                Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                SCH=D6N\r\n--b\r\nContent-Type: application/pdf; name=\"Rechnung 12.PDF\"\r\n\r\nJVBERi0\r\n--b--\r\n";
    fixture.mailstore.deliver(vec![delivery("anna@example.org", "k", text)]).await.remove(0).unwrap();
    index_all(&fixture.mailstore);
    for (text, anywhere, in_body) in [
        ("grüße", true, false),
        ("delivered-to: anna@example.org", true, false),
        ("schön", true, true),
        ("rechnung 12.pdf", true, true),
        ("jvber", false, false),
    ] {
        let having = search(&fixture, inbox, text).having;
        let has = |having: &Option<UidSet>| having.as_ref().unwrap().contains(1);
        assert_eq!((has(&having[0]), has(&having[1])), (anywhere, in_body), "{text}");
    }
    fixture.verify();
}

#[tokio::test]
async fn copies_share_and_what_is_gone_goes() {
    let (fixture, inbox) = some_mail(20).await;
    index_all(&fixture.mailstore);
    let anna = fixture.anna().await;
    let archive = fixture.mailbox(anna, "Archive").id;
    fixture.mailstore.move_to(inbox, set(1..=10), archive, NOW).await.unwrap();
    // Known at once: the emails are the same.
    let all: Vec<Uid> = (1..=10).collect();
    assert_eq!(found(&fixture, archive, "anna"), (all.clone(), all));
    index_all(&fixture.mailstore);
    fixture.verify();
    fixture.mailstore.remove(inbox, UidSet::all(), NOW).await.unwrap();
    assert_eq!(found(&fixture, inbox, "anna"), (vec![], vec![]));
    while fixture.mailstore.collect_garbage(NOW + HOUR).await.unwrap() {}
    aside(|| fixture.mailstore.tidy_index());
    assert_eq!(found(&fixture, archive, "n7o"), ((1..=10).collect(), vec![7]));
    fixture.verify();
    fixture.mailstore.remove(archive, UidSet::all(), NOW).await.unwrap();
    while fixture.mailstore.collect_garbage(NOW + HOUR).await.unwrap() {}
    aside(|| fixture.mailstore.tidy_index());
    let fixture = reopened(fixture);
    let text = fs::read(text_file(&fixture)).unwrap();
    assert!(fixture.mailstore.verify().unwrap().is_empty() && !text.is_empty());
}

#[tokio::test]
async fn one_by_one_they_end_in_few_segments() {
    let (fixture, inbox) = some_mail(0).await;
    for number in 1..=70 {
        fixture.append(inbox, &letter(number)).await;
        index_all(&fixture.mailstore);
    }
    assert_eq!(found(&fixture, inbox, "n70o"), ((1..=70).collect(), vec![70]));
    assert_eq!(found(&fixture, inbox, "is n1o.").1, [1]);
    fixture.verify();
    fixture.mailstore.close();
    assert!(count(&fixture, "segment") < 16, "put together");
}

/// Rows of a table of the index, while nobody has it open.
fn count(fixture: &Fixture, table: &'static str) -> usize {
    let path = text_file(fixture);
    let connection = raw(&path);
    let rows =
        connection.read(|sql| sql.query(&format!("SELECT 1 FROM {table}"), &[], |_| Ok(()))).unwrap().len();
    connection.close();
    rows
}

/// The index as a database.
fn raw(path: &std::path::Path) -> Store {
    Store::open_derived(path, &[mailstore::TEXT_SCHEMA]).unwrap().0
}

#[tokio::test]
async fn a_damaged_index_is_made_anew() {
    for statement in [
        "UPDATE piece SET octets = x'0102' WHERE id % 4 = 0",
        "UPDATE piece SET octets = zeroblob(length(octets)) WHERE id % 4 = 1",
        "UPDATE piece SET checksum = checksum + 1 WHERE id % 4 = 2",
        "DELETE FROM piece WHERE id % 4 = 2",
        "DELETE FROM rule",
        "UPDATE rule SET name = '0; of an older program'",
    ] {
        let (fixture, inbox) = some_mail(5).await;
        index_all(&fixture.mailstore);
        fixture.mailstore.close();
        let store = raw(&text_file(&fixture));
        assert!(store.write(move |sql| sql.execute(statement, &[])).await.unwrap() > 0);
        store.close();
        let fixture = reopened(fixture);
        // It knows nothing rather than anything wrong.
        assert_eq!(found(&fixture, inbox, "n3o"), (vec![], vec![]), "{statement}");
        index_all(&fixture.mailstore);
        assert_eq!(found(&fixture, inbox, "n3o"), ((1..=5).collect(), vec![3]), "{statement}");
        fixture.verify();
    }
}

#[tokio::test]
async fn what_is_no_database_is_made_anew() {
    let (fixture, inbox) = some_mail(5).await;
    index_all(&fixture.mailstore);
    fixture.mailstore.close();
    fs::write(text_file(&fixture), b"this was a database once".repeat(1000)).unwrap();
    let fixture = reopened(fixture);
    index_all(&fixture.mailstore);
    assert_eq!(found(&fixture, inbox, "n3o"), ((1..=5).collect(), vec![3]));
    fixture.verify();
}

#[tokio::test]
async fn an_index_that_lacks_something_is_found_out() {
    let (fixture, inbox) = some_mail(5).await;
    index_all(&fixture.mailstore);
    fixture.mailstore.close();
    let store = raw(&text_file(&fixture));
    assert!(store.write(|sql| sql.execute("DELETE FROM segment", &[])).await.unwrap() > 0);
    store.close();
    let fixture = reopened(fixture);
    let findings = fixture.mailstore.verify().unwrap();
    assert!(!findings.is_empty() && findings.iter().all(|finding| finding.derived), "{findings:?}");
    aside(|| fixture.mailstore.rebuild_index());
    index_all(&fixture.mailstore);
    fixture.verify();
    assert_eq!(found(&fixture, inbox, "n3o").1, [3]);
}

#[tokio::test]
async fn an_index_that_says_something_else_is_found_out() {
    let (fixture, _) = some_mail(0).await;
    fixture.mailstore.deliver(vec![delivery("anna@example.org", "k", &letter(1))]).await.remove(0).unwrap();
    index_all(&fixture.mailstore);
    fixture.verify();
    fixture.mailstore.close();
    let store = Store::open(&fixture.path(), &[SCHEMA]).unwrap().0;
    let other = "UPDATE email SET head = CAST(replace(CAST(head AS TEXT), 'anna', 'bert') AS BLOB)";
    assert_eq!(store.write(move |sql| sql.execute(other, &[])).await.unwrap(), 1);
    store.close();
    let fixture = reopened(fixture);
    let findings = fixture.mailstore.verify().unwrap();
    assert!(matches!(findings.as_slice(), [finding] if finding.derived), "{findings:?}");
}

/// The index is behind: it was cut off before it was through, or lost its last commits.
#[tokio::test]
async fn an_index_that_is_behind_goes_on_where_it_was() {
    let (fixture, inbox) = some_mail(300).await;
    assert!(aside(|| fixture.mailstore.index_some()), "some at a time");
    let (known, _) = found(&fixture, inbox, "anna");
    assert!(!known.is_empty() && known.len() < 300);
    let fixture = reopened(fixture);
    fixture.mailstore.index_due().await;
    assert_eq!(found(&fixture, inbox, "n1o").1, [1]);
    index_all(&fixture.mailstore);
    assert_eq!(found(&fixture, inbox, "dear anna").1.len(), 300);
    fixture.verify();
}

/// The index is ahead: an older copy of the mailboxes was put back, and identifiers come again.
#[tokio::test]
async fn an_older_copy_of_the_mailboxes_has_no_index() {
    let (fixture, inbox) = some_mail(2).await;
    index_all(&fixture.mailstore);
    fixture.mailstore.close();
    let copy = fs::read(fixture.path()).unwrap();
    let fixture = reopened(fixture);
    fixture.append(inbox, &letter(3)).await;
    index_all(&fixture.mailstore);
    assert_eq!(found(&fixture, inbox, "n3o").1, [3]);
    fixture.mailstore.close();
    fs::write(fixture.path(), copy).unwrap();
    let fixture = reopened(fixture);
    fixture.append(inbox, &letter(4)).await;
    assert_eq!(found(&fixture, inbox, "n3o").1, [0_u32; 0]);
    index_all(&fixture.mailstore);
    assert_eq!(found(&fixture, inbox, "n4o").1, [3]);
    fixture.verify();
}

#[tokio::test]
async fn a_long_text_is_left_to_the_reader() {
    let (fixture, inbox) = some_mail(1).await;
    fixture.append(inbox, &format!("\r\n{}", "log ".repeat(1 << 20))).await;
    fixture.append(inbox, &format!("\r\n{}", "log ".repeat(1 << 20) + "more")).await;
    index_all(&fixture.mailstore);
    assert_eq!(found(&fixture, inbox, "log"), (vec![1, 2], vec![2]));
    fixture.verify();
}
