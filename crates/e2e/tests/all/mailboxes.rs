//! `kill -9` among deliveries into the mailstore: what was answered with 250 is in the mailbox, and is there once.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use e2e::{Client, House, eventually_true};
use mailstore::{Mailstore, UidSet};

const ROUNDS: usize = 6;
const SENDERS: usize = 8;
const ANNA: &str = "anna@here.test";
const BEN: &str = "ben@here.test";

type Accepted = Arc<Mutex<Vec<String>>>;

/// Sends until the server is gone; of each message its token, once it is answered with 250.
fn sender(server: SocketAddr, name: &str, to: &[&str], accepted: &Accepted) -> io::Result<()> {
    let mut client = Client::open(server)?;
    client.reply()?;
    client.command("EHLO client.test")?;
    for count in 0.. {
        let token = format!("{name}-{count}");
        // Now and then one that the mailstore gets in pieces.
        let filler = "0123456789abcdef\r\n".repeat(if count == 3 { 100_000 } else { 100 });
        let content = format!("Subject: {token}\r\n\r\n{filler}");
        if client.mail("peer@far.test", to, &content)?.0 == 250 {
            accepted.lock().unwrap().push(token);
        }
    }
    Ok(())
}

fn round(house: &House, number: usize, to: &'static [&'static str], accepted: &Accepted) {
    let server = house.start();
    let before = accepted.lock().unwrap().len();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender_number| {
            let (address, accepted) = (server.smtp(), Arc::clone(accepted));
            thread::spawn(move || sender(address, &format!("t-{number}-{sender_number}"), to, &accepted))
        })
        .collect();
    // By work done, not by time: different in each round.
    let enough = before + 10 + number * 17;
    eventually_true("mail to be accepted", Duration::from_mins(1), || {
        accepted.lock().unwrap().len() >= enough || senders.iter().all(thread::JoinHandle::is_finished)
    });
    server.kill();
    for sender in senders {
        // Each ends with the connection; how is all the same.
        drop(sender.join().expect("a sender does not panic"));
    }
}

/// How often each token is in an inbox.
fn arrived(mailstore: &Mailstore, account: &str) -> BTreeMap<String, usize> {
    let account = mailstore.find_account(account).unwrap().expect("an account");
    let inbox = mailstore.mailbox(account, "INBOX").unwrap().expect("an inbox");
    let mut all = BTreeMap::new();
    for facts in mailstore.facts(inbox.id, &UidSet::all()).unwrap() {
        let octets = mailstore.read(facts.email, 0, 4096).unwrap();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let (_, rest) = text.split_once("Subject: ").expect("a subject");
        *all.entry(rest.lines().next().unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    all
}

/// Whether the event log has the end of each message that it has the beginning of.
fn is_all_delivered(house: &House) -> bool {
    let (mut owed, mut delivered) = (BTreeSet::new(), BTreeSet::new());
    for event in house.events() {
        let text =
            |key: &str| event.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let id = text("id");
        match &*text("kind") {
            "accepted" => {
                let recipients =
                    event.get("recipients").and_then(serde_json::Value::as_array).into_iter().flatten();
                owed.extend(recipients.filter_map(|to| Some((id.clone(), to.as_str()?.to_owned()))));
            }
            "delivered" => {
                delivered.insert((id, text("recipient")));
            }
            _ => {}
        }
    }
    owed.is_subset(&delivered)
}

#[test]
fn after_each_kill_all_accepted_mail_is_in_the_mailstore_once() {
    each_arrives_once("", &[ANNA, BEN]);
}

/// The message for a list's members and the completion of the one that was written are one commit.
#[test]
fn after_each_kill_what_was_written_to_a_list_is_with_each_member_once() {
    let list = "[[list]]\naddress = \"talk@here.test\"\nmembers = [\"anna@here.test\", \"ben@here.test\"]\npost = \"anyone\"\n";
    each_arrives_once(list, &["talk@here.test"]);
}

fn each_arrives_once(more: &str, to: &'static [&'static str]) {
    let house = House::new(&format!("[deliver]\nlocal = \"mailstore\"\n[queue]\nretry = [\"1s\"]\n{more}"));
    let accepted = Accepted::default();
    for number in 0..ROUNDS {
        round(&house, number, to, &accepted);
    }
    let server = house.start();
    // Between a letter to a list and what its members get, the queue may look empty.
    eventually_true("all to be delivered", Duration::from_mins(3), || is_all_delivered(&house));
    assert_eq!(server.stop().code(), Some(0));
    let mailstore = Mailstore::open(&house.data().join("mailboxes.db")).unwrap().0;
    assert_eq!(mailstore.verify().unwrap(), []);
    let accepted = accepted.lock().unwrap();
    assert!(accepted.len() >= ROUNDS * 10, "the rounds did no work: {}", accepted.len());
    for account in [ANNA, BEN] {
        let arrived = arrived(&mailstore, account);
        let lost: Vec<_> = accepted.iter().filter(|token| !arrived.contains_key(*token)).collect();
        assert!(lost.is_empty(), "{} messages of {account} are lost: {lost:?}", lost.len());
        // One that was accepted and not answered may come a second time only if its sender sends it again; these do not.
        let twice: Vec<_> = arrived.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{account} has some more than once: {twice:?}");
    }
}

#[test]
fn whose_mailbox_is_nearly_full_reads_so_in_it_once() {
    let house = House::new("[deliver]\nlocal = \"mailstore\"\n[queue]\nretry = [\"1s\"]\n");
    let server = house.start();
    let send = |server: &e2e::Postrider, subject: &str| {
        let content = format!("Subject: {subject}\r\n\r\nx\r\n");
        let (code, text) = server.client().mail("peer@far.test", &[ANNA], &content).unwrap();
        assert_eq!(code, 250, "{text}");
        e2e::queue_id(&text)
    };
    house.wait_for_event(&send(&server, "one"), "delivered", ANNA);
    let said = house.command(&["mailbox", "quota", ANNA, "--messages", "3"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for subject in ["two", "three"] {
        house.wait_for_event(&send(&server, subject), "delivered", ANNA);
    }
    server.kill();
    let server = house.start();
    let id = send(&server, "four");
    let deferred = house.wait_for_event(&id, "deferred", ANNA);
    assert!(deferred["reply"].as_str().unwrap().starts_with("452 4.2.2"), "{deferred}");
    // Tried again, it is told no other time.
    eventually_true("another attempt", Duration::from_mins(1), || {
        house.events().iter().any(|event| event["attempt"] == 3 && event["kind"] == "deferred")
    });
    assert_eq!(server.stop().code(), Some(0));
    let mailstore = Mailstore::open(&house.data().join("mailboxes.db")).unwrap().0;
    let arrived = arrived(&mailstore, ANNA);
    let expected =
        ["Your mailbox is full: mail for you waits", "Your mailbox is nearly full", "one", "three", "two"];
    assert_eq!(arrived, expected.map(|subject| (subject.to_owned(), 1)).into());
}
