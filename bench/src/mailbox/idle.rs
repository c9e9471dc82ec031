//! Sessions that wait for mail: what they cost, and how soon they hear of it.

use super::client::{Client, Door};
use super::content;
use super::lmtp::Lmtp;
use super::server::{Running, recipient};
use crate::stats::Latency;
use crate::{Failure, clock};
use std::time::Duration;

/// Clients that log in at a time.
const AT_ONCE: u64 = 8;
/// Time for a server to come to rest.
const REST: Duration = Duration::from_secs(3);
/// A pause between messages, so that each is news of its own.
const PAUSE: Duration = Duration::from_millis(20);

/// Memory of sessions in IDLE.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) sessions: u64,
    /// Octets of anonymous memory for each.
    pub(super) octets: f64,
}

/// Opens so many sessions, each with the large mailbox selected and in IDLE.
pub(super) fn memory(server: &Running, door: &Door, sessions: u64) -> Result<Waiting, Failure> {
    // What the first sessions make once and for all is not the other sessions'.
    drop(open(door, 2)?);
    let look = || {
        std::thread::sleep(REST);
        server.memory().ok_or("memory cannot be told without a control group for it")
    };
    let before = look()?;
    let all = open(door, sessions / AT_ONCE)?;
    let sessions = all.len() as u64;
    let more = look()?.saturating_sub(before);
    drop(all);
    #[expect(clippy::cast_precision_loss, reason = "memory of one machine")]
    Ok(Waiting { sessions, octets: more as f64 / sessions.max(1) as f64 })
}

/// Opens so many sessions for each client that logs in at a time.
fn open(door: &Door, each: u64) -> Result<Vec<Client>, Failure> {
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let open = || (0..each).map(|_| waiting(door)).collect::<std::io::Result<Vec<Client>>>();
        let lanes: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(open)).collect();
        for lane in lanes {
            all.extend(lane.join().map_err(|_| "a client panicked")??);
        }
        Ok::<_, Failure>(())
    })?;
    Ok(all)
}

fn waiting(door: &Door) -> std::io::Result<Client> {
    let mut client = Client::open(door)?;
    client.ask("SELECT INBOX")?;
    client.idle()?;
    client.rest();
    Ok(client)
}

/// How soon news is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    /// From the final dot of the message.
    pub(super) from_dot: Latency,
    /// From its 250; nothing where it is told before that.
    pub(super) from_reply: Latency,
}

/// Delivers so many messages, one after the other, to somebody who waits for them.
pub(super) fn news(server: &Running, door: &Door, messages: u64, octets: usize) -> Result<News, Failure> {
    let to = recipient(0);
    let mut client = Client::open(&door.of(&to))?;
    let before = client.ask("SELECT INBOX")?.exists.ok_or("SELECT tells no EXISTS")?;
    client.idle()?;
    let mut lmtp = Lmtp::open(server.lmtp)?;
    let (mut from_dot, mut from_reply) = (Vec::new(), Vec::new());
    let (give, take) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let client = &mut client;
        let listener = scope.spawn(move || -> std::io::Result<()> {
            for number in 1..=messages {
                let end = format!("* {} EXISTS", before + number);
                while client.line()? != end.as_bytes() {}
                if give.send(clock::monotonic_ns()).is_err() {
                    break;
                }
            }
            Ok(())
        });
        for number in 0..messages {
            std::thread::sleep(PAUSE);
            let given = lmtp.deliver(&to, &content::message(21_000_000 + number, octets))?;
            let Ok(told) = take.recv() else { break };
            from_dot.push(told.saturating_sub(given.dot_ns));
            from_reply.push(told.saturating_sub(given.reply_ns));
        }
        listener.join().map_err(|_| "a client panicked")?.map_err(Failure::from)
    })?;
    let none = "no news came";
    Ok(News {
        from_dot: Latency::of(&mut from_dot).ok_or(none)?,
        from_reply: Latency::of(&mut from_reply).ok_or(none)?,
    })
}
