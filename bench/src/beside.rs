//! What else a server has to do while the load that counts goes on: sessions that hold a place, and large mail.

use crate::source::{self, Plan, Report};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a greeting may take.
const GREETING_MAX: Duration = Duration::from_secs(30);
/// How long a slow session waits before its next octets.
const DRIP: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(2) };
/// What a slow command has of octets each time, and a slow content: just more than a server must put up with (`receive.content_rate_min`).
const COMMAND_OCTETS: usize = 1;
const CONTENT_OCTETS: usize = 1100;
/// Commands that are sent at once; their replies are five times as long.
const COMMANDS: usize = 10_000;

/// What goes on beside; ended by [`Beside::end`].
#[derive(Debug, Default)]
pub(crate) struct Beside {
    sessions: Vec<TcpStream>,
    slow: Option<Slow>,
    mail: Option<JoinHandle<io::Result<Report>>>,
}

/// Sessions that are slow, until they are told to stop. Their thread returns how many of them the server has closed.
#[derive(Debug)]
struct Slow {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Beside {
    /// So many sessions that were greeted and say nothing.
    pub(crate) fn idle(server: SocketAddr, sessions: usize) -> io::Result<Self> {
        let sessions = (0..sessions).map(|_| greeted(server)).collect::<io::Result<_>>()?;
        Ok(Self { sessions, ..Self::default() })
    }

    /// So many sessions that send as many commands as the server takes, and read no reply.
    pub(crate) fn deaf(server: SocketAddr, sessions: usize) -> io::Result<Self> {
        let commands = b"HELP\r\n".repeat(COMMANDS);
        let deaf = |_| {
            let mut session = greeted(server)?;
            session.set_nonblocking(true)?;
            match session.write(&commands) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                _ => Ok(session),
            }
        };
        let sessions = (0..sessions).map(deaf).collect::<io::Result<_>>()?;
        Ok(Self { sessions, ..Self::default() })
    }

    /// So many sessions more, one half of which sends a command octet by octet, and the other a message as slowly as a server has to put up with.
    pub(crate) fn and_slow(mut self, server: SocketAddr, sessions: usize) -> io::Result<Self> {
        let opened = |number: usize| {
            if number.is_multiple_of(2) {
                Ok((greeted(server)?, COMMAND_OCTETS))
            } else {
                Ok((in_content(server)?, CONTENT_OCTETS))
            }
        };
        let sessions = (0..sessions).map(opened).collect::<io::Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("slow".to_owned());
        self.slow = Some(Slow { stop, thread: thread.spawn(move || drip(sessions, &stopped))? });
        Ok(self)
    }

    /// Other mail.
    pub(crate) fn mail(plan: Plan) -> io::Result<Self> {
        let thread = thread::Builder::new().name("beside".to_owned());
        Ok(Self { mail: Some(thread.spawn(move || source::run(&plan))?), ..Self::default() })
    }

    /// Ends the sessions and waits for the mail. How many slow sessions the server has closed, and messages were refused or lost.
    pub(crate) fn end(self) -> io::Result<u64> {
        drop(self.sessions);
        let panicked = |_| io::Error::other("what goes on beside has panicked");
        let closed = self.slow.map_or(Ok(0), |slow| {
            slow.stop.store(true, Ordering::Relaxed);
            slow.thread.join().map_err(panicked)
        })?;
        let Some(mail) = self.mail else { return Ok(closed) };
        Ok(closed + mail.join().map_err(panicked)??.failed)
    }
}

/// Sends octets in each session every [`DRIP`], evenly spread over that time. Returns how many the server has closed.
fn drip(mut sessions: Vec<(TcpStream, usize)>, stop: &AtomicBool) -> u64 {
    let all = sessions.len();
    // Enough letters for a command that does not end while the load runs, and lines for a content.
    let content = [b"x".repeat(98).as_slice(), b"\r\n"].concat().repeat(CONTENT_OCTETS / 100);
    let pause = DRIP / u32::try_from(all.max(1)).unwrap_or(u32::MAX);
    while !stop.load(Ordering::Relaxed) && !sessions.is_empty() {
        sessions.retain_mut(|(session, octets)| {
            thread::sleep(pause);
            stop.load(Ordering::Relaxed)
                || session.write_all(content.get(..*octets).unwrap_or_default()).is_ok()
        });
    }
    (all - sessions.len()) as u64
}

/// A session in the middle of a message.
fn in_content(server: SocketAddr) -> io::Result<TcpStream> {
    let mut session = greeted(server)?;
    let commands: [&[u8]; 4] = [
        b"EHLO slow.test\r\n",
        b"MAIL FROM:<source@source.test>\r\n",
        b"RCPT TO:<slow@trouble.test>\r\n",
        b"DATA\r\n",
    ];
    for command in commands {
        session.write_all(command)?;
        let mut reply = [0; 1024];
        let octets = session.read(&mut reply)?;
        if !reply.get(..octets).is_some_and(|reply| reply.starts_with(b"250") || reply.starts_with(b"354")) {
            return Err(io::Error::other("the server refuses a slow message"));
        }
    }
    Ok(session)
}

fn greeted(server: SocketAddr) -> io::Result<TcpStream> {
    let mut session = TcpStream::connect(server)?;
    session.set_read_timeout(Some(GREETING_MAX))?;
    let mut greeting = [0; 512];
    let octets = session.read(&mut greeting)?;
    if greeting.get(..octets).is_some_and(|greeting| greeting.starts_with(b"220")) {
        return Ok(session);
    }
    Err(io::Error::other("the server refuses a session"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Manner, Sink};

    #[test]
    fn sessions_are_greeted_and_held() {
        let sink = Sink::start(Manner::Accepting).unwrap();
        let beside = Beside::idle(sink.address, 3).unwrap();
        assert_eq!(beside.sessions.len(), 3);
        assert_eq!(beside.end().unwrap(), 0);
    }

    #[test]
    fn slow_sessions_go_on_until_they_are_stopped_and_those_that_were_closed_are_told() {
        let sink = Sink::start(Manner::Accepting).unwrap();
        let beside = Beside::default().and_slow(sink.address, 4).unwrap();
        assert_eq!(beside.end().unwrap(), 0);
        assert_eq!(sink.tally.messages(), 0);
        let beside = Beside::default().and_slow(sink.address, 4).unwrap();
        drop(sink);
        while !beside.slow.as_ref().unwrap().thread.is_finished() {
            thread::yield_now();
        }
        assert_eq!(beside.end().unwrap(), 4);
    }
}
