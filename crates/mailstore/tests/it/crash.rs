//! A program that is killed: what it was told as done is done, and nothing is half done.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use mailstore::{Delivered, MailboxId, Mailstore, UidSet};

use crate::support::{NOW, delivery, message};

/// Where the database is that the child changes.
const PATH: &str = "MAILSTORE_CRASH_PATH";

/// Changes mailboxes and says what was done, until it is killed.
#[test]
fn the_child_that_is_killed() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(change_for_ever(Path::new(&path)));
}

async fn change_for_ever(path: &Path) {
    let mailstore = Mailstore::open(path).unwrap().0;
    let anna = mailstore.account("anna@example.org", NOW).await.unwrap();
    let id = |name| mailstore.mailbox(anna, name).unwrap().unwrap().id;
    let (inbox, archive, trash) = (id("INBOX"), id("Archive"), id("Trash"));
    let start = mailstore.view(inbox).unwrap().mailbox.uid_next;
    let say = |line: String| std::io::stdout().write_all(format!("did {line}\n").as_bytes()).unwrap();
    for round in 0_u64.. {
        let key = |number: u64| format!("{start} {round} {number}");
        let text = |number: u64| format!("text of {start} {round} {number}").repeat(300);
        let deliveries =
            (0..5).map(|number| delivery("anna@example.org", &key(number), &text(number))).collect();
        let (delivered, appended) = tokio::join!(
            mailstore.deliver(deliveries),
            mailstore.append(archive, vec![message(&text(7)), message(&text(8))], NOW)
        );
        for (number, delivered) in (0..).zip(delivered) {
            let Ok(Delivered::Filed { uid, .. }) = delivered else { panic!("{delivered:?}") };
            say(format!("deliver {uid} {}", key(number)));
        }
        let appended = appended.unwrap().uids;
        say(format!("append {} {}", appended[0], appended[1]));
        let uids: UidSet =
            mailstore.view(inbox).unwrap().messages.iter().take(2).map(|message| message.uid).collect();
        let moved = mailstore.move_to(inbox, uids, trash, NOW).await.unwrap();
        for (before, now) in moved.pairs {
            say(format!("move {before} {now}"));
        }
        let gone = mailstore.remove(archive, UidSet::single(appended[0]), NOW).await.unwrap();
        say(format!("remove {}", gone.uids));
    }
}

/// What the child was told.
#[derive(Default)]
struct Told {
    delivered: BTreeSet<u32>,
    keys: Vec<String>,
    appended: BTreeSet<u32>,
    removed: BTreeSet<u32>,
    moved: BTreeSet<u32>,
    trash: BTreeSet<u32>,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let number = |words: &mut std::str::Split<'_, char>| words.next().unwrap().parse::<u32>().unwrap();
        match words.next().unwrap() {
            "deliver" => {
                let uid = number(&mut words);
                assert!(self.delivered.insert(uid), "UID {uid} was given twice");
                self.keys.push(words.collect::<Vec<_>>().join(" "));
            }
            "append" => {
                for _ in 0..2 {
                    let uid = number(&mut words);
                    assert!(self.appended.insert(uid), "UID {uid} was given twice");
                }
            }
            "move" => {
                assert!(self.moved.insert(number(&mut words)));
                assert!(self.trash.insert(number(&mut words)));
            }
            "remove" => assert!(self.removed.insert(number(&mut words))),
            other => panic!("{other}"),
        }
    }
}

fn started(path: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_child_that_is_killed", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(child.stdout.take().unwrap());
    (child, told)
}

#[tokio::test]
async fn a_killed_program_has_done_what_it_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mailboxes.db");
    let mut told = Told::default();
    let mut last = [0; 3];
    for lines in [1, 40, 13, 90, 27] {
        let (mut child, from) = started(&path);
        let mut heard = from.lines().map_while(Result::ok);
        let mut next = || heard.find_map(|line| line.split_once("did ").map(|(_, did)| did.to_owned()));
        for _ in 0..lines {
            told.hear(&next().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(line) = next() {
            told.hear(&line);
        }
        let mailstore = Mailstore::open(&path).unwrap().0;
        assert_eq!(mailstore.verify().unwrap(), []);
        check(&mailstore, &told, &mut last).await;
        mailstore.close();
    }
}

async fn check(mailstore: &Mailstore, told: &Told, last: &mut [u32; 3]) {
    let anna = mailstore.find_account("anna@example.org").unwrap().unwrap();
    let boxes = ["INBOX", "Archive", "Trash"].map(|name| mailstore.mailbox(anna, name).unwrap().unwrap());
    let uids = |id: MailboxId| -> BTreeSet<u32> {
        mailstore.view(id).unwrap().messages.iter().map(|message| message.uid).collect()
    };
    let [inbox, archive, trash] = [0, 1, 2].map(|place| uids(boxes[place].id));
    for (place, mailbox) in boxes.iter().enumerate() {
        assert!(mailbox.uid_next >= last[place], "UIDs went back");
        last[place] = mailbox.uid_next;
    }
    assert!(told.trash.is_subset(&trash));
    assert!(inbox.is_disjoint(&told.moved));
    let kept: BTreeSet<_> = told.appended.difference(&told.removed).copied().collect();
    assert!(archive.is_disjoint(&told.removed));
    // The last removal may have been made and not told: one at most in each life.
    assert!(kept.difference(&archive).count() <= 5);
    let missing = told.delivered.difference(&told.moved).filter(|uid| !inbox.contains(uid)).count();
    // As above: the last move of each life, of two messages.
    assert!(missing <= 10, "{missing} deliveries are gone");
    assert!(inbox.len() + trash.len() >= told.delivered.len());
    let again = told.keys.iter().map(|key| delivery("anna@example.org", key, "again")).collect();
    for delivered in mailstore.deliver(again).await {
        assert_eq!(delivered.unwrap(), Delivered::Already);
    }
}
