//! Postfix's smtp-sink in the place of our own: heavier, and known to everybody.

use super::{Sink, Tally};
use crate::Failure;
use crate::clock::monotonic_ns;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that may wait to be accepted.
const BACKLOG: &str = "1000";
/// How long it may take to listen.
const START_MAX: Duration = Duration::from_secs(5);

/// Starts it on a loopback port that is free; its running counters feed the tally.
pub(crate) fn start() -> Result<Sink, Failure> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new("smtp-sink");
    if rustix::process::geteuid().is_root() {
        command.args(["-u", "nobody"]);
    }
    command.arg("-c").arg(address.to_string()).arg(BACKLOG);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| format!("cannot start smtp-sink: {error}"))?;
    let counters = child.stdout.take();
    let tally = Arc::new(Tally::default());
    let shared = Arc::clone(&tally);
    let thread = std::thread::Builder::new().name("smtp-sink".to_owned()).spawn(move || {
        if let Some(counters) = counters {
            // It ends when smtp-sink does.
            let _ = follow(counters, &shared);
        }
    })?;
    let sink = Sink { address, tally, thread: Some(thread), child: Some(child) };
    wait_until_it_listens(address)?;
    Ok(sink)
}

/// Ends it.
pub(super) fn end(child: &mut Child) {
    // It may have ended by itself; then there is only its status to take.
    let _ = child.kill();
    let _ = child.wait();
}

fn wait_until_it_listens(address: SocketAddr) -> Result<(), Failure> {
    let started = Instant::now();
    while let Err(error) = TcpStream::connect(address) {
        if started.elapsed() > START_MAX {
            return Err(format!("smtp-sink does not listen on {address}: {error}").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Reads `sess=1 quit=0 mesg=2` and a CR, again and again, and counts what is new.
fn follow(mut counters: impl Read, tally: &Tally) -> io::Result<()> {
    let (mut line, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = counters.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        for octet in piece.get(..count).unwrap_or_default() {
            if *octet != b'\r' {
                line.push(*octet);
                continue;
            }
            if let Some(messages) = messages(&line).filter(|messages| *messages > tally.messages()) {
                tally.add(messages - tally.messages(), monotonic_ns());
            }
            line.clear();
        }
    }
}

fn messages(line: &[u8]) -> Option<u64> {
    let (_, count) = str::from_utf8(line).ok()?.rsplit_once("mesg=")?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_feed_the_tally() {
        let tally = Tally::default();
        follow(
            &b"sess=1 quit=0 mesg=0\rsess=1 quit=0 mesg=2\rsess=1 quit=1 mesg=2\rsess=2 quit=1 me"[..],
            &tally,
        )
        .unwrap();
        assert_eq!(tally.messages(), 2);
        assert!(tally.first_ns() > 0);
        assert_eq!(messages(b"sess=1"), None);
    }
}
