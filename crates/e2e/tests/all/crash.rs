//! `kill -9` at any moment: what was answered with 250 arrives, and what was completed does not come again.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::{Client, House, Sink, World, eventually_true};
use serde_json::Value;

const ROUNDS: usize = 20;
const SENDERS: usize = 20;
const LOCAL: &str = "anna@here.test";
const REMOTE: &str = "x@a.test";

/// Completions become durable with the next batch, at most 100 ms later (docs/design/spool-format.md). The rest is
/// for a busy machine, where the server hears of a reply later than the sink has written it.
const WINDOW: Duration = Duration::from_secs(1);
/// The sink may write its reply to a message when the server that sent it is already dead.
const SINK_LAG: Duration = Duration::from_millis(500);

/// What the senders share: the tokens of all messages that were answered with 250.
#[derive(Default)]
struct Accepted {
    tokens: Mutex<BTreeSet<String>>,
    count: AtomicUsize,
}

/// Sends until the server is gone, half to a local mailbox, half to another host. Each message has a token of its own.
fn sender(server: SocketAddr, round: usize, number: usize, accepted: &Accepted) -> io::Result<()> {
    let mut client = Client::open(server)?;
    client.reply()?;
    client.command("EHLO client.test")?;
    for count in 0.. {
        let token = format!("token-{round}-{number}-{count}-");
        let to = if count % 2 == 0 { LOCAL } else { REMOTE };
        let filler = "0123456789abcdef\r\n".repeat(60 * (number % 4));
        let (code, _) = client.mail("ben@here.test", &[to], &format!("Subject: {token}\r\n\r\n{filler}"))?;
        if code == 250 {
            accepted.tokens.lock().unwrap().insert(token);
            accepted.count.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// A number from 0 to `below`, different in every run.
fn random(below: usize) -> usize {
    usize::try_from(RandomState::new().build_hasher().finish() % (below as u64 + 1)).unwrap()
}

fn token(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let (_, rest) = text.split_once("Subject: ").expect("a subject");
    rest.lines().next().unwrap_or_default().trim().to_owned()
}

/// When each token arrived, oldest first.
fn arrivals(house: &House, sink: &Sink) -> BTreeMap<String, Vec<SystemTime>> {
    let mut all: BTreeMap<String, Vec<SystemTime>> = BTreeMap::new();
    for mail in house.maildir(LOCAL).messages() {
        all.entry(token(&mail.octets)).or_default().push(mail.filed);
    }
    for mail in sink.received() {
        all.entry(token(&mail.content)).or_default().push(mail.at);
    }
    for times in all.values_mut() {
        times.sort();
    }
    all
}

/// The deliveries that the event log holds: queue id and recipient, each with the places in the spool's order at
/// which it was completed. A line may stand in the log twice after a crash; its place tells that it is the same.
fn delivered(house: &House) -> BTreeMap<(String, String), BTreeSet<u64>> {
    let events = house.events();
    let text =
        |event: &Value, key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut all: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
    for event in events.iter().filter(|event| text(event, "kind") == "delivered") {
        let place = event.get("lsn").and_then(Value::as_u64).expect("a place in the spool's order");
        all.entry((text(event, "id"), text(event, "recipient"))).or_default().insert(place);
    }
    all
}

/// One round: many senders, and a kill at a random moment of the work.
fn round(world: &mut World, round: usize, accepted: &Arc<Accepted>) -> SystemTime {
    let server = world.server().smtp();
    let before = accepted.count.load(Ordering::SeqCst);
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let accepted = Arc::clone(accepted);
            thread::spawn(move || sender(server, round, number, &accepted))
        })
        .collect();
    // The moment is chosen by work done, not by time: it means the same on a slow machine.
    let enough = before + random(400);
    eventually_true("mail to be accepted", Duration::from_mins(1), || {
        accepted.count.load(Ordering::SeqCst) >= enough || senders.iter().all(thread::JoinHandle::is_finished)
    });
    let killed = SystemTime::now();
    world.kill();
    for sender in senders {
        // Each ends with the connection; how is all the same.
        drop(sender.join().expect("a sender does not panic"));
    }
    killed
}

#[test]
fn after_each_kill_all_accepted_mail_arrives_and_completed_mail_does_not_come_again() {
    let records = "a MX 10 mx1\nmx1 A @1\n";
    let mut world = World::new(records, "retry = [\"1s\"]");
    let sink = world.sink(1);
    let accepted = Arc::new(Accepted::default());
    let mut kills = Vec::new();
    let mut completed: BTreeSet<(String, String)> = BTreeSet::new();
    for number in 0..ROUNDS {
        kills.push(round(&mut world, number, &accepted));
        completed.extend(delivered(&world.house).into_keys());
        world.start();
    }
    let tokens = accepted.tokens.lock().unwrap().clone();
    assert!(tokens.len() >= ROUNDS, "the rounds did no work: {} messages", tokens.len());
    world.house.wait_for_empty_queue(Duration::from_mins(3));
    let arrived = arrivals(&world.house, &sink);
    let lost: Vec<&String> = tokens.iter().filter(|token| !arrived.contains_key(*token)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} messages that were answered with 250 are lost: {lost:?}",
        lost.len(),
        tokens.len()
    );

    for (token, times) in arrived {
        let Some((first, again)) = times.split_first() else { continue };
        for later in again {
            let excused = kills
                .iter()
                .any(|kill| *first + WINDOW >= *kill && *kill + SINK_LAG >= *first && kill <= later);
            assert!(excused, "{token} came twice: at {first:?} and {later:?}");
        }
    }

    let times = delivered(&world.house);
    for delivery in &completed {
        let places = times.get(delivery).map_or(0, BTreeSet::len);
        let told = || world.house.command(&["trace", &delivery.0, "--json"]).out;
        assert_eq!(places, 1, "completed durably before a kill, and again: {}", told());
    }
    assert!(world.server().client().command("NOOP").is_ok());
}

#[test]
fn a_killed_servers_spool_passes_its_verification() {
    let mut world = World::new("a MX 10 mx1\nmx1 A @1\n", "retry = [\"1h\"]");
    let accepted = Arc::new(Accepted::default());
    round(&mut world, 0, &accepted);
    let verified = world.house.command(&["spool", "verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    world.start();
    let running = world.house.command(&["spool", "verify"]);
    assert_eq!(running.code, 1, "not while the server runs: {}", running.out);
    assert!(running.err.contains("hint:"), "{}", running.err);
}
