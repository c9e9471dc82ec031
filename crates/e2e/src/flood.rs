//! Many clients at once that send numbered mail until the server has enough of it, and remember what it took.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::client::Client;
use crate::wait::eventually_true;
use crate::world::queue_id;

/// A message that was answered with 250.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// What tells it from all others; its subject.
    pub token: String,
    /// Its only recipient.
    pub to: String,
    /// The queue id in the reply.
    pub id: String,
}

/// Running clients.
#[derive(Debug)]
pub struct Flood {
    clients: Vec<JoinHandle<()>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Flood {
    /// So many clients send, in turns to each of the recipients, until a reply is no 250 or their session ends. `name`
    /// goes into the tokens.
    pub fn start(server: SocketAddr, name: &str, clients: usize, to: &[&str]) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let to: Arc<[String]> = to.iter().map(|&to| to.to_owned()).collect();
        let client = |number: usize| {
            let (sent, to, name) = (Arc::clone(&sent), Arc::clone(&to), format!("{name}-{number}"));
            // How it ends is the server's affair.
            thread::spawn(move || drop(client(server, &name, &to, &sent)))
        };
        Self { clients: (0..clients).map(client).collect(), sent }
    }

    /// How many messages were taken so far.
    pub fn count(&self) -> usize {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until so many were taken, or all clients have ended.
    pub fn wait_for(&self, count: usize, within: Duration) {
        let ended = || self.clients.iter().all(JoinHandle::is_finished);
        eventually_true("mail to be taken", within, || self.count() >= count || ended());
    }

    /// Waits for the clients, which end with the server; gives what was taken.
    pub fn end(self) -> Vec<Sent> {
        for client in self.clients {
            client.join().expect("a client does not panic");
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut sent)
    }
}

fn client(server: SocketAddr, name: &str, to: &[String], sent: &Mutex<Vec<Sent>>) -> io::Result<()> {
    let mut client = Client::open(server)?;
    client.reply()?;
    client.command("EHLO client.test")?;
    for (count, to) in to.iter().cycle().enumerate() {
        let token = format!("{name}-{count}");
        let (code, text) = client.mail("ben@here.test", &[to], &message(&token))?;
        if code != 250 {
            break;
        }
        let taken = Sent { token, to: to.clone(), id: queue_id(&text) };
        sent.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
    }
    Ok(())
}

/// The content of the message with a token: the same each time, so that it can be compared octet by octet. Most are
/// small, some have a few blocks, and some are too large for the common log (docs/design/spool-format.md).
pub fn message(token: &str) -> String {
    let number: usize = token.bytes().fold(7, |sum, octet| (sum * 31 + usize::from(octet)) % 997);
    let lines = match number % 40 {
        0 => 4000,
        1..=5 => 500,
        other => other,
    };
    let line = format!("{token} 0123456789 abcdefghijklmnopqrstuvwxyz\r\n");
    format!("Subject: {token}\r\n\r\n{}the end of {token}\r\n", line.repeat(lines))
}
